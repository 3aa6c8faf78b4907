//! From group to group: what is tried after a group failed.
//!
//! First the group's higher `order` tiers, then what is left of it by weight (`enable_weighted_failover`), then the
//! fallbacks that its error leads to, each of them through the whole of this again. Targets are tried once in a call, so
//! that lists may lead in circles; `max_fallbacks` bounds how deep one list leads to another.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::trip::{Hop, Trip};
use super::{Call, Reply, Settlement, admit, attempts, gate, media, plan, resume};
use crate::canonical::{Answer, ChatChunk, Request};
use crate::config::{FallbackTarget, StrategyName};
use crate::dialect::laid_over;
use crate::error::{Error, ErrorKind, Fallback, Result};
use crate::limit::Permit;
use crate::router::{Deployment, ModelGroup};
use crate::state::Parts;
use crate::telemetry::metrics::GroupMetrics;
use crate::telemetry::{events, names};

/// A walk, which may begin another.
type Walking<'w> = Pin<Box<dyn Future<Output = Result<Reply>> + Send + 'w>>;

/// Tries a group, then what follows when it fails. `depth` says how many lists led here.
///
/// # Errors
///
/// The first group's error, or that of its last tier.
pub(super) async fn run<'a>(trip: &mut Trip<'a>, hop: &Hop<'a>, depth: u32) -> Result<Reply> {
    let outcome = attempts::run(trip, hop).await;
    let error = match outcome {
        Ok(reply) => match refused(trip, hop, &reply) {
            None => return Ok(reply),
            Some(error) => error,
        },
        Err(error) => error,
    };
    after(trip, hop, depth, error).await
}

/// The fallbacks of a call that did not come as far as its group: a limit of its key on the model kept it from there, or
/// its name is unknown and the operator lets mistakes of the caller fall back (`hop` is `None`). Any other error stands.
///
/// # Errors
///
/// `error`, where nothing else answers.
pub(super) async fn around(
    call: &Arc<Call>,
    parts: &Parts,
    hop: Option<&Hop<'_>>,
    books: &mut Settlement,
    error: Error,
) -> Result<Reply> {
    let on_4xx = hop.is_none() && call.snapshot.config.router.fallback_on_4xx;
    if error.fallback(on_4xx) == Fallback::None || call.options.fallbacks.disabled {
        return Err(error);
    }
    let journal = Arc::clone(books.journal());
    let mut trip = Trip::new(call, parts, &journal);
    let names = match hop {
        Some(hop) => [hop.shown.as_str(), hop.group.configured_name()],
        None => [call.model.as_str(); 2],
    };
    let [shown, _] = names;
    trip.attempted.note_group(shown);
    let leg = journal.leg();
    // Once, for the first target that is entered.
    let mut fetched = None;
    for target in trip.fallbacks().after(&names, &error) {
        if !trip.attempted.is_new(&target) {
            continue;
        }
        let next = match hop_to(&trip, &target, &Cow::Borrowed(&call.request)) {
            Ok(next) => next,
            Err(error) => {
                passed_over(&trip, &target, &error);
                continue;
            }
        };
        if gate::enter(call, &next, parts, books).await.is_err() {
            continue;
        }
        let group = hop.map(|hop| &*hop.group);
        fell_back(&trip, group, &target.model, &error);
        let mut request = match &fetched {
            Some(fetched) => Cow::clone(fetched),
            None => fetched.insert(media::fetch(call, parts).await?).clone(),
        };
        if !target.overrides.is_empty() {
            request = Cow::Owned(laid_over(&request, &target.overrides)?);
        }
        let next = Hop { request, ..next };
        let outcome = run(&mut trip, &next, 1).await;
        ended(&trip, group, &target.model, &outcome);
        if let Ok(reply) = outcome {
            return Ok(reply);
        }
        // The next target is not to be refused for what this one holds.
        books.hold(Permit::default(), Vec::new());
        if journal.entries().may_have_acted {
            break;
        }
    }
    journal.back_to(leg);
    // The client is told of the limits that its error is about.
    let meters = hop.map(|hop| {
        let name = hop.group.limits_name();
        admit::meters(&call.identity, &call.snapshot.keys, &name, &hop.asked.tags)
    });
    books.hold(Permit::default(), meters.unwrap_or_default());
    Err(error)
}

/// What follows when a group failed with `error`.
pub(super) fn after<'w, 'a: 'w>(
    trip: &'w mut Trip<'a>,
    hop: &'w Hop<'a>,
    depth: u32,
    error: Error,
) -> Walking<'w> {
    Box::pin(async move {
        if trip.call.options.fallbacks.disabled || hop.retry.is_some() || trip.is_too_late() {
            return Err(error);
        }
        let error = match tiers(trip, hop, &error).await {
            Ok(reply) => return Ok(reply),
            Err(last) => last.unwrap_or(error),
        };
        let leg = trip.journal.leg();
        if let Some(reply) = by_weight(trip, hop, depth, &error).await {
            return Ok(reply);
        }
        if let Some(reply) = targets(trip, hop, depth, &error).await {
            return Ok(reply);
        }
        trip.journal.back_to(leg);
        Err(error)
    })
}

/// The group's higher tiers, one after the other. `Err(None)`: it has none that is to be tried.
async fn tiers<'a>(
    trip: &mut Trip<'a>,
    hop: &Hop<'a>,
    error: &Error,
) -> Result<Reply, Option<Error>> {
    if hop.tier.is_some() || error.fallback(trip.settings().fallback_on_4xx) != Fallback::General {
        return Err(None);
    }
    let reached = {
        let entries = trip.journal.entries();
        let served = entries.served.as_ref().map(|served| &served.deployment);
        // Where nothing of this group was sent, it is the group's before.
        let is_own = |served: &&Arc<Deployment>| {
            let mut own = hop.group.deployments.iter();
            own.any(|deployment| deployment.id == served.id)
        };
        served
            .filter(is_own)
            .and_then(|served| hop.group.order_of(served))
    };
    let mut last = None;
    for tier in hop.group.tiers() {
        if reached.is_none_or(|reached| tier <= reached) || trip.is_too_late() || !trip.may_go_on()
        {
            continue;
        }
        fell_back(trip, Some(&*hop.group), &hop.shown, error);
        let hop = Hop {
            tier: Some(tier),
            ..hop.clone()
        };
        let outcome = attempts::run(trip, &hop).await;
        ended(trip, Some(&*hop.group), &hop.shown, &outcome);
        match outcome {
            Ok(reply) => return Ok(reply),
            Err(error) => last = Some(error),
        }
    }
    Err(last)
}

/// What is left of the group, without what failed (`enable_weighted_failover`).
async fn by_weight<'a>(
    trip: &mut Trip<'a>,
    hop: &Hop<'a>,
    depth: u32,
    error: &Error,
) -> Option<Reply> {
    let settings = trip.settings();
    let mut rest = hop.clone();
    let mut error = error.clone();
    for _ in depth..settings.max_fallbacks {
        if !settings.weighted_failover
            || hop.group.strategy.name != StrategyName::SimpleShuffle
            || error.fallback(settings.fallback_on_4xx) != Fallback::General
            || rest.excluded.len() + 1 >= hop.group.deployments.len()
        {
            return None;
        }
        let failed = {
            let entries = trip.journal.entries();
            entries.served.as_ref()?.deployment.id.clone()
        };
        if rest.excluded.contains(&failed) || !trip.may_go_on() {
            return None;
        }
        rest.excluded.push(failed);
        fell_back(trip, Some(&*hop.group), &hop.shown, &error);
        let outcome = attempts::run(trip, &rest).await;
        ended(trip, Some(&*hop.group), &hop.shown, &outcome);
        match outcome {
            Ok(reply) => return Some(reply),
            Err(next) => error = next,
        }
    }
    None
}

/// The fallbacks that the error leads to, in order; `None` where none answered.
async fn targets<'a>(
    trip: &mut Trip<'a>,
    hop: &Hop<'a>,
    depth: u32,
    error: &Error,
) -> Option<Reply> {
    if depth >= trip.settings().max_fallbacks {
        return None;
    }
    let names = [hop.shown.as_str(), hop.group.configured_name()];
    let mut lists = trip.fallbacks();
    if depth > 0 {
        lists = lists.for_later_group();
    } else {
        // A later group was noted when it was chosen; the first one matters only now.
        for name in names {
            trip.attempted.note_group(name);
        }
    }
    for target in lists.after(&names, error) {
        if !trip.attempted.is_new(&target) {
            continue;
        }
        // What the key may not call, or pay for, and what is not there, is passed over.
        let mut next = match hop_to(trip, &target, &hop.request) {
            Ok(next) => next,
            Err(error) => {
                passed_over(trip, &target, &error);
                continue;
            }
        };
        if trip.resuming && !resume::goes_on_with(&target, &next.request) {
            continue;
        }
        if trip.is_too_late() || !trip.may_go_on() {
            return None;
        }
        next.depth = depth + 1;
        fell_back(trip, Some(&*hop.group), &target.model, error);
        let walking: Walking<'_> = Box::pin(run(trip, &next, depth + 1));
        let outcome = walking.await;
        ended(trip, Some(&*hop.group), &target.model, &outcome);
        if let Ok(reply) = outcome {
            return Some(reply);
        }
    }
    None
}

/// The hop to a fallback target, with what it lays over the request; none where a budget has nothing left for it.
fn hop_to<'a>(
    trip: &Trip<'a>,
    target: &FallbackTarget,
    asked: &Cow<'a, Request>,
) -> Result<Hop<'a>> {
    let request = if target.overrides.is_empty() {
        asked.clone()
    } else {
        Cow::Owned(laid_over(asked, &target.overrides)?)
    };
    let hop = plan::hop(trip.call, trip.parts, &target.model, request)?;
    gate::check_budgets(trip.call, &hop, trip.parts)?;
    Ok(hop)
}

/// Says that a target is passed over, and why: what the key may not call, or pay for, what is not there, or what the request's
/// operation cannot take.
fn passed_over(trip: &Trip<'_>, target: &FallbackTarget, error: &Error) {
    let (call_id, kind) = (&trip.call.id, error.kind().name());
    let param = error.param().unwrap_or_default();
    let model = target_label(trip, &target.model);
    tracing::info!(%call_id, model, error = kind, param, "a fallback is passed over");
}

/// Counts a step to another tier or group.
fn fell_back(trip: &Trip<'_>, from: Option<&ModelGroup>, to: &str, error: &Error) {
    let mut entries = trip.journal.entries();
    entries.fallbacks += 1;
    if trip.call.options.include_fallback_errors {
        entries.errors.push(error.clone());
    }
    drop(entries);
    events::fallback_made(counted(trip, from), target_label(trip, to), error.kind());
}

/// Says what became of a step to another tier or group.
fn ended(trip: &Trip<'_>, from: Option<&ModelGroup>, to: &str, outcome: &Result<Reply>) {
    let outcome = outcome.as_ref().map(drop).map_err(Error::kind);
    events::fallback_finished(counted(trip, from), target_label(trip, to), outcome);
}

/// What a step from a group is counted under; from a model that nobody knows, under `other`.
fn counted<'t>(trip: &'t Trip<'_>, from: Option<&'t ModelGroup>) -> &'t GroupMetrics {
    let known = from.and_then(ModelGroup::metrics);
    known.unwrap_or_else(|| &trip.call.snapshot.metrics.other().group)
}

/// A target's name where it is the file's; a caller's own word is no label.
fn target_label<'n>(trip: &'n Trip<'_>, name: &'n str) -> &'n str {
    let group = trip.call.snapshot.router.group(name);
    group.map_or(names::OTHER, |group| group.configured_name())
}

/// An answer that says nothing but that its content was refused is an error where another group may answer.
fn refused(trip: &Trip<'_>, hop: &Hop<'_>, reply: &Reply) -> Option<Error> {
    let is_refused = match reply {
        Reply::Raw(_) => false,
        Reply::Whole(answer) => {
            matches!(&**answer, Answer::Chat(answer) if answer.stop.finish_reason == "content_filter")
        }
        Reply::Stream(first, _) => {
            !first.iter().any(ChatChunk::is_content)
                && first.iter().any(|chunk| {
                    matches!(chunk, ChatChunk::Finish { stop, .. } if stop.finish_reason == "content_filter")
                })
        }
    };
    if !is_refused || trip.call.options.fallbacks.disabled {
        return None;
    }
    let names = [hop.shown.as_str(), hop.group.configured_name()];
    let error = Error::new(
        ErrorKind::ContentPolicy,
        "the model's answer was stopped by a content filter",
    );
    (!trip.fallbacks().for_content_filter(&names).is_empty()).then_some(error)
}
