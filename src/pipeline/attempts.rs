//! Within one group: pick a deployment, send, judge, and try again where that may help.
//!
//! A failure is told to its deployment before the next pick. Retries are bounded four times: by their number, by the
//! group's retry budget, by `num_retries_per_request` and by the call's deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Reply;
use super::attempt::{Attempt, Start};
use super::room::{Patience, Ready, ready};
use super::trip::{Hop, Trip, lists};
use super::{hedge, resume};
use crate::config::RetryBudgetConfig;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::router::{Allowance, Backoff, Decision, GroupRuntime, RetryCost, RetryRules, Situation};
use crate::telemetry::events;

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
    /// What the next attempt took from the retry budget.
    pub(super) cost: Option<Paid>,
    /// How long it was waited because the provider asked for it.
    pub(super) waited: Duration,
    /// That the next attempt is a retry: how many there may be, and the error that it follows.
    pub(super) due: Option<(u32, ErrorKind)>,
    /// The error before.
    pub(super) last: Option<Error>,
}

/// What an attempt took from its group's retry budget. Dropped before the attempt is made, it gives it back.
#[derive(Debug)]
pub(super) struct Paid {
    /// `None` once it is spent.
    cost: Option<RetryCost>,
    runtime: Arc<GroupRuntime>,
    config: RetryBudgetConfig,
}

impl Paid {
    /// Spends it: only a success brings it back.
    fn spend(mut self) -> Option<RetryCost> {
        self.cost.take()
    }
}

impl Drop for Paid {
    fn drop(&mut self) {
        if let (Some(cost), Some(budget)) = (
            self.cost.take(),
            self.runtime.retry_budget(Some(self.config)),
        ) {
            budget.give_back(cost, self.config);
        }
    }
}

/// Tries the group's deployments until one answers.
///
/// # Errors
///
/// The newest error.
pub(super) async fn run(trip: &mut Trip<'_>, hop: &Hop<'_>) -> Result<Reply> {
    trip.journal.enter(hop);
    go_on(trip, hop, &mut Tries::default()).await
}

/// Goes on trying from what was tried already.
pub(super) async fn go_on(trip: &mut Trip<'_>, hop: &Hop<'_>, tries: &mut Tries) -> Result<Reply> {
    loop {
        let ready = match ready(trip, hop, tries, &[], Patience::Queue).await {
            Ok(ready) => ready,
            Err(none) => {
                // The tries may outlive this: what was not spent comes back now.
                tries.cost = None;
                return Err(match tries.last.take() {
                    Some(last) => waiting_for(last, none.retry_after()),
                    None => none,
                });
            }
        };
        let attempt = begin(trip, hop, tries, ready);
        let error = match hedge::send(trip, hop, tries, attempt).await {
            Ok(reply) => return Ok(resume::watched(trip, hop, tries, reply)),
            Err(error) => error,
        };
        log(trip, &error);
        if !again(trip, hop, tries, &error).await {
            return Err(told_when(trip, hop, error));
        }
        tries.last = Some(error);
    }
}

/// Says when the group is ready again, where `error` left none of its deployments ready.
fn told_when(trip: &Trip<'_>, hop: &Hop<'_>, error: Error) -> Error {
    if hop.group.called_by_id {
        // It is called whether it cools down or not.
        return error;
    }
    let wait = hop.group.cooling_for(trip.parts.clock.now());
    waiting_for(error, wait)
}

/// Lays a wait over an error whose client waits for one; what AWS asked for stays.
fn waiting_for(error: Error, wait: Option<Duration>) -> Error {
    let asks_to_wait = matches!(error.status().as_u16(), 429 | 503);
    if !asks_to_wait || error.retry_after().is_some() {
        return error;
    }
    error.with_retry_after(wait)
}

/// Begins an attempt on what was picked.
pub(super) fn begin(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    tries: &mut Tries,
    (leave, permit): Ready,
) -> Attempt {
    let picked = leave.picked();
    tries.tried.push(picked.deployment.id.clone());
    if let Some((most, kind)) = tries.due.take() {
        tries.made += 1;
        if let Some(metrics) = hop.group.metrics() {
            events::retry_made(metrics, kind);
        }
        let mut entries = trip.journal.entries();
        entries.retries = tries.made;
        entries.max_retries = Some(most);
    }
    let attempt = Attempt::begin(Start {
        picked,
        group: &hop.group,
        call: trip.call,
        parts: trip.parts,
        asked: &hop.asked,
        journal: trip.journal,
        permit,
        retry_cost: tries.cost.take().and_then(Paid::spend),
    });
    leave.taken_over();
    attempt
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
    let allowance = wanted(trip, hop, tries, error, now)?;
    let (wait, asked_for) = if let Some(wish) = &hop.retry {
        wish.wait(tries.made, tries.waited, error)?
    } else {
        let by_id = hop.group.called_by_id;
        let backoff = Backoff {
            made: tries.made,
            floor: trip.settings().retry_after,
            upstream: error.retry_after(),
            untried_ready: !by_id && hop.group.ready_except(&tries.tried, now) > 0,
        };
        (backoff.wait(trip.parts.dice.draw()), false)
    };
    if (trip.deadline()).is_some_and(|deadline| now + wait >= deadline) {
        return None;
    }
    if !trip.may_go_on() {
        return None;
    }
    tries.cost = budgeted(trip, hop, error.kind())?;
    tries.due = Some((allowance.count, error.kind()));
    if asked_for {
        tries.waited += wait;
    }
    Some(wait)
}

/// Says whether a retry is allowed and may help: the allowance.
fn wanted(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    tries: &mut Tries,
    error: &Error,
    now: Instant,
) -> Option<Allowance> {
    let settings = trip.settings();
    let deployment = || {
        let entries = trip.journal.entries();
        entries.served.as_ref()?.deployment.entry.num_retries
    };
    let rules = RetryRules {
        policy: trip.retry_policy(hop.group.configured_name()),
        asked: trip.call.options.num_retries,
        deployment: deployment(),
        router: settings.num_retries,
    };
    let ready = if hop.group.called_by_id {
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
        return goes_on.then_some(allowance);
    }
    let allowance = *tries
        .allowance
        .get_or_insert_with(|| rules.allowance(error));
    let situation = Situation {
        ready,
        ready_elsewhere: hop.group.ready_except(&tries.refused, now),
    };
    let decision = rules.decide(error, allowance, tries.made, situation);
    (decision == Decision::Retry).then_some(allowance)
}

/// Takes another attempt from the group's budget; `None` where that is empty.
#[expect(
    clippy::option_option,
    reason = "the inner one is a group without a budget"
)]
pub(super) fn budgeted(trip: &Trip<'_>, hop: &Hop<'_>, kind: ErrorKind) -> Option<Option<Paid>> {
    let config = trip.settings().retry_budget;
    let (Some(budget), Some(config)) = (hop.group.runtime.retry_budget(config), config) else {
        return Some(None);
    };
    let cost = budget.take(kind, config, trip.parts.clock.now());
    if cost.is_none()
        && let Some(metrics) = hop.group.metrics()
    {
        events::retry_refused(metrics);
    }
    cost.map(|cost| {
        Some(Paid {
            cost: Some(cost),
            runtime: Arc::clone(&hop.group.runtime),
            config,
        })
    })
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
