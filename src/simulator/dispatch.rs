//! From an HTTP request to the operation that answers it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::agents;
use super::async_invoke;
use super::auth::bearer_token;
use super::body::ReplyBody;
use super::calls::Outcome;
use super::compatible;
use super::control_plane;
use super::converse::{self, Mode};
use super::error::AwsError;
use super::guardrail;
use super::introspect;
use super::invoke;
use super::misbehave::Directions;
use super::model_id::Model;
use super::operation;
use super::sigv4::Signed;
use super::state::{Shared, request_id};
use super::sts;
use super::{count, rerank};

/// Larger bodies are refused, as a guard for the machine the simulator runs on.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// The answer of an operation; `Err` drops the connection.
pub(super) type Answered = Result<Response<ReplyBody>, Failure>;

/// Why there is no ordinary answer.
pub(super) enum Failure {
    /// AWS refuses.
    Aws(AwsError),
    /// The connection is dropped without an answer, with a reset if the connection's flag is set.
    Drop,
}

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        Failure::Aws(error)
    }
}

/// What an operation needs to answer one call.
pub(super) struct Call<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) body: &'a [u8],
    /// What the path prefix asked for.
    pub(super) directions: Directions,
    pub(super) outcome: Outcome,
    pub(super) request_id: HeaderValue,
    /// Number of this call, from 1.
    pub(super) number: u64,
    /// Makes the connection end with a TCP reset when set.
    pub(super) reset: Arc<AtomicBool>,
}

/// Answers one request.
pub(super) async fn answer(
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> io::Result<Response<ReplyBody>> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if path.starts_with("/_simulator/") {
        return Ok(introspect::answer(
            &shared,
            &parts.method,
            path,
            parts.uri.query().unwrap_or_default(),
        ));
    }
    let number = shared.calls_total.fetch_add(1, Ordering::AcqRel) + 1;
    let request_id = request_id(number);
    let body = match read(body).await {
        Ok(body) => body,
        Err(error) => return Ok(error.into_response(&request_id)),
    };
    let outcome = shared.calls.record(&parts, &body, &shared.auth);
    let call = Call {
        shared: &shared,
        body: &body,
        directions: Directions::default(),
        outcome: outcome.clone(),
        request_id: request_id.clone(),
        number,
        reset,
    };
    let response = match operate(&parts, call).await {
        Ok(response) => response,
        Err(Failure::Aws(error)) => error.into_response(&request_id),
        Err(Failure::Drop) => return Err(io::Error::other("the simulator drops this connection")),
    };
    outcome.set_status(response.status().as_u16());
    if let ReplyBody::Whole(_) = response.body() {
        outcome.close(true);
    }
    Ok(response)
}

async fn read(body: Incoming) -> Result<Bytes, AwsError> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(AwsError::new(
            "RequestEntityTooLargeException",
            413,
            "Request body is too large.",
        )),
        Err(_) => Err(AwsError::new(
            "SerializationException",
            400,
            "The request body ended early.",
        )),
    }
}

/// Takes the fault prefix off the path, checks who asks, and runs the operation.
async fn operate(parts: &Parts, mut call: Call<'_>) -> Answered {
    let wire_path = parts.uri.path();
    let mut path = wire_path;
    if let Some((list, rest)) = wire_path
        .strip_prefix("/fault/")
        .and_then(|rest| rest.split_once('/'))
    {
        let list = decode(list);
        call.directions = Directions::from_prefix(&list)?;
        // What is signed is the path as sent; only the dispatch below sees the shorter one.
        path = wire_path
            .get(wire_path.len() - rest.len() - 1..)
            .unwrap_or_default();
    }
    let signed = Signed {
        method: parts.method.as_str(),
        path: wire_path,
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: call.body,
    };
    if parts.method == Method::POST && path == "/" {
        return sts::answer(&signed, &call);
    }
    if let (&Method::POST, Some((model, operation))) = (&parts.method, split_model_path(path)) {
        call.shared.auth.check(&signed, "bedrock")?;
        return on_model(operation, &decode(model), &call).await;
    }
    if let ("/rerank", &Method::POST) = (path, &parts.method) {
        refuse_api_key(parts)?;
        call.shared.auth.check(&signed, "bedrock")?;
        return rerank::by_agent_runtime(&call).await;
    }
    if let (&Method::POST, Some(api)) = (&parts.method, compatible::Api::of(path)) {
        call.shared.auth.check(&signed, "bedrock")?;
        return compatible::answer(api, path, &call).await;
    }
    if let Some(rest) = path.strip_prefix("/async-invoke") {
        call.shared.auth.check(&signed, "bedrock")?;
        match (&parts.method, rest.strip_prefix('/')) {
            (&Method::POST, None) if rest.is_empty() => return async_invoke::start(&call).await,
            (&Method::GET, Some(arn)) => return async_invoke::status(&decode(arn), &call),
            _ => {}
        }
    }
    if let (&Method::POST, Some((_, version))) = (&parts.method, guardrail::of_path(path)) {
        call.shared.auth.check(&signed, "bedrock")?;
        return guardrail::apply(&decode(version), &call).await;
    }
    if is_of_agents(path) {
        refuse_api_key(parts)?;
        call.shared.auth.check(&signed, "bedrock")?;
        let answered = agents::answer(&parts.method, path, &call).await;
        return answered.unwrap_or_else(|| Err(unknown_operation(&parts.method, path).into()));
    }
    if is_of_control_plane(path) {
        call.shared.auth.check(&signed, "bedrock")?;
        let query = parts.uri.query().unwrap_or_default();
        let answered = control_plane::answer(&parts.method, path, query, &call).await;
        return answered.unwrap_or_else(|| Err(unknown_operation(&parts.method, path).into()));
    }
    if path.starts_with("/converse-like") && parts.method == Method::POST {
        return converse_like(parts, &call).await;
    }
    Err(unknown_operation(&parts.method, path).into())
}

/// Runs a Bedrock operation on a model. One arm per operation; each has its own folder or file.
async fn on_model(operation: &str, model_id: &str, call: &Call<'_>) -> Answered {
    if operation == "invoke"
        && let Some(operation) = operation::Operation::of(&Model::parse(model_id)?, call.body)
    {
        return operation.answer(call).await;
    }
    let mode = match operation {
        "converse" => Mode::Whole,
        "converse-stream" => Mode::Stream,
        "invoke" => return invoke::answer(Mode::Whole, model_id, call).await,
        "invoke-with-response-stream" => {
            return invoke::answer(Mode::Stream, model_id, call).await;
        }
        "count-tokens" => return count::answer(model_id, call).await,
        _ => return Err(unknown_operation(&Method::POST, operation).into()),
    };
    let model = Model::parse(model_id)?;
    converse::answer(mode, &model, call).await
}

/// Plays a third party's API that takes Converse bodies at any path, with a bearer key.
async fn converse_like(parts: &Parts, call: &Call<'_>) -> Answered {
    let value = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let Some(token) = value.and_then(bearer_token) else {
        return Err(AwsError::new(
            "MissingAuthenticationTokenException",
            403,
            "Missing Authentication Token",
        )
        .into());
    };
    call.shared.auth.check_bearer(token)?;
    let streams = parts
        .uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair.starts_with("stream")));
    let mode = if streams {
        converse::Mode::Stream
    } else {
        converse::Mode::Whole
    };
    converse::answer(mode, &Model::unnamed(), call).await
}

fn is_of_agents(path: &str) -> bool {
    let first = path.split('/').nth(1);
    first.is_some_and(|first| ["agents", "knowledgebases", "retrieveAndGenerate"].contains(&first))
}

fn is_of_control_plane(path: &str) -> bool {
    let first = path.split('/').nth(1);
    first.is_some_and(|first| {
        ["foundation-models", "inference-profiles", "guardrails"].contains(&first)
    })
}

/// The agent runtime takes no Bedrock API keys.
fn refuse_api_key(parts: &Parts) -> Result<(), AwsError> {
    let value = parts.headers.get(header::AUTHORIZATION);
    let value = value.and_then(|value| value.to_str().ok());
    if value.and_then(bearer_token).is_none() {
        return Ok(());
    }
    Err(AwsError::new(
        "AccessDeniedException",
        403,
        "Authentication failed: API keys are not supported by this operation.",
    ))
}

/// Splits `/model/{id}/{operation}`; an id may contain slashes that nobody encoded.
fn split_model_path(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/model/")?.rsplit_once('/')
}

pub(super) fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

fn unknown_operation(method: &Method, path: &str) -> AwsError {
    AwsError::unknown_operation(format!(
        "Unable to determine service/operation name to be authorized: {method} {path}"
    ))
}
