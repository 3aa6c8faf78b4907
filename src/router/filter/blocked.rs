//! Deployments that the operator has paused.

use super::{Left, keep};
use crate::router::NoPick;
use crate::router::names;

pub(super) fn filter(left: &mut Left<'_>) -> Result<(), NoPick> {
    keep(left, |deployment| !deployment.entry.blocked, names::blocked)
}
