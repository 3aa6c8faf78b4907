//! `GET /v1/models`: the names that clients may use.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;

use super::App;
use super::admission::authenticate;
use super::headers::{call_id, error_response_naming, insert, json};
use crate::dialect::Front;
use crate::error::{Error, ErrorKind};
use crate::keys::{Access, Identity};
use crate::pipeline::admit::{asker, model_name};
use crate::state::Snapshot;
use crate::telemetry::names;

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
pub(super) async fn list(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    let snapshot = app.live.load();
    let id = call_id(&headers);
    let identity = match identify(&app, &snapshot, &uri, &headers) {
        Ok(identity) => identity,
        Err(error) => return refused(&error, &id, &snapshot),
    };
    let expanded;
    let names = if wants_wildcards(&uri) {
        expanded = snapshot
            .router
            .listed_names_expanded(asker(&identity, &snapshot.keys));
        expanded.iter().map(String::as_str).collect()
    } else {
        snapshot
            .router
            .listed_names(asker(&identity, &snapshot.keys))
    };
    let data = names
        .into_iter()
        .filter(|name| may_call(&identity, name, &snapshot))
        .map(|name| model(name, &snapshot))
        .collect();
    let list = List {
        data,
        object: "list",
    };
    written(&list, &id)
}

/// `GET /v1/models/{id}` and `/models/{id}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let snapshot = app.live.load();
    let id = call_id(&headers);
    let identity = match identify(&app, &snapshot, &uri, &headers) {
        Ok(identity) => identity,
        Err(error) => return refused(&error, &id, &snapshot),
    };
    // A name that is no text is nobody's.
    let name = path.map(|Path(name)| name).unwrap_or_default();
    if is_there(&identity, &name, &snapshot) && may_call(&identity, &name, &snapshot) {
        return written(&model(&name, &snapshot), &id);
    }
    let shown: String = name.chars().take(128).collect();
    let error = Error::new(
        ErrorKind::UnknownModel,
        format!("The model `{shown}` does not exist or is not accessible"),
    );
    let error = error.with_status(StatusCode::NOT_FOUND).with_param("model");
    refused(&error, &id, &snapshot)
}

/// Checks the key, and that it has not expired.
fn identify(
    app: &App,
    snapshot: &Snapshot,
    uri: &Uri,
    headers: &HeaderMap,
) -> crate::error::Result<Identity> {
    let identity = authenticate(snapshot, uri, headers)?;
    if let Some(key) = identity.key() {
        key.check_expiry(app.clock.wall())?;
    }
    Ok(identity)
}

/// Whether the name stands for something that is not paused, and not other teams' alone.
fn is_there(identity: &Identity, name: &str, snapshot: &Snapshot) -> bool {
    let asker = asker(identity, &snapshot.keys);
    let found = snapshot.router.resolve(name, asker);
    found.is_some_and(|found| {
        let mut deployments = found.group.deployments.iter();
        deployments.any(|one| !one.entry.blocked && asker.sees(one))
    })
}

/// A virtual key sees only the models that it may call.
fn may_call(identity: &Identity, name: &str, snapshot: &Snapshot) -> bool {
    let name = || model_name(&snapshot.router, name, asker(identity, &snapshot.keys));
    identity
        .key()
        .is_none_or(|key| key.access(&name()) != Access::Denied)
}

/// `?return_wildcard_routes=true`: the known models behind each pattern are listed too.
fn wants_wildcards(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "return_wildcard_routes" && value.eq_ignore_ascii_case("true"))
}

fn refused(error: &Error, id: &str, snapshot: &Snapshot) -> Response {
    let named = snapshot.config.general.include_call_id_in_error_body;
    error_response_naming(error, Front::CHAT, Some(id), named)
}

fn model<'a>(id: &'a str, snapshot: &'a Snapshot) -> Model<'a> {
    Model {
        id,
        object: "model",
        created: CREATED,
        owned_by: &snapshot.config.general.models_owned_by,
    }
}

fn written<T: Serialize>(value: &T, id: &str) -> Response {
    let body = serde_json::to_vec(value).map_or_else(|_| Bytes::new(), Bytes::from);
    let mut response = json(StatusCode::OK, body);
    insert(response.headers_mut(), names::CALL_ID, id);
    response
}
