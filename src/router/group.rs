//! A model group: all deployments with one `model_name`.

use std::sync::Arc;

use super::{Deployment, simple_shuffle};
use crate::error::{Error, ErrorKind, Result};

/// All deployments with one `model_name`.
#[derive(Debug, Clone)]
pub struct ModelGroup {
    /// The public name.
    pub name: String,
    /// Its deployments, in the order of the file.
    pub deployments: Vec<Arc<Deployment>>,
}

impl ModelGroup {
    /// Makes a group.
    pub fn new(name: &str, deployments: Vec<Arc<Deployment>>) -> Self {
        Self {
            name: name.to_owned(),
            deployments,
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

    /// Picks a deployment, one that can answer if there is any; `draw` gives a random number from 0 (inclusive) to 1, and is asked only where there is a choice.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`] when the whole group is paused.
    pub fn pick(&self, draw: impl FnOnce() -> f64) -> Result<&Arc<Deployment>> {
        if let [only] = self.deployments.as_slice()
            && !only.entry.blocked
        {
            return Ok(only);
        }
        let open: Vec<&Arc<Deployment>> = self
            .deployments
            .iter()
            .filter(|deployment| !deployment.entry.blocked)
            .filter(|deployment| deployment.gap.is_none() || !self.can_answer())
            .collect();
        simple_shuffle(&open, draw())
            .ok_or_else(|| Error::new(ErrorKind::Forbidden, "Model is blocked"))
    }
}
