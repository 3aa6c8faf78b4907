//! Transport layers, in the order in which a request passes them.
//!
//! 1. Fixed headers that browsers obey.
//! 2. CORS: browsers ask first. Requests without an `origin` pass it by.
//!
//! They are one layer to axum, because each layer of its own costs every request a box. A panic of a handler is caught
//! where calls of models begin ([`catching`]): a bug costs one request, not the process. Body limit, call id, keys and tracing
//! are per endpoint: they need the configuration in force.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use futures_util::future::Either;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response};
use tower::{Layer, Service, ServiceBuilder};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, Cors, CorsLayer};

use super::headers::error_response_naming;
use super::{App, exposed};
use crate::dialect::Front;
use crate::error::{Error, ErrorKind};

/// How long a browser may remember what CORS allows.
const CORS_MAX_AGE: Duration = Duration::from_mins(10);

/// Puts the layers around the endpoint table.
pub(super) fn around(table: Router<Arc<App>>, app: &Arc<App>) -> Router<Arc<App>> {
    let cors = cors(app);
    table.layer(
        ServiceBuilder::new()
            .map_response(with_fixed)
            .layer_fn(move |inner| OfPages::new(inner, &cors)),
    )
}

/// Answers to pages by CORS; everybody else has no use for a quarter of each answer's head.
#[derive(Debug, Clone)]
struct OfPages<S> {
    plain: S,
    cors: Cors<S>,
}

impl<S: Clone> OfPages<S> {
    fn new(inner: S, cors: &CorsLayer) -> Self {
        Self {
            plain: inner.clone(),
            cors: cors.layer(inner),
        }
    }
}

impl<S, A, B> Service<Request<A>> for OfPages<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    Cors<S>: Service<Request<A>, Response = Response<B>, Error = S::Error>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Either<S::Future, <Cors<S> as Service<Request<A>>>::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.plain.poll_ready(cx))?;
        self.cors.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        if request.headers().contains_key(header::ORIGIN) {
            Either::Right(self.cors.call(request))
        } else {
            Either::Left(self.plain.call(request))
        }
    }
}

fn cors(app: &App) -> CorsLayer {
    let snapshot = app.live.load();
    let general = &snapshot.config.general;
    let any = general.cors_origins.iter().any(|origin| origin == "*");
    let layer = CorsLayer::new().max_age(CORS_MAX_AGE);
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
            .expose_headers(exposed::by_name())
            .allow_credentials(true);
    }
    let origin = if any {
        AllowOrigin::any()
    } else {
        origins(&general.cors_origins)
    };
    layer
        .expose_headers(exposed::to_anyone())
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

/// Adds the headers that every answer has.
pub(super) fn with_fixed<B>(mut response: Response<B>) -> Response<B> {
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

/// Runs a handler; one that panics answers with an error as `front` writes it. What the panic said stays in the log.
///
/// It holds the handler once, where an `async fn` would keep room for its argument as well: a future of some kilobytes.
pub(super) fn catching(
    front: Front,
    handler: impl Future<Output = axum::response::Response>,
) -> impl Future<Output = axum::response::Response> {
    let caught = AssertUnwindSafe(handler).catch_unwind();
    caught.map(move |outcome| {
        outcome.unwrap_or_else(|_panic| {
            tracing::error!("a request handler panicked");
            let error = Error::new(ErrorKind::Internal, "Internal server error");
            error_response_naming(&error, front, None, false)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_of_a_handler_is_an_answer_in_the_clients_format() {
        for (front, begins) in [
            (Front::CHAT, r#"{"error":{"#),
            (Front::MESSAGES, r#"{"type":"error""#),
        ] {
            let response = catching(front, async { panic!("a bug") }).await;
            assert_eq!(response.status(), http::StatusCode::INTERNAL_SERVER_ERROR);
            let body = axum::body::to_bytes(response.into_body(), 4096).await;
            let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
            assert!(body.starts_with(begins), "{body}");
        }
    }
}
