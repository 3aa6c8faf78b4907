//! Time, behind one small trait, so that tests can set it.
//!
//! Nothing else in the crate reads the system's clocks (a lint bans it). [`SystemClock`] is what the program uses,
//! [`ManualClock`] what tests use.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// A wait that ends when its clock says so.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Reads time: a monotonic instant for durations, and the wall clock for signatures and `created` fields.
pub trait Clock: Debug + Send + Sync {
    /// Returns the monotonic time.
    fn now(&self) -> Instant;
    /// Returns the wall-clock time.
    fn wall(&self) -> SystemTime;

    /// Waits for `duration` to pass on this clock.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    fn sleep(&self, duration: Duration) -> Sleep;

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

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    wall_at_start: SystemTime,
    elapsed: watch::Sender<Duration>,
    sleeping: Arc<watch::Sender<usize>>,
}

impl ManualClock {
    /// Makes a clock that stands at `wall`.
    pub fn at(wall: SystemTime) -> Self {
        Self {
            start: SystemClock.now(),
            wall_at_start: wall,
            elapsed: watch::Sender::new(Duration::ZERO),
            sleeping: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Moves both clocks forward, and wakes who has slept long enough.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }

    /// Waits until `total` waits of this clock are under way.
    pub async fn until_asleep(&self, total: usize) {
        let mut sleeping = self.sleeping.subscribe();
        // It cannot fail: the sender lives as long as `self`.
        let _sleeping = sleeping.wait_for(|asleep| *asleep >= total).await;
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }
}

/// Counts a wait of a [`ManualClock`] while it lasts.
struct Asleep(Arc<watch::Sender<usize>>);

impl Asleep {
    fn begin(sleeping: &Arc<watch::Sender<usize>>) -> Self {
        sleeping.send_modify(|asleep| *asleep += 1);
        Self(Arc::clone(sleeping))
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        self.0.send_modify(|asleep| *asleep -= 1);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.start + self.elapsed()
    }

    fn wall(&self) -> SystemTime {
        self.wall_at_start + self.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let until = self.elapsed().saturating_add(duration);
        let mut elapsed = self.elapsed.subscribe();
        let sleeping = Arc::clone(&self.sleeping);
        Box::pin(async move {
            let _asleep = Asleep::begin(&sleeping);
            // A clock that is gone never moves again.
            if elapsed.wait_for(|elapsed| *elapsed >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Turns days since 1970 into year, month and day of the Gregorian calendar.
///
/// Years begin in March here, so that the leap day is the last: <https://howardhinnant.github.io/date_algorithms.html>.
pub(crate) fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// Writes a time as RFC 3339 in UTC, to the second.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}Z", date_and_time(since.as_secs()))
}

/// Writes a time as RFC 3339 in UTC, to the microsecond.
pub fn rfc3339_micros(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!(
        "{}.{:06}Z",
        date_and_time(since.as_secs()),
        since.subsec_micros()
    )
}

fn date_and_time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(UNIX_EPOCH), "1970-01-01T00:00:00Z");
        let leap = UNIX_EPOCH + Duration::from_secs(1_709_210_096);
        assert_eq!(rfc3339(leap), "2024-02-29T12:34:56Z");
        assert_eq!(rfc3339_micros(leap), "2024-02-29T12:34:56.000000Z");
    }

    #[test]
    fn manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(UNIX_EPOCH);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.unix_seconds(), 5);
    }

    #[tokio::test]
    async fn waits_of_a_manual_clock_end_when_it_has_moved_far_enough() {
        let clock = ManualClock::at(UNIX_EPOCH);
        let mut wait = clock.sleep(Duration::from_secs(2));
        assert!(futures_util::poll!(&mut wait).is_pending());
        clock.until_asleep(1).await;
        clock.advance(Duration::from_secs(1));
        assert!(futures_util::poll!(&mut wait).is_pending());
        clock.advance(Duration::from_secs(1));
        wait.await;
    }
}
