//! What is used of one holder's limits, under one lock.
//!
//! A ledger outlives snapshots: limits change, what was used does not.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::LimitName;
use super::window::{Ask, LENGTH, Place, Window};

/// What is used of one holder's limits.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Book>);

impl Ledger {
    /// Opens the book; nobody keeps it open across an `.await`.
    pub(super) fn open(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A ledger's contents.
#[derive(Debug, Default)]
pub(super) struct Book {
    rpm: Tally<Window>,
    tpm: Tally<Window>,
    itpm: Tally<Window>,
    otpm: Tally<Window>,
    parallel: Tally<u64>,
}

/// What is used of one limit: here, and as the shared store last said.
#[derive(Debug, Default)]
struct Tally<T> {
    count: T,
    heard: Option<Heard>,
}

/// What the shared store last said of a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    at: Instant,
    /// What all instances used.
    used: u64,
    /// What this instance may have in use while the store is away.
    share: u64,
    /// How many instances there were; 0 where nobody knows.
    instances: u64,
}

impl Heard {
    /// Notes what all instances used of `limit`, `own` of it here.
    pub(super) fn new(used: u64, own: u64, limit: u64, instances: u32, at: Instant) -> Self {
        let instances = u64::from(instances);
        let left = limit.saturating_sub(used);
        Self {
            at,
            used,
            share: own.saturating_add(left / instances.max(1)),
            instances,
        }
    }

    /// What this instance may use of `limit` while the store is away.
    ///
    /// For one window's length: what it had, and its part of what was left then. All parts together are the limit. After
    /// that an equal part of the limit; for one more length the smaller of the two, because an instance that begins to use
    /// its equal part must not add to what another took under the first rule.
    fn share_of(&self, limit: u64, now: Instant) -> u64 {
        if self.instances == 0 {
            return limit;
        }
        let equal = equal_part(limit, self.instances);
        let age = now.saturating_duration_since(self.at);
        let share = match age {
            age if age < LENGTH => self.share,
            age if age < 2 * LENGTH => self.share.min(equal),
            _ => equal,
        };
        share.min(limit)
    }

    /// Shortly after it was said, it is what is used; later only what is known here is.
    fn used_now(&self, now: Instant) -> u64 {
        const FRESH: Duration = Duration::from_secs(5);
        if now.saturating_duration_since(self.at) < FRESH {
            self.used
        } else {
            0
        }
    }
}

/// One instance's part of a limit; all of it where nobody knows of others.
fn equal_part(limit: u64, instances: u64) -> u64 {
    match instances {
        0 => limit,
        _ => (limit / instances).max(1).min(limit),
    }
}

/// Applies an expression to the tally of a limit: four are windows, one a gauge.
macro_rules! tally {
    ($book:expr, $name:expr, |$window:ident| $by_window:expr, |$gauge:ident| $by_gauge:expr) => {{
        let $window = match $name {
            LimitName::Rpm => &mut $book.rpm,
            LimitName::Tpm => &mut $book.tpm,
            LimitName::Itpm => &mut $book.itpm,
            LimitName::Otpm => &mut $book.otpm,
            LimitName::Parallel => {
                let $gauge = &mut $book.parallel;
                return $by_gauge;
            }
        };
        $by_window
    }};
}

impl Book {
    /// Looks whether there is room.
    ///
    /// # Errors
    ///
    /// How long until there is; `None` where that is when another call ends.
    pub(super) fn room(
        &mut self,
        name: LimitName,
        ask: Ask,
        now: Instant,
    ) -> Result<(), Option<Duration>> {
        tally!(
            self,
            name,
            |tally| tally.count.room(ask, now).map_err(Some),
            |tally| {
                if tally.count.saturating_add(ask.amount) <= ask.limit {
                    Ok(())
                } else {
                    Err(None)
                }
            }
        )
    }

    /// Looks whether what was taken already (`ask.amount`) is within this instance's share while the store is away.
    ///
    /// # Errors
    ///
    /// As [`Book::room`].
    pub(super) fn within_share(
        &mut self,
        name: LimitName,
        ask: Ask,
        instances: u32,
        now: Instant,
    ) -> Result<(), Option<Duration>> {
        let share = match self.heard(name) {
            Some(heard) => heard.share_of(ask.limit, now),
            None => equal_part(ask.limit, u64::from(instances)),
        };
        let used = self.used(name, now);
        if used <= share || (ask.one_always && used == ask.amount) {
            return Ok(());
        }
        // It waits for what is above the share to go.
        let above = Ask {
            amount: 0,
            limit: share,
            one_always: false,
        };
        self.room(name, above, now)
    }

    /// Takes, whether there is room or not.
    pub(super) fn take(&mut self, name: LimitName, amount: u64, now: Instant) -> Place {
        tally!(self, name, |tally| tally.count.take(amount, now), |tally| {
            tally.count = tally.count.saturating_add(amount);
            Place(now)
        })
    }

    /// Changes what was taken at `place`.
    pub(super) fn change(&mut self, name: LimitName, place: Place, by: i64) {
        tally!(self, name, |tally| tally.count.change(place, by), |tally| {
            tally.count = tally.count.saturating_add_signed(by);
        });
    }

    /// Returns what is used here.
    pub(super) fn used(&mut self, name: LimitName, now: Instant) -> u64 {
        tally!(self, name, |tally| tally.count.used(now), |tally| tally
            .count)
    }

    /// Returns what is used everywhere, as far as is known.
    pub(super) fn used_everywhere(&mut self, name: LimitName, now: Instant) -> u64 {
        let heard = self.heard(name).map_or(0, |heard| heard.used_now(now));
        self.used(name, now).max(heard)
    }

    /// Returns how long until nothing of it is used.
    pub(super) fn whole_in(&mut self, name: LimitName, now: Instant) -> Duration {
        tally!(self, name, |tally| tally.count.whole_in(now), |_tally| {
            Duration::ZERO
        })
    }

    /// Changes what the shared store said, by what it is about to be told.
    pub(super) fn change_heard(&mut self, name: LimitName, by: i64) {
        if let Some(heard) = self.heard_mut(name) {
            heard.used = heard.used.saturating_add_signed(by);
        }
    }

    /// Notes what the shared store said.
    pub(super) fn hear(&mut self, name: LimitName, heard: Heard) {
        tally!(self, name, |tally| tally.heard = Some(heard), |tally| {
            tally.heard = Some(heard);
        });
    }

    fn heard(&mut self, name: LimitName) -> Option<Heard> {
        self.heard_mut(name).copied()
    }

    fn heard_mut(&mut self, name: LimitName) -> Option<&mut Heard> {
        tally!(self, name, |tally| tally.heard.as_mut(), |tally| tally
            .heard
            .as_mut())
    }
}
