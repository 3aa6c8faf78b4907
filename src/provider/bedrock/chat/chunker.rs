//! A streamed answer of blocks → chunks.
//!
//! Blocks follow each other in practice, but each event names its block, and so each block has its own state. What may
//! turn out to be a tag or the wrapping of a JSON answer is held back, nothing else.

use super::answer::{Calls, clients_name, json_tool_of};
use super::context::DecodeContext;
use super::json_tool::JsonStream;
use super::thinking_tags::{Piece, TagReader};
use super::thought::Thought;
use crate::canonical::{ChatChunk, Text};

/// How far the blocks of a streamed answer have come.
#[derive(Debug, Default)]
pub(crate) struct Chunker {
    /// The blocks that began and did not end, by their number.
    open: Vec<(u32, BlockState)>,
    /// Tool calls of the client's so far.
    calls: u32,
    /// Whether the stand-in tool for a JSON schema was called.
    json_called: bool,
    /// How much reasoning came.
    pub(crate) thought: Thought,
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
    /// Nothing that the client is to see.
    Hidden,
}

impl Chunker {
    /// Begins a call of a tool.
    pub(crate) fn start_call(
        &mut self,
        block: u32,
        (id, name): (Text, Text),
        context: &DecodeContext,
        out: &mut Vec<ChatChunk>,
    ) {
        let state = if let Some(tool) = json_tool_of(&name, context) {
            // One answer is the answer; two behind each other would not be JSON.
            if std::mem::replace(&mut self.json_called, true) {
                BlockState::Hidden
            } else {
                BlockState::Json(JsonStream::new(tool))
            }
        } else {
            let index = self.calls;
            self.calls += 1;
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
        };
        self.open.push((block, state));
    }

    /// Begins a block that the client is not to see: a call that Bedrock runs itself.
    pub(crate) fn start_hidden(&mut self, block: u32) {
        self.open.push((block, BlockState::Hidden));
    }

    /// Begins a picture.
    pub(crate) fn start_image(&mut self, block: u32, format: Option<String>) {
        self.open.push((block, BlockState::Image { format }));
    }

    /// Returns the format that a picture began with.
    pub(crate) fn image_format(&mut self, block: u32) -> Option<String> {
        match self.state(block) {
            Some(BlockState::Image { format }) => format.clone(),
            _ => None,
        }
    }

    /// Takes more text.
    pub(crate) fn text(&mut self, block: u32, text: Text, out: &mut Vec<ChatChunk>) {
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

    /// Takes more of a call's arguments.
    pub(crate) fn input(&mut self, block: u32, fragment: Text, out: &mut Vec<ChatChunk>) {
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

    /// Takes more reasoning.
    pub(crate) fn thinking(&mut self, block: u32, text: Text, out: &mut Vec<ChatChunk>) {
        if !text.is_empty() {
            self.thought.add(&text);
            out.push(ChatChunk::Thinking { block, text });
        }
    }

    /// Takes the signature over the reasoning.
    pub(crate) fn signature(&mut self, block: u32, signature: Text, out: &mut Vec<ChatChunk>) {
        if !signature.is_empty() {
            // Without any text before it, this is all that is seen of the reasoning.
            self.thought.add_redacted();
            out.push(ChatChunk::Signature { block, signature });
        }
    }

    /// Takes encrypted reasoning.
    pub(crate) fn redacted(&mut self, block: u32, data: Text, out: &mut Vec<ChatChunk>) {
        self.thought.add_redacted();
        out.push(ChatChunk::Redacted { block, data });
    }

    /// Ends a block and says what was held back until then.
    pub(crate) fn close(&mut self, block: u32, out: &mut Vec<ChatChunk>) {
        if let Some(at) = self.open.iter().position(|(open, _)| *open == block) {
            let (_, state) = self.open.swap_remove(at);
            self.close_state(block, state, out);
        }
    }

    /// Ends all blocks; the answer is complete. Returns which tools it called.
    pub(crate) fn close_all(&mut self, out: &mut Vec<ChatChunk>) -> Calls {
        for (block, state) in std::mem::take(&mut self.open) {
            self.close_state(block, state, out);
        }
        if self.json_called && self.calls == 0 {
            Calls::OnlyJson
        } else {
            Calls::AsReported
        }
    }

    fn state(&mut self, block: u32) -> Option<&mut BlockState> {
        let open = self.open.iter_mut().find(|(open, _)| *open == block);
        open.map(|(_, state)| state)
    }

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
