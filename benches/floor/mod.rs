//! The floor: a bare proxy that does a router's job and nothing else.
//!
//! axum in, reqwest out. A chat request is parsed into types, converted to a Converse body, signed and sent; the answer
//! is converted back, a stream frame by frame. It knows one deployment and plain text, and leaves out everything that
//! makes a router useful: keys, limits, logs, metrics, retries, tools, families. It is meant to be good plain code, not
//! a strawman: borrowed strings, buffers used once, no task or channel of its own. What its libraries do by themselves
//! stays: hyper hands a burst over chunk by chunk, so each event of a stream is one write.

mod converse;
mod events;
mod openai;
mod signing;

use std::{error::Error, net::Ipv4Addr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt as _,
};
use futures_util::{StreamExt as _, stream};
use tokio::net::TcpListener;

use self::{converse::ConverseAnswer, events::SseTranslator, openai::ChatRequest, signing::Signer};

type BoxError = Box<dyn Error + Send + Sync>;

struct Floor {
    client: reqwest::Client,
    signer: Signer,
    whole_url: reqwest::Url,
    stream_url: reqwest::Url,
}

/// Serves on `port` and sends to the Bedrock at `upstream` until the process is ended.
pub(crate) async fn serve(port: u16, upstream: &str, model_path: &str) -> Result<(), BoxError> {
    let floor = Floor {
        client: reqwest::Client::builder()
            .tcp_nodelay(true)
            .no_proxy()
            .build()?,
        signer: Signer::new("us-east-1"),
        whole_url: format!("{upstream}/model/{model_path}/converse").parse()?,
        stream_url: format!("{upstream}/model/{model_path}/converse-stream").parse()?,
    };
    let app = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/health/liveliness", get(|| async { "alive" }))
        .with_state(Arc::new(floor));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            eprintln!("floor: TCP_NODELAY: {error}");
        }
    });
    axum::serve(listener, app).await?;
    Ok(())
}

async fn chat(State(floor): State<Arc<Floor>>, body: Bytes) -> Result<Response, Failure> {
    let request: ChatRequest<'_> = serde_json::from_slice(&body).map_err(Failure::client)?;
    let converse = serde_json::to_vec(&converse::request(&request)).map_err(Failure::upstream)?;
    if request.stream {
        let response = floor.send(&floor.stream_url, converse).await?;
        return Ok(stream_answer(response, request.model.into_owned()));
    }
    let response = floor.send(&floor.whole_url, converse).await?;
    let answer = response.bytes().await.map_err(Failure::upstream)?;
    let answer: ConverseAnswer<'_> = serde_json::from_slice(&answer).map_err(Failure::upstream)?;
    let completion = openai::completion(&request.model, &answer);
    let completion = serde_json::to_vec(&completion).map_err(Failure::upstream)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], completion).into_response())
}

impl Floor {
    async fn send(&self, url: &reqwest::Url, body: Vec<u8>) -> Result<reqwest::Response, Failure> {
        let signed = self.signer.sign(url.as_str(), &body)?;
        let mut request = self
            .client
            .post(url.clone())
            .header(header::CONTENT_TYPE, signing::CONTENT_TYPE);
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await.map_err(Failure::upstream)?;
        response.error_for_status().map_err(Failure::upstream)
    }
}

fn stream_answer(response: reqwest::Response, model: String) -> Response {
    let mut translator = SseTranslator::new(model);
    let events = response
        .bytes_stream()
        .map(move |part| -> Result<Bytes, BoxError> { translator.translate(&part?) })
        .filter(|part| std::future::ready(!matches!(part, Ok(bytes) if bytes.is_empty())));
    let done = stream::once(async { Ok(Bytes::from_static(b"data: [DONE]\n\n")) });
    let body = Body::from_stream(events.chain(done));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

struct Failure(StatusCode, BoxError);

impl Failure {
    fn client(error: impl Into<BoxError>) -> Self {
        Self(StatusCode::BAD_REQUEST, error.into())
    }

    fn upstream(error: impl Into<BoxError>) -> Self {
        Self(StatusCode::BAD_GATEWAY, error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, self.1.to_string()).into_response()
    }
}
