use proptest::prelude::*;

use super::super::test_group::{config, entry, router};
use super::super::{Asker, Match, Router};
use super::*;
use crate::config::{DeploymentConfig, RouterSettings};

fn captures<'n>(pattern: &str, name: &'n str) -> Option<Vec<&'n str>> {
    Pattern::parse(pattern).unwrap().captures(name)
}

fn routes(pairs: &[(&str, &str)]) -> Router {
    let entries = pairs
        .iter()
        .map(|(name, model)| entry(name, model))
        .collect();
    router(&config(entries, RouterSettings::default()), None)
}

fn model_of(router: &Router, name: &str) -> Option<String> {
    let resolved = router.resolve(name, Asker::Administrator)?;
    Some(resolved.group.deployments[0].model.clone())
}

#[test]
fn whole_names_match_and_captures_are_greedy() {
    assert_eq!(captures("wild-*-v1", "wild-abc-v1"), Some(vec!["abc"]));
    assert_eq!(captures("wild-*-v1", "wild-abc-v1-extra"), None);
    assert_eq!(captures("wild-*-v1", "my-wild-abc-v1"), None);
    assert_eq!(captures("*", "anything"), Some(vec!["anything"]));
    assert_eq!(captures("*", ""), Some(vec![""]));
    assert_eq!(captures("a*b*c", "a1b2b3c"), Some(vec!["1b2", "3"]));
    assert_eq!(captures("a**c", "abc"), Some(vec!["b", ""]));
    assert_eq!(captures("a.c*", "abc"), None);
    assert_eq!(captures("aa*aa", "aaa"), None);
    assert_eq!(Pattern::parse("plain"), None);
}

#[test]
fn captures_take_the_place_of_stars() {
    assert_eq!(substituted("bedrock/*", &["x"], "n"), "bedrock/x");
    assert_eq!(substituted("bedrock/*.*", &["x", "y"], "n"), "bedrock/x.y");
    assert_eq!(substituted("bedrock/fixed", &["x"], "n"), "bedrock/fixed");
    assert_eq!(substituted("bedrock/*", &["x", "y"], "n"), "n");
    assert_eq!(substituted("bedrock/*/*", &["x"], "n"), "bedrock/x/*");
}

#[test]
fn longest_pattern_wins_and_an_exact_name_beats_all() {
    let router = routes(&[
        ("*", "bedrock/converse/any.*"),
        ("bedrock/*", "bedrock/converse/some.*"),
        ("bedrock/anthropic.*", "bedrock/converse/anthropic.*"),
        ("bedrock/anthropic.exact", "bedrock/converse/exact"),
    ]);
    for (name, model) in [
        ("bedrock/anthropic.exact", "bedrock/converse/exact"),
        (
            "bedrock/anthropic.other",
            "bedrock/converse/anthropic.other",
        ),
        ("bedrock/amazon.x", "bedrock/converse/some.amazon.x"),
        ("gpt", "bedrock/converse/any.gpt"),
    ] {
        assert_eq!(model_of(&router, name).as_deref(), Some(model), "{name}");
    }
}

#[test]
fn bare_id_of_bedrocks_matches_with_its_provider() {
    let router = routes(&[("bedrock/*", "bedrock/*")]);
    let resolved = router
        .resolve("anthropic.claude-x", Asker::Administrator)
        .unwrap();
    assert_eq!(resolved.matched, Match::Wildcard);
    assert_eq!(resolved.shown, "anthropic.claude-x");
    let deployment = &resolved.group.deployments[0];
    assert_eq!(deployment.model, "bedrock/anthropic.claude-x");
    assert_eq!(deployment.target.model.wire, "anthropic.claude-x");
    assert_eq!(resolved.group.configured_name(), "bedrock/*");
    assert!(router.resolve("gpt-4o", Asker::Administrator).is_none());
    assert!(
        router
            .resolve("us.amazon.nova-pro-v1:0", Asker::Administrator)
            .is_some()
    );
}

#[test]
fn more_captures_than_stars_use_the_requested_name() {
    let router = routes(&[("bedrock/*/*", "bedrock/*")]);
    let model = model_of(&router, "bedrock/converse/acme.x");
    assert_eq!(model.as_deref(), Some("bedrock/converse/acme.x"));
}

#[test]
fn concrete_deployments_share_what_is_the_patterns_and_learn_for_themselves() {
    let router = routes(&[("bedrock/*", "bedrock/*")]);
    let of = |name: &str| {
        Arc::clone(
            &router
                .resolve(name, Asker::Administrator)
                .unwrap()
                .group
                .deployments[0],
        )
    };
    let (one, other) = (of("bedrock/acme.a"), of("bedrock/acme.b"));
    let pattern = one.pattern.as_ref().unwrap();
    assert_eq!((&one.id, &one.id), (&other.id, &pattern.id));
    assert!(Arc::ptr_eq(&one.meters, &other.meters));
    assert!(std::ptr::eq(one.spender(), other.spender()));
    assert!(!Arc::ptr_eq(&one.runtime, &other.runtime));
    assert!(Arc::ptr_eq(&one.runtime, &of("bedrock/acme.a").runtime));
    let models: Vec<String> = (router.concrete_of(&one.id).iter())
        .map(|one| one.model.clone())
        .collect();
    assert_eq!(models, ["bedrock/acme.a", "bedrock/acme.b"]);
}

#[test]
fn what_was_learned_of_a_concrete_model_survives_a_reload() {
    let entries = || vec![entry("bedrock/*", "bedrock/*")];
    let before = router(&config(entries(), RouterSettings::default()), None);
    let of = |router: &Router| {
        let group = router
            .resolve("bedrock/acme.a", Asker::Administrator)
            .unwrap()
            .group;
        Arc::clone(&group.deployments[0].runtime)
    };
    let learned = of(&before);
    let tuned = || {
        let mut entries = entries();
        entries[0].limits.rpm = Some(7);
        entries
    };
    let after = router(&config(tuned(), RouterSettings::default()), Some(&before));
    assert!(Arc::ptr_eq(&of(&after), &learned));
    let group = after
        .resolve("bedrock/acme.a", Asker::Administrator)
        .unwrap()
        .group;
    assert_eq!(group.deployments[0].entry.limits.rpm, Some(7));
}

#[test]
fn region_in_the_name_is_used_where_the_entry_has_none() {
    let mut open = entry("open/*", "bedrock/*");
    open.aws.region = None;
    let fixed = entry("fixed/*", "bedrock/*");
    let router = router(&config(vec![open, fixed], RouterSettings::default()), None);
    let of = |name: &str| {
        Arc::clone(
            &router
                .resolve(name, Asker::Administrator)
                .unwrap()
                .group
                .deployments[0],
        )
    };
    let open = of("open/eu-west-3/acme.a");
    assert_eq!(open.region, "eu-west-3");
    assert!(
        open.target.endpoint.contains("eu-west-3"),
        "{}",
        open.target.endpoint
    );
    assert_eq!(of("fixed/eu-west-3/acme.a").region, "us-east-1");
}

#[test]
fn names_that_can_be_no_model_are_a_400() {
    let router = routes(&[("*", "bedrock/*")]);
    for name in ["two words", "*", "a*b", "", "converse_like/x", ".."] {
        let error = router
            .admit(name, Asker::Administrator, 404, "/rerank")
            .unwrap_err();
        assert_eq!(error.status().as_u16(), 400, "{name}: {error}");
        assert!(
            error.message().starts_with("You passed in model="),
            "{error}"
        );
        assert!(router.resolve(name, Asker::Administrator).is_none());
    }
    let long = "x".repeat(5_000);
    assert_eq!(
        router
            .admit(&long, Asker::Administrator, 404, "/rerank")
            .unwrap_err()
            .status()
            .as_u16(),
        404
    );
}

#[test]
fn number_of_names_that_are_kept_is_bounded() {
    let router = routes(&[("*", "bedrock/*")]);
    for number in 0..2 * KEPT {
        assert!(
            router
                .resolve(&format!("acme.m{number}"), Asker::Administrator)
                .is_some()
        );
    }
    let id = router.groups()[0].deployments[0].id.clone();
    assert_eq!(router.concrete_of(&id).len(), KEPT);
}

#[test]
fn patterns_are_listed_as_they_are_and_expanded_on_demand() {
    let router = routes(&[("bedrock/amazon.nova-*", "bedrock/amazon.nova-*")]);
    assert_eq!(
        router.listed_names(Asker::Administrator),
        ["bedrock/amazon.nova-*"]
    );
    let names = router.listed_names_expanded(Asker::Administrator);
    assert_eq!(names[0], "bedrock/amazon.nova-*");
    assert!(
        names
            .iter()
            .any(|name| name == "bedrock/amazon.nova-pro-v1:0"),
        "{names:?}"
    );
    assert!(
        !names.iter().any(|name| name.contains("canvas")),
        "{names:?}"
    );
}

proptest! {
    #[test]
    fn match_covers_the_whole_name(pattern in "[ab*]{0,6}", name in "[ab]{0,10}") {
        prop_assume!(pattern.contains('*'));
        let found = captures(&pattern, &name);
        let regex = format!("^{}$", pattern.replace('*', ".*"));
        let is_match = regex_lite::Regex::new(&regex).unwrap().is_match(&name);
        prop_assert_eq!(found.is_some(), is_match);
        if let Some(captures) = found {
            prop_assert_eq!(captures.len(), pattern.matches('*').count());
            prop_assert_eq!(substituted(&pattern, &captures, "?"), name);
        }
    }

    #[test]
    fn any_name_is_resolved_or_refused(name in "\\PC{0,40}") {
        let router = Router::default();
        prop_assert!(router.resolve(&name, Asker::Administrator).is_none());
        let pattern = Pattern::parse("bedrock/*").unwrap();
        let _captures = pattern.captures(&name);
        let concrete = substituted("bedrock/*", &[&name], &name);
        let _parsed = Arc::new(made(entry("bedrock/*", "bedrock/*")))
            .concrete(concrete, Arc::default(), &Environment::default());
    }
}

fn made(entry: DeploymentConfig) -> Deployment {
    let router = router(&config(vec![entry], RouterSettings::default()), None);
    let deployment = &router.groups()[0].deployments[0];
    let runtime = Arc::default();
    let model = "bedrock/acme.x".to_owned();
    deployment
        .concrete(model, runtime, &Environment::default())
        .unwrap()
}
