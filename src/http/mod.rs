//! The client's side of the wire: endpoints, headers, bodies. No decisions about models are made here.

mod admin;
mod admission;
mod answer_headers;
mod body;
mod cache;
mod endpoints;
mod enforced;
mod exposed;
mod headers;
mod health;
mod home;
mod inference;
mod layers;
mod metrics;
mod model_health;
mod models;
mod opening;
mod options;
mod passthrough;
mod portkey;
mod prompt_stream;
mod prompts;
mod reach;
mod responses;
mod router_state;
mod several;
mod sse;
mod watched;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{any, get, post};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

pub use reach::refusal;

use crate::clock::SharedClock;
use crate::pipeline::Pipeline;
use crate::state::{Live, Reloader};

/// What every endpoint can reach.
#[derive(Debug)]
pub struct App {
    /// The configuration in force.
    pub live: Arc<Live>,
    /// Runs calls.
    pub pipeline: Pipeline,
    /// Time.
    pub clock: SharedClock,
    /// Tasks that shutdown waits for.
    pub tracker: TaskTracker,
    /// How far shutdown has come.
    pub shutdown: Shutdown,
    /// Calls of models that run now.
    pub running: Arc<std::sync::atomic::AtomicUsize>,
    /// Calls of models that wait to be admitted.
    pub waiting: Arc<crate::limit::Queue>,
    /// Reads the file again; `None` where there is none.
    pub reloader: Option<Arc<Reloader>>,
}

/// How far shutdown has come.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Set when no new calls are taken.
    pub draining: CancellationToken,
    /// Set when what still runs is ended.
    pub cut: CancellationToken,
    /// Counts answers that were cut.
    pub cut_total: Arc<std::sync::atomic::AtomicUsize>,
}

/// Returns the endpoint table.
pub fn router(app: Arc<App>) -> Router {
    let table = endpoints::add(Router::new())
        .route("/", get(home::page))
        .route("/bedrock/{*rest}", any(passthrough::relay))
        .route("/v1/models", get(models::list))
        .route("/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .route("/models/{*id}", get(models::one))
        .route("/cache/ping", get(cache::ping))
        .route("/cache/delete", post(cache::delete))
        .route("/cache/flushall", post(cache::flush))
        .route("/cache/redis/info", get(cache::redis_info))
        .route(
            "/health/liveliness",
            get(health::alive).options(health::alive),
        )
        .route(
            "/health/liveness",
            get(health::alive).options(health::alive),
        )
        .route(
            "/health/readiness",
            get(health::ready).options(health::ready),
        )
        .route("/health/readiness/details", get(health::details))
        .route("/health", get(model_health::models))
        .route("/metrics", get(metrics::scrape))
        .route("/config/reload", post(admin::reload))
        .route("/router/state", get(admin::state))
        .method_not_allowed_fallback(home::method_not_allowed);
    let exact = table.clone().fallback(home::not_found);
    let exact = exact.with_state(Arc::clone(&app));
    let table = table.fallback(move |request| without_slash(exact.clone(), request));
    layers::around(table, &app).with_state(app)
}

/// Looks for a path that nothing serves once more, without a slash at its end.
async fn without_slash(table: Router, mut request: Request) -> Response {
    let path = request.uri().path();
    let shorter = path.trim_end_matches('/');
    if !shorter.is_empty() && shorter.len() < path.len() {
        let query = request.uri().query();
        let target = query.map_or_else(|| shorter.to_owned(), |query| format!("{shorter}?{query}"));
        if let Ok(uri) = target.parse() {
            *request.uri_mut() = uri;
        }
    }
    match table.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
