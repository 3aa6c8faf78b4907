//! Picking: the group's deployments pass the filters in order, and the strategy picks one of those left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Deployment, ModelGroup, Pass};
use crate::catalog::Flag;
use crate::config::RouterSettings;
use crate::error::{Error, ErrorKind};
use crate::limit::Cost;
use crate::random::Dice;

/// What of a call selection looks at; made once per call.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Requests and tokens, by estimate.
    pub cost: Cost,
    /// The tags of the request: its own, its key's, its headers'.
    pub tags: Vec<String>,
    /// Whether tag routing is on for this caller, whatever the router says.
    pub tag_filtering: bool,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// Capabilities that the request needs.
    pub needs: Vec<Flag>,
    /// `allowed_model_region`: `eu` or `us`.
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
    /// The prompt's prefixes that end at cache points, longest first.
    pub prompt_prefixes: Vec<u64>,
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
    },
}

impl ModelGroup {
    /// Picks a deployment for a call.
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
        let _ = (asked, history, settings);
        if let [only] = self.deployments.as_slice()
            && !only.entry.blocked
        {
            let pass = only.runtime.breaker.enter_anyway(now);
            return Ok(Picked {
                deployment: Arc::clone(only),
                pass,
            });
        }
        let open: Vec<&Arc<Deployment>> = self
            .deployments
            .iter()
            .filter(|deployment| !deployment.entry.blocked)
            .filter(|deployment| deployment.gap.is_none() || !self.can_answer())
            .collect();
        let deployment = super::simple_shuffle(&open, dice.draw())
            .ok_or_else(|| NoPick::Error(Error::new(ErrorKind::Forbidden, "Model is blocked")))?;
        Ok(Picked {
            deployment: Arc::clone(deployment),
            pass: Pass::default(),
        })
    }

    /// Says whether any deployment is ready now: neither cooling nor blocked.
    pub fn has_ready(&self, now: Instant) -> bool {
        self.ready_total(now) > 0
    }

    /// Returns how many deployments are ready now.
    pub fn ready_total(&self, now: Instant) -> usize {
        let _ = now;
        self.deployments.len()
    }

    /// Returns how many deployments are ready now that are not among `refused`.
    pub fn ready_except(&self, refused: &[String], now: Instant) -> usize {
        let _ = now;
        (self.deployments.iter())
            .filter(|deployment| !refused.contains(&deployment.id))
            .count()
    }

    /// Returns the distinct `order` tiers, lowest first; empty where no deployment has one.
    pub fn tiers(&self) -> Vec<i64> {
        Vec::new()
    }
}
