//! Writes a stream as `chat.completion.chunk` events.
//!
//! All that stays the same from chunk to chunk is written once, when the stream begins; a delta is then three copies into
//! the buffer that the connection sends. The role goes with the first delta, and after the finish come trace, usage and
//! `[DONE]`, in this order.

use super::error::write_error;
use super::render::{finish_reason, write_fields, write_image, write_redacted, write_thinking};
use super::usage::write_usage;
use crate::canonical::{ChatChunk, RawJson, StopReason, Text, Usage, write_escaped};
use crate::dialect::annotations::{self, Form, Span};
use crate::dialect::in_line::write_in_line;
use crate::dialect::number::number;
use crate::dialect::resumed::write_resumed;
use crate::dialect::{Envelope, StreamWriter};
use crate::error::Error;

/// What ends a chunk that has nothing behind its delta.
const CLOSE: &[u8] = b"}}]}\n\n";

/// Writes one stream.
#[derive(Debug)]
pub(super) struct ChatStream {
    /// A chunk up to the beginning of its delta's members.
    head: Vec<u8>,
    include_usage: bool,
    content_blocks: bool,
    /// Whether the next delta says the role.
    says_role: bool,
    /// Characters of content so far, for annotations.
    characters: u64,
    /// The block that text last belonged to, and how many characters came before it.
    block: (u32, u64),
    /// What is said together with usage.
    details: Vec<(String, RawJson)>,
    /// How often the stream continued elsewhere, and where: said together with the finish.
    resumed: Option<(u32, Vec<String>)>,
}

impl ChatStream {
    /// Makes the writer of a stream that has this envelope.
    pub(super) fn new(envelope: &Envelope) -> Self {
        let mut head = Vec::with_capacity(192);
        head.extend_from_slice(br#"data: {"id":"#);
        write_escaped(&envelope.id, &mut head);
        number(&mut head, r#","created":"#, envelope.created);
        head.extend_from_slice(br#","model":"#);
        write_escaped(&envelope.model, &mut head);
        head.extend_from_slice(
            br#","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"#,
        );
        Self {
            head,
            include_usage: envelope.include_usage || envelope.content_blocks,
            content_blocks: envelope.content_blocks,
            says_role: true,
            characters: 0,
            block: (0, 0),
            details: Vec::new(),
            resumed: None,
        }
    }

    /// Begins a chunk whose delta has further members.
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        if self.says_role {
            out.extend_from_slice(br#""role":"assistant","#);
            // Portkey's clients hear it with every chunk.
            self.says_role = self.content_blocks;
        }
    }

    fn text(&mut self, block: u32, text: &Text, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.block.0 != block {
            self.block = (block, self.characters);
        }
        self.characters += annotations::characters(text);
        self.begin(out);
        out.extend_from_slice(br#""content":"#);
        out.extend_from_slice(text.bytes());
        self.content_block(block, "text", text, out);
        out.extend_from_slice(CLOSE);
    }

    fn thinking(&mut self, block: u32, text: &Text, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.begin(out);
        out.extend_from_slice(br#""content":"","reasoning_content":"#);
        out.extend_from_slice(text.bytes());
        out.extend_from_slice(br#","thinking_blocks":["#);
        write_thinking(text, None, out);
        out.push(b']');
        self.content_block(block, "thinking", text, out);
        provider_reasoning("text", text, out);
        out.extend_from_slice(CLOSE);
    }

    fn signature(&mut self, block: u32, signature: &Text, out: &mut Vec<u8>) {
        self.begin(out);
        out.extend_from_slice(
            br#""content":"","reasoning_content":"","thinking_blocks":[{"type":"thinking","thinking":"","signature":"#,
        );
        out.extend_from_slice(signature.bytes());
        out.extend_from_slice(b"}]");
        self.content_block(block, "signature", signature, out);
        provider_reasoning("signature", signature, out);
        out.extend_from_slice(CLOSE);
    }

    fn redacted(&mut self, block: u32, data: &Text, out: &mut Vec<u8>) {
        self.begin(out);
        out.extend_from_slice(br#""content":"","reasoning_content":"","thinking_blocks":["#);
        write_redacted(data, out);
        out.push(b']');
        self.content_block(block, "data", data, out);
        provider_reasoning("redactedContent", data, out);
        out.extend_from_slice(CLOSE);
    }

    fn tool_start(&mut self, index: u32, id: &Text, name: &Text, out: &mut Vec<u8>) {
        self.begin(out);
        out.extend_from_slice(br#""content":"","tool_calls":[{"id":"#);
        out.extend_from_slice(id.bytes());
        number(out, r#","type":"function","index":"#, index);
        out.extend_from_slice(br#","function":{"name":"#);
        out.extend_from_slice(name.bytes());
        out.extend_from_slice(br#","arguments":""}}]"#);
        out.extend_from_slice(CLOSE);
    }

    fn tool_input(&mut self, index: u32, fragment: &Text, out: &mut Vec<u8>) {
        self.begin(out);
        number(
            out,
            r#""content":"","tool_calls":[{"type":"function","index":"#,
            index,
        );
        out.extend_from_slice(br#","function":{"arguments":"#);
        out.extend_from_slice(fragment.bytes());
        out.extend_from_slice(b"}}]");
        out.extend_from_slice(CLOSE);
    }

    fn citation(&mut self, block: u32, raw: &RawJson, out: &mut Vec<u8>) {
        let start = if self.block.0 == block {
            self.block.1
        } else {
            self.characters
        };
        let end = self.characters;
        self.begin(out);
        out.extend_from_slice(br#""content":"""#);
        let before = out.len();
        out.extend_from_slice(br#","annotations":["#);
        let first = out.len();
        annotations::write_one(raw.get(), Span { start, end }, Form::Nested, out);
        if out.len() == first {
            out.truncate(before);
        } else {
            out.push(b']');
        }
        out.extend_from_slice(br#","provider_specific_fields":{"citation":"#);
        write_in_line(raw, out);
        out.push(b'}');
        out.extend_from_slice(CLOSE);
    }

    fn image(&mut self, format: &str, base64: &Text, out: &mut Vec<u8>) {
        self.begin(out);
        out.extend_from_slice(br#""content":"","images":["#);
        write_image(format, base64, out);
        out.push(b']');
        out.extend_from_slice(CLOSE);
    }

    fn finish(&mut self, stop: &StopReason, fields: &[(String, RawJson)], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        if self.says_role {
            out.extend_from_slice(br#""role":"assistant","content":"""#);
            self.says_role = self.content_blocks;
        }
        if self.content_blocks || !fields.is_empty() {
            if out.last() != Some(&b'{') {
                out.push(b',');
            }
            out.extend_from_slice(br#""provider_specific_fields":{"#);
            write_fields(fields, out);
            if self.content_blocks {
                if out.last() != Some(&b'{') {
                    out.push(b',');
                }
                out.extend_from_slice(br#""stop_reason":"#);
                write_escaped(&stop.raw, out);
            }
            out.push(b'}');
        }
        out.extend_from_slice(br#"},"finish_reason":"#);
        write_escaped(finish_reason(stop, self.content_blocks), out);
        out.extend_from_slice(b"}]");
        if let Some((times, deployments)) = &self.resumed {
            write_resumed(*times, deployments, out);
        }
        out.extend_from_slice(b"}\n\n");
    }

    fn trace(&self, trace: &RawJson, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#"}}],"trace":"#);
        write_in_line(trace, out);
        out.extend_from_slice(br#","provider_specific_fields":{"trace":"#);
        write_in_line(trace, out);
        out.extend_from_slice(b"}}\n\n");
    }

    fn usage(&self, usage: &Usage, service_tier: Option<&str>, out: &mut Vec<u8>) {
        if !self.include_usage {
            return;
        }
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#"}}],"usage":"#);
        write_usage(usage, out);
        if let Some(tier) = service_tier {
            out.extend_from_slice(br#","service_tier":"#);
            write_escaped(tier, out);
        }
        if !self.details.is_empty() {
            out.extend_from_slice(br#","provider_specific_fields":{"#);
            write_fields(&self.details, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"}\n\n");
    }

    /// Appends Portkey's `content_blocks` to a delta, if the client wants them.
    fn content_block(&self, block: u32, member: &str, value: &Text, out: &mut Vec<u8>) {
        if !self.content_blocks {
            return;
        }
        number(out, r#","content_blocks":[{"index":"#, block);
        out.extend_from_slice(br#","delta":{""#);
        out.extend_from_slice(member.as_bytes());
        out.extend_from_slice(br#"":"#);
        out.extend_from_slice(value.bytes());
        out.extend_from_slice(b"}}]");
    }
}

/// Appends a piece of reasoning as Bedrock wrote it.
fn provider_reasoning(member: &str, value: &Text, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","provider_specific_fields":{"reasoningContent":{""#);
    out.extend_from_slice(member.as_bytes());
    out.extend_from_slice(br#"":"#);
    out.extend_from_slice(value.bytes());
    out.extend_from_slice(b"}}");
}

impl StreamWriter for ChatStream {
    fn chunk(&mut self, chunk: &ChatChunk, out: &mut Vec<u8>) {
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
            ChatChunk::Image { format, base64, .. } => self.image(format, base64, out),
            ChatChunk::Resumed { times, deployments } => {
                self.resumed = Some((*times, deployments.clone()));
            }
            ChatChunk::Finish {
                stop,
                provider_fields,
            } => self.finish(stop, provider_fields, out),
            ChatChunk::Trace(trace) => self.trace(trace, out),
            ChatChunk::Details(details) if self.content_blocks => self.details.clone_from(details),
            // An event as it was written is another dialect's.
            ChatChunk::Details(_) | ChatChunk::Native(_) => {}
            ChatChunk::Usage {
                usage,
                service_tier,
            } => {
                self.usage(usage, service_tier.as_deref(), out);
            }
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
