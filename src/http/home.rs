//! The front page, and answers for paths that nothing serves.

use axum::response::{Html, IntoResponse, Response};
use http::{Method, StatusCode, Uri};

use super::headers::error_response;
use crate::error::{Error, ErrorKind};

const PAGE: &str = include_str!("home.html");

/// `GET /` (and `HEAD /`, which some clients ask first): says what this is and where the documentation is.
pub(super) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

/// A path that nothing serves.
pub(super) async fn not_found(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    let error = Error::new(
        ErrorKind::BadRequest,
        format!("Unknown endpoint: {method} {path}. GET / lists what is served here."),
    );
    error_response(&error.with_status(StatusCode::NOT_FOUND), None)
}

/// A path that is served, but not with this method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    let error = Error::new(
        ErrorKind::BadRequest,
        format!("{path} does not take {method}."),
    );
    error_response(&error.with_status(StatusCode::METHOD_NOT_ALLOWED), None).into_response()
}
