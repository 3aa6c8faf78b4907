//! Every endpoint that calls a model: dialect in, pipeline, dialect out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, request};

use super::admission::{Admission, admit, authenticate};
use super::body::read_body;
use super::headers::{call_id, error_response, error_response_naming, insert, json, say_served};
use super::layers::catching;
use super::opening::Opening;
use super::options::deadline;
use super::portkey;
use super::sse::{EventStream, Running};
use super::{App, home, several};
use crate::canonical::ChatAnswer;
use crate::dialect::chat::{ChatCompletions as Chat, expand};
use crate::dialect::{Dialect, Envelope};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{Call, Journal, Reply, Settlement};
use crate::state::Snapshot;
use crate::telemetry::events::{call_refused, call_shed};
use crate::telemetry::names;

/// `POST /v1/chat/completions` and its other spellings.
pub(super) async fn chat(State(app): State<Arc<App>>, request: Request) -> Response {
    catching(serve(&app, request, Named::default())).await
}

/// `POST /v1/prompts/{prompt_id}/completions`: a chat request made of a named template.
pub(super) async fn prompt(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let Ok(Path(id)) = id else {
        return unknown_path(request).await;
    };
    let path = Named {
        prompt: Some(id),
        ..Named::default()
    };
    catching(serve(&app, request, path)).await
}

/// `POST /engines/{model}/chat/completions` and `/openai/deployments/{model}/chat/completions`: the model is named by
/// the path, and may have slashes.
pub(super) async fn chat_by_path(
    State(app): State<Arc<App>>,
    rest: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let rest = rest.map(|Path(rest)| rest).unwrap_or_default();
    let Some(model) = rest
        .strip_suffix("/chat/completions")
        .filter(|model| !model.is_empty())
    else {
        return unknown_path(request).await;
    };
    let path = Named {
        model: Some(model.to_owned()),
        ..Named::default()
    };
    catching(serve(&app, request, path)).await
}

async fn unknown_path(request: Request) -> Response {
    let (head, _) = request.into_parts();
    home::not_found(head.method, head.uri, head.headers).await
}

/// What the path of a request names.
#[derive(Debug, Default)]
struct Named {
    /// The model; it wins over the body's.
    model: Option<String>,
    /// A prompt template.
    prompt: Option<String>,
}

async fn serve(app: &Arc<App>, request: Request, path: Named) -> Response {
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
            match tracker.spawn(answering).await {
                Ok(response) => response,
                Err(_) => error_response(
                    &Error::new(ErrorKind::Internal, "Internal server error"),
                    Some(&id),
                ),
            }
        }
        Ok((call, admission)) => answer_all(app, call, admission).await,
        Err(error) => {
            let elapsed = app.clock.now().saturating_duration_since(received);
            call_refused(&snapshot.metrics, &id, &error, elapsed);
            if error.kind() == ErrorKind::Overloaded {
                call_shed(&snapshot.metrics);
            }
            let mut response = error_response_naming(&error, Some(&id), named);
            if error.kind() != ErrorKind::Unauthenticated {
                say(response.headers_mut(), None, elapsed);
            }
            response
        }
    }
}

/// Checks the key, reads the body and opens the call.
async fn open(
    app: &App,
    snapshot: &Arc<Snapshot>,
    head: &request::Parts,
    body: Body,
    path: Named,
    received: Instant,
    id: &str,
) -> Result<(Call, Admission)> {
    let general = &snapshot.config.general;
    let identity = authenticate(snapshot, &head.uri, &head.headers)?;
    let body = read_body(body, &head.headers, general.max_request_bytes).await?;
    let own = deadline(&head.headers)?;
    let bound = [own, snapshot.config.router.deadline].into_iter().flatten();
    let until = bound.min().and_then(|bound| received.checked_add(bound));
    let admission = admit(app, general, until).await?;
    let expanded = expand(&body, &snapshot.config.prompts, path.prompt.as_deref())?;
    let parsed = Chat.parse(expanded.as_ref().unwrap_or(&body), &head.headers)?;
    let model = path.model.as_deref().or(parsed.model.as_deref());
    let portkey = portkey::read(&portkey::Received {
        headers: &head.headers,
        path: head.uri.path(),
        model,
        body: expanded.as_ref().unwrap_or(&body),
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
    Ok((opening.open(parsed, path.model, portkey)?, admission))
}

/// Answers a call of one model, or of several.
async fn answer_all(app: &Arc<App>, call: Call, admission: Admission) -> Response {
    if call.model.contains(',') {
        return Box::pin(of_several(app, call, admission)).await;
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
pub(super) fn new_answer_id() -> String {
    format!("chatcmpl-{}", crate::random::uuid())
}

/// What stays the same for every piece of the answer to `call`.
fn envelope(call: &Call) -> Envelope {
    Envelope {
        id: call.answer_id.clone(),
        created: call.created,
        model: call.shown_model.clone(),
        include_usage: call.request.include_usage,
        content_blocks: call.request.content_blocks,
    }
}

/// Writes a whole answer as its client reads it.
pub(super) fn whole_body(call: &Call, reply: &ChatAnswer) -> Bytes {
    Chat.answer(reply, &envelope(call))
}

/// Runs the call and renders what came of it.
async fn answer(app: &Arc<App>, call: Arc<Call>, admission: Admission) -> Response {
    let mut settlement = Settlement::open(Arc::clone(&call), Arc::clone(&app.clock));
    let mut envelope = envelope(&call);
    let outcome = match keepalive(&call) {
        None => run(app, &call, &mut settlement).await,
        Some(period) => {
            let mut running = running(app, &call, settlement);
            tokio::select! {
                (outcome, books) = &mut running => {
                    settlement = books;
                    outcome
                }
                () = tokio::time::sleep(period) => {
                    let body = EventStream::before_content(running, Chat.stream(envelope), app, admission);
                    return event_stream(body.keep_alive(Some(period)), &call.id);
                }
            }
        }
    };
    if let Some((id, created)) = settlement.kept_as() {
        id.clone_into(&mut envelope.id);
        envelope.created = created;
    }
    match outcome {
        Ok(Reply::Whole(reply)) => {
            settlement.used(reply.usage.unwrap_or_default());
            let mut response = json(StatusCode::OK, Chat.answer(&reply, &envelope));
            say_success(response.headers_mut(), &settlement);
            insert(response.headers_mut(), names::CALL_ID, &call.id);
            settlement.completed();
            response
        }
        Ok(Reply::Stream(first, source)) => {
            let mut headers = HeaderMap::with_capacity(32);
            say_success(&mut headers, &settlement);
            if settlement.journal().entries().may_resume {
                insert(&mut headers, names::STREAM_RECOVERY, "resume");
            }
            let period = settlement
                .journal()
                .entries()
                .served
                .as_ref()
                .and_then(|served| served.deployment.entry.keepalive);
            let body = EventStream::new(
                first,
                source,
                Chat.stream(envelope),
                settlement,
                app,
                admission,
            );
            let mut response = event_stream(body.keep_alive(period), &call.id);
            response.headers_mut().extend(headers);
            response
        }
        Err(error) => failed(&error, &call, settlement),
    }
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
    !call.request.stream && !call.snapshot.config.general.cancel_on_disconnect
}

/// How long a stream may be silent before its first content until a keep-alive commits it; only where the operator, or
/// with the operator's leave the client, asked for that.
fn keepalive(call: &Call) -> Option<Duration> {
    if !call.request.stream || call.options.direct {
        return None;
    }
    let resolved = call.snapshot.router.resolve(&call.model)?;
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

fn event_stream(body: EventStream, id: &str) -> Response {
    let mut response = Response::new(Body::new(body));
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
    insert(headers, names::CALL_ID, id);
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
    let mut response = error_response_naming(error, Some(&call.id), named);
    settlement.failed(error, response.status().as_u16());
    let headers = response.headers_mut();
    say_call(headers, &settlement);
    // Where no deployment could be looked for, the group may be known all the same.
    let is_told = settlement.journal().entries().group.is_some();
    if !is_told && call.snapshot.router.resolve(&call.model).is_some() {
        insert(headers, names::MODEL_GROUP, &call.model);
    }
    if let Some(served) = &settlement.journal().entries().served
        && error.kind() == ErrorKind::Timeout
    {
        insert(
            headers,
            names::TIMEOUT,
            &served.timeout.as_secs_f64().to_string(),
        );
    }
    response
}

/// The headers of a success: who served, what it took, what is left of the limits.
pub(super) fn say_success(headers: &mut HeaderMap, settlement: &Settlement) {
    say_call(headers, settlement);
    for (name, value) in settlement.limit_headers() {
        headers.insert(name, value);
    }
}

/// The headers of an answer to a call, a success or an error.
fn say_call(headers: &mut HeaderMap, settlement: &Settlement) {
    say(headers, Some(settlement.journal()), settlement.elapsed());
    if settlement.call().options.priority.is_some() {
        insert(headers, names::PRIORITIZED, "True");
    }
    let (call, journal) = (settlement.call(), settlement.journal());
    portkey::say(headers, call, journal, settlement.cache_status());
    if let Some(facts) = settlement.cache_facts() {
        let hit = if facts.hit { "true" } else { "false" };
        insert(headers, names::CACHE_HIT, hit);
        insert(headers, names::CACHE_KEY, &facts.key);
    }
}

/// The headers that every answer after authentication has.
fn say(headers: &mut HeaderMap, journal: Option<&Journal>, elapsed: Duration) {
    say_served(headers, journal);
    headers.insert(
        HeaderName::from_static(names::VERSION),
        HeaderValue::from_static(env!("CARGO_PKG_VERSION")),
    );
    let upstream = journal
        .and_then(|journal| Some(journal.entries().served.as_ref()?.upstream))
        .unwrap_or_default();
    insert(headers, names::RESPONSE_DURATION, &millis(elapsed));
    insert(
        headers,
        names::OVERHEAD_DURATION,
        &millis(elapsed.saturating_sub(upstream)),
    );
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> String {
    let micros = duration.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
