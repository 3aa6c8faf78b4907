//! What a deployment was used for in the last minute, for `usage-based-routing`. Limits count exactly, in `limit/`; this is
//! for comparing deployments.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ring::Ring;

const MINUTE: Duration = Duration::from_secs(60);
const BUCKETS: usize = 12;

/// Requests and tokens of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Attempts that were sent.
    pub requests: u64,
    /// Input and output tokens of answers.
    pub tokens: u64,
}

impl Usage {
    fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.tokens = self.tokens.saturating_add(other.tokens);
    }
}

/// The usage of the last 60 s.
#[derive(Debug)]
pub(super) struct Minute(Mutex<State>);

#[derive(Debug)]
struct State {
    here: Ring<Usage, BUCKETS>,
    /// What other instances told, and when.
    elsewhere: Option<(Usage, Instant)>,
}

impl Default for Minute {
    fn default() -> Self {
        Self(Mutex::new(State {
            here: Ring::new(MINUTE),
            elsewhere: None,
        }))
    }
}

impl Minute {
    /// Books more usage in this process.
    pub(super) fn add(&self, more: Usage, now: Instant) {
        self.lock().here.add(now, |usage| usage.add(more));
    }

    /// Sets the usage in other instances; it counts for a minute.
    pub(super) fn set_elsewhere(&self, usage: Usage, now: Instant) {
        self.lock().elsewhere = Some((usage, now));
    }

    /// Returns the usage in this process.
    pub(super) fn here(&self, now: Instant) -> Usage {
        self.lock().here(now)
    }

    /// Returns the usage in all instances, as far as is known.
    pub(super) fn everywhere(&self, now: Instant) -> Usage {
        let mut state = self.lock();
        let mut total = state.here(now);
        if let Some((usage, at)) = state.elsewhere
            && now.saturating_duration_since(at) < MINUTE
        {
            total.add(usage);
        }
        total
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn here(&mut self, now: Instant) -> Usage {
        let mut total = Usage::default();
        for usage in self.here.recent(now) {
            total.add(*usage);
        }
        total
    }
}
