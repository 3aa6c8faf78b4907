//! A call in Portkey's style that is routed by a gateway configuration, or that names whose credentials it wants.
//!
//! The configuration is a tree. [`run`] walks it: a strategy chooses among its targets, and a target is one hop, with the
//! retries and the timeout that the configuration says. Nothing of a target that failed has been seen by the client when the
//! next one is tried; what bounds every call (deadline, `num_retries_per_request`, the group's retry budget) bounds these too.

mod condition;
mod leaf;
mod shown;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use condition::ConditionFacts;

use self::leaf::Inherited;
use self::shown::shown;
use super::call::deadline_passed;
use super::trip::{Hop, Trip, lists};
use super::{Call, Journal, Reply, attempts, gate, media, walk};
use crate::canonical::Request;
use crate::config::{GatewayConfig, GatewayMode, Secret};
use crate::error::{Error, ErrorKind, Result};
use crate::state::Parts;

/// What a request in Portkey's style asks for.
#[derive(Debug, Clone, Default)]
pub struct GatewayCall {
    /// The configuration, where it has one.
    pub config: Option<Arc<GatewayConfig>>,
    /// Whether that is the operator's: one of `gateway_configs`.
    pub is_operators: bool,
    /// The header that brought it, for errors.
    pub source: &'static str,
    /// Whose credentials are asked for where a target says nothing of it, and the header that says so.
    pub provider: Option<(Provider, &'static str)>,
    /// A session token for named credentials.
    pub session_token: Option<Secret>,
    /// What conditions look at.
    pub facts: ConditionFacts,
    /// Headers of the request that may be sent on, by name in lower case.
    pub forwardable: Vec<(String, String)>,
    /// Those that `-forward-headers` names.
    pub forward_headers: Vec<String>,
    /// `-trace-id`.
    pub trace_id: Option<String>,
    /// Whether the headers are Obiguard's.
    pub is_obiguard: bool,
}

/// Whose credentials a call wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// `bedrock`: the caller's own.
    Bedrock,
    /// `@name`: those of `credential_list`, or a model group's.
    Slug(String),
    /// `-virtual-key`: those of `credential_list`.
    VirtualKey(String),
}

/// The target that was tried last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionUsed {
    /// Where it stands: `config.targets[1]`.
    pub path: String,
    /// What was laid over the request, as JSON.
    pub params: Option<String>,
}

impl GatewayCall {
    /// Says whether the call is routed here; one that only brings its own credentials is an ordinary call.
    pub fn routes(&self) -> bool {
        self.config.is_some()
            || !matches!(self.provider, Some((Provider::Bedrock, _)) | None)
            || self.source == Self::MODEL
    }

    /// The `source` of a call whose model names the provider (`@name/model`).
    pub const MODEL: &'static str = "model";
}

/// A walk through a configuration, which may begin another.
type Walking<'w> = Pin<Box<dyn Future<Output = Result<Reply>> + Send + 'w>>;

/// Checks the call, and makes the hop to the first target that it could come to: by that it is limited and named until one
/// is chosen.
///
/// # Errors
///
/// What is wrong with the caller's configuration.
pub(super) fn opening<'a>(
    call: &'a Call,
    parts: &Parts,
    asked: &'a GatewayCall,
) -> Result<Hop<'a>> {
    let nothing = GatewayConfig::default();
    let root = asked.config.as_deref().unwrap_or(&nothing);
    if !asked.is_operators {
        check(call, asked, root, "config")?;
    }
    first(call, parts, asked, (root, &Inherited::default()), "config")
}

/// The hop to the first target from here on that can be called; where there is none, the first one's error.
fn first<'a>(
    call: &'a Call,
    parts: &Parts,
    asked: &GatewayCall,
    (config, above): (&GatewayConfig, &Inherited<'_>),
    path: &str,
) -> Result<Hop<'a>> {
    let inherited = above.with(config);
    let all = config.targets.iter().enumerate();
    let targets: Vec<(usize, &GatewayConfig)> = match &config.mode {
        None => {
            let hop = leaf::hop(call, parts, asked, (config, &inherited), &call.request);
            return hop.map_err(|error| placed(error, asked, path));
        }
        Some(GatewayMode::Single) => all.take(1).collect(),
        Some(GatewayMode::Loadbalance) => all.filter(|(_, target)| target.weight > 0.0).collect(),
        Some(GatewayMode::Fallback(_)) => all.collect(),
        Some(GatewayMode::Conditional(..)) => {
            let place = chosen(asked, config).ok_or_else(|| none_holds(asked))?;
            all.skip(place).take(1).collect()
        }
    };
    let mut refusal = None;
    for (place, target) in targets {
        let path = format!("{path}.targets[{place}]");
        match first(call, parts, asked, (target, &inherited), &path) {
            Ok(hop) => return Ok(hop),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| all_zero(asked)))
}

/// Says which target an error of the configuration is about.
fn placed(error: Error, asked: &GatewayCall, path: &str) -> Error {
    if asked.config.is_none() || error.param() != Some(asked.source) {
        return error;
    }
    error.with_detail(&format!(" (`{path}`)"))
}

fn check(call: &Call, asked: &GatewayCall, config: &GatewayConfig, path: &str) -> Result<()> {
    leaf::check(call, asked, config).map_err(|error| placed(error, asked, path))?;
    for (place, target) in config.targets.iter().enumerate() {
        check(call, asked, target, &format!("{path}.targets[{place}]"))?;
    }
    Ok(())
}

/// Answers a call that is routed here.
///
/// # Errors
///
/// What is wrong with the caller's configuration; that of the target that was tried last.
pub(super) async fn answer(
    call: &Arc<Call>,
    parts: &Parts,
    asked: &GatewayCall,
    journal: &Arc<Journal>,
) -> Result<Reply> {
    let hop = opening(call, parts, asked)?;
    journal.enter(&hop);
    let request = media::fetch(call, parts).await?;
    let mut trip = Trip::new(call, parts, journal);
    run(&mut trip, asked, &request).await
}

/// Walks the call's configuration; `request` is what is asked, with its media.
async fn run<'a>(trip: &mut Trip<'a>, asked: &GatewayCall, request: &'a Request) -> Result<Reply> {
    let walk = Walk { asked, request };
    if let Some(config) = asked.config.as_deref() {
        let above = Inherited::default();
        return walk.step(trip, config, above, "config".to_owned()).await;
    }
    let target = (&GatewayConfig::default(), &Inherited::default());
    let hop = leaf::hop(trip.call, trip.parts, asked, target, request)?;
    trip.attempted.note_group(&hop.shown);
    trip.attempted.note_group(&hop.group.name);
    walk::run(trip, &hop, 0).await
}

/// What stays the same on a walk.
struct Walk<'w, 'a> {
    asked: &'w GatewayCall,
    request: &'a Request,
}

impl<'a> Walk<'_, 'a> {
    /// Goes to a target, or to those below it. `above` is what it takes over.
    fn step<'s>(
        &'s self,
        trip: &'s mut Trip<'a>,
        config: &'s GatewayConfig,
        above: Inherited<'s>,
        path: String,
    ) -> Walking<'s>
    where
        'a: 's,
    {
        Box::pin(async move {
            let inherited = above.with(config);
            let place = match &config.mode {
                None => return self.call(trip, (config, &inherited), path).await,
                Some(GatewayMode::Fallback(codes)) => {
                    let codes = codes.as_deref();
                    return self
                        .fall_back(trip, (config, inherited), codes, &path)
                        .await;
                }
                Some(GatewayMode::Single) => Some(0),
                Some(GatewayMode::Loadbalance) => {
                    let weights = config.targets.iter().map(|target| target.weight);
                    by_weight(weights, trip.parts.dice.draw())
                }
                Some(GatewayMode::Conditional(..)) => chosen(self.asked, config),
            };
            let Some((place, target)) =
                place.and_then(|place| Some((place, config.targets.get(place)?)))
            else {
                return Err(match &config.mode {
                    Some(GatewayMode::Conditional(..)) => none_holds(self.asked),
                    _ => all_zero(self.asked),
                });
            };
            let path = format!("{path}.targets[{place}]");
            self.step(trip, target, inherited, path).await
        })
    }

    /// One target after the other, while they fail as the strategy says.
    async fn fall_back<'s>(
        &'s self,
        trip: &'s mut Trip<'a>,
        (config, inherited): (&'s GatewayConfig, Inherited<'s>),
        codes: Option<&'s [u16]>,
        path: &str,
    ) -> Result<Reply> {
        let (mut last, mut unpaid): (Option<Error>, _) = (None, None);
        for (place, target) in config.targets.iter().enumerate() {
            if let Some(error) = &last {
                let now = trip.parts.clock.now();
                let is_late = trip.deadline().is_some_and(|deadline| now >= deadline);
                let goes_on = codes.is_none_or(|codes| lists(codes, error));
                if is_late || !goes_on || error.is_final() || !trip.may_go_on() {
                    break;
                }
                let mut entries = trip.journal.entries();
                entries.fallbacks += 1;
                if trip.call.options.include_fallback_errors {
                    entries.errors.push(error.clone());
                }
            }
            let path = format!("{path}.targets[{place}]");
            match self.step(trip, target, inherited.clone(), path).await {
                Ok(reply) => return Ok(reply),
                Err(error) if error.kind() == ErrorKind::BudgetReached => {
                    pass_over(trip, last.is_some());
                    unpaid.get_or_insert(error);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.or(unpaid).unwrap_or_else(deadline_passed))
    }

    /// Calls a target.
    async fn call(
        &self,
        trip: &mut Trip<'a>,
        (config, inherited): (&GatewayConfig, &Inherited<'_>),
        path: String,
    ) -> Result<Reply> {
        let target = (config, inherited);
        let hop = leaf::hop(trip.call, trip.parts, self.asked, target, self.request);
        if let Ok(hop) = &hop {
            gate::check_budgets(trip.call, hop, trip.parts)?;
        }
        trip.journal.entries().option = Some(OptionUsed {
            path,
            params: shown(&inherited.overrides),
        });
        attempts::run(trip, &hop?).await
    }
}

/// Takes back a step to a target that the caller's budget has nothing left for; the first target is no step.
fn pass_over(trip: &Trip<'_>, is_step: bool) {
    if is_step {
        let mut entries = trip.journal.entries();
        entries.fallbacks = entries.fallbacks.saturating_sub(1);
        if trip.call.options.include_fallback_errors {
            entries.errors.pop();
        }
    }
    let call_id = &trip.call.id;
    tracing::info!(%call_id, "a target that the budget has nothing left for is passed over");
}

/// The place of the target that a draw from 0 to 1 falls on, by weight; `None` where every weight is 0.
fn by_weight(weights: impl Iterator<Item = f64> + Clone, draw: f64) -> Option<usize> {
    // Weights are halved often enough that no sum of them overflows.
    let weights = weights.map(|weight| weight / 1024.0);
    let total: f64 = weights.clone().sum();
    let mut left = draw * total;
    let mut last = None;
    for (place, weight) in weights.enumerate() {
        if weight <= 0.0 {
            continue;
        }
        if left < weight {
            return Some(place);
        }
        left -= weight;
        last = Some(place);
    }
    last
}

/// The place of the target whose condition holds first, else the default.
fn chosen(asked: &GatewayCall, config: &GatewayConfig) -> Option<usize> {
    let Some(GatewayMode::Conditional(conditions, default)) = &config.mode else {
        return None;
    };
    let first = (conditions.iter()).find(|condition| asked.facts.holds(&condition.query));
    first.map(|condition| condition.then).or(*default)
}

fn none_holds(asked: &GatewayCall) -> Error {
    let message = "no condition of the configuration holds, and it has no default";
    Error::bad_request(asked.source, message)
}

fn all_zero(asked: &GatewayCall) -> Error {
    let message = "every target of the configuration has the weight 0";
    Error::bad_request(asked.source, message)
}

/// The provider is none of ours.
pub(super) fn unknown_provider(source: &str) -> Error {
    Error::bad_request(
        source,
        format!(
            "{source}: unknown provider; this gateway serves `bedrock`, and `@name` for credentials or a model group"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide_and_0_is_never_chosen() {
        let pick = |weights: &[f64], draw| by_weight(weights.iter().copied(), draw);
        assert_eq!(pick(&[1.0, 3.0], 0.0), Some(0));
        assert_eq!(pick(&[1.0, 3.0], 0.24), Some(0));
        assert_eq!(pick(&[1.0, 3.0], 0.26), Some(1));
        assert_eq!(pick(&[0.0, 1.0], 0.0), Some(1));
        assert_eq!(pick(&[1.0, 0.0], 1.0), Some(0));
        assert_eq!(pick(&[0.0, 0.0], 0.5), None);
        assert_eq!(pick(&[f64::MAX, f64::MAX], 0.75), Some(1));
    }
}
