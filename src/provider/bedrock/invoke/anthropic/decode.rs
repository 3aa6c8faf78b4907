//! Reads a whole answer of Claude's; [`super::stream`] reads a streamed one.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;

use super::super::envelope::{Counts, Notes, Unwrapper, garbled, parse};
use super::reply::{Block, Reply};
use super::stream::StreamState;
use crate::canonical::{
    AnswerBlock, Chat, ChatAnswer, ChatChunk, Native, NativeFormat, RawJson, StopReason, Text,
};
use crate::provider::bedrock::chat::answer::{Blocks, Calls, stop_reason};
use crate::provider::bedrock::chat::chunks::into_chunks;
use crate::provider::bedrock::chat::context::DecodeContext;
use crate::provider::bedrock::chat::thinking_tags::TagReader;
use crate::provider::bedrock::chat::thought::Thought;
use crate::provider::{Decoded, Decoder, TransformError, WireAnswer, WireEvent};

/// Reads the answer to one request.
#[derive(Debug)]
pub(super) struct AnthropicDecoder {
    context: DecodeContext,
    unwrapper: Unwrapper,
    stream: StreamState,
    /// Whether the client speaks this format and is given what was written.
    native: bool,
    /// Whether the events of a stream are Anthropic's own, not wrapped in Bedrock's.
    is_bare: bool,
}

impl AnthropicDecoder {
    /// Makes the reader of the answer to the request that left `context` behind.
    pub(super) fn new(context: DecodeContext) -> Self {
        Self {
            context,
            unwrapper: Unwrapper::default(),
            stream: StreamState::default(),
            native: false,
            is_bare: false,
        }
    }

    /// Reads a stream of server-sent events, as Anthropic's own API sends them.
    pub(super) fn bare(mut self) -> Self {
        self.is_bare = true;
        self
    }

    /// Keeps what was written, for a client that speaks this format.
    pub(super) fn native(mut self) -> Self {
        self.native = true;
        self.stream.keep_native();
        self
    }
}

impl Decoder<Chat> for AnthropicDecoder {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Chat>, TransformError> {
        let [answer] = answers else {
            return Err(garbled("expected one answer"));
        };
        let mut read = read_answer(&answer.body, answer.headers, &self.context)?;
        read.native = read.native.filter(|_| self.native);
        Ok(Decoded::Answer(read))
    }

    fn event(
        &mut self,
        event: WireEvent<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        if self.is_bare {
            return self.stream.event(event.payload, &self.context, out);
        }
        if event.kind != "chunk" {
            return Ok(());
        }
        let body = self.unwrapper.chunk(event.payload)?;
        self.stream.event(&body, &self.context, out)
    }

    fn end(&mut self, _out: &mut Vec<ChatChunk>) -> Result<(), TransformError> {
        self.stream.end()
    }

    fn chunks(&mut self, answer: ChatAnswer) -> Vec<ChatChunk> {
        into_chunks(answer)
    }

    fn native(&self) -> Option<NativeFormat> {
        self.native.then_some(NativeFormat::Messages)
    }
}

/// Takes a string out of a body, sharing it.
pub(super) fn text(body: &Bytes, raw: Option<&RawValue>) -> Option<Text> {
    Text::from_raw(body, raw?)
}

fn read_answer(
    body: &Bytes,
    headers: &HeaderMap,
    context: &DecodeContext,
) -> Result<ChatAnswer, TransformError> {
    let reply: Reply<'_> = parse(body)?;
    if reply.content.is_none() && reply.stop_reason.is_none() {
        return Err(garbled("the answer is not what Claude answers"));
    }
    let mut notes = Notes::default();
    notes.read(body)?;
    let mut blocks = Blocks::new(context);
    let mut citations: Vec<&RawValue> = Vec::new();
    let mut is_alone = false;
    for block in reply.content.unwrap_or_default() {
        is_alone |= !is_known(&block.kind);
        citations.extend(block.citations.filter(|list| list.get().starts_with('[')));
        read_block(body, &block, &mut blocks);
    }
    let thought = Thought::of(&blocks.list);
    let (blocks, calls) = blocks.finish();
    let counts = Counts::of_headers(headers);
    let stop = stopped(&notes, reply.stop_reason.unwrap_or_default(), calls);
    let mut provider_fields = Vec::new();
    if !citations.is_empty() {
        let raw = RawJson::from_value(&citations);
        provider_fields.push(("citations".to_owned(), raw));
    }
    Ok(ChatAnswer {
        blocks,
        stop,
        usage: Some(reply.usage.unwrap_or_default().read(counts, thought)),
        trace: notes.trace,
        provider_fields,
        native: Some(Native {
            format: NativeFormat::Messages,
            body: RawJson::from_checked(body.clone()),
            is_alone,
        }),
        ..ChatAnswer::default()
    })
}

/// Reads why the model stopped. Its word is one of the clients' format, unless a guardrail put Bedrock's in its place or the
/// tool that it is about is not shown.
pub(super) fn stopped(notes: &Notes, reported: String, calls: Calls) -> StopReason {
    let is_models = !notes.intervened && calls == Calls::AsReported;
    StopReason {
        format: is_models.then_some(NativeFormat::Messages),
        ..stop_reason(notes.stop(reported), calls)
    }
}

/// Says whether the canonical types have a place for a block of this type.
pub(super) fn is_known(kind: &str) -> bool {
    matches!(kind, "text" | "thinking" | "redacted_thinking" | "tool_use")
}

fn read_block(body: &Bytes, block: &Block<'_>, blocks: &mut Blocks<'_>) {
    match block.kind.as_str() {
        "text" => {
            if let Some(text) = text(body, block.text).filter(|text| !text.is_empty()) {
                blocks.push_text(text, TagReader::default());
            }
        }
        "thinking" => blocks.list.push(AnswerBlock::Thinking {
            text: text(body, block.thinking).unwrap_or_else(|| Text::new("")),
            signature: text(body, block.signature).filter(|signature| !signature.is_empty()),
        }),
        "redacted_thinking" => {
            if let Some(data) = text(body, block.data) {
                blocks.list.push(AnswerBlock::Redacted(data));
            }
        }
        "tool_use" => {
            let or_empty = |text: Option<Text>| text.unwrap_or_else(|| Text::new(""));
            let input = block.input.map(|input| RawJson::from_raw(body, input));
            let id = or_empty(text(body, block.id));
            blocks.push_call(id, or_empty(text(body, block.name)), input);
        }
        // Tools that run at Anthropic, and what later models may bring.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_of_the_models_own_is_one_of_the_clients_format() {
        let intervened = Notes {
            intervened: true,
            ..Notes::default()
        };
        let own = Notes::default();
        let messages = Some(NativeFormat::Messages);
        for (notes, reported, calls, format, finish_reason) in [
            (
                &own,
                "refusal",
                Calls::AsReported,
                messages,
                "content_filter",
            ),
            (&own, "tool_use", Calls::AsReported, messages, "tool_calls"),
            (&own, "tool_use", Calls::OnlyJson, None, "stop"),
            (
                &intervened,
                "end_turn",
                Calls::AsReported,
                None,
                "content_filter",
            ),
        ] {
            let stop = stopped(notes, reported.to_owned(), calls);
            assert_eq!((stop.format, stop.finish_reason), (format, finish_reason));
        }
    }
}
