//! One attempt: encode, sign, send, read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use tracing::Instrument as _;

use super::call::deadline_passed;
use super::relay::ChunkSource;
use super::{Call, Reply, Served};
use crate::canonical::{Chat, ChatRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::bedrock::fault::{self, Remedy};
use crate::provider::{Decoded, Decoder, Exchange, WireAnswer, WireRequest};
use crate::router::Deployment;
use crate::state::Parts;
use crate::upstream::{Credentials, Response};

/// The media type of streamed answers.
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";
/// The longest silence between two events of a stream, where nobody says anything of streams.
const STREAM_IDLE: Duration = Duration::from_mins(5);
/// Largest whole answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Sends the request to `deployment` and reads the answer, or the beginning of a streamed one.
pub(super) async fn attempt(
    call: &Call,
    request: &ChatRequest,
    deployment: &Deployment,
    served: &mut Served,
    parts: &Parts,
) -> Result<Reply> {
    let Some(transformer) = deployment.transformer else {
        return Err(Error::bad_request(
            "model",
            format!(
                "the model `{}` cannot be asked by chat completions here yet",
                call.model
            ),
        ));
    };
    let exchange = transformer.encode(request, &deployment.target)?;
    let span = attempt_span(call, deployment);
    let started = parts.clock.now();
    served.waiting_since = Some(started);
    let result = bounded(call, deployment, parts, exchange, served)
        .instrument(span.clone())
        .await;
    served.waiting_since = None;
    served.upstream = parts.clock.now().saturating_duration_since(started);
    if let Err(error) = &result {
        span.record("error.type", error.kind().name());
    }
    result
}

fn attempt_span(call: &Call, deployment: &Deployment) -> tracing::Span {
    tracing::info_span!(
        target: crate::telemetry::names::TRACE_TARGET,
        parent: &call.span,
        "attempt",
        otel.name = %format_args!("chat {}", deployment.target.model.wire),
        otel.kind = "client",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "aws.bedrock",
        gen_ai.system = "aws.bedrock",
        gen_ai.request.model = %deployment.target.model.wire,
        cloud.region = %deployment.region,
        switchyard.attempt = 1,
        switchyard.deployment.id = %deployment.id,
        aws.request_id = tracing::field::Empty,
        error.type = tracing::field::Empty,
    )
}

/// Sends within the attempt's timeout and the caller's deadline.
async fn bounded(
    call: &Call,
    deployment: &Deployment,
    parts: &Parts,
    exchange: Exchange<Chat>,
    served: &mut Served,
) -> Result<Reply> {
    served.warnings.extend(exchange.warnings.iter().cloned());
    let timeout = timeout(call, deployment);
    let deadline = call.deadline();
    let now = parts.clock.now();
    let left = deadline.map(|deadline| deadline.first_content.saturating_duration_since(now));
    let by_caller = left.is_some_and(|left| left < timeout);
    let bound = left.map_or(timeout, |left| left.min(timeout));
    let callers = deadline.map(|deadline| {
        deadline
            .first_content
            .saturating_duration_since(call.received)
    });
    served.timeout = callers.filter(|_| by_caller).unwrap_or(timeout);
    match tokio::time::timeout(bound, exchanged(call, deployment, parts, exchange, served)).await {
        Ok(result) => result,
        Err(_) if by_caller => Err(deadline_passed()),
        Err(_) => Err(Error::new(
            ErrorKind::Timeout,
            format!(
                "the request timed out: no answer within {} s",
                seconds(timeout)
            ),
        )),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}

/// The bound on one attempt: for a stream, until its first event. The caller's word comes before the deployment's, and
/// that before the router's; a stream goes by the timeouts of whole answers only where nobody said anything of streams.
fn timeout(call: &Call, deployment: &Deployment) -> Duration {
    let router = &call.snapshot.config.router;
    let whole = || {
        let said = call.options.timeout.or(deployment.timeouts.whole);
        said.unwrap_or(router.timeout)
    };
    if !call.request.stream {
        return whole();
    }
    let said = call.options.stream_timeout.or(deployment.timeouts.stream);
    said.or(router.stream_timeout).unwrap_or_else(whole)
}

/// The longest silence between two events of a stream.
fn idle(call: &Call, deployment: &Deployment) -> Duration {
    let router = &call.snapshot.config.router;
    router
        .stream_idle_timeout
        .or(deployment.timeouts.stream)
        .or(router.stream_timeout)
        .unwrap_or(STREAM_IDLE)
}

async fn exchanged(
    call: &Call,
    deployment: &Deployment,
    parts: &Parts,
    exchange: Exchange<Chat>,
    served: &mut Served,
) -> Result<Reply> {
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
    if let Some(parent) = &call.traceparent {
        let name = HeaderName::from_static("traceparent");
        request.headers.push((name, parent.clone()));
    }
    let response = authorized(deployment, request, served, parts).await?;
    let is_stream = is_event_stream(&response.headers);
    served.upstream_headers = response.headers;
    if let Some(id) = served.aws_request_id() {
        tracing::Span::current().record("aws.request_id", id);
    }
    if is_stream && !call.request.stream {
        return Err(Error::new(
            ErrorKind::Garbled,
            "AWS answered with a stream where none was asked for",
        ));
    }
    if is_stream {
        let idle = idle(call, deployment);
        let end = call.deadline().and_then(|deadline| deadline.end);
        let mut source = ChunkSource::new(response.body, decoder, idle, end, &parts.clock);
        let first = source.open().await?;
        return Ok(Reply::Stream(first, Box::new(source)));
    }
    let body = response.body.collect(MAX_ANSWER_BYTES).await?;
    whole(call, body, &served.upstream_headers, decoder, parts)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.get(..EVENT_STREAM.len()))
        .is_some_and(|value| value.eq_ignore_ascii_case(EVENT_STREAM))
}

/// Reads a whole answer; a client that streams gets it as the chunks of a stream.
fn whole(
    call: &Call,
    body: Bytes,
    headers: &HeaderMap,
    mut decoder: Box<dyn Decoder<Chat>>,
    parts: &Parts,
) -> Result<Reply> {
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
    if !call.request.stream {
        return Ok(Reply::Whole(Box::new(answer)));
    }
    let chunks = decoder.chunks(answer);
    Ok(Reply::Stream(
        chunks,
        Box::new(ChunkSource::ended(decoder, &parts.clock)),
    ))
}

/// Signs and sends, and reads the refusal if it is one. Credentials that AWS calls expired are fetched anew once, a clock
/// that it calls wrong is corrected once, and the request is signed and sent again.
async fn authorized(
    deployment: &Deployment,
    request: &WireRequest,
    served: &mut Served,
    parts: &Parts,
) -> Result<Response> {
    let credentials = deployment.credentials.credentials().await?;
    let response = signed(deployment, request, &credentials, served, parts).await?;
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
        return Err(refusal.into_error(deployment, served, parts));
    };
    let response = signed(deployment, request, &again, served, parts).await?;
    if response.status.is_success() {
        return Ok(response);
    }
    Err(Refusal::read(response)
        .await
        .into_error(deployment, served, parts))
}

async fn signed(
    deployment: &Deployment,
    request: &WireRequest,
    credentials: &Credentials,
    served: &mut Served,
    parts: &Parts,
) -> Result<Response> {
    served.attempts += 1;
    let sent =
        parts
            .upstream
            .send_trusting(&deployment.trust, request, credentials, &deployment.region);
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

    fn into_error(self, deployment: &Deployment, served: &mut Served, parts: &Parts) -> Error {
        let error = fault::classify(self.status, &self.headers, &self.body, parts.clock.wall());
        served.upstream_headers = self.headers;
        fault::with_model_hint(error, &deployment.target.model)
    }
}
