//! What an instance used of a deployment in the last minute counts in the other instances' choices too.

use std::sync::Arc;

use switchyard::clock::{Clock as _, SystemClock};
use switchyard::router::Usage;
use switchyard::store::MemoryStore;

use crate::support::Gateway;
use crate::support::entry::{Entry, serving, until};
use crate::support::exchange::exchanging;

/// What is known to have been used of the only deployment, in all instances.
fn used(gateway: &Gateway) -> Usage {
    let snapshot = gateway.app.live.load();
    let group = snapshot.router.group("m").unwrap();
    group.deployments[0].runtime.usage(SystemClock.now())
}

#[tokio::test]
async fn what_one_instance_used_counts_in_the_other() {
    let entries = [Entry::default()];
    let (one, other) = (serving(&entries, "").await, serving(&entries, "").await);
    let store = MemoryStore::new(Arc::new(SystemClock));
    let exchanges = [
        exchanging(&other, store.another_instance()),
        exchanging(&one, store),
    ];
    for text in ["a question", "another one"] {
        assert_eq!(one.ask(text, false).await.status, 200);
    }
    let here = used(&one);
    assert_eq!(here.requests, 2);
    assert!(here.tokens > 0);
    until(|| used(&other) == here).await;
    // What comes back from the store is the others' alone.
    assert_eq!(used(&one), here);
    for exchange in exchanges {
        exchange.end().await;
    }
}
