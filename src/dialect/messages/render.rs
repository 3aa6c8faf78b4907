//! Writes a whole answer as a message, and a count of tokens.

use bytes::Bytes;

use super::block::{size, write_block};
use super::usage::{stop_reason, write_usage};
use crate::canonical::{
    ChatAnswer, CountAnswer, Native, NativeFormat, ObjectWriter, RawObject, write_escaped,
};
use crate::dialect::Envelope;

/// Writes the answer: as the model wrote it where it speaks this format, but for the model's name.
pub(super) fn answer(answer: &ChatAnswer, envelope: &Envelope) -> Bytes {
    match answer
        .native
        .as_ref()
        .and_then(|native| own(native, envelope))
    {
        Some(written) => written,
        None => built(answer, envelope),
    }
}

fn own(native: &Native, envelope: &Envelope) -> Option<Bytes> {
    if native.format != NativeFormat::Messages {
        return None;
    }
    let mut out = Vec::with_capacity(native.body.bytes().len() + envelope.model.len() + 16);
    write_renamed(native.body.get(), &envelope.model, &mut out)?;
    Some(Bytes::from(out))
}

/// Appends a message with the name that the client knows the model by; `None` when it is no object.
pub(super) fn write_renamed(message: &str, model: &str, out: &mut Vec<u8>) -> Option<()> {
    let message = RawObject::parse(message)?;
    let mut object = ObjectWriter::open(out);
    for (name, value) in message.members() {
        if name == "model" {
            write_escaped(model, object.member(name));
        } else {
            object.raw(name, value);
        }
    }
    object.close();
    Some(())
}

/// Returns the id that a model gave its message.
pub(super) fn id_of(message: &str) -> Option<String> {
    serde_json::from_str(RawObject::parse(message)?.get("id")?).ok()
}

fn built(answer: &ChatAnswer, envelope: &Envelope) -> Bytes {
    let room: usize = answer.blocks.iter().map(size).sum();
    let mut out = Vec::with_capacity(512 + room);
    write_head(envelope, &mut out);
    out.extend_from_slice(br#""content":["#);
    for (place, block) in answer.blocks.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_block(block, &mut out);
    }
    out.extend_from_slice(br#"],"stop_reason":"#);
    write_escaped(stop_reason(&answer.stop), &mut out);
    out.extend_from_slice(br#","stop_sequence":null,"usage":"#);
    write_usage(&answer.usage.unwrap_or_default(), &mut out);
    out.push(b'}');
    Bytes::from(out)
}

/// Appends a message up to its content.
pub(super) fn write_head(envelope: &Envelope, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"id":"#);
    write_escaped(&envelope.id, out);
    out.extend_from_slice(br#","type":"message","role":"assistant","model":"#);
    write_escaped(&envelope.model, out);
    out.push(b',');
}

/// Writes how many tokens a request is, and who counted them.
pub fn count(answer: &CountAnswer) -> Bytes {
    Bytes::from(format!(
        r#"{{"input_tokens":{},"litellm_count_source":"{}"}}"#,
        answer.input_tokens,
        answer.source.name()
    ))
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
