//! What the router learned: of a deployment, of a model group, of the provider. It outlives snapshots.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::cooldown::{Breaker, CooldownRules, Cooled, Pass};
use super::health::Health;
use super::latency::Latency;
pub use super::latency::LatencyMs;
use super::retry_budget::RetryBudget;
use super::spend::Spend;
use super::usage::Minute;
pub use super::usage::Usage;
use crate::config::{RetryBudgetConfig, StrategyArgs};
use crate::error::{Error, ErrorKind, Fault};
use crate::limit::Queue;

/// Everything learned about one deployment.
#[derive(Debug, Default)]
pub struct DeploymentRuntime {
    in_flight: AtomicU64,
    elsewhere: AtomicU64,
    /// Its cooldown.
    pub breaker: Breaker,
    /// What the last health check found.
    pub health: Health,
    /// What it spent of its own budget.
    pub spend: Spend,
    latency: Latency,
    minute: Minute,
    last_error: Mutex<Option<LastError>>,
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
            settled: false,
            opened: false,
        }
    }

    /// Returns the calls under way in this process.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Returns the calls under way in all instances, as far as is known.
    pub fn in_flight_everywhere(&self) -> u64 {
        self.in_flight()
            .saturating_add(self.elsewhere.load(Ordering::Relaxed))
    }

    /// Sets the calls under way in other instances.
    pub fn set_elsewhere(&self, total: u64) {
        self.elsewhere.store(total, Ordering::Relaxed);
    }

    /// Books that an attempt is sent: it counts in the running minute, whatever comes of it.
    pub fn note_sent(&self, now: Instant) {
        let one = Usage {
            requests: 1,
            tokens: 0,
        };
        self.minute.add(one, now);
    }

    /// Books what a successful answer tells.
    pub fn learn(&self, sample: Sample, now: Instant) {
        self.latency.learn(sample, now);
        let tokens = sample.input_tokens.saturating_add(sample.output_tokens);
        let usage = Usage {
            requests: 0,
            tokens,
        };
        self.minute.add(usage, now);
    }

    /// Books that an attempt failed: it weighs as a slow answer if the fault is Bedrock's.
    pub fn learn_failure(&self, kind: ErrorKind, now: Instant) {
        if kind.policy().fault == Fault::Upstream {
            self.latency.learn_failure(kind == ErrorKind::Timeout, now);
        }
    }

    /// Returns the peak-EWMA latency in seconds, for `p2c`: it rises at once, and fades with time. `None`: nothing is
    /// known.
    pub fn peak_latency(&self, now: Instant) -> Option<f64> {
        self.latency.peak(now)
    }

    /// Returns the score of `latency-based-routing` in seconds, the lower the better: the mean per generated token of the
    /// last answers; for a stream, until the first content. `None`: nothing is known, so it is to be tried first.
    pub fn latency_score(&self, args: &StrategyArgs, stream: bool, now: Instant) -> Option<f64> {
        self.latency.score(args, stream, now)
    }

    /// Returns averages, for `/router/state`.
    pub fn latency_ms(&self) -> LatencyMs {
        self.latency.averages()
    }

    /// Returns what was used in the last minute in all instances, as far as is known.
    pub fn usage(&self, now: Instant) -> Usage {
        self.minute.everywhere(now)
    }

    /// Returns what was used in the last minute in this process.
    pub fn usage_here(&self, now: Instant) -> Usage {
        self.minute.here(now)
    }

    /// Sets what was used in the last minute in other instances.
    pub fn set_usage_elsewhere(&self, usage: Usage, now: Instant) {
        self.minute.set_elsewhere(usage, now);
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

/// A call under way on a deployment; dropping it ends the count. Dropped without an outcome (its client hung up), it makes
/// way for another probe where it was one.
#[derive(Debug)]
pub struct InFlight {
    runtime: Arc<DeploymentRuntime>,
    /// Whether it is the probe.
    pub pass: Pass,
    settled: bool,
    /// Whether its success is in the breaker already.
    opened: bool,
}

impl InFlight {
    /// Ends the probe, if it is one, as soon as a stream has its first content: others need not wait for its end. Says
    /// whether this ended a cooldown.
    pub fn first_content(&mut self, now: Instant) -> bool {
        if !self.pass.probe || self.opened {
            return false;
        }
        self.opened = self.runtime.breaker.succeeded(self.pass, now);
        self.opened
    }

    /// Books a successful answer, and says whether it ended a cooldown: other instances are then told.
    pub fn succeeded(&mut self, sample: Sample, now: Instant) -> bool {
        self.settled = true;
        self.runtime.learn(sample, now);
        !self.opened && self.runtime.breaker.succeeded(self.pass, now)
    }

    /// Books a failure in everything that is learned from it, before this returns; `wall` is for [`LastError`].
    pub fn failed(
        &mut self,
        error: &Error,
        rules: CooldownRules<'_>,
        now: Instant,
        wall: SystemTime,
    ) -> Option<Cooled> {
        self.settled = true;
        self.runtime.note_error(LastError {
            kind: error.kind(),
            status: error.status().as_u16(),
            at: wall,
        });
        if !(rules.timeout_by_caller && error.kind() == ErrorKind::Timeout) {
            self.runtime.learn_failure(error.kind(), now);
        }
        self.runtime.breaker.failed(error, self.pass, rules, now)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.settled {
            self.runtime.breaker.abandon(self.pass);
        }
        self.runtime.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything learned about one model group.
#[derive(Debug, Default)]
pub struct GroupRuntime {
    retry_budget: OnceLock<RetryBudget>,
    /// Calls under way.
    pub in_flight: AtomicU64,
    /// Calls that wait for a slot.
    pub queue: Arc<Queue>,
}

impl GroupRuntime {
    /// Returns the group's retry budget, made full when first asked for; `None` where the configuration has none.
    pub fn retry_budget(&self, config: Option<RetryBudgetConfig>) -> Option<&RetryBudget> {
        let config = config?;
        Some(self.retry_budget.get_or_init(|| RetryBudget::new(config)))
    }

    /// Counts a call under way until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> Counted {
        Counted::new(self, |runtime| &runtime.in_flight)
    }
}

/// One more in a count of a group, until it is dropped.
#[derive(Debug)]
pub struct Counted {
    runtime: Arc<GroupRuntime>,
    count: fn(&GroupRuntime) -> &AtomicU64,
}

impl Counted {
    fn new(runtime: &Arc<GroupRuntime>, count: fn(&GroupRuntime) -> &AtomicU64) -> Self {
        count(runtime).fetch_add(1, Ordering::Relaxed);
        Self {
            runtime: Arc::clone(runtime),
            count,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.runtime).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything learned about the provider: what all deployments together spent of `provider_budget_config.bedrock`.
#[derive(Debug, Default)]
pub struct ProviderRuntime {
    /// What they spent.
    pub spend: Spend,
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
mod tests;
