//! Checks across the file: names that name nothing, ids that are not unique, weights that are mixed.

use std::collections::{BTreeMap, BTreeSet};

use super::FallbackTarget;
use super::deployment::Placed;
use super::node::{Node, Value};
use super::raw::STRATEGIES;
use super::report::{Report, did_you_mean, nearest};
use super::resolve::targets;

/// The names that a request may ask for.
struct Names<'a> {
    exact: BTreeSet<&'a str>,
    patterns: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn new(placed: &'a [Placed], router: &'a Node) -> Self {
        let mut names = Self {
            exact: BTreeSet::new(),
            patterns: Vec::new(),
        };
        for entry in placed {
            let deployment = &entry.deployment;
            if deployment.model_name.contains('*') {
                names.patterns.push(&deployment.model_name);
            }
            names.exact.insert(&deployment.model_name);
            names.exact.extend(deployment.id.as_deref());
        }
        names.exact.extend(keys_of(router.get("model_group_alias")));
        names
    }

    fn has(&self, name: &str) -> bool {
        let bare = name.strip_prefix("bedrock/");
        name == "*"
            || self.exact.contains(name)
            || bare.is_some_and(|bare| self.exact.contains(bare))
            || self.exact.contains(format!("bedrock/{name}").as_str())
            || self.patterns.iter().any(|pattern| matches(pattern, name))
    }
}

fn keys_of(node: Option<&Node>) -> impl Iterator<Item = &str> {
    node.map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.key.as_str())
}

/// Matches a name against a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Runs all checks.
pub(super) fn check(placed: &[Placed], router: &Node, litellm: &Node, report: &mut Report) {
    unique_ids(placed, report);
    mixed_weights(placed, report);
    strategy(router, report);
    let names = Names::new(placed, router);
    for (section, node) in [("router_settings", router), ("litellm_settings", litellm)] {
        for key in [
            "fallbacks",
            "context_window_fallbacks",
            "content_policy_fallbacks",
        ] {
            let path = format!("{section}.{key}");
            for (index, item) in node
                .get(key)
                .map(Node::items)
                .unwrap_or_default()
                .iter()
                .enumerate()
            {
                for entry in item.entries() {
                    let path = format!("{path}[{index}].{}", entry.key);
                    if !names.has(&entry.key) {
                        unknown(&entry.key, &names, entry.at, &path, report);
                    }
                    fallback_targets(&entry.node, &names, &path, report);
                }
            }
        }
        if let Some(list) = node.get("default_fallbacks") {
            fallback_targets(
                list,
                &names,
                &format!("{section}.default_fallbacks"),
                report,
            );
        }
    }
    for entry in router
        .get("model_group_alias")
        .map(Node::entries)
        .unwrap_or_default()
    {
        let path = format!("router_settings.model_group_alias.{}", entry.key);
        alias_target(&entry.node, placed, &names, &path, report);
    }
    let groups = router
        .get("routing_groups")
        .map(Node::items)
        .unwrap_or_default();
    for (index, group) in groups.iter().enumerate() {
        if let Some(models) = group.get("models") {
            let path = format!("router_settings.routing_groups[{index}].models");
            fallback_targets(models, &names, &path, report);
        }
    }
}

fn fallback_targets(node: &Node, names: &Names<'_>, path: &str, report: &mut Report) {
    if let Value::List(items) = &node.value {
        for (index, item) in items.iter().enumerate() {
            fallback_targets(item, names, &format!("{path}[{index}]"), report);
        }
        return;
    }
    for FallbackTarget { model: name, .. } in targets(node) {
        if !names.has(&name) {
            let at = node.get("model").unwrap_or(node).at;
            unknown(&name, names, at, path, report);
        }
    }
}

/// An alias is followed once: its target is a group, not another alias.
fn alias_target(
    node: &Node,
    placed: &[Placed],
    names: &Names<'_>,
    path: &str,
    report: &mut Report,
) {
    for FallbackTarget { model: target, .. } in targets(node) {
        let at = node.get("model").unwrap_or(node).at;
        let is_group = placed.iter().any(|entry| {
            entry.deployment.model_name == target || entry.deployment.id.as_ref() == Some(&target)
        }) || names
            .patterns
            .iter()
            .any(|pattern| matches(pattern, &target));
        if is_group {
            continue;
        }
        if names.has(&target) {
            report
                .warn(
                    at,
                    path,
                    format!("`{target}` is an alias itself; aliases are followed once only"),
                )
                .hint("name the model group");
        } else {
            unknown(&target, names, at, path, report);
        }
    }
}

fn unknown(name: &str, names: &Names<'_>, at: super::node::At, path: &str, report: &mut Report) {
    let finding = report.warn(at, path, format!("no model group is called `{name}`"));
    if let Some(known) = nearest(name, names.exact.iter().copied(), name.len().div_ceil(3)) {
        finding.hint(did_you_mean(known));
    }
}

fn unique_ids(placed: &[Placed], report: &mut Report) {
    let mut seen = BTreeMap::new();
    for entry in placed {
        let Some(id) = &entry.deployment.id else {
            continue;
        };
        if let Some(first) = seen.insert(id, &entry.path) {
            report
                .error(
                    entry.at,
                    &format!("{}.model_info.id", entry.path),
                    format!("`{id}` is the id of {first} too"),
                )
                .hint("give each deployment an id of its own, or none");
        }
    }
}

/// In a group with weights, an entry without one is never chosen while another one is there.
fn mixed_weights(placed: &[Placed], report: &mut Report) {
    let weighted: BTreeSet<&str> = placed
        .iter()
        .filter(|entry| entry.deployment.limits.weight.is_some())
        .map(|entry| entry.deployment.model_name.as_str())
        .collect();
    for entry in placed {
        let name = entry.deployment.model_name.as_str();
        if weighted.contains(name) && entry.deployment.limits.weight.is_none() {
            report
                .warn(
                    entry.at,
                    &format!("{}.litellm_params.weight", entry.path),
                    format!("other entries of `{name}` have a `weight`; without one this entry counts as 0"),
                )
                .hint("give every entry of the group a weight, or none");
        }
    }
}

/// Only one strategy is there yet.
fn strategy(router: &Node, report: &mut Report) {
    let Some(node) = router.written("routing_strategy") else {
        return;
    };
    let first = STRATEGIES.first().copied().unwrap_or_default();
    if let Some(name) = node.text().filter(|name| *name != first) {
        report
            .warn(
                node.at,
                "router_settings.routing_strategy",
                format!("`{name}`: accepted, not supported yet"),
            )
            .hint(format!("`{first}` is used"));
    }
}
