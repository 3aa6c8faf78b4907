//! What the router learned: of a deployment, and of a model group. It outlives snapshots.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::cooldown::{Breaker, Pass};
use super::retry::RetryBudget;
use crate::config::{Budget, StrategyArgs};
use crate::error::ErrorKind;

/// Everything learned about one deployment.
#[derive(Debug, Default)]
pub struct DeploymentRuntime {
    in_flight: AtomicU64,
    elsewhere: AtomicU64,
    /// Its cooldown.
    pub breaker: Breaker,
    last_error: Mutex<Option<LastError>>,
    /// What it spent of its own budget.
    pub spend: Spend,
}

/// The last error of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastError {
    /// Its kind.
    pub kind: ErrorKind,
    /// The HTTP status.
    pub status: u16,
    /// When.
    pub at: SystemTime,
}

/// What an answer tells of its deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// From sending to the end of the answer.
    pub elapsed: Duration,
    /// From sending to the first content of a stream.
    pub first_content: Option<Duration>,
    /// Input tokens.
    pub input_tokens: u64,
    /// Generated tokens.
    pub output_tokens: u64,
}

impl DeploymentRuntime {
    /// Begins a call; the guard ends it.
    pub fn begin(self: &Arc<Self>, pass: Pass) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight {
            runtime: Arc::clone(self),
            pass,
        }
    }

    /// Returns the calls under way in this process.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Returns the calls under way in all instances, as far as is known.
    pub fn in_flight_everywhere(&self) -> u64 {
        self.in_flight() + self.elsewhere.load(Ordering::Relaxed)
    }

    /// Sets the calls under way in other instances.
    pub fn set_elsewhere(&self, total: u64) {
        self.elsewhere.store(total, Ordering::Relaxed);
    }

    /// Books what a successful answer tells.
    pub fn learn(&self, sample: Sample, now: Instant) {
        let _ = (sample, now);
    }

    /// Keeps the last error.
    pub fn note_error(&self, error: LastError) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Returns the last error.
    pub fn last_error(&self) -> Option<LastError> {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way on a deployment; dropping it ends the count.
#[derive(Debug)]
pub struct InFlight {
    runtime: Arc<DeploymentRuntime>,
    /// Whether it is the probe.
    pub pass: Pass,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.runtime.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything learned about one model group.
#[derive(Debug, Default)]
pub struct GroupRuntime {
    /// Its retry budget, where it has one.
    pub retry_budget: Option<RetryBudget>,
    /// Calls under way.
    pub in_flight: AtomicU64,
    /// Calls that wait for a slot.
    pub queued: AtomicU64,
}

impl DeploymentRuntime {
    /// Returns the peak-EWMA latency in seconds, for `p2c`. `None`: nothing is known.
    pub fn peak_latency(&self, now: Instant) -> Option<f64> {
        let _ = now;
        None
    }

    /// Returns the score of `latency-based-routing` in seconds, the lower the better. `None`: nothing is known.
    pub fn latency_score(&self, args: &StrategyArgs, stream: bool, now: Instant) -> Option<f64> {
        let _ = (args, stream, now);
        None
    }

    /// Returns what was used in the last minute.
    pub fn usage(&self, now: Instant) -> Usage {
        let _ = now;
        Usage::default()
    }
}

/// Requests and tokens of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Attempts that were sent.
    pub requests: u64,
    /// Input and output tokens of answers.
    pub tokens: u64,
}

/// US dollars spent in the running period.
#[derive(Debug, Default)]
pub struct Spend(());

impl Spend {
    /// Says whether the budget is used up.
    pub fn is_over(&self, budget: Budget, now: Instant) -> bool {
        let _ = (self, budget, now);
        false
    }
}
