//! A call with the response cache on: a kept answer, an equal call under way, or an answer of its own that is kept.
//!
//! Equal calls share one call upstream: it runs in a task of its own, and every caller, the first one included, reads what
//! it brings. So it lives while one of them waits, and whoever hangs up ends it for nobody else. Each waits as long as it said
//! it would. The operator's deadline is the shared call's own, from its first caller on: were it each caller's, all of them
//! would leave a deployment that hangs, and nobody would be left to blame it.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::call::deadline_passed;
use super::filling::Filling;
use super::lookup::{Known, Lookup, look_up};
use super::share::Share;
use super::stream::{ChunkSource, Recorder};
use super::trip::{Hop, Trip};
use super::{Call, Journal, Pipeline, Progress, Reply, Settlement, gateway, walk, weight};
use crate::cache::{Flights, Joined, Lead, RoutedBy, Waiter, replay};
use crate::canonical::{Answer, ChatChunk};
use crate::error::{Error, ErrorKind, Result};

/// What a shared call brings.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// It has an answer; who serves it stands in this journal.
    Began(Arc<Journal>),
    /// The whole answer.
    Whole(Arc<Answer>),
    /// Some chunks of a streamed one.
    Chunks(Vec<ChatChunk>),
}

/// Where an answer is kept.
#[derive(Debug, Clone)]
struct Place {
    filling: Filling,
    /// Whether only askers of one team find it there.
    is_for_team: bool,
}

/// What a caller is in a shared call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The first, for whom it is made.
    Leads,
    /// One more.
    Follows,
}

/// Answers a call out of the cache, or has `pipeline` answer it and keeps that.
///
/// # Errors
///
/// What the client is told.
pub(super) async fn answer(
    pipeline: &Pipeline,
    call: &Arc<Call>,
    books: &mut Settlement,
    group: &str,
    routed_by: &RoutedBy,
) -> Result<Reply> {
    let lookup = look_up(call, group, routed_by).await;
    books.looked_up(&lookup);
    match lookup {
        Lookup::Off(_) => pipeline.route(call, books).await,
        Lookup::Hit(known) => Ok(kept(call, *known, books)),
        Lookup::Miss(filling) => {
            let asked = filling.asked(call);
            let place = Place {
                filling,
                is_for_team: routed_by.team.is_some(),
            };
            let filling = &place.filling;
            let flights = &pipeline.flights;
            let flight = flight_of(
                call,
                &filling.shared_key(),
                routed_by,
                pipeline.parts.clock.now(),
            );
            let joined = if filling.may_lead() {
                Some(flights.join(&flight))
            } else {
                let following = filling.may_follow().then(|| flights.follow(&flight));
                following.flatten().map(Joined::Follower)
            };
            let shared = match joined {
                None => None,
                Some(Joined::Follower(waiter)) => {
                    follow(pipeline, call, books, (waiter, Role::Follows)).await?
                }
                Some(Joined::Leader(lead, waiter)) => {
                    let asked = Arc::clone(&asked);
                    let leading = lead_call(pipeline.clone(), asked, lead, place.clone());
                    pipeline.parts.tracker.spawn(leading);
                    follow(pipeline, call, books, (waiter, Role::Leads)).await?
                }
            };
            let reply = if let Some(reply) = shared {
                reply
            } else {
                let reply = pipeline.route(&asked, books).await?;
                keep(&asked, &place, books.journal(), reply)
            };
            Ok(match reply {
                Reply::Whole(answer) => Reply::Whole(Box::new(filling.whole(*answer))),
                other @ (Reply::Stream(..) | Reply::Raw(_)) => other,
            })
        }
    }
}

/// Names the flight of a call: what the kept answers do not tell apart, but calls under way must.
fn flight_of(call: &Call, key: &str, routed_by: &RoutedBy, now: Instant) -> String {
    let options = &call.options;
    let routing = (call.identity.key()).map_or("", |key| key.routing.as_str());
    // Nobody is refused, or pays, by the budget of a tag of somebody else's.
    let budgets = call.snapshot.router.budgets_of(&options.tags);
    let paying: Vec<&str> = budgets.iter().map(|one| one.tag.as_str()).collect();
    let is_spent = (call.identity.key()).is_some_and(|key| key.check_spent(now, None).is_err());
    format!(
        "{key} {} {:?} {} {paying:?} {is_spent} {routing} {:?} {routed_by:?}",
        call.request.is_streamed(),
        options.num_retries,
        options.fallbacks.disabled,
        // Without a key of its own a call may still be the administrator's, or anyone's.
        call.asker()
    )
}

/// A kept answer, as this client wants it.
fn kept(call: &Call, known: Known, books: &mut Settlement) -> Reply {
    if let Some((id, created)) = known.first {
        books.kept(id, created);
    }
    match known.answer {
        Answer::Chat(answer) if call.request.is_streamed() => {
            Reply::Stream(replay(answer), Box::new(ChunkSource::ended()))
        }
        answer => Reply::Whole(Box::new(answer)),
    }
}

/// Keeps an answer on its way to the client; a stream when it has come to its end. What an agent says as a fallback belongs
/// to its session, and what a team's deployment says to the team: neither is kept where others would find it.
fn keep(call: &Call, place: &Place, journal: &Journal, reply: Reply) -> Reply {
    let is_of_team = journal.is_served_by_team() && !place.is_for_team;
    if journal.is_served_by_agent() || is_of_team {
        return reply;
    }
    match (reply, &place.filling) {
        (Reply::Whole(answer), filling) => {
            filling.fill(&answer, call);
            Reply::Whole(answer)
        }
        (Reply::Stream(first, mut source), Filling::Chat(slot)) => {
            if let Some(mut recorder) = Recorder::new(slot.clone(), call) {
                recorder.saw(&first);
                source.record(recorder);
            }
            Reply::Stream(first, source)
        }
        (stream, _) => stream,
    }
}

/// Makes the call that others share.
async fn lead_call(pipeline: Pipeline, call: Arc<Call>, lead: Lead<Piece>, place: Place) {
    let mut shared = Call::clone(&call);
    shared.options.timeout = None;
    shared.options.stream_timeout = None;
    shared.options.deadline = None;
    shared.options.shared = true;
    let call = Arc::new(shared);
    let journal = Arc::<Journal>::default();
    // At once, so that a caller who stops waiting can be told how far it came.
    lead.push(Piece::Began(Arc::clone(&journal)), 0).await;
    let Some(outcome) = lead
        .while_awaited(Box::pin(pipeline.route_into(&call, &journal)))
        .await
    else {
        return;
    };
    let end = match outcome {
        Err(error) => {
            lead.push(Piece::Began(journal), 0).await;
            Err(error)
        }
        Ok(reply) => {
            let reply = keep(&call, &place, &journal, reply);
            lead.push(Piece::Began(journal), 0).await;
            hand_out(reply, &lead).await
        }
    };
    lead.finish(end);
}

/// Hands an answer to all who wait, and returns how it ended.
async fn hand_out(reply: Reply, lead: &Lead<Piece>) -> Result<()> {
    let (mut chunks, mut source) = match reply {
        Reply::Whole(answer) => {
            let bytes = weight::of_answer(&answer);
            lead.push(Piece::Whole(Arc::from(answer)), bytes).await;
            return Ok(());
        }
        Reply::Stream(first, source) => (first, source),
        Reply::Raw(_) => {
            let message = "an answer that is passed through is not shared";
            return Err(Error::new(ErrorKind::Internal, message));
        }
    };
    let mut end = None;
    loop {
        let bytes = chunks.iter().map(weight::of_chunk).sum();
        let is_heard = chunks.is_empty()
            || lead
                .push(Piece::Chunks(std::mem::take(&mut chunks)), bytes)
                .await;
        if let Some(end) = end {
            return end;
        }
        if !is_heard {
            return Ok(());
        }
        let reading = poll_fn(|cx| {
            if lead.poll_abandoned(cx).is_ready() {
                return Poll::Ready(None);
            }
            source.poll_chunks(cx, &mut chunks).map(Some)
        });
        match reading.await {
            None => return Ok(()),
            Some(Ok(Progress::More)) => {}
            Some(Ok(Progress::Done)) => end = Some(Ok(())),
            Some(Err(error)) => end = Some(Err(error)),
        }
    }
}

/// Reads what a shared call brings, as long as this caller waits; `None` where an agent answers, which did so for the first
/// caller alone.
async fn follow(
    pipeline: &Pipeline,
    call: &Arc<Call>,
    books: &mut Settlement,
    (mut waiter, role): (Waiter<Piece>, Role),
) -> Result<Option<Reply>> {
    let mut shared = None;
    let beginning = within_deadline(pipeline, call, beginning(&mut waiter, &mut shared)).await;
    let is_agents = |shared: &Arc<Journal>| shared.is_served_by_agent();
    if role == Role::Follows && beginning.is_ok() && shared.as_ref().is_some_and(is_agents) {
        return Ok(None);
    }
    if let Some(shared) = &shared {
        books.journal().copy_from(shared);
    }
    let first = beginning.inspect_err(|error| say_bound(call, books, error))?;
    match first {
        Piece::Whole(answer) => Ok(Some(Reply::Whole(Box::new(Answer::clone(&answer))))),
        Piece::Chunks(first) => {
            // Whoever reads slowly holds the shared call up, but no other caller longer than the operator says.
            let end = call.deadline().and_then(|deadline| deadline.end);
            let clock = &pipeline.parts.clock;
            let share = Share::new(waiter, &first, call, books.journal(), end, clock);
            let source = Box::new(ChunkSource::shared(share));
            Ok(Some(Reply::Stream(first, source)))
        }
        Piece::Began(_) => Err(Error::new(ErrorKind::Internal, "a shared call began twice")),
    }
}

/// The first piece of the answer; the journal of who serves it goes into `shared`.
async fn beginning(waiter: &mut Waiter<Piece>, shared: &mut Option<Arc<Journal>>) -> Result<Piece> {
    loop {
        match waiter.next().await {
            Some(Ok(Piece::Began(journal))) => *shared = Some(journal),
            Some(piece) => return piece,
            None => {
                let message = "the answer of a shared call ended before it began";
                return Err(Error::new(ErrorKind::Garbled, message));
            }
        }
    }
}

/// Notes the caller's own bound, where that ended its wait: the shared call does not know it.
fn say_bound(call: &Call, books: &Settlement, error: &Error) {
    if let (ErrorKind::Timeout, Some(deadline)) = (error.kind(), call.deadline())
        && let Some(served) = &mut books.journal().entries().served
        && served.timeout.is_zero()
    {
        served.timeout = (deadline.first_content).saturating_duration_since(call.received);
    }
}

/// Waits no longer than the caller said.
async fn within_deadline<T>(
    pipeline: &Pipeline,
    call: &Call,
    waiting: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(deadline) = call.own_deadline() else {
        return waiting.await;
    };
    let now = pipeline.parts.clock.now();
    let left = deadline.first_content.saturating_duration_since(now);
    tokio::time::timeout(left, waiting)
        .await
        .unwrap_or_else(|_| Err(deadline_passed()))
}

impl Pipeline {
    /// Routes a call: its group, then what follows when that fails.
    ///
    /// # Errors
    ///
    /// What the client is told.
    pub(super) async fn route(&self, call: &Arc<Call>, books: &mut Settlement) -> Result<Reply> {
        let journal = Arc::clone(books.journal());
        self.route_into(call, &journal).await
    }

    /// Like [`Pipeline::route`], with what is learned in `journal`.
    pub(super) async fn route_into(
        &self,
        call: &Arc<Call>,
        journal: &Arc<Journal>,
    ) -> Result<Reply> {
        if let Some(asked) = call.options.gateway.as_ref().filter(|asked| asked.routes()) {
            return Box::pin(gateway::answer(call, &self.parts, asked, journal)).await;
        }
        let asked = Cow::Borrowed(&call.request);
        let hop = super::plan::hop(call, &self.parts, &call.model, asked)?;
        journal.enter(&hop);
        self.walk_from(call, hop, journal).await
    }

    /// Walks from the group that the call names over what follows when that fails.
    ///
    /// # Errors
    ///
    /// What the client is told.
    pub(super) async fn walk_from<'a>(
        &'a self,
        call: &'a Arc<Call>,
        mut hop: Hop<'a>,
        journal: &'a Arc<Journal>,
    ) -> Result<Reply> {
        hop.request = super::media::fetch(call, &self.parts).await?;
        let mut trip = Trip::new(call, &self.parts, journal);
        walk::run(&mut trip, &hop, 0).await
    }
}

/// Equal calls under way.
pub(super) type Shared = Flights<Piece>;
