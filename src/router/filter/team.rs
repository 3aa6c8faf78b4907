//! Teams: a deployment with a `team_id` is for the keys of that team.

use super::{Left, Scope, keep, refusal};
use crate::router::NoPick;

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    let team = scope.asked.team.as_deref();
    // Who may use a team's own name may use what it stands for.
    let named = scope.group.team.as_deref();
    keep(
        left,
        |deployment| match deployment.entry.info.team_id.as_deref() {
            None => true,
            owner => owner == team || owner == named,
        },
        || refusal("There are no healthy deployments for this model that the key's team may use"),
    )
}
