//! A client's own Responses body for a model that speaks the format: kept byte for byte but for what is the gateway's.

use serde_json::{Value, json};
use switchyard::canonical::{MediaSource, NativeFormat, Text};
use switchyard::dialect::responses::Responses;
use switchyard::dialect::{Dialect as _, Envelope};
use switchyard::error::Error;
use switchyard::provider::WireEvent;
use switchyard::provider::bedrock::server_events::EventReader;

use crate::support::{Case, Sent};

const LUNA: &str = "bedrock/us.openai.gpt-5.6-luna";

fn sent(body: &str) -> Sent {
    let bytes = bytes::Bytes::copy_from_slice(body.as_bytes());
    Case::new(LUNA).responses().send_bytes(&bytes).unwrap()
}

#[test]
fn what_no_rule_names_stays_as_it_was_written() {
    let sent = sent(concat!(
        r#"{ "model":"m","max_output_tokens":250.0, "temperature": 1e0,"input":[ {"role":"user","content":"S\u00e9","later":1e2} ],"#,
        r#""timeout":3,"tools":[ {"type":"mcp","x":1.0} ],"store":false,"previous_response_id":null}"#
    ));
    assert_eq!(
        String::from_utf8_lossy(&sent.wire.body),
        concat!(
            r#"{"model":"us.openai.gpt-5.6-luna","max_output_tokens":250,"temperature":1e0,"#,
            r#""input":[ {"role":"user","content":"S\u00e9","later":1e2} ],"tools":[ {"type":"mcp","x":1.0} ],"store":false}"#
        )
    );
    assert_eq!(sent.warnings, [""; 0]);
}

#[test]
fn what_is_left_out_is_said() {
    let sent = sent(r#"{"input":"hi","background":true,"tools":[{"type":"web_search"}]}"#);
    assert_eq!(sent.body["tools"], json!(null));
    assert_eq!(
        sent.warnings,
        [
            "background was left out: the answer is waited for",
            "tools that nobody runs here were left out: web_search"
        ]
    );
}

#[test]
fn what_a_model_that_reasons_refuses_is_left_out_where_that_is_wanted() {
    let ask = |more: &str| {
        sent(&format!(
            r#"{{"input":"hi","temperature":0.5,"top_p":0.9{more}}}"#
        ))
    };
    assert_eq!(ask("").body["temperature"], 0.5);
    let dropped = ask(r#","drop_params":true"#);
    assert_eq!(dropped.body["temperature"], json!(null));
    assert_eq!(dropped.body["top_p"], json!(null));
    assert_eq!(
        dropped.warnings,
        ["temperature", "top_p"]
            .map(|name| format!("parameter {name} was left out: not supported"))
    );
    let without = ask(r#","drop_params":true,"reasoning":{"effort":"none"}"#);
    assert_eq!(without.body["temperature"], 0.5);
}

#[test]
fn pictures_that_were_fetched_stand_where_their_addresses_stood() {
    let picture = |place: &str| {
        format!(r#"{{"type":"{place}","image_url":"https://pictures.test/a.png","detail":"low"}}"#)
    };
    let (image, screen) = (picture("input_image"), picture("computer_screenshot"));
    let body = format!(
        r#"{{"input":[{{"role":"user","content":[{image},{{"type":"input_text","text":"https://pictures.test/a.png"}}]}},
            {{"type":"computer_call_output","call_id":"c","output":{screen}}},
            {{"type":"function_call_output","call_id":"d","output":[{image}]}}]}}"#
    );
    let body = bytes::Bytes::from(body);
    let parsed = Responses.parse(&body, &http::HeaderMap::new());
    let mut request = parsed.unwrap().request;
    let remote = request.remote_media();
    assert_eq!(remote.len(), 3);
    for media in remote {
        media.fetched_from = Some("https://pictures.test/a.png".to_owned());
        media.mime = Some("image/png".to_owned());
        media.source = MediaSource::Base64(Text::new("aGk="));
    }
    let exchange = Case::new(LUNA).encode(&request).unwrap();
    assert_eq!(exchange.decoder.native(), Some(NativeFormat::Responses));
    let sent: serde_json::Value = serde_json::from_slice(&exchange.requests[0].body).unwrap();
    let data = "data:image/png;base64,aGk=";
    let input = &sent["input"];
    assert_eq!(input[0]["content"][0]["image_url"], data);
    assert_eq!(input[0]["content"][0]["detail"], "low");
    assert_eq!(
        input[0]["content"][1]["text"],
        "https://pictures.test/a.png"
    );
    assert_eq!(input[1]["output"]["image_url"], data);
    assert_eq!(input[2]["output"][0]["image_url"], data);
}

/// What is sent of a body whose remote media were fetched.
fn sent_fetched(body: String, mime: &str) -> Value {
    let parsed = Responses.parse(&bytes::Bytes::from(body), &http::HeaderMap::new());
    let mut request = parsed.unwrap().request;
    for media in request.remote_media() {
        let MediaSource::Url(url) = &media.source else {
            panic!("remote media has an address");
        };
        media.fetched_from = Some(url.clone());
        media.mime = Some(mime.to_owned());
        media.source = MediaSource::Base64(Text::new("aGk="));
    }
    let exchange = Case::new(LUNA).encode(&request).unwrap();
    assert_eq!(exchange.decoder.native(), Some(NativeFormat::Responses));
    serde_json::from_slice(&exchange.requests[0].body).unwrap()
}

#[test]
fn a_picture_is_put_in_as_often_as_it_was_fetched() {
    let image = r#"{"type":"input_image","image_url":"https://pictures.test/a.png"}"#;
    let body = format!(
        r#"{{"input":[{{"role":"user","content":[{image},{image},
            {{"type":"input_text","text":"x","content":[{image},{image}],"output":{image}}}]}}]}}"#
    );
    let sent = sent_fetched(body, "image/png");
    let content = &sent["input"][0]["content"];
    for place in ["/0", "/1"] {
        let url = &content.pointer(place).unwrap()["image_url"];
        assert_eq!(url, "data:image/png;base64,aGk=", "{place}");
    }
    for place in ["/2/content/0", "/2/content/1", "/2/output"] {
        let url = &content.pointer(place).unwrap()["image_url"];
        assert_eq!(url, "https://pictures.test/a.png", "{place}");
    }
}

#[test]
fn files_that_were_fetched_go_with_their_names() {
    let url = r#""file_url":"https://files.test/a.pdf""#;
    let body = format!(
        r#"{{"input":[{{"role":"user","content":[{{"type":"input_file",{url},"filename":"a.pdf","x":1}},
            {{"type":"input_file",{url}}},{{"type":"input_image","image_url":"https://files.test/a.pdf"}}]}}]}}"#
    );
    let sent = sent_fetched(body, "application/pdf");
    let data = "data:application/pdf;base64,aGk=";
    assert_eq!(
        sent["input"][0]["content"],
        json!([
            {"type": "input_file", "x": 1, "filename": "a.pdf", "file_data": data},
            {"type": "input_file", "filename": "document.pdf", "file_data": data},
            {"type": "input_image", "image_url": data},
        ])
    );
}

#[test]
fn what_is_written_as_in_another_format_is_bridged() {
    let schema = json!({"type": "object"});
    let function = json!({"type": "function", "name": "f", "parameters": schema});
    let format = json!({"name": "n", "schema": schema});
    let url_of = |members: Value| sent(&members.to_string()).wire.url;
    for members in [
        json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}),
        json!({"tools": [{"name": "f", "input_schema": schema}]}),
        json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": schema}}}]}),
        json!({"tools": [function], "tool_choice": {"type": "any"}}),
        json!({"tools": [function], "tool_choice": {"type": "tool", "name": "f"}}),
        json!({"tools": [function], "tool_choice": {"type": "function", "function": {"name": "f"}}}),
        json!({"text": {"format": {"type": "json_schema", "json_schema": format}}}),
    ] {
        let mut asked = members.clone();
        asked["input"] = json!("hi");
        let url = url_of(asked);
        assert!(!url.contains("/responses"), "{members}: {url}");
    }
    let own = json!({"input": "hi", "tools": [function, {"type": "mcp", "function": null}], "tool_choice": "auto",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}});
    assert!(url_of(own).ends_with("/openai/v1/responses"));
}

#[test]
fn parameters_that_a_response_has_no_place_for_are_said_to_be_left_out() {
    let of_chat =
        json!({"input": "hi", "n": 2, "seed": 1, "frequency_penalty": 0.5, "verbosity": "low"});
    let left_out = |names: &[&str]| -> Vec<String> {
        let warning = |name| format!("parameter {name} was left out: not supported");
        names.iter().map(warning).collect()
    };
    let said = sent(&of_chat.to_string()).warnings;
    assert_eq!(said, left_out(&["n", "seed", "frequency_penalty"]));
    assert_eq!(sent(r#"{"input":"hi","n":1}"#).warnings, [""; 0]);
    let body = br#"{"input":"hi","stop":["x"],"top_k":5,"thinking":{"type":"enabled","budget_tokens":1024}}"#;
    let sent = Case::new("bedrock_mantle/openai.gpt-5.6-luna").responses();
    let sent = sent.send_bytes(&bytes::Bytes::from_static(body)).unwrap();
    assert!(sent.wire.url.ends_with("/responses"), "{}", sent.wire.url);
    assert_eq!(sent.warnings, left_out(&["stop", "top_k", "thinking"]));
}

#[test]
fn a_chat_of_such_a_model_is_a_chat() -> Result<(), Error> {
    let sent = Case::new(LUNA).send()?;
    assert!(sent.wire.url.ends_with("/openai/v1/chat/completions"));
    Ok(())
}

/// What the client reads of a stream that comes in reads of `size` bytes.
fn streamed(stream: &[u8], size: usize) -> String {
    let body = bytes::Bytes::from_static(br#"{"input":"hi","stream":true}"#);
    let mut decoder = Case::new(LUNA).responses().exchange(&body).unwrap().decoder;
    let parsed = Responses.parse(&body, &http::HeaderMap::new()).unwrap();
    let mut writer = Responses.stream(Envelope {
        id: "resp_ours".to_owned(),
        created: 0,
        model: "asked".to_owned(),
        include_usage: false,
        content_blocks: false,
        asked: parsed.asked,
    });
    let (mut events, mut chunks, mut out) = (EventReader::new(), Vec::new(), Vec::new());
    let result = stream.chunks(size).try_for_each(|read| {
        events.push(bytes::Bytes::copy_from_slice(read));
        while let Some(event) = events.next()? {
            let (kind, payload) = (event.name(), event.data());
            decoder.event(WireEvent { kind, payload }, &mut chunks)?;
            for chunk in chunks.drain(..) {
                writer.chunk(&chunk, &mut out);
            }
        }
        Ok::<_, Error>(())
    });
    match result.and_then(|()| Ok(decoder.end(&mut chunks)?)) {
        Ok(()) => writer.end(&mut out),
        Err(error) => writer.error(&error, &mut out),
    }
    String::from_utf8(out).unwrap()
}

fn events(stream: &str) -> Vec<Value> {
    let data = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let events = data.filter_map(|data| serde_json::from_str(data).ok());
    events.collect()
}

#[test]
fn every_stream_of_the_fixtures_is_passed_on() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/answers/openai");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("responses-") || path.extension().is_none_or(|end| end != "sse") {
            continue;
        }
        read += 1;
        let stream = std::fs::read(&path).unwrap();
        let mut expected = events(std::str::from_utf8(&stream).unwrap());
        for event in &mut expected {
            if let Some(model) = event.pointer_mut("/response/model") {
                *model = json!("asked");
            }
        }
        let is_broken = ["cut", "error", "failed"]
            .iter()
            .any(|word| name.contains(word));
        for size in [usize::MAX, 7, 1] {
            let mut seen = events(&streamed(&stream, size));
            if is_broken {
                let last = seen.pop().unwrap();
                assert_eq!(last["type"], "response.failed", "{name}");
                assert_eq!(last["response"]["status"], "failed", "{name}");
                assert!(last["response"]["error"]["message"].is_string(), "{name}");
                expected.truncate(seen.len());
            }
            assert_eq!(seen, expected, "{name} ({size})");
            assert!(!seen.is_empty(), "{name}");
        }
    }
    assert!(read >= 5, "fixtures are missing");
}
