//! The checked sections → [`Config`](super::Config)'s: typed, complete, in our units.

use std::time::Duration;

use super::deployment;
use super::environment::Environment;
use super::node::Node;
use super::params;
use super::policy;
use super::reach;
use super::report::Report;
use super::secret::Secret;
use super::{Budget, GeneralSettings, LitellmSettings, PassThroughSettings, PromptTemplate};

/// Reads a number of seconds; 0 counts as not set, as it does to LiteLLM.
pub(super) fn seconds(node: &Node, key: &str) -> Option<Duration> {
    duration(node.get(key)).filter(|duration| !duration.is_zero())
}

/// Reads a number of seconds.
pub(super) fn duration(node: Option<&Node>) -> Option<Duration> {
    Duration::try_from_secs_f64(node?.number()?).ok()
}

/// Reads a list of texts.
pub(super) fn texts(node: Option<&Node>) -> Vec<String> {
    node.map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(Node::text)
        .map(str::to_owned)
        .collect()
}

fn flag(node: &Node, key: &str) -> bool {
    node.get(key).and_then(Node::flag).unwrap_or(false)
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?
        .text()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// Reads a switch that the file or, where it says nothing, a variable turns on.
fn flag_or_variable(node: &Node, key: &str, environment: &Environment, name: &str) -> bool {
    node.written(key).and_then(Node::flag).unwrap_or_else(|| {
        environment
            .get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    })
}

/// Reads prompt templates; one without an id or messages is left out.
pub(super) fn prompts(node: Option<&Node>, report: &mut Report) -> Vec<PromptTemplate> {
    let mut prompts: Vec<PromptTemplate> = Vec::new();
    for (index, node) in node.map(Node::items).unwrap_or_default().iter().enumerate() {
        let path = format!("prompts[{index}]");
        let serde_json::Value::Object(mut members) = node.to_json() else {
            continue;
        };
        let id = members
            .remove("prompt_id")
            .and_then(|id| id.as_str().map(str::to_owned));
        let (Some(id), Some(serde_json::Value::Array(_))) = (id, members.get("messages")) else {
            report
                .warn(node.at, &path, "not a prompt template; it is ignored")
                .hint("a template has a `prompt_id` and a list of `messages`");
            continue;
        };
        if prompts.iter().any(|known| known.id == id) {
            report.warn(
                node.at,
                &path,
                "another template has the same `prompt_id`; this one is ignored",
            );
            continue;
        }
        prompts.push(PromptTemplate { id, members });
    }
    prompts
}

/// Resolves `litellm_settings`.
pub(super) fn litellm(
    section: &Node,
    callbacks: Callbacks,
    environment: &Environment,
    report: &mut Report,
) -> LitellmSettings {
    LitellmSettings {
        drop_params: flag_or_variable(section, "drop_params", environment, "LITELLM_DROP_PARAMS"),
        modify_params: flag_or_variable(
            section,
            "modify_params",
            environment,
            "LITELLM_MODIFY_PARAMS",
        ),
        json_logs: flag(section, "json_logs"),
        model_alias_map: section
            .get("model_alias_map")
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned())))
            .collect(),
        expose_router_debug_in_errors: flag(section, "expose_router_debug_in_errors"),
        user_url_allowed_hosts: texts(section.get("user_url_allowed_hosts")),
        keep_orphaned_tool_blocks: !flag(section, "bedrock_neutralize_orphaned_tool_blocks"),
        allowed_betas: texts(section.get("bedrock_allowed_betas")),
        request_metadata_fields: texts(section.get("bedrock_request_metadata_fields")),
        messages_ping: seconds(section, "anthropic_sse_ping_interval_seconds"),
        forward_traceparent: flag(section, "forward_traceparent_to_llm_provider"),
        otel: callbacks.otel,
        ssl_verify: params::ssl_verify(section.get("ssl_verify")),
        metrics_are_public: section
            .get("require_auth_for_metrics_endpoint")
            .and_then(Node::flag)
            == Some(false),
        budget: gateway_budget(section, report),
        budget_status: budget_status(section, report),
    }
}

/// Reads the budget of the whole gateway; the default of 0 is none.
fn gateway_budget(section: &Node, report: &mut Report) -> Option<Budget> {
    if section.written("max_budget").is_none() {
        if let Some(period) = section.get("budget_duration") {
            let path = "litellm_settings.max_budget";
            report.warn(period.at, path, "missing: a period alone is no budget");
        }
        return None;
    }
    let (limit, period) = (["max_budget"], ["budget_duration"]);
    policy::budget(section, &limit, &period, "litellm_settings", report)
}

/// Reads the status for a spent budget, if the file has one.
fn budget_status(section: &Node, report: &mut Report) -> Option<u16> {
    let node = section.written("budget_exceeded_status_code")?;
    let status = node.count().and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|status| (400..600).contains(status));
    if status.is_none() {
        let path = "litellm_settings.budget_exceeded_status_code";
        report
            .error(node.at, path, "expected the status of an error, 400 to 599")
            .hint("422 is the default, 429 what LiteLLM had before");
    }
    status
}

/// The callbacks that were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Callbacks {
    pub(super) otel: bool,
}

/// Reads the callbacks of all lists, and says of which there are none here.
pub(super) fn callbacks(section: &Node, report: &mut Report) -> Callbacks {
    let mut callbacks = Callbacks::default();
    for key in [
        "callbacks",
        "success_callback",
        "failure_callback",
        "service_callback",
    ] {
        let items = section.get(key).map(Node::items).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            let path = format!("litellm_settings.{key}[{index}]");
            match item.text() {
                Some("otel") => callbacks.otel = true,
                // Metrics are always served.
                Some("prometheus") => {}
                Some(other) => {
                    if report.first_time(&format!("callback {other}")) {
                        report
                            .warn(
                                item.at,
                                &path,
                                format!("there is no callback `{other}`; it is ignored"),
                            )
                            .hint("there are `otel` and `prometheus`");
                    }
                }
                None => {
                    let found = item.type_name();
                    report.error(item.at, &path, format!("expected text, found {found}"));
                }
            }
        }
    }
    callbacks
}

/// Resolves `general_settings`.
pub(super) fn general(
    section: &Node,
    raw: Option<&Node>,
    litellm: &Node,
    environment: &Environment,
    report: &mut Report,
) -> GeneralSettings {
    let base = GeneralSettings::default();
    let (master_key, master_key_missing) = master_key(section, raw, environment);
    let mut public_routes = texts(section.get("public_routes"));
    public_routes.extend(texts(litellm.get("public_routes")));
    let megabytes = section.get("max_request_size_mb").and_then(Node::count);
    GeneralSettings {
        master_key,
        master_key_missing,
        permit_weak_master_key: flag_or_variable(
            section,
            "dangerously_permit_weak_or_unset_master_key",
            environment,
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY",
        ),
        key_header_name: text(section, "litellm_key_header_name"),
        public_routes,
        reach: reach::read(section, report),
        enforce_user: flag(section, "enforce_user_param"),
        enforced_params: texts(section.get("enforced_params")),
        allow_client_side_credentials: flag(section, "allow_client_side_credentials"),
        look_up_inference_profiles: flag(section, "look_up_inference_profiles"),
        completion_model: text(section, "completion_model"),
        max_request_bytes: megabytes.map_or(base.max_request_bytes, |size| {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            size.saturating_mul(1024 * 1024)
        }),
        header_read_timeout: seconds(section, "header_read_timeout_seconds")
            .unwrap_or(base.header_read_timeout),
        drain_timeout: duration(section.get("drain_timeout_seconds")).unwrap_or(base.drain_timeout),
        unknown_model_status: section
            .get("unknown_model_status")
            .and_then(Node::count)
            .and_then(|status| u16::try_from(status).ok())
            .unwrap_or(base.unknown_model_status),
        models_owned_by: text(section, "models_owned_by").unwrap_or(base.models_owned_by),
        include_call_id_in_error_body: flag(section, "include_call_id_in_error_body"),
        cancel_on_disconnect: flag(section, "cancel_on_disconnect"),
        always_include_stream_usage: flag(section, "always_include_stream_usage"),
        max_in_flight: section
            .get("max_in_flight_requests_per_worker")
            .and_then(Node::count)
            .and_then(|count| usize::try_from(count).ok()),
        max_queued: params::count(section, "max_queued_requests_per_worker")
            .map_or(base.max_queued, |count| {
                usize::try_from(count).unwrap_or(usize::MAX)
            }),
        admission_queue_timeout: duration(section.get("admission_queue_timeout_seconds"))
            .unwrap_or(base.admission_queue_timeout),
        global_parallel: params::small(section, "global_max_parallel_requests"),
        fail_closed: flag(section, "fail_closed_rate_limit_enforcement"),
        expose_fallback_errors: flag(section, "expose_fallback_errors_to_caller"),
        reject_client_tags: flag(section, "reject_clientside_metadata_tags"),
        pass_through: PassThroughSettings {
            without_agents: flag(section, "disable_bedrock_agent_runtime_passthrough"),
            without_control_plane: flag(section, "disable_bedrock_control_plane_passthrough"),
            timeout: seconds(section, "pass_through_request_timeout")
                .unwrap_or(base.pass_through.timeout),
        },
        cors_origins: environment
            .get("LITELLM_CORS_ORIGINS")
            .map_or(base.cors_origins, |list| {
                list.split(',')
                    .map(|origin| origin.trim().to_owned())
                    .filter(|origin| !origin.is_empty())
                    .collect()
            }),
        cors_allow_credentials: environment
            .get("LITELLM_CORS_ALLOW_CREDENTIALS")
            .is_some_and(|value| value.eq_ignore_ascii_case("true")),
    }
}

/// Finds the master key, or the variable that should have held it.
///
/// A variable that is empty is as good as one that is not set: neither may open the server silently.
fn master_key(
    section: &Node,
    raw: Option<&Node>,
    environment: &Environment,
) -> (Option<Secret>, Option<String>) {
    let key = text(section, "master_key")
        .or_else(|| environment.get("LITELLM_MASTER_KEY").map(str::to_owned));
    if let Some(key) = key {
        return (Some(Secret::new(key)), None);
    }
    let missing = raw
        .and_then(|raw| raw.entries().iter().find(|entry| entry.key == "master_key"))
        .and_then(|entry| deployment::variable(&entry.node))
        .map(str::to_owned);
    (None, missing)
}
