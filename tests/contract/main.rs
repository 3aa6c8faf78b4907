//! What every `Store` promises: one suite, run on memory and on a real Redis. Then what Redis adds: outages, places, names.
#![expect(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail at once, and nobody reads its documentation"
)]

mod board;
mod limits;
mod outages;
mod places;
#[path = "../it/support/redis.rs"]
mod redis_server;
mod values;

use std::sync::Arc;
use std::time::Duration;

use switchyard::clock::{ManualClock, SharedClock, SystemClock};
use switchyard::config::RedisConfig;
use switchyard::store::{
    Charge, ChargeKind, Correction, MemoryStore, Stamp, Store, Verdict, connect,
};
use tokio_util::task::TaskTracker;

use self::redis_server::Server;

/// Two instances that share a store.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) one: Arc<dyn Store>,
    pub(crate) two: Arc<dyn Store>,
    time: Time,
}

#[derive(Debug)]
enum Time {
    Manual(Arc<ManualClock>),
    /// Redis has its own clock, which nobody can set; the server lives as long as the world.
    OfRedis(Box<Server>),
}

impl World {
    pub(crate) fn in_memory() -> Self {
        let clock = Arc::new(ManualClock::at(
            std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        ));
        let store = MemoryStore::new(Arc::clone(&clock) as SharedClock);
        Self {
            one: Arc::new(store.another_instance()),
            two: Arc::new(store.another_instance()),
            time: Time::Manual(clock),
        }
    }

    pub(crate) fn in_redis() -> Self {
        let server = Server::start(&[]);
        Self {
            one: store_at(server.port),
            two: store_at(server.port),
            time: Time::OfRedis(Box::new(server)),
        }
    }

    /// Lets time go by: that is what is tested, nothing is waited for.
    pub(crate) async fn pass(&self, time: Duration) {
        match &self.time {
            Time::Manual(clock) => clock.advance(time),
            Time::OfRedis(_) => tokio::time::sleep(time).await,
        }
    }

    pub(crate) fn server(&mut self) -> &mut Server {
        match &mut self.time {
            Time::OfRedis(server) => server,
            Time::Manual(_) => panic!("memory has no server"),
        }
    }
}

/// Names each test once for memory and once for Redis.
#[macro_export]
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test] async fn $test() { super::$test($crate::World::in_memory()).await; })+
        }
        mod in_redis {
            $(#[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test($crate::World::in_redis()).await; })+
        }
    };
}

/// Where a server of this machine is. Its timeout is long, so that a busy machine is not taken for an outage.
pub(crate) fn config_at(port: u16) -> RedisConfig {
    RedisConfig {
        host: Some("127.0.0.1".to_owned()),
        port,
        timeout: Duration::from_secs(5),
        ..RedisConfig::default()
    }
}

pub(crate) fn store_at(port: u16) -> Arc<dyn Store> {
    store_of(&config_at(port))
}

pub(crate) fn store_of(config: &RedisConfig) -> Arc<dyn Store> {
    connect(config, Arc::new(SystemClock), &TaskTracker::new())
}

/// Waits until something holds that the background brings about.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

pub(crate) fn window(key: &str, limit: u64, length: Duration) -> Charge {
    Charge {
        key: key.to_owned(),
        limit,
        amount: 1,
        kind: ChargeKind::Window {
            length,
            one_always: false,
        },
    }
}

pub(crate) fn rpm(key: &str, limit: u64) -> Charge {
    window(key, limit, Duration::from_secs(60))
}

pub(crate) fn gauge(key: &str, limit: u64) -> Charge {
    Charge {
        key: key.to_owned(),
        limit,
        amount: 1,
        kind: ChargeKind::Gauge,
    }
}

pub(crate) fn correction(charge: &Charge, at: Stamp, by: i64) -> Correction {
    Correction {
        key: charge.key.clone(),
        kind: charge.kind,
        at,
        change: by,
    }
}

/// Takes, and returns when; panics where there is no room.
pub(crate) async fn take(store: &Arc<dyn Store>, charge: &Charge) -> Stamp {
    match store.reserve(std::slice::from_ref(charge)).await {
        Ok(Verdict::Granted { at, .. }) => at,
        other => panic!("not granted: {other:?}"),
    }
}

pub(crate) async fn verdict(store: &Arc<dyn Store>, charge: &Charge) -> Verdict {
    store.reserve(std::slice::from_ref(charge)).await.unwrap()
}

pub(crate) fn is_granted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Granted { .. })
}

/// Takes from two instances at once until both are refused; returns how often it was granted.
pub(crate) async fn take_all(
    one: &Arc<dyn Store>,
    two: &Arc<dyn Store>,
    charge: &Charge,
    tries: usize,
) -> usize {
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..tries {
        let store = Arc::clone(if index % 2 == 0 { one } else { two });
        let charge = charge.clone();
        tasks.spawn(async move { is_granted(&verdict(&store, &charge).await) });
    }
    tasks
        .join_all()
        .await
        .into_iter()
        .filter(|granted| *granted)
        .count()
}
