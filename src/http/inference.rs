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
use super::options::{bring, call_options};
use super::portkey;
use super::sse::{EventStream, Running};
use super::{App, home, several};
use crate::cache::{CacheControls, Tenant};
use crate::canonical::ChatAnswer;
use crate::dialect::chat::{ChatCompletions as Chat, expand};
use crate::dialect::{Controls, Dialect, Envelope, Parsed};
use crate::error::{Error, ErrorKind, Result};
use crate::keys::Identity;
use crate::pipeline::{Call, CallOptions, Journal, Reply, Settlement};
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
        Ok((call, admission)) if call.model.contains(',') => {
            Box::pin(of_several(app, call, admission)).await
        }
        Ok((call, admission)) if outlives_client(&call) => {
            let app = Arc::clone(app);
            let tracker = app.tracker.clone();
            let answering = async move { answer(&app, Arc::new(call), admission).await };
            match tracker.spawn(answering).await {
                Ok(response) => response,
                Err(_) => error_response(
                    &Error::new(ErrorKind::Internal, "Internal server error"),
                    Some(&id),
                ),
            }
        }
        Ok((call, admission)) => answer(app, Arc::new(call), admission).await,
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
    let admission = admit(app, general).await?;
    let expanded = expand(&body, &snapshot.config.prompts, path.prompt.as_deref())?;
    let parsed = Chat.parse(expanded.as_ref().unwrap_or(&body), &head.headers)?;
    let opening = Opening {
        snapshot,
        head,
        identity,
        received,
        created: app.clock.unix_seconds(),
        id,
    };
    Ok((opening.open(parsed, path.model)?, admission))
}

/// What a call is opened with.
struct Opening<'a> {
    snapshot: &'a Arc<Snapshot>,
    head: &'a request::Parts,
    identity: Identity,
    received: Instant,
    created: u64,
    id: &'a str,
}

impl Opening<'_> {
    fn open(self, parsed: Parsed, path_model: Option<String>) -> Result<Call> {
        let (snapshot, head) = (self.snapshot, self.head);
        let portkey = portkey::read(&head.headers)?;
        let Parsed {
            model,
            mut request,
            controls,
        } = parsed;
        let forced = snapshot.config.general.completion_model.clone();
        let asked = path_model.or(model);
        let model = forced.or_else(|| asked.clone()).ok_or_else(|| {
            Error::bad_request(
                "model",
                "/chat/completions: Missing required parameter: 'model'.",
            )
        })?;
        request.portkey = portkey.active;
        if let Some(strict) = portkey.strict {
            request.content_blocks = !strict;
        }
        for beta in &portkey.betas {
            if !request.betas.contains(beta) {
                request.betas.push(beta.clone());
            }
        }
        if snapshot.config.general.always_include_stream_usage {
            request.include_usage = true;
        }
        let mut options = self.options(controls, portkey.timeout_ms)?;
        options.direct = portkey.active;
        for (name, value) in portkey.credentials {
            bring(&mut options, &name, value);
        }
        let span = tracing::info_span!(
            target: names::TRACE_TARGET,
            "chat",
            otel.name = %format_args!("{} {}", head.method, head.uri.path()),
            otel.kind = "server",
            url.path = head.uri.path(),
            litellm.call_id = self.id,
            http.response.status_code = tracing::field::Empty,
            gen_ai.usage.input_tokens = tracing::field::Empty,
            gen_ai.usage.output_tokens = tracing::field::Empty,
            error.type = tracing::field::Empty,
        );
        crate::telemetry::adopt_parent(&span, &head.headers);
        Ok(Call {
            id: self.id.to_owned(),
            snapshot: Arc::clone(snapshot),
            received: self.received,
            shown_model: asked.unwrap_or_else(|| model.clone()),
            model,
            request,
            options,
            traceparent: snapshot
                .config
                .litellm
                .forward_traceparent
                .then(|| head.headers.get("traceparent").cloned())
                .flatten(),
            identity: self.identity,
            answer_id: format!("chatcmpl-{}", crate::random::uuid()),
            created: self.created,
            span,
        })
    }

    /// What the caller decided, and its key for it.
    fn options(&self, controls: Controls, portkey_ms: Option<u64>) -> Result<CallOptions> {
        let headers = &self.head.headers;
        let config = &self.snapshot.config;
        let cache = match &self.snapshot.cache {
            Some(_) => CacheControls::of(&controls.other, headers)?,
            None => CacheControls::default(),
        };
        let mut options = call_options(headers, controls, portkey_ms)?;
        options.include_fallback_errors &= config.general.expose_fallback_errors;
        if config.general.reject_client_tags {
            options.tags.clear();
        }
        if let Some(key) = self.identity.key() {
            let own = &key.config;
            cache.check_allowed(own.allowed_cache_controls.as_deref())?;
            let tags = own.tags.iter().filter(|tag| !options.tags.contains(tag));
            let tags: Vec<String> = tags.cloned().collect();
            options.tags.extend(tags);
            options.num_retries = options.num_retries.or(own.router.num_retries);
            options.tenant = Tenant {
                key: Some(key.id.clone()),
                team: own.team_id.clone(),
            };
        }
        options.cache = cache;
        Ok(options)
    }
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
        None => tokio::select! {
            // Boxed, so that a connection does not carry the room for a call while it rests.
            outcome = Box::pin(app.pipeline.run(&call, &mut settlement)) => outcome,
            () = app.shutdown.cut.cancelled() => Err(cut_off(app)),
        },
        Some(period) => {
            let mut running = running(app, &call, settlement);
            tokio::select! {
                (outcome, books) = &mut running => {
                    settlement = books;
                    outcome
                }
                () = app.shutdown.cut.cancelled() => {
                    return error_response_naming(&cut_off(app), Some(&call.id), false);
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
            if source.may_resume() {
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
fn running(app: &App, call: &Arc<Call>, mut settlement: Settlement) -> Running {
    let pipeline = app.pipeline.clone();
    let call = Arc::clone(call);
    Box::pin(async move {
        let outcome = pipeline.run(&call, &mut settlement).await;
        (outcome, settlement)
    })
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
