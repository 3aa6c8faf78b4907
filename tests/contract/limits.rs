//! Windows and gauges.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use switchyard::store::{Charge, ChargeKind, Verdict};

use crate::{World, correction, gauge, is_granted, rpm, take, take_all, verdict, window};

crate::on_both!(
    all_are_granted_at_once_and_no_more,
    two_instances_have_one_limit_together,
    a_window_slides,
    what_is_refused_takes_nothing,
    one_call_passes_an_untouched_window,
    one_limit_twice_in_a_call_counts_twice,
    a_gauge_counts_what_is_held,
    corrections_change_what_is_used,
    corrections_of_what_is_past_are_nothing,
    nothing_goes_below_zero,
    more_than_the_limit_never_fits,
    an_amount_of_nothing_takes_nothing,
);

async fn all_are_granted_at_once_and_no_more(world: World) {
    let charge = rpm("k", 5);
    for used in 1..=5 {
        let Verdict::Granted { used: of_each, .. } = verdict(&world.one, &charge).await else {
            panic!("call {used} has room");
        };
        assert_eq!(of_each, [used]);
    }
    let Verdict::Refused {
        index,
        retry_after,
        used,
    } = verdict(&world.one, &charge).await
    else {
        panic!("a sixth call has no room");
    };
    assert_eq!((index, used), (0, 5));
    let wait = retry_after.expect("a window empties");
    assert!(
        wait > Duration::from_secs(30) && wait <= Duration::from_secs(60),
        "{wait:?}"
    );
}

async fn two_instances_have_one_limit_together(world: World) {
    let granted = take_all(&world.one, &world.two, &rpm("k", 50), 200).await;
    assert_eq!(granted, 50);
}

async fn a_window_slides(world: World) {
    let charge = window("k", 2, Duration::from_millis(600));
    take(&world.one, &charge).await;
    world.pass(Duration::from_millis(300)).await;
    take(&world.one, &charge).await;
    let Verdict::Refused {
        retry_after: Some(wait),
        ..
    } = verdict(&world.two, &charge).await
    else {
        panic!("two were taken");
    };
    assert!(
        wait <= Duration::from_millis(300),
        "the first is given back first: {wait:?}"
    );
    world.pass(wait).await;
    take(&world.two, &charge).await;
    assert!(
        !is_granted(&verdict(&world.one, &charge).await),
        "the second is still in"
    );
}

async fn what_is_refused_takes_nothing(world: World) {
    let (free, full) = (rpm("free", 10), rpm("full", 1));
    take(&world.one, &full).await;
    let refused = world.two.reserve(&[free.clone(), full]).await.unwrap();
    assert!(
        matches!(
            refused,
            Verdict::Refused {
                index: 1,
                used: 1,
                ..
            }
        ),
        "{refused:?}"
    );
    let Verdict::Granted { used, .. } = verdict(&world.one, &free).await else {
        panic!("it is free");
    };
    assert_eq!(used, [1]);
}

async fn one_call_passes_an_untouched_window(world: World) {
    let charge = |limit| Charge {
        amount: 500,
        kind: ChargeKind::Window {
            length: Duration::from_secs(60),
            one_always: true,
        },
        ..rpm(&format!("k{limit}"), limit)
    };
    take(&world.one, &charge(100)).await;
    assert!(!is_granted(&verdict(&world.two, &charge(100)).await));
    assert!(
        !is_granted(&verdict(&world.one, &charge(0)).await),
        "nothing is nothing"
    );
}

async fn one_limit_twice_in_a_call_counts_twice(world: World) {
    let charge = rpm("k", 1);
    let refused = world
        .one
        .reserve(&[charge.clone(), charge.clone()])
        .await
        .unwrap();
    assert!(
        matches!(refused, Verdict::Refused { index: 1, .. }),
        "{refused:?}"
    );
    take(&world.one, &charge).await;
}

async fn a_gauge_counts_what_is_held(world: World) {
    let charge = gauge("k", 2);
    let at = take(&world.one, &charge).await;
    take(&world.two, &charge).await;
    let refused = verdict(&world.one, &charge).await;
    assert!(
        matches!(
            refused,
            Verdict::Refused {
                retry_after: None,
                used: 2,
                ..
            }
        ),
        "{refused:?}"
    );
    world
        .one
        .correct(&[correction(&charge, at, -1)])
        .await
        .unwrap();
    take(&world.two, &charge).await;
}

async fn corrections_change_what_is_used(world: World) {
    let (tokens, slot) = (
        Charge {
            amount: 80,
            ..rpm("tpm", 100)
        },
        gauge("slots", 1),
    );
    let granted = world
        .one
        .reserve(&[tokens.clone(), slot.clone()])
        .await
        .unwrap();
    let Verdict::Granted { at, .. } = granted else {
        panic!("both have room");
    };
    let corrections = [correction(&tokens, at, -70), correction(&slot, at, -1)];
    world.one.correct(&corrections).await.unwrap();
    let granted = world.two.reserve(&[tokens.clone(), slot]).await.unwrap();
    assert!(
        matches!(&granted, Verdict::Granted { used, .. } if used == &[90, 1]),
        "{granted:?}"
    );
    world
        .one
        .correct(&[correction(&tokens, at, 15)])
        .await
        .unwrap();
    let refused = world
        .one
        .reserve(&[Charge {
            amount: 1,
            ..tokens
        }])
        .await
        .unwrap();
    assert!(
        matches!(refused, Verdict::Refused { used: 105, .. }),
        "{refused:?}"
    );
}

async fn corrections_of_what_is_past_are_nothing(world: World) {
    let charge = window("k", 2, Duration::from_millis(100));
    let at = take(&world.one, &charge).await;
    world.pass(Duration::from_millis(150)).await;
    world
        .one
        .correct(&[correction(&charge, at, 5)])
        .await
        .unwrap();
    let Verdict::Granted { used, .. } = verdict(&world.one, &charge).await else {
        panic!("the window is empty");
    };
    assert_eq!(used, [1]);
}

async fn nothing_goes_below_zero(world: World) {
    let (counted, held) = (rpm("w", 1), gauge("g", 1));
    for charge in [&counted, &held] {
        let at = take(&world.one, charge).await;
        world
            .one
            .correct(&[correction(charge, at, -9)])
            .await
            .unwrap();
        take(&world.one, charge).await;
        assert!(
            !is_granted(&verdict(&world.two, charge).await),
            "{}",
            charge.key
        );
    }
}

async fn more_than_the_limit_never_fits(world: World) {
    let charge = Charge {
        amount: 11,
        ..rpm("k", 10)
    };
    let refused = verdict(&world.one, &charge).await;
    assert!(
        matches!(refused, Verdict::Refused { retry_after: Some(wait), used: 0, .. } if wait == Duration::from_secs(60)),
        "{refused:?}"
    );
}

async fn an_amount_of_nothing_takes_nothing(world: World) {
    let charge = Charge {
        amount: 0,
        ..rpm("k", 1)
    };
    for _ in 0..3 {
        take(&world.one, &charge).await;
    }
    take(&world.one, &rpm("k", 1)).await;
}

proptest! {
    /// Against a list of every single call: never more than the limit in any minute, and no refusal where a list of
    /// buckets of 50 ms has room.
    #[test]
    fn no_minute_has_more_than_the_limit(
        limit in 1_u64..8,
        steps in prop::collection::vec((0_u64..20_000, any::<bool>()), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::in_memory();
            let charge = rpm("k", limit);
            let (mut now, mut granted) = (0, VecDeque::new());
            for (pause, first) in steps {
                world.pass(Duration::from_millis(pause)).await;
                now += pause;
                let store = if first { &world.one } else { &world.two };
                let certain = granted.iter().filter(|at| **at + 60_000 > now).count();
                let possible = granted.iter().filter(|at| **at + 60_050 > now).count();
                let is_granted = is_granted(&verdict(store, &charge).await);
                if is_granted {
                    granted.push_back(now);
                }
                assert!(!is_granted || (certain as u64) < limit, "too many");
                assert!(is_granted || possible as u64 >= limit, "refused for nothing");
            }
        });
    }
}
