//! Corrections on their way to the shared store: what calls gave back or used beyond their estimate.
//!
//! Nobody waits for them. They are kept in a bounded list, and one task at a time carries them there, many at once. What
//! cannot be delivered is dropped, not sent again: the store may have done it all the same, and doing it twice would let
//! others use more than the limit. What is dropped lapses there by itself, with its window or its slot's expiry.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::store::{Correction, Store};

/// How many corrections may wait.
const MOST: usize = 65_536;
/// How many are carried in one round trip.
const BATCH: usize = 512;

/// Corrections on their way to the shared store.
pub(super) struct Outbox {
    store: Arc<dyn Store>,
    tracker: TaskTracker,
    handle: Option<Handle>,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    corrections: Vec<Correction>,
    /// Whether a task carries them now.
    is_carried: bool,
}

impl Outbox {
    pub(super) fn new(store: Arc<dyn Store>, tracker: TaskTracker, handle: Option<Handle>) -> Self {
        Self {
            store,
            tracker,
            handle,
            pending: Mutex::default(),
        }
    }

    /// Adds corrections; beyond what may wait they are dropped.
    pub(super) fn push(self: &Arc<Self>, corrections: Vec<Correction>) {
        let mut pending = self.lock();
        let room = MOST.saturating_sub(pending.corrections.len());
        if room < corrections.len() {
            tracing::debug!("too many corrections of limits wait for the shared store");
        }
        pending
            .corrections
            .extend(corrections.into_iter().take(room));
        let starts = !pending.is_carried && self.handle.is_some();
        pending.is_carried |= starts;
        drop(pending);
        if starts && let Some(handle) = &self.handle {
            let outbox = Arc::clone(self);
            self.tracker
                .spawn_on(async move { outbox.carry().await }, handle);
        }
    }

    async fn carry(&self) {
        while let Some(batch) = self.next_batch() {
            if let Err(error) = self.store.correct(&batch).await {
                tracing::debug!(%error, dropped_total = batch.len(), "corrections of limits were not delivered");
            }
        }
    }

    fn next_batch(&self) -> Option<Vec<Correction>> {
        let mut pending = self.lock();
        if pending.corrections.is_empty() {
            pending.is_carried = false;
            return None;
        }
        let rest = pending.corrections.len().min(BATCH);
        Some(pending.corrections.drain(..rest).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
