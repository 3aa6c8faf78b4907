//! What this instance took from limits and has not given back: its own copy of its part of Redis.
//!
//! Redis may come back empty, or go away while calls go on. After every new connection the ledger is handed in, set and not
//! added, before anything else is taken: two instances with 100 a minute have 100 a minute together across a restart.
//! Bounded: what no longer fits is left out, and is then only as exact as Redis is lasting.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::store::{Charge, ChargeKind, Correction, Stamp};

/// How many limits are remembered.
const MOST_KEYS: usize = 20_000;

/// How many buckets are remembered, of all windows.
const MOST_BUCKETS: usize = 200_000;

/// Into how many buckets a window is cut: 50 ms each in a minute.
const BUCKETS_OF_A_WINDOW: u64 = 1200;

/// How long one bucket of a window is, in milliseconds.
pub(crate) fn step_ms(length: Duration) -> u64 {
    (millis(length) / BUCKETS_OF_A_WINDOW).max(1)
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Which: the time since 1970 in steps.
    pub(super) number: u64,
    /// The last moment at which something was taken, in milliseconds since 1970.
    pub(super) latest: u64,
    /// What was taken.
    pub(super) amount: u64,
}

#[derive(Debug, Default)]
struct Window {
    length: Duration,
    buckets: VecDeque<Bucket>,
}

/// One limit as it is handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// What a window holds.
    Window {
        key: String,
        length: Duration,
        buckets: Vec<Bucket>,
    },
    /// What is held of a gauge.
    Gauge { key: String, held: u64 },
}

/// What was taken.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    windows: HashMap<String, Window>,
    gauges: HashMap<String, u64>,
    buckets_total: usize,
    /// Limits that changed while Redis was away.
    unsent: HashSet<String>,
}

impl Ledger {
    /// Makes gauges known before they are asked for: should the answer be lost, it is handed in that nothing is held.
    pub(super) fn expect(&mut self, charges: &[Charge]) {
        for charge in charges {
            if charge.kind == ChargeKind::Gauge && !self.gauges.contains_key(&charge.key) {
                self.hold(&charge.key, 0);
            }
        }
    }

    /// Books what was taken.
    pub(super) fn take(&mut self, charges: &[Charge], at: Stamp) {
        for charge in charges {
            match charge.kind {
                ChargeKind::Gauge => self.hold(&charge.key, charge.amount),
                ChargeKind::Window { length, .. } => {
                    self.count(&charge.key, length, at, charge.amount);
                }
            }
        }
    }

    fn hold(&mut self, key: &str, amount: u64) {
        if let Some(held) = self.gauges.get_mut(key) {
            *held = held.saturating_add(amount);
            return;
        }
        if self.gauges.len() >= MOST_KEYS {
            self.gauges.retain(|_, held| *held > 0);
        }
        if self.gauges.len() < MOST_KEYS {
            self.gauges.insert(key.to_owned(), amount);
        }
    }

    fn count(&mut self, key: &str, length: Duration, at: Stamp, amount: u64) {
        if amount == 0 {
            return;
        }
        if !self.windows.contains_key(key) {
            if self.windows.len() >= MOST_KEYS {
                return;
            }
            self.windows.insert(key.to_owned(), Window::default());
        }
        let Some(window) = self.windows.get_mut(key) else {
            return;
        };
        window.length = length;
        let before = window.buckets.len();
        window.prune(at);
        let number = at.0 / step_ms(length);
        match window.place(number) {
            Ok(bucket) => {
                bucket.amount = bucket.amount.saturating_add(amount);
                bucket.latest = bucket.latest.max(at.0);
            }
            Err(place) if self.buckets_total < MOST_BUCKETS => window.buckets.insert(
                place,
                Bucket {
                    number,
                    latest: at.0,
                    amount,
                },
            ),
            Err(_) => {}
        }
        self.buckets_total = (self.buckets_total + window.buckets.len()).saturating_sub(before);
    }

    /// Books a correction. `later`: Redis is away, and has to be told when it is back.
    pub(super) fn correct(&mut self, correction: &Correction, later: bool) {
        let changed = |amount: u64| amount.saturating_add_signed(correction.change);
        match correction.kind {
            ChargeKind::Gauge => {
                if let Some(held) = self.gauges.get_mut(&correction.key) {
                    *held = changed(*held);
                }
            }
            ChargeKind::Window { length, .. } => {
                let number = correction.at.0 / step_ms(length);
                if let Some(window) = self.windows.get_mut(&correction.key)
                    && let Ok(bucket) = window.place(number)
                {
                    bucket.amount = changed(bucket.amount);
                }
            }
        }
        if later {
            self.note_unsent(&correction.key);
        }
    }

    /// Notes that a limit changed while Redis was away.
    pub(super) fn note_unsent(&mut self, key: &str) {
        if self.unsent.len() < 2 * MOST_KEYS && !self.unsent.contains(key) {
            self.unsent.insert(key.to_owned());
        }
    }

    /// Forgets windows that are past.
    pub(super) fn prune(&mut self, now: Stamp) {
        let mut total = 0;
        self.windows.retain(|_, window| {
            window.prune(now);
            total += window.buckets.len();
            !window.buckets.is_empty()
        });
        self.buckets_total = total;
    }

    /// Returns everything, to be handed in.
    pub(super) fn all(&mut self, now: Stamp) -> Vec<Entry> {
        self.prune(now);
        self.unsent.clear();
        let windows = self.windows.iter().map(|(key, window)| window.entry(key));
        let gauges = self.gauges.iter().map(|(key, held)| Entry::Gauge {
            key: key.clone(),
            held: *held,
        });
        windows.chain(gauges).collect()
    }

    /// Returns what changed since it was handed in, while Redis was away.
    pub(super) fn changed(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for key in self.unsent.drain() {
            if let Some(window) = self.windows.get(&key) {
                entries.push(window.entry(&key));
            }
            if let Some(held) = self.gauges.get(&key) {
                entries.push(Entry::Gauge { key, held: *held });
            }
        }
        entries
    }

    /// Returns gauges of which something is held, at most `most` of them.
    pub(super) fn held(&self, most: usize) -> Vec<String> {
        let held = self.gauges.iter().filter(|(_, held)| **held > 0);
        held.take(most).map(|(key, _)| key.clone()).collect()
    }
}

impl Window {
    fn prune(&mut self, now: Stamp) {
        let length = millis(self.length);
        while self
            .buckets
            .front()
            .is_some_and(|bucket| bucket.latest.saturating_add(length) <= now.0)
        {
            self.buckets.pop_front();
        }
    }

    /// Finds a bucket, or where it would stand.
    fn place(&mut self, number: u64) -> Result<&mut Bucket, usize> {
        match self
            .buckets
            .binary_search_by_key(&number, |bucket| bucket.number)
        {
            Ok(place) => self.buckets.get_mut(place).ok_or(place),
            Err(place) => Err(place),
        }
    }

    fn entry(&self, key: &str) -> Entry {
        Entry::Window {
            key: key.to_owned(),
            length: self.length,
            buckets: self.buckets.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: ChargeKind = ChargeKind::Window {
        length: Duration::from_secs(60),
        one_always: false,
    };

    fn charge(kind: ChargeKind) -> [Charge; 1] {
        [Charge {
            key: "k".to_owned(),
            limit: 10,
            amount: 2,
            kind,
        }]
    }

    fn correction(kind: ChargeKind, at: u64, change: i64) -> Correction {
        Correction {
            key: "k".to_owned(),
            kind,
            at: Stamp(at),
            change,
        }
    }

    fn buckets(ledger: &mut Ledger, now: u64) -> Vec<(u64, u64)> {
        match ledger.all(Stamp(now)).pop() {
            Some(Entry::Window { buckets, .. }) => buckets
                .iter()
                .map(|bucket| (bucket.latest, bucket.amount))
                .collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn what_is_taken_within_50_ms_shares_a_bucket() {
        let mut ledger = Ledger::default();
        for at in [1000, 1049, 1050] {
            ledger.take(&charge(MINUTE), Stamp(at));
        }
        assert_eq!(buckets(&mut ledger, 1050), [(1049, 4), (1050, 2)]);
    }

    #[test]
    fn a_window_is_forgotten_when_it_is_past() {
        let mut ledger = Ledger::default();
        ledger.take(&charge(MINUTE), Stamp(1000));
        assert_eq!(buckets(&mut ledger, 60_999).len(), 1);
        assert!(buckets(&mut ledger, 61_000).is_empty());
        assert_eq!(ledger.buckets_total, 0);
    }

    #[test]
    fn corrections_never_go_below_zero() {
        let mut ledger = Ledger::default();
        ledger.take(&charge(MINUTE), Stamp(1000));
        ledger.correct(&correction(MINUTE, 1000, -5), false);
        assert_eq!(buckets(&mut ledger, 1000), [(1000, 0)]);
        ledger.correct(&correction(MINUTE, 9000, 5), false);
        assert_eq!(buckets(&mut ledger, 1000), [(1000, 0)]);
    }

    #[test]
    fn what_changed_while_away_is_handed_in_once() {
        let mut ledger = Ledger::default();
        ledger.take(&charge(ChargeKind::Gauge), Stamp(0));
        ledger.correct(&correction(ChargeKind::Gauge, 0, -1), true);
        let entry = Entry::Gauge {
            key: "k".to_owned(),
            held: 1,
        };
        assert_eq!(ledger.changed(), [entry]);
        assert!(ledger.changed().is_empty());
    }

    #[test]
    fn a_gauge_whose_answer_is_lost_is_handed_in_as_empty() {
        let mut ledger = Ledger::default();
        ledger.expect(&charge(ChargeKind::Gauge));
        let entry = Entry::Gauge {
            key: "k".to_owned(),
            held: 0,
        };
        assert_eq!(ledger.all(Stamp(0)), [entry]);
        assert!(ledger.held(1).is_empty());
    }
}
