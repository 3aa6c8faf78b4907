//! What is in force: the current snapshot, and the one place that swaps it.

mod share;
mod snapshot;

use std::sync::Arc;

pub use share::{Sharer, Shares};
pub use snapshot::{AdmitKeys, Parts, Simulated, Snapshot};

/// Holds the current snapshot. A request loads it once and keeps it, so it never sees two configurations.
#[derive(Debug)]
#[expect(
    clippy::disallowed_types,
    reason = "this is the one swap of the program"
)]
pub struct Live(arc_swap::ArcSwap<Snapshot>);

impl Live {
    /// Starts with `snapshot`.
    pub fn new(snapshot: Snapshot) -> Self {
        Self(Arc::new(snapshot).into())
    }

    /// Returns the snapshot in force.
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts `snapshot` in force; requests under way keep theirs.
    pub fn publish(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
    }
}
