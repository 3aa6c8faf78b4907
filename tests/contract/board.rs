//! What instances tell each other.

use std::time::{Duration, SystemTime};

use switchyard::clock::{Clock as _, SystemClock};
use switchyard::store::{Board, Cooling, Report, Spent};

use crate::{Time, World};

crate::on_both!(
    instances_see_each_others_calls,
    a_cooldown_is_seen_by_all_and_only_grows,
    a_cooldown_that_is_over_is_not_told,
    a_warmed_deployment_is_told_to_all,
    what_is_spent_adds_up,
    a_period_begins_with_the_first_spend_and_ends,
);

impl World {
    fn wall(&self) -> SystemTime {
        match &self.time {
            Time::Manual(clock) => clock.wall(),
            Time::OfRedis(_) => SystemClock.wall(),
        }
    }

    fn cooling(&self, for_ms: u64, step: u32) -> Report {
        Report {
            cooldowns: vec![Cooling {
                key: "id\u{1f}some model".to_owned(),
                until: self.wall() + Duration::from_millis(for_ms),
                reason: "throttled".to_owned(),
                step,
            }],
            ..Report::default()
        }
    }

    async fn told_to_two(&self) -> Board {
        self.two.exchange(&Report::default()).await.unwrap()
    }
}

fn busy(count: u64) -> Report {
    Report {
        in_flight: vec![("a".to_owned(), count), ("idle".to_owned(), 0)],
        ..Report::default()
    }
}

fn spent(usd: f64, period: Option<Duration>) -> Report {
    Report {
        spent: vec![Spent {
            key: "deployment:a".to_owned(),
            period,
            usd,
        }],
        ..Report::default()
    }
}

async fn instances_see_each_others_calls(world: World) {
    let alone = world.one.exchange(&busy(3)).await.unwrap();
    assert_eq!(alone.instances, 1);
    assert!(alone.in_flight.is_empty(), "its own do not count");
    let both = world.two.exchange(&busy(4)).await.unwrap();
    assert_eq!(both.instances, 2);
    assert_eq!(both.in_flight, [("a".to_owned(), 3)]);
    world.one.exchange(&busy(0)).await.unwrap();
    assert!(world.told_to_two().await.in_flight.is_empty());
}

async fn a_cooldown_is_seen_by_all_and_only_grows(world: World) {
    world.one.exchange(&world.cooling(60_000, 1)).await.unwrap();
    world.two.exchange(&world.cooling(30_000, 7)).await.unwrap();
    let board = world.told_to_two().await;
    let [cooling] = board.cooldowns.as_slice() else {
        panic!("one cooldown: {board:?}");
    };
    assert_eq!(cooling.key, "id\u{1f}some model");
    assert_eq!((cooling.reason.as_str(), cooling.step), ("throttled", 1));
    let left = cooling.until.duration_since(world.wall()).unwrap();
    assert!(
        left > Duration::from_secs(45),
        "the shorter one changes nothing: {left:?}"
    );
    world.two.exchange(&world.cooling(90_000, 2)).await.unwrap();
    assert_eq!(world.told_to_two().await.cooldowns[0].step, 2);
}

async fn a_cooldown_that_is_over_is_not_told(world: World) {
    world.one.exchange(&world.cooling(50, 1)).await.unwrap();
    world.pass(Duration::from_millis(80)).await;
    let board = world.told_to_two().await;
    assert!(board.cooldowns.is_empty() && board.warmed.is_empty());
}

async fn a_warmed_deployment_is_told_to_all(world: World) {
    let report = world.cooling(60_000, 1);
    world.one.exchange(&report).await.unwrap();
    world.one.warm(&report.cooldowns[0].key).await.unwrap();
    let board = world.told_to_two().await;
    assert!(board.cooldowns.is_empty());
    assert_eq!(board.warmed[0].0, report.cooldowns[0].key);
    world.two.exchange(&world.cooling(60_000, 1)).await.unwrap();
    let board = world.told_to_two().await;
    assert!(board.warmed.is_empty(), "it cools again");
    assert_eq!(board.cooldowns.len(), 1);
}

async fn what_is_spent_adds_up(world: World) {
    for _ in 0..50 {
        world.one.exchange(&spent(0.000_001, None)).await.unwrap();
        world.two.exchange(&spent(0.02, None)).await.unwrap();
    }
    let board = world.told_to_two().await;
    let [(key, usd, left)] = board.spent.as_slice() else {
        panic!("one amount: {board:?}");
    };
    assert_eq!((key.as_str(), *left), ("deployment:a", None));
    assert!((usd - 1.000_05).abs() < 1e-9, "{usd}");
}

async fn a_period_begins_with_the_first_spend_and_ends(world: World) {
    let period = Some(Duration::from_millis(300));
    world.one.exchange(&spent(1.0, period)).await.unwrap();
    world.pass(Duration::from_millis(100)).await;
    let board = world.two.exchange(&spent(1.0, period)).await.unwrap();
    assert!((board.spent[0].1 - 2.0).abs() < 1e-9);
    assert!(board.spent[0].2.unwrap() <= Duration::from_millis(200));
    world.pass(Duration::from_millis(250)).await;
    assert!(world.told_to_two().await.spent.is_empty());
    let board = world.one.exchange(&spent(0.5, period)).await.unwrap();
    assert!((board.spent[0].1 - 0.5).abs() < 1e-9, "a new period");
}
