//! Every default: value, unit, where it comes from.
//!
//! The table is the lowest layer of a configuration. A default that depends on another key (`stream_idle_timeout` on
//! `stream_timeout`) stands here with its last resort, and `resolve` knows the way there.

/// One default.
#[derive(Debug)]
pub(super) struct DefaultValue {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    /// As it would be written in the file.
    pub(super) value: &'static str,
    /// Who chose it.
    pub(super) source: Source,
}

/// Who chose a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// LiteLLM: <https://docs.litellm.ai/docs/proxy/config_settings>.
    Litellm,
    /// Switchyard: LiteLLM has no such key, or its default is not safe.
    Ours,
}

const fn litellm(section: &'static str, key: &'static str, value: &'static str) -> DefaultValue {
    DefaultValue {
        section,
        key,
        value,
        source: Source::Litellm,
    }
}

const fn ours(section: &'static str, key: &'static str, value: &'static str) -> DefaultValue {
    DefaultValue {
        section,
        key,
        value,
        source: Source::Ours,
    }
}

/// All of them. Units are those of the key's kind: seconds, milliseconds, MiB for `_mb`.
#[rustfmt::skip]
pub(super) const DEFAULTS: &[DefaultValue] = &[
    ours("", "include_merge", "replace"),

    litellm("litellm_settings", "request_timeout", "6000"),
    litellm("litellm_settings", "allowed_fails", "3"),
    litellm("litellm_settings", "max_fallbacks", "5"),
    litellm("litellm_settings", "cache", "false"),
    litellm("litellm_settings", "drop_params", "false"),
    litellm("litellm_settings", "modify_params", "false"),
    litellm("litellm_settings", "json_logs", "false"),
    litellm("litellm_settings", "max_budget", "0"),
    litellm("litellm_settings", "budget_exceeded_status_code", "422"),
    ours("litellm_settings", "expose_router_debug_in_errors", "false"),
    litellm("litellm_settings", "require_auth_for_metrics_endpoint", "true"),
    litellm("litellm_settings", "include_cost_in_streaming_usage", "false"),
    litellm("litellm_settings", "anthropic_sse_ping_interval_seconds", "15"),
    litellm("litellm_settings", "forward_traceparent_to_llm_provider", "false"),
    litellm("litellm_settings", "bedrock_neutralize_orphaned_tool_blocks", "true"),
    ours("cache_params", "scope", "global"),
    ours("cache_params", "max_size_mb", "64"),
    litellm("cache_params", "mode", "default_on"),

    litellm("router_settings", "routing_strategy", "simple-shuffle"),
    litellm("router_settings", "num_retries", "2"),
    litellm("router_settings", "retry_after", "0"),
    litellm("router_settings", "timeout", "6000"),
    ours("router_settings", "stream_idle_timeout", "300"),
    ours("router_settings", "connect_timeout", "5"),
    litellm("router_settings", "max_fallbacks", "5"),
    litellm("router_settings", "enable_pre_call_checks", "false"),
    litellm("router_settings", "deployment_affinity_ttl_seconds", "3600"),
    litellm("router_settings", "enable_tag_filtering", "false"),
    litellm("router_settings", "tag_filtering_match_any", "true"),
    litellm("router_settings", "allowed_fails", "3"),
    ours("router_settings", "allowed_fails_window", "60"),
    litellm("router_settings", "cooldown_time", "5"),
    ours("router_settings", "max_cooldown_time", "300"),
    litellm("router_settings", "enable_weighted_failover", "false"),
    litellm("router_settings", "polling_interval", "0.03"),
    ours("router_settings", "max_queue_ms", "0"),
    ours("router_settings", "redis_timeout_ms", "100"),
    litellm("router_settings", "client_ttl", "3600"),
    litellm("router_settings", "enable_health_check_routing", "false"),
    ours("router_settings", "stream_recovery", "none"),
    ours("router_settings", "fallback_on_4xx", "false"),
    ours("router_settings", "parallel_limit_from_rpm", "false"),
    litellm("routing_strategy_args", "ttl", "3600"),
    litellm("routing_strategy_args", "lowest_latency_buffer", "0"),
    litellm("routing_strategy_args", "max_latency_list_size", "10"),
    ours("retry_budget", "capacity", "500"),
    ours("retry_budget", "cost", "14"),
    ours("retry_budget", "throttle_cost", "5"),
    ours("retry_budget", "refill_per_second", "10"),

    litellm("general_settings", "dangerously_permit_weak_or_unset_master_key", "false"),
    litellm("general_settings", "allow_client_side_credentials", "false"),
    ours("general_settings", "max_request_size_mb", "32"),
    ours("general_settings", "header_read_timeout_seconds", "10"),
    ours("general_settings", "drain_timeout_seconds", "60"),
    litellm("general_settings", "unknown_model_status", "400"),
    litellm("general_settings", "models_owned_by", "openai"),
    litellm("general_settings", "include_call_id_in_error_body", "false"),
    ours("general_settings", "cancel_on_disconnect", "true"),
    ours("general_settings", "look_up_inference_profiles", "true"),
    litellm("general_settings", "always_include_stream_usage", "false"),
    ours("general_settings", "strict_env", "false"),
    ours("general_settings", "max_queued_requests_per_worker", "0"),
    ours("general_settings", "admission_queue_timeout_seconds", "1"),
    litellm("general_settings", "fail_closed_rate_limit_enforcement", "false"),
    litellm("general_settings", "pass_through_request_timeout", "600"),
    litellm("general_settings", "disable_bedrock_agent_runtime_passthrough", "false"),
    ours("general_settings", "disable_bedrock_control_plane_passthrough", "false"),
    litellm("general_settings", "store_model_in_db", "false"),
    litellm("general_settings", "background_health_checks", "false"),
    litellm("general_settings", "health_check_interval", "300"),
    ours("general_settings", "health_check_concurrency", "10"),
    litellm("general_settings", "enable_health_check_routing", "false"),
    litellm("model_info", "health_check_timeout", "60"),
    ours("model_info", "health_check_max_tokens", "16"),
    litellm("general_settings", "health_check_details", "true"),
    litellm("general_settings", "user_api_key_cache_ttl", "60"),
    litellm("general_settings", "proxy_batch_write_at", "10"),
    litellm("general_settings", "proxy_config_reload_interval_seconds", "10"),
];

/// Returns the default of a key, as written.
pub(super) fn of(section: &str, key: &str) -> Option<&'static DefaultValue> {
    DEFAULTS
        .iter()
        .find(|default| default.section == section && default.key == key)
}
