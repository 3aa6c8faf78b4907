//! Every answer under `golden/answers/`, read and written for a client.
//!
//! A fixture is a JSON file with what the request left behind (`context`; for `InvokeModel` the `model` and the `request`
//! themselves), what the client asked for (`envelope`), Bedrock's `answer` with its `headers` (or, in a `.bin` or `.sse`
//! beside it, the bytes of its stream) and the facts that the client must see (`expect`). Streams are read whole and byte by byte, and whole answers are also taken apart for a client that streams.
//! Ids, times and chunk borders are free; texts, calls, reasons and counts are not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};
use switchyard::canonical::{Chat, ChatAnswer};
use switchyard::dialect::chat::{self, ChatCompletions};
use switchyard::dialect::{Dialect, Envelope};
use switchyard::error::Error;
use switchyard::provider::bedrock::chat_transformer;
use switchyard::provider::bedrock::converse::{
    ConverseDecoder, DecodeContext, JsonTool, ToolNames,
};
use switchyard::provider::bedrock::event_stream::FrameReader;
use switchyard::provider::bedrock::server_events::EventReader;
use switchyard::provider::{Decoded, Decoder, WireAnswer, WireEvent};

#[path = "golden/entry.rs"]
mod entry;
#[path = "golden/reassemble.rs"]
mod reassemble;

use entry::Entry;
use reassemble::reassemble;

const MODEL: &str = "the \"model\"";

struct Fixture {
    name: String,
    case: Value,
    stream: Option<Bytes>,
    /// Whether the stream is server-sent events.
    is_events: bool,
}

/// Takes a stream apart.
enum Reader {
    Frames(FrameReader),
    Events(EventReader),
}

impl Reader {
    fn push(&mut self, read: &[u8]) {
        let read = Bytes::copy_from_slice(read);
        match self {
            Self::Frames(frames) => frames.push(read),
            Self::Events(events) => events.push(read),
        }
    }

    /// Returns the next event: its name and its payload.
    fn next(&mut self) -> Result<Option<(String, Bytes)>, Error> {
        match self {
            Self::Frames(frames) => {
                let Some(frame) = frames.next()? else {
                    return Ok(None);
                };
                match frame.fault() {
                    Some(fault) => Err(fault),
                    None => Ok(Some((frame.name().to_owned(), frame.payload().clone()))),
                }
            }
            Self::Events(events) => {
                let event = events.next()?;
                Ok(event.map(|event| (event.name().to_owned(), event.data().clone())))
            }
        }
    }

    fn finish(&self) -> Result<(), Error> {
        match self {
            Self::Frames(frames) => Ok(frames.finish()?),
            Self::Events(_) => Ok(()),
        }
    }
}

impl Fixture {
    fn load(path: &Path) -> Self {
        let case = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let read = |end| fs::read(path.with_extension(end)).ok().map(Bytes::from);
        let is_events = path.with_extension("sse").exists();
        let stream = read("bin").or_else(|| read("sse"));
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Self {
            name,
            case,
            stream,
            is_events,
        }
    }

    fn decoder(&self) -> Box<dyn Decoder<Chat>> {
        if self.case["model"].is_string() {
            return self.decoder_of_request();
        }
        let written = &self.case["context"];
        let mut context = DecodeContext {
            is_llama: written["llama"] == true,
            response_fields: written["response_fields"] == true,
            tools: strings(&written["tools"]),
            tool_names: ToolNames::default(),
            json_tool: written["json_tool"].as_str().map(|kind| JsonTool {
                wrapped: kind == "wrapped",
                ..JsonTool::default()
            }),
        };
        for pair in written["tool_names"].as_array().into_iter().flatten() {
            let [sent, original] = <[String; 2]>::try_from(strings(pair)).unwrap();
            context.tool_names.insert(sent, original);
        }
        Box::new(ConverseDecoder::new(context))
    }

    /// The decoder that comes of writing the request.
    fn decoder_of_request(&self) -> Box<dyn Decoder<Chat>> {
        let target = Entry::of(self.case["model"].as_str().unwrap()).target();
        let mut body = self.case["request"].clone();
        body["model"] = json!("m");
        let body = Bytes::from(serde_json::to_vec(&body).unwrap());
        let mut request = chat::parse(&body, &HeaderMap::new()).unwrap().request;
        request.session = Some("s-1".to_owned());
        let transformer = chat_transformer(target.model.route, target.model.family).unwrap();
        transformer.encode(&request, &target).unwrap().decoder
    }

    fn envelope(&self) -> Envelope {
        let written = &self.case["envelope"];
        Envelope {
            id: "chatcmpl-1".into(),
            created: 1_700_000_000,
            model: MODEL.into(),
            include_usage: written["include_usage"] == true,
            content_blocks: written["content_blocks"] == true,
            asked: switchyard::dialect::Asked::Nothing,
        }
    }

    fn answer(&self) -> (Box<dyn Decoder<Chat>>, ChatAnswer) {
        let mut decoder = self.decoder();
        let body = Bytes::from(serde_json::to_vec_pretty(&self.case["answer"]).unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in self.case["headers"].as_object().into_iter().flatten() {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            headers.insert(name, value.as_str().unwrap().parse().unwrap());
        }
        let answer = WireAnswer {
            headers: &headers,
            body,
        };
        let Decoded::<Chat>::Answer(answer) = decoder.whole(&[answer]).unwrap() else {
            panic!("{}: more was asked for", self.name)
        };
        (decoder, answer)
    }

    /// What the client reads when the stream comes in reads of `size` bytes.
    fn streamed(&self, size: usize) -> String {
        let mut out = Vec::new();
        let mut writer = ChatCompletions.stream(self.envelope());
        let mut decoder = self.decoder();
        let mut events = if self.is_events {
            Reader::Events(EventReader::new())
        } else {
            Reader::Frames(FrameReader::new())
        };
        let mut chunks = Vec::new();
        let result = self
            .stream
            .as_ref()
            .unwrap()
            .chunks(size)
            .try_for_each(|read| {
                events.push(read);
                while let Some((kind, payload)) = events.next()? {
                    let event = WireEvent {
                        kind: &kind,
                        payload: &payload,
                    };
                    decoder.event(event, &mut chunks)?;
                    for chunk in chunks.drain(..) {
                        writer.chunk(&chunk, &mut out);
                    }
                }
                Ok(())
            });
        let result = result.and_then(|()| events.finish());
        match result.and_then(|()| Ok(decoder.end(&mut chunks)?)) {
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

    /// What the client reads of a whole answer when it asked for a stream.
    fn streamed_from_whole(&self) -> String {
        let (mut decoder, answer) = self.answer();
        let envelope = Envelope {
            include_usage: true,
            ..self.envelope()
        };
        let mut writer = ChatCompletions.stream(envelope);
        let mut out = Vec::new();
        for chunk in decoder.chunks(answer) {
            writer.chunk(&chunk, &mut out);
        }
        writer.end(&mut out);
        String::from_utf8(out).unwrap()
    }
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|entry| entry.as_str().unwrap().to_owned())
        .collect()
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/answers");
    let entries = ["converse", "invoke", "openai", "agent"]
        .into_iter()
        .flat_map(|route| fs::read_dir(folder.join(route)).unwrap())
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    paths.sort();
    assert!(paths.len() > 170, "fixtures are missing");
    paths.iter().map(|path| Fixture::load(path)).collect()
}

/// Calls as the fixtures write them: name, parsed arguments, and whether there is an id.
fn calls_of(message: &Value) -> Value {
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    let calls: Vec<Value> = calls
        .map(|call| {
            assert_eq!(call["type"], "function");
            let arguments = call["function"]["arguments"].as_str().unwrap();
            json!({
                "id": call["id"].as_str().is_some_and(|id| !id.is_empty()),
                "name": call["function"]["name"],
                "arguments": serde_json::from_str::<Value>(arguments).unwrap_or_else(|_| json!(arguments)),
            })
        })
        .collect();
    if calls.is_empty() {
        Value::Null
    } else {
        calls.into()
    }
}

/// The members of a message that are compared; null, `""` and absent are the same.
fn facts(message: &Value, calls: Value) -> Map<String, Value> {
    let mut facts = Map::new();
    for name in [
        "role",
        "content",
        "reasoning_content",
        "thinking_blocks",
        "annotations",
        "images",
    ] {
        facts.insert(name.into(), message[name].clone());
    }
    facts.insert("tool_calls".into(), calls);
    if let Some(content) = message["content"].as_str()
        && let Ok(parsed @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(content)
    {
        facts.insert("content".into(), parsed);
    }
    facts.retain(|_, value| !value.is_null() && value != "");
    facts
}

fn usage_facts(usage: &Value) -> Value {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    json!({
        "prompt_tokens": count(&usage["prompt_tokens"]),
        "completion_tokens": count(&usage["completion_tokens"]),
        "total_tokens": count(&usage["total_tokens"]),
        "cached_tokens": count(&usage["prompt_tokens_details"]["cached_tokens"]),
        "cache_creation": count(&usage["cache_creation_input_tokens"]),
        "cache_read": count(&usage["cache_read_input_tokens"]),
    })
}

fn annotation_urls(message: &Value) -> Vec<Value> {
    let annotations = message["annotations"].as_array().into_iter().flatten();
    annotations
        .map(|entry| entry["url_citation"]["url"].clone())
        .collect()
}

/// Compares what the client was told with the fixture; `seen` has the members of a whole answer's choice beside `usage`.
fn check(fixture: &Fixture, seen: &Value, how: &str) {
    let name = format!("{} ({how})", fixture.name);
    let expect = &fixture.case["expect"];
    let mut expected = facts(&expect["message"], expect["message"]["tool_calls"].clone());
    let mut message = facts(&seen["message"], calls_of(&seen["message"]));
    if let Some(urls) = expect.get("annotation_urls") {
        assert_eq!(json!(annotation_urls(&seen["message"])), *urls, "{name}");
    }
    if !expected.contains_key("annotations") {
        message.remove("annotations");
    }
    if expect["error_event"] == true {
        let text = |facts: &mut Map<String, Value>| {
            facts
                .remove("content")
                .map(|text| text.as_str().unwrap().to_owned())
        };
        let (least, sent) = (text(&mut expected), text(&mut message));
        assert!(
            sent.unwrap_or_default()
                .starts_with(&least.unwrap_or_default()),
            "{name}"
        );
        return;
    }
    assert_eq!(message, expected, "{name}");
    assert_eq!(seen["finish_reason"], expect["finish_reason"], "{name}");
    for (member, value) in expect["usage"].as_object().into_iter().flatten() {
        let told = if member == "reasoning" {
            &seen["usage"]["completion_tokens_details"]["reasoning_tokens"]
        } else {
            &usage_facts(&seen["usage"])[member]
        };
        assert_eq!(told, value, "{name}: {member}");
    }
    for member in ["trace", "service_tier"] {
        if let Some(value) = expect.get(member) {
            assert_eq!(seen[member], *value, "{name}: {member}");
        }
    }
    if let Some(blocks) = expect.get("content_blocks") {
        assert_eq!(
            bare_blocks(&seen["message"]["content_blocks"]),
            *blocks,
            "{name}"
        );
    }
}

/// `content_blocks` without `type`.
fn bare_blocks(blocks: &Value) -> Value {
    let mut blocks = blocks.clone();
    for block in blocks.as_array_mut().into_iter().flatten() {
        block.as_object_mut().unwrap().remove("type");
    }
    blocks
}

#[test]
fn whole_answers_reach_the_client() {
    for fixture in fixtures().iter().filter(|fixture| fixture.stream.is_none()) {
        let (_, answer) = fixture.answer();
        let written = ChatCompletions.answer(&answer, &fixture.envelope());
        let written: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(written["id"], "chatcmpl-1", "{}", fixture.name);
        assert_eq!(written["object"], "chat.completion", "{}", fixture.name);
        assert_eq!(written["model"], MODEL, "{}", fixture.name);
        let [choice] = written["choices"].as_array().unwrap().as_slice() else {
            panic!("{}: one choice", fixture.name)
        };
        assert!(choice["message"]["content"].is_string(), "{}", fixture.name);
        let mut seen = written.clone();
        seen["message"] = choice["message"].clone();
        seen["finish_reason"] = choice["finish_reason"].clone();
        check(fixture, &seen, "whole");
    }
}

#[test]
fn whole_answers_reach_a_client_that_streams() {
    for fixture in fixtures().iter().filter(|fixture| fixture.stream.is_none()) {
        let seen = reassemble(&fixture.name, &fixture.streamed_from_whole(), true);
        check(fixture, &seen, "whole as a stream");
    }
}

#[test]
fn streams_reach_a_client_that_does_not_stream_where_there_is_nothing_else() {
    let mut read = 0;
    for fixture in fixtures().iter().filter(|fixture| fixture.stream.is_some()) {
        let mut decoder = fixture.decoder();
        if !decoder.reads_streams_whole() {
            continue;
        }
        read += 1;
        let answer = WireAnswer {
            headers: &HeaderMap::new(),
            body: fixture.stream.clone().unwrap(),
        };
        let answer = match decoder.whole(&[answer]) {
            Ok(Decoded::<Chat>::Answer(answer)) => answer,
            Ok(Decoded::More(_)) => panic!("{}: more was asked for", fixture.name),
            Err(_) => {
                assert_eq!(fixture.case["expect"]["error_event"], true);
                continue;
            }
        };
        let written = ChatCompletions.answer(&answer, &fixture.envelope());
        let mut seen: Value = serde_json::from_slice(&written).unwrap();
        seen["message"] = seen["choices"][0]["message"].clone();
        seen["finish_reason"] = seen["choices"][0]["finish_reason"].clone();
        check(fixture, &seen, "read whole");
    }
    assert!(read > 2);
}

#[test]
fn streams_reach_the_client() {
    for fixture in fixtures().iter().filter(|fixture| fixture.stream.is_some()) {
        let envelope = fixture.envelope();
        let sent = fixture.streamed(usize::MAX);
        let seen = reassemble(
            &fixture.name,
            &sent,
            envelope.include_usage || envelope.content_blocks,
        );
        check(fixture, &seen, "stream");
        let fails = fixture.case["expect"]["error_event"] == true;
        assert_eq!(
            sent.ends_with("data: [DONE]\n\n"),
            !fails,
            "{}",
            fixture.name
        );
        for size in [1, 7, 1000] {
            assert_eq!(
                fixture.streamed(size),
                sent,
                "{}: reads of {size} bytes",
                fixture.name
            );
        }
    }
}
