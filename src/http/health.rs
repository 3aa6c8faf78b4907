//! Probes: is the process alive, and is it ready to serve.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::App;
use super::headers::json;
use crate::clock::rfc3339;

/// `GET /health/liveliness` and `/health/liveness`: 503 while draining, so that no more traffic comes.
pub(super) async fn alive(State(app): State<Arc<App>>) -> Response {
    if app.shutdown.draining.is_cancelled() {
        return shutting_down();
    }
    json(StatusCode::OK, Bytes::from_static(b"\"I'm alive!\""))
}

/// `GET /health/readiness`: what is loaded, and since when; findings only for the administrator.
pub(super) async fn ready(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if app.shutdown.draining.is_cancelled() {
        return shutting_down();
    }
    let snapshot = app.live.load();
    let mut body = json!({
        "status": "healthy",
        "db": "Not connected",
        "config": {
            "status": "ok",
            "generation": snapshot.generation,
            "loaded_at": rfc3339(snapshot.loaded_at),
            "rejected_at": null,
            "problems": 0,
        },
    });
    if snapshot
        .keys
        .check(&headers)
        .is_ok_and(|identity| identity.is_administrator())
        && let Some(body) = body.as_object_mut()
    {
        body.insert("findings".to_owned(), json!(snapshot.config.warnings));
    }
    json(StatusCode::OK, Bytes::from(body.to_string()))
}

fn shutting_down() -> Response {
    json(
        StatusCode::SERVICE_UNAVAILABLE,
        Bytes::from_static(br#"{"status":"shutting_down"}"#),
    )
}
