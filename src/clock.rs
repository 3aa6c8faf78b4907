//! Time, behind one small trait, so that tests can set it.
//!
//! Nothing else in the crate reads the system's clocks (a lint bans it). [`SystemClock`] is what the program uses,
//! [`ManualClock`] what tests use.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads time: a monotonic instant for durations, and the wall clock for signatures and `created` fields.
pub trait Clock: Debug + Send + Sync {
    /// Returns the monotonic time.
    fn now(&self) -> Instant;
    /// Returns the wall-clock time.
    fn wall(&self) -> SystemTime;

    /// Returns the wall-clock time in whole seconds since 1970.
    fn unix_seconds(&self) -> u64 {
        self.wall()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }
}

/// A clock that several parts share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the monotonic clock"
    )]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the wall clock"
    )]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    elapsed_ms: AtomicU64,
    wall_at_start: SystemTime,
}

impl ManualClock {
    /// Makes a clock that stands at `wall`.
    pub fn at(wall: SystemTime) -> Self {
        Self {
            start: SystemClock.now(),
            elapsed_ms: AtomicU64::new(0),
            wall_at_start: wall,
        }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.elapsed_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::SeqCst))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.start + self.elapsed()
    }

    fn wall(&self) -> SystemTime {
        self.wall_at_start + self.elapsed()
    }
}
