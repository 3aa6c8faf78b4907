//! Writes a stream as the events of a response.
//!
//! Whatever comes belongs to an item: the first piece opens it, and what is something else closes it; `stream_text.rs`,
//! `stream_thought.rs` and `stream_call.rs` write one kind each. Only calls of tools may be open together, because some
//! models write several at a time: one is closed when its arguments are whole. The last event has the whole response, so
//! the answer is put together here while it is passed on.

use std::sync::Arc;

use super::asked::{Asked, NotKept};
use super::event::Event;
use super::failure::write_failure;
use super::item::{Item, Kind, Stage};
use super::passed::Passed;
use super::response::{State, own, record};
use crate::canonical::{ChatChunk, NativeFormat, RawJson, StopReason, Text, Usage};
use crate::dialect::resumed::write_resumed;
use crate::dialect::{Envelope, Kept, StreamWriter};
use crate::error::Error;

/// Writes one stream.
#[derive(Debug)]
pub(super) struct ResponseStream {
    envelope: Envelope,
    pub(super) asked: Arc<Asked>,
    /// The number of the next event.
    next: u64,
    pub(super) items: Vec<Item>,
    /// Whether the last item may still grow; that of a call is told by `calls`.
    pub(super) is_open: bool,
    /// The calls that may still grow: their place among the calls, and among the items.
    pub(super) calls: Vec<(u32, usize)>,
    /// The block that the open reasoning, or the open text, last came from.
    pub(super) block: u32,
    /// Where the text of that block begins in its message, in characters.
    pub(super) block_start: u64,
    stop: StopReason,
    usage: Option<Usage>,
    service_tier: Option<String>,
    /// How often the stream continued elsewhere, and where.
    resumed: Option<(u32, Vec<String>)>,
    /// What is kept of it, when it has ended.
    kept: Option<Kept>,
    /// What is passed on as the model wrote it, where it speaks this format.
    passed: Option<Passed>,
}

impl ResponseStream {
    /// Makes the writer of a stream that has this envelope.
    pub(super) fn new(envelope: &Envelope) -> Self {
        let envelope = own(envelope);
        Self {
            asked: Asked::of(&envelope),
            envelope,
            next: 0,
            items: Vec::new(),
            is_open: false,
            calls: Vec::new(),
            block: 0,
            block_start: 0,
            stop: StopReason::default(),
            usage: None,
            service_tier: None,
            resumed: None,
            kept: None,
            passed: None,
        }
    }

    fn event<'o>(&mut self, kind: &str, out: &'o mut Vec<u8>) -> Event<'o> {
        let number = self.next;
        self.next += 1;
        Event::open(kind, number, out)
    }

    /// Begins an event about an item.
    pub(super) fn event_of<'o>(
        &mut self,
        kind: &str,
        place: usize,
        out: &'o mut Vec<u8>,
    ) -> Event<'o> {
        let mut event = self.event(kind, out);
        if let Some(item) = self.items.get(place) {
            event.text("item_id", &item.id);
        }
        event.number("output_index", place as u64);
        event
    }

    /// Begins the response, if it has not begun.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.next > 0 {
            return;
        }
        for kind in ["response.created", "response.in_progress"] {
            let state = State {
                status: "in_progress",
                ..State::default()
            };
            let mut event = self.event(kind, out);
            event.with("response", |out| {
                state.write(&self.envelope, &self.asked, out);
            });
            event.close();
        }
    }

    /// The place of the last item, if it may still grow.
    pub(super) fn open(&self) -> Option<usize> {
        self.is_open.then(|| self.items.len().saturating_sub(1))
    }

    /// Begins an item, and returns its place.
    pub(super) fn push(&mut self, kind: Kind, out: &mut Vec<u8>) -> usize {
        self.begin(out);
        self.close(out);
        self.close_whole_calls(out);
        let place = self.items.len();
        self.items.push(Item::new(kind, &self.envelope.id, place));
        let mut event = self.event("response.output_item.added", out);
        event.number("output_index", place as u64);
        if let Some(item) = self.items.get(place) {
            event.with("item", |out| item.write(Stage::Begun, out));
        }
        event.close();
        place
    }

    /// Ends an item whose own events have been written.
    pub(super) fn end_item(&mut self, place: usize, out: &mut Vec<u8>) {
        let encrypted = self.asked.encrypted;
        let mut event = self.event("response.output_item.done", out);
        event.number("output_index", place as u64);
        if let Some(item) = self.items.get(place) {
            event.with("item", |out| item.write(Stage::Done { encrypted }, out));
        }
        event.close();
    }

    /// Ends the reasoning or the message that is open.
    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(place) = self.open() else {
            return;
        };
        self.is_open = false;
        match self.items.get(place).map(|item| &item.kind) {
            Some(Kind::Message(_)) => self.close_message(place, out),
            Some(Kind::Reasoning(_)) => self.close_thought(place, out),
            _ => {}
        }
        self.end_item(place, out);
    }

    fn image(&mut self, base64: &Text, out: &mut Vec<u8>) {
        let place = self.push(Kind::Image(base64.clone()), out);
        self.end_item(place, out);
    }

    fn finish(&mut self, stop: &StopReason, out: &mut Vec<u8>) {
        self.begin(out);
        self.stop = stop.clone();
        let is_cut = State::ended(stop).incomplete.is_some();
        if is_cut && let Some(last) = self.items.last_mut() {
            last.is_cut = true;
        }
        self.close(out);
        for (_, place) in std::mem::take(&mut self.calls) {
            self.close_call(place, out);
        }
    }

    fn state(&self) -> State<'_> {
        State {
            items: &self.items,
            usage: self.usage.as_ref(),
            service_tier: self.service_tier.as_deref(),
            encrypted: self.asked.encrypted,
            ..State::ended(&self.stop)
        }
    }
}

impl StreamWriter for ResponseStream {
    fn chunk(&mut self, chunk: &ChatChunk, out: &mut Vec<u8>) {
        if let ChatChunk::Native(event) = chunk
            && event.format == NativeFormat::Responses
        {
            let passed = self.passed.get_or_insert_default();
            return passed.event(event, &self.envelope, &self.asked, out);
        }
        // What an event means in canonical words was said with it.
        if self.passed.is_some() {
            return;
        }
        match chunk {
            ChatChunk::Text { block, text } => self.text(*block, text, out),
            ChatChunk::Thinking { block, text } => self.thinking(*block, text, out),
            ChatChunk::Signature { block, signature } => self.signature(*block, signature, out),
            ChatChunk::Redacted { block, data } => self.redacted(*block, data, out),
            ChatChunk::ToolStart {
                index, id, name, ..
            } => self.tool_start(*index, id, name, out),
            ChatChunk::ToolInput {
                index, fragment, ..
            } => self.tool_input(*index, fragment, out),
            ChatChunk::Citation { block, raw } => self.citation(*block, raw, out),
            ChatChunk::Image { base64, .. } => self.image(base64, out),
            ChatChunk::Resumed { times, deployments } => {
                self.resumed = Some((*times, deployments.clone()));
            }
            ChatChunk::Finish { stop, .. } => self.finish(stop, out),
            ChatChunk::Usage {
                usage,
                service_tier,
            } => {
                self.usage = Some(*usage);
                self.service_tier.clone_from(service_tier);
            }
            // The format has no place for a guardrail's trace, and none for another format's events.
            ChatChunk::Trace(_) | ChatChunk::Details(_) | ChatChunk::Native(_) => {}
        }
    }

    fn cannot_be_kept(&mut self) {
        if self.asked.is_kept() {
            self.asked = Arc::new(self.asked.not_kept(NotKept::NoRoom));
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(passed) = &self.passed {
            self.kept = passed.kept(&self.asked);
            return;
        }
        let stop = self.stop.clone();
        // An answer that said nothing has begun by now, one that broke off has not been finished.
        self.finish(&stop, out);
        self.kept = record(&self.state(), &self.envelope, &self.asked);
        if self.asked.is_kept() && self.kept.is_none() {
            self.asked = Arc::new(self.asked.not_kept(NotKept::TooLarge));
        }
        let kind = format!("response.{}", self.state().status);
        let mut event = self.event(&kind, out);
        event.with("response", |out| {
            self.state().write(&self.envelope, &self.asked, out);
        });
        if let Some((times, deployments)) = &self.resumed {
            event.behind(|out| write_resumed(*times, deployments, out));
        }
        event.close();
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        if let Some(passed) = &self.passed {
            return passed.error(error, out);
        }
        self.begin(out);
        // What was being written stays as far as it came.
        let calls = std::mem::take(&mut self.calls);
        for place in self
            .open()
            .into_iter()
            .chain(calls.iter().map(|call| call.1))
        {
            if let Some(item) = self.items.get_mut(place) {
                item.is_cut = true;
            }
        }
        self.is_open = false;
        let mut failure = Vec::new();
        write_failure(error, &mut failure);
        let failure = RawJson::from_checked(failure.into());
        let mut event = self.event("response.failed", out);
        event.with("response", |out| {
            let state = State {
                status: "failed",
                incomplete: None,
                failure: Some(failure.get()),
                ..self.state()
            };
            state.write(&self.envelope, &self.asked, out);
        });
        event.close();
    }

    fn kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
