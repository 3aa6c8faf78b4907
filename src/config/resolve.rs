//! The checked sections → [`Config`](super::Config)'s: typed, complete, in our units.

use std::time::Duration;

use super::deployment;
use super::environment::Environment;
use super::node::{Node, Value};
use super::params;
use super::report::Report;
use super::secret::Secret;
use super::{
    Alias, FallbackLists, FallbackRule, FallbackTarget, GeneralSettings, LitellmSettings,
    PromptTemplate, RouterSettings, StrategyConfig, StrategyName,
};

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

/// Resolves `router_settings`.
pub(super) fn router(
    router: &Node,
    litellm: &Node,
    environment: &Environment,
    report: &mut Report,
) -> RouterSettings {
    let base = RouterSettings::default();
    let written_seconds = |section: &Node, key: &str| {
        section.written(key)?;
        seconds(section, key)
    };
    let retries = router
        .written("num_retries")
        .or_else(|| litellm.written("num_retries"))
        .or_else(|| router.get("num_retries"))
        .and_then(Node::count);
    let twin = |key: &str| {
        let first = router.get(key).filter(|node| !node.is_empty());
        first.or_else(|| litellm.get(key))
    };
    RouterSettings {
        strategy: StrategyConfig {
            name: text(router, "routing_strategy")
                .and_then(|name| StrategyName::parse(&name))
                .unwrap_or_default(),
            ..StrategyConfig::default()
        },
        num_retries: retries.map_or(base.num_retries, |count| {
            u32::try_from(count).unwrap_or(u32::MAX)
        }),
        timeout: written_seconds(router, "timeout")
            .or_else(|| written_seconds(litellm, "request_timeout"))
            .or_else(|| {
                let seconds = environment.get("REQUEST_TIMEOUT")?.parse().ok()?;
                Duration::try_from_secs_f64(seconds).ok()
            })
            .or_else(|| seconds(router, "timeout"))
            .unwrap_or(base.timeout),
        stream_timeout: seconds(router, "stream_timeout"),
        stream_idle_timeout: written_seconds(router, "stream_idle_timeout"),
        connect_timeout: seconds(router, "connect_timeout").unwrap_or(base.connect_timeout),
        deadline: seconds(router, "deadline"),
        aliases: aliases(router.get("model_group_alias"), report),
        fallbacks: FallbackLists {
            general: fallbacks(twin("fallbacks")),
            context_window: fallbacks(twin("context_window_fallbacks")),
            content_policy: fallbacks(twin("content_policy_fallbacks")),
            default: texts(twin("default_fallbacks")),
        },
        ..base
    }
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

/// Reads aliases; one that is neither a name nor `{model, hidden}` is left out.
fn aliases(node: Option<&Node>, report: &mut Report) -> Vec<Alias> {
    let mut aliases = Vec::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
        let target = match &entry.node.value {
            Value::Text(target) => Some(target.clone()),
            Value::Map(_) => text(&entry.node, "model"),
            _ => None,
        };
        let Some(target) = target else {
            let path = format!("router_settings.model_group_alias.{}", entry.key);
            report
                .warn(entry.node.at, &path, "not an alias; it is ignored")
                .hint("write `alias: group` or `alias: {model: group, hidden: true}`");
            continue;
        };
        aliases.push(Alias {
            name: entry.key.clone(),
            target,
            hidden: flag(&entry.node, "hidden"),
        });
    }
    aliases
}

/// Reads a list of one-key mappings of targets, which are names or mappings with `model`.
fn fallbacks(node: Option<&Node>) -> Vec<FallbackRule> {
    node.map(Node::items)
        .unwrap_or_default()
        .iter()
        .flat_map(Node::entries)
        .map(|entry| FallbackRule {
            group: entry.key.clone(),
            targets: targets(&entry.node),
        })
        .collect()
}

/// Lists a fallback's targets.
pub(super) fn targets(node: &Node) -> Vec<FallbackTarget> {
    match &node.value {
        Value::Text(name) => vec![FallbackTarget {
            model: name.clone(),
            ..FallbackTarget::default()
        }],
        Value::Map(_) => target_with_overrides(node).into_iter().collect(),
        Value::List(items) => items.iter().flat_map(targets).collect(),
        _ => Vec::new(),
    }
}

fn target_with_overrides(node: &Node) -> Option<FallbackTarget> {
    let serde_json::Value::Object(mut overrides) = node.to_json() else {
        return None;
    };
    let model = text(node, "model")?;
    overrides.remove("model");
    Some(FallbackTarget { model, overrides })
}

/// Resolves `litellm_settings`.
pub(super) fn litellm(
    section: &Node,
    callbacks: Callbacks,
    environment: &Environment,
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
        forward_traceparent: flag(section, "forward_traceparent_to_llm_provider"),
        otel: callbacks.otel,
        ssl_verify: params::ssl_verify(section.get("ssl_verify")),
        ..LitellmSettings::default()
    }
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
                Some("prometheus") => {
                    if report.first_time("callback prometheus") {
                        report.warn(item.at, &path, "`prometheus`: accepted, not supported yet");
                    }
                }
                Some(other) => {
                    if report.first_time(&format!("callback {other}")) {
                        report
                            .warn(
                                item.at,
                                &path,
                                format!("there is no callback `{other}`; it is ignored"),
                            )
                            .hint("`otel` exports traces");
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
        allow_client_side_credentials: flag(section, "allow_client_side_credentials"),
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
        ..base
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
