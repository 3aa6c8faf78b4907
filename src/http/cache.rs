//! `/cache/*`: the administrator's view of the response cache. Source: LiteLLM's endpoints of the same paths.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri, request};
use serde_json::{Value, json};

use super::App;
use super::admission::admin;
use super::body::{plain, read_body};
use super::headers::{call_id, error_response_naming, insert, json as answer};
use crate::cache::{AdminError, Health, ResponseCache};
use crate::dialect::Front;
use crate::error::{Error, ErrorKind, Result};
use crate::state::Snapshot;
use crate::telemetry::names;

/// What is said where no cache is configured.
const NO_CACHE: &str = "Cache not initialized: `litellm_settings.cache` is not on";

/// Most keys that one request may delete.
const MOST_KEYS: usize = 10_000;

/// `GET /cache/ping`: whether the cache works, and its settings without secrets.
pub(super) async fn ping(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    let request = Request::open(&app, &headers);
    if let Err(error) = admin(&request.snapshot, &uri, &headers, request.wall) {
        return request.refused(&error);
    }
    let Some(cache) = &request.snapshot.cache else {
        return request.unhealthy(NO_CACHE, None);
    };
    let mut body = json!({
        "status": "healthy",
        "cache_type": cache.kind(),
    });
    match (cache.ping().await, body.as_object_mut()) {
        (Ok(health), Some(body)) => {
            if health == Health::Shared {
                body.insert("ping_response".to_owned(), json!(true));
                body.insert("set_cache_response".to_owned(), json!("success"));
            }
            body.extend(params(Some(cache)));
        }
        (Err(error), _) => return request.unhealthy(&error.to_string(), Some(cache)),
        (Ok(_), None) => {}
    }
    request.answered(&body)
}

/// `POST /cache/delete`: forgets the answers that the body's `keys` name.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    request: axum::extract::Request,
) -> Response {
    let (head, body) = request.into_parts();
    let request = Request::open(&app, &head.headers);
    match request.delete(&head, body).await {
        Ok(()) => request.answered(&json!({"status": "success"})),
        Err(error) => request.refused(&error),
    }
}

/// `POST /cache/flushall`: forgets every answer.
pub(super) async fn flush(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    let request = Request::open(&app, &headers);
    match request.flush(&uri, &headers).await {
        Ok(()) => request.answered(&json!({"status": "success"})),
        Err(error) => request.refused(&error),
    }
}

/// `GET /cache/redis/info`: what Redis says of itself.
pub(super) async fn redis_info(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let request = Request::open(&app, &headers);
    match request.redis_info(&uri, &headers).await {
        Ok(info) => request.answered(&info),
        Err(error) => request.refused(&error),
    }
}

/// One request to these endpoints.
struct Request {
    id: String,
    snapshot: Arc<Snapshot>,
    wall: SystemTime,
}

impl Request {
    fn open(app: &App, headers: &HeaderMap) -> Self {
        Self {
            id: call_id(headers),
            snapshot: app.live.load(),
            wall: app.clock.wall(),
        }
    }

    fn cache(&self) -> Result<&Arc<ResponseCache>> {
        let cache = self.snapshot.cache.as_ref();
        cache.ok_or_else(|| Error::new(ErrorKind::Unavailable, NO_CACHE))
    }

    async fn delete(&self, head: &request::Parts, body: Body) -> Result<()> {
        admin(&self.snapshot, &head.uri, &head.headers, self.wall)?;
        let most = self.snapshot.config.general.max_request_bytes;
        plain(&head.headers)?;
        let body = read_body(body, &head.headers, most).await?;
        let keys = read_keys(&body)?;
        self.cache()?
            .delete(&keys)
            .await
            .map_err(|error| failed(&error))
    }

    async fn flush(&self, uri: &Uri, headers: &HeaderMap) -> Result<()> {
        admin(&self.snapshot, uri, headers, self.wall)?;
        self.cache()?.flush().await.map_err(|error| failed(&error))
    }

    async fn redis_info(&self, uri: &Uri, headers: &HeaderMap) -> Result<Value> {
        admin(&self.snapshot, uri, headers, self.wall)?;
        let info = self.cache()?.info().await.map_err(|error| failed(&error))?;
        let clients = info.get("connected_clients").cloned();
        Ok(json!({"num_clients": clients, "info": info}))
    }

    fn answered(&self, body: &Value) -> Response {
        self.stamped(answer(StatusCode::OK, Bytes::from(body.to_string())))
    }

    fn refused(&self, error: &Error) -> Response {
        let named = self.snapshot.config.general.include_call_id_in_error_body;
        error_response_naming(error, Front::CHAT, Some(&self.id), named)
    }

    /// LiteLLM's answer of a cache that does not work: its message is JSON, with the settings.
    fn unhealthy(&self, why: &str, cache: Option<&Arc<ResponseCache>>) -> Response {
        let mut message = json!({"message": format!("Service Unhealthy ({why})")});
        if let Some(message) = message.as_object_mut() {
            message.extend(params(cache));
        }
        let body = json!({"error": {
            "message": message.to_string(),
            "type": "cache_ping_error",
            "param": "cache_ping",
            "code": "503",
        }});
        let body = Bytes::from(body.to_string());
        self.stamped(answer(StatusCode::SERVICE_UNAVAILABLE, body))
    }

    fn stamped(&self, mut response: Response) -> Response {
        insert(response.headers_mut(), names::CALL_ID, &self.id);
        response
    }
}

/// The settings, without secrets: the first as JSON text, as LiteLLM has it.
fn params(cache: Option<&Arc<ResponseCache>>) -> [(String, Value); 2] {
    let settings = cache.map_or_else(|| json!({}), |cache| cache.params());
    let health = cache.map_or_else(|| json!({}), |cache| cache.health_params());
    [
        (
            "litellm_cache_params".to_owned(),
            Value::String(settings.to_string()),
        ),
        ("health_check_cache_params".to_owned(), health),
    ]
}

fn failed(error: &AdminError) -> Error {
    match error {
        AdminError::NotShared => Error::new(ErrorKind::BadRequest, error.to_string()),
        AdminError::NotConnected | AdminError::Store(_) => {
            Error::new(ErrorKind::Unavailable, error.to_string())
        }
    }
}

fn read_keys(body: &Bytes) -> Result<Vec<String>> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        Error::bad_request("request_body", format!("Invalid JSON payload: {error}"))
    })?;
    let keys = body.get("keys").cloned().unwrap_or_default();
    match serde_json::from_value::<Vec<String>>(keys) {
        Ok(keys) if keys.len() <= MOST_KEYS => Ok(keys),
        Ok(_) => Err(Error::bad_request(
            "keys",
            format!("keys: expected at most {MOST_KEYS} keys"),
        )),
        Err(_) => Err(Error::bad_request(
            "keys",
            "keys: expected a list of strings",
        )),
    }
}
