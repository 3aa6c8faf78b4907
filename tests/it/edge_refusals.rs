//! What is refused before AWS is asked, in words that say what to change; and spellings of paths that are not refused.

use std::sync::Arc;

use serde_json::{Value, json};
use switchyard::clock::SystemClock;

use crate::support::{Gateway, entry};

const CLAUDE: &str = "converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// A gateway with a chat model `m`, an embeddings model, and one whose vectors are written later.
async fn gateway(rest: &str) -> Gateway {
    let later = ", output_s3_uri: \"s3://bucket/out\"";
    let entries = [
        entry("m", "m", "", ""),
        entry("titan", "titan", "", "").replace(CLAUDE, "amazon.titan-embed-text-v2:0"),
        entry("marengo", "marengo", "", later)
            .replace(CLAUDE, "async_invoke/twelvelabs.marengo-embed-2-7-v1:0"),
    ];
    let yaml = format!("model_list:\n{}{rest}", entries.concat());
    Gateway::with(&yaml, Arc::new(SystemClock)).await
}

fn said(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
}

#[tokio::test]
async fn malformed_members_are_named() {
    let gateway = gateway("").await;
    for (name, value, param) in [
        ("tools", json!([{"type": "function"}]), "tools[0].function"),
        (
            "response_format",
            json!({"type": "json_schema"}),
            "response_format.json_schema",
        ),
        ("user", json!(5), "user"),
        (
            "messages",
            json!([{"role": "system", "content": "x"}, {"role": "user"}]),
            "messages[1].content",
        ),
        (
            "messages",
            json!([{"role": "user", "content": ""}]),
            "messages[0].content",
        ),
    ] {
        let mut body = said("m");
        body[name] = value;
        let answer = gateway.post(&body, &[]).await;
        assert_eq!(answer.status, 400, "{param}: {}", answer.body);
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"], param);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(param), "{message}");
    }
    let user = json!({"model": "titan", "input": "x", "user": 5});
    let answer = gateway.post_to("/v1/embeddings", &user, &[]).await;
    assert_eq!(answer.json()["error"]["param"], "user", "{}", answer.body);
    assert_eq!(gateway.simulator.calls_total(), 0);
}

#[tokio::test]
async fn tokens_are_counted_only_for_models_that_chat() {
    let gateway = gateway("").await;
    let path = "/v1/messages/count_tokens";
    let answer = gateway.post_to(path, &said("m"), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = gateway.post_to(path, &said("titan"), &[]).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let error = &answer.json()["error"];
    assert_eq!(error["type"], "invalid_request_error");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("an embeddings model"), "{message}");
}

#[tokio::test]
async fn media_of_a_host_that_is_not_there_is_the_callers_mistake() {
    let gateway = gateway("").await;
    let url = "http://nobody.invalid/a.png";
    let image = json!({"type": "image_url", "image_url": {"url": url}});
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [image]}]});
    let answer = gateway.post(&body, &[]).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let error = &answer.json()["error"];
    assert_eq!(error["param"], "messages");
    assert!(error["message"].as_str().unwrap().contains(url));
}

#[tokio::test]
async fn paths_may_end_with_a_slash() {
    let keys = "virtual_keys: [{key: sk-one-and-long-enough}]\n";
    let gateway = gateway(keys).await;
    let key = ("authorization", "Bearer sk-one-and-long-enough");
    for path in [
        "/v1/chat/completions/",
        "/chat/completions//",
        "/v1/chat/completions/?api-version=1",
        "/engines/m/chat/completions/",
    ] {
        let answer = gateway.post_to(path, &said("m"), &[key]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let method = reqwest::Method::GET;
    let models = gateway.call(
        method.clone(),
        "/v1/models/",
        Some("sk-one-and-long-enough"),
    );
    assert_eq!(models.await.status, 200);
    for (path, status) in [("/nope/", 404), ("//", 404), ("/v1/chat/completions/", 405)] {
        let answer = gateway.call(method.clone(), path, None).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.json()["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn compressed_bodies_are_refused_by_name() {
    let gateway = gateway("").await;
    let encoded = [("content-encoding", "gzip")];
    let answer = gateway.post(&said("m"), &encoded).await;
    assert_eq!(answer.status, 415, "{}", answer.body);
    assert_eq!(answer.json()["error"]["param"], "content-encoding");
    let plain = [("content-encoding", "identity")];
    assert_eq!(gateway.post(&said("m"), &plain).await.status, 200);
}

#[tokio::test]
async fn wrong_gateway_configuration_is_told_in_both_shapes() {
    let gateway = gateway("").await;
    let targets = |provider: Value| {
        let good = json!({"virtual_key": "none"});
        let bad = json!({"provider": provider});
        json!({"strategy": {"mode": "fallback"}, "targets": [bad, good]}).to_string()
    };
    for (config, part) in [
        ("{\"retry\": {".to_owned(), "line 1 column 11"),
        (
            json!({"strategy": {"mode": "nope"}, "targets": []}).to_string(),
            "strategy.mode",
        ),
        (targets(json!("openai")), "config.targets[0]"),
        (targets(json!("@none")), "config.targets[0]"),
    ] {
        let headers = [("x-portkey-config", config.as_str())];
        let answer = gateway.post(&said("m"), &headers).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        let body = answer.json();
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
        assert_eq!(body["status"], "failure");
        assert_eq!(
            body["error"],
            json!({"message": message, "type": "invalid_request_error",
                "param": "x-portkey-config", "code": "400"})
        );
    }
}

#[tokio::test]
async fn job_that_writes_vectors_later_is_named_in_a_header() {
    let gateway = gateway("").await;
    let body = json!({"model": "marengo", "input": ["x", "y"]});
    let answer = gateway.post_to("/v1/embeddings", &body, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let jobs: Vec<Value> = (answer.json()["data"].as_array().unwrap().iter())
        .map(|vector| vector["provider_specific_fields"]["invocation_arn"].clone())
        .collect();
    let named: Vec<&str> = answer
        .header("x-switchyard-invocation-arn")
        .split(", ")
        .collect();
    assert_eq!(jobs, named);
    assert_eq!(named.len(), 2);
    assert!(named[0].starts_with("arn:"));
    let body = json!({"model": "titan", "input": "x"});
    let answer = gateway.post_to("/v1/embeddings", &body, &[]).await;
    assert_eq!(answer.header("x-switchyard-invocation-arn"), "");
}
