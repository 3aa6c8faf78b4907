//! Reads a whole Converse answer; [`super::stream`] reads a streamed one.
//!
//! Blocks become canonical blocks in their order, their text shared with the body. What the request changed is changed
//! back here: tools get the client's names, and the stand-in tool for a JSON schema becomes text.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::reply::{Block, CitationsContent, Image, Metadata, Reasoning, Reply, ToolUse};
use super::stream::StreamState;
use crate::canonical::{AnswerBlock, Chat, ChatAnswer, ChatChunk, RawJson, Text};
use crate::error::{Error, ErrorKind};
use crate::provider::bedrock::chat::answer::{Blocks, stop_reason};
use crate::provider::bedrock::chat::chunks::into_chunks;
use crate::provider::bedrock::chat::context::DecodeContext;
use crate::provider::bedrock::chat::thinking_tags::TagReader;
use crate::provider::bedrock::chat::thought::Thought;
use crate::provider::{Decoded, Decoder, TransformError, WireAnswer, WireEvent};

/// Reads the answer to one Converse request.
#[derive(Debug)]
pub struct ConverseDecoder {
    context: DecodeContext,
    stream: StreamState,
}

impl ConverseDecoder {
    /// Makes the reader of the answer to the request that left `context` behind.
    pub fn new(context: DecodeContext) -> Self {
        Self {
            context,
            stream: StreamState::default(),
        }
    }
}

impl Decoder<Chat> for ConverseDecoder {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Chat>, TransformError> {
        let [answer] = answers else {
            return Err(garbled("expected one answer"));
        };
        read_answer(&answer.body, &self.context).map(Decoded::Answer)
    }

    fn event(
        &mut self,
        event: WireEvent<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        self.stream.event(event, &self.context, out)
    }

    fn end(&mut self, _out: &mut Vec<ChatChunk>) -> Result<(), TransformError> {
        self.stream.end()
    }

    fn chunks(&mut self, answer: ChatAnswer) -> Vec<ChatChunk> {
        into_chunks(answer)
    }
}

/// Makes the error of an answer that cannot be read.
pub(crate) fn garbled(message: &'static str) -> TransformError {
    Error::new(ErrorKind::Garbled, message).into()
}

/// Parses a body or the payload of an event.
pub(super) fn parse<'a, T: serde::Deserialize<'a>>(body: &'a Bytes) -> Result<T, TransformError> {
    serde_json::from_slice(body).map_err(|error| {
        Error::new(
            ErrorKind::Garbled,
            "the answer is not what Converse answers",
        )
        .with_source(error)
        .into()
    })
}

fn read_answer(body: &Bytes, context: &DecodeContext) -> Result<ChatAnswer, TransformError> {
    let reply: Reply<'_> = parse(body)?;
    if reply.output.is_none() && reply.stop_reason.is_none() {
        return Err(garbled("the answer is not what Converse answers"));
    }
    let message = reply.output.and_then(|output| output.message);
    let mut reader = BlockReader::new(body, context);
    for block in message
        .and_then(|message| message.content)
        .unwrap_or_default()
    {
        reader.read(block);
    }
    let mut thought = Thought::of(&reader.blocks.list);
    thought.report(reply.additional_model_response_fields);
    let mut provider_fields = reader.provider_fields();
    if let Some(fields) = reply.additional_model_response_fields
        && context.response_fields
    {
        provider_fields.push(response_fields(body, fields));
    }
    let (blocks, calls) = reader.blocks.finish();
    let about = Metadata {
        usage: reply.usage,
        trace: reply.trace,
        service_tier: reply.service_tier,
        performance_config: reply.performance_config,
        metrics: reply.metrics,
    };
    Ok(ChatAnswer {
        blocks,
        stop: stop_reason(reply.stop_reason.unwrap_or_default(), calls),
        usage: about.usage.as_ref().map(|usage| usage.read(thought)),
        trace: about.trace.map(|trace| RawJson::from_raw(body, trace)),
        details: about.details(body),
        service_tier: about.service_tier.and_then(|tier| tier.kind),
        provider_fields,
        native: None,
    })
}

impl Metadata<'_> {
    /// Returns what only clients that want more than OpenAI's shape are shown.
    pub(super) fn details(&self, body: &Bytes) -> Vec<(String, RawJson)> {
        [
            ("metrics", self.metrics),
            ("performanceConfig", self.performance_config),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), RawJson::from_raw(body, value?))))
        .collect()
    }
}

/// Names `additionalModelResponseFields` for the client.
pub(super) fn response_fields(body: &Bytes, fields: &RawValue) -> (String, RawJson) {
    let name = "additionalModelResponseFields".to_owned();
    (name, RawJson::from_raw(body, fields))
}

/// Reads the blocks of one answer.
struct BlockReader<'b> {
    body: &'b Bytes,
    blocks: Blocks<'b>,
    /// `reasoningContent` blocks as written.
    reasoning: Vec<RawJson>,
}

impl<'b> BlockReader<'b> {
    fn new(body: &'b Bytes, context: &'b DecodeContext) -> Self {
        Self {
            body,
            blocks: Blocks::new(context),
            reasoning: Vec::new(),
        }
    }

    fn read(&mut self, block: Block<'b>) {
        if let Some(text) = self.text(block.text) {
            self.blocks.push_text(text, TagReader::default());
        } else if let Some(call) = block.tool_use {
            self.push_call(&call);
        } else if let Some(reasoning) = block.reasoning_content {
            self.push_reasoning(reasoning);
        } else if let Some(citations) = block.citations_content {
            self.push_citations(citations);
        } else if let Some(text) = block
            .guard_content
            .and_then(|guard| self.text(guard.text?.text))
        {
            self.blocks.list.push(AnswerBlock::Text(text));
        } else if let Some((format, base64)) =
            block.image.and_then(|image| picture(self.body, image))
        {
            self.blocks.list.push(AnswerBlock::Image { format, base64 });
        }
    }

    fn text(&self, raw: Option<&RawValue>) -> Option<Text> {
        Text::from_raw(self.body, raw?)
    }

    fn push_call(&mut self, call: &ToolUse<'_>) {
        if call.is_servers() {
            return;
        }
        let input = call.input.map(|input| RawJson::from_raw(self.body, input));
        let name = self.text(call.name).unwrap_or_else(|| Text::new(""));
        let id = self.text(call.id).unwrap_or_else(|| Text::new(""));
        self.blocks.push_call(id, name, input);
    }

    fn push_reasoning(&mut self, raw: &'b RawValue) {
        let Ok(reasoning) = serde_json::from_str::<Reasoning<'_>>(raw.get()) else {
            return;
        };
        let shown = reasoning.shown.as_ref();
        if let Some(text) = shown.and_then(|shown| self.text(shown.text)) {
            let signature = shown.and_then(|shown| self.text(shown.signature));
            self.blocks
                .list
                .push(AnswerBlock::Thinking { text, signature });
        } else if let Some(data) = self.text(reasoning.redacted_content) {
            self.blocks.list.push(AnswerBlock::Redacted(data));
        }
        self.reasoning.push(RawJson::from_raw(self.body, raw));
    }

    fn push_citations(&mut self, raw: &'b RawValue) {
        let cited = serde_json::from_str::<CitationsContent<'_>>(raw.get()).unwrap_or_default();
        let texts = cited.content.into_iter().flatten();
        let texts: Vec<Text> = texts.filter_map(|part| self.text(part.text)).collect();
        let text = match texts.as_slice() {
            [one] => one.clone(),
            several => Text::new(&several.iter().map(Text::decoded).collect::<String>()),
        };
        let raw = RawJson::from_raw(self.body, raw);
        self.blocks.list.push(AnswerBlock::Citations { text, raw });
    }

    fn provider_fields(&self) -> Vec<(String, RawJson)> {
        if self.reasoning.is_empty() {
            return Vec::new();
        }
        let raw = RawJson::from_value(&self.reasoning);
        vec![("reasoningContentBlocks".to_owned(), raw)]
    }
}

/// Returns a picture's format and data.
pub(super) fn picture(body: &Bytes, image: Image<'_>) -> Option<(String, Text)> {
    let base64 = Text::from_raw(body, image.source?.bytes?)?;
    Some((image.format.unwrap_or_else(|| "png".to_owned()), base64))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
