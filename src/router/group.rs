//! A model group: the deployments that one name stands for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::filter::wait_for;
use super::{Deployment, GroupRuntime, Standing, Stickiness};
use crate::config::{Affinity, RouterSettings, StrategyConfig, name_in_team};
use crate::telemetry::metrics::GroupMetrics;

/// The deployments that one name stands for: all with one `model_name`, or those of a routing group.
#[derive(Debug, Clone)]
pub struct ModelGroup {
    /// The public name.
    pub name: String,
    /// Its deployments, in the order of the file.
    pub deployments: Vec<Arc<Deployment>>,
    /// How one is picked.
    pub strategy: StrategyConfig,
    /// What was learned of the group.
    pub runtime: Arc<GroupRuntime>,
    /// The pattern that the name matches; `None` for a name of the file.
    pub pattern: Option<String>,
    /// The team whose name for its own deployments this is; everyone else may mean something else by it.
    pub team: Option<String>,
    /// Whether this is one deployment that is called by its id, past most filters.
    pub called_by_id: bool,
    /// `model_priorities` of a routing group: the `order` of each model group's deployments, instead of their own.
    pub priorities: Option<Arc<BTreeMap<String, i64>>>,
    /// Which deployments callers, sessions and prompts stick to.
    pub(super) stickiness: Arc<Stickiness>,
}

impl ModelGroup {
    /// Makes a group.
    pub fn new(name: &str, deployments: Vec<Arc<Deployment>>) -> Self {
        Self {
            name: name.to_owned(),
            deployments,
            strategy: StrategyConfig::default(),
            runtime: Arc::default(),
            pattern: None,
            team: None,
            called_by_id: false,
            priorities: None,
            stickiness: Arc::default(),
        }
    }

    /// Returns what is counted of the group; `None` for one without deployments.
    pub fn metrics(&self) -> Option<&Arc<GroupMetrics>> {
        let first = self.deployments.first()?;
        Some(&first.metrics.group)
    }

    /// Returns the same group with other deployments.
    #[must_use]
    pub fn serving(&self, deployments: Vec<Arc<Deployment>>) -> Self {
        Self {
            name: self.name.clone(),
            deployments,
            strategy: self.strategy.clone(),
            runtime: Arc::clone(&self.runtime),
            pattern: self.pattern.clone(),
            team: self.team.clone(),
            called_by_id: self.called_by_id,
            priorities: self.priorities.clone(),
            stickiness: Arc::clone(&self.stickiness),
        }
    }

    /// Returns the group's name in the file, for metrics and for lists that name groups: the pattern, where the name is a
    /// caller's.
    pub fn configured_name(&self) -> &str {
        self.pattern.as_deref().unwrap_or(&self.name)
    }

    /// Returns what tells the group from every other, also from one that another team calls by the same name.
    pub fn identity(&self) -> Cow<'_, str> {
        match &self.team {
            Some(team) => name_in_team(team, &self.name).into(),
            None => self.name.as_str().into(),
        }
    }

    /// Returns the name that a key's limits on the group go by: a team's own apart from everyone's, see
    /// [`ModelGroup::identity`].
    pub fn limits_name(&self) -> Cow<'_, str> {
        match self.team {
            Some(_) => self.identity(),
            None => self.configured_name().into(),
        }
    }

    /// Says whether the operator has paused every deployment.
    pub fn is_blocked(&self) -> bool {
        self.deployments
            .iter()
            .all(|deployment| deployment.entry.blocked)
    }

    /// Says whether a chat request can be sent to any deployment.
    pub fn can_answer(&self) -> bool {
        self.deployments
            .iter()
            .any(|deployment| deployment.gap.is_none())
    }

    /// Says whether a call may come to an agent.
    pub fn has_agents(&self) -> bool {
        let mut deployments = self.deployments.iter();
        deployments.any(|deployment| deployment.is_agent())
    }

    /// Returns how many deployments are ready now: neither cooling nor blocked.
    pub fn ready_total(&self, now: Instant) -> usize {
        self.deployments
            .iter()
            .filter(|deployment| is_ready(deployment, now))
            .count()
    }

    /// Returns how many deployments are ready now that are not among `ids`.
    pub fn ready_except(&self, ids: &[String], now: Instant) -> usize {
        self.deployments
            .iter()
            .filter(|deployment| !ids.contains(&deployment.id) && is_ready(deployment, now))
            .count()
    }

    /// Returns the time until the first deployment is ready, where all that are not blocked cool down or are being probed.
    pub fn cooling_for(&self, now: Instant) -> Option<Duration> {
        let mut shortest: Option<Duration> = None;
        for deployment in self.deployments.iter().filter(|one| !one.entry.blocked) {
            let wait = wait_for(deployment, now)?;
            shortest = Some(shortest.map_or(wait, |shortest| shortest.min(wait)));
        }
        shortest
    }

    /// Returns the tier of a deployment of this group.
    pub fn order_of(&self, deployment: &Deployment) -> Option<i64> {
        match &self.priorities {
            Some(priorities) => priorities.get(&deployment.group).copied(),
            None => deployment.entry.limits.order,
        }
    }

    /// Returns the distinct `order` tiers, lowest first; empty where no deployment has one.
    pub fn tiers(&self) -> Vec<i64> {
        let orders = self.deployments.iter();
        let mut tiers: Vec<i64> = orders
            .filter_map(|deployment| self.order_of(deployment))
            .collect();
        tiers.sort_unstable();
        tiers.dedup();
        tiers
    }

    /// Says whether a pick goes by the request's tokens, so that they must be counted first.
    pub fn needs_estimate(&self, settings: &RouterSettings) -> bool {
        settings.pre_call_checks
            || (self.deployments.iter()).any(|deployment| deployment.meters.counts_tokens())
    }

    /// Returns what sticks in this group.
    pub fn affinity(&self, settings: &RouterSettings) -> Affinity {
        let affinity = &settings.affinity;
        let own = (affinity.groups.get(&self.name))
            .or_else(|| affinity.groups.get(self.configured_name()))
            .or_else(|| affinity.groups.get("*"));
        own.copied().unwrap_or(affinity.all)
    }

    /// Returns the fewest tokens that a prompt must have to be kept in the prompt cache of any of the models.
    pub fn prompt_cache_min_tokens(&self) -> u64 {
        (self.deployments.iter())
            .filter_map(|deployment| deployment.target.facts.prompt_cache_min_tokens)
            .min()
            .unwrap_or(1_024)
    }
}

fn is_ready(deployment: &Deployment, now: Instant) -> bool {
    !deployment.entry.blocked
        && matches!(
            deployment.runtime.breaker.standing(now),
            Standing::Open | Standing::ProbeDue
        )
}
