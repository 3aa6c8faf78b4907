//! The checked keys of an entry → the fields of a [`DeploymentConfig`].

use std::collections::BTreeMap;
use std::time::Duration;

use regex_lite::Regex;

use super::clientside;
use super::health;
use super::node::{Node, Value};
use super::policy::{budget, by_class, millis};
use super::raw::{LITELLM_PARAMS, Support};
use super::report::Report;
use super::resolve::{duration, seconds, texts};
use super::scalar;
use super::secret::Secret;
use super::{
    AwsParams, DeploymentConfig, DeploymentLimits, ModelInfo, RateLimits, WebIdentityToken,
};
use crate::canonical::RawJson;

pub(super) fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.text().map(str::to_owned)
}

fn secret(node: &Node, key: &str) -> Option<Secret> {
    text(node, key).map(Secret::new)
}

pub(super) fn count(node: &Node, key: &str) -> Option<u64> {
    node.get(key)?.count()
}

pub(super) fn small(node: &Node, key: &str) -> Option<u32> {
    count(node, key).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) fn flag(node: &Node, key: &str) -> Option<bool> {
    node.get(key)?.flag()
}

pub(super) fn from_params(params: &Node, path: &str, report: &mut Report) -> DeploymentConfig {
    DeploymentConfig {
        model: text(params, "model").unwrap_or_default(),
        model_id: text(params, "model_id"),
        aws: aws(params),
        credential_name: text(params, "litellm_credential_name"),
        api_base: text(params, "api_base"),
        timeout: seconds(params, "timeout").or_else(|| seconds(params, "request_timeout")),
        stream_timeout: seconds(params, "stream_timeout"),
        num_retries: small(params, "num_retries"),
        tier_timeouts: durations(params.get("timeout_by_service_tier")),
        tier_stream_timeouts: durations(params.get("stream_timeout_by_service_tier")),
        tags: texts(params.get("tags")),
        tag_regex: patterns(params.get("tag_regex"), path, report),
        input_cost_per_token: params.get("input_cost_per_token").and_then(Node::number),
        output_cost_per_token: params.get("output_cost_per_token").and_then(Node::number),
        input_cost_per_image: params.get("input_cost_per_image").and_then(Node::number),
        output_cost_per_image: params.get("output_cost_per_image").and_then(Node::number),
        input_cost_per_query: params.get("input_cost_per_query").and_then(Node::number),
        mock_response: params
            .get("mock_response")
            .map(|mock| RawJson::from_value(&mock.to_json())),
        drop_params: flag(params, "drop_params"),
        modify_params: flag(params, "modify_params"),
        additional_drop_params: texts(params.get("additional_drop_params")),
        allowed_openai_params: texts(params.get("allowed_openai_params")),
        clientside_params: clientside::params(
            params.get("configurable_clientside_auth_params"),
            path,
            report,
        ),
        extra_headers: pairs(params.get("extra_headers")),
        use_in_pass_through: params
            .get("use_in_pass_through")
            .and_then(Node::flag)
            .unwrap_or(false),
        keepalive: seconds(params, "keepalive_seconds"),
        allow_client_keepalive: params
            .get("allow_client_keepalive_override")
            .and_then(Node::flag)
            .unwrap_or(false),
        params: request_defaults(params),
        ..DeploymentConfig::default()
    }
}

/// Reads seconds by name; 0 counts as not set.
fn durations(node: Option<&Node>) -> BTreeMap<String, Duration> {
    node.map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), duration(Some(&entry.node))?)))
        .filter(|(_, duration)| !duration.is_zero())
        .collect()
}

/// Reads regular expressions; one that cannot be used is an error.
fn patterns(node: Option<&Node>, path: &str, report: &mut Report) -> Vec<String> {
    let mut patterns = Vec::new();
    for (index, item) in node.map(Node::items).unwrap_or_default().iter().enumerate() {
        let Some(text) = item.text() else { continue };
        match Regex::new(text) {
            Ok(_) => patterns.push(text.to_owned()),
            Err(problem) => {
                report.error(
                    item.at,
                    &format!("{path}.litellm_params.tag_regex[{index}]"),
                    format!("the pattern cannot be used: {problem}"),
                );
            }
        }
    }
    patterns
}

pub(super) fn aws(params: &Node) -> AwsParams {
    AwsParams {
        access_key_id: text(params, "aws_access_key_id"),
        secret_access_key: secret(params, "aws_secret_access_key"),
        session_token: secret(params, "aws_session_token"),
        region: text(params, "aws_region_name").or_else(|| text(params, "region_name")),
        session_name: text(params, "aws_session_name"),
        profile: text(params, "aws_profile_name"),
        role: text(params, "aws_role_name"),
        web_identity_token: secret(params, "aws_web_identity_token")
            .map(WebIdentityToken::Reference),
        sts_endpoint: text(params, "aws_sts_endpoint"),
        external_id: text(params, "aws_external_id"),
        session_tags: session_tags(params.get("aws_session_tags")),
        runtime_endpoint: text(params, "aws_bedrock_runtime_endpoint"),
        api_key: secret(params, "api_key"),
        ssl_verify: ssl_verify(params.get("ssl_verify")),
    }
}

/// Reads `ssl_verify`: `false`, or a path; `true` is what happens anyway.
pub(super) fn ssl_verify(node: Option<&Node>) -> Option<String> {
    match &node?.value {
        Value::Bool(false) => Some("false".to_owned()),
        Value::Text(path) => Some(path.clone()),
        _ => None,
    }
}

fn session_tags(node: Option<&Node>) -> Vec<(String, String)> {
    let mut tags: Vec<_> = node
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|tag| Some((text(tag, "Key")?, text(tag, "Value").unwrap_or_default())))
        .collect();
    tags.sort();
    tags
}

fn pairs(node: Option<&Node>) -> Vec<(String, String)> {
    node.map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned())))
        .collect()
}

/// What is not the router's is the request's or the provider's.
fn request_defaults(params: &Node) -> Vec<(String, RawJson)> {
    params
        .entries()
        .iter()
        .filter(|entry| {
            LITELLM_PARAMS
                .key(&entry.key)
                .is_none_or(|key| key.support == Support::Default)
        })
        .map(|entry| {
            (
                entry.key.clone(),
                RawJson::from_value(&entry.node.to_json()),
            )
        })
        .collect()
}

pub(super) fn limits(
    params: &Node,
    entry: &Node,
    path: &str,
    report: &mut Report,
) -> DeploymentLimits {
    let info = entry.get("model_info");
    let rate = |key: &str| {
        count(params, key)
            .or_else(|| count(entry, key))
            .or_else(|| count(info?, key))
    };
    DeploymentLimits {
        rpm: rate("rpm"),
        tpm: rate("tpm"),
        parallel: small(params, "max_parallel_requests"),
        weight: params.get("weight").and_then(Node::number),
        order: whole(params, "order").or_else(|| whole(info?, "order")),
        itpm: count(params, "itpm"),
        otpm: count(params, "otpm"),
        max_queue: millis(params, "max_queue_ms"),
        cooldown: duration(info.and_then(|info| info.get("cooldown_time")))
            .or_else(|| duration(params.get("cooldown_time"))),
        allowed_fails: info.and_then(|info| small(info, "allowed_fails")),
        allowed_fails_policy: by_class(
            info.and_then(|info| info.get("allowed_fails_policy")),
            "AllowedFails",
        ),
        budget: budget(
            params,
            &["max_budget"],
            &["budget_duration"],
            &format!("{path}.litellm_params"),
            report,
        ),
        default_key: RateLimits {
            rpm: count(params, "default_api_key_rpm_limit"),
            tpm: count(params, "default_api_key_tpm_limit"),
            parallel: None,
        },
    }
}

fn whole(node: &Node, key: &str) -> Option<i64> {
    match &node.get(key)?.value {
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}

pub(super) fn model_info(info: Option<&Node>, params: &Node) -> ModelInfo {
    let Some(info) = info else {
        return ModelInfo {
            base_model: text(params, "base_model"),
            ..ModelInfo::default()
        };
    };
    let mut flags = BTreeMap::new();
    let mut extra = Vec::new();
    for entry in info.entries() {
        let is_flag = FLAGS.iter().any(|prefix| entry.key.starts_with(prefix));
        match scalar::as_flag(&entry.node) {
            Some(flag) if is_flag => {
                flags.insert(entry.key.clone(), flag.value);
            }
            _ if HOMED.contains(&entry.key.as_str()) => {}
            _ => extra.push((
                entry.key.clone(),
                RawJson::from_value(&entry.node.to_json()),
            )),
        }
    }
    ModelInfo {
        base_model: text(info, "base_model").or_else(|| text(params, "base_model")),
        mode: text(info, "mode"),
        flags,
        max_input_tokens: count(info, "max_input_tokens"),
        max_output_tokens: count(info, "max_output_tokens").or_else(|| count(info, "max_tokens")),
        access_groups: texts(info.get("access_groups")),
        team_id: text(info, "team_id"),
        team_public_name: text(info, "team_public_model_name").filter(|name| !name.is_empty()),
        health: health::params(info),
        tag_filtering: flag(info, "enable_tag_filtering"),
        allow_fail_open: flag(info, "allow_fail_open").unwrap_or(false),
        simulate: text(info, "simulate"),
        extra,
    }
}

/// What the names of the catalog's capabilities begin with.
const FLAGS: &[&str] = &["supports_", "bedrock_", "use_", "thinking_"];

/// Keys of `model_info` that have a field of their own.
const HOMED: &[&str] = &[
    "id",
    "base_model",
    "mode",
    "max_input_tokens",
    "max_output_tokens",
    "max_tokens",
    "simulate",
    "blocked",
    "supported_environments",
];
