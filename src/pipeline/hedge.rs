//! A second attempt beside the first, where nothing came within `hedge_after`.
//!
//! A hedge is paid tokens: it is off by default, waits for the first content only, takes from the group's retry budget, goes
//! to another deployment, and is counted. The first answer wins; the other attempt is dropped, which ends it upstream.

use std::future::Future;
use std::pin::Pin;

use super::Reply;
use super::attempt::Attempt;
use super::attempts::{Tries, begin};
use super::room::{Patience, give_back, ready};
use super::send::{self, Reason};
use super::trip::{Hop, Trip};
use crate::error::{ErrorKind, Result};
use crate::telemetry::events::{HedgeOutcome, hedge_finished};

/// Sends `first`, and a hedge beside it where one is due.
///
/// # Errors
///
/// Where both fail: the error of the first.
pub(super) async fn send(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    tries: &mut Tries,
    first: Attempt,
) -> Result<Reply> {
    let reason = if tries.made == 0 {
        Reason::Initial
    } else {
        Reason::Retry
    };
    let own = first.deployment().id.clone();
    let Some(after) = trip.settings().hedge_after else {
        return send::attempt(trip, hop, first, reason).await;
    };
    // Boxed, so that calls without a hedge do not carry the room for one.
    let mut sending = Box::pin(send::attempt(trip, hop, first, reason));
    tokio::select! {
        result = &mut sending => return result,
        () = trip.parts.clock.sleep(after) => {}
    }
    let Some(hedge) = Box::pin(second(trip, hop, tries, own)).await else {
        return sending.await;
    };
    trip.journal.entries().hedged = true;
    let hedging = Box::pin(send::attempt(trip, hop, hedge, Reason::Hedge));
    let (result, outcome) = race(sending, hedging).await;
    if let Some(metrics) = hop.group.metrics() {
        hedge_finished(metrics, outcome);
    }
    result
}

/// The other deployment, where there is one that is ready and the budget has the tokens.
async fn second(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    tries: &mut Tries,
    first: String,
) -> Option<Attempt> {
    let (picked, permit) = ready(trip, hop, tries, &[first], Patience::None)
        .await
        .ok()?;
    let config = trip.settings().retry_budget;
    if let (Some(budget), Some(config)) = (hop.group.runtime.retry_budget(config), config) {
        let now = trip.parts.clock.now();
        let Some(cost) = budget.take(ErrorKind::Unavailable, config, now) else {
            give_back(&picked.deployment, picked.pass, trip);
            return None;
        };
        tries.cost = Some(cost);
    }
    Some(begin(trip, hop, tries, &picked, permit))
}

/// The first answer of the two; the other attempt is dropped.
async fn race(
    mut first: Pin<Box<impl Future<Output = Result<Reply>>>>,
    mut hedge: Pin<Box<impl Future<Output = Result<Reply>>>>,
) -> (Result<Reply>, HedgeOutcome) {
    tokio::select! {
        result = &mut first => match result {
            Ok(reply) => (Ok(reply), HedgeOutcome::Lost),
            Err(error) => match hedge.await {
                Ok(reply) => (Ok(reply), HedgeOutcome::Won),
                Err(_) => (Err(error), HedgeOutcome::Lost),
            },
        },
        result = &mut hedge => match result {
            Ok(reply) => (Ok(reply), HedgeOutcome::Won),
            Err(_) => (first.await, HedgeOutcome::Lost),
        },
    }
}
