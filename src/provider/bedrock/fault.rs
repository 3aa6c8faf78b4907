//! Bedrock's errors → [`Error`].
//!
//! The exception's name decides, then the status; message text is looked at only to split a `ValidationException`, or a
//! 400 without a name, because users can write what it quotes. AWS's own words go to the client as they are.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>.

use std::time::{Duration, SystemTime};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::model_id::ModelId;
use crate::error::{Error, ErrorKind, Retry};

/// Words that say a conversation is too long, in lower case.
const CONTEXT_WINDOW: [&str; 10] = [
    "too many tokens",
    "expected maxlength:",
    "input is too long",
    "prompt is too long",
    "prompt: length: 1..",
    "too many input tokens",
    "input length and `max_tokens` exceed context limit",
    "maximum context length",
    "exceeds the maximum number of tokens",
    "context window",
];

/// Words that say the content was refused, in lower case.
const CONTENT_POLICY: [&str; 4] = [
    "content filters",
    "violates our responsible ai",
    "this request has been blocked",
    "blocked by our content filter",
];

/// What is added to AWS's words where they leave the caller without a way on: words in lower case, and the hint.
const HINTS: [(&str, &str); 3] = [
    (
        "conversation blocks and tool result blocks cannot be provided in the same turn",
        "put tool results into a turn of their own; the gateway can be configured to mend such conversations",
    ),
    (
        "a conversation must start with a user message",
        "begin with a user message; the gateway can be configured to add one",
    ),
    (
        "on-demand throughput isn",
        "use the id of an inference profile, such as one that begins with `us.` or `global.`",
    ),
];

/// How many characters of a text of no known shape go to the client.
const MAX_PLAIN_TEXT: usize = 1024;

/// How far a clock may be off before AWS refuses signatures, less a margin.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(4 * 60);

/// What can be mended before a refused request is sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The credentials have expired: fetch new ones.
    RefreshCredentials,
    /// Our clock is off: sign with AWS's time, which is given.
    CorrectClock(SystemTime),
}

/// An error as AWS describes it.
#[derive(Debug, Default)]
struct Fault {
    /// The exception's name, capitalized: `ThrottlingException`.
    name: String,
    message: String,
    original_status: Option<u16>,
}

impl Fault {
    fn of_answer(headers: &HeaderMap, body: &[u8]) -> Self {
        let mut fault = Self::of_body(body);
        let named = headers
            .get("x-amzn-errortype")
            .and_then(|value| value.to_str().ok());
        if let Some(name) = named.map(bare_name).filter(|name| !name.is_empty()) {
            fault.name = name;
        }
        fault
    }

    fn of_body(body: &[u8]) -> Self {
        let message = match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => match members.get("error") {
                // What stands between AWS and here has shapes of its own.
                Some(Value::Object(inner)) => return Self::of_members(inner),
                Some(Value::String(message)) => message.clone(),
                _ => return Self::of_members(&members),
            },
            Ok(Value::String(message)) => message,
            Ok(_) => String::new(),
            Err(_) => plain_text(body),
        };
        Self {
            message,
            ..Self::default()
        }
    }

    fn of_members(members: &serde_json::Map<String, Value>) -> Self {
        let text = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| members.get(*name).and_then(Value::as_str))
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        Self {
            name: bare_name(&text(&["__type", "code", "Code"])),
            message: text(&["message", "Message", "errorMessage", "originalMessage"]),
            original_status: members
                .get("originalStatusCode")
                .and_then(Value::as_u64)
                .and_then(|status| u16::try_from(status).ok()),
        }
    }

    fn into_error(self, status: StatusCode) -> Error {
        let words = self.message.to_ascii_lowercase();
        let theirs = status;
        let (kind, status) = self.kind(status, &words);
        let mut message = if self.message.is_empty() {
            match self.name.as_str() {
                "" => format!("AWS answered {theirs} without saying why"),
                name => format!("AWS answered {name} without saying why"),
            }
        } else {
            self.message
        };
        if let Some((_, hint)) = HINTS.iter().find(|(known, _)| words.contains(known)) {
            message.push_str(" (hint: ");
            message.push_str(hint);
            message.push(')');
        }
        let mut error = Error::new(kind, message).with_original_status(self.original_status);
        if error.status() != status {
            error = error.with_status(status);
        }
        let is_spent_quota = kind == ErrorKind::Throttled
            && (self.name == "ServiceQuotaExceededException"
                || words.contains("too many tokens per day"));
        if is_spent_quota {
            error = error.with_retry(Retry::Elsewhere);
        }
        error
    }

    /// Returns the kind, and the status for the client.
    fn kind(&self, status: StatusCode, words: &str) -> (ErrorKind, StatusCode) {
        use ErrorKind::{
            BadRequest, ModelFault, Throttled, Timeout, Unavailable, UpstreamDenied,
            UpstreamMissing,
        };
        let as_usual = |kind: ErrorKind| (kind, kind.policy().status);
        match self.name.as_str() {
            "ValidationException" | "ValidationError" => as_usual(refusal(words)),
            "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "ModelNotReadyException"
            | "ServiceQuotaExceededException" => as_usual(Throttled),
            "AccessDeniedException" | "AccessDenied" => (UpstreamDenied, StatusCode::FORBIDDEN),
            name if is_bad_credential(name) => (UpstreamDenied, StatusCode::UNAUTHORIZED),
            "ConflictException" => as_usual(BadRequest),
            "InternalServerException"
            | "InternalFailure"
            | "ServiceUnavailableException"
            | "ServiceUnavailable" => as_usual(Unavailable),
            "ModelErrorException" | "ModelStreamErrorException" => as_usual(ModelFault),
            "ModelTimeoutException" => as_usual(Timeout),
            "ResourceNotFoundException" => as_usual(UpstreamMissing),
            _ => kind_of_status(status, words),
        }
    }
}

/// Turns an answer that is no success into an error.
///
/// `now` is for a `Retry-After` that is a date, where the answer has no date of its own to count from.
pub fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Error {
    Fault::of_answer(headers, body)
        .into_error(status)
        .with_retry_after(retry_after(headers, now))
        .with_upstream_headers(headers.clone())
}

/// Turns an exception event of a stream into an error; `payload` is its JSON, or plain text.
pub fn classify_stream_exception(name: &str, payload: &[u8]) -> Error {
    let mut fault = Fault::of_body(payload);
    fault.name = bare_name(name);
    fault.into_error(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns what to mend before a refused request is sent once more, if anything.
pub fn remedy(headers: &HeaderMap, body: &[u8], now: SystemTime) -> Option<Remedy> {
    let fault = Fault::of_answer(headers, body);
    match fault.name.as_str() {
        "ExpiredTokenException" | "ExpiredToken" | "TokenRefreshRequired" => {
            Some(Remedy::RefreshCredentials)
        }
        "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "RequestTimeTooSkewed"
        | "RequestExpired" => {
            let theirs = http_date(headers.get(DATE)?.to_str().ok()?)?;
            let skew = theirs
                .duration_since(now)
                .unwrap_or_else(|earlier| earlier.duration());
            (skew > CLOCK_TOLERANCE).then_some(Remedy::CorrectClock(theirs))
        }
        _ => None,
    }
}

/// Adds what an operator of this model should know to a refusal that AWS does not explain.
#[must_use]
pub fn with_model_hint(error: Error, model: &ModelId) -> Error {
    if error.kind() != ErrorKind::BadRequest || !model.is_imported_without_family() {
        return error;
    }
    let message = format!(
        "{} (hint: Converse takes no imported models; name the model's family in front of the ARN: llama/, deepseek_r1/, \
         qwen2/, qwen3/, openai/, moonshot/)",
        error.message()
    );
    let headers = error.upstream_headers().clone();
    Error::new(ErrorKind::BadRequest, message)
        .with_status(error.status())
        .with_upstream_headers(headers)
}

/// Reads how long AWS asks to wait: milliseconds, seconds, or a date.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    for name in ["retry-after-ms", "x-amz-retry-after"] {
        if let Some(ms) = text(name).and_then(|value| value.trim().parse().ok()) {
            return Some(Duration::from_millis(ms));
        }
    }
    let value = text(RETRY_AFTER.as_str())?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let sent = text(DATE.as_str()).and_then(http_date).unwrap_or(now);
    Some(
        http_date(value)?
            .duration_since(sent)
            .unwrap_or(Duration::ZERO),
    )
}

/// Splits a refusal of the request by AWS's words, which are in lower case.
fn refusal(words: &str) -> ErrorKind {
    let has = |list: &[&str]| list.iter().any(|known| words.contains(known));
    if has(&CONTEXT_WINDOW) {
        ErrorKind::ContextWindow
    } else if words.contains("malformed input request") {
        ErrorKind::BadRequest
    } else if has(&CONTENT_POLICY) {
        ErrorKind::ContentPolicy
    } else {
        ErrorKind::BadRequest
    }
}

/// Returns the kind for an exception that is not known by name.
fn kind_of_status(status: StatusCode, words: &str) -> (ErrorKind, StatusCode) {
    let kind = match status.as_u16() {
        400 => refusal(words),
        401 | 403 => ErrorKind::UpstreamDenied,
        404 => ErrorKind::UpstreamMissing,
        408 | 504 => ErrorKind::Timeout,
        424 => ErrorKind::ModelFault,
        429 => ErrorKind::Throttled,
        500 => return (ErrorKind::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
        402..=499 => ErrorKind::BadRequest,
        501..=599 => ErrorKind::Unavailable,
        _ => return (ErrorKind::Garbled, StatusCode::BAD_GATEWAY),
    };
    (kind, status)
}

/// Says whether an exception means that the credentials are wrong, not that they may not do this.
fn is_bad_credential(name: &str) -> bool {
    matches!(
        name.strip_suffix("Exception").unwrap_or(name),
        "UnrecognizedClient"
            | "InvalidSignature"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "TokenRefreshRequired"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "InvalidClientTokenId"
            | "RequestTimeTooSkewed"
            | "RequestExpired"
    )
}

/// Takes the bare name from `com.amazon#ThrottlingException:http://…`, and capitalizes it: streams begin names small.
fn bare_name(written: &str) -> String {
    let name = written.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default().trim();
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Returns the beginning of a text of no known shape; a page of HTML tells a caller nothing.
fn plain_text(body: &[u8]) -> String {
    match std::str::from_utf8(body).map(str::trim) {
        Ok(text) if !text.starts_with('<') => text.chars().take(MAX_PLAIN_TEXT).collect(),
        _ => String::new(),
    }
}

fn http_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

#[cfg(test)]
#[path = "fault_tests.rs"]
mod tests;
