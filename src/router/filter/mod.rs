//! Filters: each removes the deployments that may not serve this call, in the order in which [`run`] lists them.
//!
//! A filter that leaves none says why. Where LiteLLM's order would let a sticky or full deployment hide one that could
//! serve, the narrowing comes last: stickiness chooses among what is left, health checks leave out what could be picked, and limits
//! are a filter like the others.

mod access;
mod affinity;
mod blocked;
mod budget;
mod context_window;
mod cooldown;
mod health;
mod limits;
mod order;
mod region;
mod tags;
mod team;

use std::sync::Arc;
use std::time::Instant;

pub use affinity::Stickiness;
pub(super) use cooldown::wait_for;

use super::{Asked, Deployment, History, ModelGroup, NoPick};
use crate::config::RouterSettings;
use crate::error::{Error, ErrorKind};

/// What filters go by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) group: &'a ModelGroup,
    pub(super) asked: &'a Asked,
    pub(super) history: History<'a>,
    pub(super) settings: &'a RouterSettings,
    pub(super) now: Instant,
}

/// The deployments that are left.
pub(super) type Left<'a> = Vec<&'a Arc<Deployment>>;

/// Removes from `left` what may not serve the call; at least one stays.
///
/// # Errors
///
/// Why none is left.
pub(super) fn run<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    order::pinned(scope, left)?;
    allowed(scope, left)?;
    blocked::filter(left)?;
    cooldown::filter(scope, left)?;
    budget::of_tags(scope)?;
    budget::filter(scope, left)?;
    context_window::filter(scope, left)?;
    tags::filter(scope, left)?;
    health::filter(scope, left);
    limits::filter(scope, left)?;
    affinity::filter(scope, left);
    order::lowest(scope, left);
    order::excluded(scope, left)?;
    order::untried_first(scope, left);
    Ok(())
}

/// Removes what may not serve a call that names the deployment by its id: past cooldowns, tags, budgets of deployments and
/// order. A tag's budget is the caller's, so it holds.
///
/// # Errors
///
/// Why none is left.
pub(super) fn by_id<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    allowed(scope, left)?;
    blocked::filter(left)?;
    budget::of_tags(scope)?;
    limits::filter(scope, left)
}

/// Removes what the tags of the call leave out.
///
/// # Errors
///
/// As [`run`].
pub(super) fn by_tags<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    tags::filter(scope, left)
}

/// Removes what a caller may not use at all.
fn allowed<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    access::filter(scope, left)?;
    team::filter(scope, left)?;
    region::filter(scope, left)?;
    context_window::web_search(scope, left)
}

/// Removes from `left` what `keeps` does not keep, and says `reason` where none is left.
fn keep(
    left: &mut Left<'_>,
    keeps: impl Fn(&Deployment) -> bool,
    reason: impl FnOnce() -> Error,
) -> Result<(), NoPick> {
    left.retain(|deployment| keeps(deployment));
    if left.is_empty() {
        return Err(NoPick::Error(reason()));
    }
    Ok(())
}

/// Refuses a call that none of the deployments may or can serve.
fn refusal(message: &str) -> Error {
    Error::new(ErrorKind::BadRequest, message).with_param("model")
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
