//! Access groups: a caller who may call a model only because its deployments are in a group, gets those deployments.

use super::{Left, Scope, keep, refusal};
use crate::router::NoPick;

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    let Some(allowed) = &scope.asked.access_groups else {
        return Ok(());
    };
    keep(
        left,
        |deployment| {
            let groups = &deployment.entry.info.access_groups;
            groups.iter().any(|group| allowed.contains(group))
        },
        || refusal("There are no healthy deployments for this model in the key's access groups"),
    )
}
