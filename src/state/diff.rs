//! What a reload changes: deployments that come, go and change, settings, and what takes effect only at the next start.
//!
//! Everything is said by ids and names of keys; no value is ever in it.

use std::collections::HashMap;

use serde::Serialize;

use super::Snapshot;
use crate::config::Fingerprints;
use crate::router::{Deployment, Router};

/// Keys that are read when the process starts, and never again; what ends in `*` stands for every key that begins so.
const AT_START: [&str; 27] = [
    "callback_settings.*",
    "environment_variables.AWS_CA_BUNDLE",
    "environment_variables.HTTPS_PROXY",
    "environment_variables.HTTP_PROXY",
    "environment_variables.LITELLM_CORS_*",
    "environment_variables.OTEL_*",
    "environment_variables.http_proxy",
    "environment_variables.https_proxy",
    "environment_variables.no_proxy",
    "general_settings.coordination_redis",
    "general_settings.database_*",
    "general_settings.store_model_in_db",
    "litellm_settings.cache_params.db",
    "litellm_settings.cache_params.host",
    "litellm_settings.cache_params.password",
    "litellm_settings.cache_params.port",
    "litellm_settings.cache_params.redis_*",
    "litellm_settings.cache_params.sentinel_*",
    "litellm_settings.cache_params.service_name",
    "litellm_settings.cache_params.ssl*",
    "litellm_settings.cache_params.url",
    "litellm_settings.cache_params.username",
    "litellm_settings.callbacks",
    "litellm_settings.json_logs",
    "litellm_settings.success_callback",
    "router_settings.connect_timeout",
    "router_settings.redis_*",
];

/// A deployment, by its id and group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its model group.
    pub group: String,
}

/// A deployment that stays and is given other values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its id.
    pub id: String,
    /// Its model group.
    pub group: String,
    /// The keys, as the file spells them: of `litellm_params` by themselves, others behind `model_info.`.
    pub keys: Vec<String>,
}

/// What differs between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Deployments that came.
    pub added: Vec<Named>,
    /// Deployments that went.
    pub removed: Vec<Named>,
    /// Deployments that stay, with other values.
    pub changed: Vec<Changed>,
    /// Settings that changed and are in effect.
    pub settings_changed: Vec<String>,
    /// Settings that differ from those the process was started with, and need another start.
    pub needs_restart: Vec<String>,
}

/// Compares the snapshot that was in force with the one that comes; `at_start` are the settings of the first.
pub(super) fn difference(old: &Snapshot, new: &Snapshot, at_start: &Fingerprints) -> Difference {
    let (before, after) = (by_id(&old.router), by_id(&new.router));
    let named = |deployment: &Deployment| Named {
        id: deployment.id.clone(),
        group: deployment.group.clone(),
    };
    let changed = deployments(&new.router).filter_map(|deployment| {
        let old = before.get(deployment.id.as_str())?;
        let keys = deployment
            .entry
            .fingerprints
            .differences(&old.entry.fingerprints);
        (!keys.is_empty()).then(|| Changed {
            id: deployment.id.clone(),
            group: deployment.group.clone(),
            keys,
        })
    });
    let mut settings_changed = new.config.settings.differences(&old.config.settings);
    settings_changed.retain(|key| !is_read_at_start(key));
    let mut needs_restart = new.config.settings.differences(at_start);
    needs_restart.retain(|key| is_read_at_start(key));
    Difference {
        added: deployments(&new.router)
            .filter(|deployment| !before.contains_key(deployment.id.as_str()))
            .map(named)
            .collect(),
        removed: deployments(&old.router)
            .filter(|deployment| !after.contains_key(deployment.id.as_str()))
            .map(named)
            .collect(),
        changed: changed.collect(),
        settings_changed,
        needs_restart,
    }
}

fn deployments(router: &Router) -> impl Iterator<Item = &Deployment> {
    router
        .groups()
        .iter()
        .flat_map(|group| &group.deployments)
        .map(AsRef::as_ref)
}

fn by_id(router: &Router) -> HashMap<&str, &Deployment> {
    deployments(router)
        .map(|deployment| (deployment.id.as_str(), deployment))
        .collect()
}

fn is_read_at_start(key: &str) -> bool {
    AT_START
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => key == *pattern,
        })
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
