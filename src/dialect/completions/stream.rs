//! Writes a stream as `text_completion` events: the same object, with a piece of the text in each.

use super::render::write_head;
use crate::canonical::{ChatChunk, StopReason, Text, Usage, write_escaped};
use crate::dialect::chat::write_usage;
use crate::dialect::openai_error::write_error;
use crate::dialect::resumed::write_resumed;
use crate::dialect::{Envelope, StreamWriter};
use crate::error::Error;

/// Writes one stream.
#[derive(Debug)]
pub(crate) struct CompletionStream {
    /// An event up to the text of its choice.
    head: Vec<u8>,
    /// The place of the prompt that is answered.
    index: usize,
    include_usage: bool,
    /// The tokens of the answer.
    used: Option<Usage>,
    /// How often the stream continued elsewhere, and where: said together with the finish.
    resumed: Option<(u32, Vec<String>)>,
}

impl CompletionStream {
    /// Makes the writer of a stream that has this envelope.
    pub(crate) fn new(envelope: &Envelope) -> Self {
        let mut head = Vec::with_capacity(192);
        head.extend_from_slice(b"data: ");
        write_head(envelope, &mut head);
        head.extend_from_slice(br#""choices":[{"text":"#);
        Self {
            head,
            index: 0,
            include_usage: envelope.include_usage,
            used: None,
            resumed: None,
        }
    }

    /// Makes the writer of the part of a stream that answers one of several prompts; the usage is said for all together.
    pub(crate) fn of_prompt(envelope: &Envelope, index: usize) -> Self {
        Self {
            index,
            include_usage: false,
            ..Self::new(envelope)
        }
    }

    /// Returns the tokens of the answer, if they were told.
    pub(crate) fn used(&self) -> Option<Usage> {
        self.used
    }

    /// Writes the place of the prompt behind the text.
    fn write_index(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"index\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.index).as_bytes());
    }

    fn text(&self, text: &Text, out: &mut Vec<u8>) {
        if !text.is_empty() {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(text.bytes());
            self.write_index(out);
            out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":null}]}\n\n");
        }
    }

    fn finish(&self, stop: &StopReason, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"\"\"");
        self.write_index(out);
        out.extend_from_slice(br#","logprobs":null,"finish_reason":"#);
        write_escaped(stop.finish_reason, out);
        out.extend_from_slice(b"}]");
        if let Some((times, deployments)) = &self.resumed {
            write_resumed(*times, deployments, out);
        }
        out.extend_from_slice(b"}\n\n");
    }

    fn usage(&self, usage: &Usage, service_tier: Option<&str>, out: &mut Vec<u8>) {
        if !self.include_usage {
            return;
        }
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#""","index":0,"logprobs":null,"finish_reason":null}],"usage":"#);
        write_usage(usage, out);
        if let Some(tier) = service_tier {
            out.extend_from_slice(br#","service_tier":"#);
            write_escaped(tier, out);
        }
        out.extend_from_slice(b"}\n\n");
    }
}

impl StreamWriter for CompletionStream {
    fn chunk(&mut self, chunk: &ChatChunk, out: &mut Vec<u8>) {
        match chunk {
            ChatChunk::Text { text, .. } => self.text(text, out),
            ChatChunk::Resumed { times, deployments } => {
                self.resumed = Some((*times, deployments.clone()));
            }
            ChatChunk::Finish { stop, .. } => self.finish(stop, out),
            ChatChunk::Usage {
                usage,
                service_tier,
            } => {
                self.used = Some(*usage);
                self.usage(usage, service_tier.as_deref(), out);
            }
            // Reasoning, calls of tools and what else there is have no place in this format.
            ChatChunk::Native(_)
            | ChatChunk::Thinking { .. }
            | ChatChunk::Signature { .. }
            | ChatChunk::Redacted { .. }
            | ChatChunk::ToolStart { .. }
            | ChatChunk::ToolInput { .. }
            | ChatChunk::Citation { .. }
            | ChatChunk::Image { .. }
            | ChatChunk::Trace(_)
            | ChatChunk::Details(_) => {}
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        write_error(error, None, out);
        out.extend_from_slice(b"\n\n");
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
