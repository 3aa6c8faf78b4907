//! The tier that instances share, in the [`Store`].
//!
//! A store that is away is a miss, and what could not be written is not kept: the cache never fails a call. Writing goes
//! on behind the call, by few tasks at a time; past that an answer is not shared.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::store::{Store, StoreError};

/// Put before every key.
const PREFIX: &str = "cache:";

/// Most answers that are being written at one time.
const MOST_WRITES: usize = 64;

/// Most values of megabytes that are being read at one time: what waits behind them on one connection is late.
const MOST_LARGE_READS: usize = 4;

/// The shared tier.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    store: Arc<dyn Store>,
    tracker: TaskTracker,
    writes: Arc<Semaphore>,
    large_reads: Arc<Semaphore>,
}

impl Remote {
    /// Keeps answers in `store`; `tracker` has the tasks that write.
    pub(super) fn new(store: &Arc<dyn Store>, tracker: &TaskTracker) -> Self {
        Self {
            store: Arc::clone(store),
            tracker: tracker.clone(),
            writes: Arc::new(Semaphore::new(MOST_WRITES)),
            large_reads: Arc::new(Semaphore::new(MOST_LARGE_READS)),
        }
    }

    /// Says whether answers are kept in `store`.
    pub(super) fn is_in(&self, store: &Arc<dyn Store>) -> bool {
        Arc::ptr_eq(&self.store, store)
    }

    /// Reads values, in the order of their keys; a store that is away has none.
    pub(super) async fn read(&self, keys: &[&str]) -> Vec<Option<Bytes>> {
        self.try_read(keys).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "cached answer was not read");
            Vec::new()
        })
    }

    /// Reads values, in the order of their keys, for those to whom one that is not there matters.
    pub(super) async fn try_read(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys: Vec<String> = keys.iter().map(|key| named(key)).collect();
        self.store.read(&keys).await
    }

    /// Reads values that may be large: no more than a few are on their way at one time.
    pub(super) async fn read_large(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, StoreError> {
        // Nobody closes it; without it they would only be more at one time.
        let _permit = self.large_reads.acquire().await.ok();
        self.try_read(keys).await
    }

    /// Returns room for one task that writes; `None` where there are too many.
    pub(super) fn room(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.writes).try_acquire_owned().ok();
        if permit.is_none() {
            tracing::debug!("answer was not shared: too many are being written");
        }
        permit
    }

    /// Begins to write values, one after the other; `None`: they do not expire.
    pub(super) fn write_in(
        &self,
        permit: OwnedSemaphorePermit,
        values: Vec<(String, Bytes)>,
        ttl: Option<Duration>,
    ) {
        let store = Arc::clone(&self.store);
        self.tracker.spawn(async move {
            for (key, value) in values {
                if let Err(error) = store.write(&named(&key), value, ttl).await {
                    tracing::debug!(%error, "answer was not shared");
                    break;
                }
            }
            drop(permit);
        });
    }

    /// Deletes keys.
    pub(super) async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let keys: Vec<String> = keys.iter().map(|key| named(key)).collect();
        self.store.delete(&keys).await.map(drop)
    }

    /// Deletes every answer.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        self.store.flush(PREFIX).await.map(drop)
    }

    /// Asks whether the store is there and can be written.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        const SHORT: Duration = Duration::from_secs(10);
        self.store.ping().await?;
        // Not under the prefix of answers: nobody's key is the same.
        self.store
            .write("cache-ping", Bytes::from_static(b"1"), Some(SHORT))
            .await
    }

    /// Returns what the server says of itself.
    pub(super) async fn info(&self) -> Result<String, StoreError> {
        self.store.info().await
    }
}

fn named(key: &str) -> String {
    format!("{PREFIX}{key}")
}
