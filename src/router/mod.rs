//! Choosing, without I/O: which deployments a model name stands for, and which of them is called.

mod asked;
mod by_class;
mod concrete;
mod cooldown;
mod deployment;
mod filter;
mod gap;
mod group;
mod health;
mod latency;
mod names;
mod outcomes;
mod plan;
mod profile;
mod recent;
mod retry;
mod retry_budget;
mod ring;
mod runtime;
mod select;
mod spend;
mod state_view;
mod sticky;
mod strategy;
mod tag_budgets;
mod teams;
#[cfg(test)]
mod test_group;
mod transformers;
mod usage;
mod wildcard;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

pub use cooldown::{Breaker, BreakerView, CooldownInForce, CooldownRules, Cooled, Pass, Standing};
pub use deployment::{Builder, Deployment, DeploymentHeaders, Timeouts};
pub use filter::Stickiness;
pub use gap::Gap;
pub use group::ModelGroup;
pub use health::{CHECK_WITHIN, Checked, Health, Unhealthy};
pub use names::{Match, Resolved};
pub use plan::{Attempted, Fallbacks};
pub use profile::{Known, Profile};
pub use retry::{Allowance, Backoff, Decision, RetryRules, Situation};
pub use retry_budget::{RetryBudget, RetryCost};
pub use runtime::{
    Counted, DeploymentRuntime, GroupRuntime, InFlight, LastError, LatencyMs, ProviderRuntime,
    Sample, Usage,
};
pub use select::{Asked, History, NoPick, Picked, Sticky};
pub use spend::Spend;
pub use state_view::{BudgetView, RuntimeView, WindowView};
pub use sticky::StickyCaller;
pub use tag_budgets::TagBudget;
pub use teams::Asker;
pub use transformers::Transformers;

use crate::config::{
    Alias, Config, Finding, Findings, RouterSettings, RoutingGroup, Severity, StrategyConfig,
};
use crate::telemetry::metrics::Metrics;
use crate::upstream::CredentialStore;
use tag_budgets::TagBudgets;
use teams::TeamNames;
use wildcard::Wildcards;

/// Every name that a client may use, and what it stands for.
#[derive(Debug, Default)]
pub struct Router {
    groups: Vec<Arc<ModelGroup>>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<String, Arc<Deployment>>,
    /// Deployments with the same `litellm_params.model`, by that.
    by_model_text: HashMap<String, Arc<ModelGroup>>,
    routing_groups: HashMap<String, Arc<ModelGroup>>,
    /// Their names, in the order of the file.
    routing_names: Vec<String>,
    wildcards: Wildcards,
    aliases: Vec<Alias>,
    /// `model_alias_map`: names that are replaced before anything else.
    renames: BTreeMap<String, String>,
    warnings: Vec<Finding>,
    /// What all deployments together spent.
    provider: Arc<ProviderRuntime>,
    tag_budgets: TagBudgets,
    team_names: TeamNames,
}

/// Returns how a deployment of the model group `name` is picked when that is called: as the routing group says that has
/// it, unless that goes by priority, else as the router says.
fn strategy_of<'a>(name: &str, settings: &'a RouterSettings) -> &'a StrategyConfig {
    settings
        .routing_groups
        .iter()
        .filter(|routing| routing.priorities.is_none())
        .find(|routing| routing.models.iter().any(|model| model == name))
        .map_or(&settings.strategy, |routing| &routing.strategy)
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
            provider: previous.map_or_else(Arc::default, |old| Arc::clone(&old.provider)),
        };
        let mut findings = Findings::default();
        let deployments = deployments(&builder, previous, &mut findings);
        if findings.has_errors() {
            return Err(findings);
        }
        let mut router = Self {
            aliases: config.router.aliases.clone(),
            renames: config.litellm.model_alias_map.clone(),
            provider: builder.provider,
            tag_budgets: TagBudgets::new(&config.router, previous.map(|old| &old.tag_budgets)),
            ..Self::default()
        };
        router.add_groups(&deployments, &config.router, previous);
        router.team_names = TeamNames::new(&router.groups);
        router.add_model_texts(&deployments, &config.router, previous);
        for routing in &config.router.routing_groups {
            let problem = router.add_routing_group(routing, previous);
            findings
                .0
                .extend(problem.map(|problem| warning(config, problem)));
        }
        router.wildcards = Wildcards::new(
            &router.groups,
            &config.environment,
            previous.map(|previous| &previous.wildcards),
        );
        router.by_id = deployments
            .into_iter()
            .map(|deployment| (deployment.id.clone(), deployment))
            .collect();
        router.warnings = findings.0;
        Ok(router)
    }

    fn add_groups(
        &mut self,
        deployments: &[Arc<Deployment>],
        settings: &RouterSettings,
        previous: Option<&Self>,
    ) {
        let mut groups: Vec<ModelGroup> = Vec::new();
        for deployment in deployments {
            let place = *self
                .by_name
                .entry(deployment.group.clone())
                .or_insert(groups.len());
            if let Some(group) = groups.get_mut(place) {
                group.deployments.push(Arc::clone(deployment));
                continue;
            }
            let name = &deployment.group;
            let known = previous.and_then(|old| old.group(name));
            groups.push(ModelGroup {
                strategy: strategy_of(name, settings).clone(),
                ..made(name, vec![Arc::clone(deployment)], known)
            });
        }
        self.groups = groups.into_iter().map(Arc::new).collect();
    }

    fn add_model_texts(
        &mut self,
        deployments: &[Arc<Deployment>],
        settings: &RouterSettings,
        previous: Option<&Self>,
    ) {
        let mut by_text: BTreeMap<&str, Vec<Arc<Deployment>>> = BTreeMap::new();
        for deployment in deployments {
            if !deployment.model.contains('*') {
                let same = by_text.entry(&deployment.model).or_default();
                same.push(Arc::clone(deployment));
            }
        }
        for (text, deployments) in by_text {
            let known = previous.and_then(|old| old.by_model_text.get(text));
            let group = ModelGroup {
                strategy: settings.strategy.clone(),
                ..made(text, deployments, known)
            };
            self.by_model_text.insert(text.to_owned(), Arc::new(group));
        }
    }

    /// Adds a routing group; what is wrong with it is returned, and it is left out.
    fn add_routing_group(
        &mut self,
        routing: &RoutingGroup,
        previous: Option<&Self>,
    ) -> Option<String> {
        let name = &routing.name;
        if name.is_empty() || name == "default" {
            return Some(format!(
                "a routing group cannot be called `{name}`; it is left out"
            ));
        }
        if self.by_name.contains_key(name) {
            return Some(format!(
                "`{name}` is also a `model_name`, which is what is called by that name"
            ));
        }
        if self.routing_groups.contains_key(name) {
            return Some(format!("there is another routing group called `{name}`"));
        }
        let members: Vec<_> = routing
            .models
            .iter()
            .filter(|model| !model.contains('*'))
            .filter_map(|model| self.group(model))
            .flat_map(|group| group.deployments.iter().cloned())
            .collect();
        if members.is_empty() {
            return Some(format!("the routing group `{name}` has no deployment"));
        }
        let known = previous.and_then(|old| old.routing_groups.get(name));
        let group = ModelGroup {
            strategy: routing.strategy.clone(),
            priorities: routing.priorities.clone().map(Arc::new),
            ..made(name, members, known)
        };
        self.routing_names.push(name.clone());
        self.routing_groups.insert(name.clone(), Arc::new(group));
        None
    }

    /// Returns what all deployments together spent.
    pub fn provider(&self) -> &Arc<ProviderRuntime> {
        &self.provider
    }

    /// Returns the deployment with this id.
    pub fn deployment(&self, id: &str) -> Option<&Arc<Deployment>> {
        self.by_id.get(id)
    }

    /// Returns the budgets of these tags, where they have some.
    pub fn budgets_of(&self, tags: &[String]) -> Vec<Arc<TagBudget>> {
        self.tag_budgets.of(tags)
    }

    /// Returns the budgets of all tags, in their order.
    pub fn tag_budgets(&self) -> impl Iterator<Item = &Arc<TagBudget>> {
        self.tag_budgets.all()
    }

    /// Returns what stands, for each concrete model that was asked for lately, for the deployment with this id, whose name
    /// is a pattern.
    pub fn concrete_of(&self, id: &str) -> Vec<Arc<Deployment>> {
        self.wildcards.concrete_of(id)
    }

    /// Returns what is doubtful about the deployments.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// Returns the model groups in the order of the file.
    pub fn groups(&self) -> &[Arc<ModelGroup>] {
        &self.groups
    }

    /// Returns how many deployments there are.
    pub fn deployments_total(&self) -> usize {
        self.by_id.len()
    }

    /// Returns the model group with this name.
    pub fn group(&self, name: &str) -> Option<&Arc<ModelGroup>> {
        self.groups.get(*self.by_name.get(name)?)
    }

    /// Returns the routing groups in the order of the file.
    pub fn routing_groups(&self) -> impl Iterator<Item = &Arc<ModelGroup>> {
        (self.routing_names.iter()).filter_map(|name| self.routing_groups.get(name))
    }

    /// Returns the model groups, then the routing groups. A routing group's deployments are its model groups' ones.
    pub fn all_groups(&self) -> impl Iterator<Item = &Arc<ModelGroup>> {
        self.groups.iter().chain(self.routing_groups())
    }
}

/// Builds the deployments, in the order of the file; what is wrong with them goes to `findings`.
fn deployments(
    builder: &Builder<'_>,
    previous: Option<&Router>,
    findings: &mut Findings,
) -> Vec<Arc<Deployment>> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut built = Vec::with_capacity(builder.config.deployments.len());
    for entry in &builder.config.deployments {
        match builder.build(entry) {
            Ok(mut deployment) => {
                let model = &deployment.target.model;
                let warning = deployment.gap.map(|gap| gap.warning(entry, model));
                findings.0.extend(warning);
                deployment.make_unique(&mut seen);
                deployment.count_in(builder.metrics);
                if let Some(known) = previous.and_then(|old| old.by_id.get(&deployment.id)) {
                    deployment.learn_from(known);
                }
                built.push(Arc::new(deployment));
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
    built
}

/// Makes a group; what was learned of it is taken over where it is `known`.
fn made(
    name: &str,
    deployments: Vec<Arc<Deployment>>,
    known: Option<&Arc<ModelGroup>>,
) -> ModelGroup {
    let mut group = ModelGroup::new(name, deployments);
    if let Some(known) = known {
        group.runtime = Arc::clone(&known.runtime);
        group.stickiness = Arc::clone(&known.stickiness);
    }
    group
}

fn warning(config: &Config, message: String) -> Finding {
    let first = config.files.first();
    Finding {
        file: first
            .map(|file| file.display().to_string())
            .unwrap_or_default(),
        line: 1,
        column: 1,
        severity: Severity::Warning,
        key: "router_settings.routing_groups".to_owned(),
        message,
        hint: None,
    }
}
