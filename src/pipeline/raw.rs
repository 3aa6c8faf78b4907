//! A call that is passed through to AWS: the same gate, groups, attempts and books as any other, around bytes that nobody
//! translates.
//!
//! Retries and fallbacks end with the first piece of the answer. What AWS refuses is kept as it came, so that the client
//! gets AWS's own words when nothing else helped.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tracing::Instrument as _;

use super::attempt::Attempt;
use super::bound::{bound, idle, is_callers};
use super::raw_source::RawSource;
use super::send::{self, Reason};
use super::silence::Silence;
use super::trip::{Hop, Trip};
use super::{Call, Pipeline, Reply, Served, Settlement, gate, plan, walk};
use crate::catalog::Size;
use crate::error::{Error, ErrorKind, Fallback, Result};
use crate::provider::WireRequest;
use crate::provider::bedrock::model_id::{base_of, names_a_model};
use crate::provider::bedrock::raw::{Naming, Operation, RawRequest, Tap, check_route, guard};
use crate::provider::bedrock::url::{Overrides, Precedence, endpoint};
use crate::router::{Deployment, ModelGroup};
use crate::upstream::{SendError, SendFailure};

/// What is passed through.
#[derive(Debug)]
pub struct RawCall {
    /// The request.
    pub request: RawRequest,
    /// The models that its body names, where it is the body that names them.
    pub(super) models: Vec<String>,
    /// The one that the call is about, of Bedrock's OpenAI-shaped API.
    body_model: Option<String>,
    /// The region that the caller's own signature was made for.
    pub region: Option<String>,
    /// How much text it has.
    pub size: Size,
    /// How many tokens its answer may have.
    pub output_tokens: u64,
}

impl RawCall {
    /// Measures the request, and reads which models it names.
    ///
    /// # Errors
    ///
    /// A body in which that cannot be told.
    pub fn new(request: RawRequest, region: Option<String>) -> Result<Self> {
        let models = request.models_in_body()?;
        let body_model = match (request.path.operation(), models.as_slice()) {
            (Operation::OpenAi, [id]) if names_a_model(base_of(id)) => Some(plain(id)?),
            _ => None,
        };
        let (size, output_tokens) = request.size();
        Ok(Self {
            request,
            models,
            body_model,
            region,
            size,
            output_tokens,
        })
    }

    /// Returns the name that the call goes by: the model of its path, or of its body where the whole body is about one, else
    /// its service's.
    pub fn name(&self) -> &str {
        let path = &self.request.path;
        path.model()
            .or(self.body_model.as_deref())
            .unwrap_or_else(|| path.service().label())
    }
}

/// The id of a model that the body names. It is sent as it is, so what only this gateway reads as a route or a region, and
/// chooses credentials and addresses by, has no place in it.
fn plain(id: &str) -> Result<String> {
    if id.contains('/') && !id.starts_with("arn:") {
        let message = "the body goes to AWS as it is, so its model has to be an id of AWS's, without a prefix";
        return Err(Error::bad_request("model", message));
    }
    Ok(id.to_owned())
}

/// AWS's answer to a call that was passed through.
#[derive(Debug)]
pub struct RawReply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub source: RawSource,
}

/// Runs a call that is passed through.
///
/// # Errors
///
/// What the client is to be told.
pub(super) async fn run(
    pipeline: &Pipeline,
    call: &Arc<Call>,
    raw: &RawCall,
    books: &mut Settlement,
) -> Result<Reply> {
    let parts = pipeline.parts();
    plan::raw::check_key(call, raw, parts)?;
    let hop = plan::raw::hop(call, raw, parts)?;
    books.journal().enter(&hop);
    if let Err(error) = gate::enter(call, &hop, parts, books).await {
        return Box::pin(walk::around(call, parts, Some(&hop), books, error)).await;
    }
    let journal = Arc::clone(books.journal());
    let mut trip = Trip::new(call, parts, &journal);
    trip.attempted.note_group(&hop.shown);
    trip.attempted.note_group(hop.group.configured_name());
    walk::run(&mut trip, &hop, 0).await
}

/// Sends the request to the attempt's deployment, and reads until something may be shown.
pub(super) async fn attempt(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    raw: &RawCall,
    mut attempt: Attempt,
    reason: Reason,
) -> Result<Reply> {
    let deployment = Arc::clone(attempt.deployment());
    let started = trip.parts.clock.now();
    trip.journal.begins(&deployment, started);
    let mut served = Served::by(&deployment);
    let request = match wire(trip, raw, &deployment) {
        Ok(request) => request,
        Err(error) => {
            trip.journal.ended(served);
            return Err(error);
        }
    };
    let operation = raw.request.path.operation();
    let span = send::attempt_span(trip, &deployment, reason, operation.name());
    let own = hop.retry.as_ref().and_then(|wish| wish.timeout);
    let sends = trip.journal.sends();
    let result = bounded(trip, own, &mut attempt, raw, &request, &mut served)
        .instrument(span.clone())
        .await;
    served.upstream = trip.parts.clock.now().saturating_duration_since(started);
    trip.journal.ended(served);
    match result {
        Ok(mut reply) => {
            attempt.content_came();
            reply.source.carry(attempt);
            Ok(Reply::Raw(Box::new(reply)))
        }
        Err(error) => {
            span.record("error.type", error.kind().name());
            if is_of_deployment(operation, &error) {
                attempt.failed(&error);
            }
            let was_sent = trip.journal.sends() > sends;
            if raw.request.acts() && was_sent {
                return Err(unless_acted(trip, error));
            }
            Err(error)
        }
    }
}

/// Says whether a failure is the deployment's: many models cannot be counted and answer all the same, and an operation that
/// AWS does not have is not there anywhere else either.
fn is_of_deployment(operation: Operation, error: &Error) -> bool {
    operation != Operation::CountTokens && !is_unknown_operation(error)
}

fn is_unknown_operation(error: &Error) -> bool {
    const MESSAGE: &[u8] = b"Unable to determine service/operation";
    let Some((StatusCode::NOT_FOUND, body)) = error.upstream_answer() else {
        return false;
    };
    let name = error.upstream_headers().get("x-amzn-errortype");
    name.is_some_and(|name| name.as_bytes().starts_with(b"UnknownOperationException"))
        || body.windows(MESSAGE.len()).any(|part| part == MESSAGE)
}

/// Ends the call with the error of something that acts and was sent, unless it cannot have acted: whatever the operator
/// configured, AWS may have done it although its answer was lost.
pub(super) fn unless_acted(trip: &Trip<'_>, error: Error) -> Error {
    if !may_have_acted(&error) {
        return error;
    }
    trip.journal.acted();
    error.with_fallback(Fallback::None)
}

/// Says whether AWS may have done what it was asked for although this came of it: not where it refused for the load, nor where
/// nobody was reached. A stream that begins with such a refusal had begun to do it.
fn may_have_acted(error: &Error) -> bool {
    let is_refused = error.kind() == ErrorKind::Throttled && error.upstream_answer().is_some();
    let failure = std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<SendError>())
        .map(SendError::failure);
    let is_unreached = failure.is_some_and(|failure| {
        matches!(
            failure,
            SendFailure::Address
                | SendFailure::Dns
                | SendFailure::Connect
                | SendFailure::Tls
                | SendFailure::Timeout
                | SendFailure::Request
        )
    });
    !is_refused && !is_unreached
}

/// The request for a deployment's place.
fn wire(trip: &Trip<'_>, raw: &RawCall, deployment: &Deployment) -> Result<WireRequest> {
    let path = &raw.request.path;
    check_fit(trip.call, raw, deployment)?;
    let (entry, target) = (&deployment.entry, &deployment.target);
    let naming = match path.model() {
        None => Naming::Nobody,
        Some(_) if entry.model_name == plan::raw::NOBODYS => Naming::AsAsked(&target.model),
        Some(_) => Naming::Deployment(&target.model),
    };
    let base = base(trip.call, raw, deployment)?;
    let mut request = raw.request.wire(&base, naming, &target.extra_headers)?;
    if let Some(guardrail) = target
        .defaults
        .guardrail
        .as_ref()
        .filter(|own| !own.is_null())
    {
        guard(&mut request, path.operation(), &target.model, guardrail)?;
    }
    send::carry_trace(trip.call, &mut request);
    Ok(request)
}

/// Where a deployment's identity finds the service that is asked.
///
/// # Errors
///
/// [`ErrorKind::Internal`] for an override that is no address.
pub(super) fn base(call: &Call, raw: &RawCall, deployment: &Deployment) -> Result<String> {
    let entry = &deployment.entry;
    let overrides = Overrides {
        runtime_endpoint: entry.aws.runtime_endpoint.as_deref(),
        api_base: entry.api_base.as_deref(),
    };
    let environment = &call.snapshot.config.environment;
    let service = raw.request.path.service();
    let region = &deployment.region;
    endpoint(service, region, overrides, Precedence::ApiBase, environment)
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
}

/// Returns the deployments of a group, by id, that cannot be sent the call as it is.
pub(super) fn unfit(call: &Call, raw: &RawCall, group: &ModelGroup) -> Vec<String> {
    let deployments = group.deployments.iter();
    deployments
        .filter(|deployment| check_fit(call, raw, deployment).is_err())
        .map(|deployment| deployment.id.clone())
        .collect()
}

/// Refuses a deployment that cannot be sent the call as it is.
fn check_fit(call: &Call, raw: &RawCall, deployment: &Deployment) -> Result<()> {
    if deployment.entry.mock_response.is_some() {
        let message =
            "this model's answers are mocked, which calls that are passed through cannot be";
        return Err(Error::bad_request("model", message));
    }
    if raw.request.path.model().is_some() {
        check_route(&deployment.target.model)?;
    }
    check_family(call, raw, deployment)
}

/// A body in one family's format is not sent to a model of another: the format is that of the first deployment of the group
/// that was asked for, and a fallback may lead to others.
fn check_family(call: &Call, raw: &RawCall, deployment: &Deployment) -> Result<()> {
    let path = &raw.request.path;
    let (Some(asked), true) = (path.model(), path.operation().is_of_one_family()) else {
        return Ok(());
    };
    let key = call.identity.key();
    let asked = key.map_or(asked, |key| key.rename(asked));
    let first = call.snapshot.router.resolve(asked, call.asker());
    let own = first.and_then(|first| {
        let mut deployments = first.group.deployments.iter().map(|one| &one.target.model);
        deployments.find(|model| check_route(model).is_ok())?.family
    });
    let family = deployment.target.model.family;
    if own.is_some() && family.is_some() && own != family {
        let message = "the body is in the format of another family than this model's";
        return Err(Error::bad_request("model", message));
    }
    Ok(())
}

/// Sends within the attempt's timeout and the caller's deadline, as every call.
async fn bounded(
    trip: &Trip<'_>,
    own: Option<Duration>,
    attempt: &mut Attempt,
    raw: &RawCall,
    request: &WireRequest,
    served: &mut Served,
) -> Result<RawReply> {
    let bound = bound(trip, own, attempt.deployment());
    served.timeout = bound.shown;
    let sending = exchanged(trip, attempt, raw, request, served);
    if let Ok(result) = tokio::time::timeout(bound.until, sending).await {
        return result;
    }
    Err(bound.over(attempt))
}

async fn exchanged(
    trip: &Trip<'_>,
    attempt: &mut Attempt,
    raw: &RawCall,
    request: &WireRequest,
    served: &mut Served,
) -> Result<RawReply> {
    attempt.sending();
    let response = send::authorized(trip, attempt.deployment(), request, served).await?;
    served.upstream_headers.clone_from(&response.headers);
    if let Some(id) = served.aws_request_id() {
        tracing::Span::current().record("aws.request_id", id);
    }
    let idle = idle(trip.call, attempt.deployment());
    let end = trip.call.deadline().and_then(|deadline| deadline.end);
    let tap = Tap::new(raw.request.path.operation(), &response.headers);
    let silence = Silence::new(idle, end, &trip.parts.clock);
    let mut source = RawSource::new(response.body, tap, silence);
    let opened = source.open().await;
    if source.is_past_end() && opened.is_err() && is_callers(trip.call) {
        attempt.bound_by_caller();
    }
    opened?;
    Ok(RawReply {
        status: response.status,
        headers: response.headers,
        source,
    })
}
