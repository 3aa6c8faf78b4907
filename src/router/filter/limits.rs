//! Limits of deployments: who has room now.

use std::time::Duration;

use super::{Left, Scope};
use crate::canonical::OperationKind;
use crate::limit::{Cost, LimitName};
use crate::router::NoPick;

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    // Counting tokens is no call of the model: it takes nothing from its limits.
    if scope.asked.operation == OperationKind::Count {
        return Ok(());
    }
    let cost = Cost {
        requests: scope.asked.cost.requests.max(1),
        ..scope.asked.cost
    };
    let mut shortest: Option<Duration> = None;
    // A slot comes free when a call ends, and nobody knows when that is.
    let mut any_time = false;
    let mut limit = LimitName::Parallel;
    left.retain(|deployment| match deployment.meters.room(cost, scope.now) {
        Ok(()) => true,
        Err(full) => {
            limit = full.limit;
            match full.retry_after {
                Some(wait) => {
                    shortest = Some(shortest.map_or(wait, |shortest| shortest.min(wait)));
                }
                None => any_time = true,
            }
            false
        }
    });
    if left.is_empty() {
        return Err(NoPick::Full {
            retry_after: shortest.filter(|_| !any_time),
            limit,
        });
    }
    Ok(())
}
