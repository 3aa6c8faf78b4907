//! `GET /v1/models`: the names that clients may use.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::App;
use super::headers::{error_response, json};
use crate::error::{Error, ErrorKind};
use crate::state::Snapshot;

/// LiteLLM says the same moment for every model.
const CREATED: u64 = 1_677_610_602;

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

#[derive(Serialize)]
struct List<'a> {
    data: Vec<Model<'a>>,
    object: &'static str,
}

/// `GET /v1/models` and `/models`.
pub(super) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let snapshot = app.live.load();
    if let Err(error) = snapshot.keys.check(&headers) {
        return error_response(&error, None);
    }
    let names = snapshot.router.listed_names();
    let data = names
        .into_iter()
        .map(|name| model(name, &snapshot))
        .collect();
    written(&List {
        data,
        object: "list",
    })
}

/// `GET /v1/models/{id}` and `/models/{id}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let snapshot = app.live.load();
    if let Err(error) = snapshot.keys.check(&headers) {
        return error_response(&error, None);
    }
    if snapshot.router.resolve(&id).is_some() {
        return written(&model(&id, &snapshot));
    }
    let shown: String = id.chars().take(128).collect();
    let error = Error::new(
        ErrorKind::UnknownModel,
        format!("The model `{shown}` does not exist or is not accessible"),
    );
    error_response(
        &error.with_status(StatusCode::NOT_FOUND).with_param("model"),
        None,
    )
}

fn model<'a>(id: &'a str, snapshot: &'a Snapshot) -> Model<'a> {
    Model {
        id,
        object: "model",
        created: CREATED,
        owned_by: &snapshot.config.general.models_owned_by,
    }
}

fn written<T: Serialize>(value: &T) -> Response {
    json(
        StatusCode::OK,
        serde_json::to_vec(value).map_or_else(|_| Bytes::new(), Bytes::from),
    )
}
