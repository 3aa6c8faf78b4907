//! The clocks of the hosts that we call, as corrections of ours.
//!
//! A signature is refused when its time is more than five minutes off. When a host calls our clock wrong, the `date` header
//! of its answer says what it should be. That is believed of the host that said it and of no other: an address that a
//! stranger runs must not be able to spoil the signatures of every call.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::{HeaderMap, header};

use crate::clock::SharedClock;

/// A clock that is off by less than this is right: AWS accepts five minutes.
const TOLERANCE: Duration = Duration::from_secs(5);

/// How many hosts' corrections are kept. More can only come from callers that name their own; forgetting one costs its next
/// call a second send.
const MAX_HOSTS: usize = 64;

/// The wall clock and its corrections; clones share them.
#[derive(Debug, Clone)]
pub(super) struct AwsClock {
    clock: SharedClock,
    /// What is added to the wall clock, in milliseconds, by `host[:port]`.
    offsets_ms: Arc<RwLock<HashMap<String, i64>>>,
}

impl AwsClock {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            offsets_ms: Arc::default(),
        }
    }

    /// Returns the clock of this machine, which nobody corrects.
    pub(super) fn own(&self) -> &SharedClock {
        &self.clock
    }

    /// Returns the time at `host`.
    pub(super) fn at(&self, host: &str) -> SystemTime {
        shifted(self.clock.wall(), self.offset(host))
    }

    /// Returns when our own clock says what `host` calls `time`.
    pub(super) fn in_own_time(&self, host: &str, time: SystemTime) -> SystemTime {
        shifted(time, -self.offset(host))
    }

    fn offset(&self, host: &str) -> i64 {
        let offsets = self
            .offsets_ms
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        offsets.get(host).copied().unwrap_or(0)
    }

    /// Takes over the time in `headers`, which came from `host` when the wall clock said `wall`. Says whether the host's
    /// correction changed by more than a few seconds.
    pub(super) fn correct(&self, host: &str, headers: &HeaderMap, wall: SystemTime) -> bool {
        let date = headers
            .get(header::DATE)
            .and_then(|date| date.to_str().ok())
            .and_then(|date| DateTime::from_str(date, Format::HttpDate).ok())
            .and_then(|date| SystemTime::try_from(date).ok());
        let Some(date) = date else { return false };
        let new = milliseconds_from(wall, date);
        if is_close(new, self.offset(host)) {
            return false;
        }
        let mut offsets = self
            .offsets_ms
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if offsets.len() >= MAX_HOSTS && !offsets.contains_key(host) {
            let any = offsets.keys().next().cloned();
            any.and_then(|any| offsets.remove(&any));
        }
        offsets.insert(host.to_owned(), new);
        true
    }

    /// As [`AwsClock::correct`], for an answer that has just come.
    pub(super) fn correct_now(&self, host: &str, headers: &HeaderMap) -> bool {
        self.correct(host, headers, self.clock.wall())
    }
}

fn is_close(one: i64, other: i64) -> bool {
    u128::from(one.abs_diff(other)) <= TOLERANCE.as_millis()
}

/// The time that lies so many milliseconds later, or earlier; the same if there is none.
fn shifted(time: SystemTime, by_ms: i64) -> SystemTime {
    let by = Duration::from_millis(by_ms.unsigned_abs());
    let shifted = if by_ms < 0 {
        time.checked_sub(by)
    } else {
        time.checked_add(by)
    };
    shifted.unwrap_or(time)
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

    const HOST: &str = "sts.us-east-1.amazonaws.com";

    fn truth() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_445_412_480)
    }

    fn dated() -> HeaderMap {
        let date = HeaderValue::from_static("Wed, 21 Oct 2015 07:28:00 GMT");
        HeaderMap::from_iter([(header::DATE, date)])
    }

    #[test]
    fn date_of_aws_is_taken_over_once() {
        for wrong in [
            truth() - Duration::from_secs(3600),
            truth() + Duration::from_secs(3600),
        ] {
            let clock = AwsClock::new(Arc::new(ManualClock::at(wrong)));
            assert!(!clock.correct(HOST, &HeaderMap::new(), wrong));
            assert!(clock.correct(HOST, &dated(), wrong));
            assert_eq!(clock.at(HOST), truth());
            assert_eq!(clock.in_own_time(HOST, truth()), wrong);
            assert!(
                !clock.correct(HOST, &dated(), wrong),
                "it cannot get better"
            );
        }
    }

    #[test]
    fn a_host_speaks_for_itself_only() {
        let wrong = truth() - Duration::from_secs(3600);
        let clock = AwsClock::new(Arc::new(ManualClock::at(wrong)));
        assert!(clock.correct("stranger.example:8443", &dated(), wrong));
        assert_eq!(clock.at(HOST), wrong);
        assert_eq!(clock.at("stranger.example"), wrong);
        assert_eq!(clock.own().wall(), wrong);
    }

    #[test]
    fn corrections_are_bounded() {
        let wrong = truth() - Duration::from_secs(3600);
        let clock = AwsClock::new(Arc::new(ManualClock::at(wrong)));
        for host in 0..200 {
            assert!(clock.correct(&format!("host-{host}"), &dated(), wrong));
        }
        assert_eq!(clock.offsets_ms.read().unwrap().len(), MAX_HOSTS);
        assert_eq!(clock.at("host-199"), truth());
    }
}
