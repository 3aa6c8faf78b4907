//! Choosing, without I/O: which deployments a model name stands for, and which of them is called.

mod by_class;
mod cooldown;
mod deployment;
mod gap;
mod group;
mod latency;
mod outcomes;
mod plan;
mod retry;
mod retry_budget;
mod ring;
mod runtime;
mod select;
mod shuffle;
mod spend;
mod state_view;
mod usage;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

pub use cooldown::{Breaker, BreakerView, CooldownInForce, CooldownRules, Cooled, Pass, Standing};
pub use deployment::{Builder, Deployment, DeploymentHeaders, Timeouts};
pub use gap::Gap;
pub use group::ModelGroup;
pub use plan::{Attempted, Fallbacks};
pub use retry::{Allowance, Backoff, Decision, RetryRules, Situation};
pub use retry_budget::{RetryBudget, RetryCost};
pub use runtime::{
    Counted, DeploymentRuntime, GroupRuntime, InFlight, LastError, LatencyMs, ProviderRuntime,
    Sample, Usage,
};
pub use select::{Asked, History, NoPick, Picked, Sticky};
pub use shuffle::simple_shuffle;
pub use spend::Spend;
pub use state_view::{BudgetView, RuntimeView, WindowView};

use crate::config::{Alias, Config, Finding, Findings};
use crate::error::{Error, ErrorKind};
use crate::telemetry::metrics::Metrics;
use crate::upstream::CredentialStore;

/// Every name that a client may use, and what it stands for.
#[derive(Debug, Default)]
pub struct Router {
    groups: Vec<Arc<ModelGroup>>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<String, Arc<Deployment>>,
    aliases: Vec<Alias>,
    /// `model_alias_map`: names that are replaced before anything else.
    renames: BTreeMap<String, String>,
    warnings: Vec<Finding>,
}

/// How a name was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is a model group's name.
    Group,
    /// It is an alias of one.
    Alias,
    /// It is a deployment's id.
    DeploymentId,
    /// It is the text of some deployments' `litellm_params.model`.
    ModelText,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// How the name was understood.
    pub matched: Match,
    /// The deployments that may serve it.
    pub group: Arc<ModelGroup>,
}

impl Router {
    /// Builds the router of a configuration.
    ///
    /// # Errors
    ///
    /// Every deployment that cannot be built, with its place in the file, and the warnings about the others.
    pub fn build(
        config: &Config,
        credentials: &CredentialStore,
        metrics: &Metrics,
        previous: Option<&Self>,
    ) -> Result<Self, Findings> {
        let builder = Builder {
            config,
            credentials,
            metrics,
        };
        let mut router = Self {
            aliases: config.router.aliases.clone(),
            renames: config.litellm.model_alias_map.clone(),
            ..Self::default()
        };
        let mut seen: HashSet<String> = HashSet::new();
        let mut findings = Findings::default();
        for entry in &config.deployments {
            match builder.build(entry) {
                Ok(mut deployment) => {
                    let model = &deployment.target.model;
                    let warning = deployment.gap.map(|gap| gap.warning(entry, model));
                    findings.0.extend(warning);
                    deployment.make_unique(&mut seen);
                    deployment.count_in(metrics);
                    if let Some(known) = previous.and_then(|old| old.by_id.get(&deployment.id)) {
                        deployment.learn_from(known);
                    }
                    router.add(Arc::new(deployment), previous);
                }
                Err(error) => {
                    let param = error.param().unwrap_or("model");
                    // What a variable lacks here, another machine may have.
                    findings.0.push(if entry.origin.is_unset(param) {
                        let message = "its variable is not set; the entry is left out";
                        entry.origin.warning(param, message)
                    } else {
                        entry.origin.error(param, error.message())
                    });
                }
            }
        }
        if findings.has_errors() {
            return Err(findings);
        }
        router.warnings = findings.0;
        Ok(router)
    }

    /// Returns the deployment with this id.
    pub fn deployment(&self, id: &str) -> Option<&Arc<Deployment>> {
        self.by_id.get(id)
    }

    /// Returns what is doubtful about the deployments.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    fn add(&mut self, deployment: Arc<Deployment>, previous: Option<&Self>) {
        self.by_id
            .insert(deployment.id.clone(), Arc::clone(&deployment));
        let place = *self
            .by_name
            .entry(deployment.group.clone())
            .or_insert(self.groups.len());
        if let Some(group) = self.groups.get_mut(place) {
            Arc::make_mut(group).deployments.push(deployment);
            return;
        }
        let name = deployment.group.clone();
        let mut group = ModelGroup::new(&name, vec![deployment]);
        if let Some(known) = previous.and_then(|old| old.group(&name)) {
            group.runtime = Arc::clone(&known.runtime);
        }
        self.groups.push(Arc::new(group));
    }

    /// Returns the model groups in the order of the file.
    pub fn groups(&self) -> &[Arc<ModelGroup>] {
        &self.groups
    }

    /// Returns how many deployments there are.
    pub fn deployments_total(&self) -> usize {
        self.groups
            .iter()
            .map(|group| group.deployments.len())
            .sum()
    }

    /// Returns the names that are listed for clients: aliases first, then groups, each once. A group that cannot answer
    /// or is paused is not listed, under any name.
    pub fn listed_names(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let is_open = |group: &Arc<ModelGroup>| !group.is_blocked() && group.can_answer();
        let aliases = self
            .aliases
            .iter()
            .filter(|alias| !alias.hidden)
            .filter(|alias| self.group(&alias.target).is_some_and(is_open));
        let open = self.groups.iter().filter(|group| is_open(group));
        aliases
            .map(|alias| alias.name.as_str())
            .chain(open.map(|group| group.name.as_str()))
            .filter(|name| seen.insert(*name))
            .collect()
    }

    /// Returns the model group with this name.
    pub fn group(&self, name: &str) -> Option<&Arc<ModelGroup>> {
        self.groups.get(*self.by_name.get(name)?)
    }

    /// Finds what `name` stands for, after the operator's renames: a deployment's id, an alias (one hop), a group, or a
    /// deployment's model text.
    pub fn resolve(&self, name: &str) -> Option<Resolved> {
        let name = self.renames.get(name).map_or(name, String::as_str);
        if let Some(deployment) = self.by_id.get(name) {
            let group = ModelGroup::new(name, vec![Arc::clone(deployment)]);
            return Some(Resolved {
                matched: Match::DeploymentId,
                group: Arc::new(group),
            });
        }
        if let Some(alias) = self.aliases.iter().find(|alias| alias.name == name)
            && let Some(group) = self.group(&alias.target)
        {
            return Some(Resolved {
                matched: Match::Alias,
                group: Arc::clone(group),
            });
        }
        if let Some(group) = self.group(name) {
            return Some(Resolved {
                matched: Match::Group,
                group: Arc::clone(group),
            });
        }
        self.by_model_text(name)
    }

    fn by_model_text(&self, text: &str) -> Option<Resolved> {
        let deployments: Vec<_> = self
            .groups
            .iter()
            .flat_map(|group| &group.deployments)
            .filter(|deployment| deployment.model == text)
            .cloned()
            .collect();
        if deployments.is_empty() {
            return None;
        }
        let group = Arc::new(ModelGroup::new(text, deployments));
        Some(Resolved {
            matched: Match::ModelText,
            group,
        })
    }

    /// Returns the names nearest to `name`, best first, for a message about an unknown one.
    pub fn nearest(&self, name: &str) -> Vec<&str> {
        let mut names: Vec<(usize, &str)> = self
            .listed_names()
            .into_iter()
            .map(|known| (strsim::damerau_levenshtein(known, name), known))
            .collect();
        names.sort_unstable();
        names.into_iter().take(3).map(|(_, known)| known).collect()
    }
}

/// Refuses a name that nobody knows; `status` is `general_settings.unknown_model_status`.
pub fn unknown_model(name: &str, status: u16) -> Error {
    // The name comes from the client, so only a bounded piece of it is repeated.
    let shown: String = name.chars().take(128).collect();
    let message = format!(
        "/chat/completions: Invalid model name passed in model={shown}. Call `/v1/models` to view available models for your key."
    );
    let error = Error::new(ErrorKind::UnknownModel, message);
    match http::StatusCode::from_u16(status) {
        Ok(status) => error.with_status(status),
        Err(_) => error,
    }
}
