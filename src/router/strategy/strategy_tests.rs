use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::test_group::{Stage, entries};
use super::super::{History, Pass};
use super::*;
use crate::config::{DeploymentConfig, RouterSettings, StrategyConfig};

const ALL: [StrategyName; 6] = [
    StrategyName::SimpleShuffle,
    StrategyName::LeastBusy,
    StrategyName::LatencyBased,
    StrategyName::UsageBased,
    StrategyName::CostBased,
    StrategyName::P2c,
];

fn settings(name: StrategyName) -> RouterSettings {
    RouterSettings {
        strategy: StrategyConfig {
            name,
            args: StrategyArgs::default(),
        },
        ..RouterSettings::default()
    }
}

fn stage(name: StrategyName, total: usize, change: impl Fn(usize, &mut DeploymentConfig)) -> Stage {
    Stage::of(entries(total, change), settings(name))
}

/// How often each of 10 000 picks comes to each id.
fn counts(stage: &Stage, asked: &Asked) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for _ in 0..10_000 {
        let picked = stage.pick(asked, History::default()).unwrap();
        *counts.entry(picked.deployment.id.clone()).or_default() += 1;
    }
    counts
}

fn near(count: Option<&u32>, expected: u32) -> bool {
    // Four standard deviations of 10 000 draws are at most 200.
    count.copied().unwrap_or(0).abs_diff(expected) < 200
}

#[test]
fn weights_hold_over_many_picks_whatever_the_order_of_the_file() {
    let weights = [1.0, 5.0, 4.0, 0.0];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let stage = stage(StrategyName::SimpleShuffle, 4, |place, entry| {
            entry.id = Some(order[place].to_string());
            entry.limits.weight = Some(weights[order[place]]);
        });
        let counts = counts(&stage, &Asked::default());
        for (id, expected) in [("0", 1_000), ("1", 5_000), ("2", 4_000), ("3", 0)] {
            assert!(near(counts.get(id), expected), "{order:?}: {counts:?}");
        }
        assert_eq!(counts.get("3"), None);
    }
}

#[test]
fn missing_weight_counts_as_none_while_a_weighted_one_is_there() {
    for weighted in [0, 1] {
        let stage = stage(StrategyName::SimpleShuffle, 2, |place, entry| {
            entry.limits.weight = (place == weighted).then_some(1.0);
        });
        let asked = Asked::default();
        assert_eq!(
            stage.ids(&asked, History::default()),
            [weighted.to_string()]
        );
        // When it cannot serve, the other one does.
        let excluded = [weighted.to_string()];
        let history = History {
            excluded: &excluded,
            ..History::default()
        };
        assert_eq!(stage.ids(&asked, history), [(1 - weighted).to_string()]);
    }
}

#[test]
fn rpm_then_tpm_weigh_where_nothing_else_does() {
    let requests_weigh = stage(StrategyName::SimpleShuffle, 2, |place, entry| {
        entry.limits.rpm = Some([100, 300][place]);
        entry.limits.tpm = Some(1);
    });
    assert!(near(
        counts(&requests_weigh, &Asked::default()).get("1"),
        7_500
    ));
    let tokens_weigh = stage(StrategyName::SimpleShuffle, 2, |place, entry| {
        entry.limits.weight = Some(0.0);
        entry.limits.tpm = Some([400, 100][place]);
    });
    assert!(near(
        counts(&tokens_weigh, &Asked::default()).get("0"),
        8_000
    ));
    let huge = stage(StrategyName::SimpleShuffle, 2, |_, entry| {
        entry.limits.weight = Some(f64::MAX);
    });
    assert!(near(counts(&huge, &Asked::default()).get("0"), 5_000));
}

#[test]
fn weights_of_the_key_come_first() {
    let stage = stage(StrategyName::SimpleShuffle, 3, |place, entry| {
        entry.limits.weight = (place == 0).then_some(9.0);
    });
    let asked = Asked {
        weights: vec![("2".to_owned(), 1.0), ("gone".to_owned(), 5.0)],
        ..Asked::default()
    };
    assert_eq!(stage.ids(&asked, History::default()), ["2"]);
    let none = Asked {
        weights: vec![("gone".to_owned(), 5.0)],
        ..Asked::default()
    };
    assert_eq!(stage.ids(&none, History::default()), ["0"]);
}

#[test]
fn least_busy_is_picked_and_ties_are_shared() {
    let stage = stage(StrategyName::LeastBusy, 3, |_, _| {});
    let busy = &stage.group.deployments[1].runtime;
    let guard = busy.begin(Pass::default());
    let asked = Asked::default();
    let picked = counts(&stage, &asked);
    assert_eq!(picked.get("1"), None);
    assert!(near(picked.get("0"), 5_000), "{picked:?}");
    drop(guard);
    assert!(near(counts(&stage, &asked).get("1"), 3_333));
    stage.group.deployments[0].runtime.set_elsewhere(7);
    assert_eq!(stage.ids(&asked, History::default()), ["1", "2"]);
}

#[test]
fn cheapest_is_picked_and_zero_is_a_price() {
    let stage = stage(StrategyName::CostBased, 4, |place, entry| match place {
        0 => entry.model = "bedrock/converse/acme.unknown".to_owned(),
        1 => {}
        2 => {
            entry.input_cost_per_token = Some(0.0);
            entry.output_cost_per_token = Some(0.0);
        }
        _ => entry.input_cost_per_token = Some(1e-9),
    });
    let of = |place: usize| stage.group.deployments[place].cost_per_token;
    assert_eq!(of(0), None);
    assert!(of(1).unwrap() > 0.0);
    assert_eq!(of(2), Some(0.0));
    assert!(of(3).unwrap() < of(1).unwrap());
    let asked = Asked::default();
    assert_eq!(stage.ids(&asked, History::default()), ["2"]);
}

#[test]
fn p2c_prefers_the_less_loaded_and_never_what_weighs_nothing() {
    let stage = stage(StrategyName::P2c, 2, |_, _| {});
    let guards: Vec<_> = (0..5)
        .map(|_| stage.group.deployments[0].runtime.begin(Pass::default()))
        .collect();
    let asked = Asked::default();
    assert_eq!(stage.ids(&asked, History::default()), ["1"]);
    drop(guards);
    assert!(near(counts(&stage, &asked).get("0"), 5_000));
    let weighted = self::stage(StrategyName::P2c, 3, |place, entry| {
        entry.limits.weight = Some([1.0, 0.0, 3.0][place]);
    });
    assert_eq!(weighted.ids(&asked, History::default()), ["0", "2"]);
}

#[test]
fn buffer_widens_what_is_as_good_as_the_best() {
    let stage = stage(StrategyName::SimpleShuffle, 4, |_, _| {});
    let left: Vec<_> = stage.group.deployments.iter().collect();
    let asked = Asked::default();
    let choice = Choice {
        left: &left,
        asked: &asked,
        args: &StrategyArgs::default(),
        dice: &stage.dice,
        now: stage.now(),
    };
    let scores = [1.0, 1.4, 1.6, f64::NAN];
    let score = |one: &Deployment| scores[one.id.parse::<usize>().unwrap()];
    let picks = |buffer: f64| {
        let mut places: Vec<_> = (0..200)
            .map(|_| lowest(&choice, buffer, score).unwrap())
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    };
    assert_eq!(picks(0.0), [0]);
    assert_eq!(picks(0.5), [0, 1]);
    let nobody = |_: &Deployment| f64::NAN;
    assert!(lowest(&choice, 0.0, nobody).is_some());
}

#[test]
fn key_chooses_the_strategy() {
    let stage = stage(StrategyName::SimpleShuffle, 2, |_, _| {});
    let _guard = stage.group.deployments[0].runtime.begin(Pass::default());
    let asked = Asked {
        strategy: Some(StrategyName::LeastBusy),
        ..Asked::default()
    };
    assert_eq!(stage.ids(&asked, History::default()), ["1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_weights_pick_something_and_never_what_weighs_nothing(
        weights in prop::collection::vec(prop_oneof![Just(0.0), 0.001..1e300], 1..6),
        strategy in prop::sample::select(&ALL[..]),
    ) {
        let total = weights.len();
        let stage = stage(strategy, total, |place, entry| {
            entry.limits.weight = Some(weights[place]);
        });
        let is_weighted = weights.iter().any(|weight| *weight > 0.0);
        for _ in 0..20 {
            let picked = stage.pick(&Asked::default(), History::default()).unwrap();
            let place: usize = picked.deployment.id.parse().unwrap();
            if is_weighted && matches!(strategy, StrategyName::SimpleShuffle | StrategyName::P2c) {
                prop_assert!(weights[place] > 0.0);
            }
        }
    }
}
