use std::collections::BTreeMap;

use super::super::test_group::{config, entry, router};
use super::*;
use crate::config::{
    Alias, Config, DeploymentConfig, RouterSettings, RoutingGroup, StrategyConfig, StrategyName,
};
use crate::router::{Asked, History};

const NOVA: &str = "bedrock/us.amazon.nova-pro-v1:0";

fn alias(name: &str, target: &str, hidden: bool) -> Alias {
    Alias {
        name: name.to_owned(),
        target: target.to_owned(),
        hidden,
    }
}

fn named(entries: &[(&str, &str)]) -> Vec<DeploymentConfig> {
    let entry = |(name, model): &(&str, &str)| entry(name, model);
    entries.iter().map(entry).collect()
}

fn built(entries: Vec<DeploymentConfig>, settings: RouterSettings) -> Router {
    router(&config(entries, settings), None)
}

type Understood = (Match, String, String);

fn resolved(router: &Router, name: &str) -> Option<Understood> {
    let found = router.resolve(name, Asker::Administrator)?;
    Some((found.matched, found.shown, found.group.name.clone()))
}

fn is(matched: Match, shown: &str, group: &str) -> Understood {
    (matched, shown.to_owned(), group.to_owned())
}

#[test]
fn names_are_understood_in_order_and_aliases_once() {
    let mut entries = named(&[("a", NOVA), ("b", "bedrock/acme.b"), ("x-*", "bedrock/*")]);
    entries[0].id = Some("the-id".to_owned());
    let settings = RouterSettings {
        aliases: vec![
            alias("ali", "a", false),
            alias("chain", "ali", false),
            alias("b", "a", false),
            alias("the-id", "b", false),
            alias("broken", "", false),
            alias("wild", "x-acme.m", true),
            alias("by-id", "the-id", true),
        ],
        ..RouterSettings::default()
    };
    let mut config = config(entries, settings);
    config.litellm.model_alias_map = BTreeMap::from([("old".to_owned(), "a".to_owned())]);
    let router = router(&config, None);
    assert_eq!(resolved(&router, "old"), Some(is(Match::Group, "a", "a")));
    assert_eq!(
        resolved(&router, "the-id"),
        Some(is(Match::DeploymentId, "the-id", "the-id"))
    );
    assert_eq!(resolved(&router, "ali"), Some(is(Match::Alias, "ali", "a")));
    assert_eq!(resolved(&router, "b"), Some(is(Match::Alias, "b", "a")));
    assert_eq!(resolved(&router, "chain"), None);
    assert_eq!(resolved(&router, "broken"), None);
    assert_eq!(
        resolved(&router, "wild"),
        Some(is(Match::Alias, "wild", "x-acme.m"))
    );
    assert_eq!(
        resolved(&router, "by-id"),
        Some(is(Match::Alias, "by-id", "the-id"))
    );
    assert_eq!(
        resolved(&router, NOVA),
        Some(is(Match::ModelText, NOVA, NOVA))
    );
    assert_eq!(resolved(&router, "nope"), None);
    assert_eq!(
        router.listed_names(Asker::Administrator),
        ["ali", "b", "the-id", "a", "x-*"]
    );
}

#[test]
fn gate_says_why_a_name_cannot_be_called() {
    let mut entries = named(&[("a", NOVA), ("paused", NOVA)]);
    entries[1].blocked = true;
    entries[1].id = Some("off".to_owned());
    let router = built(entries, RouterSettings::default());
    assert!(
        router
            .admit("a", Asker::Administrator, 400, "/rerank")
            .is_ok()
    );
    for name in ["paused", "off"] {
        let error = router
            .admit(name, Asker::Administrator, 400, "/rerank")
            .unwrap_err();
        assert_eq!(
            (error.status().as_u16(), error.message()),
            (403, "Model is blocked")
        );
    }
    for status in [400, 404] {
        let error = router
            .admit("nope", Asker::Administrator, status, "/rerank")
            .unwrap_err();
        assert_eq!(error.status().as_u16(), status);
        let expected = "/rerank: Invalid model name passed in model=nope. \
                        Call `/v1/models` to view available models for your key.";
        assert_eq!(error.message(), expected);
    }
}

#[test]
fn call_by_id_passes_order_and_tags_but_not_a_team() {
    let mut entries = named(&[("m", NOVA), ("m", NOVA)]);
    for (place, entry) in entries.iter_mut().enumerate() {
        entry.id = Some(place.to_string());
        entry.limits.order = Some([1, 2][place]);
        entry.tags = vec!["x".to_owned()];
        entry.info.tag_filtering = Some(true);
    }
    entries[1].info.team_id = Some("a".to_owned());
    let settings = RouterSettings::default();
    let router = built(entries, settings.clone());
    let group = router.resolve("1", Asker::Administrator).unwrap().group;
    let dice = crate::random::Dice::seeded(1);
    let clock = crate::clock::ManualClock::at(std::time::UNIX_EPOCH);
    let pick = |asked: &Asked| {
        let now = crate::clock::Clock::now(&clock);
        group.pick(asked, History::default(), &settings, &dice, now)
    };
    let asked = Asked {
        team: Some("a".to_owned()),
        tags: vec!["y".to_owned()],
        ..Asked::default()
    };
    assert_eq!(pick(&asked).unwrap().deployment.id, "1");
    assert!(pick(&Asked::default()).is_err());
}

fn routing(name: &str, models: &[&str], strategy: StrategyName) -> RoutingGroup {
    RoutingGroup {
        name: name.to_owned(),
        models: models.iter().map(|model| (*model).to_owned()).collect(),
        strategy: StrategyConfig {
            name: strategy,
            ..StrategyConfig::default()
        },
        priorities: None,
    }
}

fn with_routing_groups() -> Config {
    let mut first = routing("first", &["b", "a"], StrategyName::SimpleShuffle);
    first.priorities = Some(BTreeMap::from([("b".to_owned(), 1), ("a".to_owned(), 2)]));
    let settings = RouterSettings {
        routing_groups: vec![
            routing("pool", &["a", "b", "gone"], StrategyName::LeastBusy),
            first,
            routing("c", &["a"], StrategyName::P2c),
            routing("default", &["c"], StrategyName::P2c),
            routing("empty", &["gone"], StrategyName::P2c),
        ],
        ..RouterSettings::default()
    };
    config(named(&[("a", NOVA), ("b", NOVA), ("c", NOVA)]), settings)
}

#[test]
fn routing_groups_are_called_by_name_and_lend_their_strategy_to_their_models() {
    let router = router(&with_routing_groups(), None);
    assert_eq!(
        resolved(&router, "pool"),
        Some(is(Match::RoutingGroup, "pool", "pool"))
    );
    let pool = router.resolve("pool", Asker::Administrator).unwrap().group;
    assert_eq!(pool.deployments.len(), 2);
    assert_eq!(pool.strategy.name, StrategyName::LeastBusy);
    let strategy = |name: &str| router.group(name).unwrap().strategy.name;
    assert_eq!(strategy("a"), StrategyName::LeastBusy);
    assert_eq!(
        router.listed_names(Asker::Administrator),
        ["a", "b", "c", "pool", "first"]
    );
}

#[test]
fn priorities_are_tiers_and_hold_only_by_the_groups_name() {
    let router = router(&with_routing_groups(), None);
    let first = router.resolve("first", Asker::Administrator).unwrap().group;
    assert_eq!(first.tiers(), [1, 2]);
    assert_eq!(first.order_of(&first.deployments[0]), Some(1));
    assert_eq!(first.deployments[0].group, "b");
    assert!(router.group("a").unwrap().tiers().is_empty());
}

#[test]
fn model_wins_over_a_routing_group_of_its_name_with_a_warning() {
    let router = router(&with_routing_groups(), None);
    assert_eq!(resolved(&router, "c"), Some(is(Match::Group, "c", "c")));
    let warnings: Vec<&str> = (router.warnings().iter())
        .map(|warning| warning.message.as_str())
        .collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("`c` is also a `model_name`"));
    assert!(warnings[1].contains("cannot be called `default`"));
    assert!(warnings[2].contains("`empty` has no deployment"));
}

#[test]
fn groups_keep_what_they_learned_over_a_reload() {
    let config = with_routing_groups();
    let before = router(&config, None);
    let after = router(&config, Some(&before));
    for name in ["a", "pool", NOVA] {
        let of = |router: &Router| {
            Arc::clone(
                &router
                    .resolve(name, Asker::Administrator)
                    .unwrap()
                    .group
                    .runtime,
            )
        };
        assert!(Arc::ptr_eq(&of(&before), &of(&after)), "{name}");
    }
}
