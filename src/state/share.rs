//! The background exchange with other instances: four times a second, and at once when something new cools down.
//!
//! What there is to tell, and what becomes of what is learned, is behind [`Shares`]. A [`Sharer`] remembers what was told
//! and learned already, so that a cooldown does not echo between instances, and what was warmed is warmed once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SharedClock;
use crate::store::{Board, Cooling, Report, Spent, Stamp, Store};

/// How often instances exchange.
const EVERY: Duration = Duration::from_millis(250);

/// How much the end of a cooldown may differ and still be the same: it travels as a remaining time.
const SAME_WITHIN: Duration = Duration::from_millis(100);

/// What this instance tells others, and what it learns from them.
pub trait Shares: Send + Sync {
    /// Returns what is summed over instances: by deployment, calls under way here, and the last minute's requests and tokens.
    fn in_flight(&self) -> Vec<(String, u64)>;
    /// Returns the cooldowns in force here, learned ones included.
    fn cooldowns(&self) -> Vec<Cooling>;
    /// Takes what was spent here since the last time. It is asked for once: the store keeps it until it has counted it.
    fn take_spent(&self) -> Vec<Spent>;

    /// Learns how many instances there are, this one included: 1 at least.
    fn set_instances(&self, instances: u32);
    /// Learns the sums of the other instances; what is not named is 0.
    fn set_in_flight_elsewhere(&self, in_flight: &[(String, u64)]);
    /// Learns of a cooldown; an end that is earlier than the own one changes nothing.
    fn cool(&self, cooling: &Cooling);
    /// Learns that a cooldown was ended elsewhere by a probe that succeeded.
    fn warm(&self, key: &str);
    /// Learns what all instances spent in the running periods: key, US dollars, and how long the period still runs.
    fn set_spent(&self, spent: &[(String, f64, Option<Duration>)]);
}

/// Exchanges with other instances through a store.
pub struct Sharer {
    store: Arc<dyn Store>,
    shares: Arc<dyn Shares>,
    clock: SharedClock,
    /// The ends of cooldowns that were told or learned.
    known: HashMap<String, SystemTime>,
    /// When what was warmed elsewhere was.
    warmed: HashMap<String, Stamp>,
}

impl std::fmt::Debug for Sharer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sharer")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Sharer {
    /// Makes one that has told nothing yet.
    pub fn new(store: Arc<dyn Store>, shares: Arc<dyn Shares>, clock: SharedClock) -> Self {
        Self {
            store,
            shares,
            clock,
            known: HashMap::new(),
            warmed: HashMap::new(),
        }
    }

    /// Exchanges as a task of `tracker` until `stop`, and once more then; at once, whenever `nudged`.
    pub fn start(
        mut self,
        tracker: &TaskTracker,
        stop: CancellationToken,
        nudged: Arc<Notify>,
    ) -> JoinHandle<()> {
        tracker.spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = nudged.notified() => {}
                    _ = ticks.tick() => {}
                }
                self.exchange().await;
            }
            self.exchange().await;
        })
    }

    /// Exchanges once. Where the store is away nothing of other instances' calls is known; how many they were, and what
    /// they spent, stays as it was.
    pub async fn exchange(&mut self) {
        let now = self.clock.wall();
        self.known.retain(|_, until| *until > now);
        let report = Report {
            in_flight: self.shares.in_flight(),
            cooldowns: self.untold(),
            spent: self.shares.take_spent(),
        };
        match self.store.exchange(&report).await {
            Ok(board) => {
                for cooling in report.cooldowns {
                    self.known.insert(cooling.key, cooling.until);
                }
                self.learn(&board);
            }
            // The store says that it is away, once; the cooldowns are told when it is back.
            Err(_) => self.shares.set_in_flight_elsewhere(&[]),
        }
    }

    /// The cooldowns that others do not know yet.
    fn untold(&self) -> Vec<Cooling> {
        let mut cooldowns = self.shares.cooldowns();
        cooldowns.retain(|cooling| self.is_new(cooling));
        cooldowns
    }

    fn is_new(&self, cooling: &Cooling) -> bool {
        self.known
            .get(&cooling.key)
            .is_none_or(|until| *until + SAME_WITHIN < cooling.until)
    }

    fn learn(&mut self, board: &Board) {
        // A store that lost what it was told is told again.
        let there: HashSet<&str> = board.cooldowns.iter().map(|c| c.key.as_str()).collect();
        self.known.retain(|key, _| there.contains(key.as_str()));
        self.shares.set_instances(board.instances.max(1));
        self.shares.set_in_flight_elsewhere(&board.in_flight);
        self.shares.set_spent(&board.spent);
        for cooling in &board.cooldowns {
            if self.is_new(cooling) {
                self.known.insert(cooling.key.clone(), cooling.until);
                self.shares.cool(cooling);
            }
        }
        for (key, at) in &board.warmed {
            if self.warmed.get(key) != Some(at) {
                self.known.remove(key);
                self.shares.warm(key);
            }
        }
        self.warmed = board.warmed.iter().cloned().collect();
    }
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
