//! Text in a stream: the message that it belongs to, its blocks and their citations.

use super::item::{Kind, Said};
use super::response::annotate;
use super::stream::ResponseStream;
use crate::canonical::{RawJson, Text};
use crate::dialect::annotations::{self, Form, Span};

impl ResponseStream {
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

    /// Writes a piece of text, in the message that is open or in a new one.
    pub(super) fn text(&mut self, block: u32, text: &Text, out: &mut Vec<u8>) {
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

    /// Writes a citation of the text of its block so far.
    pub(super) fn citation(&mut self, block: u32, raw: &RawJson, out: &mut Vec<u8>) {
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

    /// Ends the text of a message.
    pub(super) fn close_message(&mut self, place: usize, out: &mut Vec<u8>) {
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
}
