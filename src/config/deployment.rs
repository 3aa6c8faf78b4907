//! `model_list` → [`DeploymentConfig`]s, each entry on its own.

use std::collections::BTreeMap;

use super::check;
use super::environment::Environment;
use super::node::{At, Node, Spelling, Value};
use super::provider::{self, Provider};
use super::raw::{ENTRY, LITELLM_PARAMS, Support};
use super::report::{Report, did_you_mean, nearest};
use super::resolve::{duration, seconds, texts};
use super::secret::Secret;
use super::variables::{self, Unset};
use super::{AwsParams, DeploymentConfig, DeploymentLimits, ModelInfo};
use crate::canonical::RawJson;

/// The named sets of `credential_list`.
pub(super) type Credentials = BTreeMap<String, Node>;

/// What every entry is read with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) environment: &'a Environment,
    pub(super) unset: Unset,
    pub(super) credentials: &'a Credentials,
}

/// A deployment and where it stands in the file.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) deployment: DeploymentConfig,
    pub(super) at: At,
    pub(super) path: String,
}

/// Reads `credential_list`, already checked.
pub(super) fn credentials(list: Option<&Node>, report: &mut Report) -> Credentials {
    let mut sets = Credentials::new();
    for (index, item) in list.map(Node::items).unwrap_or_default().iter().enumerate() {
        let (Some(name), Some(values)) =
            (item.get("credential_name"), item.get("credential_values"))
        else {
            continue;
        };
        let Some(text) = name.text() else { continue };
        if sets.insert(text.to_owned(), values.clone()).is_some() {
            report
                .error(
                    name.at,
                    &format!("credential_list[{index}].credential_name"),
                    format!("there is another set of credentials called `{text}`"),
                )
                .hint("give each set a name of its own");
        }
    }
    sets
}

/// Reads `model_list`.
pub(super) fn deployments(
    list: Option<&Node>,
    surroundings: Surroundings<'_>,
    report: &mut Report,
) -> Vec<Placed> {
    let items = list.map(Node::items).unwrap_or_default();
    items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| {
            let path = format!("model_list[{index}]");
            entry(item, &path, surroundings, report)
        })
        .collect()
}

/// Reads one entry; `None` when it is for another provider, for another environment, or wrong.
fn entry(
    item: &Node,
    path: &str,
    surroundings: Surroundings<'_>,
    report: &mut Report,
) -> Option<Placed> {
    if !matches!(item.value, Value::Map(_)) {
        let found = item.type_name();
        report
            .error(item.at, path, format!("expected a mapping, found {found}"))
            .hint("an entry has `model_name` and `litellm_params`");
        return None;
    }
    if let Some(other) = provider_of(item, surroundings.environment) {
        let at = item
            .get("litellm_params")
            .and_then(|params| params.get("model"))
            .map_or(item.at, |model| model.at);
        report
            .warn(
                at,
                &format!("{path}.litellm_params.model"),
                format!("`{other}` is not Bedrock; the entry is left out"),
            )
            .hint("Bedrock models are written `bedrock/<model id>`");
        return None;
    }
    let mut item = item.clone();
    variables::resolve(
        &mut item,
        surroundings.environment,
        surroundings.unset,
        path,
        report,
    );
    let checked = check::table(&ENTRY, &item, path, report);
    let info = checked.get("model_info");
    if !is_for(info, surroundings.environment, path, report) {
        return None;
    }
    let mut params = checked.get("litellm_params")?.clone();
    fill_credentials(&mut params, path, surroundings.credentials, report);
    let name = checked.get("model_name")?.text()?;
    let model = params.get("model")?;
    if name.is_empty() || model.text().is_none_or(str::is_empty) {
        report.error(item.at, path, "`model_name` and `model` must not be empty");
        return None;
    }
    let deployment = DeploymentConfig {
        model_name: name.to_owned(),
        blocked: [Some(&checked), info]
            .into_iter()
            .flatten()
            .any(|node| node.get("blocked").and_then(Node::flag) == Some(true)),
        limits: limits(&params, &checked, info),
        info: model_info(info),
        id: info.and_then(|info| text(info, "id")),
        ..from_params(&params)
    };
    Some(Placed {
        deployment,
        at: item.at,
        path: path.to_owned(),
    })
}

/// Returns the name of the provider that an entry is for, unless it is Bedrock.
fn provider_of(item: &Node, environment: &Environment) -> Option<String> {
    let params = item.get("litellm_params")?;
    let read = |key: &str| {
        let mut node = params.get(key)?.clone();
        // What is not set is reported when the whole entry is read.
        variables::resolve(
            &mut node,
            environment,
            Unset::Warns,
            "",
            &mut Report::default(),
        );
        node.text().map(str::to_owned)
    };
    let forced = read("custom_llm_provider");
    let model = read("model");
    match provider::of(model.as_deref()?, forced.as_deref()) {
        Provider::Bedrock => None,
        Provider::Other(name) => Some(name),
    }
}

/// Says whether an entry is meant for the environment that this is.
fn is_for(info: Option<&Node>, environment: &Environment, path: &str, report: &mut Report) -> bool {
    let Some(list) = info.and_then(|info| info.get("supported_environments")) else {
        return true;
    };
    let path = format!("{path}.model_info.supported_environments");
    let Some(current) = environment.get("LITELLM_ENVIRONMENT") else {
        report
            .warn(
                list.at,
                &path,
                "the variable `LITELLM_ENVIRONMENT` is not set; the entry is left out",
            )
            .hint("set it to `development`, `staging` or `production`");
        return false;
    };
    texts(Some(list)).iter().any(|name| name == current)
}

/// Fills what an entry does not set itself from the set of credentials that it names.
fn fill_credentials(params: &mut Node, path: &str, credentials: &Credentials, report: &mut Report) {
    let Some(named) = params.get("litellm_credential_name") else {
        return;
    };
    let Some(name) = named.text() else { return };
    let Some(set) = credentials.get(name) else {
        let path = format!("{path}.litellm_params.litellm_credential_name");
        let finding = report.error(
            named.at,
            &path,
            format!("`credential_list` has no set called `{name}`"),
        );
        if let Some(known) = nearest(name, credentials.keys().map(String::as_str), 3) {
            finding.hint(did_you_mean(known));
        }
        return;
    };
    let missing: Vec<_> = set
        .entries()
        .iter()
        .filter(|entry| params.get(&entry.key).is_none())
        .cloned()
        .collect();
    if let Value::Map(entries) = &mut params.value {
        entries.extend(missing);
    }
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.text().map(str::to_owned)
}

fn secret(node: &Node, key: &str) -> Option<Secret> {
    text(node, key).map(Secret::new)
}

fn count(node: &Node, key: &str) -> Option<u64> {
    node.get(key)?.count()
}

fn small(node: &Node, key: &str) -> Option<u32> {
    count(node, key).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn flag(node: &Node, key: &str) -> Option<bool> {
    node.get(key)?.flag()
}

fn from_params(params: &Node) -> DeploymentConfig {
    DeploymentConfig {
        model: text(params, "model").unwrap_or_default(),
        model_id: text(params, "model_id"),
        aws: aws(params),
        credential_name: text(params, "litellm_credential_name"),
        api_base: text(params, "api_base"),
        timeout: seconds(params, "timeout").or_else(|| seconds(params, "request_timeout")),
        stream_timeout: seconds(params, "stream_timeout"),
        num_retries: small(params, "num_retries"),
        drop_params: flag(params, "drop_params"),
        modify_params: flag(params, "modify_params"),
        additional_drop_params: texts(params.get("additional_drop_params")),
        allowed_openai_params: texts(params.get("allowed_openai_params")),
        clientside_params: clientside(params.get("configurable_clientside_auth_params")),
        extra_headers: pairs(params.get("extra_headers")),
        keepalive: seconds(params, "keepalive_seconds"),
        params: request_defaults(params),
        ..DeploymentConfig::default()
    }
}

fn aws(params: &Node) -> AwsParams {
    AwsParams {
        access_key_id: text(params, "aws_access_key_id"),
        secret_access_key: secret(params, "aws_secret_access_key"),
        session_token: secret(params, "aws_session_token"),
        region: text(params, "aws_region_name").or_else(|| text(params, "region_name")),
        session_name: text(params, "aws_session_name"),
        profile: text(params, "aws_profile_name"),
        role: text(params, "aws_role_name"),
        web_identity_token: secret(params, "aws_web_identity_token"),
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

fn clientside(node: Option<&Node>) -> Vec<String> {
    node.map(Node::items)
        .unwrap_or_default()
        .iter()
        .flat_map(|item| match &item.value {
            Value::Text(name) => vec![name.clone()],
            // `{api_base: <pattern>}`
            Value::Map(entries) => entries.iter().map(|entry| entry.key.clone()).collect(),
            _ => Vec::new(),
        })
        .collect()
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

fn limits(params: &Node, entry: &Node, info: Option<&Node>) -> DeploymentLimits {
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
        cooldown: duration(params.get("cooldown_time"))
            .or_else(|| duration(info?.get("cooldown_time"))),
    }
}

fn whole(node: &Node, key: &str) -> Option<i64> {
    match &node.get(key)?.value {
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}

fn model_info(info: Option<&Node>) -> ModelInfo {
    let Some(info) = info else {
        return ModelInfo::default();
    };
    let mut flags = BTreeMap::new();
    let mut extra = Vec::new();
    for entry in info.entries() {
        let is_flag = FLAGS.iter().any(|prefix| entry.key.starts_with(prefix));
        match super::scalar::as_flag(&entry.node) {
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
        base_model: text(info, "base_model"),
        mode: text(info, "mode"),
        flags,
        max_input_tokens: count(info, "max_input_tokens"),
        max_output_tokens: count(info, "max_output_tokens").or_else(|| count(info, "max_tokens")),
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

/// Returns the variable that a value came from.
pub(super) fn variable(node: &Node) -> Option<&str> {
    match &node.spelling {
        Spelling::Variable(name) => Some(name),
        Spelling::Plain(_) | Spelling::Exact => None,
    }
}
