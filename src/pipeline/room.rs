//! A deployment with room for a call: picked, its permit taken, after a wait if the operator allows one.
//!
//! A deployment at its limit is passed over: no failure, no cooldown. Only when the whole group is full does the call wait, up
//! to `max_queue_ms`, by priority and then in order of arrival; then it is one 429, which may fall back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempts::Tries;
use super::resume;
use super::trip::{Hop, Trip};
use crate::error::{Error, Result};
use crate::limit::{Permit, Queue, Refused, Turn};
use crate::router::{Deployment, History, NoPick, Pass, Picked};
use crate::telemetry::events;

/// How many calls may wait for one group.
const MOST_WAITING: usize = 10_000;

/// A deployment, and the right to call it.
pub(super) type Ready = (Picked, Permit);

/// Whether a call may wait for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as the operator says.
    Queue,
    /// Not at all.
    None,
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
    patience: Patience,
) -> Result<Ready> {
    let longest = longest_wait(trip, hop);
    let queue = &hop.group.runtime.queue;
    if longest.is_zero() || patience == Patience::None {
        return match look(trip, hop, tries, except).await? {
            Found::Ready(ready) if longest.is_zero() => Ok(*ready),
            // It does not wait itself, but others may wait for what it took.
            Found::Ready(ready) => Ok(waking(*ready, queue)),
            Found::Full(wait) => Err(full(wait)),
        };
    }
    let priority = priority(trip);
    let mut room_in = None;
    if !queue.is_ahead_of(priority) {
        match look(trip, hop, tries, except).await? {
            Found::Ready(ready) => return Ok(waking(*ready, queue)),
            Found::Full(wait) => room_in = wait,
        }
    }
    let since = trip.parts.clock.now();
    let waited = Box::pin(wait(trip, hop, tries, room_in, since + longest)).await;
    let took = trip.parts.clock.now().saturating_duration_since(since);
    events::queue_waited(&trip.call.snapshot.metrics, took);
    waited.map(|ready| waking(ready, queue))
}

/// Waits for the call's turn, and looks again, until there is room or `until`.
async fn wait(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    tries: &Tries,
    mut room_in: Option<Duration>,
    until: Instant,
) -> Result<Ready> {
    let queue = &hop.group.runtime.queue;
    let Some(waiting) = queue.enter(priority(trip), MOST_WAITING) else {
        return Err(full(room_in));
    };
    let until = trip
        .deadline()
        .map_or(until, |deadline| until.min(deadline));
    let clock = trip.parts.clock.as_ref();
    loop {
        let room_at = room_in.map(|wait| clock.now() + wait);
        match waiting.turn(room_at, until, clock).await {
            Turn::TooLate => return Err(full(room_in)),
            Turn::Try => {}
        }
        match look(trip, hop, tries, &[]).await? {
            Found::Ready(ready) => {
                waiting.found_room();
                return Ok(*ready);
            }
            Found::Full(wait) => room_in = wait,
        }
    }
}

/// What one look at the group found.
enum Found {
    Ready(Box<Ready>),
    /// No room; when there will be some, where that is known.
    Full(Option<Duration>),
}

async fn look(trip: &Trip<'_>, hop: &Hop<'_>, tries: &Tries, except: &[String]) -> Result<Found> {
    let mut excluded = hop.excluded.clone();
    excluded.extend_from_slice(except);
    if trip.resuming {
        excluded.extend(resume::cannot(&hop.group));
    }
    let mut passed_over = PassedOver::default();
    loop {
        let history = History {
            tried: &tries.tried,
            refused: &tries.refused,
            excluded: &excluded,
            tier: hop.tier,
        };
        let (now, dice) = (trip.parts.clock.now(), &trip.parts.dice);
        let picked = match hop
            .group
            .pick(&hop.asked, history, trip.settings(), dice, now)
        {
            Ok(picked) => picked,
            Err(NoPick::Full { retry_after }) => {
                passed_over.note(retry_after);
                return Ok(Found::Full(passed_over.room_in()));
            }
            Err(none) => {
                if passed_over.is_empty() {
                    return Err(none.into_error());
                }
                return Ok(Found::Full(passed_over.room_in()));
            }
        };
        let deployment = &picked.deployment;
        if !deployment.meters.is_limited() {
            return Ok(Found::Ready(Box::new((picked, Permit::default()))));
        }
        let meters = [Arc::clone(&deployment.meters)];
        match trip.parts.limiter.take(&meters, hop.asked.cost, now).await {
            Ok(permit) => return Ok(Found::Ready(Box::new((picked, permit)))),
            Err(Refused::StoreAway) => {
                give_back(deployment, picked.pass, trip);
                return Err(Refused::store_away());
            }
            Err(Refused::Full(full)) => {
                let (scope, limit) = (full.scope.name(), full.limit.name());
                events::limit_rejected(&trip.call.snapshot.metrics, scope, limit);
                give_back(deployment, picked.pass, trip);
                passed_over.note(full.retry_after);
                if hop.group.called_by_id {
                    // No other may serve the call, and what is left out would be picked again.
                    return Ok(Found::Full(passed_over.room_in()));
                }
                excluded.push(deployment.id.clone());
            }
        }
    }
}

/// What is known of the deployments that were full.
#[derive(Debug, Default)]
struct PassedOver {
    total: usize,
    /// The shortest wait that is known.
    soonest: Option<Duration>,
    /// Whether one may have room at any time.
    any_time: bool,
}

impl PassedOver {
    fn note(&mut self, wait: Option<Duration>) {
        self.total += 1;
        match wait {
            None => self.any_time = true,
            Some(wait) => {
                self.soonest = Some(self.soonest.map_or(wait, |soonest| soonest.min(wait)));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// When there will be room; `None` where that may be at any time.
    fn room_in(&self) -> Option<Duration> {
        self.soonest.filter(|_| !self.any_time)
    }
}

/// A pass that is not used: a probe is due again.
fn give_back(deployment: &Deployment, pass: Pass, trip: &Trip<'_>) {
    let now = trip.parts.clock.now();
    deployment.runtime.breaker.abandoned(pass, now);
}

/// How long the call may wait: the longest that a deployment of the group, or the router, allows.
fn longest_wait(trip: &Trip<'_>, hop: &Hop<'_>) -> Duration {
    let settings = trip.settings();
    let of_deployments = hop.group.deployments.iter();
    of_deployments
        .map(|deployment| {
            deployment
                .entry
                .limits
                .max_queue
                .unwrap_or(settings.max_queue)
        })
        .max()
        .unwrap_or_default()
}

/// 0 goes first; who says nothing goes last.
fn priority(trip: &Trip<'_>) -> u32 {
    let own = trip.call.options.priority;
    own.or(trip.settings().default_priority).unwrap_or(u32::MAX)
}

/// Has the permit wake who waits next when it comes back.
fn waking((picked, permit): Ready, queue: &Arc<Queue>) -> Ready {
    (picked, permit.waking(Some(Arc::clone(queue))))
}

/// Every deployment that is left is at a limit.
fn full(retry_after: Option<Duration>) -> Error {
    let wait = retry_after.or(Some(Duration::from_secs(1)));
    NoPick::Full { retry_after: wait }.into_error()
}
