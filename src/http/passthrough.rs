//! `/bedrock/{path}`: Bedrock's own APIs, for clients that speak to AWS.
//!
//! Who may call is decided here, by the service that the path leads to: models and agents are open to every key, the control
//! plane for reading, the rest is the administrator's. What the client gets is AWS's status, headers and bytes; an error of
//! ours has what AWS's clients read (`x-amzn-errortype`, `message`) beside what OpenAI's do.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, request};
use http_body::Frame;
use serde_json::Value;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::App;
use super::admission::{Admission, admit, authenticate_passed_through};
use super::answer_headers::{say_failure, say_success};
use super::body::read_body;
use super::headers::{call_id, error_response_naming, insert};
use super::inference::{run, unopened};
use super::layers::catching;
use super::opening::Opening;
use super::options::deadline;
use super::watched;
use crate::dialect::chat::ChatCompletions as Chat;
use crate::dialect::{Dialect, Front};
use crate::error::{Error, ErrorKind, Result};
use crate::keys::Identity;
use crate::pipeline::{Call, RawCall, RawReply, RawSource, Reply, Settlement};
use crate::provider::bedrock::raw::{RawPath, RawRequest, back, onward};
use crate::provider::bedrock::url::Service;
use crate::state::Snapshot;
use crate::telemetry::names;

/// Methods that Bedrock's APIs have.
const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// Any method on `/bedrock/{path}`.
pub(super) async fn relay(State(app): State<Arc<App>>, request: Request) -> Response {
    catching(Front::CHAT, serve(&app, request)).await
}

async fn serve(app: &Arc<App>, request: Request) -> Response {
    let received = app.clock.now();
    let snapshot = app.live.load();
    let (head, body) = request.into_parts();
    let id = call_id(&head.headers);
    match open(app, &snapshot, &head, body, received, &id).await {
        Ok((call, admission)) => answer(app, Arc::new(call), admission).await,
        Err(error) => {
            let response = refusal(&error, &snapshot, &id);
            unopened(app, &snapshot, &id, &error, received, response)
        }
    }
}

/// Checks the key and what it may call, reads the body, and opens the call.
async fn open(
    app: &App,
    snapshot: &Arc<Snapshot>,
    head: &request::Parts,
    body: Body,
    received: Instant,
    id: &str,
) -> Result<(Call, Admission)> {
    let general = &snapshot.config.general;
    let identity = authenticate_passed_through(snapshot, &head.uri, &head.headers)?;
    if !METHODS.contains(&head.method) {
        let message = format!("{} is no method of Bedrock's", head.method);
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Error::new(ErrorKind::BadRequest, message).with_status(status));
    }
    let path = RawPath::parse(&head.method, head.uri.path())?;
    permit(snapshot, &identity, &head.method, path.service())?;
    let body = read_body(body, &head.headers, general.max_request_bytes).await?;
    let bound = [deadline(&head.headers)?, snapshot.config.router.deadline];
    let bound = bound.into_iter().flatten().min();
    let until = bound.and_then(|bound| received.checked_add(bound));
    let admission = admit(app, general, until).await?;
    let raw = RawRequest {
        method: head.method.clone(),
        path,
        query: head.uri.query().map(str::to_owned),
        headers: onward(&head.headers),
        body,
    };
    let opening = Opening {
        snapshot,
        head,
        identity,
        received,
        created: app.clock.unix_seconds(),
        id,
    };
    let call = opening.open_raw(RawCall::new(raw, signed_region(&head.headers))?)?;
    Ok((call, admission))
}

/// Checks that the caller may call a service.
fn permit(
    snapshot: &Snapshot,
    identity: &Identity,
    method: &Method,
    service: Service,
) -> Result<()> {
    let settings = snapshot.config.general.pass_through;
    let (is_off, is_open) = match service {
        Service::AgentRuntime => (settings.without_agents, true),
        Service::AgentBuildTime => (settings.without_agents, false),
        Service::ControlPlane => (settings.without_control_plane, *method == Method::GET),
        Service::Runtime | Service::Mantle | Service::AgentCore | Service::Sts => (false, true),
    };
    if is_off {
        let message = format!(
            "this gateway does not pass calls of {} through",
            service.label()
        );
        return Err(Error::new(ErrorKind::Forbidden, message));
    }
    if is_open || identity.is_administrator() || snapshot.keys.is_open() {
        return Ok(());
    }
    let message = "only the administrator may do this: it needs the master key";
    Err(Error::new(ErrorKind::Forbidden, message))
}

/// The region that the caller's own signature was made for: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn signed_region(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let value = value.strip_prefix("AWS4-HMAC-SHA256")?;
    let (_, credential) = value.split_once("Credential=")?;
    let scope = credential.split([',', ' ']).next()?;
    // From the end: a key may have slashes.
    scope.rsplit('/').nth(2).map(str::to_owned)
}

/// Runs the call, and sends on what comes of it.
async fn answer(app: &Arc<App>, call: Arc<Call>, admission: Admission) -> Response {
    let mut books = Settlement::open(Arc::clone(&call), Arc::clone(&app.clock));
    match run(app, &call, &mut books).await {
        Ok(Reply::Raw(reply)) => relayed(app, *reply, books, admission),
        Ok(_) => {
            let message = "a call that is passed through had another answer";
            failed(&Error::new(ErrorKind::Internal, message), &call, books)
        }
        Err(error) => failed(&error, &call, books),
    }
}

/// AWS's answer, with what we say of it.
fn relayed(app: &App, reply: RawReply, books: Settlement, admission: Admission) -> Response {
    let mut headers = back(&reply.headers);
    say_success(&mut headers, &books);
    insert(&mut headers, names::CALL_ID, &books.call().id);
    let has_no_body = matches!(
        reply.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) || books
        .call()
        .raw
        .as_ref()
        .is_some_and(|raw| raw.request.method == Method::HEAD);
    let mut body = RelayBody {
        source: reply.source,
        books,
        status: reply.status,
        cut: Box::pin(app.shutdown.cut.clone().cancelled_owned()),
        cut_total: Arc::clone(&app.shutdown.cut_total),
        is_over: false,
        _admission: admission,
    };
    let body = if has_no_body || body.source.is_over() {
        // Nobody would read it, and the books are closed where it ends.
        body.source.close();
        body.end();
        Body::empty()
    } else {
        let call = Arc::clone(body.books.call());
        watched::body(body, &call, app)
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    response
}

/// An answer that passes by, and the books of its call.
struct RelayBody {
    source: RawSource,
    books: Settlement,
    status: StatusCode,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_total: Arc<AtomicUsize>,
    is_over: bool,
    _admission: Admission,
}

impl std::fmt::Debug for RelayBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayBody").finish_non_exhaustive()
    }
}

impl RelayBody {
    /// Ends the answer before its end: the client's connection breaks, as AWS's would have.
    fn fail(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.is_over = true;
        self.books.failed(&error, self.status.as_u16());
        Poll::Ready(Some(Err(error)))
    }

    fn end(&mut self) {
        self.is_over = true;
        match self.source.fault() {
            None => {
                self.books.used(self.source.usage());
                self.books.completed_as(self.status.as_u16());
            }
            // What came of it stands in the journal, as of every answer that breaks.
            Some(fault) => self.books.failed(fault, self.status.as_u16()),
        }
    }
}

impl http_body::Body for RelayBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        match this.source.poll_piece(cx) {
            Poll::Ready(Ok(Some(piece))) => {
                this.books.saw_content();
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Poll::Ready(Ok(None)) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Ready(Err(error)) => this.fail(error),
            Poll::Pending if this.cut.as_mut().poll(cx).is_ready() => {
                this.cut_total.fetch_add(1, Ordering::Relaxed);
                let message = "the gateway is shutting down";
                this.fail(Error::new(ErrorKind::Overloaded, message))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

fn failed(error: &Error, call: &Call, mut books: Settlement) -> Response {
    let mut response = refusal(error, &call.snapshot, &call.id);
    books.failed(error, response.status().as_u16());
    say_failure(response.headers_mut(), error, &books);
    response
}

/// AWS's refusal as it came, or one of ours that AWS's clients understand.
pub(super) fn refusal(error: &Error, snapshot: &Snapshot, id: &str) -> Response {
    let named = snapshot.config.general.include_call_id_in_error_body;
    let mut response = error_response_naming(error, Front::CHAT, Some(id), named);
    if let Some((status, body)) = error.upstream_answer() {
        *response.status_mut() = status;
        response.headers_mut().remove(header::CONTENT_TYPE);
        response
            .headers_mut()
            .extend(back(error.upstream_headers()));
        *response.body_mut() = Body::from(body.clone());
        return response;
    }
    let name = HeaderName::from_static("x-amzn-errortype");
    let exception = HeaderValue::from_static(exception(error));
    response.headers_mut().insert(name, exception);
    *response.body_mut() = Body::from(worded(error, named.then_some(id)));
    response
}

/// Says an error in OpenAI's words, and its message where AWS's clients look for it.
fn worded(error: &Error, id: Option<&str>) -> Vec<u8> {
    let openai = Chat.error(error, id);
    let members = openai.strip_prefix(b"{").unwrap_or(&openai);
    let message = Value::from(error.message()).to_string();
    [b"{\"message\":", message.as_bytes(), b",", members].concat()
}

/// AWS's name for an error of ours.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html>.
fn exception(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::BadRequest | ErrorKind::ContextWindow | ErrorKind::ContentPolicy => {
            match error.status() {
                StatusCode::NOT_FOUND => "UnknownOperationException",
                _ => "ValidationException",
            }
        }
        ErrorKind::Unauthenticated => "UnrecognizedClientException",
        ErrorKind::Forbidden | ErrorKind::UpstreamDenied => "AccessDeniedException",
        ErrorKind::UnknownModel | ErrorKind::UpstreamMissing => "ResourceNotFoundException",
        ErrorKind::LimitReached | ErrorKind::Throttled | ErrorKind::NoDeployment => {
            "ThrottlingException"
        }
        ErrorKind::BudgetReached => "ServiceQuotaExceededException",
        ErrorKind::Overloaded | ErrorKind::Unavailable => "ServiceUnavailableException",
        ErrorKind::Timeout => "ModelTimeoutException",
        ErrorKind::ModelFault => "ModelErrorException",
        ErrorKind::Garbled | ErrorKind::Internal => "InternalServerException",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_is_that_of_the_signatures_scope() {
        let region = |authorization: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::AUTHORIZATION,
                HeaderValue::from_str(authorization).unwrap(),
            );
            signed_region(&headers)
        };
        for (scope, expected) in [
            ("sk-1/20260101/eu-west-1/bedrock/aws4_request", "eu-west-1"),
            ("a/b/20260101/us-east-1/bedrock/aws4_request", "us-east-1"),
            ("sk-1/20260101//bedrock/aws4_request", ""),
        ] {
            for rest in [", SignedHeaders=host, Signature=0", ""] {
                let header = format!("AWS4-HMAC-SHA256 Credential={scope}{rest}");
                assert_eq!(region(&header).as_deref(), Some(expected), "{header}");
            }
        }
        for header in [
            "Bearer sk-1",
            "AWS4-HMAC-SHA256 Signature=0",
            "AWS4-HMAC-SHA256 Credential=sk-1",
        ] {
            assert_eq!(region(header), None, "{header}");
        }
    }

    #[test]
    fn error_of_ours_says_what_both_kinds_of_clients_read() {
        let error = Error::bad_request("model", "no \"such\" model");
        let body: Value = serde_json::from_slice(&worded(&error, Some("id"))).unwrap();
        assert_eq!(body["message"], "no \"such\" model");
        assert_eq!(body["error"]["message"], body["message"]);
        assert_eq!(body["error"]["param"], "model");
        assert_eq!(body["error"]["litellm_call_id"], "id");
    }

    #[test]
    fn every_kind_of_error_has_a_name_of_awss() {
        for kind in ErrorKind::ALL {
            let name = exception(&Error::new(kind, "x"));
            assert!(name.ends_with("Exception"), "{kind:?}: {name}");
        }
        let unknown = Error::new(ErrorKind::BadRequest, "x").with_status(StatusCode::NOT_FOUND);
        assert_eq!(exception(&unknown), "UnknownOperationException");
    }
}
