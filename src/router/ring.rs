//! A sliding stretch of time, cut into `N` buckets of equal length; memory does not grow with what happens in it.

use std::time::{Duration, Instant};

/// What happened lately, by bucket. The first event after a quiet stretch begins a bucket.
#[derive(Debug)]
pub(super) struct Ring<T, const N: usize> {
    length: Duration,
    /// When bucket number 0 began; `None` while nothing is kept.
    first: Option<Instant>,
    newest: usize,
    /// The last bucket that something was added to.
    filled: usize,
    buckets: [T; N],
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    /// Makes an empty one that covers `length`.
    pub(super) fn new(length: Duration) -> Self {
        Self {
            length,
            first: None,
            newest: 0,
            filled: 0,
            buckets: [T::default(); N],
        }
    }

    /// Returns the time that it covers.
    pub(super) fn length(&self) -> Duration {
        self.length
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.length);
    }

    /// Changes the bucket of `now`; what is older than the newest bucket goes into that one.
    pub(super) fn add(&mut self, now: Instant, change: impl FnOnce(&mut T)) {
        self.advance(now);
        self.first.get_or_insert(now);
        self.filled = self.newest;
        if let Some(bucket) = self.buckets.get_mut(self.newest % N.max(1)) {
            change(bucket);
        }
    }

    /// Returns the buckets that are not past.
    pub(super) fn recent(&mut self, now: Instant) -> &[T] {
        self.advance(now);
        &self.buckets
    }

    /// Covers another length from now on; what is kept stays, as far as it is within the new one. `merge` adds a bucket
    /// to another.
    pub(super) fn resize(&mut self, length: Duration, now: Instant, merge: impl Fn(&mut T, &T)) {
        self.advance(now);
        let old = std::mem::replace(self, Self::new(length));
        let Some(first) = old.first else { return };
        for number in (old.newest + 1).saturating_sub(N)..=old.newest {
            let began = first + old.step().saturating_mul(narrow(number));
            let bucket = old.buckets.get(number % N.max(1));
            if let Some(bucket) = bucket
                && now.saturating_duration_since(began) < length
            {
                self.add(began, |into| merge(into, bucket));
            }
        }
        self.advance(now);
    }

    fn step(&self) -> Duration {
        (self.length / narrow(N).max(1)).max(Duration::from_millis(1))
    }

    /// Empties the buckets that are past.
    fn advance(&mut self, now: Instant) {
        let Some(first) = self.first else { return };
        let since = now.saturating_duration_since(first);
        let number = usize::try_from(since.as_nanos() / self.step().as_nanos());
        let number = number.unwrap_or(usize::MAX);
        if number >= self.filled.saturating_add(N) {
            self.clear();
            return;
        }
        for past in self.newest + 1..=number {
            if let Some(bucket) = self.buckets.get_mut(past % N.max(1)) {
                *bucket = T::default();
            }
        }
        self.newest = self.newest.max(number);
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    const SECOND: Duration = Duration::from_secs(1);

    fn total(ring: &mut Ring<u32, 10>, now: Instant) -> u32 {
        ring.recent(now).iter().sum()
    }

    #[test]
    fn what_is_past_is_forgotten() {
        let clock = ManualClock::at(std::time::UNIX_EPOCH);
        let mut ring = Ring::<u32, 10>::new(10 * SECOND);
        ring.add(clock.now(), |count| *count += 1);
        clock.advance(9 * SECOND);
        ring.add(clock.now(), |count| *count += 1);
        assert_eq!(total(&mut ring, clock.now()), 2);
        clock.advance(SECOND);
        assert_eq!(total(&mut ring, clock.now()), 1);
        clock.advance(3600 * SECOND);
        assert_eq!(total(&mut ring, clock.now()), 0);
        clock.advance(Duration::from_millis(900));
        for _ in 0..30 {
            assert_eq!(total(&mut ring, clock.now()), 0);
            clock.advance(SECOND);
        }
        ring.add(clock.now(), |count| *count += 1);
        clock.advance(Duration::from_millis(9999));
        assert_eq!(total(&mut ring, clock.now()), 1, "the bucket began anew");
    }

    #[test]
    fn another_length_keeps_what_is_within_it() {
        let clock = ManualClock::at(std::time::UNIX_EPOCH);
        let mut ring = Ring::<u32, 10>::new(60 * SECOND);
        ring.add(clock.now(), |count| *count += 1);
        clock.advance(50 * SECOND);
        ring.add(clock.now(), |count| *count += 10);
        clock.advance(SECOND);
        ring.resize(20 * SECOND, clock.now(), |into, from| *into += from);
        assert_eq!(ring.length(), 20 * SECOND);
        assert_eq!(total(&mut ring, clock.now()), 10);
        clock.advance(20 * SECOND);
        assert_eq!(total(&mut ring, clock.now()), 0);
    }

    #[test]
    fn a_clock_read_late_changes_the_newest_bucket() {
        let clock = ManualClock::at(std::time::UNIX_EPOCH);
        let early = clock.now();
        clock.advance(5 * SECOND);
        let mut ring = Ring::<u32, 10>::new(10 * SECOND);
        ring.add(clock.now(), |count| *count += 1);
        ring.add(early, |count| *count += 1);
        assert_eq!(total(&mut ring, clock.now()), 2);
    }
}
