//! A group's retry budget: a token bucket, so that retries do not multiply an outage.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::config::RetryBudgetConfig;
use crate::error::ErrorKind;

/// A group's retry budget. The configuration comes with each call, because it may change while the bucket lives on.
#[derive(Debug)]
pub struct RetryBudget(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    /// When it was last filled up; `None` before the first retry.
    filled: Option<Instant>,
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
            filled: None,
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
        let cost = if kind == ErrorKind::Throttled {
            config.throttle_cost
        } else {
            config.cost
        };
        let mut bucket = self.lock();
        bucket.fill(config, now);
        if bucket.tokens < cost {
            bucket.refused_total = bucket.refused_total.saturating_add(1);
            return None;
        }
        bucket.tokens -= cost;
        Some(RetryCost(cost))
    }

    /// Books a success: a retry's cost comes back, a first attempt gives 1.
    pub fn succeeded(&self, cost: Option<RetryCost>, config: RetryBudgetConfig) {
        let gain = cost.map_or(1.0, |cost| cost.0);
        let mut bucket = self.lock();
        bucket.tokens = (bucket.tokens + gain).min(config.capacity);
    }

    /// Gives back what was taken for a retry that was not made after all.
    pub fn give_back(&self, cost: RetryCost, config: RetryBudgetConfig) {
        self.succeeded(Some(cost), config);
    }

    /// Returns the tokens there are, and how many retries were refused.
    pub fn level(&self, config: RetryBudgetConfig, now: Instant) -> (f64, u64) {
        let mut bucket = self.lock();
        bucket.fill(config, now);
        (bucket.tokens, bucket.refused_total)
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn fill(&mut self, config: RetryBudgetConfig, now: Instant) {
        let since = self
            .filled
            .map(|filled| now.saturating_duration_since(filled));
        let gain = since.unwrap_or_default().as_secs_f64() * config.refill_per_second;
        self.tokens = (self.tokens + gain).min(config.capacity);
        self.filled = self.filled.max(Some(now));
    }
}

#[cfg(test)]
#[path = "retry_budget_tests.rs"]
mod tests;
