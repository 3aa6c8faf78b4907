//! Writes an answer as an event stream, and breaks it where a fault says so.
//!
//! Text goes word by word. Every frame is a chunk of its own; without a delay, frames that are ready together may
//! share a packet, as they do at AWS.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, header};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::body::{ReplyBody, Step};
use super::super::dispatch::Call;
use super::super::event_stream::{push_event, push_exception};
use super::super::faults::FaultKind;
use super::super::misbehave::{Directions, Fault};
use super::super::state::OpenStream;
use super::answer::{Answer, Content};
use super::usage::Usage;
use super::whole::{GARBAGE, Metrics};

/// Length of a piece of a tool's input, in characters.
const INPUT_PIECE_CHARS: usize = 12;
/// Deltas that leave before a fault in mid-stream, unless `at` says otherwise.
const DELTAS_BEFORE_FAULT: usize = 3;
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Sends the answer, or what a fault makes of it.
pub(super) fn respond(
    answer: &Answer,
    fault: Option<&Fault>,
    directions: &Directions,
    call: &Call<'_>,
) -> Response<ReplyBody> {
    send(&write(answer), fault, directions, call)
}

/// Sends frames, or what a fault makes of them.
pub(in crate::simulator) fn send(
    frames: &[EventFrame],
    fault: Option<&Fault>,
    directions: &Directions,
    call: &Call<'_>,
) -> Response<ReplyBody> {
    send_as(Style::Frames, frames, fault, directions, call)
}

/// How a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Style {
    /// AWS's frames.
    Frames,
    /// Server-sent events.
    Events,
}

impl Style {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Frames => "application/vnd.amazon.eventstream",
            Self::Events => "text/event-stream; charset=utf-8",
        })
    }
}

/// Sends a stream in one style or the other, or what a fault makes of it.
pub(in crate::simulator) fn send_as(
    style: Style,
    frames: &[EventFrame],
    fault: Option<&Fault>,
    directions: &Directions,
    call: &Call<'_>,
) -> Response<ReplyBody> {
    let delay = directions.slow.unwrap_or(call.shared.token_delay);
    let steps = script(style, frames, fault, directions.at, delay);
    let open = OpenStream::new(Arc::clone(call.shared), call.outcome.clone());
    let mut response = Response::new(ReplyBody::script(steps, open, Arc::clone(&call.reset)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, style.content_type());
    headers.insert("x-amzn-requestid", call.request_id.clone());
    response
}

/// One frame of the stream, with what faults and delays must know of it.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct EventFrame {
    pub(in crate::simulator) bytes: Bytes,
    pub(in crate::simulator) is_delta: bool,
    /// `messageStop` and what follows it.
    pub(in crate::simulator) is_ending: bool,
}

/// Turns frames into steps, and breaks off where the fault strikes.
fn script(
    style: Style,
    frames: &[EventFrame],
    fault: Option<&Fault>,
    at: Option<usize>,
    delay: Duration,
) -> Vec<Step> {
    let Some(fault) = fault else {
        return play(frames, delay);
    };
    let deltas = frames.iter().filter(|frame| frame.is_delta).count();
    // A short answer still breaks in its middle.
    let at = at.unwrap_or_else(|| DELTAS_BEFORE_FAULT.min(deltas / 2).max(1));
    let middle = frames_before_delta(frames, at);
    let break_at = |position: usize, last: Vec<Step>| {
        let mut steps = play(frames.get(..position).unwrap_or(frames), delay);
        steps.extend(last);
        steps
    };
    let frame_at = |position: usize| {
        frames
            .get(position)
            .map_or_else(Bytes::new, |frame| frame.bytes.clone())
    };
    let cut_at = |position: usize| {
        let frame = frame_at(position);
        break_at(
            position,
            vec![Step::Send(frame.slice(..frame.len() / 2)), Step::Cut],
        )
    };
    let corrupt_at = |position: usize| {
        let mut steps = break_at(position, vec![Step::Send(corrupt(&frame_at(position)))]);
        steps.extend(play(frames.get(position + 1..).unwrap_or_default(), delay));
        steps
    };
    match fault.kind {
        FaultKind::StallMid => break_at(middle, vec![Step::Stall]),
        FaultKind::Reset => break_at(middle, vec![Step::Reset]),
        FaultKind::Cut => cut_at(middle),
        FaultKind::CutFirst => cut_at(0),
        FaultKind::CutEnd => {
            let ending = frames.iter().position(|frame| frame.is_ending);
            break_at(ending.unwrap_or(frames.len()), Vec::new())
        }
        FaultKind::Corrupt => corrupt_at(middle),
        FaultKind::CorruptFirst => corrupt_at(0),
        FaultKind::ExceptionFirst => vec![exception(style, fault)],
        FaultKind::ExceptionStart => break_at(1, vec![exception(style, fault)]),
        FaultKind::ExceptionMid => break_at(middle, vec![exception(style, fault)]),
        FaultKind::NotJson => break_at(1, vec![not_json()]),
        FaultKind::EmptyStream => Vec::new(),
        FaultKind::Garbage => vec![Step::Send(Bytes::from_static(&GARBAGE))],
        _ => play(frames, delay),
    }
}

/// Sends frames, with a pause before each delta.
fn play(frames: &[EventFrame], delay: Duration) -> Vec<Step> {
    let mut steps = Vec::with_capacity(frames.len() * 2);
    for frame in frames {
        if frame.is_delta && !delay.is_zero() {
            steps.push(Step::Pause(delay));
        }
        steps.push(Step::Send(frame.bytes.clone()));
    }
    steps
}

/// A frame whose checksums are right and whose payload is not JSON.
fn not_json() -> Step {
    let mut frame = BytesMut::new();
    push_event("contentBlockDelta", b"<html>not json</html>", &mut frame);
    Step::Send(frame.freeze())
}

/// Counts the frames that leave before delta number `at` (from 0) or the ending.
fn frames_before_delta(frames: &[EventFrame], at: usize) -> usize {
    let mut seen = 0;
    for (index, frame) in frames.iter().enumerate() {
        if frame.is_ending || (frame.is_delta && seen == at) {
            return index;
        }
        seen += usize::from(frame.is_delta);
    }
    frames.len()
}

/// Flips one bit of the payload, so that the checksum no longer fits.
fn corrupt(frame: &Bytes) -> Bytes {
    let mut bytes = frame.to_vec();
    let position = bytes.len().saturating_sub(6);
    if let Some(byte) = bytes.get_mut(position) {
        *byte ^= 1;
    }
    bytes.into()
}

fn exception(style: Style, fault: &Fault) -> Step {
    let (exception_type, error) = fault.exception();
    if style == Style::Events {
        let kind = match error.status {
            429 => "rate_limit_error",
            400 => "invalid_request_error",
            _ => "api_error",
        };
        let error = json!({"type": kind, "message": error.message});
        let event = json!({"type": "error", "error": error});
        return Step::Send(format!("event: error\ndata: {event}\n\n").into());
    }
    let payload = if exception_type == "modelStreamErrorException" {
        json!({"message": error.message, "originalStatusCode": 500, "originalMessage": "simulated"})
    } else {
        json!({"message": error.message})
    };
    let mut frame = BytesMut::new();
    push_exception(&exception_type, payload.to_string().as_bytes(), &mut frame);
    Step::Send(frame.freeze())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop<'a> {
    stop_reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_fields: Option<&'a Value>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    usage: &'a Usage,
    metrics: Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a Value>,
    #[serde(flatten)]
    echoed: &'a Map<String, Value>,
}

/// Writes every frame of the answer.
fn write(answer: &Answer) -> Vec<EventFrame> {
    let mut writer = Writer::default();
    writer.event("messageStart", r#"{"role":"assistant"}"#);
    for (index, block) in answer.blocks.iter().enumerate() {
        writer.block(index, block);
        writer.event(
            "contentBlockStop",
            &format!("{{\"contentBlockIndex\":{index}}}"),
        );
    }
    let fields = answer.fields.as_ref();
    let stop = MessageStop {
        stop_reason: &answer.stop_reason,
        additional_model_response_fields: fields,
    };
    writer.event("messageStop", &to_json(&stop));
    let metrics = Metrics {
        latency_ms: answer.usage.latency_ms(),
    };
    let metadata = Metadata {
        usage: &answer.usage,
        metrics,
        trace: answer.trace.as_ref(),
        echoed: &answer.echoed,
    };
    writer.event("metadata", &to_json(&metadata));
    writer.finish()
}

/// Collects frames in one buffer, which they share until the last of them is sent.
#[derive(Default)]
struct Writer {
    buffer: BytesMut,
    /// Where each frame ends, whether it is a delta, whether it is part of the ending.
    ends: Vec<(usize, bool, bool)>,
}

impl Writer {
    /// Writes an event with this JSON object as its payload, and AWS's padding as the object's last member.
    fn event(&mut self, event_type: &str, object: &str) {
        let padding = PADDING
            .get(..self.ends.len() * 7 % 40 + 1)
            .unwrap_or_default();
        let members = object.strip_suffix('}').unwrap_or(object);
        let payload = format!("{members},\"p\":\"{padding}\"}}");
        push_event(event_type, payload.as_bytes(), &mut self.buffer);
        let is_ending = ["messageStop", "metadata"].contains(&event_type);
        self.ends.push((
            self.buffer.len(),
            event_type == "contentBlockDelta",
            is_ending,
        ));
    }

    fn delta(&mut self, index: usize, delta: &str) {
        self.event(
            "contentBlockDelta",
            &format!("{{\"contentBlockIndex\":{index},\"delta\":{{{delta}}}}}"),
        );
    }

    fn block(&mut self, index: usize, block: &Content) {
        match block {
            Content::Text(text) => self.words(index, text, "\"text\":", ""),
            Content::Cited { text, citation } => {
                self.words(index, text, "\"text\":", "");
                self.delta(index, &format!("\"citation\":{citation}"));
            }
            Content::Thought { text, signature } => {
                self.words(index, text, "\"reasoningContent\":{\"text\":", "}");
                if let Some(signature) = signature {
                    self.delta(
                        index,
                        &format!(
                            "\"reasoningContent\":{{\"signature\":{}}}",
                            to_json(signature)
                        ),
                    );
                }
            }
            Content::Redacted(data) => {
                self.delta(
                    index,
                    &format!(
                        "\"reasoningContent\":{{\"redactedContent\":{}}}",
                        to_json(data)
                    ),
                );
            }
            Content::ToolUse { id, name, input } => {
                self.tool_use(index, id, name, &input.to_string());
            }
        }
    }

    fn words(&mut self, index: usize, text: &str, before: &str, after: &str) {
        for word in text.split_inclusive(' ') {
            self.delta(index, &format!("{before}{}{after}", to_json(word)));
        }
    }

    fn tool_use(&mut self, index: usize, id: &str, name: &str, input: &str) {
        let (id, name) = (to_json(id), to_json(name));
        self.event(
            "contentBlockStart",
            &format!("{{\"contentBlockIndex\":{index},\"start\":{{\"toolUse\":{{\"name\":{name},\"toolUseId\":{id}}}}}}}"),
        );
        // AWS opens with an empty piece.
        let mut rest = input;
        let mut piece = "";
        loop {
            self.delta(
                index,
                &format!("\"toolUse\":{{\"input\":{}}}", to_json(piece)),
            );
            if rest.is_empty() {
                return;
            }
            let end = rest
                .char_indices()
                .nth(INPUT_PIECE_CHARS)
                .map_or(rest.len(), |(end, _)| end);
            (piece, rest) = rest.split_at(end);
        }
    }

    fn finish(self) -> Vec<EventFrame> {
        let buffer = self.buffer.freeze();
        let mut start = 0;
        let cut = |(end, is_delta, is_ending)| {
            let bytes = buffer.slice(start..end);
            start = end;
            EventFrame {
                bytes,
                is_delta,
                is_ending,
            }
        };
        self.ends.into_iter().map(cut).collect()
    }
}

/// Serializes what always serializes: strings, and structures with string keys.
fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
