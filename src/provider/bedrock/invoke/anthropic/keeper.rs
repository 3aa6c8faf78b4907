//! Events of a Claude as they were written, for a client that speaks its format.
//!
//! Bedrock adds its own count of tokens to the last event. It is said there in Anthropic's words, and in the event before it,
//! which is where clients look; so that one waits for the next.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::envelope::Counts;
use super::decode::is_known;
use super::reply::Event;
use crate::canonical::{
    ChatChunk, NativeEvent, NativeFormat, ObjectWriter, RawJson, RawObject, write_value,
};

/// Bedrock's count of tokens.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// Event types that carry a name which need not be copied.
const NAMES: [&str; 7] = [
    "content_block_delta",
    "content_block_start",
    "content_block_stop",
    "message_delta",
    "message_start",
    "message_stop",
    "ping",
];

/// Keeps what is passed on later.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// `usage` at the start of the message.
    start_usage: Option<RawJson>,
    /// The event that says why the model stopped.
    held: Option<RawJson>,
}

/// What is passed on for one event.
#[derive(Debug, Default)]
pub(super) struct Passed {
    before: Option<NativeEvent>,
    itself: Option<NativeEvent>,
}

impl Keeper {
    /// Looks at an event, and says what is passed on.
    pub(super) fn see(
        &mut self,
        event: &Event<'_>,
        body: &Bytes,
        metrics: Option<Counts>,
    ) -> Passed {
        let json = || RawJson::from_checked(body.clone());
        let before = self
            .held
            .take()
            .map(|held| self.complete(&held, body, metrics));
        let itself = match &*event.kind {
            // Said by the error that ends the stream.
            "error" => None,
            "message_delta" => {
                self.held = Some(json());
                None
            }
            "message_start" => {
                self.start_usage = start_usage(body);
                Some(passed(event, json()))
            }
            "message_stop" => Some(passed(event, stop(body, metrics).unwrap_or_else(json))),
            _ => Some(passed(event, json())),
        };
        Passed { before, itself }
    }

    /// Adds to the event that was held what it does not say of tokens: what the last event says, then what the first did.
    fn complete(&self, held: &RawJson, next: &Bytes, metrics: Option<Counts>) -> NativeEvent {
        let json = self.completed(held, next, metrics);
        NativeEvent {
            format: NativeFormat::Messages,
            name: Cow::Borrowed("message_delta"),
            block: None,
            json: json.unwrap_or_else(|| held.clone()),
            covers: 0,
            is_alone: false,
        }
    }

    fn completed(&self, held: &RawJson, next: &Bytes, metrics: Option<Counts>) -> Option<RawJson> {
        const NAMES: [&str; 4] = [
            "input_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_creation",
        ];
        let event = RawObject::parse(held.get())?;
        let usage = event.get("usage").and_then(RawObject::parse);
        let usage = usage.unwrap_or_default();
        let next = serde_json::from_slice::<Value>(next).unwrap_or_default();
        let counted = in_anthropics_words(metrics);
        let first = self.start_usage.as_ref().map(RawJson::to_value);
        let found = |name: &str| {
            let stated = next.get("usage").and_then(|usage| usage.get(name));
            let stated = stated.or_else(|| counted.get(name));
            stated.or_else(|| first.as_ref()?.get(name)).cloned()
        };
        let mut out = Vec::with_capacity(held.bytes().len() + 160);
        let mut object = ObjectWriter::open(&mut out);
        for (name, value) in event.members().filter(|(name, _)| *name != "usage") {
            object.raw(name, value);
        }
        let mut counts = ObjectWriter::open(object.member("usage"));
        for (name, value) in usage.members() {
            counts.raw(name, value);
        }
        for name in NAMES.into_iter().filter(|name| usage.get(name).is_none()) {
            if let Some(value) = found(name) {
                write_value(&value, counts.member(name));
            }
        }
        counts.close();
        object.close();
        Some(RawJson::from_checked(out.into()))
    }
}

impl Passed {
    /// Puts what is passed on in front of the chunks that the event became, which begin at `start`.
    pub(super) fn put(self, start: usize, out: &mut Vec<ChatChunk>) {
        let covers = out.len().saturating_sub(start);
        if let Some(mut event) = self.itself {
            event.covers = covers;
            out.insert(start, ChatChunk::Native(event));
        }
        if let Some(event) = self.before {
            out.insert(start, ChatChunk::Native(event));
        }
    }
}

fn passed(event: &Event<'_>, json: RawJson) -> NativeEvent {
    let known = NAMES.iter().find(|name| **name == event.kind);
    let block = event
        .kind
        .starts_with("content_block_")
        .then_some(event.index);
    let kind = event
        .content_block
        .as_ref()
        .map(|block| block.kind.as_str());
    NativeEvent {
        format: NativeFormat::Messages,
        name: known.map_or_else(
            || Cow::Owned(event.kind.clone().into_owned()),
            |name| Cow::Borrowed(*name),
        ),
        block,
        json,
        covers: 0,
        is_alone: kind.is_some_and(|kind| !is_known(kind)),
    }
}

fn start_usage(body: &Bytes) -> Option<RawJson> {
    let event = RawObject::parse(std::str::from_utf8(body).ok()?)?;
    let message = RawObject::parse(event.get("message")?)?;
    let usage = message.get("usage")?;
    Some(RawJson::from_checked(Bytes::copy_from_slice(
        usage.as_bytes(),
    )))
}

/// Writes the last event with Bedrock's count in Anthropic's words.
fn stop(body: &Bytes, metrics: Option<Counts>) -> Option<RawJson> {
    let event = RawObject::parse(std::str::from_utf8(body).ok()?)?;
    event.get(METRICS)?;
    let mut usage = in_anthropics_words(metrics);
    if let Some(Ok(Value::Object(stated))) = event.get("usage").map(serde_json::from_str) {
        usage.extend(stated);
    }
    let mut out = Vec::with_capacity(body.len() + 64);
    let mut object = ObjectWriter::open(&mut out);
    for (name, value) in event.members() {
        if name != METRICS && name != "usage" {
            object.raw(name, value);
        }
    }
    write_value(&Value::Object(usage), object.member("usage"));
    object.close();
    Some(RawJson::from_checked(out.into()))
}

fn in_anthropics_words(metrics: Option<Counts>) -> Map<String, Value> {
    let metrics = metrics.unwrap_or_default();
    let counts = [
        ("input_tokens", metrics.input),
        ("output_tokens", metrics.output),
        ("cache_read_input_tokens", metrics.cache_read),
        ("cache_creation_input_tokens", metrics.cache_write),
    ];
    let said = counts.into_iter();
    said.filter_map(|(name, count)| Some((name.to_owned(), json!(count?))))
        .collect()
}
