//! From a path to a [`Config`]: every step of it, in order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::advice;
use super::check;
use super::deployment::{self, Surroundings};
use super::environment::Environment;
use super::finding::{Findings, Severity};
use super::fingerprint::Fingerprints;
use super::gateway_config;
use super::include;
use super::key_entries::{self, Around};
use super::layers::{self, Overrides};
use super::names;
use super::node::{At, Node};
use super::params;
use super::raw::{GENERAL_SETTINGS, TOP_LEVEL};
use super::read;
use super::report::Report;
use super::resolve;
use super::response_cache;
use super::router_section::{self, Sections};
use super::scalar;
use super::secret::Secret;
use super::variables::{self, Unset};
use super::{AwsParams, Config, GeneralSettings, RouterSettings};
use crate::clock::{Clock, SystemClock};

/// The master key of LiteLLM's quick start, which everybody knows.
const WEAK_KEY: &str = "sk-1234";

/// Reads a configuration.
///
/// # Errors
///
/// Everything that is wrong with it, warnings included, if any of it is an error.
pub fn load(path: &Path, environment: Environment) -> Result<Config, Findings> {
    load_with(path, environment, &Overrides::default())
}

/// Reads a configuration and lays what the command line sets over it.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(
    path: &Path,
    environment: Environment,
    overrides: &Overrides,
) -> Result<Config, Findings> {
    whole(read_file(path, environment, overrides))
}

/// Reads a configuration as far as it goes: what can be told of it although it may have errors, and everything that is
/// wrong with it. For those who look for more that is wrong; nobody may serve by it.
pub fn inspect(path: &Path, environment: Environment) -> (Option<Config>, Findings) {
    let (config, report) = read_file(path, environment, &Overrides::default());
    (config, report.into_findings())
}

/// Reads a configuration as [`inspect`] does, from the bytes of a file and with what the command line sets laid over it.
pub fn inspect_bytes(
    path: &Path,
    bytes: &[u8],
    environment: Environment,
    overrides: &Overrides,
) -> (Option<Config>, Findings) {
    let (config, report) = read_bytes(path, bytes, environment, overrides);
    (config, report.into_findings())
}

/// Reads a configuration from the bytes of a file; `path` names it and is what its includes are relative to.
///
/// # Errors
///
/// As [`load`].
pub fn load_bytes(
    path: &Path,
    bytes: &[u8],
    environment: Environment,
    overrides: &Overrides,
) -> Result<Config, Findings> {
    whole(read_bytes(path, bytes, environment, overrides))
}

fn read_bytes(
    path: &Path,
    bytes: &[u8],
    environment: Environment,
    overrides: &Overrides,
) -> (Option<Config>, Report) {
    let mut report = Report::default();
    let source = report.add_source(path.display().to_string());
    let config = read::decode(bytes, At::start_of(source), &mut report)
        .and_then(|text| build(path, &text, environment, overrides, &mut report));
    (config, report)
}

fn read_file(
    path: &Path,
    environment: Environment,
    overrides: &Overrides,
) -> (Option<Config>, Report) {
    let mut report = Report::default();
    let source = report.add_source(path.display().to_string());
    let config = read::read_text(path, At::start_of(source), &mut report)
        .and_then(|text| build(path, &text, environment, overrides, &mut report));
    (config, report)
}

/// Refuses a configuration with errors.
fn whole((config, report): (Option<Config>, Report)) -> Result<Config, Findings> {
    let has_errors = report.has_errors();
    let findings = report.into_findings();
    match config {
        Some(mut config) if !has_errors => {
            config.warnings = findings.0;
            Ok(config)
        }
        _ => Err(findings),
    }
}

fn build(
    path: &Path,
    text: &str,
    environment: Environment,
    overrides: &Overrides,
    report: &mut Report,
) -> Option<Config> {
    let files = include::read_all(path, text, 0, report)?;
    let layered = layers::layer(files.root, &environment, overrides, report);
    let mut config = sections(layered, environment, report);
    config.hash = files.hash;
    config.files = files.paths;
    Some(config)
}

/// Resolves variables, checks every section, and makes the configuration.
fn sections(mut root: Node, mut environment: Environment, report: &mut Report) -> Config {
    let unset = strictness(&root);
    if let Some(variables) = root.get("environment_variables") {
        variables::export(variables, &mut environment, unset, report);
    }
    if let super::node::Value::Map(entries) = &mut root.value {
        for entry in entries.iter_mut() {
            // Entries of the list are resolved one by one, when it is known that they are for Bedrock.
            if !matches!(entry.key.as_str(), "model_list" | "environment_variables") {
                variables::resolve(&mut entry.node, &environment, unset, &entry.key, report);
            }
        }
    }
    let checked = check::table(&TOP_LEVEL, &root, "", report);
    let empty = Node::new(At::DEFAULT, super::node::Value::Map(Vec::new()));
    let section = |name: &str| checked.get(name).unwrap_or(&empty);
    let (router, litellm, general) = (
        section("router_settings"),
        section("litellm_settings"),
        section(GENERAL_SETTINGS.name),
    );
    let credentials = deployment::credentials(checked.get("credential_list"), report);
    let placed = deployment::deployments(
        checked.get("model_list"),
        Surroundings {
            environment: &environment,
            unset,
            credentials: &credentials,
        },
        report,
    );
    let routing = Sections {
        router,
        litellm,
        general,
    };
    let keys = checked.get("virtual_keys");
    names::check(&placed, routing, keys, report);
    let (cache, redis) = response_cache::read(routing, &environment, report);
    let router_settings = RouterSettings {
        redis,
        ..router_section::read(routing, &environment, report)
    };
    advice::rates(&placed, &router_settings, report);
    let callbacks = resolve::callbacks(litellm, report);
    let raw = root.get("general_settings");
    let general = resolve::general(general, raw, litellm, &environment, report);
    let around = Around {
        written: root.get("virtual_keys"),
        master_key: general.master_key.as_ref(),
        default_user: litellm.get("default_internal_user_params"),
        now: SystemClock.wall(),
    };
    let virtual_keys = key_entries::read(keys, around, report);
    warn_about_key(&general, &root, !virtual_keys.is_empty(), report);
    let gateway_configs = checked.get("gateway_configs");
    let gateway_configs = gateway_config::read(gateway_configs, &credentials, report);
    Config {
        router: router_settings,
        litellm: resolve::litellm(litellm, callbacks, &environment, report),
        general,
        prompts: resolve::prompts(checked.get("prompts"), report),
        deployments: placed.into_iter().map(|placed| placed.deployment).collect(),
        virtual_keys,
        gateway_configs,
        credentials: named_credentials(&credentials),
        cache,
        settings: Fingerprints::of_settings(&root, &environment),
        environment,
        hash: String::new(),
        files: Vec::<PathBuf>::new(),
        warnings: Vec::new(),
    }
}

/// The sets of `credential_list` with their types.
fn named_credentials(sets: &deployment::Credentials) -> BTreeMap<String, AwsParams> {
    let typed = |(name, set): (&String, &Node)| (name.clone(), params::aws(set));
    sets.iter().map(typed).collect()
}

/// Looks at `strict_env` before anything is resolved.
fn strictness(root: &Node) -> Unset {
    let strict = root
        .get("general_settings")
        .and_then(|general| general.get("strict_env"))
        .and_then(scalar::as_flag);
    match strict {
        Some(strict) if strict.value => Unset::Fails,
        _ => Unset::Warns,
    }
}

/// Says that the server will be open, or as good as open, or that nobody can administrate it.
fn warn_about_key(general: &GeneralSettings, root: &Node, has_keys: bool, report: &mut Report) {
    let section = root.get("general_settings");
    let at = section
        .and_then(|section| section.written("master_key").or(Some(section)))
        .filter(|node| node.at != At::DEFAULT)
        .map_or(At::start_of(0), |node| node.at);
    let key = general.master_key.as_ref().map(Secret::expose);
    let follows = if has_keys {
        "calls need one of the `virtual_keys`, there is no administrator, and the server"
    } else {
        "the server asks for no key and"
    };
    let problem = match (key, &general.master_key_missing) {
        (Some(WEAK_KEY), _) => "everybody knows this key; the server".to_owned(),
        (Some(_), _) => return,
        (None, Some(_)) => format!("its variable is not set: {follows}"),
        (None, None) => format!("not set: {follows}"),
    };
    let reach = if general.permit_weak_master_key {
        "listens on every address"
    } else {
        "listens on 127.0.0.1 only"
    };
    let path = "general_settings.master_key";
    // That the variable is not set has been said; one line has it all.
    if let (None, Some(_), Some(finding)) = (key, &general.master_key_missing, report.about(path)) {
        if finding.severity == Severity::Warning {
            finding.message += &format!(": {follows} {reach}");
        }
        return;
    }
    report
        .warn(at, path, format!("{problem} {reach}"))
        .hint("set it, or the variable `LITELLM_MASTER_KEY`, to a long random text");
}
