//! What answers to requests in this style say in headers, and how a wrong configuration is refused.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::PREFIXES;
use super::config::HEADERS;
use crate::error::Error;
use crate::pipeline::{Call, Journal};

/// The ends of the names of these headers, in the order in which they are said.
const SUFFIXES: [&str; 6] = [
    "last-used-option-index",
    "last-used-option-params",
    "retry-attempt-count",
    "cache-status",
    "trace-id",
    "provider",
];

/// Returns the names of these headers.
pub(in crate::http) fn names() -> impl Iterator<Item = String> {
    let all = PREFIXES.into_iter();
    all.flat_map(|prefix| SUFFIXES.map(|suffix| format!("{prefix}{suffix}")))
}

/// Says which target served, how often it was tried again, and what the cache did (`cache`: `HIT`, `MISS`, `DISABLED`,
/// `REFRESH`); nothing where the request was not in this style.
pub(in crate::http) fn say(headers: &mut HeaderMap, call: &Call, journal: &Journal, cache: &str) {
    let Some(gateway) = &call.options.gateway else {
        return;
    };
    let entries = journal.entries();
    let option = entries.option.as_ref();
    let path = option.map_or("config", |option| option.path.as_str());
    let said = [
        Some(path),
        option.and_then(|option| option.params.as_deref()),
        Some(&*entries.retries.to_string()),
        Some(cache),
        Some(gateway.trace_id.as_deref().unwrap_or(&call.id)),
        Some("bedrock"),
    ]
    .map(|value| value.and_then(|value| HeaderValue::from_str(value).ok()));
    // Portkey's names for all, Obiguard's too for its own clients.
    let families = if gateway.is_obiguard { 2 } else { 1 };
    for prefix in PREFIXES.iter().take(families) {
        for (suffix, value) in SUFFIXES.iter().zip(&said) {
            if let (Some(value), Ok(name)) =
                (value, HeaderName::try_from(format!("{prefix}{suffix}")))
            {
                headers.insert(name, value.clone());
            }
        }
    }
}

/// Adds to the body of an error of the configuration what Portkey's own has, so that clients of either shape read it;
/// every other error's body stays as it is.
pub(in crate::http) fn failure(error: &Error, written: Bytes) -> Bytes {
    if !error.param().is_some_and(|param| HEADERS.contains(&param)) {
        return written;
    }
    let Ok(mut body) = serde_json::from_slice::<Map<String, Value>>(&written) else {
        return written;
    };
    body.insert("status".to_owned(), "failure".into());
    body.insert("message".to_owned(), error.message().into());
    Bytes::from(Value::Object(body).to_string())
}
