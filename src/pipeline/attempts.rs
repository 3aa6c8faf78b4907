//! Within one group: pick a deployment, send, judge, and try again where that may help.
//!
//! A failure is told to its deployment before the next pick. Retries are bounded four times: by their number, by the
//! group's retry budget, by `num_retries_per_request` and by the call's deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Reply;
use super::attempt::{Attempt, Start};
use super::trip::{Hop, Trip, lists};
use super::{hedge, resume};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::limit::{Full, Permit, Refused};
use crate::router::{
    Allowance, Backoff, Decision, Deployment, History, NoPick, Pass, Picked, RetryCost, RetryRules,
    Situation,
};

/// What was tried in one group.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// Deployments, by id, in order.
    pub(super) tried: Vec<String>,
    /// Of those, the ones whose refusal will not change.
    pub(super) refused: Vec<String>,
    /// Retries made.
    pub(super) made: u32,
    /// How many there may be; decided by the first error.
    pub(super) allowance: Option<Allowance>,
    /// What the running attempt took from the retry budget.
    pub(super) cost: Option<RetryCost>,
    /// How long it was waited because the provider asked for it.
    pub(super) waited: Duration,
    /// The error before.
    pub(super) last: Option<Error>,
}

/// Tries the group's deployments until one answers.
///
/// # Errors
///
/// The newest error.
pub(super) async fn run(trip: &mut Trip<'_>, hop: &Hop<'_>) -> Result<Reply> {
    trip.journal.enter(&hop.shown);
    go_on(trip, hop, &mut Tries::default()).await
}

/// Goes on trying from what was tried already.
pub(super) async fn go_on(trip: &mut Trip<'_>, hop: &Hop<'_>, tries: &mut Tries) -> Result<Reply> {
    loop {
        let (picked, permit) = match ready(trip, hop, tries, &[]).await {
            Ok(ready) => ready,
            Err(none) => return Err(tries.last.take().unwrap_or(none)),
        };
        let attempt = begin(trip, hop, tries, &picked, permit);
        let error = match hedge::send(trip, hop, tries, attempt).await {
            Ok(reply) => return Ok(resume::watched(trip, hop, tries, reply)),
            Err(error) => error,
        };
        log(trip, &error);
        if !again(trip, hop, tries, &error).await {
            return Err(error);
        }
        tries.last = Some(error);
    }
}

/// Begins an attempt on what was picked.
pub(super) fn begin(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    tries: &mut Tries,
    picked: &Picked,
    permit: Permit,
) -> Attempt {
    tries.tried.push(picked.deployment.id.clone());
    Attempt::begin(Start {
        picked,
        group: &hop.group,
        snapshot: &trip.call.snapshot,
        clock: &trip.parts.clock,
        permit,
        retry_cost: tries.cost.take(),
    })
}

/// Picks a deployment that has room, and takes its permit. `except` are left out beside what the hop leaves out.
///
/// # Errors
///
/// Why there is none: what the client would be told.
pub(super) async fn ready(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    tries: &Tries,
    except: &[String],
) -> Result<(Picked, Permit)> {
    let mut excluded = hop.excluded.clone();
    excluded.extend_from_slice(except);
    if trip.resuming {
        excluded.extend(resume::cannot(&hop.group));
    }
    let mut fullest: Option<Full> = None;
    loop {
        let history = History {
            tried: &tries.tried,
            refused: &tries.refused,
            excluded: &excluded,
            tier: hop.tier,
        };
        let now = trip.parts.clock.now();
        let dice = &trip.parts.dice;
        let picked = hop
            .group
            .pick(&hop.asked, history, trip.settings(), dice, now)
            .map_err(|none| match fullest {
                Some(full) => all_full(full.retry_after),
                None => no_pick(none),
            })?;
        let meters = &picked.deployment.meters;
        if !meters.is_limited() {
            return Ok((picked, Permit::default()));
        }
        let limiter = &trip.parts.limiter;
        match limiter
            .take(&[Arc::clone(meters)], hop.asked.cost, now)
            .await
        {
            Ok(permit) => return Ok((picked, permit)),
            Err(Refused::StoreAway) => {
                give_back(&picked.deployment, picked.pass, trip);
                return Err(Refused::store_away());
            }
            Err(Refused::Full(full)) => {
                give_back(&picked.deployment, picked.pass, trip);
                excluded.push(picked.deployment.id.clone());
                let sooner = |known: &Full| known.retry_after <= full.retry_after;
                fullest = Some(fullest.filter(sooner).unwrap_or(full));
            }
        }
    }
}

/// A pass that is not used: a probe is due again.
pub(super) fn give_back(deployment: &Deployment, pass: Pass, trip: &Trip<'_>) {
    let now = trip.parts.clock.now();
    deployment.runtime.breaker.abandoned(pass, now);
}

/// Says whether the group is tried again after `error`, and waits until it is time.
async fn again(trip: &mut Trip<'_>, hop: &Hop<'_>, tries: &mut Tries, error: &Error) -> bool {
    let Some(wait) = judge(trip, hop, tries, error) else {
        return false;
    };
    if !wait.is_zero() {
        trip.parts.clock.sleep(wait).await;
    }
    true
}

/// Says how long to wait before the next attempt in the group; `None` where there is none.
pub(super) fn judge(
    trip: &mut Trip<'_>,
    hop: &Hop<'_>,
    tries: &mut Tries,
    error: &Error,
) -> Option<Duration> {
    let now = trip.parts.clock.now();
    if error.retry() == Retry::Elsewhere
        && let Some(last) = tries.tried.last()
    {
        tries.refused.push(last.clone());
    }
    let (allowance, ready) = wanted(trip, hop, tries, error, now)?;
    let (wait, asked_for) = if let Some(wish) = &hop.retry {
        wish.wait(tries.made, tries.waited, error)?
    } else {
        let backoff = Backoff {
            made: tries.made,
            floor: trip.settings().retry_after,
            upstream: error.retry_after(),
            another_ready: hop.group.deployments.len() > 1 && ready > 0 && !hop.by_id,
        };
        (backoff.wait(trip.parts.dice.draw()), false)
    };
    if (trip.deadline()).is_some_and(|deadline| now + wait >= deadline) {
        return None;
    }
    if !trip.may_go_on() {
        return None;
    }
    tries.cost = budgeted(trip, hop, error)?;
    tries.made += 1;
    if asked_for {
        tries.waited += wait;
    }
    let mut entries = trip.journal.entries();
    entries.retries = tries.made;
    entries.max_retries = Some(allowance.count);
    Some(wait)
}

/// Says whether a retry is allowed and may help: the allowance, and how many deployments are ready.
fn wanted(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    tries: &mut Tries,
    error: &Error,
    now: Instant,
) -> Option<(Allowance, usize)> {
    let settings = trip.settings();
    let deployment = || {
        let entries = trip.journal.entries();
        entries.served.as_ref()?.deployment.entry.num_retries
    };
    let rules = RetryRules {
        policy: settings
            .group_retry_policies
            .get(&hop.group.name)
            .or(settings.retry_policy.as_ref()),
        asked: trip.call.options.num_retries,
        deployment: deployment(),
        router: settings.num_retries,
    };
    let ready = if hop.by_id {
        1
    } else {
        hop.group.ready_total(now)
    };
    if let Some(wish) = &hop.retry {
        let listed = lists(&wish.on_status, error) && !error.is_final();
        let goes_on = listed && tries.made < wish.attempts && ready > 0;
        let allowance = Allowance {
            count: wish.attempts,
            by_policy: true,
        };
        return goes_on.then_some((allowance, ready));
    }
    let allowance = *tries
        .allowance
        .get_or_insert_with(|| rules.allowance(error));
    let situation = Situation {
        ready,
        ready_elsewhere: hop.group.ready_except(&tries.refused, now),
    };
    let decision = rules.decide(error, allowance, tries.made, situation);
    (decision == Decision::Retry).then_some((allowance, ready))
}

/// Takes the retry from the group's budget; `None` where that is empty.
#[expect(
    clippy::option_option,
    reason = "the inner one is a group without a budget"
)]
fn budgeted(trip: &Trip<'_>, hop: &Hop<'_>, error: &Error) -> Option<Option<RetryCost>> {
    let config = trip.settings().retry_budget;
    let (Some(budget), Some(config)) = (hop.group.runtime.retry_budget(config), config) else {
        return Some(None);
    };
    budget
        .take(error.kind(), config, trip.parts.clock.now())
        .map(Some)
}

fn no_pick(none: NoPick) -> Error {
    match none {
        NoPick::Error(error) => error,
        NoPick::Cooling { retry_after } => Error::new(
            ErrorKind::NoDeployment,
            format!(
                "No deployments available for selected model, Try again in {} seconds.",
                seconds_up(retry_after)
            ),
        )
        .with_retry_after(Some(retry_after)),
        NoPick::Full { retry_after } => all_full(retry_after),
    }
}

/// Every deployment that is left is at a limit.
fn all_full(retry_after: Option<Duration>) -> Error {
    let wait = retry_after.unwrap_or(Duration::from_secs(1));
    Error::new(
        ErrorKind::NoDeployment,
        "No deployments available for selected model: every one is at a limit of requests, tokens or calls at one time.",
    )
    .with_type("rate_limit_error")
    .with_retry_after(Some(wait))
}

/// Whole seconds, rounded up.
fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn log(trip: &Trip<'_>, error: &Error) {
    let call_id = &trip.call.id;
    if error.kind() == ErrorKind::Internal {
        tracing::error!(%call_id, error = %chain(error), "attempt failed");
    } else {
        tracing::debug!(%call_id, error = %chain(error), "attempt failed");
    }
}

/// The error and its causes, in one line.
fn chain(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        line.push_str(": ");
        line.push_str(&next.to_string());
        cause = next.source();
    }
    line
}
