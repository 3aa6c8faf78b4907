//! Deployments that have spent their budget, or that of all together.

use super::{Left, Scope, keep};
use crate::error::{Error, ErrorKind};
use crate::router::NoPick;

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    keep(
        left,
        |deployment| {
            let own = |budget| deployment.spender().spend.is_over(budget, scope.now);
            let of_all = |budget| deployment.provider.spend.is_over(budget, scope.now);
            !deployment.entry.limits.budget.is_some_and(own)
                && !scope.settings.provider_budget.is_some_and(of_all)
        },
        || {
            let message = "No deployments available - crossed budget";
            Error::new(ErrorKind::NoDeployment, message).with_type("rate_limit_error")
        },
    )
}
