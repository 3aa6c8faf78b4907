//! Requests that name several models, models that nobody knows, or are no request at all.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::entry::{Entry, serving, until};
use crate::support::{Answer, Gateway};

async fn ask(gateway: &Gateway, model: &str) -> Answer {
    gateway.chat(model, json!({})).await
}

#[tokio::test]
async fn models_with_commas_are_answered_with_an_array() {
    let entries = [Entry::of("a", "a1"), Entry::of("b", "b1")];
    let gateway = serving(&entries, "").await;
    let answer = ask(&gateway, "a, b").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let list = answer.json();
    let models: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["model"])
        .collect();
    assert_eq!(models, ["a", "b"]);
    assert_ne!(list[0]["id"], list[1]["id"]);
    assert_eq!((gateway.calls_of("a1"), gateway.calls_of("b1")), (1, 1));
}

#[tokio::test]
async fn one_of_several_that_fails_has_its_error_in_its_place() {
    let entries = [
        Entry::of("a", "a1").fault("validation"),
        Entry::of("b", "b1"),
    ];
    let gateway = serving(&entries, "").await;
    let answer = ask(&gateway, "a,b").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let list = answer.json();
    assert_eq!(list[0]["error"]["code"], "400", "{list}");
    assert_eq!(list[1]["model"], "b", "{list}");
    assert_eq!(ask(&gateway, "a,a").await.status, 400);
    let stream = gateway.chat("a,b", json!({"stream": true})).await;
    assert_eq!(
        (stream.status, &stream.json()["error"]["param"]),
        (400, &json!("stream"))
    );
}

#[tokio::test]
async fn fastest_of_several_is_the_whole_answer() {
    let entries = [
        Entry::of("slow", "s1").fault("stall"),
        Entry::of("bad", "b1").fault("validation"),
        Entry::of("quick", "q1"),
    ];
    let gateway = serving(&entries, "").await;
    let answer = gateway
        .chat("slow,bad,quick", json!({"fastest_response": true}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["model"], "quick");
    let said = answer.header("x-litellm-fastest_response_batch_completion");
    assert_eq!(said, "True");
    // Nobody waits for the others any more.
    let slow = || (gateway.simulator.calls().into_iter()).any(|call| call.outcome() == "cancelled");
    until(slow).await;
}

fn two(fault: &str) -> [Entry<'_>; 2] {
    ["a", "b"].map(|name| Entry::of(name, name).fault(fault))
}

#[tokio::test]
async fn several_models_are_ended_with_the_process() {
    let gateway = serving(&two("stall"), "").await;
    let cut = async {
        until(|| gateway.simulator.calls_total() == 2).await;
        gateway.app.shutdown.cut.cancel();
    };
    let ended = async { tokio::join!(ask(&gateway, "a,b"), cut) };
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    let (answer, ()) = ended.expect("the call ends with the process");
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("shutting down"), "{}", answer.body);
    let cut = &gateway.app.shutdown.cut_total;
    assert_eq!(cut.load(std::sync::atomic::Ordering::Relaxed), 2);
}

/// Several models are asked as one is: to the end where the operator wants that, and else no longer than somebody listens.
#[tokio::test]
async fn several_models_outlive_their_client_where_one_would() {
    for (rest, outcome) in [
        ("general_settings: {cancel_on_disconnect: false}", "done"),
        ("", "cancelled"),
    ] {
        let gateway = serving(&two("slow-start=300"), rest).await;
        let mut call = Box::pin(ask(&gateway, "a,b"));
        tokio::select! {
            answer = &mut call => panic!("{}", answer.body),
            () = until(|| gateway.simulator.calls_total() == 2) => {}
        }
        drop(call);
        gateway.is_idle().await;
        let calls = || gateway.simulator.calls();
        until(|| calls().iter().all(|call| call.outcome() != "open")).await;
        for call in calls() {
            assert_eq!(call.outcome(), outcome, "{rest}");
        }
    }
}

#[tokio::test]
async fn unknown_name_is_the_callers_mistake() {
    let entries = [Entry::default()];
    let fallback = "router_settings: {default_fallbacks: [m]}";
    let rest_404 = "general_settings: {unknown_model_status: 404}";
    for (rest, status) in [("", 400), (fallback, 400), (rest_404, 404)] {
        let gateway = serving(&entries, rest).await;
        let answer = ask(&gateway, "nope").await;
        let error = &answer.json()["error"];
        assert_eq!(answer.status, status, "{rest}: {}", answer.body);
        assert_eq!(error["type"], "invalid_request_error", "{rest}");
        assert_eq!(error["code"], status.to_string(), "{rest}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("model=nope"), "{message}");
    }
}

#[tokio::test]
async fn unknown_name_falls_back_where_the_operator_wants_it_and_is_counted() {
    let rest = "router_settings: {default_fallbacks: [m], fallback_on_4xx: true}";
    let gateway = serving(&[Entry::default()], rest).await;
    let answer = ask(&gateway, "nope").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "m1");
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
    assert_eq!(answer.json()["model"], "nope");
    let metrics = gateway.call(reqwest::Method::GET, "/metrics", None).await;
    let line =
        "switchyard_fallbacks_total{model_group=\"other\",reason=\"unknown_model\",target=\"m\"} 1";
    assert!(metrics.body.contains(line), "{}", metrics.body);
    assert!(!metrics.body.contains("nope"), "{}", metrics.body);
}

#[tokio::test]
async fn unknown_name_beside_a_pattern_is_400() {
    let entry = Entry::of("bedrock/*", "m1");
    let gateway = serving(&[entry], "").await;
    assert_eq!(ask(&gateway, "nope").await.status, 400);
    assert_eq!(ask(&gateway, "bedrock/nope").await.status, 200);
}

#[tokio::test]
async fn bodies_that_are_no_request_are_400_and_name_the_member() {
    let gateway = serving(&[Entry::default()], "").await;
    let url = format!("{}/v1/chat/completions", gateway.url);
    for (body, kind, param) in [
        ("{", "invalid_request_error", "request_body"),
        ("[]", "invalid_request_error", "request_body"),
        (
            r#"{"model": 1, "messages": []}"#,
            "bad_request_error",
            "model",
        ),
        (r#"{"model": "m"}"#, "invalid_request_error", "messages"),
        (
            r#"{"messages": [{"role": "user", "content": "x"}]}"#,
            "invalid_request_error",
            "model",
        ),
    ] {
        let request = gateway.client.post(&url).body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let error: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        let error = &error["error"];
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!(kind), &json!("400")),
            "{body}: {error}"
        );
        assert_eq!(error["param"], param, "{body}: {error}");
    }
    for member in [
        "mock_testing_fallbacks",
        "mock_testing_context_fallbacks",
        "mock_testing_content_policy_fallbacks",
    ] {
        let answer = gateway.chat("m", json!({member: true})).await;
        assert_eq!(answer.status, 400, "{member}: {}", answer.body);
        assert_eq!(answer.json()["error"]["param"], member, "{}", answer.body);
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
}
