//! Checks across the file: names that name nothing, ids that are not unique, weights that are mixed.

use std::collections::{BTreeMap, BTreeSet};

use super::FallbackTarget;
use super::advice;
use super::deployment::Placed;
use super::fallback::targets;
use super::node::{Node, Value};
use super::report::{Report, did_you_mean, nearest};
use super::router_section::Sections;

/// The names that a request may ask for.
struct Names<'a> {
    exact: BTreeSet<&'a str>,
    /// Deployments by their ids, and the group of each.
    ids: BTreeMap<&'a str, &'a str>,
    patterns: Vec<&'a str>,
    /// `model_info.access_groups`, which only keys may name.
    access_groups: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn new(placed: &'a [Placed], sections: Sections<'a>) -> Self {
        let mut names = Self {
            exact: BTreeSet::new(),
            ids: BTreeMap::new(),
            patterns: Vec::new(),
            access_groups: BTreeSet::new(),
        };
        for entry in placed {
            let deployment = &entry.deployment;
            if deployment.model_name.contains('*') {
                names.patterns.push(&deployment.model_name);
            }
            names.exact.insert(&deployment.model_name);
            let id = deployment.id.as_deref();
            names.exact.extend(id);
            names
                .ids
                .extend(id.map(|id| (id, deployment.model_name.as_str())));
            names.exact.extend(team_name(entry));
            let groups = deployment.info.access_groups.iter();
            names.access_groups.extend(groups.map(String::as_str));
        }
        let Sections {
            router, litellm, ..
        } = sections;
        names.exact.extend(keys_of(router.get("model_group_alias")));
        names.exact.extend(keys_of(litellm.get("model_alias_map")));
        let groups = router.get("routing_groups").map(Node::items);
        names.exact.extend(
            groups
                .unwrap_or_default()
                .iter()
                .filter_map(|group| group.get("group_name")?.text()),
        );
        names
    }

    /// The group that a name stands for a part of: the deployment with that id, or one model of a pattern.
    fn group_around(&self, name: &str) -> Option<&'a str> {
        if let Some(group) = self.ids.get(name).filter(|group| **group != name) {
            return Some(group);
        }
        let is_of = |pattern: &&&str| **pattern != name && is_like(pattern, name);
        let pattern = self.patterns.iter().find(is_of);
        pattern.filter(|_| !self.exact.contains(name)).copied()
    }

    fn has(&self, name: &str) -> bool {
        let bare = name.strip_prefix("bedrock/");
        let full = format!("bedrock/{name}");
        name == "*"
            || self.exact.contains(name)
            || bare.is_some_and(|bare| self.exact.contains(bare))
            || self.exact.contains(full.as_str())
            || (self.patterns.iter())
                .any(|pattern| is_like(pattern, name) || is_like(pattern, &full))
    }
}

/// What the keys of a deployment's team call it by.
fn team_name(entry: &Placed) -> Option<&str> {
    let info = &entry.deployment.info;
    info.team_public_name
        .as_deref()
        .filter(|_| info.team_id.is_some())
}

fn keys_of(node: Option<&Node>) -> impl Iterator<Item = &str> {
    node.map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.key.as_str())
}

/// Compares a name with a pattern in which `*` stands for any text, from end to end.
pub(crate) fn is_like(pattern: &str, name: &str) -> bool {
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

/// Runs all checks; `keys` is `virtual_keys`.
pub(super) fn check(
    placed: &[Placed],
    sections: Sections<'_>,
    keys: Option<&Node>,
    report: &mut Report,
) {
    unique_ids(placed, report);
    advice::team_names(placed, report);
    mixed_weights(placed, report);
    let Sections {
        router, litellm, ..
    } = sections;
    let names = Names::new(placed, sections);
    for (section, node) in [("router_settings", router), ("litellm_settings", litellm)] {
        fallback_lists(node, &names, section, report);
        if let Some(list) = node.get("default_fallbacks") {
            let path = format!("{section}.default_fallbacks");
            fallback_targets(list, &names, &path, report);
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
    routing_groups(router, placed, &names, report);
    for key in ["model_group_retry_policy", "model_group_affinity_config"] {
        keys_are_groups(
            router.get(key),
            &names,
            &format!("router_settings.{key}"),
            report,
        );
    }
    if let Some(groups) = router.get("caching_groups") {
        fallback_targets(groups, &names, "router_settings.caching_groups", report);
    }
    for (index, key) in keys.map(Node::items).unwrap_or_default().iter().enumerate() {
        virtual_key(key, &names, &format!("virtual_keys[{index}]"), report);
    }
}

/// Checks groups and targets of the three lists of a section.
fn fallback_lists(node: &Node, names: &Names<'_>, section: &str, report: &mut Report) {
    for key in [
        "fallbacks",
        "context_window_fallbacks",
        "content_policy_fallbacks",
    ] {
        let items = node.get(key).map(Node::items).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            for entry in item.entries() {
                let path = format!("{section}.{key}[{index}].{}", entry.key);
                if !names.has(&entry.key) {
                    unknown(&entry.key, names, entry.at, &path, report);
                }
                falls_back_to_itself(&entry.key, &entry.node, &path, report);
                fallback_targets(&entry.node, names, &path, report);
            }
        }
    }
}

/// A group that is its own fallback is not tried again: it was, with its retries.
fn falls_back_to_itself(group: &str, node: &Node, path: &str, report: &mut Report) {
    let listed = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    for item in listed {
        let is_itself =
            |target: &FallbackTarget| target.model == group && target.overrides.is_empty();
        if targets(item).iter().any(is_itself) {
            let message = format!("`{group}` is its own fallback here: it is not asked again");
            report
                .warn(item.at, path, message)
                .hint("name another group; `num_retries` is for trying the same one again");
        }
    }
}

fn keys_are_groups(node: Option<&Node>, names: &Names<'_>, path: &str, report: &mut Report) {
    for entry in node.map(Node::entries).unwrap_or_default() {
        if !names.has(&entry.key) {
            let path = format!("{path}.{}", entry.key);
            unknown(&entry.key, names, entry.at, &path, report);
        }
    }
}

/// Limits of a key on models are counted by group, so that a name which stands for a part of one limits nothing. The key's
/// own names for groups are good.
fn limited_models(
    limits: Option<&Node>,
    key: &Node,
    names: &Names<'_>,
    path: &str,
    report: &mut Report,
) {
    let routing = key.get("router_settings");
    let of_routing = routing.and_then(|routing| routing.get("model_group_alias"));
    let own: BTreeSet<&str> = keys_of(key.get("aliases"))
        .chain(keys_of(of_routing))
        .collect();
    for entry in limits.map(Node::entries).unwrap_or_default() {
        let name = entry.key.as_str();
        if own.contains(name) {
            continue;
        }
        let path = format!("{path}.{name}");
        if let Some(group) = names.group_around(name) {
            let message = format!(
                "`{name}` is only a part of the model group `{group}`: it is not limited by itself"
            );
            let finding = report.warn(entry.at, &path, message);
            finding.hint(format!("name `{group}`"));
        } else if !names.has(name) {
            unknown(name, names, entry.at, &path, report);
        }
    }
}

/// Members must be there, and a group's own name should be no model's.
fn routing_groups(router: &Node, placed: &[Placed], names: &Names<'_>, report: &mut Report) {
    let groups = router.get("routing_groups").map(Node::items);
    for (index, group) in groups.unwrap_or_default().iter().enumerate() {
        let path = format!("router_settings.routing_groups[{index}]");
        if let Some(models) = group.get("models") {
            fallback_targets(models, names, &format!("{path}.models"), report);
        }
        let Some(node) = group.get("group_name") else {
            continue;
        };
        let is_model = |name: &str| {
            placed
                .iter()
                .any(|entry| entry.deployment.model_name == name)
        };
        let Some(name) = node.text().filter(|name| is_model(name)) else {
            continue;
        };
        let path = format!("{path}.group_name");
        let message = format!("`{name}` is a model group too");
        let is_priority = group.get("routing_strategy").and_then(Node::text) == Some("priority");
        if is_priority {
            report.error(node.at, &path, message)
        } else {
            report.warn(node.at, &path, format!("{message}; calls to it go to that"))
        }
        .hint("give the routing group a name of its own");
    }
}

/// Words in a key's `models` that are no names.
const SPECIAL_MODELS: [&str; 3] = ["all-proxy-models", "all-team-models", "no-default-models"];

/// Checks what a virtual key names.
fn virtual_key(key: &Node, names: &Names<'_>, path: &str, report: &mut Report) {
    let models = key.get("models").map(Node::items).unwrap_or_default();
    for (index, model) in models.iter().enumerate() {
        let Some(name) = model.text() else { continue };
        let is_known = name.contains('*')
            || SPECIAL_MODELS.contains(&name)
            || names.access_groups.contains(name)
            || names.has(name);
        if !is_known {
            unknown(
                name,
                names,
                model.at,
                &format!("{path}.models[{index}]"),
                report,
            );
        }
    }
    for entry in key.get("aliases").map(Node::entries).unwrap_or_default() {
        let path = format!("{path}.aliases.{}", entry.key);
        fallback_targets(&entry.node, names, &path, report);
    }
    for limit in ["model_rpm_limit", "model_tpm_limit"] {
        let path = format!("{path}.{limit}");
        limited_models(key.get(limit), key, names, &path, report);
    }
    let Some(router) = key.get("router_settings") else {
        return;
    };
    let path = format!("{path}.router_settings");
    fallback_lists(router, names, &path, report);
    for map in ["weights", "model_group_retry_policy"] {
        keys_are_groups(router.get(map), names, &format!("{path}.{map}"), report);
    }
    let aliases = router.get("model_group_alias").map(Node::entries);
    for entry in aliases.unwrap_or_default() {
        let path = format!("{path}.model_group_alias.{}", entry.key);
        fallback_targets(&entry.node, names, &path, report);
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
            entry.deployment.model_name == target
                || entry.deployment.id.as_ref() == Some(&target)
                || team_name(entry) == Some(target.as_str())
        }) || names
            .patterns
            .iter()
            .any(|pattern| is_like(pattern, &target));
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
