//! One sliding window: what was taken in the last 60 s, and when there is room again.
//!
//! What is taken within 50 ms of the first of a slice joins it, so a window is at most 1,201 slices long whatever its limit
//! is. A slice leaves 60 s after the *latest* instant in it: the window never forgets anything early, so it never admits
//! more than its limit in any 60 s; what was taken first in a slice is remembered up to 50 ms longer than it had to be.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a window is.
pub(super) const LENGTH: Duration = Duration::from_secs(60);
/// What is taken within this time of a slice's first instant joins it.
const SLICE: Duration = Duration::from_millis(50);
/// An emptied window gives its memory back when it had grown past this many slices.
const KEPT_SLICES: usize = 16;

/// What was taken in the last 60 s.
#[derive(Debug, Default)]
pub(super) struct Window {
    slices: VecDeque<Slice>,
    used: u64,
}

#[derive(Debug)]
struct Slice {
    first: Instant,
    last: Instant,
    amount: u64,
}

/// Where in a window something was taken, to give it back there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(pub(super) Instant);

/// What is asked of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    /// How much.
    pub(super) amount: u64,
    /// Of what.
    pub(super) limit: u64,
    /// Whether it passes an untouched window, however large it is.
    pub(super) one_always: bool,
}

impl Window {
    /// Returns what is used now.
    pub(super) fn used(&mut self, now: Instant) -> u64 {
        self.expire(now);
        self.used
    }

    /// Looks whether there is room.
    ///
    /// # Errors
    ///
    /// How long until there is, if nothing is given back; a whole window for what can never have room.
    pub(super) fn room(&mut self, ask: Ask, now: Instant) -> Result<(), Duration> {
        self.expire(now);
        let fits = self.used.saturating_add(ask.amount) <= ask.limit;
        if fits || (ask.one_always && self.used == 0 && ask.limit > 0) {
            return Ok(());
        }
        Err(self.wait(ask, now))
    }

    fn wait(&self, ask: Ask, now: Instant) -> Duration {
        let too_much = self
            .used
            .saturating_add(ask.amount)
            .saturating_sub(ask.limit);
        let must_go = if ask.one_always && ask.limit > 0 {
            too_much.min(self.used)
        } else {
            too_much
        };
        let mut gone = 0_u64;
        for slice in &self.slices {
            gone = gone.saturating_add(slice.amount);
            if gone >= must_go {
                return leaves_in(slice, now);
            }
        }
        LENGTH
    }

    /// Takes, whether there is room or not.
    pub(super) fn take(&mut self, amount: u64, now: Instant) -> Place {
        self.expire(now);
        self.used = self.used.saturating_add(amount);
        if let Some(slice) = self.slices.back_mut()
            && now.saturating_duration_since(slice.first) < SLICE
        {
            // Two threads may come in another order than they looked at the clock.
            slice.last = slice.last.max(now);
            slice.amount = slice.amount.saturating_add(amount);
            return Place(slice.first);
        }
        self.slices.push_back(Slice {
            first: now,
            last: now,
            amount,
        });
        Place(now)
    }

    /// Changes what was taken at `place`; nothing if that has left.
    pub(super) fn change(&mut self, place: Place, by: i64) {
        let found = self
            .slices
            .binary_search_by_key(&place.0, |slice| slice.first);
        let Some(slice) = found.ok().and_then(|index| self.slices.get_mut(index)) else {
            return;
        };
        let after = slice.amount.saturating_add_signed(by);
        self.used = (self.used - slice.amount).saturating_add(after);
        slice.amount = after;
    }

    /// Returns how long until nothing of it is used.
    pub(super) fn whole_in(&mut self, now: Instant) -> Duration {
        self.expire(now);
        let last = self.slices.iter().rev().find(|slice| slice.amount > 0);
        last.map_or(Duration::ZERO, |slice| leaves_in(slice, now))
    }

    fn expire(&mut self, now: Instant) {
        while let Some(slice) = self.slices.front()
            && now.saturating_duration_since(slice.last) >= LENGTH
        {
            self.used -= slice.amount;
            self.slices.pop_front();
        }
        if self.slices.is_empty() && self.slices.capacity() > KEPT_SLICES {
            self.slices = VecDeque::new();
        }
    }
}

fn leaves_in(slice: &Slice, now: Instant) -> Duration {
    LENGTH.saturating_sub(now.saturating_duration_since(slice.last))
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
