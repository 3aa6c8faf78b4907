//! Deployments that cool down after failures. One whose cooldown is over stays: whoever picks it makes the probe.

use std::time::Duration;

use super::{Left, Scope};
use crate::router::{NoPick, Standing};

/// How long to wait for a probe of which nobody knows when it ends.
const PROBE_WAIT: Duration = Duration::from_secs(1);

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    let mut shortest: Option<Duration> = None;
    left.retain(|deployment| {
        let wait = match deployment.runtime.breaker.standing(scope.now) {
            Standing::Open | Standing::ProbeDue => return true,
            Standing::Cooling { until } => until.saturating_duration_since(scope.now),
            Standing::Probing => PROBE_WAIT,
        };
        shortest = Some(shortest.map_or(wait, |shortest| shortest.min(wait)));
        false
    });
    match shortest {
        Some(retry_after) if left.is_empty() => Err(NoPick::Cooling { retry_after }),
        _ => Ok(()),
    }
}
