//! Where a key belongs that stands in another section.

use super::node::Entry;
use super::raw::{
    CACHE_PARAMS, GENERAL_SETTINGS, Kind, LITELLM_PARAMS, LITELLM_SETTINGS, MODEL_INFO,
    ROUTER_SETTINGS, STRATEGY_ARGS, TOP_LEVEL, Table, Unknown, VIRTUAL_KEY,
};
use super::report::Report;

/// The sections in the order in which a key is looked for: what many have is most often meant for the first.
const SECTIONS: [&Table; 9] = [
    &ROUTER_SETTINGS,
    &LITELLM_SETTINGS,
    &GENERAL_SETTINGS,
    &TOP_LEVEL,
    &LITELLM_PARAMS,
    &MODEL_INFO,
    &VIRTUAL_KEY,
    &CACHE_PARAMS,
    &STRATEGY_ARGS,
];

/// Keys that keep somebody out or bound what is spent: ignoring one opens the gateway wider than the file says.
const GUARDS: [&str; 12] = [
    "master_key",
    "virtual_keys",
    "allowed_ips",
    "allowed_routes",
    "admin_only_routes",
    "enforce_user_param",
    "enforced_params",
    "custom_auth",
    "enable_jwt_auth",
    "enable_oauth2_auth",
    "max_budget",
    "global_max_parallel_requests",
];

/// Returns the section that an unknown key of `table` belongs to, if one has a key of exactly that name.
pub(super) fn of(table: &Table, key: &str) -> Option<&'static str> {
    // What the provider is sent may have any name: there only what is plainly ours counts.
    let sections: &[&Table] = match table.unknown {
        Unknown::Provider => &[&ROUTER_SETTINGS, &GENERAL_SETTINGS, &MODEL_INFO],
        Unknown::Warn | Unknown::Keep => &SECTIONS,
    };
    let has = |section: &&Table| section.name != table.name && section.key(key).is_some();
    let inside = if table.name.is_empty() {
        &[]
    } else {
        table.keys
    };
    let mut inside = inside.iter().filter_map(|key| match key.kind {
        Kind::Keys(inner) => Some(inner),
        _ => None,
    });
    let section = inside
        .find(has)
        .or_else(|| sections.iter().copied().find(has))?;
    Some(match section.name {
        "" => "the top level of the file",
        name => name,
    })
}

/// Reports a guard that stands where nothing looks for it; says whether it is one.
pub(super) fn misses_guard(table: &Table, entry: &Entry, path: &str, report: &mut Report) -> bool {
    let Some(home) = of(table, &entry.key).filter(|_| GUARDS.contains(&entry.key.as_str())) else {
        return false;
    };
    report
        .error(
            entry.at,
            path,
            "this key does not belong here, where it guards nothing",
        )
        .hint(moving(home));
    true
}

/// Words where a key belongs.
pub(super) fn moving(home: &str) -> String {
    match home.strip_prefix("the ") {
        Some(_) => format!("move it to {home}"),
        None => format!("move it to `{home}`"),
    }
}
