//! What the simulator is told to do wrong, or in a particular way.
//!
//! Directions come as markers in a user's text (`[[sim:throttle]]`, `[[sim:slow=20]]`) or, for every call of one
//! endpoint, as a path prefix (`/fault/throttle=2,throttle-after=3/model/…`). A number after a fault limits it to the
//! first so many calls with that direction; `exception-…` also takes the type of the exception.
//!
//! | name | what happens |
//! | --- | --- |
//! | `throttle` `error500` `error503` `not-ready` `timeout408` `model-error` `access-denied` `unauthorized` `missing` `model-refusal` `context-window` `validation` `quota` `expired-token` | that AWS error instead of an answer |
//! | `stall` `reset` | silence before the response; a TCP reset before it |
//! | `stall-mid` `cut` `corrupt` `exception-mid`, and `reset` with `at` | silence, a cut within a frame, a wrong checksum, an exception, a reset: after some deltas |
//! | `cut-first` `corrupt-first` `exception-first` | the same, at the first frame |
//! | `exception-start` | an exception after `messageStart` |
//! | `cut-end` | everything but `messageStop` and `metadata`, then a proper end |
//! | `empty-stream` `not-json` `garbage` | status 200 with nothing, with a frame or body that is not JSON, with noise |
//! | `guardrail` | the guardrail intervenes, configured or not |
//!
//! A whole answer has no frames: it is cut or stalled in its middle, dropped for `cut-first`, and for `exception-…` it is
//! the plain error. Modifiers: `throttle-after=SECONDS` (`retry-after`), `slow-start=MS` (before the response),
//! `slow=MS` (before each delta), `at=N` (deltas before a fault in mid-stream, default 3 or half of them), `long=N` (words).
//!
//! A marker whose name is none of these, and none that shapes the answer, is refused: it is a slip of the pen.

use std::time::Duration;

use memchr::memmem;
use serde_json::json;

use super::error::AwsError;
use super::state::{Shared, hash_of};

/// Ways to fail. The text of each is its name in markers and prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Throttle,
    Error500,
    Error503,
    NotReady,
    Timeout408,
    ModelError,
    AccessDenied,
    Unauthorized,
    Missing,
    ModelRefusal,
    ContextWindow,
    Validation,
    Quota,
    ExpiredToken,
    Stall,
    StallMid,
    Cut,
    CutEnd,
    CutFirst,
    Corrupt,
    CorruptFirst,
    ExceptionFirst,
    ExceptionStart,
    ExceptionMid,
    NotJson,
    EmptyStream,
    Guardrail,
    Reset,
    Garbage,
}

const NAMES: [(&str, FaultKind); 29] = [
    ("throttle", FaultKind::Throttle),
    ("error500", FaultKind::Error500),
    ("error503", FaultKind::Error503),
    ("not-ready", FaultKind::NotReady),
    ("timeout408", FaultKind::Timeout408),
    ("model-error", FaultKind::ModelError),
    ("access-denied", FaultKind::AccessDenied),
    ("unauthorized", FaultKind::Unauthorized),
    ("missing", FaultKind::Missing),
    ("model-refusal", FaultKind::ModelRefusal),
    ("context-window", FaultKind::ContextWindow),
    ("validation", FaultKind::Validation),
    ("quota", FaultKind::Quota),
    ("expired-token", FaultKind::ExpiredToken),
    ("stall", FaultKind::Stall),
    ("stall-mid", FaultKind::StallMid),
    ("cut", FaultKind::Cut),
    ("cut-end", FaultKind::CutEnd),
    ("cut-first", FaultKind::CutFirst),
    ("corrupt", FaultKind::Corrupt),
    ("corrupt-first", FaultKind::CorruptFirst),
    ("exception-first", FaultKind::ExceptionFirst),
    ("exception-start", FaultKind::ExceptionStart),
    ("exception-mid", FaultKind::ExceptionMid),
    ("not-json", FaultKind::NotJson),
    ("empty-stream", FaultKind::EmptyStream),
    ("guardrail", FaultKind::Guardrail),
    ("reset", FaultKind::Reset),
    ("garbage", FaultKind::Garbage),
];

/// Markers that shape the answer instead of spoiling it; `converse/answer.rs` says how.
const SHAPES: [&str; 9] = [
    "tool",
    "tools",
    "json",
    "say",
    "unicode",
    "citations",
    "redacted",
    "empty",
    "stop-reason",
];

/// Directions that are no faults.
const MODIFIERS: [&str; 5] = ["throttle-after", "slow-start", "slow", "at", "long"];

const UNEXPECTED: &str =
    "The system encountered an unexpected error during processing. Try your request again.";

/// The faults that are plain HTTP errors.
const ERRORS: [(FaultKind, &str, u16, &str); 14] = [
    (
        FaultKind::Throttle,
        "ThrottlingException",
        429,
        "Too many requests, please wait before trying again.",
    ),
    (
        FaultKind::Error500,
        "InternalServerException",
        500,
        UNEXPECTED,
    ),
    (
        FaultKind::Error503,
        "ServiceUnavailableException",
        503,
        "Bedrock is unable to process your request.",
    ),
    (
        FaultKind::NotReady,
        "ModelNotReadyException",
        429,
        "Model is not ready for inference. Wait and try your request again.",
    ),
    (
        FaultKind::Timeout408,
        "ModelTimeoutException",
        408,
        "Model has timed out in processing the request. Try your request again.",
    ),
    (
        FaultKind::ModelError,
        "ModelErrorException",
        424,
        UNEXPECTED,
    ),
    (
        FaultKind::AccessDenied,
        "AccessDeniedException",
        403,
        "You don't have access to the model with the specified model ID.",
    ),
    (
        FaultKind::Unauthorized,
        "UnauthorizedException",
        401,
        "The credentials are not accepted.",
    ),
    (
        FaultKind::Missing,
        "ResourceNotFoundException",
        404,
        "The specified model was not found.",
    ),
    (
        FaultKind::ModelRefusal,
        "ModelErrorException",
        424,
        "The model could not process this input.",
    ),
    (
        FaultKind::ContextWindow,
        "ValidationException",
        400,
        "Input is too long for requested model.",
    ),
    (
        FaultKind::Validation,
        "ValidationException",
        400,
        "Malformed input request, please reformat your input and try again.",
    ),
    (
        FaultKind::Quota,
        "ServiceQuotaExceededException",
        400,
        "Your request exceeds the service quota for your account.",
    ),
    (
        FaultKind::ExpiredToken,
        "ExpiredTokenException",
        403,
        "The security token included in the request is expired",
    ),
];

/// Exceptions that a stream can carry, with the status each stands for.
/// Source: `ConverseStreamOutput` in the Bedrock runtime service model.
const STREAM_EXCEPTIONS: [(&str, &str, u16, &str); 5] = [
    (
        "throttlingException",
        "ThrottlingException",
        429,
        "Too many requests, please wait before trying again.",
    ),
    (
        "modelStreamErrorException",
        "ModelStreamErrorException",
        424,
        "The model encountered an error while streaming its answer. Try your request again.",
    ),
    (
        "internalServerException",
        "InternalServerException",
        500,
        UNEXPECTED,
    ),
    (
        "serviceUnavailableException",
        "ServiceUnavailableException",
        503,
        "Bedrock is unable to process your request.",
    ),
    (
        "validationException",
        "ValidationException",
        400,
        "The model refused to go on with this request.",
    ),
];

impl FaultKind {
    fn named(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)
    }

    /// Returns the plain HTTP error of those faults that are one.
    fn error(self) -> Option<AwsError> {
        let (_, name, status, message) = ERRORS.iter().find(|(kind, ..)| *kind == self)?;
        let mut error = AwsError::new(name, *status, *message);
        let original = match self {
            FaultKind::ModelError => Some(500),
            FaultKind::ModelRefusal => Some(400),
            _ => None,
        };
        if let Some(original) = original {
            error.details = vec![
                ("originalStatusCode", json!(original)),
                ("resourceName", json!("simulated-model")),
            ];
        }
        Some(error)
    }
}

/// A fault that strikes this call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    limit: Option<u64>,
    exception: Option<String>,
    /// Distinguishes this direction from others when its strikes are counted.
    scope: String,
}

impl Fault {
    /// Returns the exception a stream carries: its type in a frame, and the same as a plain error.
    pub(super) fn exception(&self) -> (String, AwsError) {
        let usual = match self.kind {
            FaultKind::ExceptionMid => "modelStreamErrorException",
            _ => "throttlingException",
        };
        let wanted = self.exception.as_deref().unwrap_or(usual);
        let known = STREAM_EXCEPTIONS
            .iter()
            .find(|(name, ..)| name.eq_ignore_ascii_case(wanted));
        match known {
            Some((name, error, status, message)) => {
                ((*name).to_owned(), AwsError::new(error, *status, *message))
            }
            // A type that clients do not know yet.
            None => (
                wanted.to_owned(),
                AwsError::new("UnknownException", 500, "A simulated exception."),
            ),
        }
    }
}

/// Everything one call was told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Directions {
    faults: Vec<Fault>,
    retry_after: Option<u64>,
    pub(super) slow_start: Option<Duration>,
    /// Pause before each delta of a stream.
    pub(super) slow: Option<Duration>,
    /// How many deltas leave before a fault in mid-stream.
    pub(super) at: Option<usize>,
    /// Number of words in the answer.
    pub(super) long: Option<usize>,
}

impl Directions {
    /// Reads the comma-separated list of a path prefix.
    pub(super) fn from_prefix(list: &str) -> Result<Self, AwsError> {
        let mut directions = Self::default();
        for item in list.split(',') {
            if !directions.add(item, "prefix ", list)? {
                let message = format!("the simulator knows no fault named '{item}'");
                return Err(AwsError::validation(message));
            }
        }
        Ok(directions)
    }

    /// Adds what the markers of one user text say; markers that shape the answer are left to the model.
    ///
    /// # Errors
    ///
    /// A marker whose name nobody knows.
    pub(super) fn add_markers(&mut self, text: &str) -> Result<(), AwsError> {
        for marker in Marker::all(text).filter(|marker| !SHAPES.contains(&marker.name)) {
            for item in marker.whole.split(',').map(str::trim) {
                if !self.add(item, "marker ", text)? && looks_like_a_name(item) {
                    return Err(unknown_marker(item));
                }
            }
        }
        Ok(())
    }

    /// Reads one `name`, `name=argument` or `name argument`; says whether the name is known.
    ///
    /// # Errors
    ///
    /// An argument that is no number, where only a number makes sense.
    fn add(&mut self, item: &str, source: &str, context: &str) -> Result<bool, AwsError> {
        let (name, argument) = split(item);
        let number: Option<u64> = argument.parse().ok();
        let size = number.and_then(|number| usize::try_from(number).ok());
        let is_known = MODIFIERS.contains(&name) || FaultKind::named(name).is_some();
        let is_number = number.is_some() || argument.is_empty();
        if is_known && !is_number && !name.starts_with("exception-") {
            let message = format!("the simulator reads a number after '{name}', not '{argument}'");
            return Err(AwsError::validation(message));
        }
        let duration = Duration::from_millis(number.unwrap_or_default());
        match name {
            "throttle-after" => self.retry_after = number,
            "slow-start" => self.slow_start = Some(duration),
            "slow" => self.slow = Some(duration),
            "at" => self.at = size,
            "long" => self.long = size,
            _ => {
                let Some(kind) = FaultKind::named(name) else {
                    return Ok(false);
                };
                let exception =
                    Some(argument.to_owned()).filter(|text| number.is_none() && !text.is_empty());
                // Two tests that run at once count apart, because their texts or prefixes differ.
                let scope = format!("{source}{:016x} {item}", hash_of(context));
                self.faults.push(Fault {
                    kind,
                    limit: number,
                    exception,
                    scope,
                });
            }
        }
        Ok(true)
    }

    /// Joins the directions of the path with those of the text.
    pub(super) fn merge(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.retry_after = self.retry_after.or(other.retry_after);
        self.slow_start = self.slow_start.or(other.slow_start);
        self.slow = self.slow.or(other.slow);
        self.at = self.at.or(other.at);
        self.long = self.long.or(other.long);
    }

    /// Counts the limited faults and returns the first that strikes; plain HTTP errors come as `Err`.
    pub(super) fn strike(&self, shared: &Shared) -> Result<Option<Fault>, AwsError> {
        let struck = self.faults.iter().find(|fault| match fault.limit {
            Some(limit) => shared.strikes(&fault.scope, limit),
            None => true,
        });
        let Some(fault) = struck else { return Ok(None) };
        match fault.kind.error() {
            Some(mut error) => {
                error.retry_after = self
                    .retry_after
                    .filter(|_| fault.kind == FaultKind::Throttle);
                Err(error)
            }
            None => Ok(Some(fault.clone())),
        }
    }
}

/// One `[[sim:…]]` in a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Marker<'a> {
    /// Everything between `sim:` and the brackets.
    pub(super) whole: &'a str,
    pub(super) name: &'a str,
    pub(super) argument: &'a str,
}

impl<'a> Marker<'a> {
    /// Finds the markers of a text, in order.
    pub(super) fn all(text: &'a str) -> impl Iterator<Item = Marker<'a>> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let start = memmem::find(rest.as_bytes(), OPENING.as_bytes())? + OPENING.len();
            let inner = rest.get(start..)?;
            let length = end_of_marker(inner)?;
            rest = inner.get(length..)?;
            let whole = inner.get(..length)?;
            let (name, argument) = split(whole);
            Some(Marker {
                whole,
                name,
                argument,
            })
        })
    }

    /// Returns the text without its markers.
    pub(super) fn strip(text: &str) -> String {
        let mut kept = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(OPENING) {
            let inner = rest.get(start + OPENING.len()..).unwrap_or_default();
            let Some(length) = end_of_marker(inner) else {
                break;
            };
            kept.push_str(rest.get(..start).unwrap_or_default());
            rest = inner.get(length + CLOSING.len()..).unwrap_or_default();
        }
        kept.push_str(rest);
        kept
    }
}

const OPENING: &str = "[[sim:";
const CLOSING: &str = "]]";

/// Splits `name`, `name=argument`, `name argument` or `name:argument`.
fn split(item: &str) -> (&str, &str) {
    let (name, argument) = item.split_once(['=', ' ', ':']).unwrap_or((item, ""));
    (name.trim(), argument.trim())
}

/// Says whether an item was meant as a name, and is not other text that happens to stand in such brackets.
fn looks_like_a_name(item: &str) -> bool {
    let name = split(item).0;
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn unknown_marker(item: &str) -> AwsError {
    let faults = NAMES.iter().map(|(name, _)| *name);
    let known: Vec<&str> = faults.chain(MODIFIERS).chain(SHAPES).collect();
    AwsError::validation(format!(
        "the simulator knows no marker named '{}'; it knows: {}",
        split(item).0,
        known.join(", ")
    ))
}

/// Finds the brackets that close a marker: the first pair outside the brackets of its argument.
fn end_of_marker(inner: &str) -> Option<usize> {
    let bytes = inner.as_bytes();
    let mut depth = 0_usize;
    for (position, byte) in bytes.iter().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth > 0 => depth -= 1,
            b']' if bytes.get(position + 1) == Some(&b']') => return Some(position),
            _ => {}
        }
    }
    // Brackets inside a JSON string need not pair up.
    inner.find(CLOSING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Options;

    #[test]
    fn markers_are_found_with_their_arguments() {
        let markers: Vec<_> =
            Marker::all("a [[sim:tool=get {\"l\": [[1]]}]] b [[sim:throttle]] [[sim:open")
                .map(|m| (m.name, m.argument))
                .collect();
        assert_eq!(markers, [("tool", "get {\"l\": [[1]]}"), ("throttle", "")]);
        assert_eq!(Marker::strip("a [[sim:x]]b[[sim:y=1]]"), "a b");
        assert_eq!(Marker::strip("a [[sim:x"), "a [[sim:x");
    }

    #[test]
    fn a_prefix_lists_faults_and_modifiers() {
        let directions = Directions::from_prefix("throttle=2,throttle-after=3,slow=20").unwrap();
        assert_eq!(directions.slow, Some(Duration::from_millis(20)));
        let shared = Shared::new(Options::default());
        for _ in 0..2 {
            let error = directions.strike(&shared).unwrap_err();
            assert_eq!((error.status, error.retry_after), (429, Some(3)));
        }
        assert_eq!(directions.strike(&shared), Ok(None));
        assert!(Directions::from_prefix("thrott").is_err());
        for list in [
            "throttle=abc",
            "throttle=-1",
            "slow=fast",
            "throttle=2,long=x",
        ] {
            let error = Directions::from_prefix(list).unwrap_err();
            assert!(error.message.contains("reads a number after"), "{list}");
        }
        let named = Directions::from_prefix("exception-mid=throttlingException");
        assert!(named.is_ok() && Directions::from_prefix("throttle").is_ok());
    }

    #[test]
    fn a_marker_may_name_the_exception() {
        let mut directions = Directions::default();
        directions
            .add_markers("x [[sim:exception-mid=internalServerException]] [[sim:tool]]")
            .unwrap();
        let fault = directions
            .strike(&Shared::new(Options::default()))
            .unwrap()
            .unwrap();
        assert_eq!(fault.exception().0, "internalServerException");
        assert_eq!(fault.exception().1.status, 500);
    }

    #[test]
    fn unknown_marker_is_refused_with_the_known_ones() {
        for text in ["[[sim:500]]", "a [[sim:throtle=2]]", "[[sim:slow=2, fast]]"] {
            let error = Directions::default().add_markers(text).unwrap_err();
            assert_eq!((error.status, error.name), (400, "ValidationException"));
            assert!(
                error.message.contains(" throttle, error500,"),
                "{}",
                error.message
            );
            assert!(error.message.contains("stop-reason"), "{}", error.message);
        }
    }

    #[test]
    fn every_known_marker_and_other_text_is_let_through() {
        let faults = NAMES.iter().map(|(name, _)| *name);
        for name in faults.chain(MODIFIERS).chain(SHAPES) {
            let text = format!("[[sim:{name}]] [[sim:{name}=1]]");
            assert_eq!(Directions::default().add_markers(&text), Ok(()), "{name}");
        }
        for text in [
            "[[sim:say one, two]]",
            "[[sim:tool get {\"a\": [1, 2]}]]",
            "[[sim:open",
            "[[sim:]]",
            "write [[sim:<name>]] into the prompt",
        ] {
            assert_eq!(Directions::default().add_markers(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn every_fault_has_one_name() {
        for (index, (name, kind)) in NAMES.iter().enumerate() {
            assert_eq!(FaultKind::named(name), Some(*kind));
            assert!(
                NAMES.iter().skip(index + 1).all(|(_, other)| other != kind),
                "{name}"
            );
        }
    }
}
