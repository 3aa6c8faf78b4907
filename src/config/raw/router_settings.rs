//! `router_settings`.

use super::{Key, Kind, Table, Unknown};
use Kind::{
    Amount, Any, Choice, Count, Either, Flag, List, Map, MapOf, Millis, OneKeyMaps, Seconds,
    Secret, Text,
};

/// The strategies that may be named.
pub(in crate::config) const STRATEGIES: &[&str] = &[
    "simple-shuffle",
    "least-busy",
    "latency-based-routing",
    "cost-based-routing",
    "usage-based-routing",
    "usage-based-routing-v2",
    "provider-budget-routing",
    "lar1",
    "p2c",
];

#[rustfmt::skip]
const RETRY_BUDGET: Table = Table {
    name: "retry_budget",
    keys: &[
        Key::later("capacity", Amount, "tokens when full"),
        Key::later("cost", Amount, "tokens for a retry"),
        Key::later("throttle_cost", Amount, "tokens for a retry after a 429"),
        Key::later("refill_per_second", Amount, "tokens that come back by themselves"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

#[rustfmt::skip]
const ROUTING_GROUP: Table = Table {
    name: "routing_groups[]",
    keys: &[
        Key::later("group_name", Text, "name").required(),
        Key::later("models", List(&Text), "its model groups"),
        Key::later("routing_strategy", Choice(STRATEGIES), "how a deployment is chosen"),
        Key::later("routing_strategy_args", Map, "options of the strategy"),
        Key::later("model_priorities", Any, "order of the models"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

#[rustfmt::skip]
const ALIAS: Table = Table {
    name: "model_group_alias",
    keys: &[
        Key::used("model", Text, "the group"),
        Key::used("hidden", Flag, "callable, but not listed"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

/// The section.
#[rustfmt::skip]
pub(in crate::config) const ROUTER_SETTINGS: Table = Table {
    name: "router_settings",
    keys: &[
        Key::used("routing_strategy", Choice(STRATEGIES), "how a deployment of a group is chosen; all but `simple-shuffle` are accepted, not supported yet"),
        Key::later("routing_strategy_args", Map, "options of the strategy"),
        Key::later("routing_groups", List(&Kind::Keys(&ROUTING_GROUP)), "strategies by group"),
        Key::later("num_retries", Count, "retries within a group"),
        Key::later("retry_after", Seconds, "shortest wait before a retry"),
        Key::later("retry_policy", Map, "retries by kind of error"),
        Key::later("model_group_retry_policy", MapOf(&Map), "the same, by group"),
        Key::used("timeout", Seconds, "for an attempt"),
        Key::used("stream_timeout", Seconds, "until the first event of a stream"),
        Key::used("stream_idle_timeout", Seconds, "longest silence between two events of a stream"),
        Key::used("connect_timeout", Seconds, "TCP and TLS, for an attempt"),
        Key::used("deadline", Seconds, "for the whole call"),
        Key::later("max_fallbacks", Count, "most groups tried after the first"),
        Key::later("fallbacks", OneKeyMaps, "groups that are tried when a group fails, as `{group: [targets]}`; `*` for all"),
        Key::later("context_window_fallbacks", OneKeyMaps, "the same, when the conversation is too long"),
        Key::later("content_policy_fallbacks", OneKeyMaps, "the same, when the content was refused"),
        Key::later("default_fallbacks", List(&Text), "fallbacks of every group"),
        Key::used("model_group_alias", MapOf(&Either(&[Text, Kind::Keys(&ALIAS), Any])), "other names of groups, as `alias: group` or `alias: {model, hidden}`"),
        Key::later("enable_pre_call_checks", Flag, "checks windows and limits before a call"),
        Key::later("optional_pre_call_checks", List(&Choice(&[
            "prompt_caching", "router_budget_limiting", "responses_api_deployment_check", "deployment_affinity",
            "session_affinity", "enforce_model_rate_limits", "encrypted_content_affinity",
            "forward_client_headers_by_model_group",
        ])), "checks and sticky routing"),
        Key::later("deployment_affinity_ttl_seconds", Seconds, "sticky routing"),
        Key::later("model_group_affinity_config", Map, "sticky routing by group"),
        Key::later("enable_tag_filtering", Flag, "tag routing"),
        Key::later("tag_filtering_match_any", Flag, "one matching tag is enough"),
        Key::later("tag_routing_prefix", Text, "tag routing"),
        Key::later("allowed_fails", Count, "failures before a cooldown"),
        Key::later("allowed_fails_policy", Map, "the same, by kind of error"),
        Key::later("allowed_fails_window", Seconds, "the time in which they are counted"),
        Key::later("cooldown_time", Seconds, "how long a deployment is left out after failures"),
        Key::later("max_cooldown_time", Seconds, "longest cooldown"),
        Key::later("disable_cooldowns", Flag, "no cooldowns"),
        Key::later("enable_weighted_failover", Flag, "failover by weight"),
        Key::later("default_max_parallel_requests", Count, "calls at one time, for each deployment"),
        Key::later("default_priority", Count, "queue"),
        Key::later("polling_interval", Seconds, "queue"),
        Key::later("max_queue_ms", Millis, "longest wait for a free slot before 429"),
        Key::later("provider_budget_config", MapOf(&Map), "budgets by provider"),
        Key::later("redis_url", Secret, "shared state"),
        Key::later("redis_host", Text, "shared state"),
        Key::later("redis_port", Either(&[Count, Text]), "shared state"),
        Key::later("redis_password", Secret, "shared state"),
        Key::later("redis_db", Count, "shared state"),
        Key::later("redis_timeout_ms", Millis, "for every Redis command"),
        Key::later("cache_kwargs", Map, "shared state"),
        Key::later("cache_responses", Flag, "response cache"),
        Key::later("caching_groups", List(&Any), "groups that share answers"),
        Key::inert("client_ttl", Count, "LiteLLM's client cache"),
        Key::later("default_litellm_params", Map, "request defaults of every deployment"),
        Key::later("enable_health_check_routing", Flag, "routing by health"),
        Key::later("health_check_staleness_threshold", Seconds, "routing by health"),
        Key::later("health_check_ignore_transient_errors", Flag, "routing by health"),
        Key::later("background_health_check_model_groups", List(&Text), "routing by health"),
        Key::used("health_check_interval", Kind::Misplaced("general_settings"), "belongs to `general_settings`"),
        Key::used("health_check_concurrency", Kind::Misplaced("general_settings"), "belongs to `general_settings`"),
        Key::inert("alerting_config", Map, "LiteLLM's alerts"),
        Key::inert("guardrail_list", Any, "LiteLLM's guardrails"),
        Key::inert("plugins", Any, "LiteLLM's plugins"),
        Key::inert("set_verbose", Flag, "LiteLLM's debug output"),
        Key::inert("debug_level", Text, "LiteLLM's debug output"),
        Key::later("retry_budget", Either(&[Flag, Kind::Keys(&RETRY_BUDGET)]), "the share of calls that may be retried; `false` turns it off"),
        Key::later("stream_recovery", Choice(&["none", "resume"]), "whether a broken stream continues on another deployment"),
        Key::later("hedge_after", Seconds, "a second attempt if nothing came by then"),
        Key::later("fallback_on_4xx", Flag, "falls back on the caller's mistakes too"),
        Key::later("parallel_limit_from_rpm", Flag, "derives a limit of calls at one time from `rpm`"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};
