//! Anthropic's format for models that are no Claude, and for Claude by Converse.

use serde_json::{Value, json};

use crate::support::*;

#[test]
fn every_block_has_its_place_in_converse() {
    let messages = json!([
        {"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
            {"type": "document", "title": "T", "context": "C", "citations": {"enabled": true},
                "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
            {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "cmVk"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            {"type": "text", "text": "And again."},
            {"type": "tool_use", "id": "b", "name": "f", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "is_error": true, "content": [
                {"type": "text", "text": "no"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}]},
            {"type": "tool_result", "tool_use_id": "b"},
            {"type": "text", "text": "go on"}]},
    ]);
    let sent = Case::new(BY_CONVERSE)
        .with("system", json!([{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]))
        .with("tools", json!([{"name": "f", "description": "d", "input_schema": {"type": "object"}}]))
        .with("tool_choice", json!({"type": "tool", "name": "f"}))
        .with("stop_sequences", json!(["END"]))
        .with("top_k", json!(4))
        .with("messages", messages)
        .sent();
    insta::assert_json_snapshot!(sent);
}

#[test]
fn thinking_becomes_an_effort_elsewhere() {
    let fields = |model, thinking: Value| {
        let case = Case::new(model).with("max_tokens", json!(1000));
        let sent = case.with("thinking", thinking).send().unwrap();
        (
            sent.body["additionalModelRequestFields"].clone(),
            sent.warnings,
        )
    };
    let enabled = json!({"type": "enabled", "budget_tokens": 4096});
    let (sent, warnings) = fields("bedrock/openai.gpt-oss-120b-1:0", enabled.clone());
    assert_eq!(
        (sent, warnings.len()),
        (json!({"reasoning_effort": "high"}), 0)
    );
    let (sent, _) = fields(
        "bedrock/us.amazon.nova-2-lite-v1:0",
        json!({"type": "adaptive"}),
    );
    assert_eq!(sent["reasoningConfig"]["maxReasoningEffort"], "medium");
    for model in [NOVA, LLAMA, "bedrock/qwen.qwen3-32b-v1:0"] {
        let (sent, warnings) = fields(model, enabled.clone());
        assert_eq!(sent, Value::Null, "{model}");
        assert_eq!(
            warnings,
            ["thinking was left out: not supported"],
            "{model}"
        );
    }
}

#[test]
fn what_was_meant_for_claude_fits_a_smaller_model() {
    let sent = Case::new(NOVA)
        .with("max_tokens", json!(32000))
        .with("messages", json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "text", "text": "b"}]},
            {"role": "user", "content": "c"},
        ]))
        .send()
        .unwrap();
    assert_eq!(sent.body["inferenceConfig"]["maxTokens"], 10_000);
    assert_eq!(sent.body["messages"][1]["content"], json!([{"text": "b"}]));
    assert!(sent.warnings[0].starts_with("max_tokens was lowered"));
}

#[test]
fn a_schema_is_held_to_elsewhere_too() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let mut sent = Case::new(NOVA)
        .with(
            "output_config",
            json!({"effort": "low", "format": {"type": "json_schema", "schema": schema}}),
        )
        .send()
        .unwrap();
    assert_eq!(
        sent.body["toolConfig"]["tools"][0]["toolSpec"]["name"],
        "json_tool_call"
    );
    let answer = json!({"output": {"message": {"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "t", "name": "json_tool_call", "input": {"a": "b"}}}]}},
        "stopReason": "tool_use", "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}});
    let seen = sent.whole(&answer, &http::HeaderMap::new()).unwrap();
    assert_eq!(seen["stop_reason"], "end_turn");
    let text = seen["content"][0]["text"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text).unwrap(),
        json!({"a": "b"})
    );
}

#[test]
fn a_block_that_only_claude_knows_is_refused_by_name() {
    let error = Case::new(NOVA)
        .says(json!([{"type": "container_upload", "file_id": "f"}]))
        .refusal();
    assert!(error.message().contains("container_upload"), "{error}");
    let error = Case::new(NOVA)
        .says(json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}]))
        .refusal();
    assert!(error.message().contains("'file'"), "{error}");
    let sent = Case::new(CLAUDE_35)
        .says(json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}]))
        .sent();
    assert_eq!(sent["messages"][0]["content"][0]["source"]["file_id"], "f");
}

#[test]
fn families_that_are_one_prompt_serve_this_format_too() {
    let sent = Case::new("bedrock/amazon.titan-text-express-v1")
        .with("thinking", json!({"type": "adaptive"}))
        .with("output_config", json!({"effort": "low"}))
        .with("context_management", json!({"edits": []}))
        .send()
        .unwrap();
    assert!(sent.body["inputText"].as_str().unwrap().contains("hi"));
    assert!(sent.body.get("context_management").is_none());
}
