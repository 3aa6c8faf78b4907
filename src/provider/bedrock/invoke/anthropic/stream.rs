//! Reads a streamed answer of Claude's, event by event.

use bytes::Bytes;
use serde::Deserialize;

use super::super::envelope::{Notes, garbled, parse};
use super::decode::{stopped, text};
use super::keeper::Keeper;
use super::reply::{Block, Delta, Event};
use super::usage::WireUsage;
use crate::canonical::{ChatChunk, Text};
use crate::error::{Error, ErrorKind};
use crate::provider::TransformError;
use crate::provider::bedrock::chat::chunker::Chunker;
use crate::provider::bedrock::chat::context::DecodeContext;

/// How far a streamed answer has come.
#[derive(Debug, Default)]
pub(super) struct StreamState {
    blocks: Chunker,
    notes: Notes,
    usage: WireUsage,
    stop_reason: Option<String>,
    finished: bool,
    /// What of the events is passed on as it was written, for a client that speaks this format.
    native: Option<Keeper>,
}

impl StreamState {
    /// Keeps the events as they are written.
    pub(super) fn keep_native(&mut self) {
        self.native = Some(Keeper::default());
    }

    /// Reads one event and appends what it says to `out`.
    pub(super) fn event(
        &mut self,
        body: &Bytes,
        context: &DecodeContext,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        self.notes.read(body)?;
        let event: Event<'_> = parse(body)?;
        if self.finished {
            return Ok(());
        }
        let Some(mut keeper) = self.native.take() else {
            return self.read(event, body, context, out);
        };
        let what = keeper.see(&event, body, self.notes.metrics);
        let start = out.len();
        let read = self.read(event, body, context, out);
        if read.is_ok() {
            what.put(start, out);
        }
        self.native = Some(keeper);
        read
    }

    fn read(
        &mut self,
        event: Event<'_>,
        body: &Bytes,
        context: &DecodeContext,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        match &*event.kind {
            "content_block_delta" => {
                if let Some(delta) = &event.delta {
                    self.delta(event.index, delta, body, out);
                }
            }
            "content_block_start" => {
                if let Some(block) = &event.content_block {
                    self.start(event.index, block, body, context, out);
                }
            }
            "content_block_stop" => self.blocks.close(event.index, out),
            "message_start" => {
                let usage = event.message.and_then(|message| message.usage);
                self.usage.update(usage.unwrap_or_default());
            }
            "message_delta" => {
                self.usage.update(event.usage.unwrap_or_default());
                let reason = event.delta.and_then(|delta| delta.stop_reason);
                self.stop_reason = reason.or(self.stop_reason.take());
            }
            "message_stop" => {
                self.usage.update(event.usage.unwrap_or_default());
                self.finish(out);
            }
            "error" => return Err(fault(event.error.map_or("", |error| error.get())).into()),
            _ => {}
        }
        Ok(())
    }

    /// Says that the stream has ended.
    pub(super) fn end(&self) -> Result<(), TransformError> {
        if self.finished {
            return Ok(());
        }
        Err(garbled("stream ended before message_stop"))
    }

    fn start(
        &mut self,
        index: u32,
        block: &Block<'_>,
        body: &Bytes,
        context: &DecodeContext,
        out: &mut Vec<ChatChunk>,
    ) {
        match block.kind.as_str() {
            "tool_use" => {
                let or_empty = |text: Option<Text>| text.unwrap_or_else(|| Text::new(""));
                let id = or_empty(text(body, block.id));
                let name = or_empty(text(body, block.name));
                self.blocks.start_call(index, (id, name), context, out);
                // Arguments that come with the start are the whole of them.
                let input = block.input.map(serde_json::value::RawValue::get);
                if let Some(input) = input.filter(|input| !matches!(*input, "{}" | "null")) {
                    self.blocks.input(index, Text::new(input), out);
                }
            }
            "text" => self.text(index, text(body, block.text), out),
            "thinking" => {
                if let Some(thinking) = text(body, block.thinking) {
                    self.blocks.thinking(index, thinking, out);
                }
            }
            "redacted_thinking" => {
                if let Some(data) = text(body, block.data) {
                    self.blocks.redacted(index, data, out);
                }
            }
            _ => self.blocks.start_hidden(index),
        }
    }

    fn delta(&mut self, index: u32, delta: &Delta<'_>, body: &Bytes, out: &mut Vec<ChatChunk>) {
        if delta.text.is_some() {
            self.text(index, text(body, delta.text), out);
        } else if let Some(fragment) = text(body, delta.partial_json) {
            self.blocks.input(index, fragment, out);
        } else if let Some(thinking) = text(body, delta.thinking) {
            self.blocks.thinking(index, thinking, out);
        } else if let Some(signature) = text(body, delta.signature) {
            self.blocks.signature(index, signature, out);
        }
    }

    fn text(&mut self, index: u32, text: Option<Text>, out: &mut Vec<ChatChunk>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.blocks.text(index, text, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<ChatChunk>) {
        self.finished = true;
        let calls = self.blocks.close_all(out);
        let reported = self.stop_reason.take().unwrap_or_default();
        out.push(ChatChunk::Finish {
            stop: stopped(&self.notes, reported, calls),
            provider_fields: Vec::new(),
        });
        out.extend(self.notes.trace.take().map(ChatChunk::Trace));
        let counts = self.notes.metrics.unwrap_or_default();
        out.push(ChatChunk::Usage {
            usage: self.usage.read(counts, self.blocks.thought),
            service_tier: None,
        });
    }
}

/// Reads an error that Claude's API puts into the stream.
fn fault(written: &str) -> Error {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "type", default)]
        kind: String,
        #[serde(default)]
        message: String,
    }
    let Ok(wire) = serde_json::from_str::<Wire>(written) else {
        return Error::new(
            ErrorKind::Unavailable,
            "the model ended its answer with an error",
        );
    };
    let kind = match wire.kind.as_str() {
        "rate_limit_error" => ErrorKind::Throttled,
        "invalid_request_error" => ErrorKind::BadRequest,
        "timeout_error" => ErrorKind::Timeout,
        _ => ErrorKind::Unavailable,
    };
    let message = match wire.message.as_str() {
        "" => format!("the model ended its answer with {}", wire.kind),
        message => message.to_owned(),
    };
    Error::new(kind, message)
}
