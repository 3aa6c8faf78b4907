//! Tests of fallbacks: who is tried after which error.

use http::StatusCode;
use serde_json::json;

use super::*;
use crate::error::ErrorKind::{
    BadRequest, ContentPolicy, ContextWindow, LimitReached, ModelFault, NoDeployment, Throttled,
    UnknownModel, UpstreamMissing,
};

fn target(model: &str) -> FallbackTarget {
    FallbackTarget {
        model: model.to_owned(),
        overrides: Map::new(),
    }
}

fn mended(model: &str, overrides: Value) -> FallbackTarget {
    let Value::Object(overrides) = overrides else {
        panic!("an object");
    };
    FallbackTarget {
        model: model.to_owned(),
        overrides,
    }
}

fn rule(group: &str, targets: &[&str]) -> FallbackRule {
    FallbackRule {
        group: group.to_owned(),
        targets: targets.iter().map(|name| target(name)).collect(),
    }
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "x")
}

/// Written like config.yaml: lists, and who is tried after an error.
#[derive(Default)]
struct Lists {
    written: FallbackLists,
    direct: Vec<FallbackTarget>,
    on_4xx: bool,
}

impl Lists {
    fn general(rules: &[(&str, &[&str])]) -> Self {
        let mut lists = Self::default();
        lists.written.general = rules.iter().map(|(name, to)| rule(name, to)).collect();
        lists
    }

    fn and_default(mut self, names: &[&str]) -> Self {
        self.written.default = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    fn fallbacks(&self) -> Fallbacks<'_> {
        Fallbacks {
            direct: &self.direct,
            ..Fallbacks::of_router(&self.written, self.on_4xx)
        }
    }

    fn after(&self, groups: &[&str], kind: ErrorKind) -> Vec<String> {
        names(self.fallbacks().after(groups, &error(kind)))
    }
}

fn names(targets: Vec<FallbackTarget>) -> Vec<String> {
    targets.into_iter().map(|target| target.model).collect()
}

#[test]
fn a_chain_is_found_by_name_by_provider_and_for_every_group() {
    let lists = Lists::general(&[
        ("*", &["any"]),
        ("a", &["b"]),
        ("bedrock/n", &["o"]),
        ("p", &["q"]),
    ]);
    for (groups, expected) in [
        (&["a"][..], "b"),
        (&["bedrock/a"], "b"),
        (&["n"], "o"),
        (&["bedrock/p"], "q"),
        (&["unlisted"], "any"),
        (&["alias", "a"], "b"),
        (&["p", "a"], "q"),
    ] {
        assert_eq!(lists.after(groups, Throttled), [expected], "{groups:?}");
    }
    let exact = Lists::general(&[("bedrock/a", &["long"]), ("a", &["short"])]);
    assert_eq!(exact.after(&["a"], Throttled), ["short"]);
    assert_eq!(exact.after(&["bedrock/a"], Throttled), ["long"]);
}

#[test]
fn default_fallbacks_come_after_the_others_each_once_and_never_the_failed_group() {
    let lists = Lists::general(&[("a", &["b", "a", "b", "c"])]).and_default(&["c", "a", "d"]);
    assert_eq!(lists.after(&["a"], Throttled), ["b", "c", "d"]);
    assert_eq!(lists.after(&["x", "d"], Throttled), ["c", "a"]);
    assert_eq!(Lists::default().after(&["a"], Throttled), [""; 0]);
}

#[test]
fn a_special_list_without_an_entry_leads_on_to_the_general_one() {
    for kind in [ContextWindow, ContentPolicy] {
        let mut lists = Lists::general(&[("a", &["general"])]).and_default(&["default"]);
        assert_eq!(lists.after(&["a"], kind), ["general", "default"]);
        let special = vec![rule("other", &["special"])];
        lists.written.context_window.clone_from(&special);
        lists.written.content_policy = special;
        assert_eq!(lists.after(&["a"], kind), ["general", "default"]);
        assert_eq!(lists.after(&["other"], kind), ["special", "default"]);
        assert_eq!(lists.after(&["none"], kind), ["default"]);
        lists.written.context_window.push(rule("*", &["any"]));
        lists.written.content_policy.push(rule("*", &["any"]));
        assert_eq!(lists.after(&["a"], kind), ["any", "default"]);
        assert_eq!(lists.after(&["a"], Throttled), ["general", "default"]);
    }
}

#[test]
fn callers_mistakes_fall_back_only_when_the_operator_wants_it() {
    let mut lists = Lists::general(&[("a", &["b"])]).and_default(&["c"]);
    for kind in [BadRequest, UnknownModel] {
        assert_eq!(lists.after(&["a"], kind), [""; 0]);
    }
    lists.on_4xx = true;
    for kind in [BadRequest, UnknownModel] {
        assert_eq!(lists.after(&["a"], kind), ["b", "c"]);
    }
    let tagged = error(BadRequest).with_fallback(Fallback::None);
    assert_eq!(lists.fallbacks().after(&["a"], &tagged), []);
    assert_eq!(lists.after(&["a"], LimitReached), [""; 0]);
    let of_one_model = error(LimitReached).with_fallback(Fallback::General);
    let after = lists.fallbacks().after(&["a"], &of_one_model);
    assert_eq!(names(after), ["b", "c"]);
}

#[test]
fn what_happened_upstream_falls_back() {
    let lists = Lists::general(&[("a", &["b"])]);
    for kind in [Throttled, UpstreamMissing, NoDeployment, ModelFault] {
        assert_eq!(lists.after(&["a"], kind), ["b"], "{kind:?}");
    }
    let by_request = error(ModelFault).with_original_status(Some(400));
    assert_eq!(lists.fallbacks().after(&["a"], &by_request), []);
}

#[test]
fn a_list_without_names_is_for_every_error_of_the_first_group() {
    let mut lists = Lists::general(&[("a", &["general"])]).and_default(&["default"]);
    let other_messages = mended("a", json!({"messages": []}));
    lists.direct = vec![target("b"), target("a"), other_messages.clone()];
    let bad = lists.fallbacks().after(&["a"], &error(BadRequest));
    assert_eq!(bad, [target("b"), other_messages.clone()]);
    let long = lists.fallbacks().after(&["a"], &error(ContextWindow));
    assert_eq!(long, [target("b"), other_messages, target("default")]);
    let tagged = error(BadRequest).with_fallback(Fallback::None);
    assert_eq!(lists.fallbacks().after(&["a"], &tagged), []);
    assert_eq!(lists.after(&["a"], LimitReached), [""; 0]);
    assert_eq!(lists.after(&["a"], ErrorKind::Unauthenticated), [""; 0]);
    let later = lists.fallbacks().for_later_group();
    let after = later.after(&["a"], &error(Throttled));
    assert_eq!(names(after), ["general", "default"]);
}

#[test]
fn a_filtered_answer_stands_where_no_list_is_meant_for_it() {
    let filtered =
        |lists: &Lists, group: &str| names(lists.fallbacks().for_content_filter(&[group]));
    let lists = Lists::general(&[("a", &["b"])]);
    assert_eq!(filtered(&lists, "a"), [""; 0]);
    assert_eq!(filtered(&lists.and_default(&["d"]), "a"), ["b", "d"]);
    assert_eq!(filtered(&Lists::general(&[("*", &["b"])]), "a"), ["b"]);
    assert_eq!(filtered(&Lists::general(&[("*", &["a"])]), "a"), [""; 0]);
    let mut lists = Lists::default();
    lists.written.content_policy = vec![rule("a", &["c"])];
    assert_eq!(filtered(&lists, "a"), ["c"]);
    assert_eq!(filtered(&lists, "z"), [""; 0]);
}

#[test]
fn a_target_is_the_same_by_name_and_by_what_it_overrides() {
    let mut seen = Attempted::default();
    seen.note_group("a");
    assert!(!seen.is_new(&target("a")));
    assert!(seen.is_new(&target("b")));
    assert!(!seen.is_new(&target("b")));
    assert!(seen.is_new(&mended("a", json!({"temperature": 0.1, "stop": ["x"]}))));
    assert!(!seen.is_new(&mended("a", json!({"stop": ["x"], "temperature": 0.1}))));
    assert!(seen.is_new(&mended("a", json!({"stop": ["y"], "temperature": 0.1}))));
    assert!(seen.is_new(&mended("a", json!({"n": {"deep": null}}))));
    assert!(seen.is_new(&mended("a", json!({"n": {"deep": false}}))));
}

/// Walks as the pipeline does: depth first, what was tried is not tried again.
fn walk(lists: &Lists, group: &str, seen: &mut Attempted, tried: &mut Vec<String>) {
    tried.push(group.to_owned());
    for next in lists.fallbacks().after(&[group], &error(Throttled)) {
        if seen.is_new(&next) {
            walk(lists, &next.model, seen, tried);
        }
    }
}

#[test]
fn a_circle_tries_each_group_once_and_a_chain_goes_on() {
    for (rules, expected) in [
        (&[("a", &["b"][..]), ("b", &["a"])][..], &["a", "b"][..]),
        (&[("a", &["b"]), ("b", &["c"])], &["a", "b", "c"]),
    ] {
        let lists = Lists::general(rules);
        let (mut seen, mut tried) = (Attempted::default(), Vec::new());
        seen.note_group("a");
        walk(&lists, "a", &mut seen, &mut tried);
        assert_eq!(tried, expected);
    }
}

#[test]
fn an_unpaid_account_falls_back() {
    let unpaid = error(BadRequest).with_status(StatusCode::PAYMENT_REQUIRED);
    let lists = Lists::general(&[("a", &["b"])]);
    assert_eq!(names(lists.fallbacks().after(&["a"], &unpaid)), ["b"]);
}
