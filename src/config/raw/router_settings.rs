//! `router_settings`.

use super::{ALLOWED_FAILS_POLICY, Key, Kind, REDIS, RETRY_POLICY, STRATEGY_ARGS, Table, Unknown};
use Kind::{
    Amount, Any, Choice, Count, Either, Flag, Integer, List, Map, MapOf, Millis, OneKeyMaps,
    Period, Port, Positive, Seconds, Secret, Text,
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

/// The strategies of a routing group.
const GROUP_STRATEGIES: &[&str] = &[
    "simple-shuffle",
    "least-busy",
    "latency-based-routing",
    "cost-based-routing",
    "usage-based-routing",
    "usage-based-routing-v2",
    "provider-budget-routing",
    "lar1",
    "p2c",
    "priority",
];

/// `optional_pre_call_checks`.
const CHECKS: &[&str] = &[
    "prompt_caching",
    "router_budget_limiting",
    "responses_api_deployment_check",
    "deployment_affinity",
    "session_affinity",
    "enforce_model_rate_limits",
    "encrypted_content_affinity",
    "forward_client_headers_by_model_group",
];

#[rustfmt::skip]
const PROVIDER_BUDGET: Table = Table {
    name: "provider_budget_config",
    keys: &[
        Key::used("budget_limit", Amount, "budget in USD"),
        Key::used("time_period", Period, "its period: `30s`, `12h`, `7d`, `1mo`"),
        Key::used("max_budget", Amount, "the same as `budget_limit`"),
        Key::used("budget_duration", Period, "the same as `time_period`"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

#[rustfmt::skip]
const RETRY_BUDGET: Table = Table {
    name: "retry_budget",
    keys: &[
        Key::used("capacity", Amount, "tokens when full"),
        Key::used("cost", Amount, "tokens for a retry"),
        Key::used("throttle_cost", Amount, "tokens for a retry after a 429"),
        Key::used("refill_per_second", Amount, "tokens that come back by themselves"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

#[rustfmt::skip]
const ROUTING_GROUP: Table = Table {
    name: "routing_groups[]",
    keys: &[
        Key::used("group_name", Text, "a name that can be called; `default` is reserved").required(),
        Key::used("models", List(&Text), "its model groups").required(),
        Key::used("routing_strategy", Choice(GROUP_STRATEGIES), "how a deployment is chosen, for calls to a member too; `priority`: the models in their order, for calls to the group only"),
        Key::used("routing_strategy_args", Kind::Keys(&STRATEGY_ARGS), "options of the strategy"),
        Key::used("model_priorities", MapOf(&Integer), "order of the models with `priority`, lower first"),
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
        Key::used("routing_strategy", Choice(STRATEGIES), "how a deployment of a group is chosen"),
        Key::used("routing_strategy_args", Kind::Keys(&STRATEGY_ARGS), "options of the strategy"),
        Key::used("routing_groups", List(&Kind::Keys(&ROUTING_GROUP)), "strategies by group"),
        Key::used("num_retries", Count, "retries within a group"),
        Key::used("retry_after", Seconds, "shortest wait before a retry"),
        Key::used("retry_policy", Kind::Keys(&RETRY_POLICY), "retries by class of error"),
        Key::used("model_group_retry_policy", MapOf(&Kind::Keys(&RETRY_POLICY)), "the same by group; takes the place of `retry_policy`"),
        Key::used("timeout", Seconds, "for an attempt"),
        Key::used("stream_timeout", Seconds, "until the first event of a stream"),
        Key::used("stream_idle_timeout", Seconds, "longest silence between two events of a stream"),
        Key::used("connect_timeout", Seconds, "TCP and TLS, for an attempt"),
        Key::used("deadline", Seconds, "for the whole call"),
        Key::used("max_fallbacks", Count, "how deep a chain of fallbacks goes; also env `ROUTER_MAX_FALLBACKS`"),
        Key::used("fallbacks", OneKeyMaps, "groups that are tried when a group fails, as `{group: [targets]}`; `*` for all"),
        Key::used("context_window_fallbacks", OneKeyMaps, "the same, when the conversation is too long"),
        Key::used("content_policy_fallbacks", OneKeyMaps, "the same, when the content was refused"),
        Key::used("default_fallbacks", List(&Text), "fallbacks of every group"),
        Key::used("model_group_alias", MapOf(&Either(&[Text, Kind::Keys(&ALIAS), Any])), "other names of groups, as `alias: group` or `alias: {model, hidden}`"),
        Key::used("enable_pre_call_checks", Flag, "leaves out deployments whose window is too small or whose `rpm` is used up"),
        Key::used("optional_pre_call_checks", List(&Choice(CHECKS)), "`deployment_affinity`, `session_affinity` and `prompt_caching`: sticky routing; `enforce_model_rate_limits`: `rpm`, `tpm`, `itpm` and `otpm` are limits; budgets are always checked"),
        Key::used("deployment_affinity_ttl_seconds", Seconds, "how long a caller or a session sticks"),
        Key::used("model_group_affinity_config", MapOf(&Either(&[List(&Choice(CHECKS)), MapOf(&Flag)])), "sticky routing by group, as lists of `deployment_affinity`, `session_affinity`, `prompt_caching`; `*` for the rest"),
        Key::used("enable_tag_filtering", Flag, "routing by the tags of calls and deployments"),
        Key::used("tag_filtering_match_any", Flag, "one matching tag is enough"),
        Key::used("tag_routing_prefix", Text, "taken off the tags of a call"),
        Key::used("allowed_fails", Count, "failures in `allowed_fails_window` that cause no cooldown; not set: the share of failures decides"),
        Key::used("allowed_fails_policy", Kind::Keys(&ALLOWED_FAILS_POLICY), "the same, by class of error"),
        Key::used("allowed_fails_window", Seconds, "the time in which they are counted, never shorter than `cooldown_time`"),
        Key::used("cooldown_time", Seconds, "how long a deployment is left out after failures; also env `DEFAULT_COOLDOWN_TIME_SECONDS`; 0 is as not set"),
        Key::used("max_cooldown_time", Seconds, "longest cooldown, and longest `Retry-After` that is followed"),
        Key::used("disable_cooldowns", Flag, "no cooldowns"),
        Key::used("enable_weighted_failover", Flag, "after a failure another deployment of the group is chosen by weight, before any fallback"),
        Key::used("default_max_parallel_requests", Positive, "calls at one time, for each deployment"),
        Key::used("default_priority", Count, "place in the queue of calls without `priority`; lower goes first"),
        Key::inert("polling_interval", Seconds, "a free slot wakes the queue"),
        Key::used("max_queue_ms", Millis, "longest wait for a free slot before 429"),
        Key::used("provider_budget_config", MapOf(&Kind::Keys(&PROVIDER_BUDGET)), "budgets by provider; the only one is `bedrock`"),
        Key::used("redis_url", Secret, "Redis for what instances share; wins over its parts"),
        Key::used("redis_host", Text, "the same, by its parts"),
        Key::used("redis_port", Port, "6379 where it is not set"),
        Key::used("redis_password", Secret, "also env `REDIS_PASSWORD`, as for every part"),
        Key::used("redis_db", Count, "number of the database; deprecated, as in LiteLLM: write it into `redis_url`"),
        Key::used("redis_timeout_ms", Millis, "for every Redis command"),
        Key::used("cache_kwargs", Kind::Keys(&REDIS), "the same and more, by other names; wins over `redis_*`"),
        Key::used("cache_responses", Flag, "turns the response cache on, as `litellm_settings.cache` does"),
        Key::used("caching_groups", List(&List(&Text)), "lists of groups that share answers"),
        Key::inert("client_ttl", Count, "LiteLLM's client cache"),
        Key::used("default_litellm_params", Map, "request defaults of every deployment, and `timeout`"),
        Key::used("enable_health_check_routing", Flag, "read where `general_settings` does not set it"),
        Key::used("health_check_staleness_threshold", Seconds, "read where `general_settings` does not set it"),
        Key::used("health_check_ignore_transient_errors", Flag, "read where `general_settings` does not set it"),
        Key::used("background_health_check_model_groups", List(&Text), "the only groups whose routing goes by health checks"),
        Key::used("health_check_interval", Kind::Misplaced("general_settings"), "belongs to `general_settings`"),
        Key::used("health_check_concurrency", Kind::Misplaced("general_settings"), "belongs to `general_settings`"),
        Key::inert("alerting_config", Map, "LiteLLM's alerts"),
        Key::inert("guardrail_list", Any, "LiteLLM's guardrails"),
        Key::inert("plugins", Any, "LiteLLM's plugins"),
        Key::inert("set_verbose", Flag, "LiteLLM's debug output"),
        Key::inert("debug_level", Text, "LiteLLM's debug output"),
        Key::used("retry_budget", Either(&[Flag, Kind::Keys(&RETRY_BUDGET)]), "the share of calls that may be retried; `false` turns it off"),
        Key::used("stream_recovery", Choice(&["none", "resume"]), "whether a broken stream continues on another deployment"),
        Key::used("hedge_after", Seconds, "a second attempt if nothing came by then"),
        Key::used("fallback_on_4xx", Flag, "falls back on the caller's mistakes too"),
        Key::used("parallel_limit_from_rpm", Flag, "derives a limit of calls at one time from `rpm`"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};
