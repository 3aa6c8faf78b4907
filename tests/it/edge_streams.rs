//! Streams and bounds on time: what shows, what a caller's timeout ends, tiers of service, and answers of the operator's.

use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::entry::{Entry, serving};

fn ask(text: &str) -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": text}]})
}

async fn with_spare(params: &str) -> Gateway {
    let entries = [Entry::default().params(params), Entry::of("spare", "s1")];
    let rest =
        "router_settings: {num_retries: 0, disable_cooldowns: true, fallbacks: [{m: [spare]}]}";
    serving(&entries, rest).await
}

#[tokio::test]
async fn failure_before_the_first_content_is_unseen() {
    let entry = |fault| [Entry::default().fault(fault), Entry::of("spare", "s1")];
    let rest = "router_settings: {num_retries: 0, fallbacks: [{m: [spare]}]}";
    for fault in [
        "error500",
        "exception-first",
        "exception-start",
        "cut-first",
        "corrupt-first",
        "empty-stream",
    ] {
        let gateway = serving(&entry(fault), rest).await;
        let answer = gateway.post(&ask("one two three"), &[]).await;
        assert_eq!(answer.status, 200, "{fault}: {}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), "s1", "{fault}");
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
        assert_eq!(answer.events().last(), Some(&"[DONE]"), "{fault}");
        assert_eq!(answer.body.matches("\"role\"").count(), 1, "{fault}");
    }
}

#[tokio::test]
async fn failure_after_content_is_one_error_event_and_the_end() {
    let gateway = with_spare("").await;
    for fault in ["cut", "corrupt", "exception-mid", "cut-end"] {
        let text = format!("one two three four five six [[sim:{fault}]]");
        let answer = gateway.post(&ask(&text), &[]).await;
        assert!(answer.error_event(fault)["code"].is_string(), "{fault}");
    }
    assert_eq!(gateway.calls_of("s1"), 0);
}

#[tokio::test]
async fn callers_timeout_is_408_and_cools_nothing() {
    let rest = "router_settings: {num_retries: 0, allowed_fails: 0}";
    let gateway = serving(&[Entry::default()], rest).await;
    for _ in 0..2 {
        let body =
            json!({"model": "m", "messages": [{"role": "user", "content": "[[sim:stall]]"}]});
        let answer = gateway.post(&body, &[("x-litellm-timeout", "0.05")]).await;
        assert_eq!(answer.status, 408, "{}", answer.body);
        assert_eq!(answer.json()["error"]["type"], "timeout_error");
        assert_eq!(answer.header("x-litellm-timeout"), "0.05");
    }
    assert_eq!(gateway.chat("m", json!({})).await.status, 200);
}

#[tokio::test]
async fn callers_timeout_of_a_stream_counts_until_its_first_content() {
    let params = ", stream_timeout: 60";
    let entry = Entry::default().params(params);
    let gateway = serving(&[entry], "router_settings: {num_retries: 0}").await;
    let never = gateway
        .post(&ask("[[sim:stall]]"), &[("x-litellm-timeout", "0.05")])
        .await;
    assert_eq!(never.status, 408, "{}", never.body);
    // Each piece takes 150 ms, the whole far more than the caller's second.
    let text = "one two three four five six seven eight nine ten eleven twelve [[sim:slow=150]]";
    let slow = gateway
        .post(&ask(text), &[("x-litellm-timeout", "1")])
        .await;
    assert_eq!(slow.status, 200, "{}", slow.body);
    assert_eq!(slow.events().last(), Some(&"[DONE]"), "{}", slow.body);
}

#[tokio::test]
async fn operators_timeout_goes_by_the_tier_of_service() {
    let params = ", timeout: 60, timeout_by_service_tier: {flex: 0.05}, stream_timeout: 60, stream_timeout_by_service_tier: {flex: 0.04}";
    let gateway = serving(
        &[Entry::default().params(params)],
        "router_settings: {num_retries: 0, disable_cooldowns: true}",
    )
    .await;
    let slow = json!([{"role": "user", "content": "[[sim:slow-start=400]]"}]);
    for (stream, timeout) in [(false, "0.05"), (true, "0.04")] {
        let more = |tier: &str| json!({"stream": stream, "messages": slow, "service_tier": tier});
        let flex = gateway.chat("m", more("flex")).await;
        assert_eq!(flex.status, 408, "{stream}: {}", flex.body);
        assert_eq!(flex.header("x-litellm-timeout"), timeout);
        let usual = gateway.chat("m", more("default")).await;
        assert_eq!(usual.status, 200, "{stream}: {}", usual.body);
    }
}

#[tokio::test]
async fn answer_of_the_operators_comes_whole_and_as_a_stream() {
    let entry = Entry::default().params(", mock_response: \"It is closed today.\"");
    let gateway = serving(&[entry], "").await;
    let whole = gateway.chat("m", json!({})).await;
    assert_eq!(whole.status, 200, "{}", whole.body);
    let body = whole.json();
    assert_eq!(
        body["choices"][0]["message"]["content"],
        "It is closed today."
    );
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["total_tokens"], 30);
    assert_eq!(whole.header("x-litellm-model-id"), "m1");
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let stream = gateway.chat("m", more).await;
    assert_eq!(stream.text(), "It is closed today.");
    assert_eq!(stream.events().last(), Some(&"[DONE]"));
    assert!(
        stream.body.contains("\"total_tokens\":30"),
        "{}",
        stream.body
    );
    assert_eq!(gateway.simulator.calls_total(), 0);
}

#[tokio::test]
async fn client_cannot_bring_an_answer_of_its_own() {
    let gateway = serving(&[Entry::default()], "").await;
    let answer = gateway.chat("m", json!({"mock_response": "mine"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_ne!(answer.json()["choices"][0]["message"]["content"], "mine");
    assert_eq!(gateway.simulator.calls_total(), 1);
}
