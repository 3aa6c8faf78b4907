//! AWS's time: the wall clock, corrected by what AWS told us.
//!
//! A signature is refused when its time is more than five minutes off, and credentials expire by AWS's clock, so both use
//! this one. The correction comes from the `date` header of an answer that calls our clock wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::{HeaderMap, header};

use crate::clock::SharedClock;

/// A clock that is off by less than this is right: AWS accepts five minutes.
const TOLERANCE: Duration = Duration::from_secs(5);

/// The wall clock and its correction; clones share the correction.
#[derive(Debug, Clone)]
pub(super) struct AwsClock {
    clock: SharedClock,
    /// What is added to the wall clock, in milliseconds.
    offset_ms: Arc<AtomicI64>,
}

impl AwsClock {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            offset_ms: Arc::default(),
        }
    }

    /// Returns AWS's time.
    pub(super) fn wall(&self) -> SystemTime {
        let offset = self.offset_ms.load(Ordering::Relaxed);
        let by = Duration::from_millis(offset.unsigned_abs());
        let wall = self.clock.wall();
        let corrected = if offset < 0 {
            wall.checked_sub(by)
        } else {
            wall.checked_add(by)
        };
        corrected.unwrap_or(wall)
    }

    /// Returns the monotonic time.
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Takes over the time in `headers`, which came when the wall clock said `wall`. Says whether the correction changed by
    /// more than a few seconds.
    pub(super) fn correct(&self, headers: &HeaderMap, wall: SystemTime) -> bool {
        let date = headers
            .get(header::DATE)
            .and_then(|date| date.to_str().ok())
            .and_then(|date| DateTime::from_str(date, Format::HttpDate).ok())
            .and_then(|date| SystemTime::try_from(date).ok());
        let Some(date) = date else { return false };
        let new = milliseconds_from(wall, date);
        let old = self.offset_ms.swap(new, Ordering::Relaxed);
        u128::from(new.abs_diff(old)) > TOLERANCE.as_millis()
    }

    /// As [`AwsClock::correct`], for an answer that has just come.
    pub(super) fn correct_now(&self, headers: &HeaderMap) -> bool {
        self.correct(headers, self.clock.wall())
    }
}

/// How far `to` is after `from`; negative if it is before.
fn milliseconds_from(from: SystemTime, to: SystemTime) -> i64 {
    let whole = |by: Duration| i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(ahead) => whole(ahead),
        Err(behind) => -whole(behind.duration()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::HeaderValue;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn date_of_aws_is_taken_over_once() {
        // 2015-10-21T07:28:00Z.
        let truth = UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        for wrong in [
            truth - Duration::from_secs(3600),
            truth + Duration::from_secs(3600),
        ] {
            let clock = AwsClock::new(Arc::new(ManualClock::at(wrong)));
            let mut headers = HeaderMap::new();
            assert!(!clock.correct(&headers, wrong));
            headers.insert(
                header::DATE,
                HeaderValue::from_static("Wed, 21 Oct 2015 07:28:00 GMT"),
            );
            assert!(clock.correct(&headers, wrong));
            assert_eq!(clock.wall(), truth);
            assert!(!clock.correct(&headers, wrong), "it cannot get better");
        }
    }
}
