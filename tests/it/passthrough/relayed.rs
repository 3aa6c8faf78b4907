//! What AWS says comes back as it is, and nothing but what the caller said goes there.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use switchyard::clock::SystemClock;
use switchyard::simulator::ACCESS_KEY_ID;

use super::{
    EVENTS, MASTER, MODEL, before, call, claude_says, directly, gateway, hello, post, send,
    settings,
};
use crate::support::Gateway;
use crate::support::entry::{Entry, serving};
use crate::support::upstream::Upstream;

#[tokio::test]
async fn answers_are_awss_whole_and_streamed() {
    let gateway = gateway().await;
    let ask = hello("one two three");
    let anthropic = claude_says("hi");
    for (action, body, kind) in [
        ("converse", &ask, "application/json"),
        ("converse-stream", &ask, EVENTS),
        ("invoke", &anthropic, "application/json"),
        ("invoke-with-response-stream", &anthropic, EVENTS),
    ] {
        let asked = directly(&gateway, &format!("/model/{MODEL}/{action}"), body).await;
        assert_eq!(asked.status, 200, "{action}");
        for id in ["m", MODEL, "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"] {
            let answer = post(&gateway, &format!("/model/{id}/{action}"), body).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, kind),
                "{action} {id}"
            );
            assert_eq!(answer.body, asked.body, "{action} {id}");
            assert!(!answer.header("x-amzn-requestid").is_empty());
            assert!(!answer.header("x-litellm-call-id").is_empty());
            let sent = gateway.simulator.calls().pop().unwrap();
            assert_eq!(
                percent_encoding::percent_decode_str(&sent.path).decode_utf8_lossy(),
                format!("/model/{MODEL}/{action}")
            );
            assert_eq!(sent.body, body.to_string());
        }
    }
    let named = post(&gateway, "/model/m/converse", &ask).await;
    assert_eq!(named.header("x-litellm-model-group"), "m");
    assert_eq!(named.header("x-litellm-model-id"), "m1");
}

#[tokio::test]
async fn nothing_of_ours_goes_to_aws_and_nothing_of_awss_passes_for_ours() {
    let gateway = gateway().await;
    let url = format!("{}/bedrock/model/m/converse?a=b%20c", gateway.url);
    let headers = [
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAFAKE/20260101/eu-central-1/bedrock/aws4_request, SignedHeaders=host, Signature=0",
        ),
        ("litellm_user_api_key", &*format!("Bearer {MASTER}")),
        ("x-amz-date", "20260101T000000Z"),
        ("x-amz-security-token", "theirs"),
        ("x-litellm-tags", "a"),
        ("cookie", "a=b"),
        ("x-amzn-bedrock-trace", "ENABLED"),
        ("anthropic-beta", "some-beta"),
    ];
    let answer = send(&gateway, Method::POST, url, &headers, &hello("x")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let sent = gateway.simulator.calls().pop().unwrap();
    assert!(sent.path.ends_with("/converse?a=b%20c"), "{}", sent.path);
    let text = |name: &str| {
        sent.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    assert_eq!(
        (text("x-amzn-bedrock-trace"), text("anthropic-beta")),
        ("ENABLED", "some-beta")
    );
    assert!(text("authorization").contains(&format!("Credential={ACCESS_KEY_ID}/")));
    let all = format!("{:?}", sent.headers);
    for ours in [
        "litellm",
        "cookie",
        "theirs",
        MASTER,
        "AKIAFAKE",
        "20260101T000000Z",
    ] {
        assert!(!all.contains(ours), "{ours}: {all}");
    }
}

#[tokio::test]
async fn region_of_a_clients_signature_counts_where_none_is_configured() {
    let params = format!(
        "  - {{model_name: other, litellm_params: {{model: bedrock/{MODEL}, aws_region_name: us-west-2}}}}\n"
    );
    let yaml = format!("model_list:\n{params}{}", settings("")).replace(
        "AWS_ACCESS_KEY_ID",
        "AWS_BEDROCK_RUNTIME_ENDPOINT: $URL, AWS_ACCESS_KEY_ID",
    );
    let gateway = Gateway::with(&yaml, Arc::new(SystemClock)).await;
    let path = format!("/bedrock/model/{MODEL}/converse");
    for (signed, expected) in [
        ("eu-central-1", "/eu-central-1/bedrock/"),
        ("evil.example/x", "/us-west-2/bedrock/"),
        ("", "/us-west-2/bedrock/"),
    ] {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={MASTER}/20260101/{signed}/bedrock/aws4_request, Signature=0"
        );
        let headers = [("authorization", &*authorization)];
        let url = format!("{}{path}", gateway.url);
        let answer = send(&gateway, Method::POST, url, &headers, &hello("x")).await;
        assert_eq!(answer.status, 200, "{signed}");
        let sent = gateway.simulator.calls().pop().unwrap();
        let authorization = sent.headers["authorization"].to_str().unwrap();
        assert!(
            authorization.contains(expected),
            "{signed}: {authorization}"
        );
    }
}

#[tokio::test]
async fn refusals_of_aws_come_back_as_they_are() {
    let gateway = gateway().await;
    for (text, status, name) in [
        ("[[sim:throttle]]", 429, "ThrottlingException"),
        ("[[sim:error500]]", 500, "InternalServerException"),
        ("[[sim:access-denied]]", 403, "AccessDeniedException"),
    ] {
        for id in ["m", MODEL] {
            let asked = directly(&gateway, &format!("/model/{MODEL}/converse"), &hello(text)).await;
            let answer = post(&gateway, &format!("/model/{id}/converse"), &hello(text)).await;
            assert_eq!(
                (answer.status, &answer.body),
                (status, &asked.body),
                "{text}"
            );
            assert!(
                answer.header("x-amzn-errortype").starts_with(name),
                "{text}"
            );
            assert_eq!(
                answer.header("x-amzn-errortype"),
                asked.header("x-amzn-errortype")
            );
            assert!(!answer.header("x-litellm-call-id").is_empty());
        }
    }
    let answer = post(
        &gateway,
        &format!("/model/{MODEL}/converse"),
        &json!({"bogus": 1}),
    )
    .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json().as_object().unwrap().len(),
        1,
        "AWS's words alone"
    );
}

#[tokio::test]
async fn agents_events_are_relayed_as_they_are() {
    let gateway = gateway().await;
    let path = "/agents/SIMAGENT01/agentAliases/SIMALIAS01/sessions/12345/text";
    let body = json!({"inputText": "Who do you know?", "enableTrace": true});
    let answer = post(&gateway, path, &body).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, EVENTS)
    );
    assert_eq!(answer.header("x-amz-bedrock-agent-session-id"), "12345");
    let total = u32::from_be_bytes(answer.body[..4].try_into().unwrap());
    let frame = &answer.body[..total as usize];
    let sum = u32::from_be_bytes(frame[frame.len() - 4..].try_into().unwrap());
    assert_eq!(sum, crc32fast::hash(&frame[..frame.len() - 4]));
    // An API key is no identity there, so the keys of the environment sign.
    let sent = gateway.simulator.calls().pop().unwrap();
    let authorization = sent.headers["authorization"].to_str().unwrap();
    assert!(
        authorization.contains("/bedrock/aws4_request"),
        "{authorization}"
    );
}

#[tokio::test]
async fn tokens_are_counted_for_the_model_and_not_for_its_profile() {
    let gateway = gateway().await;
    let body = json!({"input": {"converse": hello("one two three")}});
    let answer = post(&gateway, "/model/m/count-tokens", &body).await;
    assert!(answer.json()["inputTokens"].as_u64() > Some(0));
    let sent = gateway.simulator.calls().pop().unwrap();
    assert_eq!(
        sent.path,
        "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens"
    );
}

#[tokio::test]
async fn answers_without_a_body_are_complete() {
    let upstream = Upstream::answering(|path| {
        let status = if path.ends_with("memories") { 204 } else { 200 };
        (status, String::new())
    })
    .await;
    let rest = settings("").replace("BEDROCK: $URL", &format!("BEDROCK: {}", upstream.url));
    let gateway = before(&upstream, &rest).await;
    for (method, path, status) in [
        (Method::DELETE, "/agents/a/agentAliases/b/memories", 204),
        (Method::HEAD, "/foundation-models", 200),
        (Method::GET, "/foundation-models", 200),
    ] {
        let answer = call(&gateway, MASTER, method.clone(), path, &Value::Null).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.body.is_empty());
    }
    gateway.comes_to_rest().await;
    let scraped = gateway
        .call(Method::GET, "/metrics", Some(MASTER))
        .await
        .body;
    assert!(scraped.contains(r#"status_code="204""#), "{scraped}");
    assert!(!scraped.contains(r#"status_code="499""#), "{scraped}");
}

#[tokio::test]
async fn guardrail_of_a_deployment_holds_here_too() {
    let guarded = Entry::default()
        .params(", guardrailConfig: {guardrailIdentifier: gr1, guardrailVersion: \"1\"}");
    let gateway = serving(&[guarded], &settings("")).await;
    let own = json!({"guardrailIdentifier": "gr1", "guardrailVersion": "1"});
    let answer = post(&gateway, "/model/m/converse", &hello("x")).await;
    assert_eq!(answer.status, 200);
    let sent = gateway.simulator.calls().pop().unwrap();
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["guardrailConfig"], own);
    assert_eq!(body["messages"], hello("x")["messages"]);

    let theirs = json!({"guardrailIdentifier": "gr2", "guardrailVersion": "2"});
    let mut asked = hello("x");
    asked["guardrailConfig"] = theirs;
    assert_eq!(
        post(&gateway, "/model/m/converse", &asked).await.status,
        200
    );
    let sent = gateway.simulator.calls().pop().unwrap();
    assert_eq!(
        sent.body,
        asked.to_string(),
        "a guardrail of the caller's stays"
    );
    asked["guardrailConfig"] = Value::Null;
    assert_eq!(
        post(&gateway, "/model/m/converse", &asked).await.status,
        400
    );

    let body = claude_says("x");
    assert_eq!(post(&gateway, "/model/m/invoke", &body).await.status, 200);
    let sent = gateway.simulator.calls().pop().unwrap();
    assert_eq!(sent.body, body.to_string());
    assert_eq!(sent.headers["x-amzn-bedrock-guardrailidentifier"], "gr1");
    assert_eq!(sent.headers["x-amzn-bedrock-guardrailversion"], "1");
}
