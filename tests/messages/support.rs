//! One Messages request for one deployment, what becomes of it, and what the client reads of the answer.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};
use switchyard::canonical::{Chat, ChatChunk, ChatRequest, MediaSource, RawJson, Text};
use switchyard::dialect::messages::{Messages, parse_count};
use switchyard::dialect::{Dialect, Envelope};
use switchyard::error::Error;
use switchyard::provider::bedrock::event_stream::FrameReader;
use switchyard::provider::bedrock::{chat_transformer, count_transformer};
use switchyard::provider::{Decoded, Decoder, Repairs, WireAnswer, WireEvent, WireRequest};

use crate::entry::{ENDPOINT, Entry};

pub(crate) const MODEL: &str = "the \"model\"";

pub(crate) const CLAUDE_35: &str = "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0";
pub(crate) const CLAUDE_37: &str = "bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0";
pub(crate) const SONNET_45: &str = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub(crate) const SONNET_46: &str = "bedrock/us.anthropic.claude-sonnet-4-6";
pub(crate) const OPUS_47: &str = "bedrock/us.anthropic.claude-opus-4-7";
pub(crate) const BY_CONVERSE: &str =
    "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub(crate) const NOVA: &str = "bedrock/us.amazon.nova-pro-v1:0";
pub(crate) const LLAMA: &str = "bedrock/us.meta.llama3-3-70b-instruct-v1:0";

/// What was written for AWS, and what reads the answer.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) wire: WireRequest,
    pub(crate) body: Value,
    pub(crate) decoder: Box<dyn Decoder<Chat>>,
    pub(crate) warnings: Vec<String>,
}

impl Sent {
    /// The body as it was written.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.wire.body).unwrap()
    }

    /// The address behind the endpoint.
    pub(crate) fn path(&self) -> String {
        let path = self.wire.url.strip_prefix(ENDPOINT).unwrap();
        path.replace("%3A", ":").replace("%2F", "/")
    }

    /// What the client reads of a whole answer.
    pub(crate) fn whole(&mut self, answer: &Value, headers: &HeaderMap) -> Result<Value, Error> {
        let answer = WireAnswer {
            headers,
            body: Bytes::from(serde_json::to_vec(answer).unwrap()),
        };
        let Decoded::Answer(answer) = self.decoder.whole(&[answer])? else {
            panic!("more was asked for")
        };
        Ok(serde_json::from_slice(&Messages.answer(&answer, &envelope())).unwrap())
    }

    /// What the client reads of a stream that comes in reads of `size` bytes.
    pub(crate) fn stream(&mut self, stream: &[u8], size: usize) -> String {
        let mut out = Vec::new();
        let mut writer = Messages.stream(envelope());
        let mut frames = FrameReader::new();
        let mut chunks: Vec<ChatChunk> = Vec::new();
        let read = stream.chunks(size).try_for_each(|read| {
            frames.push(Bytes::copy_from_slice(read));
            while let Some(frame) = frames.next()? {
                if let Some(fault) = frame.fault() {
                    return Err(fault);
                }
                let event = WireEvent {
                    kind: frame.name(),
                    payload: frame.payload(),
                };
                self.decoder.event(event, &mut chunks)?;
                for chunk in chunks.drain(..) {
                    writer.chunk(&chunk, &mut out);
                }
            }
            Ok(())
        });
        let read = read.and_then(|()| Ok(frames.finish()?));
        match read.and_then(|()| Ok(self.decoder.end(&mut chunks)?)) {
            Ok(()) => {
                for chunk in chunks.drain(..) {
                    writer.chunk(&chunk, &mut out);
                }
                writer.end(&mut out);
            }
            Err(error) => writer.error(&error, &mut out),
        }
        String::from_utf8(out).unwrap()
    }
}

pub(crate) fn envelope() -> Envelope {
    Envelope {
        id: "msg_1".to_owned(),
        created: 1_700_000_000,
        model: MODEL.to_owned(),
        include_usage: false,
        content_blocks: false,
        asked: switchyard::dialect::Asked::Nothing,
    }
}

/// One request for one deployment.
#[derive(Debug)]
pub(crate) struct Case {
    entry: Entry,
    headers: HeaderMap,
    body: Vec<u8>,
    fetched: Vec<(&'static str, &'static str)>,
}

impl Case {
    /// A request with one message: `hi`.
    pub(crate) fn new(model: &str) -> Self {
        Self {
            entry: Entry::of(model),
            headers: HeaderMap::new(),
            body: br#"{"model":"m","max_tokens":9000,"messages":[{"role":"user","content":"hi"}]}"#
                .to_vec(),
            fetched: Vec::new(),
        }
    }

    /// Sets a member of the body.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        let mut body: Value = serde_json::from_slice(&self.body).unwrap();
        body[name] = value;
        self.body = serde_json::to_vec(&body).unwrap();
        self
    }

    /// Replaces the body, byte for byte.
    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self
    }

    /// Replaces the messages by one of the user.
    pub(crate) fn says(self, content: Value) -> Self {
        let mut message = json!({"role": "user"});
        message["content"] = content;
        self.with("messages", Value::Array(vec![message]))
    }

    /// Adds a header of the client.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name.to_lowercase()).unwrap();
        self.headers.append(name, value.parse().unwrap());
        self
    }

    /// Adds a request default of the deployment.
    pub(crate) fn default(mut self, name: &str, value: &Value) -> Self {
        let value = RawJson::from_value(value);
        self.entry.defaults.push((name.to_owned(), value));
        self
    }

    /// Changes how parameters and messages are mended.
    pub(crate) fn repairs(mut self, change: impl FnOnce(&mut Repairs)) -> Self {
        change(&mut self.entry.repairs);
        self
    }

    /// Says which model an opaque id stands for.
    pub(crate) fn base_model(mut self, base: &str) -> Self {
        self.entry.base_model = Some(base.to_owned());
        self
    }

    /// Remote media is fetched as this, in order: MIME type and base64.
    pub(crate) fn fetches(mut self, media: &[(&'static str, &'static str)]) -> Self {
        self.fetched = media.to_vec();
        self
    }

    fn fetch(&self, request: &mut ChatRequest) {
        let mut found = self.fetched.iter();
        for media in request.remote_media() {
            let (mime, data) = found.next().unwrap();
            media.mime = Some((*mime).to_owned());
            media.source = MediaSource::Base64(Text::new(data));
        }
    }

    /// Reads the request and writes it for AWS.
    pub(crate) fn send(self) -> Result<Sent, Error> {
        let body = Bytes::from(self.body.clone());
        let mut request = Messages.parse(&body, &self.headers)?.request;
        self.fetch(&mut request);
        let target = self.entry.target();
        let transformer = chat_transformer(target.model.route, target.model.family).unwrap();
        let exchange = transformer.encode(&request, &target)?;
        let [wire] = <[WireRequest; 1]>::try_from(exchange.requests).unwrap();
        let body = serde_json::from_slice(&wire.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", wire.body));
        Ok(Sent {
            wire,
            body,
            decoder: exchange.decoder,
            warnings: exchange.warnings,
        })
    }

    /// Writes the request for being counted, and reads `answer`.
    pub(crate) fn count(self, answer: &Value) -> Result<(WireRequest, Value), Error> {
        let body = Bytes::from(self.body.clone());
        let request = parse_count(&body, &self.headers)?.request;
        let target = self.entry.target();
        let transformer = count_transformer(target.model.route).unwrap();
        let mut exchange = transformer.encode(&request, &target)?;
        let [wire] = <[WireRequest; 1]>::try_from(exchange.requests).unwrap();
        let answer = WireAnswer {
            headers: &HeaderMap::new(),
            body: Bytes::from(serde_json::to_vec(answer).unwrap()),
        };
        let Decoded::Answer(answer) = exchange.decoder.whole(&[answer])? else {
            panic!("more was asked for")
        };
        let written = switchyard::dialect::messages::count(&answer);
        Ok((wire, serde_json::from_slice(&written).unwrap()))
    }

    /// The gateway's own estimate, as the client reads it.
    pub(crate) fn estimate(self) -> Value {
        let body = Bytes::from(self.body.clone());
        let request = parse_count(&body, &self.headers).unwrap().request;
        let answer =
            switchyard::provider::bedrock::count::estimated(&request, &self.entry.target());
        serde_json::from_slice(&switchyard::dialect::messages::count(&answer)).unwrap()
    }

    /// The body that is written.
    pub(crate) fn sent(self) -> Value {
        self.send().unwrap().body
    }

    /// The refusal.
    pub(crate) fn refusal(self) -> Error {
        let error = self.send().unwrap_err();
        assert_eq!(error.status(), 400, "{error}");
        error
    }
}

/// Puts the events of a stream together, as a client would, and checks that they are well formed: every event named by its
/// type, the message first, blocks one after the other and counted, and one end.
pub(crate) fn reassemble(name: &str, sent: &str) -> Value {
    let mut seen = json!({"content": [], "stop_reason": null});
    let mut open: Option<usize> = None;
    let mut last = String::new();
    for event in sent.split_terminator("\n\n") {
        let (head, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        let kind = data["type"].as_str().unwrap().to_owned();
        assert_eq!(head, format!("event: {kind}"), "{name}");
        assert!(
            last != "message_stop" && last != "error",
            "{name}: {kind} after the end"
        );
        match kind.as_str() {
            "message_start" => {
                assert_eq!(last, "", "{name}: the message comes first");
                assert_eq!(data["message"]["model"], MODEL, "{name}");
                assert_eq!(data["message"]["content"], json!([]), "{name}");
                seen["usage"] = data["message"]["usage"].clone();
            }
            "content_block_start" => {
                assert_eq!(open, None, "{name}: one block after the other");
                let content = seen["content"].as_array_mut().unwrap();
                assert_eq!(data["index"], content.len(), "{name}: blocks are counted");
                open = Some(content.len());
                content.push(data["content_block"].clone());
            }
            "content_block_delta" => {
                let index = open.unwrap_or_else(|| panic!("{name}: a delta without a block"));
                assert_eq!(data["index"], index, "{name}");
                add_delta(name, &mut seen["content"][index], &data["delta"]);
            }
            "content_block_stop" => {
                let index = open.take().unwrap();
                assert_eq!(data["index"], index, "{name}");
                let block = &mut seen["content"][index];
                if let Some(Value::String(text)) = block.as_object_mut().unwrap().remove("json") {
                    block["input"] = serde_json::from_str(&text).unwrap();
                }
            }
            "message_delta" => {
                let delta = data["delta"].as_object().unwrap();
                assert!(
                    delta.contains_key("stop_sequence"),
                    "{name}: the key is there"
                );
                seen["stop_reason"] = delta["stop_reason"].clone();
                for (count, value) in data["usage"].as_object().unwrap() {
                    seen["usage"][count] = value.clone();
                }
            }
            "message_stop" => assert!(last == "message_delta", "{name}: {last} before the end"),
            "error" => {
                assert!(data["error"]["message"].is_string(), "{name}");
                seen["error"] = data["error"].clone();
            }
            "ping" => {}
            other => panic!("{name}: unknown event {other}"),
        }
        if kind != "ping" {
            last = kind;
        }
    }
    assert!(last == "message_stop" || last == "error", "{name}: no end");
    seen
}

fn add_delta(name: &str, block: &mut Value, delta: &Value) {
    let (from, to) = match delta["type"].as_str().unwrap() {
        "text_delta" => ("text", "text"),
        "thinking_delta" => ("thinking", "thinking"),
        "signature_delta" => ("signature", "signature"),
        "input_json_delta" => ("partial_json", "json"),
        "citations_delta" => {
            if block["citations"].is_null() {
                block["citations"] = json!([]);
            }
            let list = block["citations"].as_array_mut().unwrap();
            list.push(delta["citation"].clone());
            return;
        }
        other => panic!("{name}: unknown delta {other}"),
    };
    let before = block[to].as_str().unwrap_or_default().to_owned();
    block[to] = (before + delta[from].as_str().unwrap()).into();
}

/// What of an object is no zero and no `null`.
pub(crate) fn stated(object: &Value) -> Map<String, Value> {
    let mut members = object.as_object().cloned().unwrap_or_default();
    members.retain(|_, value| !value.is_null() && value != &json!(0));
    members
}
