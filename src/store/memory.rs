//! The shared store within one process: the reference that the contract's tests hold Redis to.
//!
//! Instances made by [`MemoryStore::another_instance`] share what is in it, as processes share a Redis.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::redis::{ALIVE_FOR, MOST_ON_THE_BOARD, WARMED_FOR, millis, step_ms};
use super::{
    Answer, Board, Charge, ChargeKind, Cooling, Correction, Report, Stamp, Store, StoreError,
    Verdict,
};
use crate::clock::SharedClock;

/// A store in this process.
#[derive(Clone)]
pub struct MemoryStore {
    held: Arc<Mutex<Held>>,
    clock: SharedClock,
    instance: u64,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// Amount and latest instant, by bucket and instance.
type Window = BTreeMap<(u64, u64), (u64, u64)>;

#[derive(Default)]
struct Held {
    last_instance: u64,
    /// When each instance was heard of.
    heard: HashMap<u64, u64>,
    /// By key: what each bucket of each instance holds, and its latest instant.
    windows: HashMap<String, Window>,
    gauges: HashMap<String, HashMap<u64, u64>>,
    flights: HashMap<u64, Vec<(String, u64)>>,
    cooldowns: HashMap<String, Cooling>,
    warmed: HashMap<String, u64>,
    /// By key and period: dollars, and when the period ends.
    spent: HashMap<(String, u64), (f64, Option<u64>)>,
    values: HashMap<String, (Bytes, Option<u64>)>,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            held: Arc::default(),
            clock,
            instance: 0,
        }
    }

    /// Joins as another instance.
    #[must_use]
    pub fn another_instance(&self) -> Self {
        let mut held = self.held();
        held.last_instance += 1;
        Self {
            held: Arc::clone(&self.held),
            clock: Arc::clone(&self.clock),
            instance: held.last_instance,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        millis_of(self.clock.wall())
    }
}

fn millis_of(time: SystemTime) -> u64 {
    millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl Held {
    fn is_alive(&self, instance: u64, now: u64) -> bool {
        self.heard
            .get(&instance)
            .is_some_and(|heard| now.saturating_sub(*heard) <= millis(ALIVE_FOR))
    }

    /// Looks whether one charge has room; `before`: what earlier charges of the same call take from it.
    fn look(&mut self, charge: &Charge, before: u64, me: u64, now: u64) -> Result<u64, Full> {
        match charge.kind {
            ChargeKind::Window { length, one_always } => {
                let window = self.windows.entry(charge.key.clone()).or_default();
                window.retain(|_, (_, latest)| *latest + millis(length) > now);
                let counted: u64 = window.values().map(|(amount, _)| *amount).sum();
                let used = counted + before;
                let passes = one_always && charge.limit > 0 && used == 0;
                if used + charge.amount <= charge.limit || passes {
                    return Ok(used + charge.amount);
                }
                let need = (used + charge.amount - charge.limit).min(used);
                Err(Full {
                    used,
                    retry_after: Some(wait(window, need, millis(length), now)),
                })
            }
            ChargeKind::Gauge => {
                let holders = self.gauges.get(&charge.key).cloned().unwrap_or_default();
                let counted: u64 = holders
                    .iter()
                    .filter(|(holder, _)| **holder == me || self.is_alive(**holder, now))
                    .map(|(_, held)| *held)
                    .sum();
                let used = counted + before;
                if used + charge.amount <= charge.limit {
                    return Ok(used + charge.amount);
                }
                Err(Full {
                    used,
                    retry_after: None,
                })
            }
        }
    }

    fn take(&mut self, charge: &Charge, me: u64, now: u64) {
        match charge.kind {
            ChargeKind::Window { length, .. } => {
                let window = self.windows.entry(charge.key.clone()).or_default();
                let bucket = window.entry((now / step_ms(length), me)).or_default();
                *bucket = (bucket.0 + charge.amount, now);
            }
            ChargeKind::Gauge => {
                let holders = self.gauges.entry(charge.key.clone()).or_default();
                *holders.entry(me).or_default() += charge.amount;
            }
        }
    }

    fn correct(&mut self, correction: &Correction, me: u64, now: u64) {
        match correction.kind {
            ChargeKind::Window { length, .. } => {
                let number = correction.at.0 / step_ms(length);
                if let Some(window) = self.windows.get_mut(&correction.key)
                    && let Some((amount, _)) = window.get_mut(&(number, me))
                    && correction.at.0 + millis(length) > now
                {
                    *amount = amount.saturating_add_signed(correction.change);
                }
            }
            ChargeKind::Gauge => {
                let holders = self.gauges.entry(correction.key.clone()).or_default();
                let held = holders.entry(me).or_default();
                *held = held.saturating_add_signed(correction.change);
            }
        }
    }

    fn cool(&mut self, cooling: &Cooling, now: SystemTime) {
        let is_later = self
            .cooldowns
            .get(&cooling.key)
            .is_none_or(|known| known.until < cooling.until);
        if is_later && cooling.until > now && self.cooldowns.len() < MOST_ON_THE_BOARD {
            self.warmed.remove(&cooling.key);
            self.cooldowns.insert(cooling.key.clone(), cooling.clone());
        }
    }

    fn spend(&mut self, report: &Report, now: u64) {
        for spent in &report.spent {
            let period_ms = spent.period.map_or(0, millis);
            let ends = (period_ms > 0).then_some(now + period_ms);
            let total = self
                .spent
                .entry((spent.key.clone(), period_ms))
                .or_insert((0.0, ends));
            if total.1.is_some_and(|ends| ends <= now) {
                *total = (0.0, ends);
            }
            total.0 += spent.usd;
        }
    }

    fn board(&mut self, me: u64, now: u64, wall: SystemTime) -> Board {
        let alive: HashSet<u64> = self
            .flights
            .keys()
            .copied()
            .filter(|instance| self.is_alive(*instance, now))
            .collect();
        self.flights.retain(|instance, _| alive.contains(instance));
        self.cooldowns.retain(|_, cooling| cooling.until > wall);
        self.warmed.retain(|_, at| *at + millis(WARMED_FOR) > now);
        self.spent
            .retain(|_, (_, ends)| ends.is_none_or(|ends| ends > now));
        let mut in_flight: HashMap<&String, u64> = HashMap::new();
        let others = self.flights.iter().filter(|(instance, _)| **instance != me);
        for (id, count) in others.flat_map(|(_, flight)| flight) {
            *in_flight.entry(id).or_default() += count;
        }
        Board {
            instances: u32::try_from(alive.len()).unwrap_or(u32::MAX),
            in_flight: in_flight
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(id, count)| (id.clone(), count))
                .collect(),
            cooldowns: self.cooldowns.values().cloned().collect(),
            warmed: self
                .warmed
                .iter()
                .map(|(key, at)| (key.clone(), Stamp(*at)))
                .collect(),
            spent: self
                .spent
                .iter()
                .map(|((key, _), (usd, ends))| {
                    let left = ends.map(|ends| Duration::from_millis(ends - now));
                    (key.clone(), *usd, left)
                })
                .collect(),
        }
    }
}

struct Full {
    used: u64,
    retry_after: Option<Duration>,
}

fn wait(window: &Window, need: u64, length: u64, now: u64) -> Duration {
    let mut buckets: Vec<(u64, u64)> = window.values().copied().collect();
    buckets.sort_unstable_by_key(|(_, latest)| *latest);
    let mut freed = 0;
    let mut until = now + length;
    for (amount, latest) in buckets {
        freed += amount;
        until = latest + length;
        if freed >= need {
            break;
        }
    }
    Duration::from_millis(until - now)
}

fn done<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(ready(Ok::<T, StoreError>(value)))
}

impl Store for MemoryStore {
    fn reserve<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Verdict> {
        let now = self.now();
        let mut held = self.held();
        held.heard.insert(self.instance, now);
        let mut taken: HashMap<&str, u64> = HashMap::new();
        let mut used_by_each = Vec::with_capacity(charges.len());
        for (index, charge) in charges.iter().enumerate() {
            let before = taken.entry(&charge.key).or_default();
            match held.look(charge, *before, self.instance, now) {
                Ok(used) => used_by_each.push(used),
                Err(Full { used, retry_after }) => {
                    return done(Verdict::Refused {
                        index,
                        retry_after,
                        used,
                    });
                }
            }
            *before += charge.amount;
        }
        for charge in charges {
            held.take(charge, self.instance, now);
        }
        done(Verdict::Granted {
            at: Stamp(now),
            used: used_by_each,
        })
    }

    fn correct<'a>(&'a self, corrections: &'a [Correction]) -> Answer<'a, ()> {
        let now = self.now();
        let mut held = self.held();
        for correction in corrections {
            held.correct(correction, self.instance, now);
        }
        done(())
    }

    fn took_alone(&self, charges: &[Charge]) -> Stamp {
        let now = self.now();
        let mut held = self.held();
        for charge in charges {
            held.take(charge, self.instance, now);
        }
        Stamp(now)
    }

    fn exchange<'a>(&'a self, report: &'a Report) -> Answer<'a, Board> {
        let (now, wall) = (self.now(), self.clock.wall());
        let mut held = self.held();
        held.heard.insert(self.instance, now);
        held.flights.insert(self.instance, report.in_flight.clone());
        for cooling in &report.cooldowns {
            held.cool(cooling, wall);
        }
        held.spend(report, now);
        done(held.board(self.instance, now, wall))
    }

    fn warm<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        let (now, wall) = (self.now(), self.clock.wall());
        let mut held = self.held();
        let was = held.cooldowns.remove(key);
        if was.is_some_and(|cooling| cooling.until > wall) {
            held.warmed.insert(key.to_owned(), now);
        }
        done(())
    }

    fn read<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        let now = self.now();
        let held = self.held();
        let read = keys.iter().map(|key| {
            let (value, ends) = held.values.get(key)?;
            ends.is_none_or(|ends| ends > now).then(|| value.clone())
        });
        done(read.collect())
    }

    fn write<'a>(&'a self, key: &'a str, value: Bytes, ttl: Option<Duration>) -> Answer<'a, ()> {
        let ends = ttl.map(|ttl| self.now() + millis(ttl).max(1));
        self.held().values.insert(key.to_owned(), (value, ends));
        done(())
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> Answer<'a, u64> {
        let mut held = self.held();
        let deleted = keys.iter().filter(|key| held.values.remove(*key).is_some());
        done(deleted.map(|_| 1).sum())
    }

    fn flush<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        let mut held = self.held();
        let flushed = held.values.extract_if(|key, _| key.starts_with(prefix));
        done(flushed.map(|_| 1).sum())
    }

    fn ping(&self) -> Answer<'_, ()> {
        done(())
    }

    fn info(&self) -> Answer<'_, String> {
        done("# Server\nmode:memory\n".to_owned())
    }

    fn is_up(&self) -> bool {
        true
    }
}
