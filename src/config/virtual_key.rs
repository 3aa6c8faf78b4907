//! `virtual_keys`: keys for clients, with what they may do.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::{ByClass, FallbackRule, StrategyName};

/// An amount of US dollars for a period of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// `max_budget` (`budget_limit`), in US dollars; 0 means no limit in LiteLLM, and is none here.
    pub limit_usd: f64,
    /// `budget_duration` (`time_period`); `None`: for ever.
    pub period: Option<Duration>,
}

/// Limits per minute, and of calls at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// `rpm_limit`.
    pub rpm: Option<u64>,
    /// `tpm_limit`.
    pub tpm: Option<u64>,
    /// `max_parallel_requests`.
    pub parallel: Option<u32>,
}

/// One entry of `virtual_keys`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VirtualKeyConfig {
    /// SHA-256 of the key, the only form in which it is kept.
    pub hash: [u8; 32],
    /// `key_alias`: the name for people; may be in logs and metrics.
    pub alias: Option<String>,
    /// `models`: groups, aliases, patterns and access groups that the key may call; empty: all.
    pub models: Vec<String>,
    /// `aliases`: names of the key's own, and the group that each stands for.
    pub aliases: BTreeMap<String, String>,
    /// Limits of the key.
    pub limits: RateLimits,
    /// `model_rpm_limit`, `model_tpm_limit`: limits of the key on a model group.
    pub model_limits: BTreeMap<String, RateLimits>,
    /// `tag_rpm_limit`: limits of the key on a tag.
    pub tag_rpm: BTreeMap<String, u64>,
    /// `user_id`.
    pub user_id: Option<String>,
    /// `user_rpm_limit`, `user_tpm_limit`, `user_max_parallel_requests`: shared by the keys of the user.
    pub user_limits: RateLimits,
    /// `team_id`.
    pub team_id: Option<String>,
    /// `team_rpm_limit`, `team_tpm_limit`, `team_max_parallel_requests`: shared by the keys of the team.
    pub team_limits: RateLimits,
    /// `tags` and `metadata.tags`.
    pub tags: Vec<String>,
    /// `max_budget`, `budget_duration`.
    pub budget: Option<Budget>,
    /// `expires` (RFC 3339), or `duration` from the time the file was read.
    pub expires: Option<SystemTime>,
    /// `blocked`.
    pub blocked: bool,
    /// `allowed_routes`; empty: all that a client's key may call.
    pub allowed_routes: Vec<String>,
    /// `enforced_params`: members that every call of the key must have.
    pub enforced_params: Vec<String>,
    /// `allowed_cache_controls`; `None`: all.
    pub allowed_cache_controls: Option<Vec<String>>,
    /// `allowed_model_region`: `eu` or `us`; `None`: anywhere.
    pub allowed_region: Option<String>,
    /// `router_settings` of the key.
    pub router: KeyRouterSettings,
    /// `metadata`, as written.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// `router_settings` of a virtual key; what is not set is the router's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeyRouterSettings {
    /// `routing_strategy`.
    pub strategy: Option<StrategyName>,
    /// `num_retries`.
    pub num_retries: Option<u32>,
    /// `timeout`.
    pub timeout: Option<Duration>,
    /// `enable_tag_filtering`: `true` turns it on for the key.
    pub tag_filtering: bool,
    /// `model_group_retry_policy`: replaces the router's policies for a group.
    pub group_retry_policies: BTreeMap<String, ByClass>,
    /// `model_group_alias`.
    pub aliases: BTreeMap<String, String>,
    /// `weights`: group, then deployment id, then weight.
    pub weights: BTreeMap<String, BTreeMap<String, f64>>,
    /// `fallbacks`; `None`: the router's.
    pub fallbacks: Option<Vec<FallbackRule>>,
    /// `context_window_fallbacks`; `None`: the router's.
    pub context_window_fallbacks: Option<Vec<FallbackRule>>,
    /// `content_policy_fallbacks`; `None`: the router's.
    pub content_policy_fallbacks: Option<Vec<FallbackRule>>,
}

/// Returns what tells what a team calls `name` from what everyone else does.
pub fn name_in_team(team: &str, name: &str) -> String {
    format!("{team}\u{1f}{name}")
}
