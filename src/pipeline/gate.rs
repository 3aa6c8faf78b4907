//! The caller's own gate: may its key make this call, and is there room in its limits?
//!
//! Everything is asked once per call, before a deployment is chosen. A limit of the key on one model leaves other models:
//! then the fallbacks are tried, each asked for at this gate again.

use std::sync::Arc;

use super::admit::{self, model_name};
use super::trip::Hop;
use super::{Call, Settlement};
use crate::canonical::{Pieces, Usage};
use crate::error::Result;
use crate::keys::{ModelName, Reservation, VirtualKey, Wanted};
use crate::limit::{Meters, Permit, Refused};
use crate::state::Parts;
use crate::telemetry::events;

/// Checks the caller's key: the model called `name`, the fallbacks that the request names, its expiry and its budget.
///
/// # Errors
///
/// What the client is told.
pub(super) fn check_key(call: &Call, name: &str, parts: &Parts) -> Result<()> {
    let Some(key) = call.identity.key() else {
        return Ok(());
    };
    let router = &call.snapshot.router;
    let model = model_name(router, key.rename(name), call.asker());
    let fallbacks: Vec<ModelName<'_>> = call
        .options
        .fallbacks
        .targets()
        .map(|target| model_name(router, key.rename(&target.model), call.asker()))
        .collect();
    key.check_call(&Wanted {
        model: &model,
        fallbacks: &fallbacks,
        is_free: key.config.budget.is_some() && is_free(call, key.rename(&call.model)),
        now: parts.clock.now(),
        wall: parts.clock.wall(),
        budget_status: call.snapshot.config.litellm.budget_status,
    })
    .map(drop)
}

/// Checks that the key is not expired and has budget left, for a call that names no model.
///
/// # Errors
///
/// What the client is told.
pub(super) fn check_standing(call: &Call, key: &VirtualKey, parts: &Parts) -> Result<()> {
    let status = call.snapshot.config.litellm.budget_status;
    key.check_standing(parts.clock.now(), parts.clock.wall(), false, status)
}

/// Whether the model costs nothing, by an explicit price of 0.
fn is_free(call: &Call, model: &str) -> bool {
    let free = Some(0.0);
    call.snapshot
        .router
        .resolve(model, call.asker())
        .is_some_and(|resolved| {
            resolved.group.deployments.iter().all(|deployment| {
                let entry = &deployment.entry;
                let pieces = Pieces::expected(&call.request);
                entry.input_cost_per_token == free
                    && entry.output_cost_per_token == free
                    && deployment.cost(&Usage::default(), pieces) <= 0.0
            })
        })
}

/// Takes the call from all limits of its caller, or from none.
///
/// # Errors
///
/// The limit that has no room; it may fall back where it is the key's on one model.
async fn take(call: &Call, hop: &Hop<'_>, parts: &Parts, meters: &[Arc<Meters>]) -> Result<Permit> {
    if meters.is_empty() {
        return Ok(Permit::default());
    }
    let mut cost = hop.asked.cost;
    if admit::needs_tokens(meters) {
        cost.input_tokens = hop.asked.input_tokens(&hop.request, &hop.group);
    }
    let (now, wall) = (parts.clock.now(), parts.clock.wall());
    match parts.limiter.take(meters, cost, now).await {
        Ok(permit) => Ok(permit),
        Err(refused) => {
            if let Refused::Full(full) = refused {
                let (scope, limit) = (full.scope.name(), full.limit.name());
                events::limit_rejected(&call.snapshot.metrics, scope, limit);
            }
            Err(admit::refused(refused, wall))
        }
    }
}

/// Reserves what the call may cost in its key's budget, so that calls at one time cannot all pass what is left of it.
///
/// # Errors
///
/// [`ErrorKind::BudgetReached`](crate::error::ErrorKind::BudgetReached).
fn reserve(call: &Call, hop: &Hop<'_>, parts: &Parts) -> Result<Option<Reservation>> {
    let Some(key) = call.identity.key() else {
        return Ok(None);
    };
    if key.config.budget.is_none() {
        return Ok(None);
    }
    let usd = expected_usd(hop);
    if usd <= 0.0 {
        return Ok(None);
    }
    let status = call.snapshot.config.litellm.budget_status;
    key.reserve(usd, parts.clock.now(), status).map(Some)
}

/// What the dearest deployment of the group would bill for the call, in US dollars.
fn expected_usd(hop: &Hop<'_>) -> f64 {
    let expected = Usage {
        input_tokens: hop.asked.input_tokens(&hop.request, &hop.group),
        output_tokens: hop.asked.cost.output_tokens,
        ..Usage::default()
    };
    let pieces = Pieces::expected(&hop.request);
    let costs = (hop.group.deployments.iter()).map(|deployment| deployment.cost(&expected, pieces));
    costs.fold(0.0, f64::max)
}

/// Reserves the same in the budget of the whole gateway, which holds for every caller.
///
/// # Errors
///
/// [`ErrorKind::BudgetReached`](crate::error::ErrorKind::BudgetReached).
fn reserve_of_gateway(call: &Call, hop: &Hop<'_>, parts: &Parts) -> Result<Option<Reservation>> {
    let spend = call.snapshot.keys.spend();
    if spend.budget.is_none() || is_free(call, &hop.shown) {
        return Ok(None);
    }
    let status = call.snapshot.config.litellm.budget_status;
    spend.reserve(expected_usd(hop), parts.clock.now(), status)
}

/// Takes the call from its caller's budget and limits, and has the books hold both until it is over.
///
/// # Errors
///
/// As [`take`], and a budget that calls under way use up.
pub(super) async fn enter(
    call: &Call,
    hop: &Hop<'_>,
    parts: &Parts,
    books: &mut Settlement,
) -> Result<()> {
    books.reserve(Vec::new());
    let mut reserved = Vec::new();
    reserved.extend(reserve_of_gateway(call, hop, parts)?);
    reserved.extend(reserve(call, hop, parts)?);
    books.reserve(reserved);
    let (policy, group) = (&call.snapshot.keys, hop.group.configured_name());
    let meters = admit::meters(&call.identity, policy, group, &hop.asked.tags);
    let taken = take(call, hop, parts, &meters).await;
    // Who is refused is told of its limits too.
    let (permit, outcome) = match taken {
        Ok(permit) => (permit, Ok(())),
        Err(error) => (Permit::default(), Err(error)),
    };
    books.hold(permit, meters);
    outcome
}
