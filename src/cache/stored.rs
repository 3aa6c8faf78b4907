//! The form in which an answer is kept: JSON with a version, the same in this process and in the shared store.
//!
//! It is read where it lies: texts of a decoded answer are slices of the kept bytes. Types of [`crate::canonical`] are
//! taken apart by name, so that a field which is added there does not compile here until it is kept, too. What cannot be
//! read (another version, a stranger's bytes) is no answer.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::canonical::{
    AnswerBlock, ChatAnswer, Native, NativeFormat, RawJson, StopReason, Text, Usage,
};

/// The form that this version writes and reads.
const VERSION: u32 = 1;

/// An answer out of the cache.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The answer.
    pub answer: ChatAnswer,
    /// `id` of the first rendering (`chatcmpl-…`).
    pub id: String,
    /// `created` of the first rendering, in seconds since 1970.
    pub created: u64,
    /// When it was kept, in milliseconds since 1970.
    pub stored_ms: u64,
    /// When it is no answer any more, in milliseconds since 1970; `None`: never.
    pub expires_ms: Option<u64>,
}

/// What the cache keeps, whatever it is.
pub(super) trait Kept: Sized {
    /// Reads it; `None` where the bytes are something else.
    fn decode(bytes: &Bytes) -> Option<Self>;
    /// Returns when it was kept, in milliseconds since 1970.
    fn stored_ms(&self) -> u64;
    /// Returns when it is no answer any more, in milliseconds since 1970.
    fn expires_ms(&self) -> Option<u64>;

    /// Says whether it still holds at `now_ms`, and is younger than `max_age`.
    fn is_fresh(&self, now_ms: u64, max_age: Option<Duration>) -> bool {
        // Another instance's clock may be ahead of this one: its answer is new.
        let age = Duration::from_millis(now_ms.saturating_sub(self.stored_ms()));
        self.expires_ms().is_none_or(|expires| now_ms < expires)
            && max_age.is_none_or(|most| age < most)
    }
}

impl Kept for Stored {
    fn decode(bytes: &Bytes) -> Option<Self> {
        decode(bytes)
    }

    fn stored_ms(&self) -> u64 {
        self.stored_ms
    }

    fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }
}

/// Says whether an answer has anything in it; one that has not is not kept.
pub(super) fn is_empty(answer: &ChatAnswer) -> bool {
    answer.blocks.iter().all(|block| match block {
        AnswerBlock::Text(text)
        | AnswerBlock::Redacted(text)
        | AnswerBlock::Thinking { text, .. }
        | AnswerBlock::Citations { text, .. } => text.is_empty(),
        AnswerBlock::Image { base64, .. } => base64.is_empty(),
        AnswerBlock::ToolUse { .. } => false,
    })
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    v: u32,
    #[serde(borrow)]
    id: Cow<'a, str>,
    created: u64,
    stored_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    #[serde(borrow)]
    answer: Answer<'a>,
}

#[derive(Serialize, Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    blocks: Vec<Block<'a>>,
    #[serde(borrow)]
    finish_reason: Cow<'a, str>,
    #[serde(borrow)]
    stop: Cow<'a, str>,
    /// Whether `stop` is a word of Anthropic's Messages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_messages: bool,
    /// The answer in that format, as the model wrote it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    native: Option<&'a RawValue>,
    /// The answer as a response, as the model wrote it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    response: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Tokens>,
    /// One or none: a trace may be `null`.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    trace: Vec<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    service_tier: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    provider_fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    details: Vec<(Cow<'a, str>, &'a RawValue)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Block<'a> {
    Text(#[serde(borrow)] &'a RawValue),
    Thinking(
        #[serde(borrow)] &'a RawValue,
        #[serde(borrow)] Option<&'a RawValue>,
    ),
    Redacted(#[serde(borrow)] &'a RawValue),
    ToolUse(
        #[serde(borrow)] &'a RawValue,
        #[serde(borrow)] &'a RawValue,
        #[serde(borrow)] &'a RawValue,
    ),
    Citations(#[serde(borrow)] &'a RawValue, #[serde(borrow)] &'a RawValue),
    Image(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] &'a RawValue),
}

#[derive(Serialize, Deserialize)]
struct Tokens {
    input: u64,
    output: u64,
    total: Option<u64>,
    cache_read: u64,
    cache_write: u64,
    cache_write_5m: Option<u64>,
    cache_write_1h: Option<u64>,
    reasoning: Option<u64>,
}

/// Writes an answer; `None` where it is not what an answer should be.
pub(super) fn encode(stored: &Stored) -> Option<Bytes> {
    let Stored {
        answer,
        id,
        created,
        stored_ms,
        expires_ms,
    } = stored;
    let written = Written {
        v: VERSION,
        id: Cow::Borrowed(id),
        created: *created,
        stored_ms: *stored_ms,
        expires_ms: *expires_ms,
        answer: written_answer(answer)?,
    };
    serde_json::to_vec(&written).ok().map(Bytes::from)
}

/// Reads an answer; `None` where the bytes are none.
pub(super) fn decode(bytes: &Bytes) -> Option<Stored> {
    // The version comes first: another one may have another form.
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let version: Version = serde_json::from_slice(bytes).ok()?;
    if version.v != VERSION {
        return None;
    }
    let written: Written<'_> = serde_json::from_slice(bytes).ok()?;
    Some(Stored {
        answer: read_answer(written.answer, bytes)?,
        id: written.id.into_owned(),
        created: written.created,
        stored_ms: written.stored_ms,
        expires_ms: written.expires_ms,
    })
}

fn raw(text: &Text) -> Option<&RawValue> {
    serde_json::from_str(text.raw()).ok()
}

fn written_answer(answer: &ChatAnswer) -> Option<Answer<'_>> {
    let ChatAnswer {
        blocks,
        stop,
        usage,
        trace,
        service_tier,
        provider_fields,
        details,
        native,
    } = answer;
    // A kept answer is as it was written only for who speaks that format; it must be sayable in all others.
    if native.as_ref().is_some_and(|native| native.is_alone) {
        return None;
    }
    let StopReason {
        finish_reason,
        raw: stop,
        format,
    } = stop;
    let body = match native {
        Some(native) => Some((native.format, json(&native.body)?)),
        None => None,
    };
    let written = |wanted| body.and_then(|(format, body)| (format == wanted).then_some(body));
    Some(Answer {
        blocks: blocks.iter().map(written_block).collect::<Option<_>>()?,
        finish_reason: Cow::Borrowed(known_reason(finish_reason)?),
        stop: Cow::Borrowed(stop),
        is_messages: *format == Some(NativeFormat::Messages),
        native: written(NativeFormat::Messages),
        response: written(NativeFormat::Responses),
        usage: usage.map(written_usage),
        trace: trace.iter().map(json).collect::<Option<_>>()?,
        service_tier: service_tier.as_deref().map(Cow::Borrowed),
        provider_fields: members(provider_fields)?,
        details: members(details)?,
    })
}

fn json(value: &RawJson) -> Option<&RawValue> {
    value.parse().ok()
}

fn members(members: &[(String, RawJson)]) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    let written = members
        .iter()
        .map(|(name, value)| Some((Cow::Borrowed(name.as_str()), json(value)?)));
    written.collect()
}

fn written_block(block: &AnswerBlock) -> Option<Block<'_>> {
    Some(match block {
        AnswerBlock::Text(text) => Block::Text(raw(text)?),
        AnswerBlock::Thinking { text, signature } => {
            let signature = match signature {
                Some(signature) => Some(raw(signature)?),
                None => None,
            };
            Block::Thinking(raw(text)?, signature)
        }
        AnswerBlock::Redacted(data) => Block::Redacted(raw(data)?),
        AnswerBlock::ToolUse { id, name, input } => {
            Block::ToolUse(raw(id)?, raw(name)?, json(input)?)
        }
        AnswerBlock::Citations { text, raw: cited } => Block::Citations(raw(text)?, json(cited)?),
        AnswerBlock::Image { format, base64 } => Block::Image(Cow::Borrowed(format), raw(base64)?),
    })
}

fn written_usage(usage: Usage) -> Tokens {
    let Usage {
        input_tokens,
        output_tokens,
        total_tokens,
        cache_read_tokens,
        cache_write_tokens,
        cache_write_5m_tokens,
        cache_write_1h_tokens,
        reasoning_tokens,
    } = usage;
    Tokens {
        input: input_tokens,
        output: output_tokens,
        total: total_tokens,
        cache_read: cache_read_tokens,
        cache_write: cache_write_tokens,
        cache_write_5m: cache_write_5m_tokens,
        cache_write_1h: cache_write_1h_tokens,
        reasoning: reasoning_tokens,
    }
}

fn read_answer(answer: Answer<'_>, bytes: &Bytes) -> Option<ChatAnswer> {
    let shared = |raw: &RawValue| RawJson::from_raw(bytes, raw);
    let named = |members: Vec<(Cow<'_, str>, &RawValue)>| {
        let members = members
            .into_iter()
            .map(|(name, raw)| (name.into_owned(), shared(raw)));
        members.collect()
    };
    let blocks = answer
        .blocks
        .into_iter()
        .map(|block| read_block(block, bytes));
    Some(ChatAnswer {
        blocks: blocks.collect::<Option<_>>()?,
        stop: StopReason {
            finish_reason: known_reason(&answer.finish_reason)?,
            raw: answer.stop.into_owned(),
            format: answer.is_messages.then_some(NativeFormat::Messages),
        },
        usage: answer.usage.map(|tokens| Usage {
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            total_tokens: tokens.total,
            cache_read_tokens: tokens.cache_read,
            cache_write_tokens: tokens.cache_write,
            cache_write_5m_tokens: tokens.cache_write_5m,
            cache_write_1h_tokens: tokens.cache_write_1h,
            reasoning_tokens: tokens.reasoning,
        }),
        trace: answer.trace.first().map(|raw| shared(raw)),
        service_tier: answer.service_tier.map(Cow::into_owned),
        provider_fields: named(answer.provider_fields),
        details: named(answer.details),
        native: read_native(answer.native, answer.response).map(|(format, body)| Native {
            format,
            body: shared(body),
            is_alone: false,
        }),
    })
}

fn read_native<'a>(
    message: Option<&'a RawValue>,
    response: Option<&'a RawValue>,
) -> Option<(NativeFormat, &'a RawValue)> {
    let message = message.map(|body| (NativeFormat::Messages, body));
    message.or_else(|| response.map(|body| (NativeFormat::Responses, body)))
}

fn read_block(block: Block<'_>, bytes: &Bytes) -> Option<AnswerBlock> {
    let text = |raw: &RawValue| Text::from_raw(bytes, raw);
    Some(match block {
        Block::Text(raw) => AnswerBlock::Text(text(raw)?),
        Block::Thinking(raw, signature) => AnswerBlock::Thinking {
            text: text(raw)?,
            signature: match signature {
                Some(signature) => Some(text(signature)?),
                None => None,
            },
        },
        Block::Redacted(raw) => AnswerBlock::Redacted(text(raw)?),
        Block::ToolUse(id, name, input) => AnswerBlock::ToolUse {
            id: text(id)?,
            name: text(name)?,
            input: RawJson::from_raw(bytes, input),
        },
        Block::Citations(raw, cited) => AnswerBlock::Citations {
            text: text(raw)?,
            raw: RawJson::from_raw(bytes, cited),
        },
        Block::Image(format, raw) => AnswerBlock::Image {
            format: format.into_owned(),
            base64: text(raw)?,
        },
    })
}

/// Returns OpenAI's word for why a model stopped; `None` for a word that is not one.
fn known_reason(word: &str) -> Option<&'static str> {
    let known = [
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "function_call",
    ];
    known.into_iter().find(|known| *known == word)
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
