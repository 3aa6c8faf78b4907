//! Content blocks of an answer as Anthropic writes them.

use crate::canonical::{AnswerBlock, RawJson, Text};
use crate::dialect::in_line::write_in_line;

use super::citations;

/// Appends a whole block.
pub(super) fn write_block(block: &AnswerBlock, out: &mut Vec<u8>) {
    match block {
        AnswerBlock::Text(text) => write_text(text, out),
        AnswerBlock::Thinking { text, signature } => {
            out.extend_from_slice(br#"{"type":"thinking","thinking":"#);
            out.extend_from_slice(text.bytes());
            out.extend_from_slice(br#","signature":"#);
            out.extend_from_slice(signature.as_ref().map_or(br#""""#, |text| text.bytes()));
            out.push(b'}');
        }
        AnswerBlock::Redacted(data) => write_redacted(data, out),
        AnswerBlock::ToolUse { id, name, input } => write_call(id, name, input, out),
        AnswerBlock::Citations { text, raw } => {
            out.extend_from_slice(br#"{"type":"text","text":"#);
            out.extend_from_slice(text.bytes());
            out.extend_from_slice(br#","citations":"#);
            citations::write_all(raw, out);
            out.push(b'}');
        }
        AnswerBlock::Image { format, base64 } => write_image(format, base64, out),
    }
}

fn write_text(text: &Text, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"text","text":"#);
    out.extend_from_slice(text.bytes());
    out.push(b'}');
}

/// Appends encrypted thinking.
pub(super) fn write_redacted(data: &Text, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"redacted_thinking","data":"#);
    out.extend_from_slice(data.bytes());
    out.push(b'}');
}

/// Appends a call of a tool.
pub(super) fn write_call(id: &Text, name: &Text, input: &RawJson, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"tool_use","id":"#);
    out.extend_from_slice(id.bytes());
    out.extend_from_slice(br#","name":"#);
    out.extend_from_slice(name.bytes());
    out.extend_from_slice(br#","input":"#);
    write_in_line(input, out);
    out.push(b'}');
}

/// Appends a picture, in the form that requests have it.
pub(super) fn write_image(format: &str, base64: &Text, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"image","source":{"type":"base64","media_type":"image/"#);
    // The format is a plain word; a strange one must not break the JSON around it.
    out.extend(format.bytes().filter(u8::is_ascii_alphanumeric));
    out.extend_from_slice(br#"","data":"#);
    out.extend_from_slice(base64.bytes());
    out.extend_from_slice(b"}}");
}

/// Returns about how many bytes a written block takes.
pub(super) fn size(block: &AnswerBlock) -> usize {
    const FRAME: usize = 128;
    FRAME
        + match block {
            AnswerBlock::Text(text) | AnswerBlock::Redacted(text) => text.bytes().len(),
            AnswerBlock::Thinking { text, signature } => {
                text.bytes().len() + signature.as_ref().map_or(0, |text| text.bytes().len())
            }
            AnswerBlock::ToolUse { input, .. } => input.bytes().len(),
            AnswerBlock::Citations { text, raw } => text.bytes().len() + 2 * raw.bytes().len(),
            AnswerBlock::Image { base64, .. } => base64.bytes().len(),
        }
}
