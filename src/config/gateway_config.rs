//! Gateway configurations in Portkey's form: those of `gateway_configs`, and one that comes with a request.
//!
//! Both are held against the same rules here; `gateway_tree.rs` makes types of what is right.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deployment::Credentials;
use super::expectation::{expectation, might_fit};
use super::finding::Severity;
use super::gateway_tree::{self, GatewayConfig};
use super::node::{At, Node, Value};
use super::raw::Kind;
use super::read::child_path;
use super::report::{Report, did_you_mean, nearest};
use super::{check, gateway_condition};

/// Keys of a configuration and of a target; each may be written in camel case too.
const KEYS: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("strategy", Kind::Map),
    ("targets", Kind::List(&Kind::Map)),
    ("provider", Kind::Text),
    ("api_key", Kind::Secret),
    ("virtual_key", Kind::Text),
    ("aws_access_key_id", Kind::Secret),
    ("aws_secret_access_key", Kind::Secret),
    ("aws_session_token", Kind::Secret),
    ("aws_region", Kind::Text),
    ("aws_auth_type", Kind::Text),
    ("aws_role_arn", Kind::Text),
    ("aws_external_id", Kind::Text),
    ("anthropic_beta", Kind::Text),
    ("weight", Kind::Amount),
    ("on_status_codes", Kind::List(&Kind::Count)),
    ("retry", Kind::Map),
    ("cache", Kind::Map),
    ("request_timeout", Kind::Positive),
    ("custom_host", Kind::Text),
    ("forward_headers", Kind::List(&Kind::Text)),
    ("override_params", Kind::Map),
    ("strict_open_ai_compliance", Kind::Flag),
    ("input_guardrails", Kind::List(&Kind::Any)),
    ("output_guardrails", Kind::List(&Kind::Any)),
    ("before_request_hooks", Kind::List(&Kind::Any)),
    ("after_request_hooks", Kind::List(&Kind::Any)),
];

const STRATEGY: &[(&str, Kind)] = &[
    (
        "mode",
        Kind::Choice(&["single", "loadbalance", "fallback", "conditional"]),
    ),
    ("on_status_codes", Kind::List(&Kind::Count)),
    ("conditions", Kind::List(&Kind::Map)),
    ("default", Kind::Text),
];

const RETRY: &[(&str, Kind)] = &[
    ("attempts", Kind::Count),
    ("on_status_codes", Kind::List(&Kind::Count)),
    ("use_retry_after_header", Kind::Flag),
];

const CACHE: &[(&str, Kind)] = &[
    ("mode", Kind::Choice(&["simple", "semantic"])),
    ("max_age", Kind::Seconds),
];

/// Any of these alone makes a configuration.
const ENOUGH: [&str; 7] = [
    "cache",
    "retry",
    "request_timeout",
    "input_guardrails",
    "output_guardrails",
    "before_request_hooks",
    "after_request_hooks",
];

/// What a target of its own may be made of, besides.
const TARGET: [&str; 5] = [
    "provider",
    "api_key",
    "override_params",
    "custom_host",
    "aws_region",
];

/// Most retries; more are as many as this.
pub(super) const MOST_ATTEMPTS: u64 = 5;

/// Longest configuration that a request may bring, in bytes.
const LONGEST: usize = 64 * 1024;

/// How deep one may be nested.
const DEEPEST: usize = 16;

/// How many targets one of the file may have, on all levels together.
const MOST_TARGETS: usize = 256;

/// How many targets one that a request brings may have: each of them may be an attempt.
const MOST_BROUGHT: usize = 64;

/// Reads the configurations by id.
pub(super) fn read(
    node: Option<&Node>,
    credentials: &Credentials,
    report: &mut Report,
) -> BTreeMap<String, Arc<GatewayConfig>> {
    let mut configs = BTreeMap::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
        let path = child_path("gateway_configs", &entry.key);
        object(&entry.node, credentials, false, &path, report);
        sizes(&entry.node, MOST_TARGETS, &path, report);
        let config = gateway_tree::build(&entry.node);
        configs.insert(entry.key.clone(), Arc::new(config));
    }
    configs
}

/// Reads the configuration that came with a request, as JSON.
///
/// # Errors
///
/// What is wrong with it, with its place.
pub fn parse_gateway_config(text: &str) -> Result<GatewayConfig, String> {
    if text.len() > LONGEST {
        return Err(format!("longer than {LONGEST} bytes"));
    }
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    if !value.is_object() {
        return Err("expected a JSON object".to_owned());
    }
    let mut report = Report::default();
    let source = report.add_source("");
    let node = Node::of_json(&value, At::start_of(source));
    object(&node, &Credentials::new(), false, "", &mut report);
    sizes(&node, MOST_BROUGHT, "", &mut report);
    let findings = report.into_findings().0;
    let mut errors = findings
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error);
    if let Some(error) = errors.next() {
        let mut problem = in_json(&error.message);
        if !error.key.is_empty() {
            problem = format!("{}: {problem}", error.key);
        }
        if let Some(hint) = error.hint {
            problem.push_str("; ");
            problem.push_str(match hint.as_str() {
                check::AS_A_LIST => "write it in brackets: `[{…}]`",
                hint => hint,
            });
        }
        return Err(problem);
    }
    Ok(gateway_tree::build(&node))
}

/// Says what was expected in the words of JSON, which has objects where YAML has mappings.
fn in_json(message: &str) -> String {
    match message.strip_prefix("expected ") {
        Some(rest) => format!("expected {rest}")
            .replace("a mapping", "an object")
            .replace("mappings", "objects"),
        None => message.to_owned(),
    }
}

/// Checks that a configuration is no larger than one that is walked.
fn sizes(node: &Node, most: usize, path: &str, report: &mut Report) {
    let (deepest, total) = extent(node);
    if deepest > DEEPEST {
        let message = format!("nested deeper than {DEEPEST} levels");
        report.error(node.at, path, message);
    } else if total > most {
        let message = format!("more than {most} targets");
        report.error(node.at, path, message);
    }
}

/// How deep the targets of a configuration go, and how many there are.
fn extent(node: &Node) -> (usize, usize) {
    let targets = node.get("targets").map(Node::items).unwrap_or_default();
    let mut deepest = 0;
    let mut total = targets.len();
    for target in targets {
        let (deep, more) = extent(target);
        deepest = deepest.max(deep + 1);
        total += more;
    }
    (deepest, total)
}

/// Members of a mapping by their names in snake case.
struct Members<'a> {
    at: At,
    nodes: BTreeMap<&'static str, &'a Node>,
}

impl<'a> Members<'a> {
    /// Takes what is known, and reports the rest.
    fn of(
        node: &'a Node,
        known: &'static [(&'static str, Kind)],
        path: &str,
        report: &mut Report,
    ) -> Self {
        let mut nodes: BTreeMap<&'static str, &'a Node> = BTreeMap::new();
        for entry in node.entries() {
            let path = child_path(path, &entry.key);
            let snake = snake(&entry.key);
            let Some((name, kind)) = known.iter().find(|(name, _)| *name == snake) else {
                let finding = report.warn(entry.at, &path, "unknown key; it is ignored");
                if let Some(known) = nearest(&snake, known.iter().map(|(name, _)| *name), 2) {
                    finding.hint(did_you_mean(known));
                }
                continue;
            };
            if nodes.contains_key(name) {
                report.error(entry.at, &path, format!("`{name}` is written twice"));
                continue;
            }
            if entry.node.value == Value::Null {
                continue;
            }
            // Scalars of lists and mappings are those of the request: only their form is checked here.
            if might_fit(kind, &entry.node) {
                if check::value(kind, &entry.node, &path, report).is_some() {
                    nodes.insert(name, &entry.node);
                }
            } else {
                check::mismatch(&entry.node, &expectation(kind), &path, report);
            }
        }
        Self { at: node.at, nodes }
    }

    fn get(&self, name: &str) -> Option<&'a Node> {
        self.nodes.get(name).copied()
    }

    fn has(&self, name: &str) -> bool {
        self.nodes.contains_key(name)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.text()
    }
}

/// `onStatusCodes` → `on_status_codes`.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for char in name.chars() {
        if char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

/// Checks a configuration or a target.
fn object(
    node: &Node,
    credentials: &Credentials,
    is_target: bool,
    path: &str,
    report: &mut Report,
) {
    let members = Members::of(node, KEYS, path, report);
    let has_keys = members.has("aws_access_key_id") && members.has("aws_secret_access_key");
    let is_whole = (members.has("provider") && members.has("api_key"))
        || (members.has("strategy") && members.has("targets"))
        || has_keys
        || members.has("virtual_key")
        || members
            .text("provider")
            .is_some_and(|name| name.starts_with('@'))
        || ENOUGH.iter().any(|key| members.has(key))
        || (is_target && TARGET.iter().any(|key| members.has(key)));
    is_usable(node, is_whole, path, report);
    providers(&members, credentials, path, report);
    for hook in ENOUGH.iter().skip(3) {
        if let Some(node) = members.get(hook)
            && report.first_time("gateway_configs hooks")
        {
            let path = child_path(path, hook);
            report.warn(
                node.at,
                &path,
                "not a part of Switchyard; accepted and ignored",
            );
        }
    }
    statuses(
        members.get("on_status_codes"),
        &child_path(path, "on_status_codes"),
        report,
    );
    retry_and_cache(&members, path, report);
    if let Some(targets) = members.get("targets") {
        for (index, target) in targets.items().iter().enumerate() {
            // What is no mapping has been reported.
            if !matches!(target.value, Value::Map(_)) {
                continue;
            }
            let path = format!("{}[{index}]", child_path(path, "targets"));
            object(target, credentials, true, &path, report);
        }
    }
    if let Some(strategy) = members.get("strategy") {
        self::strategy(
            strategy,
            members.get("targets"),
            &child_path(path, "strategy"),
            report,
        );
    }
}

/// Says what is missing of a configuration.
fn is_usable(node: &Node, is_whole: bool, path: &str, report: &mut Report) {
    // What is wrong with a member has been said, and may be why it is not among the members.
    let is_written = |name: &str| node.entries().iter().any(|entry| snake(&entry.key) == name);
    let (missing, there) = match (is_written("strategy"), is_written("targets")) {
        (true, true) => return,
        (true, false) => ("targets", "strategy"),
        (false, true) => ("strategy", "targets"),
        (false, false) => {
            if !is_whole {
                report
                    .error(node.at, path, "nothing is said of where calls go")
                    .hint("a configuration has `strategy` and `targets`, or `provider` and `api_key`, or AWS keys, or `virtual_key`, or one of `retry`, `cache`, `request_timeout`");
            }
            return;
        }
    };
    report.error(
        node.at,
        &child_path(path, missing),
        format!("`{missing}` is missing: `{there}` is of no use without it"),
    );
}

/// Checks whose credentials are asked for.
fn providers(members: &Members<'_>, credentials: &Credentials, path: &str, report: &mut Report) {
    if let (Some(node), Some(provider)) = (members.get("provider"), members.text("provider")) {
        let path = child_path(path, "provider");
        if let Some(slug) = provider.strip_prefix('@') {
            known_set(slug, node.at, credentials, &path, report);
        } else if provider != "bedrock" {
            report
                .warn(
                    node.at,
                    &path,
                    format!("`{provider}` is not Bedrock; its calls are refused"),
                )
                .hint("write `bedrock`, or `@name` with a name of `credential_list`");
        }
    }
    if let (Some(node), Some(name)) = (members.get("virtual_key"), members.text("virtual_key")) {
        let path = child_path(path, "virtual_key");
        known_set(name, node.at, credentials, &path, report);
    }
    if members.has("aws_access_key_id") != members.has("aws_secret_access_key") {
        report
            .warn(members.at, path, "half a key pair; it is ignored")
            .hint("`aws_access_key_id` and `aws_secret_access_key` go together");
    }
}

fn known_set(name: &str, at: At, credentials: &Credentials, path: &str, report: &mut Report) {
    if credentials.contains_key(name) {
        return;
    }
    let message = format!("`credential_list` has no set called `{name}`");
    let finding = report.warn(at, path, message);
    if let Some(known) = nearest(name, credentials.keys().map(String::as_str), 3) {
        finding.hint(did_you_mean(known));
    }
}

fn statuses(node: Option<&Node>, path: &str, report: &mut Report) {
    for (index, item) in node.map(Node::items).unwrap_or_default().iter().enumerate() {
        let is_status = item
            .count()
            .is_none_or(|status| (100..600).contains(&status));
        if !is_status {
            report.error(item.at, &format!("{path}[{index}]"), "not an HTTP status");
        }
    }
}

fn retry_and_cache(members: &Members<'_>, path: &str, report: &mut Report) {
    if let Some(retry) = members.get("retry") {
        let path = child_path(path, "retry");
        let retry = Members::of(retry, RETRY, &path, report);
        match retry.get("attempts") {
            None => {
                report.error(
                    retry.at,
                    &child_path(&path, "attempts"),
                    "`attempts` is missing",
                );
            }
            Some(node) if node.count().is_some_and(|count| count > MOST_ATTEMPTS) => {
                let path = child_path(&path, "attempts");
                report.warn(
                    node.at,
                    &path,
                    format!("more than {MOST_ATTEMPTS} are {MOST_ATTEMPTS}"),
                );
            }
            Some(_) => {}
        }
        let path = child_path(&path, "on_status_codes");
        statuses(retry.get("on_status_codes"), &path, report);
    }
    if let Some(cache) = members.get("cache") {
        let path = child_path(path, "cache");
        let cache = Members::of(cache, CACHE, &path, report);
        match cache.get("mode") {
            None => {
                report.error(cache.at, &child_path(&path, "mode"), "`mode` is missing");
            }
            Some(node) if node.text() == Some("semantic") => {
                let path = child_path(&path, "mode");
                report.warn(
                    node.at,
                    &path,
                    "`semantic` is not supported: it is as `simple`",
                );
            }
            Some(_) => {}
        }
    }
}

/// Checks how targets are chosen.
fn strategy(node: &Node, targets: Option<&Node>, path: &str, report: &mut Report) {
    let has_mode = node.get("mode").is_some();
    let strategy = Members::of(node, STRATEGY, path, report);
    let codes = child_path(path, "on_status_codes");
    statuses(strategy.get("on_status_codes"), &codes, report);
    if !has_mode {
        report
            .error(node.at, &child_path(path, "mode"), "`mode` is missing")
            .hint("one of `single`, `loadbalance`, `fallback`, `conditional`");
    }
    let Some(targets) = targets else { return };
    if targets.items().is_empty() {
        report.error(targets.at, path, "there is no target");
        return;
    }
    match strategy.text("mode") {
        Some("loadbalance") => {
            let weights = targets.items().iter().map(|target| target.get("weight"));
            let all_zero = weights
                .clone()
                .all(|weight| weight.and_then(Node::number) == Some(0.0));
            if all_zero {
                report.error(targets.at, path, "every target has the weight 0");
            }
        }
        Some("conditional") => {
            let names: Vec<&str> = targets
                .items()
                .iter()
                .filter_map(|target| target.get("name")?.text())
                .collect();
            gateway_condition::check(node, &names, path, report);
        }
        _ => {}
    }
}
