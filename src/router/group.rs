//! A model group: all deployments with one `model_name`.

use std::sync::Arc;

use super::{Deployment, GroupRuntime};
use crate::config::StrategyConfig;
use crate::telemetry::metrics::GroupMetrics;

/// All deployments with one `model_name`.
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
}

impl ModelGroup {
    /// Makes a group.
    pub fn new(name: &str, deployments: Vec<Arc<Deployment>>) -> Self {
        Self {
            name: name.to_owned(),
            deployments,
            strategy: StrategyConfig::default(),
            runtime: Arc::default(),
        }
    }

    /// Returns what is counted of the group; `None` for one without deployments.
    pub fn metrics(&self) -> Option<&Arc<GroupMetrics>> {
        let first = self.deployments.first()?;
        Some(&first.metrics.group)
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
}
