//! A deployment with room for a call: picked, its permit taken, after a wait if the operator allows one.
//!
//! A deployment at its limit is passed over: no failure, no cooldown. Only when the whole group is full does the call wait, up
//! to `max_queue_ms`, by priority and then in order of arrival; then it is one 429, which may fall back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempts::Tries;
use super::resume;
use super::trip::{Hop, Trip};
use crate::canonical::OperationKind;
use crate::error::{Error, Result};
use crate::limit::{LimitName, Permit, Queue, Refused, Scope, Turn};
use crate::router::{History, NoPick, Picked};
use crate::telemetry::events;

/// How many calls may wait for one group.
const MOST_WAITING: usize = 10_000;

/// A deployment, and the right to call it. The leave goes first when both are dropped, so that who is woken by the permit
/// finds a probe due.
pub(super) type Ready = (Leave, Permit);

/// What was picked, until an attempt takes it over. Dropped before that, it leaves a probe due again: a call may end at any
/// wait, and nobody else would know of the probe.
#[derive(Debug)]
pub(super) struct Leave {
    picked: Picked,
    is_taken_over: bool,
}

impl Leave {
    fn new(picked: Picked) -> Self {
        Self {
            picked,
            is_taken_over: false,
        }
    }

    /// Returns what was picked.
    pub(super) fn picked(&self) -> &Picked {
        &self.picked
    }

    /// Notes that an attempt has begun, which now answers for the probe.
    pub(super) fn taken_over(mut self) {
        self.is_taken_over = true;
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if !self.is_taken_over {
            let runtime = &self.picked.deployment.runtime;
            runtime.breaker.abandon(self.picked.pass);
        }
    }
}

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
            Found::Full(no_room) => Err(full(trip, no_room)),
        };
    }
    let priority = priority(trip);
    let mut no_room = NoRoom::default();
    if !queue.is_ahead_of(priority) {
        match look(trip, hop, tries, except).await? {
            Found::Ready(ready) => return Ok(waking(*ready, queue)),
            Found::Full(found) => no_room = found,
        }
    }
    let since = trip.parts.clock.now();
    let waited = Box::pin(wait(trip, hop, tries, no_room, since + longest)).await;
    let took = trip.parts.clock.now().saturating_duration_since(since);
    events::queue_waited(&trip.call.snapshot.metrics, took);
    waited.map(|ready| waking(ready, queue))
}

/// Waits for the call's turn, and looks again, until there is room or `until`.
async fn wait(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    tries: &Tries,
    mut no_room: NoRoom,
    until: Instant,
) -> Result<Ready> {
    let queue = &hop.group.runtime.queue;
    let Some(waiting) = queue.enter(priority(trip), MOST_WAITING) else {
        return Err(full(trip, no_room));
    };
    let until = trip
        .deadline()
        .map_or(until, |deadline| until.min(deadline));
    let clock = trip.parts.clock.as_ref();
    loop {
        let room_at = no_room.until.map(|wait| clock.now() + wait);
        match waiting.turn(room_at, until, clock).await {
            Turn::TooLate => return Err(full(trip, no_room)),
            Turn::Try => {}
        }
        match look(trip, hop, tries, &[]).await? {
            Found::Ready(ready) => {
                waiting.found_room();
                return Ok(*ready);
            }
            Found::Full(found) => no_room = found,
        }
    }
}

/// What one look at the group found.
enum Found {
    Ready(Box<Ready>),
    Full(NoRoom),
}

/// Every deployment that is left is at a limit.
#[derive(Debug, Clone, Copy, Default)]
struct NoRoom {
    /// When there will be room, where that is known.
    until: Option<Duration>,
    /// Which limit one of them is at; `None` before anybody looked.
    limit: Option<LimitName>,
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
        let leave = match hop
            .group
            .pick(&hop.asked, history, trip.settings(), dice, now)
        {
            Ok(picked) => Leave::new(picked),
            Err(NoPick::Full { retry_after, limit }) => {
                passed_over.note(retry_after, limit);
                return Ok(Found::Full(passed_over.no_room()));
            }
            Err(none) => {
                if passed_over.is_empty() {
                    return Err(none.into_error());
                }
                return Ok(Found::Full(passed_over.no_room()));
            }
        };
        let deployment = &leave.picked().deployment;
        let is_free = hop.request.operation() == OperationKind::Count;
        if is_free || !deployment.meters.is_limited() {
            return Ok(Found::Ready(Box::new((leave, Permit::default()))));
        }
        let meters = [Arc::clone(&deployment.meters)];
        match trip.parts.limiter.take(&meters, hop.asked.cost, now).await {
            Ok(permit) => return Ok(Found::Ready(Box::new((leave, permit)))),
            Err(Refused::StoreAway) => return Err(Refused::store_away()),
            Err(Refused::Full(full)) => {
                passed_over.note(full.retry_after, full.limit);
                if hop.group.called_by_id {
                    // No other may serve the call, and what is left out would be picked again.
                    return Ok(Found::Full(passed_over.no_room()));
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
    /// Which limit the last one is at.
    limit: Option<LimitName>,
}

impl PassedOver {
    fn note(&mut self, wait: Option<Duration>, limit: LimitName) {
        self.total += 1;
        self.limit = Some(limit);
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

    fn no_room(&self) -> NoRoom {
        NoRoom {
            until: self.soonest.filter(|_| !self.any_time),
            limit: self.limit,
        }
    }
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
fn waking((leave, permit): Ready, queue: &Arc<Queue>) -> Ready {
    (leave, permit.waking(Some(Arc::clone(queue))))
}

/// The error of a call that no deployment has room for.
fn full(trip: &Trip<'_>, no_room: NoRoom) -> Error {
    let limit = no_room.limit.unwrap_or(LimitName::Parallel);
    let metrics = &trip.call.snapshot.metrics;
    events::limit_rejected(metrics, Scope::Deployment.name(), limit.name());
    let retry_after = no_room.until.or(Some(Duration::from_secs(1)));
    NoPick::Full { retry_after, limit }.into_error()
}
