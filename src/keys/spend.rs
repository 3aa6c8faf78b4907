//! What a virtual key, or the whole gateway, has spent of its budget, and whether more may be spent.
//!
//! A call that begins may reserve what it will cost, so that calls at one time cannot all pass a budget that has room for
//! one. A period begins with the first spending in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Budget;

/// What was learned of a virtual key; it outlives snapshots, by the key's hash. The whole gateway has one too.
#[derive(Debug, Default)]
pub struct KeyRuntime(Mutex<Spend>);

#[derive(Debug, Default)]
struct Spend {
    /// US dollars in the running period, in all instances as far as is known.
    usd: f64,
    /// Dollars of calls under way.
    reserved: f64,
    /// Dollars that no other instance was told of.
    unreported: f64,
    /// When the running period ends; `None` before the first spending, and for a budget without a period.
    ends: Option<Instant>,
}

/// What all calls together have spent, and the budget that they have (`litellm_settings.max_budget`).
#[derive(Debug, Clone, Default)]
pub struct GatewaySpend {
    /// What was spent.
    pub runtime: Arc<KeyRuntime>,
    /// What may be spent; `None`: nothing is counted.
    pub budget: Option<Budget>,
}

impl GatewaySpend {
    /// Goes on from what was spent before.
    pub(super) fn of(budget: Option<Budget>, previous: Option<&Self>) -> Self {
        Self {
            runtime: previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.runtime)),
            budget,
        }
    }

    /// Adds what a call cost.
    pub fn charge(&self, usd: f64, now: Instant) {
        if self.budget.is_some() {
            self.runtime.charge(usd, self.budget, now);
        }
    }
}

/// A budget that is used up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverBudget {
    /// US dollars spent.
    pub spent_usd: f64,
    /// The budget, in US dollars.
    pub limit_usd: f64,
    /// How long the period still runs; `None` for a budget without one.
    pub resets_in: Option<Duration>,
}

/// Dollars that are kept for a call under way; dropping it frees them.
#[derive(Debug)]
pub struct Reservation {
    runtime: Arc<KeyRuntime>,
    usd: f64,
}

impl KeyRuntime {
    /// Looks whether the budget has room.
    ///
    /// # Errors
    ///
    /// What was spent, when it has none.
    pub fn check(&self, budget: Option<Budget>, now: Instant) -> Result<(), OverBudget> {
        self.lock().check(budget, now)
    }

    /// Looks whether the budget is spent, whatever calls under way reserve: the one that asks may be among them.
    ///
    /// # Errors
    ///
    /// As [`KeyRuntime::check`].
    pub fn check_spent(&self, budget: Option<Budget>, now: Instant) -> Result<(), OverBudget> {
        self.lock().room(budget, 0.0, now)
    }

    /// Reserves what a call is expected to cost, if the budget has any room.
    ///
    /// # Errors
    ///
    /// As [`KeyRuntime::check`].
    pub fn reserve(
        self: &Arc<Self>,
        usd: f64,
        budget: Option<Budget>,
        now: Instant,
    ) -> Result<Reservation, OverBudget> {
        let usd = if usd.is_finite() { usd.max(0.0) } else { 0.0 };
        // Under one lock, so that of two calls at one time the second sees what the first keeps.
        let mut spend = self.lock();
        spend.check(budget, now)?;
        spend.reserved += usd;
        drop(spend);
        Ok(Reservation {
            runtime: Arc::clone(self),
            usd,
        })
    }

    /// Adds what a call cost.
    pub fn charge(&self, usd: f64, budget: Option<Budget>, now: Instant) {
        if !usd.is_finite() || usd <= 0.0 {
            return;
        }
        let mut spend = self.lock();
        spend.roll(now);
        if spend.ends.is_none() {
            let period = budget.and_then(|budget| budget.period);
            spend.ends = period.and_then(|period| now.checked_add(period));
        }
        spend.usd += usd;
        spend.unreported += usd;
    }

    /// Returns US dollars spent in the running period.
    pub fn spent(&self, now: Instant) -> f64 {
        let mut spend = self.lock();
        spend.roll(now);
        spend.usd
    }

    /// Returns how long the running period still runs; `None`: for ever, or nothing was spent in it.
    pub fn resets_in(&self, now: Instant) -> Option<Duration> {
        let mut spend = self.lock();
        spend.roll(now);
        spend.left(now)
    }

    /// Returns what was spent since the last time, to tell other instances.
    pub fn take_unreported(&self) -> f64 {
        std::mem::take(&mut self.lock().unreported)
    }

    /// Notes what all instances spent, as the shared store told, and how long the period still runs.
    pub fn hear(&self, usd: f64, left: Option<Duration>, now: Instant) {
        let mut spend = self.lock();
        spend.usd = usd + spend.unreported;
        spend.ends = left.and_then(|left| now.checked_add(left));
    }

    fn lock(&self) -> MutexGuard<'_, Spend> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spend {
    fn check(&mut self, budget: Option<Budget>, now: Instant) -> Result<(), OverBudget> {
        self.room(budget, self.reserved, now)
    }

    /// Looks whether the budget has room when `reserved` is kept free.
    fn room(
        &mut self,
        budget: Option<Budget>,
        reserved: f64,
        now: Instant,
    ) -> Result<(), OverBudget> {
        let Some(budget) = budget else { return Ok(()) };
        self.roll(now);
        if self.usd + reserved < budget.limit_usd {
            return Ok(());
        }
        Err(OverBudget {
            spent_usd: self.usd,
            limit_usd: budget.limit_usd,
            resets_in: self.left(now),
        })
    }

    fn roll(&mut self, now: Instant) {
        if self.ends.is_some_and(|ends| ends <= now) {
            self.usd = 0.0;
            self.ends = None;
        }
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        self.ends.map(|ends| ends.saturating_duration_since(now))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut spend = self.runtime.lock();
        spend.reserved = (spend.reserved - self.usd).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    const DAY: Duration = Duration::from_secs(86_400);

    const DOLLAR: Option<Budget> = Some(Budget {
        limit_usd: 1.0,
        period: Some(DAY),
    });

    #[test]
    fn of_calls_at_one_time_a_budget_for_one_admits_one() {
        const ROUNDS: usize = 500;
        let now = SystemClock.now();
        let runtimes: Vec<Arc<KeyRuntime>> = (0..ROUNDS).map(|_| Arc::default()).collect();
        let here = AtomicUsize::new(0);
        let run = || {
            let reserve = |(round, runtime): (usize, &Arc<KeyRuntime>)| {
                // Spinning, because a thread that must be woken comes too late.
                here.fetch_add(1, Ordering::SeqCst);
                while here.load(Ordering::SeqCst) < 2 * (round + 1) {
                    std::hint::spin_loop();
                }
                runtime.reserve(1.0, DOLLAR, now).ok()
            };
            let rounds = runtimes.iter().enumerate();
            rounds.map(reserve).collect::<Vec<_>>()
        };
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(run);
            (run(), other.join().unwrap())
        });
        // A reservation that is dropped at once makes room for the other: these are kept until the end.
        let admitted = one
            .iter()
            .zip(&other)
            .map(|(one, other)| usize::from(one.is_some()) + usize::from(other.is_some()));
        assert!(admitted.eq(std::iter::repeat_n(1, ROUNDS)));
    }

    #[test]
    fn budget_refuses_when_it_is_spent_and_opens_with_the_next_period() {
        let now = SystemClock.now();
        let runtime = KeyRuntime::default();
        runtime.charge(0.5, DOLLAR, now);
        assert_eq!(runtime.check(DOLLAR, now), Ok(()));
        runtime.charge(0.5, DOLLAR, now + DAY / 2);
        let over = runtime.check(DOLLAR, now + DAY / 2).unwrap_err();
        assert_eq!(over.resets_in, Some(DAY / 2));
        assert_eq!(runtime.check(None, now), Ok(()));
        assert_eq!(runtime.check(DOLLAR, now + DAY), Ok(()));
        assert!(runtime.spent(now + DAY).abs() < f64::EPSILON);
    }

    #[test]
    fn calls_at_one_time_cannot_all_pass_the_budget() {
        let now = SystemClock.now();
        let runtime = Arc::new(KeyRuntime::default());
        let first = runtime.reserve(0.7, DOLLAR, now).unwrap();
        let second = runtime.reserve(0.7, DOLLAR, now).unwrap();
        assert!(runtime.reserve(0.7, DOLLAR, now).is_err());
        drop(first);
        drop(second);
        assert!(runtime.reserve(f64::NAN, DOLLAR, now).is_ok());
    }

    #[test]
    fn what_other_instances_spent_counts() {
        let now = SystemClock.now();
        let runtime = KeyRuntime::default();
        runtime.charge(0.25, DOLLAR, now);
        assert!((runtime.take_unreported() - 0.25).abs() < f64::EPSILON);
        runtime.charge(0.25, DOLLAR, now);
        runtime.hear(0.75, Some(DAY), now);
        assert!(runtime.check(DOLLAR, now).is_err());
    }
}
