//! What is said when something happens: one function per event.

use std::time::Duration;

use super::names::CALL_TARGET;

/// What is said of one call when it is over.
#[derive(Debug, Default)]
pub struct CallRecord<'a> {
    /// The call's id.
    pub call_id: &'a str,
    /// The model name that the client asked for, once it is known to stand for something.
    pub model_group: &'a str,
    /// The deployment that served, or failed last.
    pub model_id: &'a str,
    /// The HTTP status that the client got.
    pub status: u16,
    /// `ok`, `given_up`, or the kind of error.
    pub outcome: &'a str,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// Of that, spent waiting for AWS.
    pub upstream: Duration,
    /// Until the first content, for streams.
    pub first_content: Option<Duration>,
    /// Input tokens, cached ones included.
    pub prompt_tokens: u64,
    /// Generated tokens.
    pub completion_tokens: u64,
    /// Sends upstream.
    pub attempts: u32,
    /// AWS's request id.
    pub aws_request_id: &'a str,
}

/// Says that a call was refused before it began: its key, its body, or no room for it.
pub fn call_refused(call_id: &str, error: &crate::error::Error, duration: Duration) {
    tracing::info!(
        target: CALL_TARGET,
        call_id,
        status = error.status().as_u16(),
        outcome = error.kind().name(),
        duration_ms = millis(duration),
        "call refused"
    );
}

/// Writes the one line of a finished call.
pub fn call_finished(record: &CallRecord<'_>) {
    tracing::info!(
        target: CALL_TARGET,
        call_id = record.call_id,
        model_group = record.model_group,
        model_id = record.model_id,
        status = record.status,
        outcome = record.outcome,
        stream = record.stream,
        duration_ms = millis(record.duration),
        upstream_ms = millis(record.upstream),
        first_content_ms = record.first_content.map(millis),
        prompt_tokens = record.prompt_tokens,
        completion_tokens = record.completion_tokens,
        attempts = record.attempts,
        aws_request_id = record.aws_request_id,
        "call finished"
    );
}

/// Says that the shared store cannot be used; once, until it can be again.
pub fn store_away(reason: &str) {
    tracing::warn!(reason, "shared store away, carrying on alone");
}

/// Says that the shared store can be used again.
pub fn store_back() {
    tracing::info!("shared store back");
}

/// Milliseconds, rounded to three decimals.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
