//! What is in force: the current snapshot, the one place that swaps it, and how another one comes.

mod aside;
mod diff;
mod reload;
mod share;
mod sharing;
mod snapshot;
mod watch;
mod worker;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub use diff::{Changed, Difference, Named};
pub use reload::{Amend, Origins, Outcome, Reloader, Report, Trigger};
pub use share::{Sharer, Shares};
pub use sharing::{Exchange, Sharing};
pub use snapshot::{AdmitKeys, Parts, Simulated, Snapshot};
pub use watch::{QUIET, watch};

use crate::config::Findings;

/// Holds the current snapshot. A request loads it once and keeps it, so it never sees two configurations.
#[derive(Debug)]
pub struct Live {
    #[expect(
        clippy::disallowed_types,
        reason = "this is the one swap of the program"
    )]
    snapshot: arc_swap::ArcSwap<Snapshot>,
    rejected: Mutex<Option<Rejected>>,
}

/// That the file, as it is now, is not in force.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// Since when.
    pub at: SystemTime,
    /// Why.
    pub findings: Arc<Findings>,
}

impl Live {
    /// Starts with `snapshot`.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot: Arc::new(snapshot).into(),
            rejected: Mutex::default(),
        }
    }

    /// Returns the snapshot in force.
    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts `snapshot` in force; requests under way keep theirs.
    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Returns why the file, as it is now, is not in force; `None` if it is.
    pub fn rejected(&self) -> Option<Rejected> {
        self.lock().clone()
    }

    /// Notes that the file was rejected.
    fn reject(&self, at: SystemTime, findings: Arc<Findings>) {
        *self.lock() = Some(Rejected { at, findings });
    }

    /// Notes that the file is in force.
    fn accept(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Rejected>> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
