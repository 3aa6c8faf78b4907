//! What was spent against a budget of a deployment or of the provider.
//!
//! A period begins with its first spend and ends after its length; then spending begins anew. The budget itself comes with
//! each call, because a reload may change it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Budget;

/// US dollars spent in the running period.
#[derive(Debug, Default)]
pub struct Spend(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    usd: f64,
    /// What other instances were not told yet.
    unreported_usd: f64,
    period: Option<Running>,
}

/// The running period.
#[derive(Debug, Clone, Copy)]
struct Running {
    began: Instant,
    length: Option<Duration>,
    ends: Option<Instant>,
}

impl Spend {
    /// Books `usd` dollars; what is not a positive amount is nothing.
    pub fn add(&self, usd: f64, budget: Budget, now: Instant) {
        if !usd.is_finite() || usd <= 0.0 {
            return;
        }
        let mut state = self.lock();
        state.turn(budget.period, now);
        state.begin(budget.period, now);
        state.usd += usd;
        state.unreported_usd += usd;
    }

    /// Returns the dollars spent in the running period.
    pub fn spent(&self, budget: Budget, now: Instant) -> f64 {
        let mut state = self.lock();
        state.turn(budget.period, now);
        state.usd
    }

    /// Says whether the budget is used up. A limit of 0 is none.
    pub fn is_over(&self, budget: Budget, now: Instant) -> bool {
        budget.limit_usd > 0.0 && self.spent(budget, now) >= budget.limit_usd
    }

    /// Returns how long until spending begins anew; `None`: never, or nothing was spent.
    pub fn resets_in(&self, budget: Budget, now: Instant) -> Option<Duration> {
        let mut state = self.lock();
        state.turn(budget.period, now);
        let ends = state.period?.ends?;
        Some(ends.saturating_duration_since(now))
    }

    /// Returns what was spent since the last time, to tell other instances: whoever asks sees to it that they
    /// hear of it.
    pub fn drain_unreported(&self) -> f64 {
        std::mem::take(&mut self.lock().unreported_usd)
    }

    /// Sets what all instances spent in the running period, this one included as far as it told, and how long the period
    /// still runs. What was not told yet is added.
    pub fn set_total_from_elsewhere(
        &self,
        usd: f64,
        left: Option<Duration>,
        budget: Budget,
        now: Instant,
    ) {
        if !usd.is_finite() {
            return;
        }
        let mut state = self.lock();
        state.turn(budget.period, now);
        state.usd = usd.max(0.0) + state.unreported_usd;
        if state.usd <= 0.0 {
            return;
        }
        state.begin(budget.period, now);
        if let (Some(running), Some(left)) = (&mut state.period, left) {
            running.ends = now.checked_add(left);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins a period where none runs.
    fn begin(&mut self, length: Option<Duration>, now: Instant) {
        self.period.get_or_insert_with(|| Running::new(now, length));
    }

    /// Ends the period if it is over; a length that changed counts from when the period began.
    fn turn(&mut self, length: Option<Duration>, now: Instant) {
        let Some(running) = &mut self.period else {
            return;
        };
        if running.length != length {
            *running = Running::new(running.began, length);
        }
        if running.ends.is_some_and(|ends| now >= ends) {
            self.period = None;
            self.usd = 0.0;
        }
    }
}

impl Running {
    fn new(began: Instant, length: Option<Duration>) -> Self {
        Self {
            began,
            length,
            ends: length.and_then(|length| began.checked_add(length)),
        }
    }
}

#[cfg(test)]
#[path = "spend_tests.rs"]
mod tests;
