//! `virtual_keys` → [`VirtualKeyConfig`]s. A key is hashed as soon as it is read; only its hash goes on.

use std::collections::BTreeMap;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::deployment::variable;
use super::fallback;
use super::node::Node;
use super::params::{flag, small, text};
use super::period;
use super::policy::{budget, group_policies, rate_limits, strategy};
use super::report::Report;
use super::resolve::{seconds, texts};
use super::{KeyRouterSettings, RateLimits, Secret, VirtualKeyConfig};

/// What entries are read with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// The list as written: what became of its variables is seen there.
    pub(super) written: Option<&'a Node>,
    pub(super) master_key: Option<&'a Secret>,
    /// `litellm_settings.default_internal_user_params`.
    pub(super) default_user: Option<&'a Node>,
    pub(super) now: SystemTime,
}

/// Reads the list.
pub(super) fn read(
    list: Option<&Node>,
    around: Around<'_>,
    report: &mut Report,
) -> Vec<VirtualKeyConfig> {
    let mut keys: Vec<(usize, VirtualKeyConfig)> = Vec::new();
    for (index, item) in list.map(Node::items).unwrap_or_default().iter().enumerate() {
        let path = format!("virtual_keys[{index}]");
        let written = around.written.and_then(|list| list.items().get(index));
        let Some(hash) = hash(item, written, &path, report) else {
            continue;
        };
        if around
            .master_key
            .is_some_and(|key| digest(key.expose()) == hash)
        {
            report.error(item.at, &path, "this is the master key");
            continue;
        }
        let key = entry(item, hash, around, &path, report);
        unlike_the_others(&key, &keys, item, &path, report);
        keys.push((index, key));
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

/// Compares a key with those before it; each stands with its place in the list.
fn unlike_the_others(
    key: &VirtualKeyConfig,
    others: &[(usize, VirtualKeyConfig)],
    item: &Node,
    path: &str,
    report: &mut Report,
) {
    if let Some((first, _)) = others.iter().find(|(_, known)| known.hash == key.hash) {
        let message = format!("this is the key of virtual_keys[{first}] too");
        report
            .error(item.at, path, message)
            .hint("write each key once");
    }
    let is_same = |known: &VirtualKeyConfig| known.alias.is_some() && known.alias == key.alias;
    if let Some((first, _)) = others.iter().find(|(_, known)| is_same(known)) {
        let at = item.get("key_alias").unwrap_or(item).at;
        let message = format!("virtual_keys[{first}] has the same alias");
        report
            .error(at, &format!("{path}.key_alias"), message)
            .hint("give each key an alias of its own, or none");
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Finds a key's hash; `None` after saying why there is none.
fn hash(item: &Node, written: Option<&Node>, path: &str, report: &mut Report) -> Option<[u8; 32]> {
    let key = item.get("key");
    let hash = item.get("hash");
    if let (Some(_), Some(hash)) = (key, hash) {
        report
            .error(
                hash.at,
                &format!("{path}.hash"),
                "`key` and `hash` exclude each other",
            )
            .hint("remove one of the two");
        return None;
    }
    if let Some(hash) = hash {
        let parsed = hash.text().and_then(from_hex);
        if parsed.is_none() {
            report
                .error(
                    hash.at,
                    &format!("{path}.hash"),
                    "expected a SHA-256: 64 hexadecimal digits",
                )
                .hint("`printf %s \"$KEY\" | sha256sum` prints it");
        }
        return parsed;
    }
    match key.and_then(Node::text) {
        Some(key) if !key.is_empty() => return Some(digest(key)),
        Some(_) => {
            report.error(item.at, &format!("{path}.key"), "the key is empty");
        }
        None if is_unset(written, path, report) => {}
        None => {
            report
                .error(item.at, path, "neither `key` nor `hash` is there")
                .hint("add `key: os.environ/NAME`, or `hash:` with the key's SHA-256");
        }
    }
    None
}

/// Says whether the key refers to a variable that is not set, and adds to that warning what follows from it.
fn is_unset(written: Option<&Node>, path: &str, report: &mut Report) -> bool {
    let entries = written.map(Node::entries).unwrap_or_default();
    let unset = entries.iter().find(|entry| {
        matches!(entry.key.as_str(), "key" | "hash") && variable(&entry.node).is_some()
    });
    let Some(unset) = unset else { return false };
    if let Some(finding) = report.about(&format!("{path}.{}", unset.key)) {
        finding.message += ": the entry is left out";
    }
    true
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(hash)
}

fn entry(
    item: &Node,
    hash: [u8; 32],
    around: Around<'_>,
    path: &str,
    report: &mut Report,
) -> VirtualKeyConfig {
    let metadata = item.get("metadata");
    let mut tags = texts(item.get("tags"));
    for tag in texts(metadata.and_then(|metadata| metadata.get("tags"))) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let mut enforced_params = texts(item.get("enforced_params"));
    enforced_params.extend(texts(
        metadata.and_then(|known| known.get("enforced_params")),
    ));
    let user_id = text(item, "user_id");
    let user_limits = rate_limits(item, "user_");
    VirtualKeyConfig {
        hash,
        alias: text(item, "key_alias"),
        models: texts(item.get("models")),
        aliases: pairs(item.get("aliases")),
        limits: rate_limits(item, ""),
        model_limits: model_limits(item, metadata),
        tag_rpm: counts(item, metadata, "tag_rpm_limit"),
        user_limits: if user_id.is_some() {
            or_default(user_limits, around.default_user)
        } else {
            user_limits
        },
        user_id,
        team_id: text(item, "team_id"),
        team_limits: rate_limits(item, "team_"),
        tags,
        budget: budget(item, &["max_budget"], &["budget_duration"], path, report),
        expires: expires(item, around.now, path, report),
        blocked: flag(item, "blocked").unwrap_or(false),
        allowed_routes: allowed_routes(item),
        enforced_params,
        allowed_cache_controls: item
            .get("allowed_cache_controls")
            .map(|list| texts(Some(list)))
            .filter(|list| !list.is_empty()),
        allowed_region: text(item, "allowed_model_region"),
        router: router_settings(item.get("router_settings"), path, report),
        metadata: match metadata.map(Node::to_json) {
            Some(serde_json::Value::Object(members)) => members,
            _ => serde_json::Map::new(),
        },
    }
}

/// Fills what a user's key does not say from `default_internal_user_params`.
fn or_default(own: RateLimits, default_user: Option<&Node>) -> RateLimits {
    let default = default_user.map_or_else(RateLimits::default, |node| rate_limits(node, ""));
    RateLimits {
        rpm: own.rpm.or(default.rpm),
        tpm: own.tpm.or(default.tpm),
        parallel: own.parallel.or(default.parallel),
    }
}

fn expires(item: &Node, now: SystemTime, path: &str, report: &mut Report) -> Option<SystemTime> {
    let duration = item.get("duration");
    if let Some(expires) = item.get("expires") {
        if let Some(duration) = duration {
            let message = "no effect: `expires` is there too";
            report.warn(duration.at, &format!("{path}.duration"), message);
        }
        let time = period::time(expires.text()?)?;
        if time <= now {
            report.warn(
                expires.at,
                &format!("{path}.expires"),
                "this is over: the key is refused",
            );
        }
        return Some(time);
    }
    now.checked_add(period::parse(duration?.text()?)?)
}

/// Reads numbers by name, of the key or of its metadata.
fn counts(item: &Node, metadata: Option<&Node>, key: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let maps = [
        metadata.and_then(|metadata| metadata.get(key)),
        item.get(key),
    ];
    for entry in maps.into_iter().flatten().flat_map(Node::entries) {
        if let Some(count) = entry.node.count() {
            counts.insert(entry.key.clone(), count);
        }
    }
    counts
}

fn model_limits(item: &Node, metadata: Option<&Node>) -> BTreeMap<String, RateLimits> {
    let mut limits: BTreeMap<String, RateLimits> = BTreeMap::new();
    for (model, rpm) in counts(item, metadata, "model_rpm_limit") {
        limits.entry(model).or_default().rpm = Some(rpm);
    }
    for (model, tpm) in counts(item, metadata, "model_tpm_limit") {
        limits.entry(model).or_default().tpm = Some(tpm);
    }
    limits
}

fn allowed_routes(item: &Node) -> Vec<String> {
    let routes = texts(item.get("allowed_routes"));
    if !routes.is_empty() {
        return routes;
    }
    let preset = match item.get("key_type").and_then(Node::text) {
        Some("llm_api") => "llm_api_routes",
        Some("management") => "management_routes",
        Some("read_only") => "info_routes",
        _ => return routes,
    };
    vec![preset.to_owned()]
}

fn pairs(node: Option<&Node>) -> BTreeMap<String, String> {
    node.map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned())))
        .collect()
}

fn router_settings(node: Option<&Node>, path: &str, report: &mut Report) -> KeyRouterSettings {
    let Some(node) = node else {
        return KeyRouterSettings::default();
    };
    let rules = |key: &str| node.get(key).map(|list| fallback::rules(Some(list)));
    let weights = node.get("weights").map(Node::entries).unwrap_or_default();
    let shares = |group: &Node| {
        let entries = group.entries().iter();
        entries
            .filter_map(|entry| Some((entry.key.clone(), entry.node.number()?)))
            .collect()
    };
    KeyRouterSettings {
        strategy: strategy(
            node.get("routing_strategy"),
            &format!("{path}.router_settings.routing_strategy"),
            report,
        ),
        num_retries: small(node, "num_retries"),
        timeout: seconds(node, "timeout"),
        tag_filtering: flag(node, "enable_tag_filtering").unwrap_or(false),
        group_retry_policies: group_policies(node.get("model_group_retry_policy")),
        aliases: pairs(node.get("model_group_alias")),
        weights: weights
            .iter()
            .map(|entry| (entry.key.clone(), shares(&entry.node)))
            .collect(),
        fallbacks: rules("fallbacks"),
        context_window_fallbacks: rules("context_window_fallbacks"),
        content_policy_fallbacks: rules("content_policy_fallbacks"),
    }
}
