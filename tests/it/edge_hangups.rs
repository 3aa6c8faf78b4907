//! Calls that end while a shared limit is being asked: what was taken for an attempt that is never made comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use switchyard::clock::{Clock as _, ManualClock};
use switchyard::error::ErrorKind;
use switchyard::http::App;
use switchyard::limit::Limiter;
use switchyard::pipeline::Pipeline;
use switchyard::router::{Deployment, Standing};
use switchyard::server::Server;
use switchyard::state::Parts;
use switchyard::store::{
    Answer, Board, Charge, Correction, Report, Stamp, Store, StoreError, Verdict,
};

use crate::support::Gateway;
use crate::support::entry::{Entry, timed, until};

/// A store that never answers whether there is room.
#[derive(Debug, Default)]
struct Silent {
    asked: AtomicUsize,
}

impl Silent {
    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst) > 0
    }
}

fn away<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(async { Err(StoreError::Away("silent".to_owned())) })
}

impl Store for Silent {
    fn reserve<'a>(&'a self, _: &'a [Charge]) -> Answer<'a, Verdict> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }
    fn correct<'a>(&'a self, _: &'a [Correction]) -> Answer<'a, ()> {
        away()
    }
    fn took_alone(&self, _: &[Charge]) -> Stamp {
        Stamp::default()
    }
    fn exchange<'a>(&'a self, _: &'a Report) -> Answer<'a, Board> {
        away()
    }
    fn warm<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        away()
    }
    fn read<'a>(&'a self, _: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        away()
    }
    fn write<'a>(&'a self, _: &'a str, _: Bytes, _: Option<Duration>) -> Answer<'a, ()> {
        away()
    }
    fn delete<'a>(&'a self, _: &'a [String]) -> Answer<'a, u64> {
        away()
    }
    fn flush<'a>(&'a self, _: &'a str) -> Answer<'a, u64> {
        away()
    }
    fn ping(&self) -> Answer<'_, ()> {
        away()
    }
    fn info(&self) -> Answer<'_, String> {
        away()
    }
    fn is_up(&self) -> bool {
        true
    }
}

/// A gateway whose limits are asked of a store that is silent.
async fn unheard(entries: &[Entry<'_>], rest: &str) -> (Gateway, Arc<ManualClock>, Arc<Silent>) {
    let (mut gateway, clock) = timed(entries, rest).await;
    let store = Arc::new(Silent::default());
    let old = Arc::clone(&gateway.app);
    let shared: Arc<dyn Store> = store.clone();
    let parts = Parts {
        limiter: Arc::new(Limiter::new(Some(shared), "test", false, &old.tracker)),
        ..old.pipeline.parts().clone()
    };
    gateway.app = Arc::new(App {
        live: Arc::clone(&old.live),
        pipeline: Pipeline::new(parts),
        clock: clock.clone(),
        tracker: old.tracker.clone(),
        shutdown: old.shutdown.clone(),
        running: Arc::default(),
        waiting: Arc::default(),
        reloader: None,
    });
    let server = Server::bind(
        "127.0.0.1:0".parse().unwrap(),
        None,
        Arc::clone(&gateway.app),
    )
    .await
    .unwrap();
    gateway.url = format!("http://{}", server.address());
    tokio::task::spawn(server.run());
    (gateway, clock, store)
}

/// The deployment with this id, of the only group.
fn deployment(gateway: &Gateway, id: &str) -> Arc<Deployment> {
    let live = gateway.app.live.load();
    let group = live.router.group("m").unwrap();
    let mut all = group.deployments.iter();
    Arc::clone(all.find(|one| one.id == id).unwrap())
}

/// Cools it down for a second, and lets the second pass.
fn make_a_probe_due(deployment: &Deployment, clock: &ManualClock) {
    let now = clock.now();
    let until = now + Duration::from_secs(1);
    let breaker = &deployment.runtime.breaker;
    breaker.cool_from_elsewhere(until, ErrorKind::Unavailable, 1, now);
    clock.advance(Duration::from_secs(1));
    assert_eq!(breaker.standing(clock.now()), Standing::ProbeDue);
}

async fn in_time(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), until(holds)).await;
    assert!(waited.is_ok(), "{what}");
}

/// A client that hangs up while the limit of the deployment to be probed is asked leaves the probe to the next call.
#[tokio::test]
async fn probe_of_a_call_that_hung_up_is_due_again() {
    let entry = Entry::default().params(", max_parallel_requests: 5");
    let (gateway, clock, store) = unheard(&[entry], "").await;
    let probed = deployment(&gateway, "m1");
    make_a_probe_due(&probed, &clock);
    let mut call = Box::pin(gateway.chat("m", json!({})));
    tokio::select! {
        _ = &mut call => panic!("it never answers"),
        () = in_time("the store is asked", || store.is_asked()) => {}
    }
    let breaker = &probed.runtime.breaker;
    assert_eq!(breaker.standing(clock.now()), Standing::Probing);
    drop(call);
    let running = &gateway.app.running;
    in_time("the call is over", || running.load(Ordering::SeqCst) == 0).await;
    assert_eq!(breaker.standing(clock.now()), Standing::ProbeDue);
}

/// Where the first attempt answers while a deployment for the hedge is looked for, the hedge's probe is due again, and the
/// retry budget has its tokens back.
#[tokio::test]
async fn hedge_that_is_not_made_gives_everything_back() {
    let entries = [
        Entry::of("m", "first")
            .fault("slow-start=300")
            .params(", weight: 1"),
        Entry::of("m", "second").params(", weight: 0, max_parallel_requests: 5"),
    ];
    let rest = "router_settings: {hedge_after: 2, retry_budget: {capacity: 14, cost: 14, throttle_cost: 5, \
        refill_per_second: 0}}";
    let (gateway, clock, store) = unheard(&entries, rest).await;
    let probed = deployment(&gateway, "second");
    make_a_probe_due(&probed, &clock);
    let hedging = async {
        clock.until_asleep(1).await;
        in_time("it is sent", || gateway.calls_of("first") > 0).await;
        clock.advance(Duration::from_secs(2));
        in_time("the store is asked", || store.is_asked()).await;
    };
    let (answer, ()) = tokio::join!(gateway.chat("m", json!({})), hedging);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "first");
    let standing = probed.runtime.breaker.standing(clock.now());
    assert_eq!(standing, Standing::ProbeDue);
    let state = gateway.call(Method::GET, "/router/state", None).await;
    let budget = &state.json()["groups"][0]["retry_budget"];
    assert_eq!(budget["tokens"], budget["capacity"], "{budget}");
}
