use proptest::prelude::*;

use super::super::test_group::{Stage, entries};
use super::super::{ModelGroup, Standing};
use super::*;
use crate::config::{StrategyArgs, StrategyConfig, TagSettings};

/// What one deployment of a random group is.
#[derive(Debug, Clone)]
struct One {
    blocked: bool,
    cooling: bool,
    team: Option<u8>,
    tag: Option<u8>,
    order: Option<i64>,
    weight: Option<f64>,
    parallel: Option<u32>,
}

fn one() -> impl Strategy<Value = One> {
    (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.2, 0..2_u8),
        prop::option::weighted(0.5, 0..2_u8),
        prop::option::weighted(0.4, 0..3_i64),
        prop::option::weighted(0.3, 0.0..5.0),
        prop::option::weighted(0.3, 0..3_u32),
    )
        .prop_map(
            |(blocked, cooling, team, tag, order, weight, parallel)| One {
                blocked,
                cooling,
                team,
                tag,
                order,
                weight,
                parallel,
            },
        )
}

fn strategies() -> impl Strategy<Value = StrategyName> {
    prop::sample::select(vec![
        StrategyName::SimpleShuffle,
        StrategyName::LeastBusy,
        StrategyName::LatencyBased,
        StrategyName::UsageBased,
        StrategyName::CostBased,
        StrategyName::P2c,
    ])
}

fn stage(all: &[One], strategy: StrategyName) -> Stage {
    let settings = RouterSettings {
        strategy: StrategyConfig {
            name: strategy,
            args: StrategyArgs::default(),
        },
        tags: TagSettings {
            enabled: true,
            ..TagSettings::default()
        },
        ..RouterSettings::default()
    };
    let entries = entries(all.len(), |place, entry| {
        let one = &all[place];
        entry.blocked = one.blocked;
        entry.info.team_id = one.team.map(|team| team.to_string());
        entry.tags = one.tag.map(|tag| tag.to_string()).into_iter().collect();
        entry.limits.order = one.order;
        entry.limits.weight = one.weight;
        entry.limits.parallel = one.parallel;
    });
    let stage = Stage::of(entries, settings);
    for (place, one) in all.iter().enumerate() {
        if one.cooling {
            stage.cool(place);
        }
    }
    stage
}

fn standing(stage: &Stage, deployment: &Deployment) -> Standing {
    deployment.runtime.breaker.standing(stage.now())
}

/// Whether a deployment may serve, by the rules and not by the filters.
fn is_eligible(stage: &Stage, asked: &Asked, deployment: &Deployment) -> bool {
    let entry = &deployment.entry;
    let cost = Cost {
        requests: 1,
        ..Cost::default()
    };
    !entry.blocked
        && entry
            .info
            .team_id
            .as_ref()
            .is_none_or(|team| asked.team.as_ref() == Some(team))
        && matches!(
            standing(stage, deployment),
            Standing::Open | Standing::ProbeDue
        )
        && asked.tags.iter().all(|tag| entry.tags.contains(tag))
        && deployment.meters.room(cost, stage.now()).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_strategy_picks_what_may_not_serve(
        all in prop::collection::vec(one(), 1..7),
        strategy in strategies(),
        team in prop::option::of(0..2_u8),
        tag in prop::option::of(0..2_u8),
        tried in 0..7_usize,
    ) {
        let stage = stage(&all, strategy);
        let asked = Asked {
            team: team.map(|team| team.to_string()),
            tags: tag.map(|tag| tag.to_string()).into_iter().collect(),
            ..Asked::default()
        };
        let tried = [tried.to_string()];
        let history = History { tried: &tried, ..History::default() };
        let group: &ModelGroup = &stage.group;
        let eligible: Vec<&Arc<Deployment>> = group.deployments.iter()
            .filter(|one| is_eligible(&stage, &asked, one))
            .collect();
        let lowest = eligible.iter().filter_map(|one| one.entry.limits.order).min();
        let tier: Vec<&str> = eligible.iter()
            .filter(|one| one.entry.limits.order == lowest)
            .map(|one| one.id.as_str())
            .collect();
        match stage.pick(&asked, history) {
            Ok(picked) => {
                let id = picked.deployment.id.as_str();
                prop_assert!(tier.contains(&id), "{id} of {tier:?}");
                prop_assert!(tier.len() == 1 || id != tried[0]);
            }
            Err(none) => prop_assert!(eligible.is_empty(), "{none:?} with {tier:?}"),
        }
    }

    #[test]
    fn without_a_pick_the_reason_is_the_true_one(
        all in prop::collection::vec(one(), 1..5),
        strategy in strategies(),
    ) {
        let stage = stage(&all, strategy);
        let Err(none) = stage.pick(&Asked::default(), History::default()) else {
            return Ok(());
        };
        let mine: Vec<&Arc<Deployment>> = stage.group.deployments.iter()
            .filter(|one| one.entry.info.team_id.is_none())
            .collect();
        let open: Vec<&&Arc<Deployment>> = mine.iter().filter(|one| !one.entry.blocked).collect();
        let ready = open.iter()
            .filter(|one| matches!(standing(&stage, one), Standing::Open | Standing::ProbeDue))
            .count();
        let waits = open.iter().filter_map(|one| match standing(&stage, one) {
            Standing::Cooling { until } => Some(until - stage.now()),
            _ => None,
        });
        match none {
            NoPick::Cooling { retry_after } => {
                prop_assert_eq!(ready, 0);
                prop_assert_eq!(Some(retry_after), waits.min());
            }
            NoPick::Full { .. } => prop_assert!(ready > 0),
            NoPick::Error(error) => {
                let forbidden = error.kind() == ErrorKind::Forbidden;
                prop_assert_eq!(forbidden, !mine.is_empty() && open.is_empty());
            }
        }
    }
}

#[test]
fn reasons_are_worded_with_the_true_wait() {
    let cooling = NoPick::Cooling {
        retry_after: Duration::from_millis(4_200),
    };
    let error = cooling.into_error();
    assert_eq!(error.status().as_u16(), 429);
    assert_eq!(error.error_type(), "all_deployments_in_cooldown");
    assert_eq!(error.retry_after(), Some(Duration::from_millis(4_200)));
    assert!(error.message().contains("Try again in 5 seconds"));
    let full = NoPick::Full {
        retry_after: None,
        limit: LimitName::Rpm,
    }
    .into_error();
    assert_eq!(
        (full.status().as_u16(), full.error_type()),
        (429, "rate_limit_error")
    );
    assert_eq!(
        full.message(),
        "No deployments available for selected model"
    );
}
