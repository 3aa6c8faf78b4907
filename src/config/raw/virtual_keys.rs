//! `virtual_keys[]`: a client's key, and what it may do.

use super::router_settings::STRATEGIES;
use super::{Key, Kind, RETRY_POLICY, Table, Unknown};
use Kind::{
    Amount, Any, Choice, Count, Either, Flag, List, Map, MapOf, OneKeyMaps, Period, Seconds,
    Secret, Text, Time,
};

/// What a key says of the routing of its calls.
#[rustfmt::skip]
const KEY_ROUTER_SETTINGS: Table = Table {
    name: "virtual_keys[].router_settings",
    keys: &[
        Key::used("routing_strategy", Choice(STRATEGIES), "how a deployment is chosen for this key"),
        Key::used("num_retries", Count, "retries within a group"),
        Key::used("timeout", Seconds, "for an attempt"),
        Key::used("enable_tag_filtering", Flag, "`true` turns tag routing on for this key"),
        Key::used("model_group_alias", MapOf(&Text), "other names of groups"),
        Key::used("model_group_retry_policy", MapOf(&Kind::Keys(&RETRY_POLICY)), "retries by group and class of error"),
        Key::used("weights", MapOf(&MapOf(&Amount)), "share of a group's calls by deployment id, as `{group: {id: weight}}`"),
        Key::used("fallbacks", OneKeyMaps, "instead of the router's"),
        Key::used("context_window_fallbacks", OneKeyMaps, "instead of the router's"),
        Key::used("content_policy_fallbacks", OneKeyMaps, "instead of the router's"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

/// An entry.
#[rustfmt::skip]
pub(in crate::config) const VIRTUAL_KEY: Table = Table {
    name: "virtual_keys[]",
    keys: &[
        Key::used("key", Secret, "the key, best as `os.environ/NAME`; only its SHA-256 is kept"),
        Key::used("hash", Text, "instead of `key`: its SHA-256 in hex"),
        Key::used("key_alias", Text, "the name for people; no two keys have the same"),
        Key::used("models", List(&Text), "groups, aliases, patterns and access groups that the key may call; empty: all"),
        Key::used("aliases", MapOf(&Text), "model names of the key's own, and the group that each stands for"),
        Key::used("duration", Period, "how long the key is valid, from when the file is read"),
        Key::used("expires", Time, "until when the key is valid (RFC 3339); wins over `duration`"),
        Key::used("blocked", Flag, "refuses the key"),
        Key::used("rpm_limit", Count, "requests per minute"),
        Key::used("tpm_limit", Count, "tokens per minute"),
        Key::used("max_parallel_requests", Count, "calls at one time"),
        Key::used("model_rpm_limit", MapOf(&Count), "requests per minute by model group"),
        Key::used("model_tpm_limit", MapOf(&Count), "tokens per minute by model group"),
        Key::used("tag_rpm_limit", MapOf(&Count), "requests per minute by tag"),
        Key::used("user_id", Text, "whose key it is"),
        Key::used("user_rpm_limit", Count, "requests per minute of all keys of the user"),
        Key::used("user_tpm_limit", Count, "tokens per minute of all keys of the user"),
        Key::used("user_max_parallel_requests", Count, "calls at one time of all keys of the user"),
        Key::used("team_id", Text, "the team it belongs to"),
        Key::used("team_rpm_limit", Count, "requests per minute of all keys of the team"),
        Key::used("team_tpm_limit", Count, "tokens per minute of all keys of the team"),
        Key::used("team_max_parallel_requests", Count, "calls at one time of all keys of the team"),
        Key::used("max_budget", Amount, "budget in USD"),
        Key::used("budget_duration", Period, "period of the budget: `30s`, `12h`, `7d`, `1mo`"),
        Key::used("tags", List(&Text), "tags of the key's calls"),
        Key::used("metadata", Map, "kept; `tags`, `enforced_params`, `model_rpm_limit`, `model_tpm_limit` and `tag_rpm_limit` in it count as if they stood beside it"),
        Key::used("allowed_cache_controls", List(&Text), "members of `cache` that a call may have; absent: all"),
        Key::used("allowed_routes", List(&Text), "paths, `llm_api_routes`, `management_routes`, `info_routes`; empty: all that a client's key may call"),
        Key::used("allowed_model_region", Choice(&["eu", "us"]), "where the key's calls may be sent: `eu` (regions `eu-…`) or `us` (`us-…`); absent: anywhere"),
        Key::used("key_type", Choice(&["default", "llm_api", "management", "read_only"]), "`allowed_routes` by one word, where that is not set"),
        Key::used("router_settings", Kind::Keys(&KEY_ROUTER_SETTINGS), "routing of this key's calls; what is not set is the router's"),
        Key::later("config", Map, "parameters of every call"),
        Key::later("soft_budget", Amount, "alerts"),
        Key::refused("budget_limits", List(&Map), "several budgets", "write one as `max_budget` and `budget_duration`"),
        Key::refused("budget_id", Text, "a budget in the database", "write it as `max_budget` and `budget_duration`"),
        Key::refused("model_max_budget", MapOf(&Either(&[Amount, Map])), "budgets by model", "remove it: give the key `max_budget`, or each model a key of its own"),
        Key::later("budget_fallbacks", MapOf(&List(&Text)), "models for when a model's budget is spent"),
        Key::later("throttle_on_budget_exceeded", Flag, "lower limits instead of none"),
        Key::refused("tpd_limit", Count, "tokens per day", "remove it: `max_budget` with `budget_duration: 1d` bounds a day, `tpm_limit` a minute"),
        Key::later("rpm_limit_type", Text, "kind of limit"),
        Key::later("tpm_limit_type", Text, "kind of limit"),
        Key::later("auto_rotate", Flag, "rotation"),
        Key::later("rotation_interval", Text, "rotation"),
        Key::used("enforced_params", List(&Text), "members that the body of every call must have, beside those of `general_settings.enforced_params`; read in `metadata` too"),
        Key::inert("key_name", Text, "kept"),
        Key::inert("spend", Amount, "counted here from 0"),
        Key::inert("organization_id", Text, "kept"),
        Key::inert("project_id", Text, "kept"),
        Key::inert("agent_id", Text, "kept"),
        Key::inert("created_by", Text, "kept"),
        Key::inert("permissions", Any, "kept"),
        Key::out("guardrails", "LiteLLM's guardrails; Bedrock's own are `guardrailConfig` in `litellm_params`"),
        Key::out("policies", "LiteLLM's guardrails"),
        Key::inert("prompts", Any, "kept"),
        Key::inert("object_permission", Any, "kept"),
        Key::inert("allowed_vector_store_indexes", Any, "kept"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};
