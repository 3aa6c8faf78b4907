//! Deployments that have spent their budget, or that of all together; requests whose tags have spent theirs.

use std::cell::Cell;
use std::time::Duration;

use super::{Left, Scope, keep};
use crate::config::Budget;
use crate::error::{Error, ErrorKind};
use crate::router::{NoPick, Spend, tag_budgets};

/// Leaves nothing to a request with a tag whose budget is spent.
pub(super) fn of_tags(scope: &Scope<'_>) -> Result<(), NoPick> {
    tag_budgets::check(&scope.asked.tag_budgets, scope.now).map_err(NoPick::Error)
}

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    // When the first of them may spend again.
    let resets: Cell<Option<Duration>> = Cell::default();
    let is_over = |spend: &Spend, budget: Option<Budget>| {
        let Some(budget) = budget.filter(|budget| spend.is_over(*budget, scope.now)) else {
            return false;
        };
        let found = [resets.get(), spend.resets_in(budget, scope.now)];
        resets.set(found.into_iter().flatten().min());
        true
    };
    keep(
        left,
        |deployment| {
            let own = &deployment.spender().spend;
            !is_over(own, deployment.entry.limits.budget)
                && !is_over(&deployment.provider.spend, scope.settings.provider_budget)
        },
        || {
            let message = "No deployments available - crossed budget";
            Error::new(ErrorKind::NoDeployment, message)
                .with_type("rate_limit_error")
                .with_retry_after(resets.get())
        },
    )
}
