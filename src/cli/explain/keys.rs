//! What `explain` says of virtual keys: for which of them a name stands for something else, or is not allowed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::deployment::BudgetView;
use crate::clock::rfc3339;
use crate::config::{Config, KeyRouterSettings};
use crate::keys::{Access, KeyPolicy, VirtualKey};
use crate::pipeline::admit;
use crate::router::{Asker, Router};

/// A key for which a call of the name differs.
#[derive(Debug, Serialize)]
pub(super) struct KeyView {
    /// `key_alias`, else the beginning of the key's hash.
    pub(super) key: String,
    /// Whether it may call the name at all.
    pub(super) allowed: bool,
    /// The access groups by which alone it may.
    pub(super) by_access_groups: Vec<String>,
    /// The name that the key's own aliases put in the place of this one.
    pub(super) renamed: Option<String>,
    /// Other names that the key has for the same group.
    pub(super) aliases: Vec<String>,
    pub(super) team_id: Option<String>,
    /// What the team means by the name (`team_public_model_name`), by id.
    pub(super) own_deployments: Vec<String>,
    /// Tags that every call of the key has.
    pub(super) tags: Vec<String>,
    /// Where its calls may be sent: `eu` or `us`.
    pub(super) allowed_model_region: Option<String>,
    pub(super) limits: Vec<KeyLimit>,
    pub(super) budget: Option<BudgetView>,
    /// Until when it is valid (RFC 3339).
    pub(super) expires: Option<String>,
    /// Settings of the router that the key has its own of.
    pub(super) router_settings: Vec<&'static str>,
    pub(super) blocked: bool,
}

/// A limit that a call of the key counts against.
#[derive(Debug, Serialize)]
pub(super) struct KeyLimit {
    /// Whose it is: the key's, its user's or team's, or the key's on this model.
    pub(super) of: &'static str,
    pub(super) name: &'static str,
    pub(super) limit: u64,
}

/// Lists the keys for which `name` is an alias of their own, each with what it stands for, where no model of the file is
/// called so.
pub(super) fn aliasing(config: &Config, router: &Router, name: &str) -> Vec<(String, String)> {
    if router.resolve(name, Asker::Administrator).is_some() {
        return Vec::new();
    }
    let policy = KeyPolicy::build(config, None);
    let mut found: Vec<(String, String)> = (policy.virtual_keys())
        .filter_map(|key| {
            let target = key.rename(name);
            router.resolve(target, asker(key))?;
            Some((shown(key), target.to_owned()))
        })
        .collect();
    found.sort();
    // One target is explained; the keys that mean another one say so below.
    let first = found.first().map(|(_, target)| target.clone());
    found.retain(|(_, target)| Some(target) == first.as_ref());
    found
}

fn asker(key: &VirtualKey) -> Asker<'_> {
    Asker::Key(key.config.team_id.as_deref())
}

fn shown(key: &VirtualKey) -> String {
    key.config.alias.clone().unwrap_or_else(|| key.id.clone())
}

/// The names that a key has for a group beside `asked`.
fn aliases(key: &VirtualKey, router: &Router, group: &str, asked: &str) -> Vec<String> {
    let own = &key.config;
    let all: BTreeMap<&String, &String> = (own.router.aliases.iter()).chain(&own.aliases).collect();
    let leads_there = |target: &str| {
        (router.resolve(target, asker(key)))
            .is_some_and(|found| found.group.configured_name() == group)
    };
    (all.into_iter())
        .filter(|(name, target)| *name != asked && leads_there(target))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Lists the keys for which a call of `name` differs from one with the master key, by their names.
pub(super) fn views(config: &Config, router: &Router, name: &str) -> Vec<KeyView> {
    let policy = KeyPolicy::build(config, None);
    let mut views: Vec<KeyView> = (policy.virtual_keys())
        .map(|key| view(key, router, name))
        .filter(KeyView::differs)
        .collect();
    views.sort_by(|one, other| one.key.cmp(&other.key));
    views
}

fn view(key: &VirtualKey, router: &Router, asked: &str) -> KeyView {
    let name = key.rename(asked);
    let who = asker(key);
    let access = key.access(&admit::model_name(router, name, who));
    let found = router.resolve(name, who);
    let of_team = found.iter().filter(|found| found.group.team.is_some());
    let own_deployments = of_team.flat_map(|found| &found.group.deployments);
    let own_deployments = own_deployments.map(|one| one.id.clone()).collect();
    let group = found
        .as_ref()
        .map_or(name, |found| found.group.configured_name());
    let limited = found.as_ref().map(|found| found.group.limits_name());
    let limits = key.meters(limited.as_deref().unwrap_or(name), &[]);
    let limits = limits.iter().flat_map(|meters| {
        let of = meters.scope().name();
        meters.values().map(move |(name, limit, _)| KeyLimit {
            of,
            name: name.name(),
            limit,
        })
    });
    KeyView {
        key: shown(key),
        allowed: access != Access::Denied && found.is_some(),
        aliases: aliases(key, router, group, asked),
        budget: key.config.budget.map(BudgetView::of),
        expires: key.config.expires.map(rfc3339),
        limits: limits.collect(),
        by_access_groups: match access {
            Access::ByGroups(groups) => groups,
            Access::ByName | Access::Denied => Vec::new(),
        },
        renamed: (name != asked).then(|| name.to_owned()),
        team_id: key.config.team_id.clone(),
        own_deployments,
        tags: key.config.tags.clone(),
        allowed_model_region: key.config.allowed_region.clone(),
        router_settings: own_settings(&key.config.router, group),
        blocked: key.config.blocked,
    }
}

/// The settings that a key has of its own and that matter to a group.
fn own_settings(own: &KeyRouterSettings, group: &str) -> Vec<&'static str> {
    [
        ("routing_strategy", own.strategy.is_some()),
        ("num_retries", own.num_retries.is_some()),
        ("timeout", own.timeout.is_some()),
        ("enable_tag_filtering", own.tag_filtering),
        (
            "model_group_retry_policy",
            own.group_retry_policies.contains_key(group),
        ),
        ("weights", own.weights.contains_key(group)),
        ("fallbacks", own.fallbacks.is_some()),
        (
            "context_window_fallbacks",
            own.context_window_fallbacks.is_some(),
        ),
        (
            "content_policy_fallbacks",
            own.content_policy_fallbacks.is_some(),
        ),
    ]
    .into_iter()
    .filter_map(|(name, is_set)| is_set.then_some(name))
    .collect()
}

impl KeyView {
    fn differs(&self) -> bool {
        !self.allowed
            || self.blocked
            || self.renamed.is_some()
            || self.team_id.is_some()
            || self.allowed_model_region.is_some()
            || self.budget.is_some()
            || self.expires.is_some()
            || [
                self.by_access_groups.len(),
                self.tags.len(),
                self.aliases.len(),
                self.limits.len(),
                self.router_settings.len(),
            ]
            .iter()
            .any(|total| *total > 0)
    }
}
