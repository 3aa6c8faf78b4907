//! Counting the tokens of a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::entry::ENDPOINT;
use crate::support::*;

fn counted(case: Case) -> (String, Value) {
    let (wire, answer) = case.count(&json!({"inputTokens": 42})).unwrap();
    assert_eq!(
        answer,
        json!({"input_tokens": 42, "litellm_count_source": "provider"})
    );
    let path = wire.url.replace("%3A", ":").replace(ENDPOINT, "");
    (path, serde_json::from_slice(&wire.body).unwrap())
}

fn inside(body: &Value) -> Value {
    let body = body["input"]["invokeModel"]["body"].as_str().unwrap();
    serde_json::from_slice(&STANDARD.decode(body).unwrap()).unwrap()
}

#[test]
fn claude_is_counted_as_it_would_be_asked() {
    for model in [SONNET_45, BY_CONVERSE] {
        let case = Case::new(model)
            .body(r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"metadata":{"user_id":"u"}}"#)
            .header("anthropic-beta", "interleaved-thinking-2025-05-14")
            .with("thinking", json!({"type": "enabled", "budget_tokens": 5000}));
        let (path, body) = counted(case);
        assert_eq!(
            path,
            "/model/anthropic.claude-sonnet-4-5-20250929-v1:0/count-tokens"
        );
        assert_eq!(
            inside(&body),
            json!({
                "messages": [{"role": "user", "content": "hi"}], "thinking": {"type": "enabled", "budget_tokens": 5000},
                "anthropic_version": "bedrock-2023-05-31", "max_tokens": 6024,
                "anthropic_beta": ["interleaved-thinking-2025-05-14"],
            }),
            "{model}"
        );
    }
}

#[test]
fn others_are_counted_by_converse() {
    let case = Case::new(NOVA)
        .body(r#"{"messages":[{"role":"user","content":"hi"}],"system":"S"}"#)
        .with(
            "tools",
            json!([{"name": "f", "description": "d", "input_schema": {"type": "object"}}]),
        );
    let (path, body) = counted(case);
    assert_eq!(path, "/model/amazon.nova-pro-v1:0/count-tokens");
    let converse = &body["input"]["converse"];
    assert_eq!(
        converse["messages"],
        json!([{"role": "user", "content": [{"text": "hi"}]}])
    );
    assert_eq!(converse["system"], json!([{"text": "S"}]));
    assert_eq!(converse["toolConfig"]["tools"][0]["toolSpec"]["name"], "f");
    assert!(converse.get("inferenceConfig").is_none());
}

#[test]
fn what_bedrock_cannot_count_is_estimated() {
    let profile =
        "bedrock/arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a0b1";
    assert!(
        Case::new(profile)
            .count(&json!({"inputTokens": 42}))
            .is_err()
    );
    let answer = Case::new(profile).estimate();
    assert_eq!(answer["litellm_count_source"], "local_estimate");
    assert!(answer["input_tokens"].as_u64().unwrap() > 0);
    let garbled = Case::new(SONNET_45)
        .count(&json!({"message": "no"}))
        .unwrap_err();
    assert_eq!(garbled.status(), 502);
}
