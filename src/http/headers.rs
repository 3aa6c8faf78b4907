//! Response headers and error bodies that all endpoints share.

use std::fmt::Write as _;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{HeaderMap as Headers, StatusCode};

use super::portkey;
use crate::canonical::EmbedAnswer;
use crate::dialect::Front;
use crate::error::Error;
use crate::pipeline::{Entries, Journal};
use crate::provider::bedrock::embed::INVOCATION_ARN;
use crate::telemetry::names;

/// Longest `x-litellm-call-id` that is taken from a client.
const CALL_ID_MAX: usize = 256;

/// Returns the client's call id, else a new one.
pub(super) fn call_id(headers: &Headers) -> String {
    headers
        .get(names::CALL_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=CALL_ID_MAX).contains(&id.len()))
        .map_or_else(|| crate::random::uuid().to_string(), str::to_owned)
}

/// Writes a JSON answer.
pub(super) fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// Writes an error in OpenAI's shape, with what the client needs to know in headers.
pub(super) fn error_response(error: &Error, call_id: Option<&str>) -> Response {
    error_response_naming(error, Front::CHAT, call_id, false)
}

/// Like [`error_response`], in the shape of `front`; `named` repeats the call id in the body (`include_call_id_in_error_body`).
pub(super) fn error_response_naming(
    error: &Error,
    front: Front,
    call_id: Option<&str>,
    named: bool,
) -> Response {
    let body = portkey::failure(error, front.error(error, call_id.filter(|_| named)));
    let mut response = json(error.status(), body);
    let headers = response.headers_mut();
    copy_upstream(error.upstream_headers(), headers);
    for (name, value) in error.headers() {
        headers.insert(name.clone(), value.clone());
    }
    headers.extend(error.headers().clone());
    if let Some(wait) = error.retry_after() {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(id) = call_id {
        insert(headers, names::CALL_ID, id);
    }
    response
}

/// Says who served, or failed last, and what it took; `None` where no call was opened.
pub(super) fn say_served(headers: &mut HeaderMap, journal: Option<&Journal>) {
    let sends = journal.map_or(0, Journal::sends);
    headers.insert(name(names::TOTAL_ATTEMPTS), HeaderValue::from(sends));
    let nothing = Entries::default();
    let known = journal.map(Journal::entries);
    let entries = known.as_deref().unwrap_or(&nothing);
    let retries = HeaderValue::from(entries.retries);
    headers.insert(name(names::ATTEMPTED_RETRIES), retries);
    if let Some(most) = entries.max_retries {
        headers.insert(name(names::MAX_RETRIES), HeaderValue::from(most));
    }
    let fallbacks = HeaderValue::from(entries.fallbacks);
    headers.insert(name(names::ATTEMPTED_FALLBACKS), fallbacks);
    if entries.hedged {
        headers.insert(name(names::HEDGED), HeaderValue::from_static("1"));
    }
    if !entries.errors.is_empty() {
        insert(
            headers,
            names::FALLBACK_ERRORS,
            &fallback_errors(&entries.errors),
        );
    }
    if let Some(group) = &entries.group {
        insert(headers, names::MODEL_GROUP, group);
    }
    let Some(served) = &entries.served else {
        return;
    };
    let fixed = &served.deployment.headers;
    headers.insert(name(names::MODEL_ID), fixed.id.clone());
    headers.insert(name(names::MODEL_NAME), fixed.name.clone());
    headers.insert(name(names::MODEL_API_BASE), fixed.api_base.clone());
    headers.insert(name(names::MODEL_REGION), fixed.region.clone());
    if !served.warnings.is_empty() {
        insert(headers, names::WARNINGS, &served.warnings.join("; "));
    }
    copy_upstream(&served.upstream_headers, headers);
}

/// Names the jobs that write the vectors of an answer later.
pub(super) fn say_jobs(headers: &mut HeaderMap, answer: &EmbedAnswer) {
    const MOST: usize = 32;
    let fields = (answer.vectors.iter()).flat_map(|vector| &vector.provider_fields);
    let jobs: Vec<String> = fields
        .filter(|(name, _)| name == INVOCATION_ARN)
        .take(MOST)
        .filter_map(|(_, arn)| arn.parse().ok())
        .collect();
    if !jobs.is_empty() {
        insert(headers, names::INVOCATION_ARN, &jobs.join(", "));
    }
}

/// The errors that fallbacks followed, as a JSON list; bounded, since headers are.
fn fallback_errors(errors: &[Error]) -> String {
    const MOST: usize = 10;
    const LONGEST: usize = 256;
    let list: Vec<_> = errors
        .iter()
        .take(MOST)
        .map(|error| {
            let message: String = error.message().chars().take(LONGEST).collect();
            serde_json::json!({
                "message": message,
                "type": error.error_type(),
                "param": error.param(),
                "code": error.status().as_str(),
            })
        })
        .collect();
    let text = serde_json::Value::Array(list).to_string();
    // A header is ASCII; what is not can be written as JSON escapes.
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                let _written = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}

/// Copies the headers of AWS's answer under their own prefix, so that they can never pass for ours. One that AWS sent
/// several times is copied as often; copying the same answer again changes nothing.
pub(super) fn copy_upstream(upstream: &HeaderMap, headers: &mut HeaderMap) {
    let mut name = String::with_capacity(48);
    for header in upstream.keys() {
        name.clear();
        name.push_str(names::PROVIDER_PREFIX);
        name.push_str(header.as_str());
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            continue;
        };
        let mut values = upstream.get_all(header).iter();
        if let Some(first) = values.next() {
            headers.insert(name.clone(), first.clone());
        }
        for more in values {
            headers.append(name.clone(), more.clone());
        }
    }
}

/// Inserts a header unless the value cannot be one.
pub(super) fn insert(headers: &mut HeaderMap, header: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name(header), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_aws_are_copied_as_often_as_they_came() {
        let mut upstream = HeaderMap::new();
        upstream.append("x-amzn-trace", HeaderValue::from_static("a"));
        upstream.append("x-amzn-trace", HeaderValue::from_static("b"));
        upstream.append("x-raw", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        upstream.append("x-litellm-model-id", HeaderValue::from_static("spoof"));
        let mut headers = HeaderMap::new();
        copy_upstream(&upstream, &mut headers);
        copy_upstream(&upstream, &mut headers);
        let copied: Vec<_> = headers
            .get_all("llm_provider-x-amzn-trace")
            .iter()
            .collect();
        assert_eq!(copied, ["a", "b"]);
        assert_eq!(
            headers.get("llm_provider-x-raw").unwrap().as_bytes(),
            b"caf\xe9"
        );
        assert!(headers.get("x-litellm-model-id").is_none());
    }

    #[test]
    fn call_id_of_a_client_is_kept_within_its_limits() {
        let id = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(names::CALL_ID, HeaderValue::from_str(value).unwrap());
            call_id(&headers)
        };
        for kept in ["a", &"x".repeat(256)] {
            assert_eq!(id(kept), kept);
        }
        for replaced in ["", &"x".repeat(257), "caf\u{e9}"] {
            assert_eq!(id(replaced).len(), 36, "{replaced}");
        }
    }
}
