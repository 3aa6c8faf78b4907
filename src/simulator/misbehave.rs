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

use super::error::AwsError;
use super::faults::{FaultKind, NAMES};
use super::marker::{Marker, split};
use super::state::{Shared, hash_of};

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
        self.kind.exception(self.exception.as_deref())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Options;

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
}
