//! Writes answers as a `text_completion`.

use bytes::Bytes;

use crate::canonical::{AnswerBlock, ChatAnswer, Text, Usage, write_escaped};
use crate::dialect::Envelope;
use crate::dialect::chat::write_usage;
use crate::dialect::number::number;

/// Writes the answers to all prompts of one request, in the order of the prompts.
pub fn joined(answers: &[&ChatAnswer], envelope: &Envelope) -> Bytes {
    let room: usize = answers.iter().map(|answer| text_bytes(answer)).sum();
    let mut out = Vec::with_capacity(768 + room);
    write_head(envelope, &mut out);
    out.extend_from_slice(br#""choices":["#);
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_choice(index, answer, &mut out);
    }
    out.push(b']');
    if let Some(usage) = total(answers) {
        out.extend_from_slice(br#","usage":"#);
        write_usage(&usage, &mut out);
    }
    if let Some(tier) = answers
        .iter()
        .find_map(|answer| answer.service_tier.as_ref())
    {
        out.extend_from_slice(br#","service_tier":"#);
        write_escaped(tier, &mut out);
    }
    out.push(b'}');
    Bytes::from(out)
}

/// Appends a completion up to its choices.
pub(super) fn write_head(envelope: &Envelope, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"id":"#);
    write_escaped(&envelope.id, out);
    number(
        out,
        r#","object":"text_completion","created":"#,
        envelope.created,
    );
    out.extend_from_slice(br#","model":"#);
    write_escaped(&envelope.model, out);
    out.push(b',');
}

fn write_choice(index: usize, answer: &ChatAnswer, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"text":""#);
    for text in texts(answer) {
        out.extend_from_slice(text.escaped().as_bytes());
    }
    number(out, r#"","index":"#, index);
    out.extend_from_slice(br#","logprobs":null,"finish_reason":"#);
    write_escaped(answer.stop.finish_reason, out);
    out.push(b'}');
}

/// The texts of an answer: reasoning has no place in this format.
fn texts(answer: &ChatAnswer) -> impl Iterator<Item = &Text> {
    answer.blocks.iter().filter_map(|block| match block {
        AnswerBlock::Text(text) | AnswerBlock::Citations { text, .. } => Some(text),
        _ => None,
    })
}

fn text_bytes(answer: &ChatAnswer) -> usize {
    texts(answer).map(|text| text.bytes().len() + 96).sum()
}

/// Sums the tokens of several answers; `None` where no model reported any.
fn total(answers: &[&ChatAnswer]) -> Option<Usage> {
    let used = answers.iter().filter_map(|answer| answer.usage);
    used.reduce(|one, other| one.plus(&other))
}
