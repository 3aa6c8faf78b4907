use http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::canonical::{
    Content, MediaSource, PartKind, ResponseFormat, Role, Thinking, ToolChoice,
};

fn read(body: &Value) -> Result<Parsed> {
    let body = Bytes::from(serde_json::to_vec(body).unwrap());
    parse(&body, &HeaderMap::new())
}

fn refusal(body: &Value) -> (String, String) {
    let error = read(body).unwrap_err();
    assert_eq!(error.status(), 400);
    let param = error.param().unwrap_or("").to_owned();
    (param, error.message().to_owned())
}

fn with(name: &str, value: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body[name] = value;
    body
}

fn raw_refusal(body: impl Into<Bytes>) -> (String, String) {
    let error = parse(&body.into(), &HeaderMap::new()).unwrap_err();
    (
        error.param().unwrap().to_owned(),
        error.message().to_owned(),
    )
}

#[test]
fn what_is_no_json_object_is_refused_by_its_own_name() {
    let deep = format!(r#"{{"model":"m","tools":{}"#, "[".repeat(100_000));
    let deep_object = format!(
        r#"{{"model":"m","metadata":{}1{}}}"#,
        r#"{"a":"#.repeat(128),
        "}".repeat(128)
    );
    let bodies: [&[u8]; 9] = [
        b"",
        b"null",
        b"[]",
        b"\"text\"",
        br#"{"model": "m", "messages": ["#,
        br#"{"model": "m",}"#,
        b"{\"model\": \"\xff\xfe\"}",
        deep.as_bytes(),
        deep_object.as_bytes(),
    ];
    for body in bodies {
        let (param, message) = raw_refusal(Bytes::copy_from_slice(body));
        assert_eq!(param, "request_body");
        assert!(message.starts_with("Invalid JSON payload: "), "{message}");
    }
}

#[test]
fn brackets_in_text_are_not_depth() {
    let text = "[{".repeat(10_000);
    assert!(read(&json!({"messages": [{"role": "user", "content": text}]})).is_ok());
}

#[test]
fn wrong_types_name_their_path() {
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    for (body, param) in [
        (with("model", json!(1)), "model"),
        (with("messages", json!({})), "messages"),
        (with("messages", json!("x")), "messages"),
        (
            with("messages", json!([{"role": "user"}, 1])),
            "messages[1]",
        ),
        (
            with("messages", json!([{"content": "x"}])),
            "messages[0].role",
        ),
        (with("messages", json!([{"role": 1}])), "messages[0].role"),
        (with("messages", user(json!(1))), "messages[0].content"),
        (with("messages", user(json!({}))), "messages[0].content"),
        (
            with("messages", user(json!(["x"]))),
            "messages[0].content[0]",
        ),
        (
            with("messages", user(json!([{"text": "x"}]))),
            "messages[0].content[0].type",
        ),
        (
            with("messages", user(json!([{"type": "text", "text": 1}]))),
            "messages[0].content[0].text",
        ),
        (
            with("messages", user(json!([{"type": "text"}]))),
            "messages[0].content[0].text",
        ),
        (
            with(
                "messages",
                user(json!([{"type": "image_url", "image_url": {"url": 1}}])),
            ),
            "messages[0].content[0].image_url.url",
        ),
        (
            with(
                "messages",
                json!([{"role": "assistant", "tool_calls": [{"function": {"name": 1}}]}]),
            ),
            "messages[0].tool_calls[0].function.name",
        ),
        (with("temperature", json!("hot")), "temperature"),
        (with("max_tokens", json!(-1)), "max_tokens"),
        (with("max_tokens", json!("5")), "max_tokens"),
        (with("stop", json!(5)), "stop"),
        (with("stop", json!(["a", 5])), "stop[1]"),
        (with("stream", json!("yes")), "stream"),
        (with("stream_options", json!([])), "stream_options"),
        (
            with("stream_options", json!({"include_usage": 1})),
            "stream_options.include_usage",
        ),
        (with("tools", json!({})), "tools"),
        (with("tools", json!([1])), "tools[0]"),
        (with("tool_choice", json!(1)), "tool_choice"),
        (
            with("tool_choice", json!({"type": "function"})),
            "tool_choice.name",
        ),
        (
            with("parallel_tool_calls", json!("no")),
            "parallel_tool_calls",
        ),
        (with("response_format", json!("json")), "response_format"),
        (with("response_format", json!({})), "response_format.type"),
        (
            with(
                "response_format",
                json!({"type": "json_schema", "json_schema": {"schema": 1}}),
            ),
            "response_format.json_schema.schema",
        ),
        (with("reasoning_effort", json!(3)), "reasoning_effort"),
        (with("thinking", json!(true)), "thinking"),
        (with("guardrailConfig", json!("x")), "guardrailConfig"),
        (
            with("additionalModelRequestFields", json!([])),
            "additionalModelRequestFields",
        ),
        (with("metadata", json!(1)), "metadata"),
        (with("timeout", json!("x")), "timeout"),
        (with("extra_headers", json!({"a": 1})), "extra_headers.a"),
        (with("extra_body", json!([])), "extra_body"),
        (with("service_tier", json!(1)), "service_tier"),
    ] {
        let (found, message) = refusal(&body);
        assert_eq!(found, param, "{message}");
    }
}

#[test]
fn tools_and_formats_without_what_they_are_for_name_their_path() {
    for (body, param) in [
        (
            with("tools", json!([{"type": "function"}])),
            "tools[0].function",
        ),
        (
            with("tools", json!([{"type": "function", "function": "f"}])),
            "tools[0].function",
        ),
        (with("user", json!(5)), "user"),
        (
            with("response_format", json!({"type": "json_schema"})),
            "response_format.json_schema",
        ),
        (
            with(
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "n"}}),
            ),
            "response_format.json_schema.schema",
        ),
        (
            with(
                "response_format",
                json!({"type": "json_schema", "name": "n"}),
            ),
            "response_format.schema",
        ),
    ] {
        let (found, message) = refusal(&body);
        assert_eq!(found, param, "{message}");
    }
    // A name is nobody's need, and a flat function stands for itself.
    let schema = json!({"type": "json_schema", "json_schema": {"schema": {"type": "object"}}});
    assert!(read(&with("response_format", schema)).is_ok());
    let flat = json!([{"type": "function", "name": "f"}, {"name": "g", "input_schema": {}}]);
    assert!(read(&with("tools", flat)).is_ok());
}

#[test]
fn model_has_its_own_words() {
    assert_eq!(
        refusal(&with("model", json!([]))).1,
        "'model' must be a string."
    );
}

#[test]
fn absent_messages_are_told_from_empty_ones() {
    assert!(
        !read(&json!({"model": "m"}))
            .unwrap()
            .request
            .messages_present
    );
    assert!(
        !read(&with("messages", json!(null)))
            .unwrap()
            .request
            .messages_present
    );
    assert!(
        read(&with("messages", json!([])))
            .unwrap()
            .request
            .messages_present
    );
}

#[test]
fn text_and_base64_are_slices_of_the_body() {
    let base64 = "QUFB".repeat(1000);
    let body = json!({"messages": [{"role": "user", "content": [
        {"type": "text", "text": "hello \"you\""},
        {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{base64}")}},
    ]}]});
    let body = Bytes::from(serde_json::to_vec(&body).unwrap());
    let range = body.as_ptr() as usize..body.as_ptr() as usize + body.len();
    let parsed = parse(&body, &HeaderMap::new()).unwrap();
    let Content::Parts(parts) = &parsed.request.messages[0].content else {
        panic!()
    };
    let PartKind::Text(text) = &parts[0].kind else {
        panic!()
    };
    assert!(range.contains(&(text.bytes().as_ptr() as usize)));
    assert_eq!(text.decoded(), "hello \"you\"");
    let PartKind::Media(media) = &parts[1].kind else {
        panic!()
    };
    let MediaSource::DataUrl { url, payload } = &media.source else {
        panic!()
    };
    assert!(range.contains(&(url.bytes().as_ptr() as usize)));
    assert_eq!(url.escaped().get(*payload..).unwrap(), base64);
    assert_eq!(media.mime.as_deref(), Some("image/png"));
}

#[test]
fn media_is_found_in_every_form() {
    let source = |part: Value| {
        let body = json!({"messages": [{"role": "user", "content": [part]}]});
        read(&body).map(|parsed| match &parsed.request.messages[0].content {
            Content::Parts(parts) => match &parts[0].kind {
                PartKind::Media(media) => (**media).clone(),
                _ => panic!(),
            },
            _ => panic!(),
        })
    };
    let remote = source(json!({"type": "image_url", "image_url": "HTTPS://x/y.png"})).unwrap();
    assert!(matches!(remote.source, MediaSource::Url(url) if url == "HTTPS://x/y.png"));
    let s3 = source(json!({"type": "file", "file": {
        "file_url": "s3://b/k.pdf", "mime_type": "application/pdf", "bucketOwner": "123456789012"}}));
    let s3 = s3.unwrap();
    assert!(matches!(
        s3.source,
        MediaSource::S3 {
            bucket_owner: Some(_),
            ..
        }
    ));
    assert_eq!(s3.format.as_deref(), Some("application/pdf"));
    let audio =
        source(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}));
    assert!(matches!(audio.unwrap().source, MediaSource::Base64(_)));
    let slashes = br#"{"messages":[{"role":"user","content":[
        {"type":"image_url","image_url":{"url":"data:image\/gif;base64,AA\/A"}}]}]}"#;
    let parsed = parse(&Bytes::from_static(slashes), &HeaderMap::new()).unwrap();
    let Content::Parts(parts) = &parsed.request.messages[0].content else {
        panic!()
    };
    assert!(
        matches!(&parts[0].kind, PartKind::Media(media) if media.mime.as_deref() == Some("image/gif"))
    );
    for part in [
        json!({"type": "image_url", "image_url": {"url": "cat.png"}}),
        json!({"type": "image_url", "image_url": {"url": "data:text/plain,hello"}}),
        json!({"type": "file", "file": {"file_id": "file-123"}}),
        json!({"type": "file", "file": {}}),
        json!({"type": "file", "file": {"file_data": ""}}),
        json!({"type": "document", "source": {"type": "magic"}}),
    ] {
        assert!(source(part.clone()).is_err(), "{part}");
    }
}

#[test]
fn members_of_the_gateway_do_not_reach_the_model() {
    let body = json!({
        "model": "m", "messages": [], "user": "u", "metadata": "{\"a\": 1}", "fallbacks": ["x"],
        "tags": ["t"], "cache": {"no-cache": true}, "litellm_call_id": "1", "mock_response": "x",
        "num_retries": 3, "timeout": 5, "request_timeout": 9, "stream_timeout": 1.5,
        "aws_region_name": "eu-west-1", "api_key": "secret", "aws_session_tags": [{"Key": "a"}],
        "input_cost_per_token": 1, "foo": {"bar": [1.50]},
    });
    let parsed = read(&body).unwrap();
    let names: Vec<_> = parsed
        .request
        .params
        .extra
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["foo"]);
    let controls = parsed.controls;
    assert_eq!(controls.timeout_seconds, Some(5.0));
    assert_eq!(controls.stream_timeout_seconds, Some(1.5));
    assert_eq!(controls.num_retries, Some(3));
    let credentials: Vec<_> = controls
        .credentials
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        credentials,
        ["aws_region_name", "api_key", "aws_session_tags"]
    );
    let metadata = controls
        .other
        .iter()
        .find(|(name, _)| name == "metadata")
        .unwrap();
    assert_eq!(metadata.1.get(), r#"{"a":1}"#);
}

#[test]
fn extra_body_is_laid_over_the_request() {
    let mut body = with("temperature", json!(0.5));
    body["extra_body"] = json!({
        "temperature": 0.1, "guardrail_config": {"guardrailIdentifier": "g"},
        "additional_model_request_fields": {"a": 1},
        "messages": [{"role": "user", "content": "other"}],
    });
    let request = read(&body).unwrap().request;
    assert_eq!(request.params.temperature.unwrap().as_f64(), Some(0.1));
    assert!(request.params.guardrail.is_some());
    assert_eq!(request.params.extra[0].0, "additionalModelRequestFields");
    assert!(
        matches!(&request.messages[0].content, Content::Text(text) if text.decoded() == "other")
    );
}

#[test]
fn native_names_are_understood() {
    let request = read(
        &json!({"messages": [], "maxTokens": 5, "topP": 0.5, "topK": 3,
        "stopSequences": ["a"]}),
    )
    .unwrap()
    .request;
    assert_eq!(request.params.max_tokens, Some(5));
    assert_eq!(request.params.top_k.unwrap().as_u64(), Some(3));
    assert_eq!(request.params.stop.unwrap(), ["a"]);
}

#[test]
fn choices_of_tools_are_read_in_both_dialects() {
    let choice = |value: Value| {
        let params = read(&with("tool_choice", value)).unwrap().request.params;
        (params.tool_choice.unwrap(), params.parallel_tool_calls)
    };
    assert_eq!(choice(json!("any")).0, ToolChoice::Required);
    assert_eq!(
        choice(json!({"type": "tool", "name": "x", "disable_parallel_tool_use": true})),
        (ToolChoice::Named("x".to_owned()), Some(false))
    );
    assert_eq!(
        choice(json!({"type": "function", "function": {"name": "x"}})).0,
        ToolChoice::Named("x".to_owned())
    );
    assert_eq!(
        choice(
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required",
            "tools": [{"type": "function", "function": {"name": "x"}}]}})
        )
        .0,
        ToolChoice::Allowed {
            names: vec!["x".to_owned()],
            required: true
        }
    );
    assert!(matches!(choice(json!("maybe")).0, ToolChoice::Other(_)));
}

#[test]
fn formats_of_answers_are_read() {
    let format = |value: Value| {
        read(&with("response_format", value))
            .unwrap()
            .request
            .params
            .response_format
    };
    assert!(matches!(
        format(json!({"type": "text"})),
        Some(ResponseFormat::Text)
    ));
    assert!(matches!(
        format(json!({"type": "json_object"})),
        Some(ResponseFormat::JsonObject)
    ));
    assert!(matches!(
        format(json!({"type": "json_object", "response_schema": {}})),
        Some(ResponseFormat::JsonSchema(_))
    ));
    assert!(matches!(
        format(json!({"type": "xml"})),
        Some(ResponseFormat::Other(_))
    ));
}

#[test]
fn old_and_echoed_forms_of_an_answer_are_read() {
    let body = json!({"messages": [
        {"role": "developer", "content": "x"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": "text", "refusal": null, "content_blocks": [
            {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "text"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}, {"type": "text", "text": "t"}]},
        {"role": "tool", "tool_call_id": "c", "content": "x", "is_error": true},
    ]});
    let messages = read(&body).unwrap().request.messages;
    assert_eq!(messages[0].role, Role::System);
    assert_eq!(messages[1].tool_calls[0].name, "f");
    assert_eq!(messages[2].role, Role::Function);
    assert!(matches!(
        &messages[3].thinking[..],
        [Thinking::Shown {
            signature: Some(_),
            ..
        }]
    ));
    assert!(matches!(&messages[3].content, Content::Text(_)));
    assert!(matches!(&messages[4].content, Content::Parts(parts) if parts.len() == 1));
    assert!(messages[5].is_error);
}

#[test]
fn defaults_of_a_deployment_follow_the_same_rules() {
    let entry = |name: &str, value: Value| {
        (
            name.to_owned(),
            crate::canonical::RawJson::from_value(&value),
        )
    };
    let params = super::super::params(&[
        entry("max_tokens", json!(7)),
        entry("guardrail_config", json!({"guardrail_identifier": "g"})),
        entry(
            "user_continue_message",
            json!({"role": "user", "content": "go on"}),
        ),
        entry("tags", json!(["x"])),
        entry("foo", json!(null)),
        entry("bar", json!(1)),
    ])
    .unwrap();
    assert_eq!(params.max_tokens, Some(7));
    assert!(params.guardrail.is_some() && params.user_continue_message.is_some());
    assert_eq!(params.extra.len(), 1);
    let error = super::super::params(&[entry("max_tokens", json!("many"))]).unwrap_err();
    assert_eq!(error.param(), Some("max_tokens"));
}

#[test]
fn betas_come_by_headers() {
    let mut headers = HeaderMap::new();
    headers.append("anthropic-beta", "a,b".parse().unwrap());
    headers.append("x-portkey-anthropic-beta", r#"["c"]"#.parse().unwrap());
    headers.append("x-portkey-provider", "bedrock".parse().unwrap());
    let body = Bytes::from_static(br#"{"messages":[]}"#);
    let request = parse(&body, &headers).unwrap().request;
    assert_eq!(request.betas, ["a", "b", "c"]);
    assert!(request.portkey);
}
