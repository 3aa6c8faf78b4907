//! The headers of an answer: who served the call or failed last, what it took, what is left.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::headers::{insert, say_served};
use super::portkey;
use crate::dialect::Asked;
use crate::error::{Error, ErrorKind};
use crate::pipeline::{Journal, Settlement};
use crate::telemetry::names;

/// The headers of a failure: who failed last, what it took.
pub(super) fn say_failure(headers: &mut HeaderMap, error: &Error, settlement: &Settlement) {
    let call = settlement.call();
    say_call(headers, settlement);
    headers.extend(settlement.limit_headers());
    // Where no deployment could be looked for, the group may be known all the same.
    let is_told = settlement.journal().entries().group.is_some();
    if !is_told
        && call
            .snapshot
            .router
            .resolve(&call.model, call.asker())
            .is_some()
    {
        insert(headers, names::MODEL_GROUP, &call.model);
    }
    if let Some(served) = &settlement.journal().entries().served
        && error.kind() == ErrorKind::Timeout
    {
        insert(
            headers,
            names::TIMEOUT,
            &served.timeout.as_secs_f64().to_string(),
        );
    }
}

/// The headers of a success: who served, what it took, what is left of the limits.
pub(super) fn say_success(headers: &mut HeaderMap, settlement: &Settlement) {
    say_call(headers, settlement);
    for (name, value) in settlement.limit_headers() {
        headers.insert(name, value);
    }
}

/// The headers of an answer to a call, a success or an error.
fn say_call(headers: &mut HeaderMap, settlement: &Settlement) {
    say(headers, Some(settlement.journal()), settlement.elapsed());
    if settlement.call().options.priority.is_some() {
        insert(headers, names::PRIORITIZED, "True");
    }
    let (call, journal) = (settlement.call(), settlement.journal());
    say_left_out(headers, &call.asked);
    portkey::say(headers, call, journal, settlement.cache_status());
    if let Some(facts) = settlement.cache_facts() {
        let hit = if facts.hit { "true" } else { "false" };
        insert(headers, names::CACHE_HIT, hit);
        if !facts.key.is_empty() {
            insert(headers, names::CACHE_KEY, &facts.key);
        }
    }
}

/// Adds what was left out of the request as it was read to what was left out as it was written.
pub(super) fn say_left_out(headers: &mut HeaderMap, asked: &Asked) {
    let Asked::Response(asked) = asked else {
        return;
    };
    let known = headers.get(names::WARNINGS).map(HeaderValue::to_str);
    let known = known.and_then(Result::ok).unwrap_or_default();
    let of_answer = known.split("; ").filter(|known| !known.is_empty());
    let of_request = asked.warnings().iter().map(String::as_str);
    let mut warnings: Vec<&str> = of_request.collect();
    for warning in of_answer {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    if !warnings.is_empty() {
        let warnings = warnings.join("; ");
        insert(headers, names::WARNINGS, &warnings);
    }
}

/// The headers that every answer after authentication has.
pub(super) fn say(headers: &mut HeaderMap, journal: Option<&Journal>, elapsed: Duration) {
    say_served(headers, journal);
    headers.insert(
        HeaderName::from_static(names::VERSION),
        HeaderValue::from_static(env!("CARGO_PKG_VERSION")),
    );
    let upstream = journal
        .and_then(|journal| Some(journal.entries().served.as_ref()?.upstream))
        .unwrap_or_default();
    insert(headers, names::RESPONSE_DURATION, &millis(elapsed));
    insert(
        headers,
        names::OVERHEAD_DURATION,
        &millis(elapsed.saturating_sub(upstream)),
    );
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> String {
    let micros = duration.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
