//! The signals that end the program, and the one that has it read its configuration again.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::state::{Reloader, Trigger};

/// SIGTERM and SIGINT, received from the moment this exists: none is lost between two waits, or before the first.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Has the configuration read again with every SIGHUP, until `stop`.
pub fn reload_on_hangup(reloader: Arc<Reloader>, tracker: &TaskTracker, stop: CancellationToken) {
    // Received from now on: without this, SIGHUP ends the process.
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be received");
            return;
        }
    };
    tracker.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                hangup = hangups.recv() => if hangup.is_none() { return },
            }
            if reloader.reload(Trigger::Signal).await.is_none() {
                return;
            }
        }
    });
}

/// Waits for SIGTERM or SIGINT.
pub async fn interrupted() {
    match Signals::listen() {
        Ok(mut signals) => signals.next().await,
        Err(error) => {
            tracing::error!(%error, "signals cannot be received");
            std::future::pending::<()>().await;
        }
    }
}
