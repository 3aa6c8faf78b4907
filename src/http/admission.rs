//! Whether a call may begin at all: not without a key, not while draining, not past the number the operator allows at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Uri};

use super::Shutdown;
use crate::error::{Error, ErrorKind, Result};
use crate::keys::Identity;
use crate::state::Snapshot;

/// How long a client should wait before it tries again elsewhere, or here after a restart.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The right to run one call; dropping it frees its place.
#[derive(Debug)]
pub(super) struct Admission(Arc<AtomicUsize>);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Checks the key of a request, unless the operator made its path public.
///
/// # Errors
///
/// [`ErrorKind::Unauthenticated`].
pub(super) fn authenticate(snapshot: &Snapshot, uri: &Uri, headers: &HeaderMap) -> Result<()> {
    let public = &snapshot.config.general.public_routes;
    if !public.iter().any(|route| route == uri.path()) {
        snapshot.keys.check(headers)?;
    }
    Ok(())
}

/// Checks that a request is from an administrator: the master key, or anyone where the gateway is open.
///
/// # Errors
///
/// [`ErrorKind::Unauthenticated`].
pub(super) fn admin(snapshot: &Snapshot, _uri: &Uri, headers: &HeaderMap) -> Result<()> {
    match snapshot.keys.check(headers)? {
        Identity::Administrator | Identity::Anyone => Ok(()),
    }
}

/// Admits a call; `running` counts those that run now, `most` bounds them.
///
/// # Errors
///
/// [`ErrorKind::Overloaded`].
pub(super) fn admit(
    running: &Arc<AtomicUsize>,
    shutdown: &Shutdown,
    most: Option<usize>,
) -> Result<Admission> {
    if shutdown.draining.is_cancelled() {
        return Err(overloaded("the gateway is shutting down"));
    }
    let before = running.fetch_add(1, Ordering::Relaxed);
    let admission = Admission(Arc::clone(running));
    if most.is_some_and(|most| before >= most) {
        return Err(overloaded(
            "the gateway serves as many calls as it may at once",
        ));
    }
    Ok(admission)
}

fn overloaded(message: &str) -> Error {
    Error::new(ErrorKind::Overloaded, message).with_retry_after(Some(RETRY_AFTER))
}
