//! Deployments that have spent their budget.

use super::{Left, Scope, keep};
use crate::error::{Error, ErrorKind};
use crate::router::NoPick;

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    keep(
        left,
        |deployment| {
            let is_over = |budget| deployment.spender().spend.is_over(budget, scope.now);
            !deployment.entry.limits.budget.is_some_and(is_over)
        },
        || {
            let message = "No deployments available - crossed budget";
            Error::new(ErrorKind::NoDeployment, message).with_type("rate_limit_error")
        },
    )
}
