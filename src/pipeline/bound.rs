//! How long one attempt may take: the deployment's timeouts, the caller's, and the call's deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Call;
use super::attempt::Attempt;
use super::call::deadline_passed;
use super::trip::Trip;
use crate::error::{Error, ErrorKind};
use crate::router::Deployment;

/// The longest silence between two events of a stream, where nobody says anything of streams.
const STREAM_IDLE: Duration = Duration::from_mins(5);

/// How long one attempt may take, and who says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// The bound.
    pub(super) until: Duration,
    /// What the client is told of it.
    pub(super) shown: Duration,
    /// Whether the call's deadline is what ends it.
    is_cut: bool,
    /// Whether the caller chose it, so that the deployment is not at fault.
    is_by_caller: bool,
}

impl Bound {
    /// Returns the error of an attempt that has taken longer, and tells the attempt whose bound it was.
    pub(super) fn over(self, attempt: &mut Attempt) -> Error {
        if self.is_by_caller {
            attempt.bound_by_caller();
        }
        if self.is_cut {
            return deadline_passed();
        }
        let message = format!(
            "the request timed out: no answer within {} s",
            seconds(self.until)
        );
        Error::new(ErrorKind::Timeout, message)
    }
}

/// Bounds an attempt on a deployment: by a gateway configuration's `own` timeout, else the deployment's, and by the
/// caller's deadline.
pub(super) fn bound(trip: &Trip<'_>, own: Option<Duration>, deployment: &Deployment) -> Bound {
    let call = trip.call;
    let timeout = own.unwrap_or_else(|| timeout(call, deployment));
    let deadline = trip.deadline();
    let now = trip.parts.clock.now();
    let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
    let is_cut = left.is_some_and(|left| left <= timeout);
    let callers = deadline.map(|deadline| deadline.saturating_duration_since(call.received));
    Bound {
        until: left.map_or(timeout, |left| left.min(timeout)),
        shown: callers.filter(|_| is_cut).unwrap_or(timeout),
        is_cut,
        is_by_caller: is_cut && is_callers(call) || own.is_some(),
    }
}

/// Whether the first bound of a call is its caller's. What does not answer within the operator's own deadline is at fault.
pub(super) fn is_callers(call: &Call) -> bool {
    call.deadline().is_none_or(|deadline| deadline.is_callers)
}

fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}

/// The bound on one attempt: for a stream, until its first event. The caller's word comes before the deployment's, and
/// that before the router's; a stream goes by the timeouts of whole answers only where nobody said anything of streams.
fn timeout(call: &Call, deployment: &Deployment) -> Duration {
    let router = &call.snapshot.config.router;
    let entry = &deployment.entry;
    let of_key = call
        .identity
        .key()
        .and_then(|key| key.config.router.timeout);
    let whole = || {
        let said = (call.options.timeout)
            .or(of_key)
            .or_else(|| of_tier(call, &entry.tier_timeouts))
            .or(deployment.timeouts.whole);
        said.unwrap_or(router.timeout)
    };
    if !call.request.is_streamed() {
        return whole();
    }
    let said = (call.options.stream_timeout)
        .or_else(|| of_tier(call, &entry.tier_stream_timeouts))
        .or(deployment.timeouts.stream);
    said.or(router.stream_timeout).unwrap_or_else(whole)
}

/// The timeout for the request's `service_tier`, where the deployment has one.
fn of_tier(call: &Call, timeouts: &BTreeMap<String, Duration>) -> Option<Duration> {
    if timeouts.is_empty() {
        return None;
    }
    let params = &call.request.chat()?.params;
    let named =
        (params.openai.iter().chain(&params.extra)).find(|(name, _)| name == "service_tier")?;
    let tier: String = named.1.parse().ok()?;
    timeouts.get(&tier).copied()
}

/// The longest silence between two events of a stream.
pub(super) fn idle(call: &Call, deployment: &Deployment) -> Duration {
    let router = &call.snapshot.config.router;
    router
        .stream_idle_timeout
        .or(deployment.timeouts.stream)
        .or(router.stream_timeout)
        .unwrap_or(STREAM_IDLE)
}
