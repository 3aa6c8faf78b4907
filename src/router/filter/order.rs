//! Preference: the lowest `order` tier, and within it what this call has not tried yet.

use super::{Left, Scope, keep};
use crate::error::{Error, ErrorKind};
use crate::router::NoPick;

/// Where this part of the call is about one tier, keeps that tier.
pub(super) fn pinned<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    let Some(tier) = scope.history.tier else {
        return Ok(());
    };
    let of = |deployment: &_| scope.group.order_of(deployment) == Some(tier);
    keep(left, of, none_left)
}

/// Keeps the lowest tier that is left; what has no `order` stays only where nothing has one.
pub(super) fn lowest<'a>(scope: &Scope<'a>, left: &mut Left<'a>) {
    let order = |deployment: &_| scope.group.order_of(deployment);
    let Some(lowest) = left.iter().filter_map(|one| order(one)).min() else {
        return;
    };
    left.retain(|deployment| order(deployment) == Some(lowest));
}

/// Removes what the call leaves out.
pub(super) fn excluded<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    let excluded = scope.history.excluded;
    if excluded.is_empty() {
        return Ok(());
    }
    keep(left, |one| !excluded.contains(&one.id), none_left)
}

/// Removes what refused for good, then what was tried, each unless nothing else is left.
pub(super) fn untried_first<'a>(scope: &Scope<'a>, left: &mut Left<'a>) {
    for avoided in [scope.history.refused, scope.history.tried] {
        let is_avoided = |id: &String| avoided.contains(id);
        if !avoided.is_empty() && left.iter().any(|one| !is_avoided(&one.id)) {
            left.retain(|one| !is_avoided(&one.id));
        }
    }
}

fn none_left() -> Error {
    let message = "No deployments available for selected model";
    Error::new(ErrorKind::NoDeployment, message).with_type("rate_limit_error")
}
