//! Reads a streamed Converse answer, event by event.
//!
//! Text is shared with the event's payload, so that a delta costs no allocation. Blocks follow each other in practice, but
//! each event names its block, and so each block has its own state. `metadata` comes after `messageStop`; one that came
//! before would wait for it, because usage is the last thing that a client hears.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::decode::{garbled, parse, picture, response_fields};
use super::reply::{
    BlockDelta, BlockStart, BlockStop, Delta, Image, MessageStop, Metadata, Reasoning, ToolUse,
};
use crate::canonical::{ChatChunk, RawJson, Text};
use crate::provider::bedrock::chat::answer::stop_reason;
use crate::provider::bedrock::chat::chunker::Chunker;
use crate::provider::bedrock::chat::context::DecodeContext;
use crate::provider::{TransformError, WireEvent};

/// How far a streamed answer has come.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    blocks: Chunker,
    finished: bool,
    /// `metadata` that came too early.
    early: Option<Bytes>,
}

impl StreamState {
    /// Reads one event and appends what it says to `out`.
    pub(crate) fn event(
        &mut self,
        event: WireEvent<'_>,
        context: &DecodeContext,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        let payload = event.payload;
        match event.kind {
            "contentBlockDelta" => {
                let delta: BlockDelta<'_> = parse(payload)?;
                self.delta(delta.content_block_index, delta.delta, payload, out);
            }
            "contentBlockStart" => {
                let start: BlockStart<'_> = parse(payload)?;
                self.start(start, payload, context, out);
            }
            "contentBlockStop" => {
                let stop: BlockStop = parse(payload)?;
                self.blocks.close(stop.content_block_index, out);
            }
            "messageStop" => {
                let stop: MessageStop<'_> = parse(payload)?;
                self.finish(stop, payload, context, out);
                if let Some(early) = self.early.take() {
                    self.metadata(&early, out)?;
                }
            }
            "metadata" if self.finished => self.metadata(payload, out)?,
            "metadata" => self.early = Some(payload.clone()),
            _ => {}
        }
        Ok(())
    }

    /// Says that the stream has ended.
    pub(crate) fn end(&self) -> Result<(), TransformError> {
        if self.finished {
            return Ok(());
        }
        Err(garbled("stream ended before messageStop"))
    }

    fn start(
        &mut self,
        event: BlockStart<'_>,
        payload: &Bytes,
        context: &DecodeContext,
        out: &mut Vec<ChatChunk>,
    ) {
        let block = event.content_block_index;
        let Some(start) = event.start else { return };
        if let Some(call) = start.tool_use {
            self.start_call(block, &call, payload, context, out);
        } else if let Some(reasoning) = start.reasoning_content {
            self.reasoning(block, &reasoning, payload, out);
        } else if let Some(image) = start.image {
            self.blocks.start_image(block, image.format);
        }
    }

    fn start_call(
        &mut self,
        block: u32,
        call: &ToolUse<'_>,
        payload: &Bytes,
        context: &DecodeContext,
        out: &mut Vec<ChatChunk>,
    ) {
        if call.is_servers() {
            return self.blocks.start_hidden(block);
        }
        let name = text(payload, call.name).unwrap_or_else(|| Text::new(""));
        let id = text(payload, call.id).unwrap_or_else(|| Text::new(""));
        self.blocks.start_call(block, (id, name), context, out);
    }

    fn delta(&mut self, block: u32, delta: Delta<'_>, payload: &Bytes, out: &mut Vec<ChatChunk>) {
        if let Some(text) = delta.text {
            if let Some(text) = Text::from_raw(payload, text) {
                self.blocks.text(block, text, out);
            }
        } else if let Some(call) = delta.tool_use {
            let input = call.input.and_then(|input| Text::from_raw(payload, input));
            if let Some(fragment) = input {
                self.blocks.input(block, fragment, out);
            }
        } else if let Some(reasoning) = delta.reasoning_content {
            self.reasoning(block, &reasoning, payload, out);
        } else if let Some(citation) = delta.citation {
            let raw = RawJson::from_raw(payload, citation);
            out.push(ChatChunk::Citation { block, raw });
        } else if let Some(image) = delta.image {
            self.image(block, image, payload, out);
        }
    }

    fn reasoning(
        &mut self,
        block: u32,
        reasoning: &Reasoning<'_>,
        payload: &Bytes,
        out: &mut Vec<ChatChunk>,
    ) {
        if let Some(text) = text(payload, reasoning.text) {
            self.blocks.thinking(block, text, out);
        }
        if let Some(signature) = text(payload, reasoning.signature) {
            self.blocks.signature(block, signature, out);
        }
        if let Some(data) = text(payload, reasoning.redacted_content) {
            self.blocks.redacted(block, data, out);
        }
    }

    fn image(
        &mut self,
        block: u32,
        mut image: Image<'_>,
        payload: &Bytes,
        out: &mut Vec<ChatChunk>,
    ) {
        let format = self.blocks.image_format(block);
        image.format = image.format.or(format);
        if let Some((format, base64)) = picture(payload, image) {
            out.push(ChatChunk::Image {
                block,
                format,
                base64,
            });
        }
    }

    fn finish(
        &mut self,
        stop: MessageStop<'_>,
        payload: &Bytes,
        context: &DecodeContext,
        out: &mut Vec<ChatChunk>,
    ) {
        if self.finished {
            return;
        }
        self.finished = true;
        let calls = self.blocks.close_all(out);
        let fields = stop.additional_model_response_fields;
        self.blocks.thought.report(fields);
        let fields = fields.filter(|_| context.response_fields);
        out.push(ChatChunk::Finish {
            stop: stop_reason(stop.stop_reason.unwrap_or_default(), calls),
            provider_fields: fields
                .map(|fields| response_fields(payload, fields))
                .into_iter()
                .collect(),
        });
    }

    fn metadata(
        &mut self,
        payload: &Bytes,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        let about: Metadata<'_> = parse(payload)?;
        out.extend(
            about
                .trace
                .map(|trace| ChatChunk::Trace(RawJson::from_raw(payload, trace))),
        );
        let details = about.details(payload);
        if !details.is_empty() {
            out.push(ChatChunk::Details(details));
        }
        let service_tier = about.service_tier.and_then(|tier| tier.kind);
        out.extend(about.usage.map(|usage| ChatChunk::Usage {
            usage: usage.read(self.blocks.thought),
            service_tier,
        }));
        Ok(())
    }
}

/// Takes a string out of a payload, sharing it.
fn text(payload: &Bytes, raw: Option<&RawValue>) -> Option<Text> {
    Text::from_raw(payload, raw?)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
