//! Writes a whole answer as a `chat.completion`.

use bytes::Bytes;

use super::usage::write_usage;
use crate::canonical::{AnswerBlock, ChatAnswer, RawJson, StopReason, Text, write_escaped};
use crate::dialect::Envelope;
use crate::dialect::annotations::{self, Form, Span};
use crate::dialect::in_line::write_in_line;
use crate::dialect::number::number;

/// Writes the answer.
pub(super) fn answer(answer: &ChatAnswer, envelope: &Envelope) -> Bytes {
    let mut out = Vec::with_capacity(1024 + text_bytes(answer));
    out.extend_from_slice(br#"{"id":"#);
    write_escaped(&envelope.id, &mut out);
    number(
        &mut out,
        r#","object":"chat.completion","created":"#,
        envelope.created,
    );
    out.extend_from_slice(br#","model":"#);
    write_escaped(&envelope.model, &mut out);
    out.extend_from_slice(br#","choices":[{"index":0,"message":"#);
    write_message(answer, envelope, &mut out);
    out.extend_from_slice(br#","finish_reason":"#);
    write_escaped(
        finish_reason(&answer.stop, envelope.content_blocks),
        &mut out,
    );
    out.extend_from_slice(b"}]");
    if let Some(usage) = &answer.usage {
        out.extend_from_slice(br#","usage":"#);
        write_usage(usage, &mut out);
    }
    if let Some(trace) = &answer.trace {
        out.extend_from_slice(br#","trace":"#);
        out.extend_from_slice(trace.bytes());
    }
    if let Some(tier) = &answer.service_tier {
        out.extend_from_slice(br#","service_tier":"#);
        write_escaped(tier, &mut out);
    }
    if envelope.content_blocks && !answer.details.is_empty() {
        out.extend_from_slice(br#","provider_specific_fields":{"#);
        write_fields(&answer.details, &mut out);
        out.push(b'}');
    }
    out.push(b'}');
    Bytes::from(out)
}

/// Returns `finish_reason`. Portkey's clients are told of a guardrail in Bedrock's own word.
pub(super) fn finish_reason(stop: &StopReason, content_blocks: bool) -> &str {
    if content_blocks && stop.raw == "guardrail_intervened" {
        &stop.raw
    } else {
        stop.finish_reason
    }
}

/// Appends members, with commas between and one before the first unless `out` ends with `{`.
pub(super) fn write_fields(fields: &[(String, RawJson)], out: &mut Vec<u8>) {
    for (name, value) in fields {
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        write_escaped(name, out);
        out.push(b':');
        write_in_line(value, out);
    }
}

/// Appends a picture as an entry of `images`.
pub(super) fn write_image(format: &str, base64: &Text, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"image_url","image_url":{"url":"data:image/"#);
    // The format is a plain word; a strange one must not break the JSON around it.
    out.extend(format.bytes().filter(u8::is_ascii_alphanumeric));
    out.extend_from_slice(b";base64,");
    out.extend_from_slice(base64.escaped().as_bytes());
    out.extend_from_slice(br#""}}"#);
}

/// Appends an entry of `thinking_blocks`.
pub(super) fn write_thinking(text: &Text, signature: Option<&Text>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"thinking","thinking":"#);
    out.extend_from_slice(text.bytes());
    if let Some(signature) = signature {
        out.extend_from_slice(br#","signature":"#);
        out.extend_from_slice(signature.bytes());
    }
    out.push(b'}');
}

/// Appends an entry of `thinking_blocks` that nobody can read.
pub(super) fn write_redacted(data: &Text, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"redacted_thinking","data":"#);
    out.extend_from_slice(data.bytes());
    out.push(b'}');
}

fn write_message(answer: &ChatAnswer, envelope: &Envelope, out: &mut Vec<u8>) {
    let blocks = &answer.blocks;
    out.extend_from_slice(br#"{"role":"assistant","content":"#);
    write_joined(blocks.iter().filter_map(content_of), out);
    let has_reasoning = blocks
        .iter()
        .any(|block| matches!(block, AnswerBlock::Thinking { .. }));
    if has_reasoning {
        out.extend_from_slice(br#","reasoning_content":"#);
        let thoughts = blocks.iter().filter_map(|block| match block {
            AnswerBlock::Thinking { text, .. } => Some(text),
            _ => None,
        });
        write_joined(thoughts, out);
    }
    write_list("thinking_blocks", blocks, out, |block, out| match block {
        AnswerBlock::Thinking { text, signature } => write_thinking(text, signature.as_ref(), out),
        AnswerBlock::Redacted(data) => write_redacted(data, out),
        _ => {}
    });
    write_list("tool_calls", blocks, out, |block, out| {
        if let AnswerBlock::ToolUse { id, name, input } = block {
            write_call(id, name, input, out);
        }
    });
    write_list("images", blocks, out, |block, out| {
        if let AnswerBlock::Image { format, base64 } = block {
            write_image(format, base64, out);
        }
    });
    write_annotations(blocks, out);
    if envelope.content_blocks {
        write_list("content_blocks", blocks, out, write_content_block);
    }
    write_provider_fields(answer, envelope, out);
    out.push(b'}');
}

/// Returns what a block adds to `content`.
fn content_of(block: &AnswerBlock) -> Option<&Text> {
    match block {
        AnswerBlock::Text(text) | AnswerBlock::Citations { text, .. } => Some(text),
        _ => None,
    }
}

/// Appends texts as one JSON string.
fn write_joined<'a>(texts: impl Iterator<Item = &'a Text>, out: &mut Vec<u8>) {
    out.push(b'"');
    for text in texts {
        out.extend_from_slice(text.escaped().as_bytes());
    }
    out.push(b'"');
}

/// Appends the member `name` with what `write` makes of the blocks; nothing when it makes nothing.
fn write_list(
    name: &str,
    blocks: &[AnswerBlock],
    out: &mut Vec<u8>,
    write: impl Fn(&AnswerBlock, &mut Vec<u8>),
) {
    let before = out.len();
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":[");
    let first = out.len();
    for block in blocks {
        let start = out.len();
        if start > first {
            out.push(b',');
        }
        let written = out.len();
        write(block, out);
        if out.len() == written {
            out.truncate(start);
        }
    }
    if out.len() == first {
        out.truncate(before);
    } else {
        out.push(b']');
    }
}

fn write_call(id: &Text, name: &Text, input: &RawJson, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"id":"#);
    out.extend_from_slice(id.bytes());
    out.extend_from_slice(br#","type":"function","function":{"name":"#);
    out.extend_from_slice(name.bytes());
    out.extend_from_slice(br#","arguments":"#);
    write_escaped(input.get(), out);
    out.extend_from_slice(b"}}");
}

fn write_content_block(block: &AnswerBlock, out: &mut Vec<u8>) {
    match block {
        AnswerBlock::Text(text) | AnswerBlock::Citations { text, .. } => {
            out.extend_from_slice(br#"{"type":"text","text":"#);
            out.extend_from_slice(text.bytes());
            out.push(b'}');
        }
        AnswerBlock::Thinking { text, signature } => write_thinking(text, signature.as_ref(), out),
        AnswerBlock::Redacted(data) => write_redacted(data, out),
        AnswerBlock::ToolUse { .. } | AnswerBlock::Image { .. } => {}
    }
}

fn write_annotations(blocks: &[AnswerBlock], out: &mut Vec<u8>) {
    if !blocks
        .iter()
        .any(|block| matches!(block, AnswerBlock::Citations { .. }))
    {
        return;
    }
    let before = out.len();
    out.extend_from_slice(br#","annotations":["#);
    let first = out.len();
    let mut start = 0;
    for block in blocks {
        let end = start + content_of(block).map_or(0, annotations::characters);
        if let AnswerBlock::Citations { raw, .. } = block {
            annotations::write_block(raw, Span { start, end }, Form::Nested, out);
        }
        start = end;
    }
    if out.len() == first {
        out.truncate(before);
    } else {
        out.push(b']');
    }
}

fn write_provider_fields(answer: &ChatAnswer, envelope: &Envelope, out: &mut Vec<u8>) {
    let before = out.len();
    out.extend_from_slice(br#","provider_specific_fields":{"#);
    let first = out.len();
    write_fields(&answer.provider_fields, out);
    if answer
        .blocks
        .iter()
        .any(|block| matches!(block, AnswerBlock::Citations { .. }))
    {
        if out.len() > first {
            out.push(b',');
        }
        out.extend_from_slice(br#""citationsContent":["#);
        for block in &answer.blocks {
            if let AnswerBlock::Citations { raw, .. } = block {
                if out.last() != Some(&b'[') {
                    out.push(b',');
                }
                out.extend_from_slice(raw.bytes());
            }
        }
        out.push(b']');
    }
    if envelope.content_blocks {
        if out.len() > first {
            out.push(b',');
        }
        out.extend_from_slice(br#""stop_reason":"#);
        write_escaped(&answer.stop.raw, out);
    }
    if out.len() == first {
        out.truncate(before);
    } else {
        out.push(b'}');
    }
}

/// Returns how much room the answer's long texts take, so that the body is allocated once.
fn text_bytes(answer: &ChatAnswer) -> usize {
    let sizes = answer.blocks.iter().map(|block| match block {
        AnswerBlock::Text(text) => text.bytes().len(),
        // Written as reasoning, as a thinking block and as it came.
        AnswerBlock::Thinking { text, .. } => 3 * text.bytes().len() + 512,
        AnswerBlock::Redacted(data) => 2 * data.bytes().len(),
        AnswerBlock::ToolUse { input, .. } => 2 * input.bytes().len() + 128,
        AnswerBlock::Citations { raw, .. } => 2 * raw.bytes().len(),
        AnswerBlock::Image { base64, .. } => base64.bytes().len() + 64,
    });
    sizes.sum()
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
