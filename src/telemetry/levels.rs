//! Gauges: what is read from the configuration in force when somebody asks for metrics.

use prometheus::{GaugeVec, Opts, Registry};

use super::metrics::{made, registered};
use super::names::{self, API_PROVIDER, Metric};

/// What is read from the configuration in force when metrics are asked for.
#[derive(Debug, Default)]
pub struct Levels {
    /// Model groups.
    pub groups: Vec<GroupLevels>,
    /// Deployments.
    pub deployments: Vec<DeploymentLevels>,
    /// The files' hash.
    pub config_hash: String,
    /// Whether the file, as it is now, is in force.
    pub last_reload_successful: bool,
    /// Whether the shared store answers, where there is one.
    pub store_up: Option<bool>,
}

/// What is read of a model group.
#[derive(Debug)]
pub struct GroupLevels {
    /// Its name.
    pub name: String,
    /// Calls under way.
    pub in_flight: u64,
    /// Calls that wait for a slot.
    pub queued: u64,
    /// Tokens of its retry budget, where it has one.
    pub retry_tokens: Option<f64>,
}

/// How a deployment does, as `litellm_deployment_state` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentState {
    /// It may be picked.
    Healthy,
    /// Its cooldown is over, and no call has succeeded since.
    Partial,
    /// It cools down.
    Outage,
}

/// What is read of a deployment.
#[derive(Debug)]
pub struct DeploymentLevels {
    /// Its id.
    pub id: String,
    /// `litellm_params.model`.
    pub model: String,
    /// How it does.
    pub state: DeploymentState,
    /// `rpm`.
    pub rpm: Option<u64>,
    /// `tpm`.
    pub tpm: Option<u64>,
}

impl Levels {
    /// Makes a gauge of each and sets it.
    pub(super) fn fill(&self, registry: &Registry) {
        let gauge = |metric: Metric| {
            let options = Opts::new(metric.name, metric.help);
            registered(registry, made(GaugeVec::new(options, metric.labels)))
        };
        let (in_flight, queued) = (gauge(names::INFLIGHT), gauge(names::QUEUED));
        let tokens = gauge(names::RETRY_BUDGET_TOKENS);
        for group in &self.groups {
            let labels = [group.name.as_str()];
            set(&in_flight, &labels, Some(whole(group.in_flight)));
            set(&queued, &labels, Some(whole(group.queued)));
            set(&tokens, &labels, group.retry_tokens);
        }
        let state = gauge(names::DEPLOYMENT_STATE);
        let (rpm, tpm) = (
            gauge(names::DEPLOYMENT_RPM_LIMIT),
            gauge(names::DEPLOYMENT_TPM_LIMIT),
        );
        for deployment in &self.deployments {
            let labels = [deployment.model.as_str(), &deployment.id, API_PROVIDER];
            let level = match deployment.state {
                DeploymentState::Healthy => 0.0,
                DeploymentState::Partial => 1.0,
                DeploymentState::Outage => 2.0,
            };
            set(&state, &labels, Some(level));
            set(&rpm, &labels, deployment.rpm.map(whole));
            set(&tpm, &labels, deployment.tpm.map(whole));
        }
        set(&gauge(names::CONFIG_INFO), &[&self.config_hash], Some(1.0));
        let successful = f64::from(u8::from(self.last_reload_successful));
        set(
            &gauge(names::CONFIG_LAST_RELOAD_SUCCESSFUL),
            &[],
            Some(successful),
        );
        let store_up = self.store_up.map(|is_up| f64::from(u8::from(is_up)));
        set(&gauge(names::STORE_UP), &[], store_up);
    }
}

fn set(gauge: &GaugeVec, labels: &[&str], value: Option<f64>) {
    if let Some(value) = value
        && let Ok(gauge) = gauge.get_metric_with_label_values(labels)
    {
        gauge.set(value);
    }
}

/// Numbers of the exposition format are floating point; a count or limit that one cannot hold exactly is rounded.
#[expect(clippy::cast_precision_loss, reason = "so says the format")]
fn whole(number: u64) -> f64 {
    number as f64
}
