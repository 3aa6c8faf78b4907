//! Writes an answer as one JSON object.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::body::{ReplyBody, Step};
use super::super::dispatch::{Answered, Call, Failure};
use super::super::faults::FaultKind;
use super::super::misbehave::Fault;
use super::super::state::OpenStream;
use super::answer::{Answer, Content};
use super::usage::Usage;

/// Sends the answer, or what a fault makes of it.
pub(super) fn respond(answer: &Answer, fault: Option<&Fault>, call: &Call<'_>) -> Answered {
    send(Bytes::from(write(answer)), fault, call)
}

/// Sends a body, or what a fault makes of it.
pub(in crate::simulator) fn send(body: Bytes, fault: Option<&Fault>, call: &Call<'_>) -> Answered {
    let half = body.slice(..body.len() / 2);
    let script = |steps: Vec<Step>| {
        let open = OpenStream::new(Arc::clone(call.shared), call.outcome.clone());
        ReplyBody::script(steps, open, Arc::clone(&call.reset))
    };
    let body = match fault.map(|fault| (fault.kind, fault)) {
        Some((FaultKind::StallMid, _)) => script(vec![Step::Send(half), Step::Stall]),
        Some((FaultKind::Cut | FaultKind::CutEnd, _)) => script(vec![Step::Send(half), Step::Cut]),
        Some((FaultKind::CutFirst, _)) => return Err(Failure::Drop),
        Some((FaultKind::Corrupt | FaultKind::CorruptFirst, _)) => ReplyBody::whole(half),
        Some((FaultKind::NotJson, _)) => {
            ReplyBody::whole(Bytes::from_static(b"<html>502 Bad Gateway</html>"))
        }
        Some((FaultKind::Garbage, _)) => ReplyBody::whole(Bytes::from_static(&GARBAGE)),
        Some((FaultKind::EmptyStream, _)) => ReplyBody::whole(Bytes::new()),
        Some((
            FaultKind::ExceptionFirst | FaultKind::ExceptionStart | FaultKind::ExceptionMid,
            fault,
        )) => {
            return Err(fault.exception().1.into());
        }
        _ => ReplyBody::whole(body),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert("x-amzn-requestid", call.request_id.clone());
    Ok(response)
}

/// Bytes that are neither JSON nor frames nor UTF-8.
pub(super) const GARBAGE: [u8; 24] =
    *b"\x00\xff\xfe\x80garbage\x01\x02\x03\xc3\x28{\x00\x00\x10\x00\x07\xa0\xa1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    metrics: Metrics,
    output: Value,
    stop_reason: &'a str,
    usage: &'a Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_fields: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a Value>,
    #[serde(flatten)]
    echoed: &'a Map<String, Value>,
}

/// How long the model took, in both forms of an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metrics {
    pub(super) latency_ms: u64,
}

/// Writes Converse's JSON.
pub(in crate::simulator) fn write(answer: &Answer) -> Vec<u8> {
    let content: Vec<Value> = answer.blocks.iter().map(write_block).collect();
    let body = Body {
        metrics: Metrics {
            latency_ms: answer.usage.latency_ms(),
        },
        output: json!({"message": {"content": content, "role": "assistant"}}),
        stop_reason: &answer.stop_reason,
        usage: &answer.usage,
        additional_model_response_fields: answer.fields.as_ref(),
        trace: answer.trace.as_ref(),
        echoed: &answer.echoed,
    };
    // Maps with string keys always serialize.
    serde_json::to_vec(&body).unwrap_or_default()
}

fn write_block(block: &Content) -> Value {
    match block {
        Content::Text(text) => json!({ "text": text }),
        Content::Cited { text, citation } => {
            json!({"citationsContent": {"content": [{"text": text}], "citations": [citation]}})
        }
        Content::Thought {
            text,
            signature: None,
        } => json!({"reasoningContent": {"reasoningText": {"text": text}}}),
        Content::Thought { text, signature } => {
            json!({"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}})
        }
        Content::Redacted(data) => json!({"reasoningContent": {"redactedContent": data}}),
        Content::ToolUse { id, name, input } => {
            json!({"toolUse": {"input": input, "name": name, "toolUseId": id}})
        }
    }
}
