//! Amazon Nova's own format: Converse's, with a few members in other places.
//!
//! <https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html>.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::envelope::{Counts, Notes, Outgoing, Unwrapper, garbled, parse};
use super::text_model::must_have_messages;
use crate::canonical::{Chat, ChatAnswer, ChatChunk, ChatRequest, RawJson, StopReason, Usage};
use crate::error::Result;
use crate::provider::bedrock::chat::blocks::{Block, Speaker, Turn};
use crate::provider::bedrock::chat::chunks::into_chunks;
use crate::provider::bedrock::chat::context::DecodeContext;
use crate::provider::bedrock::chat::extras::guardrail_config;
use crate::provider::bedrock::chat::warnings;
use crate::provider::bedrock::converse::ConverseDecoder;
use crate::provider::bedrock::converse::request::Request;
use crate::provider::bedrock::converse::stream::StreamState;
use crate::provider::bedrock::converse::top_level::write_member;
use crate::provider::{
    Decoded, Decoder, Exchange, Target, TransformError, Transformer, WireAnswer, WireEvent,
    WireRequest,
};

/// Nova, of either generation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nova;

impl Transformer<Chat> for Nova {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        let (wire, context, warnings) = encode(request, target)?;
        Ok(Exchange {
            requests: vec![wire],
            decoder: Box::new(NovaDecoder::new(context)),
            warnings,
        })
    }
}

fn encode(
    request: &ChatRequest,
    target: &Target,
) -> Result<(WireRequest, DecodeContext, Vec<String>)> {
    must_have_messages(request)?;
    let mut written = Request::new(request, target)?;
    for turn in &mut written.draft.turns {
        fold_cache_points(turn);
    }
    let mut system = Turn {
        speaker: Speaker::User,
        blocks: std::mem::take(&mut written.draft.system),
    };
    fold_cache_points(&mut system);
    written.draft.system = system.blocks;
    let mut inference = inference(&written);
    let inference: Vec<(&str, Value)> = inference
        .iter_mut()
        .map(|(name, value)| (name.as_str(), value.take()))
        .collect();
    let streamed = request.stream;
    let mut body = written.buffer();
    written.write_conversation(&inference, &mut body);
    if let Some(guardrail) = &written.draft.params.guardrail {
        let config = guardrail_config(guardrail, streamed);
        write_member("guardrailConfig", config.bytes(), &mut body);
    }
    body.extend_from_slice(br#","schemaVersion":"messages-v1"}"#);
    let draft = written.draft;
    let mut warnings = draft.warnings;
    let wire = Outgoing {
        request,
        params: &draft.params,
        target,
        streamed,
        body,
    }
    .wire_without_guardrail(&mut warnings)?;
    let context = draft.toolbox.context();
    Ok((wire, context, warnings::fit(warnings)))
}

/// Returns what `inferenceConfig` has here and what Converse takes beside it.
fn inference(written: &Request<'_>) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    let own = written.fields.get("inferenceConfig").map(RawJson::to_value);
    if let Some(Value::Object(own)) = own {
        out.extend(own);
    }
    if let Some(reasoning) = written.fields.get("reasoningConfig") {
        out.push(("reasoningConfig".to_owned(), reasoning.to_value()));
    }
    out
}

/// Puts each cache point into the text before it; one that follows anything else has no place here.
fn fold_cache_points(turn: &mut Turn) {
    if !turn
        .blocks
        .iter()
        .any(|block| matches!(block, Block::CachePoint(_)))
    {
        return;
    }
    let mut out: Vec<Block> = Vec::with_capacity(turn.blocks.len());
    for block in turn.blocks.drain(..) {
        match (out.last_mut(), block) {
            (Some(last @ Block::Text(_)), Block::CachePoint(point)) => {
                if let Block::Text(text) = last {
                    *last = Block::CachedText(text.clone(), point);
                }
            }
            (_, Block::CachePoint(_)) => {}
            (_, block) => out.push(block),
        }
    }
    turn.blocks = out;
}

/// Reads the answer to one request.
#[derive(Debug)]
struct NovaDecoder {
    context: DecodeContext,
    whole: ConverseDecoder,
    stream: StreamState,
    unwrapper: Unwrapper,
    notes: Notes,
    has_usage: bool,
}

impl NovaDecoder {
    fn new(context: DecodeContext) -> Self {
        Self {
            whole: ConverseDecoder::new(context.clone()),
            context,
            stream: StreamState::default(),
            unwrapper: Unwrapper::default(),
            notes: Notes::default(),
            has_usage: false,
        }
    }
}

/// One event: Converse's, under its name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    content_block_start: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block_delta: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block_stop: Option<&'a RawValue>,
    #[serde(borrow)]
    message_stop: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

impl Decoder<Chat> for NovaDecoder {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Chat>, TransformError> {
        let Decoded::Answer(mut answer) = self.whole.whole(answers)? else {
            return Err(garbled("a chat answer has no further pages"));
        };
        if let [wire] = answers {
            self.notes.read(&wire.body)?;
            answer.usage = answer
                .usage
                .or_else(|| usage(Counts::of_headers(wire.headers)));
        }
        if self.notes.intervened {
            answer.stop = intervened();
        }
        answer.trace = answer.trace.or_else(|| self.notes.trace.take());
        Ok(Decoded::Answer(answer))
    }

    fn event(
        &mut self,
        event: WireEvent<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        if event.kind != "chunk" {
            return Ok(());
        }
        let body = self.unwrapper.chunk(event.payload)?;
        self.notes.read(&body)?;
        let event: Event<'_> = parse(&body)?;
        let named = [
            ("contentBlockDelta", event.content_block_delta),
            ("contentBlockStart", event.content_block_start),
            ("contentBlockStop", event.content_block_stop),
            ("messageStop", event.message_stop),
            ("metadata", event.metadata),
        ];
        let before = out.len();
        for (kind, payload) in named {
            let Some(payload) = payload else { continue };
            let payload = RawJson::from_raw(&body, payload);
            let payload = payload.bytes();
            let event = WireEvent { kind, payload };
            self.stream.event(event, &self.context, out)?;
        }
        for chunk in out.iter_mut().skip(before) {
            match chunk {
                ChatChunk::Finish { stop, .. } if self.notes.intervened => *stop = intervened(),
                ChatChunk::Usage { .. } => self.has_usage = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<ChatChunk>) -> Result<(), TransformError> {
        self.stream.end()?;
        if !self.has_usage {
            out.extend(self.notes.trace.take().map(ChatChunk::Trace));
            let usage = self.notes.metrics.and_then(usage);
            out.extend(usage.map(|usage| ChatChunk::Usage {
                usage,
                service_tier: None,
            }));
        }
        Ok(())
    }

    fn chunks(&mut self, answer: ChatAnswer) -> Vec<ChatChunk> {
        into_chunks(answer)
    }
}

fn intervened() -> StopReason {
    StopReason {
        finish_reason: "content_filter",
        raw: "guardrail_intervened".to_owned(),
        format: None,
    }
}

fn usage(counts: Counts) -> Option<Usage> {
    Some(Usage {
        input_tokens: counts.input?,
        output_tokens: counts.output.unwrap_or(0),
        cache_read_tokens: counts.cache_read.unwrap_or(0),
        cache_write_tokens: counts.cache_write.unwrap_or(0),
        ..Usage::default()
    })
}
