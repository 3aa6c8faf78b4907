//! Every endpoint that calls a model: dialect in, pipeline, dialect out.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, request};

use super::admission::{Admission, admit, authenticate};
use super::answer_headers::{say, say_failure, say_left_out, say_success};
use super::body::{plain, read_body};
use super::enforced;
use super::headers::{call_id, error_response_naming, insert, json, say_jobs};
use super::opening::Opening;
use super::options::deadline;
use super::portkey;
use super::responses::{self, Keeping};
use super::sse::{EventStream, Running};
use super::{App, prompts, several, watched};
use crate::canonical::Answer;
use crate::dialect::chat::expand;
use crate::dialect::{Asked, Envelope, Front, StreamWriter};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{Call, Reply, Settlement};
use crate::state::Snapshot;
use crate::telemetry::events::{call_refused, call_shed};
use crate::telemetry::names;

/// How a call is asked for.
#[derive(Debug)]
pub(super) struct Asking {
    /// The format.
    pub(super) front: Front,
    /// The model that the path names; it wins over the body's.
    pub(super) model: Option<String>,
    /// The prompt template that the path names.
    pub(super) prompt: Option<String>,
}

impl Asking {
    /// A call whose path says nothing but the format.
    pub(super) fn by(front: Front) -> Self {
        Self {
            front,
            model: None,
            prompt: None,
        }
    }
}

/// Answers a request that calls a model.
pub(super) async fn serve(app: &Arc<App>, request: Request, path: Asking) -> Response {
    let front = path.front;
    let received = app.clock.now();
    let snapshot = app.live.load();
    let (head, body) = request.into_parts();
    let id = call_id(&head.headers);
    let named = snapshot.config.general.include_call_id_in_error_body;
    let opened = open(app, &snapshot, &head, body, path, received, &id).await;
    match opened {
        Ok((call, admission)) if outlives_client(&call) => {
            let app = Arc::clone(app);
            let tracker = app.tracker.clone();
            let answering = async move { answer_all(&app, call, admission).await };
            tracker.spawn(answering).await.unwrap_or_else(|_| {
                let error = Error::new(ErrorKind::Internal, "Internal server error");
                error_response_naming(&error, front, Some(&id), named)
            })
        }
        Ok((call, admission)) => answer_all(app, call, admission).await,
        Err(error) => {
            let response = error_response_naming(&error, front, Some(&id), named);
            unopened(app, &snapshot, &id, &error, received, response)
        }
    }
}

/// Counts a call that could not be opened, and completes its answer.
pub(super) fn unopened(
    app: &App,
    snapshot: &Snapshot,
    id: &str,
    error: &Error,
    received: Instant,
    mut response: Response,
) -> Response {
    let elapsed = app.clock.now().saturating_duration_since(received);
    call_refused(&snapshot.metrics, id, error, elapsed);
    if error.kind() == ErrorKind::Overloaded {
        call_shed(&snapshot.metrics);
    }
    if error.kind() != ErrorKind::Unauthenticated {
        say(response.headers_mut(), None, elapsed);
    }
    response
}

/// Checks the key, reads the body and opens the call.
async fn open(
    app: &App,
    snapshot: &Arc<Snapshot>,
    head: &request::Parts,
    body: Body,
    path: Asking,
    received: Instant,
    id: &str,
) -> Result<(Call, Admission)> {
    let general = &snapshot.config.general;
    let identity = authenticate(snapshot, &head.uri, &head.headers)?;
    plain(&head.headers)?;
    let body = read_body(body, &head.headers, general.max_request_bytes).await?;
    let own = deadline(&head.headers)?;
    let bound = [own, snapshot.config.router.deadline].into_iter().flatten();
    let until = bound.min().and_then(|bound| received.checked_add(bound));
    let admission = admit(app, general, until).await?;
    let expanded = if path.front.is_chat_completions() {
        expand(&body, &snapshot.config.prompts, path.prompt.as_deref())?
    } else {
        None
    };
    let mut body = expanded.unwrap_or(body);
    if path.front.keeps_answers() {
        body = responses::complete(app, snapshot, &identity, &path, body).await?;
    }
    let parsed = path.front.parse(&body, &head.headers)?;
    let said = parsed.form.as_ref().unwrap_or(&body);
    enforced::check(general, &identity, path.front, said)?;
    let model = path.model.as_deref().or(parsed.model.as_deref());
    let portkey = portkey::read(&portkey::Received {
        headers: &head.headers,
        path: head.uri.path(),
        model,
        body: &body,
        controls: &parsed.controls,
        config: &snapshot.config,
    })?;
    let opening = Opening {
        snapshot,
        head,
        identity,
        received,
        created: app.clock.unix_seconds(),
        id,
    };
    Ok((opening.open(parsed, path, portkey)?, admission))
}

/// Answers a call of one model, or of several.
async fn answer_all(app: &Arc<App>, call: Call, admission: Admission) -> Response {
    if call.model.contains(',') && call.front.is_chat_completions() {
        return Box::pin(of_several(app, call, admission)).await;
    }
    if let Asked::Prompts(more) = &call.asked {
        let more = Arc::clone(more);
        return Box::pin(prompts::answer(app, call, &more, admission)).await;
    }
    answer(app, Arc::new(call), admission).await
}

/// A call whose model has a comma: of several models, where no model is called so.
async fn of_several(app: &Arc<App>, call: Call, admission: Admission) -> Response {
    match several::names_of(&call) {
        Ok(Some(names)) => {
            let response = several::answer(app, &call, names, call.options.fastest).await;
            drop(admission);
            response
        }
        Ok(None) => answer(app, Arc::new(call), admission).await,
        Err(error) => {
            let call = Arc::new(call);
            let books = Settlement::open(Arc::clone(&call), Arc::clone(&app.clock));
            failed(&error, &call, books)
        }
    }
}

/// Makes the `id` of an answer.
pub(super) fn new_answer_id(front: Front) -> String {
    format!("{}{}", front.id_prefix(), crate::random::uuid())
}

/// What stays the same for every piece of the answer to `call`.
pub(super) fn envelope(call: &Call) -> Envelope {
    let chat = call.request.chat();
    Envelope {
        id: call.answer_id.clone(),
        created: call.created,
        model: call.shown_model.clone(),
        include_usage: chat.is_some_and(|request| request.include_usage),
        content_blocks: chat.is_some_and(|request| request.content_blocks),
        asked: call.asked.clone(),
    }
}

/// Writes a whole answer as its client reads it.
///
/// # Errors
///
/// [`ErrorKind::Internal`] for an answer to another operation.
pub(super) fn whole_body(call: &Call, reply: &Answer) -> Result<Bytes> {
    call.front.answer(reply, &envelope(call))
}

/// Runs the call and renders what came of it.
async fn answer(app: &Arc<App>, call: Arc<Call>, admission: Admission) -> Response {
    let mut settlement = Settlement::open(Arc::clone(&call), Arc::clone(&app.clock));
    let mut envelope = envelope(&call);
    let mut outcome = match keepalive(&call) {
        None => run(app, &call, &mut settlement).await,
        Some(period) => {
            let mut running = running(app, &call, settlement);
            tokio::select! {
                (outcome, books) = &mut running => {
                    settlement = books;
                    outcome
                }
                () = tokio::time::sleep(period) => {
                    let Some(writer) = writer(&call, envelope) else {
                        let (outcome, books) = running.await;
                        return failed(&outcome.err().unwrap_or_else(not_streamed), &call, books);
                    };
                    let body = EventStream::before_content(running, writer, app, admission);
                    return as_event_stream(app, body.keep_alive(Some(period)), &call);
                }
            }
        }
    };
    if let Some((id, created)) = settlement.kept_as() {
        envelope.created = created;
        match &mut outcome {
            Ok(reply) if call.asked.is_kept() => responses::made_own(reply),
            _ => envelope.id = call.front.id_from(id),
        }
    }
    match outcome {
        Ok(Reply::Whole(reply)) => whole(&reply, &call, envelope, settlement),
        Ok(Reply::Stream(first, source)) => match writer(&call, envelope) {
            Some(writer) => {
                let headers = stream_headers(&settlement);
                let period = silence(&call, &settlement);
                let body = EventStream::new(first, source, writer, settlement, app, admission);
                let mut response = as_event_stream(app, body.keep_alive(period), &call);
                response.headers_mut().extend(headers);
                response
            }
            None => failed(&not_streamed(), &call, settlement),
        },
        Ok(Reply::Raw(_)) => {
            let message = "a call that is not passed through had such an answer";
            failed(&Error::new(ErrorKind::Internal, message), &call, settlement)
        }
        Err(error) => failed(&error, &call, settlement),
    }
}

/// Starts writing the stream of a call; `None` where its operation has none.
fn writer(call: &Arc<Call>, envelope: Envelope) -> Option<Box<dyn StreamWriter>> {
    let writer = call.front.stream(envelope)?;
    Some(if call.front.keeps_answers() {
        Box::new(Keeping::new(call, writer))
    } else {
        writer
    })
}

/// An operation that has no streams was answered by one.
fn not_streamed() -> Error {
    Error::new(
        ErrorKind::Internal,
        "the answer is a stream where there is none",
    )
}

fn whole(
    reply: &Answer,
    call: &Call,
    mut envelope: Envelope,
    mut settlement: Settlement,
) -> Response {
    settlement.used(reply.usage());
    let not_kept = responses::keep(call, reply, &envelope);
    if let Some(asked) = &not_kept {
        envelope.asked = asked.clone();
    }
    let body = match call.front.answer(reply, &envelope) {
        Ok(body) => body,
        Err(error) => return failed(&error, call, settlement),
    };
    let mut response = json(StatusCode::OK, body);
    say_success(response.headers_mut(), &settlement);
    if let Answer::Embed(answer) = reply {
        say_jobs(response.headers_mut(), answer);
    }
    if let Some(asked) = &not_kept {
        say_left_out(response.headers_mut(), asked);
    }
    insert(response.headers_mut(), names::CALL_ID, &call.id);
    settlement.completed();
    response
}

/// The headers of a stream that has begun.
pub(super) fn stream_headers(settlement: &Settlement) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(32);
    say_success(&mut headers, settlement);
    if settlement.journal().entries().may_resume {
        insert(&mut headers, names::STREAM_RECOVERY, "resume");
    }
    headers
}

/// How long a stream that has begun may be silent: what the deployment says, else what clients of its format expect.
pub(super) fn silence(call: &Call, settlement: &Settlement) -> Option<Duration> {
    let entries = settlement.journal().entries();
    let served = entries.served.as_ref();
    let ping = call.snapshot.config.litellm.messages_ping;
    served
        .and_then(|served| served.deployment.entry.keepalive)
        .or_else(|| ping.filter(|_| call.front.expects_pings()))
}

/// The call as a future of its own, which can outlive the handler.
fn running(app: &Arc<App>, call: &Arc<Call>, mut settlement: Settlement) -> Running {
    let (app, call) = (Arc::clone(app), Arc::clone(call));
    Box::pin(async move {
        let outcome = run(&app, &call, &mut settlement).await;
        (outcome, settlement)
    })
}

/// Runs the call, until the process ends.
pub(super) async fn run(app: &App, call: &Arc<Call>, books: &mut Settlement) -> Result<Reply> {
    tokio::select! {
        // Boxed, so that a connection does not carry the room for a call while it rests.
        outcome = Box::pin(app.pipeline.run(call, books)) => outcome,
        () = app.shutdown.cut.cancelled() => Err(cut_off(app)),
    }
}

/// Whether the call goes on when its client hangs up (`cancel_on_disconnect: false`); a stream never does.
fn outlives_client(call: &Call) -> bool {
    !call.request.is_streamed() && !call.snapshot.config.general.cancel_on_disconnect
}

/// How long a stream may be silent before its first content until a keep-alive commits it; only where the operator, or
/// with the operator's leave the client, asked for that.
fn keepalive(call: &Call) -> Option<Duration> {
    if !call.request.is_streamed() || call.options.direct {
        return None;
    }
    let resolved = call.snapshot.router.resolve(&call.model, call.asker())?;
    let entries = || {
        resolved
            .group
            .deployments
            .iter()
            .map(|deployment| &deployment.entry)
    };
    let client = call
        .options
        .keepalive
        .filter(|_| entries().any(|entry| entry.allow_client_keepalive));
    client
        .or_else(|| entries().filter_map(|entry| entry.keepalive).min())
        .filter(|period| !period.is_zero())
}

/// Makes the response whose body is a stream of events.
pub(super) fn as_event_stream<B>(app: &App, body: B, call: &Call) -> Response
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let mut response = Response::new(watched::body(body, call, app));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    insert(headers, names::CALL_ID, &call.id);
    response
}

/// The process ends before the answer came.
fn cut_off(app: &App) -> Error {
    app.shutdown.cut_total.fetch_add(1, Ordering::Relaxed);
    Error::new(ErrorKind::Overloaded, "the gateway is shutting down")
        .with_retry_after(Some(Duration::from_secs(1)))
}

pub(super) fn failed(error: &Error, call: &Call, mut settlement: Settlement) -> Response {
    let config = &call.snapshot.config;
    let named = config.general.include_call_id_in_error_body;
    let error = &if config.litellm.expose_router_debug_in_errors {
        let entries = settlement.journal().entries();
        error.clone().with_detail(&format!(
            "\nLiteLLM: model group '{}' failed with the error above. Retries: {}; fallbacks tried: {}.",
            call.model, entries.retries, entries.fallbacks
        ))
    } else {
        error.clone()
    };
    let mut response = error_response_naming(error, call.front, Some(&call.id), named);
    settlement.failed(error, response.status().as_u16());
    say_failure(response.headers_mut(), error, &settlement);
    response
}
