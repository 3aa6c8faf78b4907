//! What the administrator asks: reload the configuration, show what the router knows.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;

use super::App;
use super::admission::admin;
use super::headers::{call_id, error_response, json};
use super::router_state::RouterState;
use crate::config::Findings;
use crate::error::{Error, ErrorKind, Result};
use crate::state::{Outcome, Trigger};

/// Lets the administrator through: the master key, a virtual key whose `allowed_routes` name the path, or anyone where no
/// key is configured (then only this machine gets here).
///
/// # Errors
///
/// [`ErrorKind::Unauthenticated`] without a key or with an unknown one, [`ErrorKind::Forbidden`] with another virtual key.
pub(super) fn require_admin(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<()> {
    admin(&app.live.load(), uri, headers, app.clock.wall())
}

/// `POST /config/reload`: answers when the new file is in effect, or why it is not.
pub(super) async fn reload(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(error) = require_admin(&app, &uri, &headers) {
        return refused(&error, &headers);
    }
    let Some(reloader) = &app.reloader else {
        let message = "this process was not started from a file: there is nothing to reload";
        return refused(&Error::new(ErrorKind::BadRequest, message), &headers);
    };
    match reloader.reload(Trigger::Endpoint).await {
        Some(Outcome::Applied(report) | Outcome::Unchanged(report)) => {
            written(StatusCode::OK, report.as_ref())
        }
        Some(Outcome::Rejected(findings)) => rejected(&findings),
        None => {
            let error = Error::new(ErrorKind::Overloaded, "the gateway is shutting down");
            refused(&error, &headers)
        }
    }
}

/// `GET /router/state`: what the router knows of every group and deployment.
pub(super) async fn state(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    match require_admin(&app, &uri, &headers) {
        Ok(()) => written(
            StatusCode::OK,
            &RouterState::of(&app.live.load(), &*app.clock),
        ),
        Err(error) => refused(&error, &headers),
    }
}

/// Refuses a request of an administrator's endpoint.
pub(super) fn refused(error: &Error, headers: &HeaderMap) -> Response {
    error_response(error, Some(&call_id(headers)))
}

/// Writes a body as JSON.
pub(super) fn written(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => json(status, Bytes::from(body)),
        Err(error) => {
            let what = Error::new(ErrorKind::Internal, "Internal server error");
            error_response(&what.with_source(error), None)
        }
    }
}

/// The answer for a file with errors: OpenAI's shape, and beside it what is wrong.
#[derive(Serialize)]
struct RejectedBody<'a> {
    error: RejectedError,
    findings: &'a Findings,
}

#[derive(Serialize)]
struct RejectedError {
    message: String,
    r#type: &'static str,
    param: Option<String>,
    code: &'static str,
}

fn rejected(findings: &Findings) -> Response {
    let errors: Vec<_> = findings.errors().collect();
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    let message = match errors.len() {
        0 | 1 => format!("the configuration was rejected: {first}"),
        more => {
            format!("the configuration was rejected with {more} errors, the first of them: {first}")
        }
    };
    let body = RejectedBody {
        error: RejectedError {
            message,
            r#type: "invalid_config",
            param: None,
            code: "400",
        },
        findings,
    };
    written(StatusCode::BAD_REQUEST, &body)
}
