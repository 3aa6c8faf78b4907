//! One attempt: encode, sign, send, read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use tracing::Instrument as _;

use super::attempt::Attempt;
use super::bound::{bound, idle, is_callers};
use super::relay::{Framing, Relay};
use super::stream::ChunkSource;
use super::trip::{Hop, Trip};
use super::work::{Work, encoded, known};
use super::{Call, Reply, Served, many, mock, raw};
use crate::canonical::{Chat, ChatChunk, OperationKind, Usage};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::bedrock::fault::{self, Remedy};
use crate::provider::{Decoded, Decoder, Exchange, WireAnswer, WireRequest};
use crate::router::Deployment;
use crate::upstream::{Credentials, Response};

/// Largest whole answer that is read.
pub(super) const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The first of its group.
    Initial,
    /// After a failure in the group.
    Retry,
    /// Beside another that is slow.
    Hedge,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Retry => "retry",
            Self::Hedge => "hedge",
        }
    }
}

/// Sends the request to the attempt's deployment and reads the answer, or the beginning of a streamed one.
pub(super) async fn attempt(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    mut attempt: Attempt,
    reason: Reason,
) -> Result<Reply> {
    if let Some(raw) = &trip.call.raw {
        return raw::attempt(trip, hop, raw, attempt, reason).await;
    }
    let deployment = Arc::clone(attempt.deployment());
    let started = trip.parts.clock.now();
    trip.journal.begins(&deployment, started);
    let mut served = Served::by(&deployment);
    if let Some(mock) = &deployment.entry.mock_response {
        let reply = mock::reply(mock, &hop.request, &deployment.target);
        trip.journal.ended(served);
        if reply.is_ok() {
            attempt.succeeded(Usage::default());
        }
        return reply;
    }
    let known = known(trip, &deployment).await;
    let work = match encoded(trip, hop, &deployment, known.as_deref()) {
        Ok(Work::Known(answer)) => {
            trip.journal.ended(served);
            return Ok(Reply::Whole(answer));
        }
        Ok(work) => work,
        Err(error) => {
            trip.journal.ended(served);
            return Err(error);
        }
    };
    let span = attempt_span(trip, &deployment, reason, hop.request.operation().name());
    let own = hop.retry.as_ref().and_then(|wish| wish.timeout);
    let sends = trip.journal.sends();
    let result = bounded(trip, own, &mut attempt, work, &mut served)
        .instrument(span.clone())
        .await;
    served.upstream = trip.parts.clock.now().saturating_duration_since(started);
    trip.journal.ended(served);
    match result {
        Ok(Outcome::Whole(reply)) => Ok(reply),
        Ok(Outcome::Stream(first, mut relay)) => {
            relay.carry(attempt);
            Ok(Reply::Stream(first, Box::new(ChunkSource::new(*relay))))
        }
        Err(error) => {
            span.record("error.type", error.kind().name());
            // Many models cannot be counted and answer all the same.
            if hop.request.operation() != OperationKind::Count {
                attempt.failed(&error);
            }
            let was_sent = trip.journal.sends() > sends;
            if deployment.is_agent() && was_sent {
                return Err(raw::unless_acted(trip, error));
            }
            Err(error)
        }
    }
}

/// What an attempt comes to: a stream still needs its attempt, a whole answer has ended it.
enum Outcome {
    Whole(Reply),
    Stream(Vec<ChatChunk>, Box<Relay>),
}

/// The span of one attempt; `operation` is what is asked of the model.
pub(super) fn attempt_span(
    trip: &Trip<'_>,
    deployment: &Deployment,
    reason: Reason,
    operation: &'static str,
) -> tracing::Span {
    tracing::info_span!(
        target: crate::telemetry::names::TRACE_TARGET,
        parent: &trip.call.span,
        "attempt",
        otel.name = %format_args!("{operation} {}", deployment.target.model.wire),
        otel.kind = "client",
        gen_ai.operation.name = operation,
        gen_ai.provider.name = "aws.bedrock",
        gen_ai.system = "aws.bedrock",
        gen_ai.request.model = %deployment.target.model.wire,
        cloud.region = %deployment.region,
        switchyard.attempt = trip.journal.attempts(),
        switchyard.attempt.reason = reason.name(),
        switchyard.deployment.id = %deployment.id,
        aws.request_id = tracing::field::Empty,
        error.type = tracing::field::Empty,
    )
}

/// Sends within the attempt's timeout (a gateway configuration's `own`, else the deployment's) and the caller's deadline.
async fn bounded(
    trip: &Trip<'_>,
    own: Option<Duration>,
    attempt: &mut Attempt,
    work: Work,
    served: &mut Served,
) -> Result<Outcome> {
    served.warnings.extend_from_slice(work.warnings());
    let bound = bound(trip, own, attempt.deployment());
    served.timeout = bound.shown;
    let sending = exchanged(trip, attempt, work, served);
    if let Ok(result) = tokio::time::timeout(bound.until, sending).await {
        return result;
    }
    Err(bound.over(attempt))
}

async fn exchanged(
    trip: &Trip<'_>,
    attempt: &mut Attempt,
    work: Work,
    served: &mut Served,
) -> Result<Outcome> {
    let answer = match work {
        Work::Chat(exchange) => return chat(trip, attempt, exchange, served).await,
        Work::Count(exchange) => {
            let answer = many::exchange(trip, attempt, exchange, served).await?;
            return Ok(Outcome::Whole(Reply::Whole(Box::new(answer))));
        }
        Work::Embed(exchange) => many::exchange(trip, attempt, exchange, served).await?,
        Work::Image(exchange) => many::exchange(trip, attempt, exchange, served).await?,
        Work::Rerank(exchange) => many::exchange(trip, attempt, exchange, served).await?,
        Work::Known(answer) => *answer,
    };
    attempt.answered(answer.usage(), answer.pieces());
    Ok(Outcome::Whole(Reply::Whole(Box::new(answer))))
}

async fn chat(
    trip: &Trip<'_>,
    attempt: &mut Attempt,
    exchange: Exchange<Chat>,
    served: &mut Served,
) -> Result<Outcome> {
    let Exchange {
        mut requests,
        decoder,
        ..
    } = exchange;
    let [request] = requests.as_mut_slice() else {
        return Err(Error::new(
            ErrorKind::Internal,
            "a chat request must be one wire request",
        ));
    };
    let (call, parts) = (trip.call, trip.parts);
    carry_trace(call, request);
    attempt.sending();
    let response = authorized(trip, attempt.deployment(), request, served).await?;
    let framing = Framing::of(&response.headers);
    served.upstream_headers = response.headers;
    if let Some(id) = served.aws_request_id() {
        tracing::Span::current().record("aws.request_id", id);
    }
    let is_streamed = call.request.is_streamed();
    if framing.is_some() && !is_streamed && !decoder.reads_streams_whole() {
        return Err(Error::new(
            ErrorKind::Garbled,
            "AWS answered with a stream where none was asked for",
        ));
    }
    if let Some(framing) = framing.filter(|_| is_streamed) {
        let idle = idle(call, attempt.deployment());
        let end = call.deadline().and_then(|deadline| deadline.end);
        let mut relay = Relay::new(framing, response.body, decoder, idle, end, &parts.clock);
        let opened = relay.open().await;
        if relay.is_past_end() && opened.is_err() && is_callers(call) {
            attempt.bound_by_caller();
        }
        let first = opened?;
        attempt.content_came();
        return Ok(Outcome::Stream(first, Box::new(relay)));
    }
    let body = response.body.collect(MAX_ANSWER_BYTES).await?;
    let (reply, usage) = whole(call, body, &served.upstream_headers, decoder)?;
    attempt.succeeded(usage);
    Ok(Outcome::Whole(reply))
}

/// Sends the caller's trace on, where the operator lets it.
pub(super) fn carry_trace(call: &Call, request: &mut WireRequest) {
    if let Some(parent) = &call.traceparent {
        let name = HeaderName::from_static("traceparent");
        request.headers.push((name, parent.clone()));
    }
}

/// Reads a whole answer; a client that streams gets it as the chunks of a stream.
fn whole(
    call: &Call,
    body: Bytes,
    headers: &HeaderMap,
    mut decoder: Box<dyn Decoder<Chat>>,
) -> Result<(Reply, Usage)> {
    let answers = [WireAnswer { headers, body }];
    let answer = match decoder.whole(&answers)? {
        Decoded::Answer(answer) => answer,
        Decoded::More(_) => {
            return Err(Error::new(
                ErrorKind::Internal,
                "a chat answer has no further pages",
            ));
        }
    };
    let usage = answer.usage.unwrap_or_default();
    if !call.request.is_streamed() {
        return Ok((Reply::Whole(Box::new(answer.into())), usage));
    }
    let chunks = decoder.chunks(answer);
    let source = Box::new(ChunkSource::ended());
    Ok((Reply::Stream(chunks, source), usage))
}

/// Signs and sends, and reads the refusal if it is one. Credentials that AWS calls expired are fetched anew once, a clock
/// that it calls wrong is corrected once, and the request is signed and sent again.
pub(super) async fn authorized(
    trip: &Trip<'_>,
    deployment: &Deployment,
    request: &WireRequest,
    served: &mut Served,
) -> Result<Response> {
    let parts = trip.parts;
    let credentials = deployment.credentials.credentials().await?;
    let response = signed(trip, deployment, request, &credentials).await?;
    if response.status.is_success() {
        return Ok(response);
    }
    let refusal = Refusal::read(response).await;
    let now = parts.clock.wall();
    let again = match fault::remedy(&refusal.headers, &refusal.body, now) {
        Some(Remedy::RefreshCredentials) => {
            let fresh = deployment.credentials.force_refresh(&credentials).await?;
            (!Arc::ptr_eq(&fresh, &credentials)).then_some(fresh)
        }
        Some(Remedy::CorrectClock(_)) => parts
            .upstream
            .correct_clock(&request.url, &refusal.headers, now)
            .then_some(credentials),
        None => None,
    };
    let Some(again) = again else {
        return Err(refusal.into_error(trip, deployment, served));
    };
    let response = signed(trip, deployment, request, &again).await?;
    if response.status.is_success() {
        return Ok(response);
    }
    Err(Refusal::read(response)
        .await
        .into_error(trip, deployment, served))
}

async fn signed(
    trip: &Trip<'_>,
    deployment: &Deployment,
    request: &WireRequest,
    credentials: &Credentials,
) -> Result<Response> {
    trip.journal.sent();
    let upstream = &trip.parts.upstream;
    let url = deployment.addresses.read(&request.url)?;
    let (trust, region) = (&deployment.trust, &deployment.region);
    let sent = upstream.send_to(url, trust, request, credentials, region);
    Ok(sent.await?)
}

/// An answer of AWS that is no success.
struct Refusal {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Refusal {
    async fn read(response: Response) -> Self {
        Self {
            status: response.status,
            headers: response.headers,
            // What cannot be read leaves the status to go by.
            body: response
                .body
                .collect(MAX_ANSWER_BYTES)
                .await
                .unwrap_or_default(),
        }
    }

    /// What is passed through keeps AWS's own words; of an agent, they tell a refusal from an answer that broke off.
    fn into_error(self, trip: &Trip<'_>, deployment: &Deployment, served: &mut Served) -> Error {
        let wall = trip.parts.clock.wall();
        let mut error = fault::classify(self.status, &self.headers, &self.body, wall);
        served.upstream_headers = self.headers;
        if trip.call.raw.is_some() || deployment.is_agent() {
            error = error.with_upstream_answer(self.status, self.body);
        }
        fault::with_model_hint(error, &deployment.target.model)
    }
}
