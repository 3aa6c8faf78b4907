//! What the last health check of a deployment found. Whoever checks writes it here; routing and `/health` read it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::config::HealthSettings;
use crate::error::{Error, ErrorKind};

/// The last finding; none until a check was made.
#[derive(Debug, Default)]
pub struct Health(Mutex<Option<Checked>>);

/// What a check found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// When, for how long it counts.
    pub now: Instant,
    /// When, for people.
    pub at: SystemTime,
    /// Why the deployment is unhealthy; `None`: it answered.
    pub failure: Option<Unhealthy>,
}

/// Why a deployment is unhealthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhealthy {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// Its HTTP status.
    pub status: u16,
    /// AWS's words.
    pub message: String,
}

/// How much of AWS's words is kept.
const LONGEST: usize = 1024;

impl Unhealthy {
    /// Takes down an error.
    pub fn of(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            status: error.status().as_u16(),
            message: error.message().chars().take(LONGEST).collect(),
        }
    }
}

impl Health {
    /// Keeps a finding, and says whether the deployment is well or not now and was not so before.
    pub fn note(&self, checked: Checked) -> bool {
        let is_unhealthy = checked.failure.is_some();
        let before = self.lock().replace(checked);
        before.is_some_and(|before| before.failure.is_some()) != is_unhealthy
    }

    /// Returns the last finding, however old.
    pub fn last(&self) -> Option<Checked> {
        self.lock().clone()
    }

    /// Says whether the deployment is known to be unhealthy: what is too old is not known any more.
    pub fn is_unhealthy(&self, settings: &HealthSettings, now: Instant) -> bool {
        self.lock().as_ref().is_some_and(|checked| {
            checked.failure.is_some()
                && now.saturating_duration_since(checked.now) < settings.staleness
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Checked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a check may take where the deployment does not say it. Source: LiteLLM.
pub const CHECK_WITHIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};

    #[test]
    fn finding_counts_until_it_is_stale_and_changes_are_told() {
        let clock = ManualClock::at(std::time::UNIX_EPOCH);
        let settings = HealthSettings::default();
        let health = Health::default();
        let checked = |error: Option<&Error>| Checked {
            now: clock.now(),
            at: clock.wall(),
            failure: error.map(Unhealthy::of),
        };
        let is_unhealthy = || health.is_unhealthy(&settings, clock.now());
        assert!(!is_unhealthy());
        assert!(!health.note(checked(None)));
        let error = Error::new(ErrorKind::Unavailable, "away");
        assert!(health.note(checked(Some(&error))));
        assert!(!health.note(checked(Some(&error))));
        assert!(is_unhealthy());
        clock.advance(settings.staleness);
        assert!(!is_unhealthy());
        assert!(health.note(checked(None)));
        assert!(!is_unhealthy());
    }
}
