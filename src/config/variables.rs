//! `os.environ/NAME` and `environment_variables`.
//!
//! LiteLLM resolves the references first and exports the file's variables afterwards, so that the one cannot see the
//! other, and leaves references inside lists alone. Here the file's variables come first and every text is looked at.
//! They are laid over a copy of the environment; the process's own is never changed.

use super::environment::Environment;
use super::node::{At, Node, Spelling, Value};
use super::read::child_path;
use super::report::Report;

const REFERENCE: &str = "os.environ/";

/// Variables that a file may not set: they decide what runs and whose it is.
const PROTECTED: &[&str] = &[
    "PATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "HOME",
    "USER",
    "SHELL",
    "LOGNAME",
    "NO_PROXY",
];

/// Keys that let everyone through, or everything, where they say nothing.
const RESTRICTING: [&str; 26] = [
    "admin_only_routes",
    "allowed_cache_controls",
    "allowed_ips",
    "allowed_model_region",
    "allowed_routes",
    "blocked",
    "duration",
    "enforce_user_param",
    "enforced_params",
    "expires",
    "global_max_parallel_requests",
    "key_type",
    "max_budget",
    "max_parallel_requests",
    "model_rpm_limit",
    "model_tpm_limit",
    "models",
    "rpm_limit",
    "tag_rpm_limit",
    "team_max_parallel_requests",
    "team_rpm_limit",
    "team_tpm_limit",
    "tpm_limit",
    "user_max_parallel_requests",
    "user_rpm_limit",
    "user_tpm_limit",
];

/// The same in a deployment. Only these: an entry also holds members of requests, which may be called anything.
const RESTRICTING_DEPLOYMENT: [&str; 6] = [
    "blocked",
    "default_api_key_rpm_limit",
    "default_api_key_tpm_limit",
    "max_budget",
    "max_parallel_requests",
    "team_id",
];

/// Says whether a key of this path restricts callers, so that nothing may not stand for it.
fn restricts(path: &str) -> bool {
    if path.starts_with("model_list[") {
        let mut parts = path.split('.').skip(1);
        return match (parts.next(), parts.next(), parts.next()) {
            (Some("litellm_params" | "model_info"), Some(name), None) => {
                RESTRICTING_DEPLOYMENT.contains(&name)
            }
            _ => false,
        };
    }
    let sections = ["general_settings.", "litellm_settings.", "virtual_keys["];
    let name = |part: &str| part.split('[').next().unwrap_or_default().to_owned();
    sections.iter().any(|section| path.starts_with(section))
        && (path.split('.').skip(1)).any(|part| RESTRICTING.contains(&name(part).as_str()))
}

/// What a reference to a variable that is not set means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unset {
    /// A warning.
    Warns,
    /// An error: `general_settings.strict_env`.
    Fails,
}

/// Sets the file's `environment_variables`.
pub(super) fn export(
    variables: &Node,
    environment: &mut Environment,
    unset: Unset,
    report: &mut Report,
) {
    for entry in variables.entries() {
        let path = child_path("environment_variables", &entry.key);
        if PROTECTED.contains(&entry.key.as_str()) || entry.key.starts_with("DYLD_") {
            report.warn(
                entry.at,
                &path,
                "this variable may not be set here; it is ignored",
            );
            continue;
        }
        let mut node = entry.node.clone();
        resolve(&mut node, environment, unset, &path, report);
        let text = match (&node.value, &node.spelling) {
            (Value::Null, _) => continue,
            // As written: `007` stays `007`.
            (Value::Bool(_) | Value::Number(_), Spelling::Plain(plain)) => plain.to_string(),
            (Value::Bool(flag), _) => flag.to_string(),
            (Value::Number(number), _) => number.to_string(),
            (Value::Text(text), _) => text.clone(),
            (Value::List(_) | Value::Map(_), _) => {
                let found = node.type_name();
                report.error(node.at, &path, format!("expected text, found {found}"));
                continue;
            }
        };
        environment.set(entry.key.clone(), text);
    }
}

/// Replaces every reference in a tree by the variable's value.
///
/// A variable that is not set leaves a null that remembers its name.
pub(super) fn resolve(
    node: &mut Node,
    environment: &Environment,
    unset: Unset,
    path: &str,
    report: &mut Report,
) {
    let at = node.at;
    match &mut node.value {
        Value::Text(text) => {
            if let Some(name) = text.strip_prefix(REFERENCE) {
                let name = name.to_owned();
                node.value = look_up(&name, environment, unset, at, path, report);
                node.spelling = Spelling::Variable(name.into());
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                resolve(
                    item,
                    environment,
                    unset,
                    &format!("{path}[{index}]"),
                    report,
                );
            }
        }
        Value::Map(entries) => {
            // Keys ending in `_ref` name a secret for somebody else to fetch.
            for entry in entries
                .iter_mut()
                .filter(|entry| !entry.key.ends_with("_ref"))
            {
                let path = child_path(path, &entry.key);
                resolve(&mut entry.node, environment, unset, &path, report);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn look_up(
    name: &str,
    environment: &Environment,
    unset: Unset,
    at: At,
    path: &str,
    report: &mut Report,
) -> Value {
    match environment.get_even_empty(name) {
        Some(text) if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        Some(text) => Value::Text(text.to_owned()),
        None => {
            let message = format!("the variable `{name}` is not set");
            let finding = match unset {
                Unset::Warns if restricts(path) => {
                    let follows = "what it would keep out, or bound, would be open";
                    report.error(at, path, format!("{message}: {follows}"))
                }
                Unset::Warns => report.warn(at, path, message),
                Unset::Fails => report.error(at, path, message),
            };
            finding.hint(format!(
                "set `{name}`, or put it under `environment_variables`"
            ));
            Value::Null
        }
    }
}
