//! How often and when a call is tried again in its group. What bounds the retries of all calls together is in
//! `retry_budget.rs`.

use std::time::Duration;

use super::by_class::named;
use crate::config::ByClass;
use crate::error::{Error, Retry};

/// The longest `Retry-After` that a call waits for. Source: LiteLLM.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// What is added at random to a provider's `Retry-After`, at most. Source: LiteLLM, `JITTER`.
const JITTER: Duration = Duration::from_millis(750);

/// The first backoff. Source: LiteLLM, `INITIAL_RETRY_DELAY`.
const FIRST_DELAY: Duration = Duration::from_millis(500);

/// The longest backoff. Source: LiteLLM, `MAX_RETRY_DELAY`.
const LONGEST_DELAY: Duration = Duration::from_secs(8);

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

/// How things stand in the group after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// Deployments that are neither cooling nor blocked; 1 for a call that named its deployment, whatever it does.
    pub ready: usize,
    /// Of those, the ones that did not refuse this call before (401, 403, a spent quota), nor just now.
    pub ready_elsewhere: usize,
}

/// Whether to try again in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Retry,
    /// No: it would not help.
    Useless,
    /// No: all allowed retries were made.
    Spent,
    /// No: no deployment is ready.
    NoneReady,
}

impl RetryRules<'_> {
    /// Returns how many retries follow from a group's first `error`.
    pub fn allowance(&self, error: &Error) -> Allowance {
        match self.by_policy(error) {
            Some(count) => Allowance {
                count,
                by_policy: true,
            },
            None => Allowance {
                count: self.asked.or(self.deployment).unwrap_or(self.router),
                by_policy: false,
            },
        }
    }

    /// Says whether to try again after `error`, `made` retries into an `allowance`. A policy makes a
    /// retry of every class that it names; later errors of another class go by their own kind.
    pub fn decide(
        &self,
        error: &Error,
        allowance: Allowance,
        made: u32,
        situation: Situation,
    ) -> Decision {
        let by_policy = allowance.by_policy && self.by_policy(error).is_some();
        let helps = match error.retry() {
            _ if error.is_final() => false,
            _ if by_policy => true,
            Retry::Never => false,
            Retry::Elsewhere => situation.ready_elsewhere > 0,
            Retry::UntriedFirst => true,
        };
        if !helps {
            Decision::Useless
        } else if made >= allowance.count {
            Decision::Spent
        } else if situation.ready == 0 {
            Decision::NoneReady
        } else {
            Decision::Retry
        }
    }

    /// Returns what the policy says of this error's class; nothing where the call asks for no retries at all, or the
    /// error is not of an attempt.
    fn by_policy(&self, error: &Error) -> Option<u32> {
        if !error.kind().is_of_attempt() || self.asked == Some(0) {
            return None;
        }
        let policy = self.policy?;
        named(policy, error.class()).or(policy.default)
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
    /// Whether the group has a deployment that is ready and was not tried yet.
    pub untried_ready: bool,
}

impl Backoff {
    /// Returns how long to wait; `draw` is a random number from 0 (inclusive) to 1.
    pub fn wait(&self, draw: f64) -> Duration {
        let draw = if draw.is_finite() {
            draw.clamp(0.0, 1.0)
        } else {
            0.0
        };
        if self.untried_ready {
            return Duration::ZERO;
        }
        let asked = self
            .upstream
            .filter(|asked| !asked.is_zero() && *asked <= LONGEST_ASKED);
        if let Some(asked) = asked {
            return asked.max(self.floor).saturating_add(JITTER.mul_f64(draw));
        }
        let factor = 1_u32.checked_shl(self.made).unwrap_or(u32::MAX);
        let longest = FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY);
        let spread = longest.saturating_sub(self.floor);
        self.floor.saturating_add(spread.mul_f64(draw))
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
