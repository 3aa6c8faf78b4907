//! An early "no" for limits on requests, without a lock: a flood against a full limit does not contend with the calls that
//! are admitted and settled.
//!
//! The gate is governor's GCRA with a burst of N and a rate of N a minute. Used as it comes it would be wrong: a cell that
//! it hands to a call which the exact window then refuses is lost, and later it refuses what the window admits (N = 2: two
//! calls at 0 s, one that is refused at 30 s; at 60 s it lets one of two pass). So only *admitted* requests take a cell, and
//! a look takes none. Then it refuses nothing that the window admits: the window admits at most N in any 60 s, so in any
//! stretch of t seconds at most N × (⌊t / 60⌋ + 1) ≤ N + N × t / 60, which is what GCRA allows.
//!
//! The answer's wait is the window's: when a request filled it, it said when the next has room. A gate that refuses without
//! such a word, or past it, says nothing, and the window decides.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};

/// An early "no" for one limit on requests.
pub(super) struct Gate {
    limit: u64,
    limiter: RateLimiter<Wish, Cell, Hand, NoOpMiddleware<Nanos>>,
    /// When the gate was first used.
    started: OnceLock<Instant>,
    /// When the window has room again, in nanoseconds since `started`; 0 where it has some.
    opens_at: AtomicU64,
}

/// What is wanted of the limiter's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Wish {
    Look,
    Take,
}

/// GCRA's state, which a look leaves as it is.
#[derive(Debug)]
struct Cell(AtomicU64);

impl StateStore for Cell {
    type Key = Wish;

    fn measure_and_replace<T, F, E>(&self, wish: &Wish, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut before = self.0.load(Ordering::Acquire);
        loop {
            let known = (before != 0).then(|| Nanos::from(before));
            let (answer, after) = measure(known)?;
            if *wish == Wish::Look {
                return Ok(answer);
            }
            let swapped = self.0.compare_exchange_weak(
                before,
                after.into(),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match swapped {
                Ok(_) => return Ok(answer),
                Err(newer) => before = newer,
            }
        }
    }
}

/// The latest time that a caller brought, in nanoseconds since the gate was made.
#[derive(Debug)]
struct Hand(AtomicU64);

impl Clock for Hand {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Acquire))
    }
}

impl Gate {
    /// Makes a gate; `None` for a limit that GCRA cannot count.
    pub(super) fn new(limit: u64) -> Option<Self> {
        let burst = NonZeroU32::new(u32::try_from(limit).ok()?)?;
        Some(Self {
            limit,
            limiter: RateLimiter::new(
                Quota::per_minute(burst),
                Cell(AtomicU64::new(0)),
                Hand(AtomicU64::new(0)),
            ),
            started: OnceLock::new(),
            opens_at: AtomicU64::new(0),
        })
    }

    /// Returns its limit.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns how long there is no room, where that is certain.
    pub(super) fn closed_for(&self, now: Instant) -> Option<Duration> {
        let at = self.turn_hand(now);
        let opens_at = self.opens_at.load(Ordering::Acquire);
        if opens_at <= at || self.limiter.check_key(&Wish::Look).is_ok() {
            return None;
        }
        Some(Duration::from_nanos(opens_at - at))
    }

    /// Notes an admitted request, and how long the window is full now, if it is. The ledger's lock is held.
    pub(super) fn took(&self, full_for: Option<Duration>, now: Instant) {
        let at = self.turn_hand(now);
        // What the window admits conforms; a cell that is missing all the same only means that the gate stays silent.
        let _conforms = self.limiter.check_key(&Wish::Take).is_ok();
        let opens_at = full_for.map_or(0, |wait| at.saturating_add(nanos(wait)));
        self.opens_at.store(opens_at, Ordering::Release);
    }

    /// Notes that a request was given back: the window decides until it is full again.
    pub(super) fn gave_back(&self) {
        self.opens_at.store(0, Ordering::Release);
    }

    fn turn_hand(&self, now: Instant) -> u64 {
        let started = *self.started.get_or_init(|| now);
        let at = nanos(now.saturating_duration_since(started));
        self.limiter.clock().0.fetch_max(at, Ordering::AcqRel);
        at
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};
    use crate::limit::window::{Ask, Window};

    /// Plays arrivals against a window with a gate before it, and one without.
    fn play(limit: u64, gaps_ms: &[u64]) {
        let mut now = SystemClock.now();
        let gate = Gate::new(limit).unwrap();
        let (mut window, mut alone) = (Window::default(), Window::default());
        let ask = Ask {
            amount: 1,
            limit,
            one_always: false,
        };
        for gap in gaps_ms {
            now += Duration::from_millis(*gap);
            let expected = alone.room(ask, now);
            if expected.is_ok() {
                alone.take(1, now);
            }
            let answer = match gate.closed_for(now) {
                Some(wait) => Err(wait),
                None => window.room(ask, now),
            };
            if answer.is_ok() {
                window.take(1, now);
                gate.took(window.room(ask, now).err(), now);
            }
            assert_eq!(answer, expected);
        }
    }

    proptest! {
        #[test]
        fn gate_changes_no_answer(
            limit in 1_u64..12,
            gaps_ms in prop::collection::vec(prop_oneof![Just(0), 0_u64..200, 0_u64..30_000], 1..120),
        ) {
            play(limit, &gaps_ms);
        }
    }

    #[test]
    fn gate_says_no_to_a_flood_with_the_true_wait() {
        let now = SystemClock.now();
        let gate = Gate::new(2).unwrap();
        gate.took(None, now);
        assert_eq!(gate.closed_for(now), None);
        gate.took(Some(Duration::from_secs(60)), now);
        let later = now + Duration::from_secs(10);
        assert_eq!(gate.closed_for(later), Some(Duration::from_secs(50)));
        gate.gave_back();
        assert_eq!(gate.closed_for(later), None);
    }

    #[test]
    fn refused_calls_cost_the_gate_nothing() {
        // The case in which GCRA by itself would refuse too much.
        play(2, &[0, 0, 30_000, 30_000, 0]);
    }
}
