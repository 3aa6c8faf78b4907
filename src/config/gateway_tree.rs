//! A gateway configuration as calls go by it: a tree of targets, made of what `gateway_config.rs` has checked.

use std::fmt;
use std::time::Duration;

use regex_lite::Regex;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use super::gateway_config::{MOST_ATTEMPTS, snake};
use super::node::{Node, Value};
use super::scalar;
use super::{AwsParams, Secret};
use crate::hex::hex;

/// The status codes that are tried again where a configuration names none. Source: Portkey.
const RETRIED: [u16; 5] = [429, 500, 502, 503, 504];

/// The longest time that a configuration can ask for.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The longest time that an answer can be kept, in seconds: a hundred years, far from where sums of time overflow.
const LONGEST_AGE: f64 = 100.0 * 365.0 * 24.0 * 60.0 * 60.0;

/// A gateway configuration, or one of its targets.
#[derive(Clone, Default)]
pub struct GatewayConfig {
    /// `name`: what conditions lead to.
    pub name: Option<String>,
    /// `strategy`: how one of the targets is chosen; `None`: this is a target that is called.
    pub mode: Option<GatewayMode>,
    /// `targets`.
    pub targets: Vec<GatewayConfig>,
    /// `provider`: `bedrock`, or `@` and the name of credentials or of a model group.
    pub provider: Option<String>,
    /// `virtual_key`: the name of credentials.
    pub virtual_key: Option<String>,
    /// Keys, region and endpoint; only those of one identity.
    pub aws: AwsParams,
    /// `weight`; 1 where it is not said.
    pub weight: f64,
    /// `retry`.
    pub retry: Option<GatewayRetry>,
    /// `cache`.
    pub cache: Option<GatewayCache>,
    /// `request_timeout`: for one attempt.
    pub timeout: Option<Duration>,
    /// `override_params`: members that are laid over the request.
    pub overrides: Map<String, Json>,
    /// `forward_headers`: headers of the request that are sent on, in lower case.
    pub forward_headers: Vec<String>,
    /// `strict_open_ai_compliance`.
    pub strict: Option<bool>,
    /// `anthropic_beta`.
    pub betas: Vec<String>,
    /// SHA-256 (hex) of what was written.
    pub digest: String,
}

/// It may hold keys in places where nobody looks for them, so only its shape is shown.
impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("mode", &self.mode)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

/// How one of the targets is chosen.
#[derive(Debug, Clone)]
pub enum GatewayMode {
    /// The first.
    Single,
    /// One by weight; when it fails, that is the answer.
    Loadbalance,
    /// One after the other while they fail; `Some`: only with these status codes.
    Fallback(Option<Vec<u16>>),
    /// The first whose condition holds, else the default: places among the targets.
    Conditional(Vec<GatewayCondition>, Option<usize>),
}

/// A condition, and the place of the target that it leads to.
#[derive(Debug, Clone)]
pub struct GatewayCondition {
    /// What must hold.
    pub query: GatewayQuery,
    /// The place among the targets.
    pub then: usize,
}

/// What a condition asks.
#[derive(Debug, Clone)]
pub enum GatewayQuery {
    /// Every one of these (`$and`, or several members).
    All(Vec<GatewayQuery>),
    /// One of these (`$or`).
    Any(Vec<GatewayQuery>),
    /// This field (`metadata.…`, `params.…`, `url`) passes every test.
    Field(String, Vec<GatewayTest>),
}

/// What a field is compared by.
#[derive(Debug, Clone)]
pub enum GatewayTest {
    /// `$eq`.
    Equal(Json),
    /// `$ne`.
    NotEqual(Json),
    /// `$gt`.
    Greater(Json),
    /// `$gte`.
    GreaterOrEqual(Json),
    /// `$lt`.
    Less(Json),
    /// `$lte`.
    LessOrEqual(Json),
    /// `$in`.
    In(Vec<Json>),
    /// `$nin`.
    NotIn(Vec<Json>),
    /// `$regex`.
    Matches(Regex),
}

/// `retry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayRetry {
    /// Retries after the first attempt, at most 5.
    pub attempts: u32,
    /// Status codes that are tried again.
    pub on_status: Vec<u16>,
    /// Whether the provider's `Retry-After` is waited for.
    pub honours_retry_after: bool,
}

/// `cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayCache {
    /// `semantic`, which is as `simple`.
    pub semantic: bool,
    /// `max_age`: how long an answer is kept.
    pub max_age: Option<Duration>,
}

impl GatewayConfig {
    /// Says whether it brings credentials of its own: a key pair, a Bedrock key or a role.
    pub fn has_identity(&self) -> bool {
        self.aws.access_key_id.is_some() || self.aws.api_key.is_some() || self.aws.role.is_some()
    }

    /// Calls `see` with this configuration and every target, from the root down.
    pub fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Self)) {
        see(self);
        for target in &self.targets {
            target.visit(see);
        }
    }

    /// Returns the fields that conditions ask for.
    pub fn fields(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        self.visit(&mut |config| {
            if let Some(GatewayMode::Conditional(conditions, _)) = &config.mode {
                for condition in conditions {
                    condition.query.fields(&mut fields);
                }
            }
        });
        fields
    }
}

impl GatewayQuery {
    fn fields<'a>(&'a self, fields: &mut Vec<&'a str>) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.fields(fields);
                }
            }
            Self::Field(name, _) => fields.push(name),
        }
    }
}

/// Makes a configuration of what has been checked; what is wrong is left out.
pub(super) fn build(node: &Node) -> GatewayConfig {
    let mut config = target(node);
    config.digest = hex(&Sha256::digest(node.to_json().to_string()));
    config
}

fn target(node: &Node) -> GatewayConfig {
    let text = |name: &str| member(node, name).and_then(as_text);
    let targets: Vec<_> = list(node, "targets").iter().map(target).collect();
    let mode = member(node, "strategy").map(|strategy| mode(strategy, node, &targets));
    GatewayConfig {
        name: text("name"),
        mode,
        provider: text("provider"),
        virtual_key: text("virtual_key"),
        aws: aws(node),
        weight: (member(node, "weight").and_then(as_number)).unwrap_or(1.0),
        retry: member(node, "retry").map(retry),
        cache: member(node, "cache").map(cache),
        timeout: member(node, "request_timeout")
            .and_then(as_number)
            .and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok())
            .map(|timeout| timeout.min(LONGEST)),
        overrides: match member(node, "override_params").map(Node::to_json) {
            Some(Json::Object(members)) => members,
            _ => Map::new(),
        },
        forward_headers: list(node, "forward_headers")
            .iter()
            .filter_map(as_text)
            .map(|name| name.to_ascii_lowercase())
            .collect(),
        strict: member(node, "strict_open_ai_compliance")
            .and_then(scalar::as_flag)
            .map(|flag| flag.value),
        betas: text("anthropic_beta")
            .map(|betas| crate::canonical::split_betas(&betas))
            .unwrap_or_default(),
        targets,
        digest: String::new(),
    }
}

/// Credentials of one identity: half a pair is none, and where a pair and a Bedrock key stand together, `aws_auth_type`
/// says which of them signs, else the pair.
fn aws(node: &Node) -> AwsParams {
    let text =
        |name: &str| (member(node, name).and_then(as_text)).filter(|value| !value.is_empty());
    let secret = |name: &str| text(name).map(Secret::new);
    let mut aws = AwsParams {
        access_key_id: text("aws_access_key_id"),
        secret_access_key: secret("aws_secret_access_key"),
        session_token: secret("aws_session_token"),
        region: text("aws_region"),
        role: text("aws_role_arn"),
        external_id: text("aws_external_id"),
        runtime_endpoint: text("custom_host"),
        api_key: secret("api_key"),
        ..AwsParams::default()
    };
    let by_key = text("aws_auth_type").is_some_and(|kind| kind.eq_ignore_ascii_case("apiKey"));
    let has_pair = aws.access_key_id.is_some() && aws.secret_access_key.is_some();
    if !has_pair || (by_key && aws.api_key.is_some()) {
        aws.access_key_id = None;
        aws.secret_access_key = None;
        aws.session_token = None;
    } else {
        aws.api_key = None;
    }
    aws
}

fn mode(strategy: &Node, node: &Node, targets: &[GatewayConfig]) -> GatewayMode {
    let codes =
        || statuses(strategy, "on_status_codes").or_else(|| statuses(node, "on_status_codes"));
    let place = |name: Option<String>| {
        let name = name?;
        (targets.iter()).position(|target| target.name.as_ref() == Some(&name))
    };
    match member(strategy, "mode").and_then(as_text).as_deref() {
        Some("loadbalance") => GatewayMode::Loadbalance,
        Some("fallback") => GatewayMode::Fallback(codes()),
        Some("conditional") => GatewayMode::Conditional(
            (list(strategy, "conditions").iter())
                .filter_map(|condition| {
                    Some(GatewayCondition {
                        query: query(condition.get("query")?),
                        then: place(condition.get("then").and_then(as_text))?,
                    })
                })
                .collect(),
            place(member(strategy, "default").and_then(as_text)),
        ),
        _ => GatewayMode::Single,
    }
}

fn query(node: &Node) -> GatewayQuery {
    let mut parts: Vec<_> = (node.entries().iter())
        .map(|entry| match entry.key.as_str() {
            "$and" => GatewayQuery::All(entry.node.items().iter().map(query).collect()),
            "$or" => GatewayQuery::Any(entry.node.items().iter().map(query).collect()),
            _ => GatewayQuery::Field(entry.key.clone(), tests(&entry.node)),
        })
        .collect();
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            GatewayQuery::All(parts)
        }
    }
}

fn tests(node: &Node) -> Vec<GatewayTest> {
    if !matches!(node.value, Value::Map(_)) {
        return vec![GatewayTest::Equal(node.to_json())];
    }
    let items = |node: &Node| node.items().iter().map(Node::to_json).collect();
    (node.entries().iter())
        .filter_map(|entry| {
            let value = &entry.node;
            Some(match entry.key.as_str() {
                "$eq" => GatewayTest::Equal(value.to_json()),
                "$ne" => GatewayTest::NotEqual(value.to_json()),
                "$gt" => GatewayTest::Greater(value.to_json()),
                "$gte" => GatewayTest::GreaterOrEqual(value.to_json()),
                "$lt" => GatewayTest::Less(value.to_json()),
                "$lte" => GatewayTest::LessOrEqual(value.to_json()),
                "$in" => GatewayTest::In(items(value)),
                "$nin" => GatewayTest::NotIn(items(value)),
                "$regex" => GatewayTest::Matches(Regex::new(value.text()?).ok()?),
                _ => return None,
            })
        })
        .collect()
}

fn retry(node: &Node) -> GatewayRetry {
    let attempts = member(node, "attempts").and_then(as_count).unwrap_or(0);
    GatewayRetry {
        attempts: u32::try_from(attempts.min(MOST_ATTEMPTS)).unwrap_or(0),
        on_status: statuses(node, "on_status_codes")
            .filter(|codes| !codes.is_empty())
            .unwrap_or_else(|| RETRIED.to_vec()),
        honours_retry_after: member(node, "use_retry_after_header")
            .and_then(scalar::as_flag)
            .is_some_and(|flag| flag.value),
    }
}

fn cache(node: &Node) -> GatewayCache {
    GatewayCache {
        semantic: member(node, "mode").and_then(as_text).as_deref() == Some("semantic"),
        max_age: member(node, "max_age")
            .and_then(as_number)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds.min(LONGEST_AGE)).ok()),
    }
}

fn statuses(node: &Node, name: &str) -> Option<Vec<u16>> {
    let items = member(node, name)?.items();
    let codes = (items.iter()).filter_map(|item| u16::try_from(as_count(item)?).ok());
    Some(codes.collect())
}

/// Returns a member by its name in snake case; a null counts as absent.
fn member<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let is_it = |key: &str| key == name || snake(key) == name;
    (node.entries().iter())
        .find(|entry| is_it(&entry.key) && entry.node.value != Value::Null)
        .map(|entry| &entry.node)
}

fn list<'a>(node: &'a Node, name: &str) -> &'a [Node] {
    member(node, name).map(Node::items).unwrap_or_default()
}

fn as_text(node: &Node) -> Option<String> {
    scalar::as_text(node).map(|text| text.value)
}

fn as_number(node: &Node) -> Option<f64> {
    scalar::as_number(node)?.value.as_f64()
}

fn as_count(node: &Node) -> Option<u64> {
    scalar::as_number(node)?.value.as_u64()
}
