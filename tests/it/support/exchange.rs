//! Instances that exchange what they know, without a Redis between them.

use std::sync::Arc;

use switchyard::clock::{SharedClock, SystemClock};
use switchyard::limit::Limiter;
use switchyard::state::{Exchange, Sharing};
use switchyard::store::{MemoryStore, Store};
use tokio_util::task::TaskTracker;

use super::Gateway;

/// Has a gateway exchange through `store`.
pub fn exchanging(gateway: &Gateway, store: MemoryStore) -> Exchange {
    let tracker = TaskTracker::new();
    let store: Arc<dyn Store> = Arc::new(store);
    let limiter = Arc::new(Limiter::new(
        Some(Arc::clone(&store)),
        "test",
        false,
        &tracker,
    ));
    let clock: SharedClock = Arc::new(SystemClock);
    Sharing::through(store, &tracker).start(&gateway.app.live, &limiter, &clock)
}
