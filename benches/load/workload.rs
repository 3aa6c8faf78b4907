//! What is asked: four workloads and the bytes of their requests.

use std::time::Duration;

use serde_json::json;

use crate::Options;
use crate::inputs::{self, MASTER_KEY, MODEL_PATH, Messages};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Small,
    Conversation,
    Burst,
    Paced,
}

/// One of the four, ready to be sent.
pub(crate) struct Workload {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// CPU time that the goals allow, as a multiple of the floor's.
    pub(crate) cpu_goal: f64,
    /// The whole HTTP request that a client sends to a target.
    pub(crate) request: Vec<u8>,
    /// The request that goes straight to the upstream, to learn what the way without a target costs.
    pub(crate) direct: Vec<u8>,
    /// Time between two deltas.
    pub(crate) pace: Duration,
    pub(crate) connections: u16,
}

impl Workload {
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Burst | Kind::Paced)
    }
}

/// The workloads in the order in which they are measured.
pub(crate) fn all(options: &Options) -> Vec<Workload> {
    [Kind::Small, Kind::Conversation, Kind::Burst, Kind::Paced]
        .map(|kind| build(kind, options))
        .into()
}

/// The one small message alone.
pub(crate) fn small(options: &Options) -> Workload {
    build(Kind::Small, options)
}

fn build(kind: Kind, options: &Options) -> Workload {
    let is_stream = matches!(kind, Kind::Burst | Kind::Paced);
    let messages = match kind {
        Kind::Conversation => inputs::conversation(),
        _ => inputs::small(),
    };
    let body = inputs::chat_body(&messages, is_stream);
    let operation = if is_stream {
        "converse-stream"
    } else {
        "converse"
    };
    let direct_path = format!("/model/{MODEL_PATH}/{operation}");
    let name = match kind {
        Kind::Small => format!("one small message ({} bytes)", body.len()),
        Kind::Conversation => format!(
            "a conversation ({} messages, {} KB)",
            messages.len(),
            body.len() / 1000
        ),
        Kind::Burst => format!("a stream of {} deltas in a burst", crate::upstream::DELTAS),
        Kind::Paced => format!(
            "a paced stream (a delta each {} ms, {} at a time)",
            options.pace_ms, options.paced_streams
        ),
    };
    Workload {
        kind,
        name,
        cpu_goal: if kind == Kind::Small { 1.5 } else { 1.3 },
        request: http_request("/v1/chat/completions", &body),
        direct: http_request(&direct_path, &converse_body(&messages)),
        pace: match kind {
            Kind::Paced => Duration::from_millis(options.pace_ms),
            _ => Duration::ZERO,
        },
        connections: match kind {
            Kind::Paced => options.paced_streams,
            _ => options.connections,
        },
    }
}

fn converse_body(messages: &Messages) -> Vec<u8> {
    let turns: Vec<_> = messages
        .iter()
        .map(|(role, text)| json!({ "role": role, "content": [{ "text": text }] }))
        .collect();
    json!({ "messages": turns }).to_string().into_bytes()
}

/// The headers that OpenAI's Python SDK sends, so that both sides parse what they will meet.
fn http_request(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\nConnection: keep-alive\r\n\
         Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python 2.8.0\r\n\
         X-Stainless-Lang: python\r\nX-Stainless-Package-Version: 2.8.0\r\nX-Stainless-OS: Linux\r\n\
         X-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\nX-Stainless-Runtime-Version: 3.12.4\r\n\
         Authorization: Bearer {MASTER_KEY}\r\nX-Stainless-Async: false\r\nx-stainless-retry-count: 0\r\n\
         x-stainless-read-timeout: 600\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
