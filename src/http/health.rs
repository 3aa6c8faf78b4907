//! Probes: is the process alive, and is it ready to serve.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;

use super::App;
use super::admin::{refused, require_admin, written};
use super::headers::json;
use crate::clock::rfc3339;
use crate::config::Findings;

/// `GET /health/liveliness` and `/health/liveness`: 503 while draining, so that no more traffic comes.
pub(super) async fn alive(State(app): State<Arc<App>>) -> Response {
    if app.shutdown.draining.is_cancelled() {
        return shutting_down();
    }
    json(StatusCode::OK, Bytes::from_static(b"\"I'm alive!\""))
}

/// What `/health/readiness` answers. A rejected file and a shared store that is away are told, and no reason for 503.
#[derive(Debug, Serialize)]
struct Readiness {
    status: &'static str,
    db: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<&'static str>,
    config: ConfigStatus,
    /// For the administrator only.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Findings>,
}

/// The file, and what is in force of it.
#[derive(Debug, Serialize)]
struct ConfigStatus {
    status: &'static str,
    generation: u64,
    loaded_at: String,
    rejected_at: Option<String>,
    problems: usize,
}

/// Whether findings are part of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Public,
    Findings,
}

/// `GET /health/readiness`: what is loaded, and since when; findings only for the administrator.
pub(super) async fn ready(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if app.shutdown.draining.is_cancelled() {
        return shutting_down();
    }
    let identity = app.live.load().keys.check(&headers);
    let is_admin = identity.is_ok_and(|identity| identity.is_administrator());
    let detail = if is_admin {
        Detail::Findings
    } else {
        Detail::Public
    };
    written(StatusCode::OK, &readiness(&app, detail))
}

/// `GET /health/readiness/details`: the same with findings, for the administrator.
pub(super) async fn details(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    if app.shutdown.draining.is_cancelled() {
        return shutting_down();
    }
    if let Err(error) = require_admin(&app, &uri, &headers) {
        return refused(&error, &headers);
    }
    written(StatusCode::OK, &readiness(&app, Detail::Findings))
}

fn readiness(app: &App, detail: Detail) -> Readiness {
    let snapshot = app.live.load();
    let rejected = app.live.rejected();
    let store = app.pipeline.parts().store.as_ref();
    let problems = rejected
        .as_ref()
        .map_or(0, |rejected| rejected.findings.errors().count());
    Readiness {
        status: "healthy",
        db: "Not connected",
        redis: store.map(|store| {
            if store.is_up() {
                "connected"
            } else {
                "disconnected"
            }
        }),
        config: ConfigStatus {
            status: if rejected.is_some() { "rejected" } else { "ok" },
            generation: snapshot.generation,
            loaded_at: rfc3339(snapshot.loaded_at),
            rejected_at: rejected.as_ref().map(|rejected| rfc3339(rejected.at)),
            problems,
        },
        findings: (detail == Detail::Findings).then(|| match rejected {
            Some(rejected) => rejected.findings.as_ref().clone(),
            None => snapshot.warnings(),
        }),
    }
}

fn shutting_down() -> Response {
    json(
        StatusCode::SERVICE_UNAVAILABLE,
        Bytes::from_static(br#"{"status":"shutting_down"}"#),
    )
}
