//! `litellm_settings`.

use super::{CACHE_PARAMS, Key, Kind, Table, Unknown};
use Kind::{
    Amount, Any, Count, Either, Flag, List, Map, MapOf, OneKeyMaps, OneOrMore, Period, Seconds,
    Text,
};

/// What requests with a tag may cost together.
#[rustfmt::skip]
const TAG_BUDGET: Table = Table {
    name: "tag_budget_config",
    keys: &[
        Key::used("max_budget", Amount, "budget in USD"),
        Key::used("budget_duration", Period, "its period: `30s`, `12h`, `7d`, `1mo`"),
        Key::used("budget_limit", Amount, "the same as `max_budget`"),
        Key::used("time_period", Period, "the same as `budget_duration`"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

/// What a user is given, as far as a file of keys has users.
#[rustfmt::skip]
const DEFAULT_USER: Table = Table {
    name: "default_internal_user_params",
    keys: &[
        Key::used("rpm_limit", Count, "`user_rpm_limit` of keys with a `user_id` that do not set it"),
        Key::used("tpm_limit", Count, "`user_tpm_limit` of keys with a `user_id` that do not set it"),
        Key::used("max_parallel_requests", Count, "`user_max_parallel_requests` of keys with a `user_id` that do not set it"),
        Key::refused("max_budget", Amount, "budget of a user", "remove it: give each key of the user `max_budget`"),
        Key::refused("budget_duration", Text, "period of that budget", "remove it: give each key of the user `max_budget` and `budget_duration`"),
        Key::refused("models", List(&Text), "models that users may call", "remove it: give each key of the user `models`"),
        Key::inert("user_role", Text, "key management"),
    ],
    also: &[],
    unknown: Unknown::Keep,
};

/// The section.
#[rustfmt::skip]
pub(in crate::config) const LITELLM_SETTINGS: Table = Table {
    name: "litellm_settings",
    keys: &[
        Key::used("num_retries", Count, "read where `router_settings.num_retries` is not set"),
        Key::used("request_timeout", Seconds, "for an attempt, where `router_settings.timeout` is not set; also env `REQUEST_TIMEOUT`"),
        Key::used("fallbacks", OneKeyMaps, "read where `router_settings.fallbacks` is empty"),
        Key::used("context_window_fallbacks", OneKeyMaps, "read where its twin in `router_settings` is empty"),
        Key::used("content_policy_fallbacks", OneKeyMaps, "read where its twin in `router_settings` is empty"),
        Key::used("default_fallbacks", List(&Text), "fallbacks of every group"),
        Key::used("max_fallbacks", Count, "read where `router_settings.max_fallbacks` is not set; also env `ROUTER_MAX_FALLBACKS`"),
        Key::used("allowed_fails", Count, "read where `router_settings.allowed_fails` is not set"),
        Key::used("num_retries_per_request", Count, "most retries and fallbacks of one call"),
        Key::used("cache", Flag, "turns the response cache on: in Redis where one is known (`cache_params`, env `REDIS_HOST`, …), else in memory"),
        Key::used("cache_params", Kind::Keys(&CACHE_PARAMS), "options of the response cache"),
        Key::later("enable_redis_auth_cache", Flag, "key cache in Redis"),
        Key::used("drop_params", Flag, "leaves out parameters that a model does not support, instead of refusing the call; also env `LITELLM_DROP_PARAMS`"),
        Key::used("modify_params", Flag, "repairs messages that Bedrock would refuse; also env `LITELLM_MODIFY_PARAMS`"),
        Key::inert("default_max_tokens", Count, "not a setting of LiteLLM's either"),
        Key::used("callbacks", OneOrMore(&Any), "`otel` exports traces; `prometheus` is always on"),
        Key::used("success_callback", OneOrMore(&Any), "the same as `callbacks`"),
        Key::used("failure_callback", OneOrMore(&Any), "the same as `callbacks`"),
        Key::used("service_callback", OneOrMore(&Any), "the same as `callbacks`"),
        Key::used("json_logs", Flag, "log lines as JSON"),
        Key::inert("set_verbose", Flag, "LiteLLM's debug output"),
        Key::inert("turn_off_message_logging", Flag, "messages are never logged"),
        Key::inert("redact_user_api_key_info", Flag, "keys are never logged"),
        Key::used("max_budget", Amount, "budget of the whole gateway in USD, the master key included; 0: none. Counted from the start of the process, with Redis by all instances together"),
        Key::used("budget_duration", Period, "its period: `30s`, `12h`, `7d`, `1mo`; not set: it never begins anew"),
        Key::used("tag_budget_config", MapOf(&Kind::Keys(&TAG_BUDGET)), "budgets by tag of a request"),
        Key::used("budget_exceeded_status_code", Count, "status when a budget is spent, 400 to 599"),
        Key::refused("max_internal_user_budget", Amount, "budget of each user", "remove it: give each key `max_budget`"),
        Key::used("default_internal_user_params", Kind::Keys(&DEFAULT_USER), "what users are given"),
        Key::later("default_key_generate_params", Map, "key management"),
        Key::later("upperbound_key_generate_params", Map, "key management"),
        Key::refused("max_end_user_budget", Amount, "budget of each end user", "remove it: give each key `max_budget`, or each user a key"),
        Key::later("default_team_settings", Any, "key management"),
        Key::later("key_alias_pattern", Text, "key management"),
        Key::used("model_alias_map", MapOf(&Text), "model names that are replaced before anything else"),
        Key::used("expose_router_debug_in_errors", Flag, "adds routing details to errors"),
        Key::used("require_auth_for_metrics_endpoint", Flag, "`/metrics` needs a key"),
        Key::later("include_cost_in_streaming_usage", Flag, "cost in the usage of a stream"),
        Key::inert("enable_caching_on_provider_specific_optional_params", Flag, "they are always a part of the cache key"),
        Key::inert("return_response_headers", Flag, "they always are"),
        Key::used("ssl_verify", Either(&[Flag, Text]), "`false`, or the path of a bundle of CA certificates"),
        Key::later("force_ipv4", Flag, "upstream connections"),
        Key::later("aiohttp_trust_env", Flag, "proxies from the environment"),
        Key::later("cost_discount_config", MapOf(&Amount), "cost headers"),
        Key::later("cost_margin_config", Map, "cost headers"),
        Key::used("anthropic_sse_ping_interval_seconds", Seconds, "how long a stream of `/v1/messages` is silent before a `ping`, once it has begun; 0: never"),
        Key::used("forward_traceparent_to_llm_provider", Flag, "sends the caller's `traceparent` on"),
        Key::later("overwrite_user_with_key_hash", Flag, "sets `user`"),
        Key::later("disable_end_user_cost_tracking", Flag, "metrics"),
        Key::later("custom_prometheus_metadata_labels", List(&Text), "metrics"),
        Key::later("custom_prometheus_tags", List(&Text), "metrics"),
        Key::later("prometheus_initialize_budget_metrics", Flag, "metrics"),
        Key::used("public_routes", List(&Text), "paths that need no key"),
        Key::later("enable_post_custom_auth_checks", Flag, "auth"),
        Key::inert("telemetry", Flag, "nothing is sent to LiteLLM"),
        Key::used("user_url_allowed_hosts", List(&Text), "`host[:port]`: media URLs may go there although the address is private"),
        Key::used("bedrock_neutralize_orphaned_tool_blocks", Flag, "turns tool calls without a result, and results without a call, into text"),
        Key::used("bedrock_allowed_betas", List(&Text), "values of `anthropic-beta` that are sent beyond the built-in list"),
        Key::later("bedrock_request_metadata_fields", List(&Text), "what is known of the caller, written into `requestMetadata`; nothing is known yet, but the caller's own entries are already left out"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};
