//! What agents really send: none of it may end in a refusal of Bedrock's.

use serde_json::{Value, json};

use crate::support::*;

/// A request of Claude Code's, cut to one of everything.
fn claude_code(model: &str) -> Case {
    let control = json!({"type": "ephemeral", "ttl": "1h", "scope": "global"});
    let betas = "claude-code-20250219,interleaved-thinking-2025-05-14,thinking-token-count-2026-05-13,\
                 context-management-2025-06-27,prompt-caching-scope-2026-01-05,effort-2025-11-24,advanced-tool-use-2025-11-20";
    Case::new(model)
        .header("anthropic-beta", betas)
        .header("anthropic-version", "2023-06-01")
        .with("model", json!("claude"))
        .with("max_tokens", json!(32000))
        .with("stream", json!(true))
        .with("metadata", json!({"user_id": "{\"device_id\":\"d\",\"session_id\":\"s\"}"}))
        .with("thinking", json!({"type": "adaptive"}))
        .with("output_config", json!({"effort": "high"}))
        .with("context_management", json!({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}))
        .with("system", json!([
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1"},
            {"type": "text", "text": "You are an agent.", "cache_control": control},
        ]))
        .with("tools", json!([
            {"name": "Bash", "description": "Runs.", "input_schema": {"$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"],
                "additionalProperties": false}},
            {"name": "Edit", "description": "Edits.", "input_schema": {"type": "object", "properties": {}},
                "eager_input_streaming": true},
        ]))
        .with("messages", json!([
            {"role": "user", "content": [{"type": "text", "text": "list"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "", "signature": "c2ln"},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "a", "is_error": false,
                "cache_control": control}]},
        ]))
}

#[test]
fn claude_codes_request_keeps_what_bedrock_takes() {
    for (model, thinking, effort, betas) in [
        (
            SONNET_46,
            json!({"type": "adaptive"}),
            json!({"effort": "high"}),
            json!([
                "context-management-2025-06-27",
                "effort-2025-11-24",
                "fine-grained-tool-streaming-2025-05-14",
                "interleaved-thinking-2025-05-14"
            ]),
        ),
        (
            CLAUDE_37,
            json!({"type": "enabled", "budget_tokens": 2048}),
            Value::Null,
            json!([
                "context-management-2025-06-27",
                "effort-2025-11-24",
                "fine-grained-tool-streaming-2025-05-14",
                "interleaved-thinking-2025-05-14"
            ]),
        ),
    ] {
        let sent = claude_code(model).sent();
        let known = sent["anthropic_beta"].as_array().unwrap().iter();
        let known: Vec<_> = known
            .filter(|beta| !beta.as_str().unwrap().starts_with("tool-"))
            .cloned()
            .collect();
        assert_eq!(Value::Array(known), betas, "{model}");
        assert_eq!(sent["thinking"], thinking, "{model}");
        assert_eq!(sent["output_config"], effort, "{model}");
        let user = json!({"user_id": "{\"device_id\":\"d\",\"session_id\":\"s\"}"});
        assert_eq!(sent["metadata"], user, "{model}");
        for gone in ["stream", "model", "context_management"] {
            assert!(sent.get(gone).is_none(), "{model}: {gone}");
        }
        assert!(!sent.to_string().contains("\"scope\""), "{model}");
        assert!(
            sent["tools"][1].get("eager_input_streaming").is_none(),
            "{model}"
        );
        assert_eq!(
            sent["tools"][0]["input_schema"]["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
    }
}

#[test]
fn claude_codes_request_goes_to_every_other_model() {
    for model in [
        BY_CONVERSE,
        "bedrock/converse/us.anthropic.claude-opus-4-7",
        "bedrock/converse/anthropic.claude-3-5-sonnet-20240620-v1:0",
        NOVA,
        LLAMA,
        "bedrock/us.amazon.nova-2-lite-v1:0",
        "bedrock/openai.gpt-oss-120b-1:0",
        "bedrock/qwen.qwen3-32b-v1:0",
        "bedrock/deepseek.v3-v1:0",
        "bedrock/mistral.mistral-large-2407-v1:0",
        "bedrock/moonshot.kimi-k2-thinking",
    ] {
        let sent = claude_code(model).send();
        let sent = sent.unwrap_or_else(|error| panic!("{model}: {error}"));
        assert!(sent.path().contains("/converse"), "{model}");
        let text = sent.text();
        for gone in [
            "\"scope\"",
            "context_management",
            "claude-code-",
            "user_id",
            "clear_thinking",
        ] {
            assert!(!text.contains(gone), "{model}: {gone}");
        }
        let fields = &sent.body["additionalModelRequestFields"];
        if !model.contains("claude") {
            for gone in ["thinking", "output_config", "anthropic_beta"] {
                assert!(fields.get(gone).is_none(), "{model}: {gone}");
            }
        }
        let roles: Vec<_> = sent.body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|turn| turn["role"].clone())
            .collect();
        assert_eq!(roles, ["user", "assistant", "user"], "{model}");
    }
}

#[test]
fn only_an_id_that_the_client_wrote_as_metadata_is_sent() {
    for (written, sent) in [
        (json!({"tags": ["a"]}), Value::Null),
        (
            json!({"user_id": "u-1", "tags": ["a"]}),
            json!({"user_id": "u-1"}),
        ),
        (json!({}), Value::Null),
    ] {
        let case = claude_code(SONNET_46).with("metadata", written.clone());
        let body = case.with("user", json!("jane@example.com")).sent();
        assert_eq!(body["metadata"], sent, "{written}");
    }
    // What the operator lays over it is another matter.
    let case = claude_code(SONNET_46).with("metadata", json!({"tags": ["a"]}));
    let body = case.default("user", &json!("team-7")).sent();
    assert_eq!(body["metadata"], json!({"user_id": "team-7"}));
}
