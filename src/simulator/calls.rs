//! The last calls, kept so that a test of the running binary can look at what arrived.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::{Map, Value, json};

use super::auth::{Authenticator, bearer_token};
use super::sigv4::{hmac, push_hex};

/// How many calls are kept.
const MAX_CALLS: usize = 256;
/// How much of a body is kept.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// One call as it came over the wire.
#[derive(Clone, Debug)]
pub struct RecordedCall {
    /// The HTTP method.
    pub method: Method,
    /// Path and query exactly as sent.
    pub path: String,
    /// All headers, the signature included; a Bedrock API key that is not the simulator's own is replaced by a hash.
    pub headers: HeaderMap,
    /// The body, cut at 64 KiB.
    pub body: Bytes,
    /// The length of the whole body in bytes.
    pub body_len: usize,
    outcome: Outcome,
}

impl RecordedCall {
    /// The HTTP status of the answer; `None` while there is none.
    pub fn status(&self) -> Option<u16> {
        Some(self.outcome.0.status.load(Ordering::Acquire)).filter(|status| *status != 0)
    }

    /// How the call ended: `open`, `done` or `cancelled` by the client.
    pub fn outcome(&self) -> &'static str {
        self.outcome.name()
    }

    /// Writes the call for `GET /_simulator/calls`.
    pub(super) fn to_json(&self) -> Value {
        let mut headers = Map::new();
        for name in self.headers.keys() {
            let values: Vec<_> = self
                .headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            headers.insert(name.as_str().to_owned(), values.join(",").into());
        }
        // Only a body that is not text is written as base64.
        let text = std::str::from_utf8(&self.body).ok();
        let base64 = text.is_none().then(|| STANDARD.encode(&self.body));
        json!({
            "method": self.method.as_str(),
            "path": self.path,
            "headers": headers,
            "body_len": self.body_len,
            "status": self.status(),
            "outcome": self.outcome(),
            "body": text,
            "body_base64": base64,
        })
    }
}

const OPEN: u8 = 0;
const DONE: u8 = 1;
const CANCELLED: u8 = 2;

/// How a call ends, written by the answer and read by the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome(Arc<OutcomeCell>);

#[derive(Debug, Default)]
struct OutcomeCell {
    status: AtomicU16,
    ending: AtomicU8,
}

impl Outcome {
    pub(super) fn set_status(&self, status: u16) {
        self.0.status.store(status, Ordering::Release);
    }

    pub(super) fn close(&self, finished: bool) {
        self.0
            .ending
            .store(if finished { DONE } else { CANCELLED }, Ordering::Release);
    }

    fn name(&self) -> &'static str {
        match self.0.ending.load(Ordering::Acquire) {
            DONE => "done",
            CANCELLED => "cancelled",
            OPEN.. => "open",
        }
    }
}

/// The last calls, or none where recording is off.
pub(super) struct CallLog {
    calls: Option<Mutex<VecDeque<RecordedCall>>>,
}

impl CallLog {
    pub(super) fn new(enabled: bool) -> Self {
        Self {
            calls: enabled.then(Mutex::default),
        }
    }

    pub(super) fn record(
        &self,
        parts: &http::request::Parts,
        body: &Bytes,
        auth: &Authenticator,
    ) -> Outcome {
        let outcome = Outcome::default();
        let Some(calls) = &self.calls else {
            return outcome;
        };
        let kept = match body.get(..MAX_BODY_BYTES) {
            // A slice would keep the whole body in memory.
            Some(start) => Bytes::copy_from_slice(start),
            None => body.clone(),
        };
        let mut headers = parts.headers.clone();
        hide_bearer_key(&mut headers, auth);
        let path = parts
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string);
        let call = RecordedCall {
            method: parts.method.clone(),
            path,
            headers,
            body: kept,
            body_len: body.len(),
            outcome: outcome.clone(),
        };
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == MAX_CALLS {
            calls.pop_front();
        }
        calls.push_back(call);
        outcome
    }

    /// Returns the last `count` calls, oldest first.
    pub(super) fn last(&self, count: usize) -> Vec<RecordedCall> {
        let Some(calls) = &self.calls else {
            return Vec::new();
        };
        let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls
            .iter()
            .skip(calls.len().saturating_sub(count))
            .cloned()
            .collect()
    }

    pub(super) fn clear(&self) {
        if let Some(calls) = &self.calls {
            calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

/// Replaces a real API key, which `--simulate` may be given, by the start of its hash.
fn hide_bearer_key(headers: &mut HeaderMap, auth: &Authenticator) {
    let Some(value) = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
    else {
        return;
    };
    let Some(token) = bearer_token(value).filter(|token| !auth.knows_bearer(token)) else {
        return;
    };
    let mut hidden = String::from("Bearer hmac:");
    push_hex(
        hmac(b"switchyard simulator", token.as_bytes())
            .get(..8)
            .unwrap_or_default(),
        &mut hidden,
    );
    if let Ok(value) = hidden.parse() {
        headers.insert(header::AUTHORIZATION, value);
    }
}
