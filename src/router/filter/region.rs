//! Regions: a key with `allowed_model_region` is served there alone. It holds whether or not `enable_pre_call_checks` is on,
//! and for a call by id: where data may go is no matter of what could serve the call best.

use super::{Left, Scope, keep, refusal};
use crate::router::NoPick;

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    let Some(part) = scope.asked.region.as_deref() else {
        return Ok(());
    };
    keep(
        left,
        |deployment| is_in(&deployment.region, part),
        || refusal("no deployment of this model is in the allowed region"),
    )
}

/// Says whether an AWS region is in a part of the world: `eu` has `eu-west-1`.
fn is_in(region: &str, part: &str) -> bool {
    region
        .strip_prefix(part)
        .is_some_and(|rest| rest.starts_with('-'))
}
