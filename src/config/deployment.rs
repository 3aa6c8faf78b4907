//! `model_list` → [`DeploymentConfig`]s, each entry on its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::DeploymentConfig;
use super::advice;
use super::check;
use super::environment::Environment;
use super::finding::Severity;
use super::fingerprint::Fingerprints;
use super::node::{At, Node, Spelling, Value};
use super::origin::Origin;
use super::params::{from_params, limits, model_info, text};
use super::provider::{self, Provider};
use super::raw::ENTRY;
use super::report::{Report, did_you_mean, nearest};
use super::resolve::texts;
use super::variables::{self, Unset};

/// What of a deployment's place its id is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedPlace {
    /// The address that the operator wrote.
    pub address: String,
    /// The profile of its credentials.
    pub profile: String,
    /// The role that is assumed.
    pub role: String,
}

impl DeploymentConfig {
    /// Returns the place that the file names.
    pub fn place(&self) -> NamedPlace {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        self.named_place.clone().unwrap_or_else(|| NamedPlace {
            address: text(
                self.aws
                    .runtime_endpoint
                    .as_deref()
                    .or(self.api_base.as_deref()),
            ),
            profile: text(self.aws.profile.as_deref()),
            role: text(self.aws.role.as_deref()),
        })
    }
}

/// The named sets of `credential_list`.
pub(super) type Credentials = BTreeMap<String, Node>;

/// What every entry is read with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) environment: &'a Environment,
    pub(super) unset: Unset,
    pub(super) credentials: &'a Credentials,
}

/// Limits per minute, which are enforced only where the file asks for it.
const RATES: [&str; 4] = ["rpm", "tpm", "itpm", "otpm"];

/// Parameters that say who asks AWS.
const IDENTITY: [&str; 8] = [
    "api_key",
    "aws_access_key_id",
    "aws_external_id",
    "aws_profile_name",
    "aws_role_name",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_web_identity_token",
];

/// A deployment and where it stands in the file.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) deployment: DeploymentConfig,
    /// The first of its limits per minute: name, path and place.
    pub(super) rate: Option<(&'static str, String, At)>,
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
    // The variables of an entry that is for another environment need not be set here.
    let mut unread = Report::default();
    let is_elsewheres = is_elsewheres(item, surroundings.environment);
    let mut item = item.clone();
    variables::resolve(
        &mut item,
        surroundings.environment,
        surroundings.unset,
        path,
        if is_elsewheres { &mut unread } else { report },
    );
    say_what_signs(&item, path, report);
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
        limits: limits(&params, &checked, path, report),
        info: model_info(info, &params),
        id: info.and_then(|info| text(info, "id")),
        fingerprints: Fingerprints::of_entry(&checked, &params),
        origin: Arc::new(origin(&item, &params, path, report)),
        ..from_params(&params, path, report)
    };
    advice::deployment(
        &deployment,
        item.get("litellm_params"),
        &params,
        path,
        report,
    );
    let rate = RATES.into_iter().find_map(|key| {
        let inner = params
            .get(key)
            .map(|node| (key, format!("{path}.litellm_params.{key}"), node.at));
        inner.or_else(|| Some((key, format!("{path}.{key}"), checked.get(key)?.at)))
    });
    Some(Placed {
        deployment,
        rate,
        at: item.at,
        path: path.to_owned(),
    })
}

/// Adds to the finding about a credential whose variable is not set what follows from it: the entry is served all the same,
/// and nobody is to find out from a bill by whom.
fn say_what_signs(entry: &Node, path: &str, report: &mut Report) {
    let params = entry.get("litellm_params").map(Node::entries);
    for param in params.unwrap_or_default() {
        let is_unset = param.node.value == Value::Null && variable(&param.node).is_some();
        if is_unset
            && IDENTITY.contains(&param.key.as_str())
            && let Some(finding) = report.about(&format!("{path}.litellm_params.{}", param.key))
            && finding.severity == Severity::Warning
        {
            finding.message +=
                ": the entry goes on without it, with what other credentials there are";
        }
    }
}

/// Notes where an entry is written, for those who judge it later.
///
/// `entry` is as written, `params` as far as they can be used.
fn origin(entry: &Node, params: &Node, path: &str, report: &Report) -> Origin {
    let written = entry.get("litellm_params").map(Node::entries);
    let unset = written
        .unwrap_or_default()
        .iter()
        .filter(|param| param.node.value == Value::Null && variable(&param.node).is_some());
    Origin {
        path: path.to_owned(),
        entry: report.place(entry.at),
        params: params
            .entries()
            .iter()
            .chain(unset.clone())
            .map(|param| (param.key.clone(), report.place(param.node.at)))
            .collect(),
        unset: unset.map(|param| param.key.clone()).collect(),
    }
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

/// Says whether an entry is meant for another environment.
fn is_elsewheres(item: &Node, environment: &Environment) -> bool {
    let listed = item.get("model_info");
    let Some(listed) = listed.and_then(|info| info.get("supported_environments")) else {
        return false;
    };
    let mut quiet = Report::default();
    let mut listed = listed.clone();
    variables::resolve(&mut listed, environment, Unset::Warns, "", &mut quiet);
    let current = environment.get("LITELLM_ENVIRONMENT");
    !texts(Some(&listed))
        .iter()
        .any(|name| Some(name.as_str()) == current)
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

/// Returns the variable that a value came from.
pub(super) fn variable(node: &Node) -> Option<&str> {
    match &node.spelling {
        Spelling::Variable(name) => Some(name),
        Spelling::Plain(_) | Spelling::Exact => None,
    }
}
