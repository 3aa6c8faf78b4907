//! Deployments that cool down after failures. One whose cooldown is over stays: whoever picks it makes the probe.

use std::time::{Duration, Instant};

use super::{Left, Scope};
use crate::router::{Deployment, NoPick, Standing};

/// How long to wait for a probe of which nobody knows when it ends.
const PROBE_WAIT: Duration = Duration::from_secs(1);

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    let mut shortest: Option<Duration> = None;
    left.retain(|deployment| {
        let Some(wait) = wait_for(deployment, scope.now) else {
            return true;
        };
        shortest = Some(shortest.map_or(wait, |shortest| shortest.min(wait)));
        false
    });
    match shortest {
        Some(retry_after) if left.is_empty() => Err(NoPick::Cooling { retry_after }),
        _ => Ok(()),
    }
}

/// Returns the time until a deployment may be picked again; `None` for one that may be picked now.
pub(in crate::router) fn wait_for(deployment: &Deployment, now: Instant) -> Option<Duration> {
    match deployment.runtime.breaker.standing(now) {
        Standing::Open | Standing::ProbeDue => None,
        Standing::Cooling { until } => Some(until.saturating_duration_since(now)),
        Standing::Probing => Some(PROBE_WAIT),
    }
}
