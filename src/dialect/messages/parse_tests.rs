use serde_json::json;

use super::*;
use crate::canonical::{Content, MediaSource, PartKind, Role, Thinking};
use crate::error::Error;

fn read_value(body: &Value) -> Result<Parsed, Error> {
    let body = Bytes::from(serde_json::to_vec(body).unwrap());
    parse(&body, &HeaderMap::new())
}

fn request(mut body: Value) -> ChatRequest {
    body["max_tokens"] = json!(9);
    read_value(&body).unwrap().request
}

fn user(content: Value) -> Value {
    let mut message = json!({"role": "user"});
    message["content"] = content;
    json!({ "messages": [message] })
}

fn param(body: &Value) -> String {
    let error = read_value(body).unwrap_err();
    assert_eq!(error.status(), 400);
    error.param().unwrap().to_owned()
}

#[test]
fn a_message_is_cut_where_its_order_would_change() {
    let request = request(json!({"messages": [
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1.50}},
            {"type": "tool_use", "id": "b", "name": "g"},
            {"type": "text", "text": "more"}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "r"}], "is_error": true},
            {"type": "tool_result", "tool_use_id": "b"},
            {"type": "text", "text": "go", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
    ]}));
    let roles: Vec<_> = request
        .messages
        .iter()
        .map(|message| &message.role)
        .collect();
    assert_eq!(
        roles,
        [
            &Role::Assistant,
            &Role::Assistant,
            &Role::Tool,
            &Role::Tool,
            &Role::User
        ]
    );
    let first = &request.messages[0];
    assert!(matches!(&first.content, Content::Parts(parts)
        if matches!(parts[0].kind, PartKind::Thinking(Thinking::Shown { signature: None, .. }))));
    let calls: Vec<_> = first
        .tool_calls
        .iter()
        .map(|call| (call.name.as_str(), call.arguments.as_str()))
        .collect();
    assert_eq!(calls, [("f", "{\"x\":1.5}"), ("g", "{}")]);
    assert!(request.messages[2].is_error && !request.messages[3].is_error);
    assert!(matches!(request.messages[3].content, Content::Absent));
    assert!(matches!(&request.messages[4].content, Content::Parts(parts)
        if parts[0].cache.as_ref().unwrap().ttl.as_deref() == Some("1h")));
}

#[test]
fn the_body_is_kept_as_it_came() {
    let body = Bytes::from_static(br#"{ "messages":[{"role":"user","content":"a"}], "x": 1e0}"#);
    let request = parse(&body, &HeaderMap::new()).unwrap().request;
    let native = request.native.unwrap();
    assert_eq!(native.body.bytes().as_ptr(), body.as_ptr());
    assert_eq!(native.format, NativeFormat::Messages);
}

#[test]
fn members_go_where_they_belong() {
    let parsed = read_value(&json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "system": "S",
        "stop_sequences": ["END"], "top_k": 3, "stream": true, "metadata": {"user_id": "u"},
        "thinking": {"type": "adaptive"}, "output_config": {"effort": "low", "format": {"schema": {}}},
        "output_format": {"type": "json_schema", "schema": {"x": 1}}, "anthropic_beta": ["b"],
        "context_management": {"edits": []}, "service_tier": "auto", "mcp_servers": [], "container": "c", "speed": "fast",
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true}, "seed": 1, "fallbacks": ["x"],
        "num_retries": 2, "requestMetadata": {"a": "b"},
    }))
    .unwrap();
    assert_eq!(parsed.model.as_deref(), Some("m"));
    assert_eq!(parsed.controls.num_retries, Some(2));
    let controls: Vec<_> = parsed
        .controls
        .other
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(controls, ["metadata", "fallbacks"]);
    let request = parsed.request;
    assert!(request.stream && request.messages_present);
    assert_eq!(request.messages[0].role, Role::System);
    let params = request.params;
    assert_eq!(params.stop.unwrap(), ["END"]);
    assert_eq!(params.user.as_deref(), Some("u"));
    assert_eq!(params.parallel_tool_calls, Some(false));
    assert!(params.openai.is_empty());
    let extra: Vec<_> = params.extra.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        extra,
        ["anthropic_beta", "context_management", "requestMetadata"]
    );
    assert_eq!(
        params.output_config.unwrap().to_value(),
        json!({"effort": "low", "format": {"type": "json_schema", "schema": {"x": 1}}})
    );
}

#[test]
fn what_is_wrong_is_named() {
    for (body, name) in [
        (json!({"max_tokens": 1}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": [7]}), "messages[0]"),
        (json!({"messages": [{"content": "x"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "tool", "content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "user"}]}),
            "messages[0].content",
        ),
        (user(json!(7)), "messages[0].content"),
        (user(json!([{"text": "x"}])), "messages[0].content[0].type"),
        (
            user(json!([{"type": "text"}])),
            "messages[0].content[0].text",
        ),
        (
            user(json!([{"type": "tool_result"}])),
            "messages[0].content[0].tool_use_id",
        ),
        (
            user(json!([{"type": "image"}])),
            "messages[0].content[0].source",
        ),
        (
            user(json!([{"type": "image", "source": {"type": "url", "url": "ftp://x"}}])),
            "messages[0].content[0].source.url",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": 1}]}]}),
            "messages[0].content[0].input",
        ),
        (
            json!({"system": 7, "messages": [{"role": "user", "content": "x"}]}),
            "system",
        ),
        (
            json!({"stop_sequences": "x", "messages": [{"role": "user", "content": "x"}]}),
            "stop_sequences",
        ),
        (
            json!({"thinking": 7, "messages": [{"role": "user", "content": "x"}]}),
            "thinking",
        ),
        (
            json!({"tools": [7], "messages": [{"role": "user", "content": "x"}]}),
            "tools[0]",
        ),
    ] {
        assert_eq!(param(&body), name, "{body}");
    }
}

#[test]
fn what_only_claude_knows_is_no_mistake() {
    let request = request(user(json!([
        {"type": "container_upload", "file_id": "f"},
        {"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": {}}]}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
    ])));
    let Content::Parts(parts) = &request.messages[0].content else {
        panic!()
    };
    assert!(matches!(&parts[0].kind, PartKind::Unknown(kind) if kind == "container_upload"));
    for part in &parts[1..] {
        assert!(
            matches!(&part.kind, PartKind::Media(media) if matches!(media.source, MediaSource::Invalid(_)))
        );
    }
}

#[test]
fn a_count_needs_no_limit_and_streams_nothing() {
    let body = Bytes::from_static(br#"{"messages":[{"role":"user","content":"a"}],"stream":true}"#);
    assert!(
        !parse_count(&body, &HeaderMap::new())
            .unwrap()
            .request
            .stream
    );
    let error = parse_count(&Bytes::from_static(b"{}"), &HeaderMap::new()).unwrap_err();
    assert!(error.message().starts_with("/v1/messages/count_tokens:"));
}
