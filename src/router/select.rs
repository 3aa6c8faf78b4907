//! Picking: the group's deployments pass the filters in order, and the strategy picks one of those left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::filter::{self, Scope};
use super::strategy::{self, Choice};
use super::{Deployment, ModelGroup, Pass, TagBudget, names};
use crate::canonical::OperationKind;
use crate::catalog::{Flag, Size};
use crate::config::{RouterSettings, StrategyName};
use crate::error::{Error, ErrorKind};
use crate::limit::{Cost, LimitName};
use crate::random::Dice;

/// What of a call selection looks at; made once per call.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The operation that is asked for.
    pub operation: OperationKind,
    /// Deployments, by id, that cannot be sent the request as it is: they serve only where all are such, and say why.
    pub unfit: Vec<String>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// The strategy that the caller's key asks for, instead of the group's.
    pub strategy: Option<StrategyName>,
    /// Requests and tokens, by estimate.
    pub cost: Cost,
    /// How much text and media the request has; `None` until somebody needs to know.
    pub size: Option<Size>,
    /// The tags of the request: its own, its key's, its headers'.
    pub tags: Vec<String>,
    /// The budgets of those tags, where they have some.
    pub tag_budgets: Vec<Arc<TagBudget>>,
    /// Whether tag routing is on for this caller, whatever the router says.
    pub tag_filtering: bool,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// Capabilities that the request needs.
    pub needs: Vec<Flag>,
    /// `allowed_model_region` of the caller's key: `eu` or `us`.
    pub region: Option<String>,
    /// The team of the caller's key.
    pub team: Option<String>,
    /// The access groups by which alone the caller may call this model; `None`: it may by name.
    pub access_groups: Option<Vec<String>>,
    /// What sticky routing goes by.
    pub sticky: Sticky,
    /// The key's weights for this group: deployment id and weight.
    pub weights: Vec<(String, f64)>,
}

/// What sticky routing goes by; each is a hash, 0 is never one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sticky {
    /// The caller: its key, else its `user`.
    pub caller: Option<u64>,
    /// The caller's session.
    pub session: Option<u64>,
    /// The prompt's prefixes that end at cache points or shortly before them, longest first: what is looked up.
    pub prompt_prefixes: Vec<u64>,
    /// Those of them that end at cache points: what is remembered.
    pub cache_points: Vec<u64>,
}

/// What happened in this call before.
#[derive(Debug, Clone, Copy, Default)]
pub struct History<'a> {
    /// Ids of deployments that were tried, in order.
    pub tried: &'a [String],
    /// Of those, the ones that answered what will not change (401, 403).
    pub refused: &'a [String],
    /// Ids that are left out (weighted failover, a hedge's first).
    pub excluded: &'a [String],
    /// The `order` tier that this part of the call is about.
    pub tier: Option<i64>,
}

/// A deployment, and leave to call it.
#[derive(Debug, Clone)]
pub struct Picked {
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// Whether this call is its probe.
    pub pass: Pass,
}

/// Why no deployment was picked.
#[derive(Debug, Clone)]
pub enum NoPick {
    /// What the client is told; it may fall back as its kind says.
    Error(Error),
    /// All cool down.
    Cooling {
        /// The true time until the first is ready.
        retry_after: Duration,
    },
    /// All that are left are at a limit; a slot may come free.
    Full {
        /// When the first has room; `None` where that is when a call ends.
        retry_after: Option<Duration>,
        /// Which limit one of them is at.
        limit: LimitName,
    },
}

impl ModelGroup {
    /// Picks a deployment for a call: the filters remove what may not serve it, and the strategy picks one of the rest.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn pick(
        &self,
        asked: &Asked,
        history: History<'_>,
        settings: &RouterSettings,
        dice: &Dice,
        now: Instant,
    ) -> Result<Picked, NoPick> {
        let scope = Scope {
            group: self,
            asked,
            history,
            settings,
            now,
        };
        if self.called_by_id {
            return by_id(&scope);
        }
        let strategy = asked.strategy.unwrap_or(self.strategy.name);
        // A probe goes to one call alone. Who loses it looks again, at what is left then.
        for _ in 0..=self.deployments.len() {
            let mut left = self.answering(asked);
            filter::run(&scope, &mut left)?;
            let choice = Choice {
                left: &left,
                asked,
                args: &self.strategy.args,
                dice,
                now,
            };
            let place = strategy::pick(strategy, &choice);
            let Some(deployment) = place.and_then(|place| left.get(place)) else {
                break;
            };
            if let Some(pass) = deployment.runtime.breaker.enter(now) {
                return Ok(Picked {
                    deployment: Arc::clone(deployment),
                    pass,
                });
            }
        }
        Err(NoPick::Cooling {
            retry_after: Duration::from_secs(1),
        })
    }

    /// Returns the deployments that calls with these tags may go to, as far as tags decide; none where such calls are refused.
    pub fn serving_tags(
        &self,
        tags: &[String],
        settings: &RouterSettings,
        now: Instant,
    ) -> Vec<Arc<Deployment>> {
        let asked = Asked {
            tags: tags.to_vec(),
            ..Asked::default()
        };
        let scope = Scope {
            group: self,
            asked: &asked,
            history: History::default(),
            settings,
            now,
        };
        let mut left = self.answering(&asked);
        left.retain(|one| !one.entry.blocked);
        match filter::by_tags(&scope, &mut left) {
            Ok(()) => left.into_iter().cloned().collect(),
            Err(_) => Vec::new(),
        }
    }

    /// Returns the part of the calls of its `order` tier that a deployment gets while the whole tier is ready, from 0 to 1,
    /// of calls with these tags; `None` where that follows from what is learned, or the deployment is never picked for them.
    pub fn share_of(
        &self,
        deployment: &Deployment,
        tags: &[String],
        settings: &RouterSettings,
        now: Instant,
    ) -> Option<f64> {
        let tier = self.order_of(deployment);
        let serving = self.serving_tags(tags, settings, now);
        let mut left: Vec<&Arc<Deployment>> = serving.iter().collect();
        left.retain(|one| self.order_of(one) == tier);
        let place = left.iter().position(|one| one.id == deployment.id)?;
        let choice = Choice {
            left: &left,
            asked: &Asked::default(),
            args: &self.strategy.args,
            dice: &Dice::default(),
            now,
        };
        strategy::shares(self.strategy.name, &choice)?
            .get(place)
            .copied()
    }

    /// The deployments that can be asked for what is asked; all, where there is none, so that the attempt says why.
    fn answering(&self, asked: &Asked) -> Vec<&Arc<Deployment>> {
        let mut left = Vec::with_capacity(self.deployments.len());
        let fits = |one: &&Arc<Deployment>| !asked.unfit.contains(&one.id);
        let able = |one: &&Arc<Deployment>| one.transformers.take(asked.operation);
        left.extend(self.deployments.iter().filter(fits).filter(able));
        if left.is_empty() {
            left.extend(self.deployments.iter().filter(fits));
        }
        if left.is_empty() {
            left.extend(&self.deployments);
        }
        left
    }
}

/// Picks the one deployment that is called by its id: whoever may call it gets it, cooling or not, while it has room.
fn by_id(scope: &Scope<'_>) -> Result<Picked, NoPick> {
    let mut left: Vec<&Arc<Deployment>> = scope.group.deployments.iter().collect();
    filter::by_id(scope, &mut left)?;
    let Some(deployment) = left.first() else {
        return Err(NoPick::Error(names::blocked()));
    };
    Ok(Picked {
        deployment: Arc::clone(deployment),
        pass: deployment.runtime.breaker.enter_anyway(scope.now),
    })
}

impl NoPick {
    /// Words it for the client.
    pub fn into_error(self) -> Error {
        let message = "No deployments available for selected model";
        let error = |wait: Option<Duration>| {
            let seconds = wait.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
            let message = match seconds {
                Some(seconds) => format!("{message}, Try again in {seconds} seconds."),
                None => message.to_owned(),
            };
            Error::new(ErrorKind::NoDeployment, message).with_retry_after(wait)
        };
        match self {
            Self::Error(error) => error,
            Self::Cooling { retry_after } => error(Some(retry_after)),
            Self::Full { retry_after, .. } => error(retry_after).with_type("rate_limit_error"),
        }
    }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
