//! A streamed answer of one text → chunks; what each chunk of it says is read by the family.

use std::collections::HashMap;

use bytes::Bytes;

use super::envelope::{Counts, Notes};
use super::said::{CallPiece, Reasoning, Said, written_bytes};
use crate::canonical::{ChatChunk, StopReason, Text, Usage};
use crate::provider::bedrock::chat::answer::made_up_id;
use crate::provider::bedrock::chat::thinking_tags::{Piece, TagReader};
use crate::provider::bedrock::chat::thought::Thought;

/// What a chunk belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Thinking,
    Text,
    Call(u32),
}

/// A call that began.
#[derive(Debug, Clone, Copy)]
struct Begun {
    block: u32,
    /// Its place among the calls of the answer.
    index: u32,
    /// Whether any argument came.
    has_input: bool,
}

/// How far a streamed answer has come.
#[derive(Debug)]
pub(super) struct Stream {
    tags: TagReader,
    pub(super) notes: Notes,
    pub(super) stop: Option<StopReason>,
    pub(super) usage: Option<Usage>,
    pub(super) counts: Counts,
    pub(super) thought: Thought,
    pub(super) written: u64,
    /// The last block, and its number.
    block: Option<(Kind, u32)>,
    /// The calls that began, by the family's own number.
    calls: HashMap<u32, Begun>,
    pub(super) concluded: bool,
}

impl Stream {
    pub(super) fn new(reasoning: Reasoning) -> Self {
        Self {
            tags: reasoning.reader(),
            notes: Notes::default(),
            stop: None,
            usage: None,
            counts: Counts::default(),
            thought: Thought::default(),
            written: 0,
            block: None,
            calls: HashMap::new(),
            concluded: false,
        }
    }

    pub(super) fn take(&mut self, said: Said, body: &Bytes, out: &mut Vec<ChatChunk>) {
        self.written += written_bytes(&said);
        if let Some(text) = said.thinking {
            self.piece(Piece::Thinking(text), out);
        }
        if let Some(text) = said.text {
            self.feed(text, out);
        }
        for call in said.calls {
            self.call(call, body, out);
        }
        self.stop = said.stop.or(self.stop.take());
        self.usage = said.usage.or(self.usage);
        let (new, old) = (said.counts, self.counts);
        self.counts = Counts {
            input: new.input.or(old.input),
            output: new.output.or(old.output),
            ..old
        };
    }

    fn feed(&mut self, text: Text, out: &mut Vec<ChatChunk>) {
        let mut tags = std::mem::take(&mut self.tags);
        tags.feed(text, |piece| self.piece(piece, out));
        self.tags = tags;
    }

    fn piece(&mut self, piece: Piece, out: &mut Vec<ChatChunk>) {
        match piece {
            Piece::Thinking(text) => {
                self.thought.add(&text);
                let block = self.block(Kind::Thinking);
                out.push(ChatChunk::Thinking { block, text });
            }
            Piece::Text(text) => {
                let block = self.block(Kind::Text);
                out.push(ChatChunk::Text { block, text });
            }
        }
    }

    /// Returns the number of the block that a chunk belongs to: the last one, or one more.
    fn block(&mut self, kind: Kind) -> u32 {
        let number = match self.block {
            Some((last, number)) if last == kind => number,
            Some((_, number)) => number + 1,
            None => 0,
        };
        self.block = Some((kind, number));
        number
    }

    fn call(&mut self, call: CallPiece, body: &Bytes, out: &mut Vec<ChatChunk>) {
        let number = call.index;
        if !self.calls.contains_key(&number) {
            let block = self.block(Kind::Call(number));
            let place = self.calls.len();
            let index = u32::try_from(place).unwrap_or(u32::MAX);
            let begun = Begun {
                block,
                index,
                has_input: false,
            };
            self.calls.insert(number, begun);
            out.push(ChatChunk::ToolStart {
                block,
                index,
                id: call.id.unwrap_or_else(|| made_up_id(body, place)),
                name: call.name.unwrap_or_else(|| Text::new("")),
            });
        }
        if let Some(fragment) = call.arguments.filter(|text| !text.is_empty())
            && let Some(begun) = self.calls.get_mut(&number)
        {
            begun.has_input = true;
            out.push(ChatChunk::ToolInput {
                block: begun.block,
                index: begun.index,
                fragment,
            });
        }
    }

    /// Says whether any tool was called.
    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Says what was held back.
    pub(super) fn close(&mut self, out: &mut Vec<ChatChunk>) {
        let mut tags = std::mem::take(&mut self.tags);
        tags.finish(|piece| self.piece(piece, out));
        let mut empty: Vec<(u32, u32)> = self
            .calls
            .values()
            .filter(|begun| !begun.has_input)
            .map(|begun| (begun.index, begun.block))
            .collect();
        empty.sort_unstable();
        for (index, block) in empty {
            let fragment = Text::new("{}");
            out.push(ChatChunk::ToolInput {
                block,
                index,
                fragment,
            });
        }
    }
}
