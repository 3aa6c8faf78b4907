//! Transport layers, in the order in which a request passes them.
//!
//! 1. Panic catch: a bug costs one request, not the process.
//! 2. Fixed headers that browsers obey.
//! 3. CORS: browsers ask first.
//!
//! Body limit, call id, keys and tracing are per endpoint: they need the configuration in force.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::App;
use super::headers::error_response;
use crate::error::{Error, ErrorKind};
use crate::telemetry::names;

/// How long a browser may remember what CORS allows.
const CORS_MAX_AGE: Duration = Duration::from_mins(10);

/// What a page may read of an answer.
const EXPOSED: [&str; 9] = [
    names::CALL_ID,
    names::MODEL_ID,
    names::MODEL_GROUP,
    names::RESPONSE_DURATION,
    names::OVERHEAD_DURATION,
    names::ATTEMPTED_RETRIES,
    names::ATTEMPTED_FALLBACKS,
    names::TOTAL_ATTEMPTS,
    "retry-after",
];

/// Puts the layers around the endpoint table.
pub(super) fn around(table: Router<Arc<App>>, app: &Arc<App>) -> Router<Arc<App>> {
    // The last layer added is the first that a request meets.
    table
        .layer(cors(app))
        .layer(middleware::from_fn(fixed_headers))
        .layer(CatchPanicLayer::custom(panicked))
}

fn cors(app: &App) -> CorsLayer {
    let snapshot = app.live.load();
    let general = &snapshot.config.general;
    let any = general.cors_origins.iter().any(|origin| origin == "*");
    let layer = CorsLayer::new()
        .max_age(CORS_MAX_AGE)
        .expose_headers(EXPOSED.map(HeaderName::from_static));
    if general.cors_allow_credentials {
        // A wildcard may not be combined with credentials, so what was asked for is mirrored.
        let origin = if any {
            AllowOrigin::mirror_request()
        } else {
            origins(&general.cors_origins)
        };
        return layer
            .allow_origin(origin)
            .allow_methods(AllowMethods::mirror_request())
            .allow_headers(AllowHeaders::mirror_request())
            .allow_credentials(true);
    }
    let origin = if any {
        AllowOrigin::any()
    } else {
        origins(&general.cors_origins)
    };
    layer
        .allow_origin(origin)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
            Method::HEAD,
        ])
        .allow_headers(AllowHeaders::mirror_request())
}

fn origins(listed: &[String]) -> AllowOrigin {
    AllowOrigin::list(
        listed
            .iter()
            .filter_map(|origin| HeaderValue::from_str(origin).ok()),
    )
}

async fn fixed_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    set_fixed(response.headers_mut());
    response
}

fn set_fixed(headers: &mut HeaderMap) {
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("frame-ancestors 'none'"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}

/// Answers a request whose handler panicked. What the panic said stays in the log.
fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    tracing::error!("a request handler panicked");
    error_response(
        &Error::new(ErrorKind::Internal, "Internal server error"),
        None,
    )
}
