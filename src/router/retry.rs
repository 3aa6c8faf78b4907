//! How often and when a call is tried again in its group, and the budget that bounds it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{ByClass, RetryBudgetConfig};
use crate::error::{Error, ErrorKind};

/// How many retries a group may make, decided by its first error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The number.
    pub count: u32,
    /// Whether a `RetryPolicy` named the class: then the kind's own retryability is not asked.
    pub by_policy: bool,
}

/// Who says how often to retry, from the strongest to the weakest.
#[derive(Debug, Clone, Copy)]
pub struct RetryRules<'a> {
    /// The group's policy, else the router's.
    pub policy: Option<&'a ByClass>,
    /// What the request, or the key, asks for.
    pub asked: Option<u32>,
    /// The deployment's that failed first.
    pub deployment: Option<u32>,
    /// The router's.
    pub router: u32,
}

impl RetryRules<'_> {
    /// Returns how many retries follow from a group's first `error`.
    pub fn allowance(&self, error: &Error) -> Allowance {
        let _ = error;
        Allowance {
            count: self.asked.or(self.deployment).unwrap_or(self.router),
            by_policy: false,
        }
    }
}

/// What the wait before a retry depends on.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Retries already made in this group.
    pub made: u32,
    /// `retry_after`: the shortest wait.
    pub floor: Duration,
    /// What the provider asked for (`Retry-After`).
    pub upstream: Option<Duration>,
    /// Whether the group has another deployment that is ready.
    pub another_ready: bool,
}

impl Backoff {
    /// Returns how long to wait; `draw` is a random number from 0 (inclusive) to 1.
    pub fn wait(&self, draw: f64) -> Duration {
        let _ = (self, draw);
        Duration::ZERO
    }
}

/// A group's retry budget: a token bucket (router.md §14.7).
#[derive(Debug)]
pub struct RetryBudget(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    refused_total: u64,
}

/// Tokens that a retry took; given back when it succeeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryCost(pub f64);

impl RetryBudget {
    /// Makes a full one.
    pub fn new(config: RetryBudgetConfig) -> Self {
        Self(Mutex::new(Bucket {
            tokens: config.capacity,
            refused_total: 0,
        }))
    }

    /// Takes what a retry after `kind` costs; `None` where the bucket has not so much: no retry.
    pub fn take(
        &self,
        kind: ErrorKind,
        config: RetryBudgetConfig,
        now: Instant,
    ) -> Option<RetryCost> {
        let _ = now;
        Some(RetryCost(if kind == ErrorKind::Throttled {
            config.throttle_cost
        } else {
            config.cost
        }))
    }

    /// Books a success: a retry's cost comes back, a first attempt gives 1.
    pub fn succeeded(&self, cost: Option<RetryCost>, config: RetryBudgetConfig) {
        let _ = (cost, config);
    }

    /// Returns the tokens there are, and how many retries were refused.
    pub fn level(&self, config: RetryBudgetConfig, now: Instant) -> (f64, u64) {
        let _ = (config, now);
        let bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (bucket.tokens, bucket.refused_total)
    }
}
