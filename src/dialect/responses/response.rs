//! Writes a response: whole, and as it stands within the events of a stream.

use bytes::Bytes;

use super::asked::Asked;
use super::item::{Call, Escaped, Item, Kind, Said, Stage, Thought};
use super::passed;
use crate::canonical::{
    AnswerBlock, ChatAnswer, ObjectWriter, RawJson, StopReason, Usage, write_escaped,
};
use crate::dialect::annotations::{self, Form, Span};
use crate::dialect::{Envelope, Kept};

/// How a response stands.
#[derive(Debug, Default)]
pub(super) struct State<'a> {
    /// `in_progress`, `completed`, `incomplete`, `failed`.
    pub(super) status: &'static str,
    pub(super) items: &'a [Item],
    /// Why it is incomplete.
    pub(super) incomplete: Option<&'static str>,
    /// Why it failed: JSON.
    pub(super) failure: Option<&'a str>,
    pub(super) usage: Option<&'a Usage>,
    pub(super) service_tier: Option<&'a str>,
    /// Whether reasoning is written with what the model needs to see it again.
    pub(super) encrypted: bool,
}

impl State<'_> {
    /// Says how an answer that ended with `stop` stands.
    pub(super) fn ended(stop: &StopReason) -> Self {
        let incomplete = match stop.finish_reason {
            "length" => Some("max_output_tokens"),
            "content_filter" => Some("content_filter"),
            _ => None,
        };
        Self {
            status: if incomplete.is_some() {
                "incomplete"
            } else {
                "completed"
            },
            incomplete,
            ..Self::default()
        }
    }

    /// Appends the response, with what `more` adds to it.
    pub(super) fn write(&self, envelope: &Envelope, asked: &Asked, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::open(out);
        write_escaped(&envelope.id, object.member("id"));
        object.raw("object", r#""response""#);
        object.raw("created_at", itoa::Buffer::new().format(envelope.created));
        write_escaped(self.status, object.member("status"));
        object.raw("error", self.failure.unwrap_or("null"));
        match self.incomplete {
            None => object.raw("incomplete_details", "null"),
            Some(reason) => {
                let mut details = ObjectWriter::open(object.member("incomplete_details"));
                write_escaped(reason, details.member("reason"));
                details.close();
            }
        }
        write_escaped(&envelope.model, object.member("model"));
        let output = object.member("output");
        output.push(b'[');
        let encrypted = self.encrypted;
        for (place, item) in self.items.iter().enumerate() {
            if place > 0 {
                output.push(b',');
            }
            item.write(Stage::Done { encrypted }, output);
        }
        output.push(b']');
        asked.write(&mut object);
        match self.service_tier {
            Some(tier) => write_escaped(tier, object.member("service_tier")),
            None => object.raw("service_tier", r#""default""#),
        }
        match self.usage {
            Some(usage) => write_usage(usage, object.member("usage")),
            None => object.raw("usage", "null"),
        }
        object.close();
    }
}

fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    let written = format!(
        r#"{{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{},"cache_write_tokens":{}}},"output_tokens":{},"output_tokens_details":{{"reasoning_tokens":{}}},"total_tokens":{}}}"#,
        usage.prompt_tokens(),
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens.unwrap_or_default(),
        usage.total_tokens(),
    );
    out.extend_from_slice(written.as_bytes());
}

/// Writes a whole answer: as the model wrote it where it speaks this format.
pub(super) fn answer(answer: &ChatAnswer, envelope: &Envelope) -> Bytes {
    let envelope = own(envelope);
    let asked = Asked::of(&envelope);
    if let Some(written) =
        passed::own(answer).and_then(|own| passed::retold(own, &envelope, &asked))
    {
        return written.bytes().clone();
    }
    let items = items(answer, &envelope.id, &asked);
    let mut out = Vec::with_capacity(2048 + items.len() * 256);
    let mut state = state_of(answer, &items);
    state.encrypted = asked.encrypted;
    state.write(&envelope, &asked, &mut out);
    Bytes::from(out)
}

/// Returns what is kept of a whole answer, if it is to be kept.
pub(super) fn kept(answer: &ChatAnswer, envelope: &Envelope) -> Option<Kept> {
    let envelope = own(envelope);
    let asked = Asked::of(&envelope);
    if let Some(written) = passed::own(answer) {
        return passed::record(&passed::retold(written, &envelope, &asked)?, &asked);
    }
    let items = items(answer, &envelope.id, &asked);
    record(&state_of(answer, &items), &envelope, &asked)
}

/// Writes down a response with the conversation that led to it, if it is to be kept and not too large.
pub(super) fn record(state: &State<'_>, envelope: &Envelope, asked: &Asked) -> Option<Kept> {
    let room = asked.room?;
    let state = State {
        encrypted: true,
        ..*state
    };
    let mut out = Vec::with_capacity(4096);
    let mut object = ObjectWriter::open(&mut out);
    object.raw("input", asked.input.0.get());
    state.write(envelope, asked, object.member("response"));
    object.close();
    if out.len() > room {
        return None;
    }
    Some(Kept {
        id: envelope.id.clone(),
        record: RawJson::from_checked(out.into()),
        items: Vec::new(),
    })
}

/// Sees to it that the id is a response's: an answer out of the cache may have got its own elsewhere.
pub(super) fn own(envelope: &Envelope) -> Envelope {
    let mut envelope = envelope.clone();
    if !envelope.id.starts_with("resp_") {
        let id = envelope.id.split_once(['-', '_']);
        envelope.id = format!("resp_{}", id.map_or(&*envelope.id, |(_, id)| id));
    }
    envelope
}

fn state_of<'a>(answer: &'a ChatAnswer, items: &'a [Item]) -> State<'a> {
    State {
        items,
        usage: answer.usage.as_ref(),
        service_tier: answer.service_tier.as_deref(),
        ..State::ended(&answer.stop)
    }
}

/// Makes items of an answer's blocks: what was thought, and what was said, in one each as long as nothing else comes between.
fn items(answer: &ChatAnswer, id: &str, asked: &Asked) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for block in &answer.blocks {
        match block {
            AnswerBlock::Text(text) if text.is_empty() => {}
            AnswerBlock::Text(text) => say(&mut items, id, |said| {
                said.text.extend_from_slice(text.escaped().as_bytes());
            }),
            AnswerBlock::Citations { text, raw } => say(&mut items, id, |said| {
                let start = annotations::written_characters(&said.text);
                said.text.extend_from_slice(text.escaped().as_bytes());
                let end = annotations::written_characters(&said.text);
                annotate(said, |out| {
                    annotations::write_block(raw, Span { start, end }, Form::Flat, out);
                });
            }),
            AnswerBlock::Thinking { text, signature } => {
                let thought = Thought {
                    text: text.escaped().into(),
                    signature: signature.clone(),
                    is_redacted: false,
                };
                think(&mut items, id, thought);
            }
            AnswerBlock::Redacted(data) => {
                let thought = Thought {
                    text: data.escaped().into(),
                    signature: None,
                    is_redacted: true,
                };
                think(&mut items, id, thought);
            }
            AnswerBlock::ToolUse {
                id: call_id,
                name,
                input,
            } => {
                let mut call = Call::new(call_id, name, asked);
                call.arguments = escaped(input.get());
                push(&mut items, id, Kind::Call(call));
            }
            AnswerBlock::Image { base64, .. } => {
                push(&mut items, id, Kind::Image(base64.clone()));
            }
        }
    }
    if State::ended(&answer.stop).incomplete.is_some()
        && let Some(last) = items.last_mut()
    {
        last.is_cut = true;
    }
    items
}

fn push(items: &mut Vec<Item>, id: &str, kind: Kind) {
    items.push(Item::new(kind, id, items.len()));
}

/// Adds to the message that is being written, or begins one.
fn say(items: &mut Vec<Item>, id: &str, write: impl FnOnce(&mut Said)) {
    if let Some(Kind::Message(said)) = items.last_mut().map(|item| &mut item.kind) {
        return write(said);
    }
    let mut said = Said::default();
    write(&mut said);
    push(items, id, Kind::Message(said));
}

/// Adds to the reasoning that is being written, or begins some.
fn think(items: &mut Vec<Item>, id: &str, thought: Thought) {
    if let Some(Kind::Reasoning(thoughts)) = items.last_mut().map(|item| &mut item.kind) {
        return thoughts.push(thought);
    }
    push(items, id, Kind::Reasoning(vec![thought]));
}

/// Appends annotations that `write` makes, with commas between.
pub(super) fn annotate(said: &mut Said, write: impl FnOnce(&mut Vec<u8>)) {
    // Who writes them puts a comma unless a list has just begun.
    let mut made = vec![b'['];
    write(&mut made);
    let made = made.get(1..).unwrap_or_default();
    if !made.is_empty() {
        if !said.annotations.is_empty() {
            said.annotations.push(b',');
        }
        said.annotations.extend_from_slice(made);
    }
}

fn escaped(text: &str) -> Escaped {
    let mut out = Vec::with_capacity(text.len() + 16);
    write_escaped(text, &mut out);
    out.pop();
    out.remove(0);
    out
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
