//! One request for one deployment, and what becomes of it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use switchyard::canonical::{Chat, ChatRequest, RawJson};
use switchyard::dialect::chat::ChatCompletions;
use switchyard::dialect::responses::Responses;
use switchyard::dialect::{Dialect, Envelope};
use switchyard::error::Error;
use switchyard::provider::bedrock::chat_transformer;
use switchyard::provider::{Decoded, Exchange, Repairs, WireAnswer, WireRequest};

use crate::entry::Entry;

pub(crate) const CLAUDE_35: &str = "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0";
pub(crate) const CLAUDE_37: &str = "bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0";
pub(crate) const SONNET_45: &str = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub(crate) const OPUS_47: &str = "bedrock/us.anthropic.claude-opus-4-7";
pub(crate) const NOVA: &str = "bedrock/us.amazon.nova-pro-v1:0";
pub(crate) const GPT_OSS: &str = "bedrock/openai.gpt-oss-120b-1:0";
pub(crate) const LLAMA: &str = "bedrock/us.meta.llama3-3-70b-instruct-v1:0";
pub(crate) const PROFILE: &str =
    "bedrock/arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a0b1";

/// What was written for AWS.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) wire: WireRequest,
    pub(crate) body: Value,
    pub(crate) warnings: Vec<String>,
}

/// One request for one deployment.
#[derive(Debug)]
pub(crate) struct Case {
    entry: Entry,
    headers: HeaderMap,
    dialect: &'static dyn Dialect,
    body: Value,
}

impl Sent {
    /// The headers that are sent, as text.
    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        let headers = self.wire.headers.iter();
        headers
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect()
    }
}

impl Case {
    /// A request with one message: `hi`.
    pub(crate) fn new(model: &str) -> Self {
        Self {
            entry: Entry::of(model),
            headers: HeaderMap::new(),
            dialect: &ChatCompletions,
            body: json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}),
        }
    }

    /// A request as a fixture writes it.
    pub(crate) fn from_fixture(fixture: &Value) -> Self {
        let members = |name: &str| fixture[name].as_object().cloned().unwrap_or_default();
        let mut case = Self::new(fixture["model"].as_str().unwrap());
        case.entry.model_id = fixture["model_id"].as_str().map(str::to_owned);
        case.entry.base_model = fixture["base_model"].as_str().map(str::to_owned);
        for (name, value) in members("defaults") {
            case = case.default(&name, &value);
        }
        for (name, value) in members("headers") {
            case = case.header(&name, value.as_str().unwrap());
        }
        case.entry.repairs.modify_params = fixture["modify_params"] == true;
        if fixture["dialect"] == "responses" {
            case = case.responses();
        }
        case.entry.repairs.additional_drop_params = (fixture["drop"].as_array().into_iter())
            .flatten()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        case.body = fixture["request"].clone();
        case
    }

    /// The client speaks OpenAI's Responses.
    pub(crate) fn responses(mut self) -> Self {
        self.dialect = &Responses;
        self.body = json!({"model": "m", "input": "hi"});
        self
    }

    /// Sets a member of the body.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.body[name] = value;
        self
    }

    /// Replaces the messages.
    pub(crate) fn messages(self, messages: Value) -> Self {
        self.with("messages", messages)
    }

    /// Replaces the messages by one of the user.
    pub(crate) fn says(self, content: Value) -> Self {
        let mut message = json!({"role": "user"});
        message["content"] = content;
        self.messages(Value::Array(vec![message]))
    }

    /// Sets whether the client streams.
    pub(crate) fn stream(self, stream: bool) -> Self {
        self.with("stream", json!(stream))
    }

    /// Adds a request default of the deployment.
    pub(crate) fn default(mut self, name: &str, value: &Value) -> Self {
        let value = RawJson::from_value(value);
        self.entry.defaults.push((name.to_owned(), value));
        self
    }

    /// Adds a header of the client.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name.to_lowercase()).unwrap();
        self.headers.append(name, value.parse().unwrap());
        self
    }

    /// Adds a header of the operator.
    pub(crate) fn operator_header(mut self, name: &str, value: &str) -> Self {
        let header = (name.to_owned(), value.to_owned());
        self.entry.extra_headers.push(header);
        self
    }

    /// The operator lets clients bring credentials of their own.
    pub(crate) fn with_callers_credentials(mut self) -> Self {
        self.entry.allow_caller_authorization = true;
        self
    }

    /// Changes how parameters and messages are mended.
    pub(crate) fn repairs(mut self, change: impl FnOnce(&mut Repairs)) -> Self {
        change(&mut self.entry.repairs);
        self
    }

    /// The operator wants messages mended.
    pub(crate) fn modify(self) -> Self {
        self.repairs(|repairs| repairs.modify_params = true)
    }

    /// The client wants parameters left out that the model does not take.
    pub(crate) fn drop(self) -> Self {
        self.with("drop_params", json!(true))
    }

    /// Reads the request and writes it for AWS.
    pub(crate) fn send(self) -> Result<Sent, Error> {
        let body = Bytes::from(serde_json::to_vec(&self.body).unwrap());
        self.send_bytes(&body)
    }

    /// Reads `body` instead of the case's own.
    pub(crate) fn send_bytes(self, body: &Bytes) -> Result<Sent, Error> {
        let exchange = self.exchange(body)?;
        let [wire] = <[WireRequest; 1]>::try_from(exchange.requests).unwrap();
        let body = serde_json::from_slice(&wire.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", wire.body));
        Ok(Sent {
            wire,
            body,
            warnings: exchange.warnings,
        })
    }

    /// Reads `body` and writes it for AWS, with what reads the answer.
    pub(crate) fn exchange(self, body: &Bytes) -> Result<Exchange<Chat>, Error> {
        let mut request = self.dialect.parse(body, &self.headers)?.request;
        request.session = Some("s-1".to_owned());
        self.encode(&request)
    }

    /// Writes a request for AWS, with what reads the answer.
    pub(crate) fn encode(&self, request: &ChatRequest) -> Result<Exchange<Chat>, Error> {
        let target = self.entry.target();
        let transformer = chat_transformer(target.model.route, target.model.family).unwrap();
        Ok(transformer.encode(request, &target)?)
    }

    /// Reads a whole answer to the case, and writes it for the client if it can be read.
    pub(crate) fn reads(self, answer: &str) {
        let body = Bytes::from(serde_json::to_vec(&self.body).unwrap());
        let mut exchange = self.exchange(&body).unwrap();
        let answer = WireAnswer {
            headers: &HeaderMap::new(),
            body: Bytes::copy_from_slice(answer.as_bytes()),
        };
        if let Ok(Decoded::Answer(answer)) = exchange.decoder.whole(&[answer]) {
            let envelope = Envelope {
                id: "chatcmpl-1".to_owned(),
                created: 0,
                model: "m".to_owned(),
                include_usage: true,
                content_blocks: true,
                asked: switchyard::dialect::Asked::Nothing,
            };
            ChatCompletions.answer(&answer, &envelope);
            exchange.decoder.chunks(answer);
        }
    }

    /// The body that is written.
    pub(crate) fn body(self) -> Value {
        self.send().unwrap().body
    }

    /// `messages` of the body that is written.
    pub(crate) fn turns(self) -> Value {
        self.body()["messages"].take()
    }

    /// The content of the first message that is written.
    pub(crate) fn content(self) -> Value {
        self.turns()[0]["content"].take()
    }

    /// `additionalModelRequestFields` of the body that is written.
    pub(crate) fn fields(self) -> Value {
        self.body()["additionalModelRequestFields"].take()
    }

    /// The refusal.
    pub(crate) fn refusal(self) -> String {
        let error = self.send().unwrap_err();
        assert_eq!(error.status(), 400, "{error}");
        error.message().to_owned()
    }
}

/// An OpenAI tool without arguments.
pub(crate) fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

/// A message of the assistant that calls a tool.
pub(crate) fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]})
}

/// A message with the result of a call.
pub(crate) fn result(id: &str, content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content})
}
