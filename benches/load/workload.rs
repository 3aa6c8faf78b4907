//! What is asked: four workloads and the bytes of their requests.

use std::time::Duration;

use serde_json::json;

use crate::Options;

/// The alias that clients name.
pub(crate) const ALIAS: &str = "claude";
/// The model behind it.
pub(crate) const MODEL: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";
/// The same as it stands in a URL.
pub(crate) const MODEL_PATH: &str = "anthropic.claude-3-5-sonnet-20240620-v1%3A0";
/// The master key of the Switchyard under test.
pub(crate) const MASTER_KEY: &str = "sk-bench-0c7d1f9a52e84b36";

const CONVERSATION_BYTES: usize = 100_000;

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

fn build(kind: Kind, options: &Options) -> Workload {
    let is_stream = matches!(kind, Kind::Burst | Kind::Paced);
    let messages = match kind {
        Kind::Conversation => conversation(),
        _ => vec![
            ("system", "You are a helpful assistant.".to_owned()),
            (
                "user",
                "What does a switchyard do? Answer in two sentences.".to_owned(),
            ),
        ],
    };
    let body = chat_body(&messages, is_stream);
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

type Messages = Vec<(&'static str, String)>;

/// Turns of about 1 KB that look like people and models at work: lines, quotes, a little code, a little Unicode.
fn conversation() -> Messages {
    const QUESTION: &str = "I changed the loop as you said, but the \"retry\" branch still runs twice:\n\n\
        ```rust\nwhile let Some(job) = queue.pop() {\n\tif job.attempts > 3 { continue; }\n\trun(&job)?;\n}\n```\n\
        The log says `attempt=2 backoff=\"250ms\"`, then nothing. Why? Naïvely I'd expect 3 – or none.\n";
    const ANSWER: &str = "There are two things to look at here. First, the counter is read before the job is taken \
        off the queue, so that a job which another worker has just put back is seen with its old value. Second, the \
        guard compares with `>` where the comment says \"at least\".\n\n1. Move the check behind the `pop`.\n\
        2. Write `>=` and add a test that runs the job exactly three times.\n\nAfter that the log should show each \
        attempt once, and the backoff doubles from 250 ms as the documentation describes.\n";
    let mut messages = vec![("system", "You are a careful senior engineer.\n".repeat(20))];
    let mut bytes = 0;
    while bytes < CONVERSATION_BYTES {
        let (role, text) = match messages.len() % 2 {
            1 => ("user", QUESTION.repeat(3)),
            _ => ("assistant", ANSWER.repeat(2)),
        };
        bytes += text.len() + 40;
        messages.push((role, text));
    }
    if messages
        .last()
        .is_some_and(|(role, _)| *role == "assistant")
    {
        messages.push(("user", "Thank you. Now write the test.".to_owned()));
    }
    messages
}

fn chat_body(messages: &Messages, is_stream: bool) -> Vec<u8> {
    let messages: Vec<_> = messages
        .iter()
        .map(|(role, text)| json!({ "role": role, "content": text }))
        .collect();
    let mut body = json!({
        "model": ALIAS, "messages": messages, "max_tokens": 512, "temperature": 0.2
    });
    if let (true, Some(object)) = (is_stream, body.as_object_mut()) {
        object.insert("stream".to_owned(), true.into());
    }
    body.to_string().into_bytes()
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
