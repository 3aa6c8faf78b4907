//! Redis restarted, frozen, unreachable, full, or used for something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use switchyard::config::RedisConfig;
use switchyard::store::{Report, Spent, Store, StoreError, Verdict};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::redis_server::{Server, free_port};
use crate::{
    World, config_at, correction, eventually, gauge, is_granted, rpm, store_at, store_of, take,
    take_all, verdict,
};

/// As an operator has it, but with time for a busy machine.
fn impatient(port: u16) -> RedisConfig {
    RedisConfig {
        timeout: Duration::from_millis(200),
        ..config_at(port)
    }
}

async fn is_back(store: &Arc<dyn Store>) {
    eventually("redis is back", async || store.is_up()).await;
}

/// Says that a call ends at once, without waiting for anything.
fn at_once(store: &Arc<dyn Store>) -> StoreError {
    let charges = [rpm("k", 1)];
    let answer = store.reserve(&charges).now_or_never();
    answer
        .expect("nobody waits for a Redis that is away")
        .expect_err("it is away")
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_holds_across_a_restart_that_loses_everything() {
    let mut world = World::in_redis();
    let charge = rpm("k", 100);
    for store in [&world.one, &world.two, &world.one] {
        store.exchange(&Report::default()).await.unwrap();
    }
    assert_eq!(take_all(&world.one, &world.two, &charge, 60).await, 60);
    world.server().kill();
    world.server().restart();
    // Until the other has handed in its half, too, this one is granted nothing.
    eventually("it is back", async || matches!(world.one.reserve(&[gauge("any", 9)]).await, Err(why) if why.to_string().contains("new"))).await;
    assert!(
        world
            .one
            .reserve(std::slice::from_ref(&charge))
            .await
            .is_err()
    );
    world.two.exchange(&Report::default()).await.unwrap();
    let granted = take_all(&world.one, &world.two, &charge, 100).await;
    assert_eq!(granted, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_holds_where_data_is_lost_without_a_word() {
    let mut world = World::in_redis();
    let charge = rpm("k", 10);
    for _ in 0..6 {
        take(&world.one, &charge).await;
    }
    world.server().command(&["FLUSHALL"]).await;
    let Verdict::Granted { used, .. } = verdict(&world.one, &charge).await else {
        panic!("there is room");
    };
    assert_eq!(used, [7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_are_held_across_a_restart() {
    let mut world = World::in_redis();
    let charge = gauge("k", 2);
    let at = take(&world.one, &charge).await;
    take(&world.one, &charge).await;
    world.server().kill();
    // Given back while Redis is away: it is told when it is back.
    world
        .one
        .correct(&[correction(&charge, at, -1)])
        .await
        .unwrap();
    world.server().restart();
    is_back(&world.one).await;
    eventually("the other is back", async || {
        world.two.reserve(&[rpm("any", 9)]).await.is_ok()
    })
    .await;
    take(&world.two, &charge).await;
    assert!(!is_granted(&verdict(&world.two, &charge).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_alone_is_handed_in() {
    let mut world = World::in_redis();
    let charge = rpm("k", 10);
    take(&world.one, &charge).await;
    world.server().kill();
    let mut taken = Vec::new();
    for _ in 0..5 {
        taken.push(world.one.took_alone(std::slice::from_ref(&charge)));
    }
    world
        .one
        .correct(&[correction(&charge, taken[0], -1)])
        .await
        .unwrap();
    world.server().restart();
    is_back(&world.one).await;
    eventually("the other sees what was taken", async || {
        matches!(
            world.two.reserve(&[switchyard::store::Charge { amount: 0, ..charge.clone() }]).await,
            Ok(Verdict::Granted { used, .. }) if used == [5]
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_server_costs_one_timeout_and_comes_back() {
    let server = Server::start(&[]);
    let store = store_of(&impatient(server.port));
    take(&store, &rpm("k", 9)).await;
    server.freeze();
    let late = store
        .reserve(&[rpm("k", 9)])
        .await
        .expect_err("it is frozen");
    assert_eq!(late, StoreError::Away("no answer within 200 ms".to_owned()));
    for _ in 0..50 {
        assert!(matches!(at_once(&store), StoreError::Away(_)));
    }
    assert!(!store.is_up());
    server.thaw();
    is_back(&store).await;
    // What was sent and never answered does not count, although the server does it when it goes on.
    let Verdict::Granted { used, .. } = verdict(&store, &rpm("k", 9)).await else {
        panic!("there is room");
    };
    assert_eq!(used, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn slot_whose_answer_was_late_is_free_again() {
    let server = Server::start(&[]);
    let store = store_of(&impatient(server.port));
    take(&store, &rpm("k", 9)).await;
    server.freeze();
    store
        .reserve(&[gauge("g", 1)])
        .await
        .expect_err("it is frozen");
    server.thaw();
    is_back(&store).await;
    eventually("the slot is free", async || {
        matches!(store.reserve(&[gauge("g", 1)]).await, Ok(verdict) if is_granted(&verdict))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spend_counts_once_across_a_freeze() {
    let server = Server::start(&[]);
    let store = store_of(&impatient(server.port));
    let spent = Report {
        spent: vec![Spent {
            key: "deployment:a".to_owned(),
            period: None,
            usd: 1.0,
        }],
        ..Report::default()
    };
    store.exchange(&spent).await.unwrap();
    server.freeze();
    store.exchange(&spent).await.expect_err("it is frozen");
    store.exchange(&spent).await.expect_err("it is away");
    server.thaw();
    eventually("everything is counted", async || {
        store
            .exchange(&Report::default())
            .await
            .is_ok_and(|board| board.spent.iter().any(|spent| (spent.1 - 3.0).abs() < 1e-9))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spend_survives_a_restart_that_loses_everything() {
    let mut world = World::in_redis();
    let spent = Report {
        spent: vec![Spent {
            key: "deployment:a".to_owned(),
            period: Some(Duration::from_secs(3600)),
            usd: 2.5,
        }],
        ..Report::default()
    };
    world.one.exchange(&spent).await.unwrap();
    world.server().kill();
    world.server().restart();
    eventually("the total is back", async || {
        let board = world.one.exchange(&Report::default()).await;
        board.is_ok_and(|board| board.spent.iter().any(|spent| (spent.1 - 2.5).abs() < 1e-9))
    })
    .await;
}

#[tokio::test]
async fn address_that_never_answers_costs_one_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = store_of(&impatient(silent.local_addr().unwrap().port()));
    store.ping().await.expect_err("nobody answers");
    eventually("nobody waits", async || {
        store.reserve(&[rpm("k", 1)]).now_or_never().is_some()
    })
    .await;
    assert!(!store.is_up());
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_is_down_at_the_start_is_found_when_it_comes() {
    let mut server = Server::start(&[]);
    server.kill();
    let store = store_at(server.port);
    assert!(store.reserve(&[rpm("k", 1)]).await.is_err());
    server.restart();
    is_back(&store).await;
    take(&store, &rpm("k", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_are_a_refusal_and_not_an_outage() {
    let mut world = World::in_redis();
    let names =
        ["window:k", "gauge:k", "cooldowns"].map(|name| format!("switchyard:{{state}}:{name}"));
    for name in &names {
        world.server().command(&["SET", name, "mine"]).await;
    }
    for charge in [rpm("k", 1), gauge("k", 1)] {
        let error = world
            .one
            .reserve(&[charge])
            .await
            .expect_err("a wrong type");
        assert!(matches!(error, StoreError::Refused(_)), "{error}");
    }
    let error = world
        .one
        .exchange(&Report::default())
        .await
        .expect_err("a wrong type");
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    assert!(world.one.is_up());
    take(&world.one, &rpm("other", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_server_refuses_and_is_still_read() {
    let mut world = World::in_redis();
    world
        .one
        .write("cache:a", Bytes::from_static(b"x"), None)
        .await
        .unwrap();
    world
        .server()
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .await;
    let error = world
        .one
        .reserve(&[rpm("k", 1)])
        .await
        .expect_err("no memory");
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    let read = world.one.read(&["cache:a".to_owned()]).await.unwrap();
    assert_eq!(read, [Some(Bytes::from_static(b"x"))]);
    // A new instance cannot enter, and says why, until there is room.
    let late = store_at(world.server().port);
    let error = late.reserve(&[rpm("k", 1)]).await.expect_err("no memory");
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    world
        .server()
        .command(&["CONFIG", "SET", "maxmemory", "0"])
        .await;
    eventually("there is room again", async || {
        late.reserve(&[rpm("late", 1)]).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_of_an_instance_that_died_are_free() {
    let mut world = World::in_redis();
    let charge = gauge("k", 1);
    take(&world.one, &charge).await;
    assert!(!is_granted(&verdict(&world.two, &charge).await));
    // It was heard of eleven seconds ago.
    let age = "local all = redis.call('HGETALL', KEYS[1])
        for i = 1, #all, 2 do
          if redis.call('HEXISTS', KEYS[2], all[i]) == 1 then
            local session, at = string.match(all[i + 1], '^(%d+) (%d+)$')
            redis.call('HSET', KEYS[1], all[i], session .. ' ' .. string.format('%.0f', at - 11000))
          end
        end";
    let keys = ["switchyard:{state}:instances", "switchyard:{state}:gauge:k"];
    world
        .server()
        .command(&["EVAL", age, "2", keys[0], keys[1]])
        .await;
    take(&world.two, &charge).await;
    // Should it live after all, it says so again, and its slot counts.
    world.one.exchange(&Report::default()).await.unwrap();
    let refused = verdict(&world.one, &gauge("k", 2)).await;
    assert!(
        matches!(refused, Verdict::Refused { used: 2, .. }) || is_granted(&refused),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_abandoned_call_took_is_given_back() {
    let world = World::in_redis();
    let charge = gauge("k", 1);
    take(&world.one, &rpm("warm", 9)).await;
    let charges = [charge.clone()];
    let abandoned = world.one.reserve(&charges).now_or_never();
    assert!(abandoned.is_none(), "the answer is still on its way");
    eventually("the slot is free", async || {
        is_granted(&verdict(&world.two, &charge).await)
    })
    .await;
}

#[tokio::test]
async fn nobody_listens() {
    let store = store_of(&impatient(free_port()));
    assert!(store.ping().await.is_err());
    assert!(store.took_alone(&[rpm("k", 1)]).0 > 0);
    assert!(store.correct(&[]).await.is_ok());
}

/// Passes on what Redis says, until a connection has carried so much that it gets stuck; counts the connections.
async fn stuck_after(server: u16, bytes: u64) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let total = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&total);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let redis = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (from_redis, mut to_redis) = redis.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_redis).await });
            tokio::spawn(async move {
                let mut first = from_redis.take(bytes);
                let _passed_on = tokio::io::copy(&mut first, &mut to_client).await;
                // Held open: the rest never comes.
                std::future::pending::<()>().await;
                drop((to_client, first));
            });
        }
    });
    (port, total)
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_come_late_take_nothing_from_limits() {
    let server = Server::start(&[]);
    let (port, connections) = stuck_after(server.port, 100_000).await;
    let config = RedisConfig {
        timeout: Duration::from_millis(500),
        ..config_at(port)
    };
    let store = store_of(&config);
    let charge = rpm("k", 9);
    take(&store, &charge).await;
    let [large, small] = ["cache:large", "cache:small"].map(|name| [name.to_owned()]);
    for (name, length) in [(&large, 1_000_000), (&small, 1)] {
        let value = Bytes::from(vec![b'x'; length]);
        store.write(&name[0], value, None).await.unwrap();
    }
    for _ in 0..4 {
        let late = store.read(&large).await.expect_err("it is stuck");
        assert_eq!(late, StoreError::Away("no value within 500 ms".to_owned()));
        assert!(is_granted(&verdict(&store, &charge).await));
    }
    // What is late again and again gets another connection, on which small values come. That of limits is not touched.
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    store.read(&large).await.expect_err("it is stuck");
    assert!(store.is_up());
    eventually("values are read again", async || {
        store.read(&small).await.is_ok_and(|read| read[0].is_some())
    })
    .await;
    assert_eq!(connections.load(Ordering::SeqCst), 3);
    assert!(is_granted(&verdict(&store, &charge).await));
}
