//! `/_simulator/…`: what a test of the running binary asks the simulator about itself. Not part of AWS, not signed.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::body::ReplyBody;
use super::state::Shared;

/// Answers a request below `/_simulator/`.
pub(super) fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
) -> Response<ReplyBody> {
    match (method.as_str(), path) {
        ("GET", "/_simulator/state") => reply(StatusCode::OK, &state(shared)),
        ("GET", "/_simulator/calls") => reply(StatusCode::OK, &calls(shared, query)),
        ("DELETE", "/_simulator/calls") => {
            shared.calls.clear();
            shared.reset_faults();
            reply(StatusCode::OK, &json!({}))
        }
        _ => reply(
            StatusCode::NOT_FOUND,
            &json!({"message": "the simulator has /_simulator/state and /_simulator/calls"}),
        ),
    }
}

fn state(shared: &Shared) -> Value {
    json!({
        "open_streams": shared.open_streams.load(Ordering::Acquire),
        "cancelled_streams": shared.cancelled_streams.load(Ordering::Acquire),
        "calls_total": shared.calls_total.load(Ordering::Acquire),
        "sts_calls_total": shared.sts_calls_total.load(Ordering::Acquire),
        "keys": shared.auth.keys.ids(),
    })
}

fn calls(shared: &Shared, query: &str) -> Value {
    let last = query.split('&').find_map(|pair| pair.strip_prefix("last="));
    let last = last
        .and_then(|count| count.parse().ok())
        .unwrap_or(usize::MAX);
    let calls: Vec<Value> = shared
        .calls
        .last(last)
        .iter()
        .map(super::calls::RecordedCall::to_json)
        .collect();
    json!({ "calls": calls })
}

fn reply(status: StatusCode, body: &Value) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
