//! Writes an answer as one JSON object.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use super::super::body::{ReplyBody, Step};
use super::super::dispatch::{Answered, Call, Failure};
use super::super::misbehave::{Fault, FaultKind};
use super::super::state::OpenStream;
use super::answer::{Answer, Content};

/// Sends the answer, or what a fault makes of it.
pub(super) fn respond(answer: &Answer, fault: Option<&Fault>, call: &Call<'_>) -> Answered {
    let body = Bytes::from(write(answer).to_string());
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

fn write(answer: &Answer) -> Value {
    let content: Vec<Value> = answer.blocks.iter().map(write_block).collect();
    let mut body = json!({
        "metrics": {"latencyMs": answer.usage.latency_ms()},
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": answer.stop_reason,
        "usage": answer.usage.to_json(),
    });
    if let Some(fields) = &answer.fields {
        body["additionalModelResponseFields"] = fields.clone();
    }
    if let Some(trace) = &answer.trace {
        body["trace"] = trace.clone();
    }
    for (name, value) in &answer.echoed {
        body[name.as_str()] = value.clone();
    }
    body
}

fn write_block(block: &Content) -> Value {
    match block {
        Content::Text(text) => json!({ "text": text }),
        Content::Cited { text, citation } => {
            json!({"citationsContent": {"content": [{"text": text}], "citations": [citation]}})
        }
        Content::Thought { text, signature } => {
            let mut thought = json!({ "text": text });
            if let Some(signature) = signature {
                thought["signature"] = signature.as_str().into();
            }
            json!({"reasoningContent": {"reasoningText": thought}})
        }
        Content::Redacted(data) => json!({"reasoningContent": {"redactedContent": data}}),
        Content::ToolUse { id, name, input } => {
            json!({"toolUse": {"input": input, "name": name, "toolUseId": id}})
        }
    }
}
