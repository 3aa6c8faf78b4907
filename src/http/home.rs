//! The front page, and answers for paths that nothing serves.

use axum::response::{Html, Response};
use http::{HeaderMap, Method, StatusCode, Uri};

use super::headers::{call_id, error_response};
use crate::error::{Error, ErrorKind};

/// The front page.
pub(super) const PAGE: &str = include_str!("home.html");

/// `GET /` (and `HEAD /`, which some clients ask first): says what this is and where the documentation is.
pub(super) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

/// A path that nothing serves.
pub(super) async fn not_found(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    let message = format!("Unknown endpoint: {method} {path}. GET / lists what is served here.");
    refused(StatusCode::NOT_FOUND, message, &headers)
}

/// A path that is served, but not with this method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    let message = format!("{path} does not take {method}.");
    refused(StatusCode::METHOD_NOT_ALLOWED, message, &headers)
}

fn refused(status: StatusCode, message: String, headers: &HeaderMap) -> Response {
    let error = Error::new(ErrorKind::BadRequest, message).with_status(status);
    error_response(&error, Some(&call_id(headers)))
}
