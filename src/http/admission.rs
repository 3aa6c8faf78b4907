//! Whether a call may begin at all: not without a key, not while draining, not past the number the operator allows at once.
//! Where that number runs, as many calls as the operator allows wait for a bounded time, in order of arrival.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, Uri};
use tokio_util::sync::CancellationToken;

use super::App;
use crate::clock::Clock;
use crate::config::GeneralSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::keys::{self, Identity};
use crate::limit::{Queue, Turn};
use crate::pipeline::deadline_passed;
use crate::state::Snapshot;

/// How long a client should wait before it tries again elsewhere, or here after a restart.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The right to run one call; dropping it frees its place, and lets the next one in.
#[derive(Debug)]
pub(super) struct Admission {
    running: Arc<AtomicUsize>,
    waiting: Arc<Queue>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
        self.waiting.notify();
    }
}

/// Checks the key of a request and whether it may call the path, unless the operator made that public.
///
/// # Errors
///
/// [`ErrorKind::Unauthenticated`]; [`ErrorKind::Forbidden`] for a path that is not the key's.
pub(super) fn authenticate(
    snapshot: &Snapshot,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Identity> {
    check(snapshot, uri, || snapshot.keys.check(headers))
}

fn check(
    snapshot: &Snapshot,
    uri: &Uri,
    find: impl FnOnce() -> Result<Identity>,
) -> Result<Identity> {
    let public = &snapshot.config.general.public_routes;
    if public.iter().any(|route| route == uri.path()) {
        return Ok(Identity::Anyone);
    }
    let identity = find()?;
    if let Some(key) = identity.key()
        && !key.may_call(uri.path())
    {
        let message = "this key is not allowed to call this route";
        return Err(Error::new(ErrorKind::Forbidden, message).with_type("auth_error"));
    }
    Ok(identity)
}

/// Like [`authenticate`], for a request that is passed through to AWS: its key may stand beside a signature.
///
/// # Errors
///
/// As [`authenticate`].
pub(super) fn authenticate_passed_through(
    snapshot: &Snapshot,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Identity> {
    check(snapshot, uri, || {
        snapshot.keys.check_passed_through(headers)
    })
}

/// Checks that a request is from an administrator: the master key, a virtual key that may call the path, or anyone where
/// the gateway is open.
///
/// # Errors
///
/// [`ErrorKind::Unauthenticated`] without a known key, [`ErrorKind::Forbidden`] with another virtual key.
pub(super) fn admin(
    snapshot: &Snapshot,
    uri: &Uri,
    headers: &HeaderMap,
    wall: SystemTime,
) -> Result<()> {
    keys::admin(&snapshot.keys, headers, uri.path(), wall)
}

/// Admits a call, at once or after its turn in the queue; no later than its `deadline`.
///
/// # Errors
///
/// [`ErrorKind::Overloaded`], [`ErrorKind::Timeout`] past the deadline.
///
/// # Cancel safety
///
/// A call that is given up leaves the queue.
pub(super) async fn admit(
    app: &App,
    general: &GeneralSettings,
    deadline: Option<Instant>,
) -> Result<Admission> {
    let door = Door {
        running: &app.running,
        waiting: &app.waiting,
        draining: &app.shutdown.draining,
        clock: app.clock.as_ref(),
    };
    door.admit(general, deadline).await
}

/// What admission goes by.
struct Door<'a> {
    running: &'a Arc<AtomicUsize>,
    waiting: &'a Arc<Queue>,
    draining: &'a CancellationToken,
    clock: &'a dyn Clock,
}

impl Door<'_> {
    async fn admit(
        &self,
        general: &GeneralSettings,
        deadline: Option<Instant>,
    ) -> Result<Admission> {
        self.open()?;
        let most = general.max_in_flight.unwrap_or(usize::MAX);
        // Who comes now does not overtake who waits.
        if self.waiting.is_empty()
            && let Some(admission) = self.enter(most)
        {
            return Ok(admission);
        }
        let place = self.waiting.enter(0, general.max_queued).ok_or_else(full)?;
        let until = self
            .clock
            .now()
            .checked_add(general.admission_queue_timeout)
            .ok_or_else(full)?;
        let (until, too_late): (_, fn() -> Error) = match deadline {
            Some(deadline) if deadline < until => (deadline, deadline_passed),
            _ => (until, full),
        };
        loop {
            tokio::select! {
                biased;
                () = self.draining.cancelled() => self.open()?,
                turn = place.turn(None, until, self.clock) => {
                    if turn == Turn::TooLate {
                        return Err(too_late());
                    }
                }
            }
            if let Some(admission) = self.enter(most) {
                return Ok(admission);
            }
        }
    }

    fn open(&self) -> Result<()> {
        if self.draining.is_cancelled() {
            return Err(overloaded("the gateway is shutting down"));
        }
        Ok(())
    }

    /// Takes a place if one is free.
    fn enter(&self, most: usize) -> Option<Admission> {
        let another = |running: usize| (running < most).then_some(running + 1);
        self.running
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, another)
            .ok()?;
        Some(Admission {
            running: Arc::clone(self.running),
            waiting: Arc::clone(self.waiting),
        })
    }
}

fn full() -> Error {
    overloaded("the gateway serves as many calls as it may at once")
}

fn overloaded(message: &str) -> Error {
    Error::new(ErrorKind::Overloaded, message).with_retry_after(Some(RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[derive(Default)]
    struct Gateway {
        running: Arc<AtomicUsize>,
        waiting: Arc<Queue>,
        draining: CancellationToken,
    }

    impl Gateway {
        async fn admit(&self, most: usize, queued: usize, wait_ms: u64) -> Result<Admission> {
            let general = GeneralSettings {
                max_in_flight: Some(most),
                max_queued: queued,
                admission_queue_timeout: Duration::from_millis(wait_ms),
                ..GeneralSettings::default()
            };
            let door = Door {
                running: &self.running,
                waiting: &self.waiting,
                draining: &self.draining,
                clock: &SystemClock,
            };
            door.admit(&general, None).await
        }
    }

    const LONG: u64 = 3_600_000;

    #[tokio::test]
    async fn past_the_number_a_call_is_refused_at_once() {
        let gateway = Gateway::default();
        let first = gateway.admit(1, 0, LONG).await.unwrap();
        let error = gateway.admit(1, 0, LONG).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        assert_eq!(error.retry_after(), Some(RETRY_AFTER));
        drop(first);
        assert!(gateway.admit(1, 0, LONG).await.is_ok());
        assert_eq!(gateway.running.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn waiting_calls_enter_in_order_of_arrival() {
        let gateway = Gateway::default();
        let first = gateway.admit(1, 2, LONG).await.unwrap();
        let order = std::sync::Mutex::new(Vec::new());
        let enter = async |name| {
            let admission = gateway.admit(1, 2, LONG).await.unwrap();
            order.lock().unwrap().push(name);
            drop(admission);
        };
        let free = async {
            while gateway.waiting.len() < 2 {
                tokio::task::yield_now().await;
            }
            assert!(
                gateway.admit(1, 2, LONG).await.is_err(),
                "the queue is full"
            );
            drop(first);
        };
        tokio::join!(enter(1), enter(2), free);
        assert_eq!(*order.lock().unwrap(), [1, 2]);
        assert!(gateway.waiting.is_empty());
    }

    #[tokio::test]
    async fn waiting_ends_with_its_time_and_with_the_drain() {
        let gateway = Gateway::default();
        let _first = gateway.admit(1, 1, LONG).await.unwrap();
        assert!(gateway.admit(1, 1, 5).await.is_err());
        let waits = gateway.admit(1, 1, LONG);
        let drains = async { gateway.draining.cancel() };
        let (waited, ()) = tokio::join!(waits, drains);
        assert!(waited.unwrap_err().message().contains("shutting down"));
    }
}
