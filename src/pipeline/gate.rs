//! The caller's own gate: may its key make this call, and is there room in its limits?
//!
//! Everything is asked once per call, before a deployment is chosen. A limit of the key on one model leaves other models:
//! then the fallbacks are tried, each asked for at this gate again.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::admit::{self, model_name};
use super::trip::Hop;
use super::{Call, Settlement};
use crate::canonical::{Pieces, Usage};
use crate::error::Result;
use crate::keys::{Identity, ModelName, Reservation, VirtualKey, Wanted};
use crate::limit::{Cost, Meters, Permit, Refused};
use crate::router::{Asker, ModelGroup};
use crate::state::{Parts, Snapshot};
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
        is_free: key.config.budget.is_some() && is_free_of(call, key.rename(&call.model)),
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

/// Checks what is known of a caller before its request is put together.
///
/// That is its key's expiry and budget, and that its limits for calls of any model have room. Nothing is taken; the gate asks for
/// all of it again.
///
/// # Errors
///
/// What the gate would say.
pub fn check_caller(
    snapshot: &Snapshot,
    identity: &Identity,
    model: &str,
    (now, wall): (Instant, SystemTime),
) -> Result<()> {
    if let Some(key) = identity.key() {
        let status = snapshot.config.litellm.budget_status;
        let is_free = is_free(
            snapshot,
            key.rename(model),
            admit::asker(identity, &snapshot.keys),
            Pieces::default(),
        );
        key.check_standing(now, wall, is_free, status)?;
    }
    let meters = admit::meters_of_any_call(identity, &snapshot.keys);
    let cost = Cost {
        requests: 1,
        input_tokens: 0,
        output_tokens: 0,
    };
    let full = meters
        .iter()
        .find_map(|meters| meters.room(cost, now).err());
    let Some(full) = full else {
        return Ok(());
    };
    events::limit_rejected(&snapshot.metrics, full.scope.name(), full.limit.name());
    let mut error = admit::limit_reached(full, wall);
    for (name, value) in admit::caller_headers(&meters, model, now) {
        error = error.with_header(name, value);
    }
    Err(error)
}

/// Whether the model costs the call nothing, see [`is_free`].
fn is_free_of(call: &Call, model: &str) -> bool {
    let pieces = Pieces::expected(&call.request);
    is_free(&call.snapshot, model, call.asker(), pieces)
}

/// Whether the model costs nothing, by an explicit price of 0.
fn is_free(snapshot: &Snapshot, model: &str, asker: Asker<'_>, pieces: Pieces) -> bool {
    let resolved = snapshot.router.resolve(model, asker);
    resolved.is_some_and(|resolved| is_free_group(&resolved.group, pieces))
}

fn is_free_group(group: &ModelGroup, pieces: Pieces) -> bool {
    let free = Some(0.0);
    group.deployments.iter().all(|deployment| {
        let entry = &deployment.entry;
        entry.input_cost_per_token == free
            && entry.output_cost_per_token == free
            && deployment.cost(&Usage::default(), pieces) <= 0.0
    })
}

/// Checks that the key's budget and the whole gateway's are not spent, for a later model of a call: the first may have been let
/// in because it costs nothing.
///
/// # Errors
///
/// [`ErrorKind::BudgetReached`](crate::error::ErrorKind::BudgetReached).
pub(super) fn check_budgets(call: &Call, hop: &Hop<'_>, parts: &Parts) -> Result<()> {
    let (key, spend) = (call.identity.key(), call.snapshot.keys.spend());
    let has_budget = spend.budget.is_some() || key.is_some_and(|key| key.config.budget.is_some());
    if !has_budget || is_free_group(&hop.group, Pieces::expected(&hop.request)) {
        return Ok(());
    }
    let (now, status) = (
        parts.clock.now(),
        call.snapshot.config.litellm.budget_status,
    );
    spend.check_spent(now, status)?;
    key.map_or(Ok(()), |key| key.check_spent(now, status))
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
    if spend.budget.is_none() || is_free_of(call, &hop.shown) {
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
    let (policy, group) = (&call.snapshot.keys, hop.group.limits_name());
    let meters = admit::meters(&call.identity, policy, &group, &hop.asked.tags);
    let taken = take(call, hop, parts, &meters).await;
    // Who is refused is told of its limits too.
    let (permit, outcome) = match taken {
        Ok(permit) => (permit, Ok(())),
        Err(error) => (Permit::default(), Err(error)),
    };
    books.hold(permit, meters);
    outcome
}
