//! Writes a stream as the events of a response.
//!
//! Whatever comes belongs to an item: the first piece opens it, and what is something else closes it. Only calls of tools may
//! be open together, because some models write several at a time: one is closed when its arguments are whole. The last
//! event has the whole response, so the answer is put together here while it is passed on.

use std::sync::Arc;

use super::asked::{Asked, NotKept};
use super::event::Event;
use super::failure::write_failure;
use super::item::{Call, Item, Kind, Said, Stage, Thought, write_summary};
use super::passed::Passed;
use super::response::{State, annotate, own, record};
use crate::canonical::{ChatChunk, NativeFormat, RawJson, StopReason, Text, Usage};
use crate::dialect::annotations::{self, Form, Span};
use crate::dialect::resumed::write_resumed;
use crate::dialect::{Envelope, Kept, StreamWriter};
use crate::error::Error;

/// Writes one stream.
#[derive(Debug)]
pub(super) struct ResponseStream {
    envelope: Envelope,
    asked: Arc<Asked>,
    /// The number of the next event.
    next: u64,
    items: Vec<Item>,
    /// Whether the last item may still grow; that of a call is told by `calls`.
    is_open: bool,
    /// The calls that may still grow: their place among the calls, and among the items.
    calls: Vec<(u32, usize)>,
    /// The block that the open reasoning, or the open text, last came from.
    block: u32,
    /// Where the text of that block begins in its message, in characters.
    block_start: u64,
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
    fn event_of<'o>(&mut self, kind: &str, place: usize, out: &'o mut Vec<u8>) -> Event<'o> {
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
    fn open(&self) -> Option<usize> {
        self.is_open.then(|| self.items.len().saturating_sub(1))
    }

    /// Begins an item, and returns its place.
    fn push(&mut self, kind: Kind, out: &mut Vec<u8>) -> usize {
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
    fn end_item(&mut self, place: usize, out: &mut Vec<u8>) {
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

    // Text.

    fn message(&mut self, out: &mut Vec<u8>) -> usize {
        if let Some(place) = self.open()
            && matches!(
                self.items.get(place).map(|item| &item.kind),
                Some(Kind::Message(_))
            )
        {
            return place;
        }
        let place = self.push(Kind::Message(Said::default()), out);
        self.is_open = true;
        self.block_start = 0;
        let mut event = self.event_of("response.content_part.added", place, out);
        event.number("content_index", 0);
        event.with("part", |out| Said::default().write_part(out));
        event.close();
        place
    }

    fn said(&mut self, place: usize) -> Option<&mut Said> {
        match self.items.get_mut(place).map(|item| &mut item.kind) {
            Some(Kind::Message(said)) => Some(said),
            _ => None,
        }
    }

    fn text(&mut self, block: u32, text: &Text, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let place = self.message(out);
        self.enter_block(place, block);
        if let Some(said) = self.said(place) {
            said.text.extend_from_slice(text.escaped().as_bytes());
        }
        let mut event = self.event_of("response.output_text.delta", place, out);
        event.number("content_index", 0);
        event.raw("delta", text.raw());
        event.raw("logprobs", "[]");
        event.close();
    }

    /// Notes where the text of another block begins, for its citations.
    fn enter_block(&mut self, place: usize, block: u32) {
        if self.block == block {
            return;
        }
        self.block = block;
        let before = self
            .said(place)
            .map(|said| annotations::written_characters(&said.text));
        self.block_start = before.unwrap_or_default();
    }

    fn citation(&mut self, block: u32, raw: &RawJson, out: &mut Vec<u8>) {
        let place = self.message(out);
        self.enter_block(place, block);
        let start = self.block_start;
        let mut annotation = vec![b'['];
        let mut index = 0;
        if let Some(said) = self.said(place) {
            let end = annotations::written_characters(&said.text);
            annotations::write_one(raw.get(), Span { start, end }, Form::Flat, &mut annotation);
            annotation.remove(0);
            if annotation.is_empty() {
                return;
            }
            index = said.count;
            said.count += 1;
            annotate(said, |out| out.extend_from_slice(&annotation));
        }
        let annotation = RawJson::from_checked(annotation.into());
        let mut event = self.event_of("response.output_text.annotation.added", place, out);
        event.number("content_index", 0);
        event.number("annotation_index", index);
        event.raw("annotation", annotation.get());
        event.close();
    }

    fn close_message(&mut self, place: usize, out: &mut Vec<u8>) {
        let said = self.said(place).map(std::mem::take).unwrap_or_default();
        let mut event = self.event_of("response.output_text.done", place, out);
        event.number("content_index", 0);
        event.escaped("text", &said.text);
        event.raw("logprobs", "[]");
        event.close();
        let mut event = self.event_of("response.content_part.done", place, out);
        event.number("content_index", 0);
        event.with("part", |out| said.write_part(out));
        event.close();
        if let Some(emptied) = self.said(place) {
            *emptied = said;
        }
    }

    // Reasoning.

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

    fn thinking(&mut self, block: u32, text: &Text, out: &mut Vec<u8>) {
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

    fn signature(&mut self, block: u32, signature: &Text, out: &mut Vec<u8>) {
        let place = self.thought(block, out);
        if let Some(thought) = self
            .thoughts(place)
            .and_then(|thoughts| thoughts.last_mut())
        {
            thought.signature = Some(signature.clone());
        }
    }

    fn redacted(&mut self, block: u32, data: &Text, out: &mut Vec<u8>) {
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
    fn close_thought(&mut self, place: usize, out: &mut Vec<u8>) {
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

    // Calls.

    fn call(&mut self, place: usize) -> Option<&mut Call> {
        match self.items.get_mut(place).map(|item| &mut item.kind) {
            Some(Kind::Call(call)) => Some(call),
            _ => None,
        }
    }

    fn tool_start(&mut self, index: u32, id: &Text, name: &Text, out: &mut Vec<u8>) {
        let call = Call::new(id, name, &self.asked);
        let place = self.push(Kind::Call(call), out);
        self.calls.push((index, place));
    }

    fn tool_input(&mut self, index: u32, fragment: &Text, out: &mut Vec<u8>) {
        let mut open = self.calls.iter().rev();
        let Some((_, place)) = open.find(|(call, _)| *call == index).copied() else {
            return;
        };
        if fragment.is_empty() {
            return;
        }
        let Some(call) = self.call(place) else { return };
        call.arguments
            .extend_from_slice(fragment.escaped().as_bytes());
        // Plain text inside JSON is told when it is whole.
        if !call.tool.is_custom {
            let mut event = self.event_of("response.function_call_arguments.delta", place, out);
            event.raw("delta", fragment.raw());
            event.close();
        }
    }

    fn close_whole_calls(&mut self, out: &mut Vec<u8>) {
        let calls = std::mem::take(&mut self.calls);
        for (index, place) in calls {
            if self.call(place).is_some_and(|call| call.is_whole()) {
                self.close_call(place, out);
            } else {
                self.calls.push((index, place));
            }
        }
    }

    fn close_call(&mut self, place: usize, out: &mut Vec<u8>) {
        let Some(call) = self.call(place) else { return };
        if call.tool.is_custom {
            let input = call.input();
            for (kind, member) in [("delta", "delta"), ("done", "input")] {
                let kind = format!("response.custom_tool_call_input.{kind}");
                let mut event = self.event_of(&kind, place, out);
                event.raw(member, input.raw());
                event.close();
            }
        } else {
            // A call without arguments is one with none; clients put them together from the pieces.
            let is_bare = call.arguments.is_empty();
            if is_bare {
                call.arguments.extend_from_slice(b"{}");
            }
            let (arguments, name) = (call.arguments.clone(), call.tool.name.clone());
            if is_bare {
                let mut event = self.event_of("response.function_call_arguments.delta", place, out);
                event.escaped("delta", &arguments);
                event.close();
            }
            let mut event = self.event_of("response.function_call_arguments.done", place, out);
            event.text("name", &name);
            event.escaped("arguments", &arguments);
            event.close();
        }
        self.end_item(place, out);
    }

    // The end.

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
