//! Writes a stream as Anthropic's events.
//!
//! An event that came in this format is passed on, and what it means in canonical words is passed over; anything else is
//! written here. The two may follow each other, when a stream continues on another deployment: the blocks are counted on.

use super::block::{write_call, write_image, write_redacted};
use super::citations;
use super::error::write_error;
use super::render::{write_head, write_renamed};
use super::usage::{stop_reason, write_usage};
use crate::canonical::{
    ChatChunk, NativeEvent, NativeFormat, ObjectWriter, RawJson, RawObject, StopReason, Text,
    Usage, write_escaped, write_value,
};
use crate::dialect::in_line::write_in_line;
use crate::dialect::resumed::write_resumed;
use crate::dialect::{Envelope, StreamWriter};
use crate::error::Error;

/// What a block that is being written is, as far as what follows may go into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
    /// It came as it was written.
    Native,
}

/// The block that is being written.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// By the chunks' own count.
    block: u32,
    /// By the client's count.
    index: u32,
    kind: Kind,
}

/// Writes one stream.
#[derive(Debug)]
pub(super) struct MessageStream {
    envelope: Envelope,
    /// Whether the message has begun.
    has_begun: bool,
    /// Whether the client was told that it is over.
    is_over: bool,
    open: Option<Open>,
    /// The place of the next block.
    next: u32,
    /// The calls so far: block and place. Some models write several at a time.
    calls: Vec<(u32, u32)>,
    /// How many of the next chunks were said already.
    covered: usize,
    /// Why the model stopped: said together with the usage.
    stop: Option<StopReason>,
    /// How often the stream continued elsewhere, and where.
    resumed: Option<(u32, Vec<String>)>,
}

impl MessageStream {
    /// Makes the writer of a stream that has this envelope.
    pub(super) fn new(envelope: &Envelope) -> Self {
        Self {
            envelope: envelope.clone(),
            has_begun: false,
            is_over: false,
            open: None,
            next: 0,
            calls: Vec::new(),
            covered: 0,
            stop: None,
            resumed: None,
        }
    }

    fn native(&mut self, event: &NativeEvent, out: &mut Vec<u8>) {
        self.covered = event.covers;
        match &*event.name {
            "message_start" => return self.native_start(event, out),
            "message_stop" => self.is_over = true,
            "content_block_start" => {
                let index = event.block.unwrap_or(self.next);
                self.next = index.saturating_add(1);
                self.open = Some(Open {
                    block: index,
                    index,
                    kind: Kind::Native,
                });
            }
            "content_block_stop" => self.open = None,
            // Its reason and usage are said with it.
            "message_delta" => self.stop = None,
            _ => {}
        }
        begin(&event.name, out);
        write_in_line(&event.json, out);
        out.extend_from_slice(b"\n\n");
    }

    /// The beginning of the message, with the name that the client knows the model by.
    fn native_start(&mut self, event: &NativeEvent, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let mut written = Vec::with_capacity(event.json.bytes().len() + self.envelope.model.len());
        if self.renamed_start(event.json.get(), &mut written).is_none() {
            self.has_begun = false;
            return self.begin_message(out);
        }
        begin(&event.name, out);
        write_in_line(&RawJson::from_checked(written.into()), out);
        out.extend_from_slice(b"\n\n");
    }

    fn renamed_start(&self, event: &str, out: &mut Vec<u8>) -> Option<()> {
        let event = RawObject::parse(event)?;
        let mut object = ObjectWriter::open(out);
        for (name, value) in event.members() {
            if name == "message" {
                write_renamed(value, &self.envelope.model, object.member(name))?;
            } else {
                object.raw(name, value);
            }
        }
        object.close();
        Some(())
    }

    fn begin_message(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        begin("message_start", out);
        out.extend_from_slice(br#"{"type":"message_start","message":"#);
        write_head(&self.envelope, out);
        out.extend_from_slice(br#""content":[],"stop_reason":null,"stop_sequence":null,"usage":"#);
        write_usage(&Usage::default(), out);
        out.extend_from_slice(b"}}\n\n");
    }

    /// Sees to it that a block of this kind is open, and returns its place.
    fn block(&mut self, block: u32, kind: Kind, out: &mut Vec<u8>) -> u32 {
        if let Some(open) = self.open
            && open.block == block
            && (open.kind == kind || open.kind == Kind::Native)
        {
            return open.index;
        }
        let start: &[u8] = match kind {
            Kind::Thinking => br#"{"type":"thinking","thinking":"","signature":""}"#,
            _ => br#"{"type":"text","text":""}"#,
        };
        self.start(block, kind, out, |out| out.extend_from_slice(start))
    }

    /// Begins a block, and ends the one before it.
    fn start(
        &mut self,
        block: u32,
        kind: Kind,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> u32 {
        self.begin_message(out);
        self.close(out);
        let index = self.next;
        self.next = index.saturating_add(1);
        self.open = Some(Open { block, index, kind });
        begin("content_block_start", out);
        out.extend_from_slice(br#"{"type":"content_block_start","index":"#);
        number(index, out);
        out.extend_from_slice(br#","content_block":"#);
        write(out);
        out.extend_from_slice(b"}\n\n");
        index
    }

    /// Ends the open block, if there is one.
    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(open) = self.open.take() {
            begin("content_block_stop", out);
            out.extend_from_slice(br#"{"type":"content_block_stop","index":"#);
            number(open.index, out);
            out.extend_from_slice(b"}\n\n");
        }
    }

    fn text(&mut self, block: u32, text: &Text, out: &mut Vec<u8>) {
        if !text.is_empty() {
            let index = self.block(block, Kind::Text, out);
            delta(index, "text_delta", "text", text, out);
        }
    }

    fn thinking(
        &mut self,
        block: u32,
        (kind, member): (&str, &str),
        text: &Text,
        out: &mut Vec<u8>,
    ) {
        if !text.is_empty() {
            let index = self.block(block, Kind::Thinking, out);
            delta(index, kind, member, text, out);
        }
    }

    fn tool_start(&mut self, block: u32, id: &Text, name: &Text, out: &mut Vec<u8>) {
        let empty = RawJson::from_checked(bytes::Bytes::from_static(b"{}"));
        let index = self.start(block, Kind::Call, out, |out| {
            write_call(id, name, &empty, out);
        });
        self.calls.push((block, index));
    }

    fn tool_input(&self, block: u32, fragment: &Text, out: &mut Vec<u8>) {
        let found = self.calls.iter().rev().find(|(call, _)| *call == block);
        if let Some((_, index)) = found {
            delta(*index, "input_json_delta", "partial_json", fragment, out);
        }
    }

    fn citation(&mut self, block: u32, raw: &RawJson, out: &mut Vec<u8>) {
        let Some(citation) = citations::one(raw) else {
            return;
        };
        let index = self.block(block, Kind::Text, out);
        begin("content_block_delta", out);
        out.extend_from_slice(br#"{"type":"content_block_delta","index":"#);
        number(index, out);
        out.extend_from_slice(br#","delta":{"type":"citations_delta","citation":"#);
        write_value(&citation, out);
        out.extend_from_slice(b"}}\n\n");
    }

    /// Writes a block that has nothing to wait for.
    fn complete(&mut self, block: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        self.start(block, Kind::Native, out, write);
        self.close(out);
    }

    /// Says why the model stopped, and how many tokens there were.
    fn message_delta(&mut self, usage: &Usage, out: &mut Vec<u8>) {
        let Some(stop) = self.stop.take() else {
            return;
        };
        begin("message_delta", out);
        out.extend_from_slice(br#"{"type":"message_delta","delta":{"stop_reason":"#);
        write_escaped(stop_reason(&stop), out);
        out.extend_from_slice(br#","stop_sequence":null},"usage":"#);
        write_usage(usage, out);
        if let Some((times, deployments)) = &self.resumed {
            write_resumed(*times, deployments, out);
        }
        out.extend_from_slice(b"}\n\n");
    }
}

impl StreamWriter for MessageStream {
    fn chunk(&mut self, chunk: &ChatChunk, out: &mut Vec<u8>) {
        if let ChatChunk::Native(event) = chunk
            && event.format == NativeFormat::Messages
        {
            return self.native(event, out);
        }
        if self.covered > 0 {
            self.covered -= 1;
            return;
        }
        match chunk {
            ChatChunk::Native(_) | ChatChunk::Trace(_) | ChatChunk::Details(_) => {}
            ChatChunk::Text { block, text } => self.text(*block, text, out),
            ChatChunk::Thinking { block, text } => {
                self.thinking(*block, ("thinking_delta", "thinking"), text, out);
            }
            ChatChunk::Signature { block, signature } => {
                self.thinking(*block, ("signature_delta", "signature"), signature, out);
            }
            ChatChunk::Redacted { block, data } => {
                self.complete(*block, out, |out| write_redacted(data, out));
            }
            ChatChunk::ToolStart {
                block, id, name, ..
            } => self.tool_start(*block, id, name, out),
            ChatChunk::ToolInput {
                block, fragment, ..
            } => self.tool_input(*block, fragment, out),
            ChatChunk::Citation { block, raw } => self.citation(*block, raw, out),
            ChatChunk::Image {
                block,
                format,
                base64,
            } => self.complete(*block, out, |out| write_image(format, base64, out)),
            ChatChunk::Resumed { times, deployments } => {
                self.resumed = Some((*times, deployments.clone()));
            }
            ChatChunk::Finish { stop, .. } => {
                self.begin_message(out);
                self.close(out);
                self.stop = Some(stop.clone());
            }
            ChatChunk::Usage { usage, .. } => self.message_delta(usage, out),
        }
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ping\ndata: {\"type\": \"ping\"}\n\n");
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        self.message_delta(&Usage::default(), out);
        begin("message_stop", out);
        out.extend_from_slice(b"{\"type\":\"message_stop\"}\n\n");
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        begin("error", out);
        write_error(error, None, out);
        out.extend_from_slice(b"\n\n");
    }
}

/// Begins an event.
fn begin(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    // A name is one word; what comes from elsewhere must not end the line.
    out.extend(name.bytes().filter(|byte| !byte.is_ascii_control()));
    out.extend_from_slice(b"\ndata: ");
}

fn number(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn delta(index: u32, kind: &str, member: &str, text: &Text, out: &mut Vec<u8>) {
    begin("content_block_delta", out);
    out.extend_from_slice(br#"{"type":"content_block_delta","index":"#);
    number(index, out);
    out.extend_from_slice(br#","delta":{"type":""#);
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(br#"",""#);
    out.extend_from_slice(member.as_bytes());
    out.extend_from_slice(br#"":"#);
    out.extend_from_slice(text.bytes());
    out.extend_from_slice(b"}}\n\n");
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
