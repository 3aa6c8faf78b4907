//! State that several instances share.
//!
//! A [`Store`] is what Redis does for Switchyard: exact windows and gauges for limits, a board on which instances tell
//! each other of cooldowns and load, counters of spend, and bytes for the response cache. Each operation is one round trip
//! and has a stated bound in time. Nothing here decides what happens when the store is away: who uses it does, and says so.

mod counted;
mod memory;
mod redis;

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use self::counted::counted;
pub use self::memory::MemoryStore;
pub use self::redis::{connect, connect_trusting};

/// One limit that a call counts against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Whose limit it is: unique in all instances, without secrets (`rpm:deployment:<id>`).
    pub key: String,
    /// What may be taken within the window, or at one time.
    pub limit: u64,
    /// What this call takes.
    pub amount: u64,
    /// How it is counted.
    pub kind: ChargeKind,
}

/// How a limit is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeKind {
    /// Never more than the limit in any stretch of this length. `one_always`: a call passes an untouched window,
    /// however large it is.
    Window {
        /// The length.
        length: Duration,
        /// Whether one call always passes an untouched window.
        one_always: bool,
    },
    /// Never more than the limit at one time.
    Gauge,
}

/// What a store says to a reservation. It is all or nothing: where one charge is refused, none was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All were taken.
    Granted {
        /// When, by the store's clock: hand it back to give something back.
        at: Stamp,
        /// For each charge, what is used now, this call included.
        used: Vec<u64>,
    },
    /// One has no room.
    Refused {
        /// Its place among the charges.
        index: usize,
        /// When there will be room; `None` for a gauge.
        retry_after: Option<Duration>,
        /// What is used of it.
        used: u64,
    },
}

/// A moment by the store's clock, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp(pub u64);

/// A correction of something that was taken before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The charge's key.
    pub key: String,
    /// How it is counted.
    pub kind: ChargeKind,
    /// When it was taken.
    pub at: Stamp,
    /// What is added to it; negative to give back.
    pub change: i64,
}

/// What one instance tells the others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// What is summed over instances, by name: calls under way of a deployment, and what its last minute used.
    pub in_flight: Vec<(String, u64)>,
    /// Deployments that cool down: key (`id`, or `id` and concrete model), and until when.
    pub cooldowns: Vec<Cooling>,
    /// Dollars spent since the last report: key, period's name, amount, and when the period ends.
    pub spent: Vec<Spent>,
}

/// A deployment that is left out for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cooling {
    /// The deployment's id, with the concrete model for a wildcard (`id\u{1f}model`).
    pub key: String,
    /// Until when.
    pub until: SystemTime,
    /// The kind of error, as [`crate::error::ErrorKind::name`] spells it.
    pub reason: String,
    /// How often in a row it has been cooled down.
    pub step: u32,
}

/// Dollars, counted by period.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    /// Whose (`deployment:<id>`, `provider:bedrock`).
    pub key: String,
    /// How long a period is; `None`: for ever.
    pub period: Option<Duration>,
    /// US dollars spent since the last report.
    pub usd: f64,
}

/// What all instances told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Board {
    /// Instances heard of lately, this one included.
    pub instances: u32,
    /// The sums of what the other instances told.
    pub in_flight: Vec<(String, u64)>,
    /// Every cooldown in force.
    pub cooldowns: Vec<Cooling>,
    /// Cooldowns that were ended before their time, for some seconds: key, and when they were.
    pub warmed: Vec<(String, Stamp)>,
    /// Dollars spent in the running period, by all instances: key, dollars, and how long the period still runs.
    pub spent: Vec<(String, f64, Option<Duration>)>,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// It could not be reached, or did not answer in time; it may have done it all the same.
    Away(String),
    /// It refused: no permission, a wrong type, no memory.
    Refused(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => write!(f, "the shared store is away: {why}"),
            Self::Refused(why) => write!(f, "the shared store refused: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// What an operation of a store comes to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// State that several instances share.
pub trait Store: fmt::Debug + Send + Sync {
    /// Takes all `charges` or none, in one round trip.
    fn reserve<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Verdict>;
    /// Corrects what was taken; a correction of something that is past is nothing. Where the store is away it is kept, and
    /// handed in when it is back: that is no error.
    fn correct<'a>(&'a self, corrections: &'a [Correction]) -> Answer<'a, ()>;
    /// Books what the caller took by itself because the store was away; the store is told when it is back. Waits for
    /// nothing. Returns the moment, for corrections.
    fn took_alone(&self, charges: &[Charge]) -> Stamp;
    /// Tells the others, and reads what they told. What was spent is handed over for good, also where this fails: the store
    /// keeps it until it has counted it, once.
    fn exchange<'a>(&'a self, report: &'a Report) -> Answer<'a, Board>;
    /// Ends a cooldown for all instances, after a probe succeeded.
    fn warm<'a>(&'a self, key: &'a str) -> Answer<'a, ()>;

    /// Reads the values of `keys`, `None` for one that is not there.
    fn read<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>>;
    /// Writes a value; `None`: it does not expire.
    fn write<'a>(&'a self, key: &'a str, value: Bytes, ttl: Option<Duration>) -> Answer<'a, ()>;
    /// Deletes keys, and returns how many there were.
    fn delete<'a>(&'a self, keys: &'a [String]) -> Answer<'a, u64>;
    /// Deletes every value whose key begins with `prefix`, and returns how many there were.
    fn flush<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64>;

    /// Asks whether it is there.
    fn ping(&self) -> Answer<'_, ()>;
    /// Returns what the server says of itself (Redis `INFO`), as text.
    fn info(&self) -> Answer<'_, String>;
    /// Says whether the last operation reached it; costs nothing.
    fn is_up(&self) -> bool;
}
