//! Reads a streamed Converse answer, event by event.
//!
//! Text is shared with the event's payload, so that a delta costs no allocation. Blocks follow each other in practice, but
//! each event names its block, and so each block has its own state. `metadata` comes after `messageStop`; one that came
//! before would wait for it, because usage is the last thing that a client hears.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::decode::{
    Calls, clients_name, garbled, json_tool_of, parse, picture, response_fields, stop_reason,
};
use super::reply::{
    BlockDelta, BlockStart, BlockStop, Delta, Image, MessageStop, Metadata, Reasoning, ToolUse,
};
use crate::canonical::{ChatChunk, RawJson, Text};
use crate::provider::bedrock::chat::context::DecodeContext;
use crate::provider::bedrock::chat::json_tool::JsonStream;
use crate::provider::bedrock::chat::thinking_tags::{Piece, TagReader};
use crate::provider::bedrock::chat::thought::Thought;
use crate::provider::{TransformError, WireEvent};

/// How far a streamed answer has come.
#[derive(Debug, Default)]
pub(super) struct StreamState {
    /// The blocks that began and did not end, by `contentBlockIndex`.
    open: Vec<(u32, BlockState)>,
    /// Tool calls of the client's so far.
    calls: u32,
    /// Whether the stand-in tool for a JSON schema was called.
    json_called: bool,
    thought: Thought,
    finished: bool,
    /// `metadata` that came too early.
    early: Option<Bytes>,
}

/// What an open block is.
#[derive(Debug)]
enum BlockState {
    Text(TagReader),
    Call {
        index: u32,
        has_input: bool,
    },
    Json(JsonStream),
    Image {
        format: Option<String>,
    },
    /// A call that Bedrock runs itself.
    Hidden,
}

impl StreamState {
    /// Reads one event and appends what it says to `out`.
    pub(super) fn event(
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
                self.close(stop.content_block_index, out);
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
    pub(super) fn end(&self) -> Result<(), TransformError> {
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
            let state = self.start_call(block, &call, payload, context, out);
            self.open.push((block, state));
        } else if let Some(reasoning) = start.reasoning_content {
            self.reasoning(block, &reasoning, payload, out);
        } else if let Some(image) = start.image {
            let format = image.format;
            self.open.push((block, BlockState::Image { format }));
        }
    }

    fn start_call(
        &mut self,
        block: u32,
        call: &ToolUse<'_>,
        payload: &Bytes,
        context: &DecodeContext,
        out: &mut Vec<ChatChunk>,
    ) -> BlockState {
        if call.is_servers() {
            return BlockState::Hidden;
        }
        let name = text(payload, call.name).unwrap_or_else(|| Text::new(""));
        if let Some(tool) = json_tool_of(&name, context) {
            // One answer is the answer; two behind each other would not be JSON.
            if std::mem::replace(&mut self.json_called, true) {
                return BlockState::Hidden;
            }
            return BlockState::Json(JsonStream::new(tool));
        }
        let index = self.calls;
        self.calls += 1;
        let id = text(payload, call.id).unwrap_or_else(|| Text::new(""));
        let name = clients_name(name, context);
        out.push(ChatChunk::ToolStart {
            block,
            index,
            id,
            name,
        });
        BlockState::Call {
            index,
            has_input: false,
        }
    }

    fn delta(&mut self, block: u32, delta: Delta<'_>, payload: &Bytes, out: &mut Vec<ChatChunk>) {
        if let Some(text) = delta.text {
            if let Some(text) = Text::from_raw(payload, text) {
                self.text(block, text, out);
            }
        } else if let Some(call) = delta.tool_use {
            let input = call.input.and_then(|input| Text::from_raw(payload, input));
            if let Some(fragment) = input {
                self.input(block, fragment, out);
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

    fn text(&mut self, block: u32, text: Text, out: &mut Vec<ChatChunk>) {
        let thought = &mut self.thought;
        let tags = match self.open.iter_mut().find(|(open, _)| *open == block) {
            Some((_, BlockState::Text(tags))) => tags,
            Some(_) => return,
            None => {
                self.open
                    .push((block, BlockState::Text(TagReader::default())));
                return self.text(block, text, out);
            }
        };
        tags.feed(text, |piece| push_piece(block, piece, thought, out));
    }

    fn input(&mut self, block: u32, fragment: Text, out: &mut Vec<ChatChunk>) {
        match self.state(block) {
            Some(BlockState::Call { index, has_input }) if !fragment.is_empty() => {
                *has_input = true;
                let index = *index;
                out.push(ChatChunk::ToolInput {
                    block,
                    index,
                    fragment,
                });
            }
            Some(BlockState::Json(json)) => {
                out.extend(
                    json.feed(fragment)
                        .map(|text| ChatChunk::Text { block, text }),
                );
            }
            _ => {}
        }
    }

    fn reasoning(
        &mut self,
        block: u32,
        reasoning: &Reasoning<'_>,
        payload: &Bytes,
        out: &mut Vec<ChatChunk>,
    ) {
        if let Some(text) = text(payload, reasoning.text).filter(|text| !text.is_empty()) {
            self.thought.add(&text);
            out.push(ChatChunk::Thinking { block, text });
        }
        if let Some(signature) = text(payload, reasoning.signature).filter(|text| !text.is_empty())
        {
            // Without any text before it, this is all that is seen of the reasoning.
            self.thought.add_redacted();
            out.push(ChatChunk::Signature { block, signature });
        }
        if let Some(data) = text(payload, reasoning.redacted_content) {
            self.thought.add_redacted();
            out.push(ChatChunk::Redacted { block, data });
        }
    }

    fn image(
        &mut self,
        block: u32,
        mut image: Image<'_>,
        payload: &Bytes,
        out: &mut Vec<ChatChunk>,
    ) {
        if let Some(BlockState::Image { format }) = self.state(block) {
            image.format = image.format.or_else(|| format.clone());
        }
        if let Some((format, base64)) = picture(payload, image) {
            out.push(ChatChunk::Image {
                block,
                format,
                base64,
            });
        }
    }

    fn state(&mut self, block: u32) -> Option<&mut BlockState> {
        let open = self.open.iter_mut().find(|(open, _)| *open == block);
        open.map(|(_, state)| state)
    }

    fn close(&mut self, block: u32, out: &mut Vec<ChatChunk>) {
        if let Some(at) = self.open.iter().position(|(open, _)| *open == block) {
            let (_, state) = self.open.swap_remove(at);
            self.close_state(block, state, out);
        }
    }

    /// Says what was held back until the block's end.
    fn close_state(&mut self, block: u32, state: BlockState, out: &mut Vec<ChatChunk>) {
        match state {
            BlockState::Text(mut tags) => {
                tags.finish(|piece| push_piece(block, piece, &mut self.thought, out));
            }
            BlockState::Call {
                index,
                has_input: false,
            } => {
                let fragment = Text::new("{}");
                out.push(ChatChunk::ToolInput {
                    block,
                    index,
                    fragment,
                });
            }
            BlockState::Json(mut json) => {
                out.extend(json.finish().map(|text| ChatChunk::Text { block, text }));
            }
            BlockState::Call { .. } | BlockState::Image { .. } | BlockState::Hidden => {}
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
        for (block, state) in std::mem::take(&mut self.open) {
            self.close_state(block, state, out);
        }
        let fields = stop.additional_model_response_fields;
        self.thought.report(fields);
        let calls = if self.json_called && self.calls == 0 {
            Calls::OnlyJson
        } else {
            Calls::AsReported
        };
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
            usage: usage.read(self.thought),
            service_tier,
        }));
        Ok(())
    }
}

/// Takes a string out of a payload, sharing it.
fn text(payload: &Bytes, raw: Option<&RawValue>) -> Option<Text> {
    Text::from_raw(payload, raw?)
}

fn push_piece(block: u32, piece: Piece, thought: &mut Thought, out: &mut Vec<ChatChunk>) {
    out.push(match piece {
        Piece::Text(text) => ChatChunk::Text { block, text },
        Piece::Thinking(text) => {
            thought.add(&text);
            ChatChunk::Thinking { block, text }
        }
    });
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
