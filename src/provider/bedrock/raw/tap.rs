//! Usage, read from a copy of an answer while that passes by.
//!
//! Nothing here holds an answer back or changes it, and what cannot be read costs the reader its sight, never the client its
//! answer. Known are: Bedrock's own counts in headers (`InvokeModel`), the member `usage` of a JSON answer (Converse, and
//! most families), events of streams (Converse's `metadata`, the last `chunk` of `InvokeModel`, the traces of agents), and
//! the last piece of the OpenAI-shaped API's stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::counts::Counts;
use super::member::Member;
use super::place::Operation;
use crate::canonical::Usage;
use crate::catalog::Size;
use crate::error::Error;
use crate::provider::bedrock::event_stream::FrameReader;

/// Longest `usage` that is kept.
const MOST_USAGE_BYTES: usize = 16 * 1024;
/// Longest line of a text stream that is looked at.
const MOST_LINE_BYTES: usize = 256 * 1024;
/// How deep an event is searched.
const DEEPEST: usize = 32;

/// Members whose text a model wrote, in the formats of all families.
const WRITTEN: [&str; 9] = [
    "text",
    "input",
    "thinking",
    "partial_json",
    "generation",
    "outputText",
    "content",
    "reasoning_content",
    "arguments",
];

/// Looks at an answer that passes by.
#[derive(Debug)]
pub struct Tap {
    shape: Shape,
    /// Whether the pieces of its stream are text, of which nothing is to be believed.
    is_agents: bool,
    counts: Counts,
    /// What the model wrote, as far as it was a stream.
    written: Size,
    /// Whether anything has come that the client may be shown: of a stream, a whole event.
    has_begun: bool,
    /// The failure that a stream told of in itself.
    fault: Option<Error>,
}

/// How an answer is read.
#[derive(Debug)]
enum Shape {
    /// One JSON value.
    Json(Member),
    /// AWS's event stream.
    Frames(FrameReader),
    /// Server-sent events; the line that has begun.
    Lines(Vec<u8>),
    /// Not at all.
    Unread,
}

impl Tap {
    /// Makes the reader of an answer with these headers.
    pub fn new(operation: Operation, headers: &HeaderMap) -> Self {
        let kind = headers
            .get(CONTENT_TYPE)
            .map_or(&b""[..], |value| value.as_bytes());
        let shape = if starts(kind, b"application/vnd.amazon.eventstream") {
            Shape::Frames(FrameReader::new())
        } else if starts(kind, b"text/event-stream") {
            Shape::Lines(Vec::new())
        } else if starts(kind, b"application/json") && reports(operation) {
            Shape::Json(Member::named("usage", MOST_USAGE_BYTES))
        } else {
            Shape::Unread
        };
        Self {
            shape,
            is_agents: operation == Operation::Agent,
            counts: Counts::of_headers(headers),
            written: Size::default(),
            has_begun: false,
            fault: None,
        }
    }

    /// Looks at the next piece of the answer.
    pub fn see(&mut self, piece: &Bytes) {
        let is_read = match &mut self.shape {
            Shape::Json(member) => {
                member.read(piece);
                true
            }
            Shape::Frames(_) => self.frames(piece),
            Shape::Lines(_) => self.lines(piece),
            Shape::Unread => true,
        };
        if !is_read {
            self.shape = Shape::Unread;
        }
        self.has_begun |= !matches!(self.shape, Shape::Frames(_));
    }

    /// Says whether anything has come that the client may be shown: of a stream, a whole event.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Returns the failure that a stream began with.
    pub fn failed_at_once(&self) -> Option<&Error> {
        self.fault.as_ref().filter(|_| !self.has_begun)
    }

    /// Returns the failure that the stream told of, where it told of one.
    pub fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    /// Returns the tokens that were reported so far.
    pub fn usage(&self) -> Option<Usage> {
        let mut counts = self.counts;
        if let Shape::Json(member) = &self.shape
            && let Some(value) = member.value()
            && let Ok(value) = serde_json::from_slice(value)
        {
            counts.update(&value);
        }
        counts.usage()
    }

    /// Returns how much a model wrote in a stream so far.
    pub fn written(&self) -> Size {
        self.written
    }

    /// Takes the events out of what has come; false where it is no event stream.
    fn frames(&mut self, piece: &Bytes) -> bool {
        let Shape::Frames(frames) = &mut self.shape else {
            return false;
        };
        frames.push(piece.clone());
        let mut events = Vec::new();
        let is_sound = loop {
            match frames.next() {
                Ok(Some(frame)) => events.push(frame),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        for frame in events {
            if let Some(fault) = frame.fault() {
                self.fault = Some(fault);
                continue;
            }
            self.has_begun = true;
            if let Ok(event) = serde_json::from_slice::<Value>(frame.payload()) {
                self.event(frame.name(), &event);
            }
        }
        is_sound
    }

    fn event(&mut self, name: &str, event: &Value) {
        match name {
            "chunk" => {
                let bytes = event.get("bytes").and_then(Value::as_str);
                let inner = bytes.and_then(|text| STANDARD.decode(text).ok());
                let Some(inner) = inner else { return };
                // A model's own JSON, or an agent's text, which may be JSON too.
                match serde_json::from_slice::<Value>(&inner) {
                    Ok(chunk) if !self.is_agents => self.chunk(&chunk),
                    _ => self.write(std::str::from_utf8(&inner).unwrap_or_default()),
                }
            }
            // One for each call of a model that the agent made.
            "trace" => self.traced(event, 0),
            _ if self.is_agents => self.texts(event, 0),
            _ => self.chunk(event),
        }
    }

    /// Reads a piece of an answer in a family's own shape, or an event of Converse's.
    fn chunk(&mut self, chunk: &Value) {
        if let Some(metrics) = chunk.get("amazon-bedrock-invocationMetrics") {
            self.counts.fill(metrics);
        }
        for holder in [
            Some(chunk),
            chunk.get("message"),
            chunk.get("metadata"),
            chunk.get("response"),
        ] {
            if let Some(usage) = holder.and_then(|holder| holder.get("usage")) {
                self.counts.update(usage);
            }
        }
        self.texts(chunk, 0);
    }

    /// Measures what a model wrote.
    fn texts(&mut self, value: &Value, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text) if WRITTEN.contains(&name.as_str()) => self.write(text),
                        _ => self.texts(value, depth + 1),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.texts(item, depth + 1)),
            _ => {}
        }
    }

    fn write(&mut self, text: &str) {
        self.written.add_json(text);
    }

    /// Adds the tokens of each call that a trace tells of.
    fn traced(&mut self, value: &Value, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if name == "usage" {
                        self.counts.add(value);
                    } else {
                        self.traced(value, depth + 1);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.traced(item, depth + 1)),
            _ => {}
        }
    }

    /// Takes the lines out of what has come; false where one is too long.
    fn lines(&mut self, piece: &Bytes) -> bool {
        let Shape::Lines(begun) = &mut self.shape else {
            return false;
        };
        let mut begun = std::mem::take(begun);
        let mut parts = piece.split(|byte| *byte == b'\n');
        let mut last = parts.next().unwrap_or_default();
        for next in parts {
            begun.extend_from_slice(last);
            self.line(&begun);
            begun.clear();
            last = next;
        }
        if begun.len() + last.len() > MOST_LINE_BYTES {
            return false;
        }
        begun.extend_from_slice(last);
        self.shape = Shape::Lines(begun);
        true
    }

    fn line(&mut self, line: &[u8]) {
        if let Some(data) = line.strip_prefix(b"data:")
            && let Ok(chunk) = serde_json::from_slice::<Value>(data)
        {
            self.chunk(&chunk);
        }
    }
}

/// Says whether a JSON answer to this tells tokens that a model used.
fn reports(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Converse | Operation::Invoke | Operation::OpenAi
    )
}

fn starts(kind: &[u8], with: &[u8]) -> bool {
    kind.get(..with.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(with))
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
