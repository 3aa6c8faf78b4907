//! A second attempt beside the first, where nothing came within `hedge_after`.
//!
//! A hedge is paid tokens: it is off by default, waits for the first content only, takes from the group's retry budget, goes
//! to another deployment, and is counted. The first answer wins; the other attempt is dropped, which ends it upstream.

use std::future::Future;
use std::pin::Pin;

use super::attempt::Attempt;
use super::attempts::{Tries, begin, budgeted};
use super::room::{Patience, ready};
use super::send::{self, Reason};
use super::trip::{Hop, Trip};
use super::{Journal, Reply};
use crate::error::{Error, ErrorKind, Result, Retry};
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
    // What an agent is told twice it may do twice.
    let after = trip.settings().hedge_after;
    let Some(after) = after.filter(|_| !hop.group.has_agents()) else {
        return send::attempt(trip, hop, first, reason).await;
    };
    let own = first.deployment().id.clone();
    // Boxed, so that calls without a hedge do not carry the room for one.
    let mut sending = Box::pin(send::attempt(trip, hop, first, reason));
    tokio::select! {
        result = &mut sending => return result,
        () = trip.parts.clock.sleep(after) => {}
    }
    // The other one is looked for while the first goes on: it may take a while where limits are shared.
    let looking = Box::pin(second(trip, hop, tries, &own));
    let hedge = tokio::select! {
        result = &mut sending => return result,
        hedge = looking => hedge,
    };
    let Some(hedge) = hedge else {
        return sending.await;
    };
    let other = hedge.deployment().id.clone();
    trip.journal.entries().hedged = true;
    let hedging = Box::pin(send::attempt(trip, hop, hedge, Reason::Hedge));
    let (result, outcome) = match race(trip.journal, sending, hedging).await {
        Race::Won(reply, outcome) => (Ok(reply), outcome),
        Race::BothFailed { first, hedge } => {
            if hedge.retry() == Retry::Elsewhere {
                tries.refused.push(other);
            }
            // The error is the first's, so that is the one that was tried last.
            tries.tried.push(own);
            (Err(first), HedgeOutcome::Lost)
        }
    };
    if let Some(metrics) = hop.group.metrics() {
        hedge_finished(metrics, outcome);
    }
    result
}

/// The other deployment, where there is one that is ready and the budget has the tokens.
async fn second(trip: &Trip<'_>, hop: &Hop<'_>, tries: &mut Tries, first: &str) -> Option<Attempt> {
    if hop.group.deployments.len() < 2 {
        return None;
    }
    // The budget first: a deployment's limits do not take back a request. Its tokens come back where nothing is begun, also
    // when the first attempt answers while this waits.
    let cost = budgeted(trip, hop, ErrorKind::Unavailable)?;
    let except = [first.to_owned()];
    let ready = ready(trip, hop, tries, &except, Patience::None)
        .await
        .ok()?;
    tries.cost = cost;
    Some(begin(trip, hop, tries, ready))
}

/// What two attempts come to.
enum Race {
    Won(Reply, HedgeOutcome),
    BothFailed { first: Error, hedge: Error },
}

/// The first answer of the two; the other attempt is dropped. Where both fail, the journal says who the first was.
async fn race(
    journal: &Journal,
    mut first: Pin<Box<impl Future<Output = Result<Reply>>>>,
    mut hedge: Pin<Box<impl Future<Output = Result<Reply>>>>,
) -> Race {
    tokio::select! {
        result = &mut first => match result {
            Ok(reply) => Race::Won(reply, HedgeOutcome::Lost),
            Err(first) => {
                let leg = journal.leg();
                match hedge.await {
                    Ok(reply) => Race::Won(reply, HedgeOutcome::Won),
                    Err(hedge) => {
                        journal.back_to(leg);
                        Race::BothFailed { first, hedge }
                    }
                }
            }
        },
        result = &mut hedge => match result {
            Ok(reply) => Race::Won(reply, HedgeOutcome::Won),
            Err(hedge) => match first.await {
                Ok(reply) => Race::Won(reply, HedgeOutcome::Lost),
                Err(first) => Race::BothFailed { first, hedge },
            },
        },
    }
}
