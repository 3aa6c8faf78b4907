//! Reasoning in a stream: one item for all blocks that come together, a part of its summary for each that can be read.

use super::item::{Kind, Thought, write_summary};
use super::stream::ResponseStream;
use crate::canonical::Text;

impl ResponseStream {
    /// Sees to it that the thought of this block is the last of an open item.
    fn thought(&mut self, block: u32, out: &mut Vec<u8>) -> usize {
        if let Some(place) = self.open()
            && matches!(
                self.items.get(place).map(|item| &item.kind),
                Some(Kind::Reasoning(_))
            )
        {
            if self.block != block {
                self.block = block;
                self.add_thought(place, Thought::default(), out);
            }
            return place;
        }
        let place = self.push(Kind::Reasoning(vec![Thought::default()]), out);
        self.is_open = true;
        self.block = block;
        place
    }

    fn thoughts(&mut self, place: usize) -> Option<&mut Vec<Thought>> {
        match self.items.get_mut(place).map(|item| &mut item.kind) {
            Some(Kind::Reasoning(thoughts)) => Some(thoughts),
            _ => None,
        }
    }

    fn add_thought(&mut self, place: usize, thought: Thought, out: &mut Vec<u8>) {
        self.close_thought(place, out);
        if let Some(thoughts) = self.thoughts(place) {
            thoughts.push(thought);
        }
    }

    /// The number of the open part of a summary: that of the last thought.
    fn part(&mut self, place: usize) -> u64 {
        let thoughts = self.thoughts(place).map(|thoughts| {
            let shown = thoughts.iter().filter(|thought| thought.is_shown());
            shown.count()
        });
        thoughts.unwrap_or_default().saturating_sub(1) as u64
    }

    /// Writes a piece of reasoning.
    pub(super) fn thinking(&mut self, block: u32, text: &Text, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let place = self.thought(block, out);
        let mut is_first = false;
        if let Some(thought) = self
            .thoughts(place)
            .and_then(|thoughts| thoughts.last_mut())
        {
            is_first = thought.text.is_empty();
            thought.text.extend_from_slice(text.escaped().as_bytes());
        }
        let part = self.part(place);
        if is_first {
            let mut event = self.event_of("response.reasoning_summary_part.added", place, out);
            event.number("summary_index", part);
            event.with("part", |out| write_summary(b"", out));
            event.close();
        }
        let mut event = self.event_of("response.reasoning_summary_text.delta", place, out);
        event.number("summary_index", part);
        event.raw("delta", text.raw());
        event.close();
    }

    /// Keeps the signature of a block of reasoning.
    pub(super) fn signature(&mut self, block: u32, signature: &Text, out: &mut Vec<u8>) {
        let place = self.thought(block, out);
        if let Some(thought) = self
            .thoughts(place)
            .and_then(|thoughts| thoughts.last_mut())
        {
            thought.signature = Some(signature.clone());
        }
    }

    /// Keeps reasoning that nobody can read.
    pub(super) fn redacted(&mut self, block: u32, data: &Text, out: &mut Vec<u8>) {
        let place = self.thought(block, out);
        if let Some(thought) = self
            .thoughts(place)
            .and_then(|thoughts| thoughts.last_mut())
        {
            thought.text.extend_from_slice(data.escaped().as_bytes());
            thought.is_redacted = true;
        }
    }

    /// Ends the part of the last thought, if it has one.
    pub(super) fn close_thought(&mut self, place: usize, out: &mut Vec<u8>) {
        let part = self.part(place);
        let last = self.thoughts(place).and_then(|thoughts| thoughts.last());
        let Some(text) = last
            .filter(|thought| thought.is_shown())
            .map(|thought| thought.text.clone())
        else {
            return;
        };
        let mut event = self.event_of("response.reasoning_summary_text.done", place, out);
        event.number("summary_index", part);
        event.escaped("text", &text);
        event.close();
        let mut event = self.event_of("response.reasoning_summary_part.done", place, out);
        event.number("summary_index", part);
        event.with("part", |out| write_summary(&text, out));
        event.close();
    }
}
