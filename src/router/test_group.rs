//! Routers for the tests of this folder, made of entries without a file.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use tokio_util::task::TaskTracker;

use super::{Asked, History, ModelGroup, NoPick, Picked, Router};
use crate::clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use crate::config::{Config, DeploymentConfig, RouterSettings};
use crate::error::Error;
use crate::random::Dice;
use crate::telemetry::metrics::Metrics;
use crate::upstream::{CredentialStore, Upstream, UpstreamOptions};

/// An entry of `model_list`.
pub(super) fn entry(name: &str, model: &str) -> DeploymentConfig {
    let mut entry = DeploymentConfig {
        model_name: name.to_owned(),
        model: model.to_owned(),
        ..DeploymentConfig::default()
    };
    entry.aws.region = Some("us-east-1".to_owned());
    entry
}

/// Entries of the group `m`, with the ids `0`, `1`, …, each as `change` makes it.
pub(super) fn entries(
    total: usize,
    change: impl Fn(usize, &mut DeploymentConfig),
) -> Vec<DeploymentConfig> {
    (0..total)
        .map(|number| {
            let mut entry = entry("m", "bedrock/us.amazon.nova-pro-v1:0");
            entry.id = Some(number.to_string());
            change(number, &mut entry);
            entry
        })
        .collect()
}

pub(super) fn config(entries: Vec<DeploymentConfig>, settings: RouterSettings) -> Config {
    Config {
        deployments: entries,
        router: settings,
        ..Config::default()
    }
}

pub(super) fn router(config: &Config, previous: Option<&Router>) -> Router {
    let clock: SharedClock = Arc::new(SystemClock);
    let upstream = Upstream::new(UpstreamOptions::default(), clock).unwrap();
    let credentials = CredentialStore::new(Arc::new(upstream), TaskTracker::new());
    Router::build(config, &credentials, &Metrics::default(), previous).unwrap()
}

/// The group `m`, and everything that a pick needs.
pub(super) struct Stage {
    pub(super) settings: RouterSettings,
    pub(super) group: Arc<ModelGroup>,
    pub(super) clock: ManualClock,
    pub(super) dice: Dice,
}

impl Stage {
    pub(super) fn of(entries: Vec<DeploymentConfig>, settings: RouterSettings) -> Self {
        let router = router(&config(entries, settings.clone()), None);
        Self {
            settings,
            group: Arc::clone(router.group("m").unwrap()),
            clock: ManualClock::at(UNIX_EPOCH),
            dice: Dice::seeded(1),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn pick(&self, asked: &Asked, history: History<'_>) -> Result<Picked, NoPick> {
        let now = self.now();
        self.group
            .pick(asked, history, &self.settings, &self.dice, now)
    }

    /// The ids that 200 picks come to, sorted, each once.
    pub(super) fn ids(&self, asked: &Asked, history: History<'_>) -> Vec<String> {
        let mut ids: Vec<String> = (0..200)
            .map(|_| self.pick(asked, history).unwrap().deployment.id.clone())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The error that there is instead of a pick.
    pub(super) fn error(&self, asked: &Asked, history: History<'_>) -> Error {
        self.pick(asked, history).unwrap_err().into_error()
    }

    /// Cools a deployment down by failures, and says for how long.
    pub(super) fn cool(&self, place: usize) -> Option<Duration> {
        let deployment = &self.group.deployments[place];
        let breaker = &deployment.runtime.breaker;
        let pass = breaker.enter(self.now())?;
        let error = Error::new(crate::error::ErrorKind::Throttled, "slow down");
        let rules = super::CooldownRules {
            settings: &self.settings.cooldown,
            limits: &deployment.entry.limits,
            alone: false,
            timeout_by_caller: false,
        };
        breaker
            .failed(&error, pass, rules, self.now())
            .map(|cooled| cooled.duration)
    }
}
