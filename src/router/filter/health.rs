//! Deployments that the last health check found unhealthy (`enable_health_check_routing`).
//!
//! It goes last among what makes a deployment unable to serve, and leaves all where it would leave none: a check that is
//! wrong about everything stops nothing. What is healthy and full is waited for all the same.

use super::{Left, Scope};
use crate::router::Deployment;

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) {
    let settings = &scope.settings.health;
    if !settings.routes(scope.group.configured_name()) {
        return;
    }
    let is_well = |one: &Deployment| {
        let health = &one.spender().health;
        !health.is_unhealthy(settings, scope.now)
    };
    if left.iter().any(|one| is_well(one)) {
        left.retain(|one| is_well(one));
    }
}
