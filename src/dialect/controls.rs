//! Members of a request that steer the gateway, and never reach Bedrock: the same for every operation.

use super::read::Node;
use crate::canonical::RawJson;
use crate::dialect::Controls;
use crate::error::Result;

/// Credentials and endpoints beside everything that begins with `aws_`.
const CREDENTIALS: [&str; 10] = [
    "api_key",
    "api_base",
    "base_url",
    "model_id",
    "region_name",
    "bedrock_tags",
    "s3_endpoint_url",
    "azure_ad_token",
    "vertex_credentials",
    "litellm_credential_name",
];

/// What begins like this is the gateway's.
const PREFIXES: [&str; 11] = [
    "litellm_",
    "mock_",
    "user_api_key_",
    "input_cost_per_",
    "output_cost_per_",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "langfuse_",
    "langsmith_",
    "arize_",
    "cost_per_",
];

/// Every other member that is the gateway's: routing, retries, caching, tags, limits, logging and hooks.
const OTHER: &[&str] = &[
    "_target_order",
    "acompletion",
    "allow_client_keepalive_override",
    "allowed_fails",
    "allowed_fails_policy",
    "api_type",
    "api_version",
    "applied_guardrails",
    "attempted_targets",
    "base_model",
    "bedrock_allowed_betas",
    "bedrock_neutralize_orphaned_tool_blocks",
    "bedrock_request_metadata_fields",
    "budget_duration",
    "cache",
    "cache_key",
    "caching",
    "caching_groups",
    "callbacks",
    "client_metadata",
    "client_side_timeout",
    "configurable_clientside_auth_params",
    "content_policy_fallbacks",
    "context_window_fallbacks",
    "cooldown_time",
    "custom_llm_provider",
    "default_api_key_rpm_limit",
    "default_api_key_tpm_limit",
    "default_fallbacks",
    "deployment_id",
    "disable_fallbacks",
    "disable_global_guardrails",
    "enable_json_schema_validation",
    "enable_pre_call_checks",
    "enable_tag_filtering",
    "enable_weighted_failover",
    "ensure_alternating_roles",
    "extra_query",
    "failure_callback",
    "fallback_depth",
    "fallback_type",
    "fallbacks",
    "fastest_response",
    "force_timeout",
    "guardrail_cost_per_unit",
    "guardrails",
    "headers",
    "hedge_after",
    "hedging",
    "id",
    "include_fallback_errors",
    "itpm",
    "json_mode",
    "keepalive_seconds",
    "litellm_params",
    "logger_fn",
    "max_budget",
    "max_fallbacks",
    "max_parallel_requests",
    "max_retries",
    "mcp_handler_context",
    "merge_reasoning_content_in_choices",
    "metadata",
    "model_alias_map",
    "model_group",
    "model_group_alias",
    "model_group_retry_policy",
    "model_info",
    "model_list",
    "model_name",
    "model_region",
    "modify_params",
    "no-log",
    "no_log",
    "num_retries_per_request",
    "order",
    "organization",
    "original_function",
    "original_generic_function",
    "otpm",
    "preset_cache_key",
    "priority",
    "prompt_id",
    "prompt_label",
    "prompt_version",
    "provider_affinity_header",
    "provider_budget_config",
    "proxy_server_request",
    "redis_host",
    "redis_password",
    "redis_port",
    "redis_url",
    "retry_after",
    "retry_policy",
    "retry_strategy",
    "router_settings",
    "routing_strategy",
    "routing_strategy_args",
    "rpm",
    "search_context_cost_per_query",
    "search_tool_name",
    "secret_fields",
    "service_callback",
    "shared_session",
    "silent_model",
    "skip_mcp_handler",
    "specific_deployment",
    "ssl_verify",
    "standard_logging_object",
    "stream_timeout_by_service_tier",
    "success_callback",
    "supports_system_message",
    "tag_regex",
    "tags",
    "text_completion",
    "tiered_pricing",
    "timeout_by_service_tier",
    "tpm",
    "ttl",
    "use_in_pass_through",
    "use_litellm_proxy",
    "user",
    "user_config",
    "verbose",
    "weight",
    "weights",
];

/// Reads a member if it is one that steers the gateway; says whether it is.
pub(super) fn read(name: &str, node: &Node<'_, '_>, controls: &mut Controls) -> Result<bool> {
    match name {
        "timeout" => controls.timeout_seconds = Some(node.float()?),
        "request_timeout" => {
            let seconds = node.float()?;
            controls.timeout_seconds.get_or_insert(seconds);
        }
        "stream_timeout" => controls.stream_timeout_seconds = Some(node.float()?),
        "num_retries" => {
            let retries = node.whole()?;
            controls.num_retries = Some(u32::try_from(retries).unwrap_or(u32::MAX));
        }
        "user" if !node.is_string() => return Err(node.expected("a string")),
        "metadata" | "litellm_metadata" => {
            let metadata = metadata(node)?;
            set(&mut controls.other, name, metadata);
        }
        _ if name.starts_with("aws_") || CREDENTIALS.contains(&name) => {
            let value = if node.is_string() {
                node.owned()?
            } else {
                node.raw.get().to_owned()
            };
            controls.credentials.push((name.to_owned(), value));
        }
        _ if is_control(name) => set(&mut controls.other, name, node.json()),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Sets a member that is carried by name; a later one with the same name replaces it in its place.
pub(super) fn set(map: &mut Vec<(String, RawJson)>, name: &str, value: RawJson) {
    match map.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => map.push((name.to_owned(), value)),
    }
}

/// Says whether a member makes LiteLLM pretend failures or delays, which no caller may ask for.
pub(super) fn is_for_tests(name: &str) -> bool {
    name.starts_with("mock_testing_") || matches!(name, "mock_timeout" | "mock_delay")
}

fn is_control(name: &str) -> bool {
    OTHER.binary_search(&name).is_ok() || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Reads `metadata`: an object, or the JSON text of one.
fn metadata(node: &Node<'_, '_>) -> Result<RawJson> {
    if node.is_object() {
        return Ok(node.json());
    }
    if node.is_string()
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(&node.string()?)
        && value.is_object()
    {
        return Ok(RawJson::from_value(&value));
    }
    Err(node.expected("an object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_for_the_search() {
        let mut sorted = OTHER.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(OTHER, sorted);
    }
}
