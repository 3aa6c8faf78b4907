//! Streams without an end: what came of them is billed, and who ended them decides whether it counts against the deployment.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::support::entry::{Entry, serving, until};
use crate::support::{Answer, Gateway};

const KEY: &str = "sk-one-and-long-enough";

fn ask(text: &str, stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]})
}

/// A gateway whose tokens cost a dollar each, and whose only key has a budget.
async fn dear(settings: &str) -> Gateway {
    dear_with("", settings).await
}

/// The response cache, with which equal calls share one upstream.
const CACHE: &str = "litellm_settings: {cache: true, cache_params: {type: local}}\n";

async fn dear_with(cache: &str, settings: &str) -> Gateway {
    let entry = Entry::default().params(", input_cost_per_token: 1, output_cost_per_token: 1");
    let rest = format!(
        "{cache}general_settings: {{master_key: sk-master-and-long-enough}}\n\
         router_settings: {{num_retries: 0, disable_cooldowns: true{settings}}}\n\
         virtual_keys:\n  - {{key: {KEY}, max_budget: 100000, budget_duration: 1d, tpm_limit: 1000}}\n"
    );
    serving(&[entry], &rest).await
}

async fn post(gateway: &Gateway, text: &str, stream: bool) -> Answer {
    let bearer = format!("Bearer {KEY}");
    gateway
        .post(&ask(text, stream), &[("authorization", &bearer)])
        .await
}

/// Says that the key's tokens per minute are those that it pays for.
async fn limit_follows(gateway: &Gateway, spent: f64) {
    let next = post(gateway, "one", false).await;
    let own = next.json()["usage"]["total_tokens"].as_f64().unwrap();
    let left: f64 = next
        .header("x-ratelimit-api_key-remaining-tokens")
        .parse()
        .unwrap();
    assert!((1000.0 - left - own - spent).abs() < 1.0, "{left}, {spent}");
}

#[tokio::test]
async fn stream_that_its_client_leaves_is_billed_as_far_as_it_came() {
    for cache in ["", CACHE] {
        let gateway = dear_with(cache, "").await;
        let request = gateway
            .client
            .post(format!("{}/v1/chat/completions", gateway.url))
            .bearer_auth(KEY)
            .body(ask("one two three four five six [[sim:stall-mid]]", true).to_string());
        let mut response = request.send().await.unwrap();
        assert!(response.chunk().await.unwrap().is_some());
        drop(response);
        let spent = spent_more_than(&gateway, 0.0).await;
        // Input and output, once.
        assert!((10.0..60.0).contains(&spent), "{cache}: {spent}");
        limit_follows(&gateway, spent).await;
    }
}

#[tokio::test]
async fn stream_that_breaks_is_billed_as_far_as_it_came() {
    for cache in ["", CACHE] {
        for fault in ["cut", "corrupt", "exception-mid"] {
            let gateway = dear_with(cache, "").await;
            let text = format!("one two three four five six [[sim:{fault}]]");
            let answer = post(&gateway, &text, true).await;
            assert_eq!(answer.status, 200, "{fault}: {}", answer.body);
            assert!(!answer.body.contains("[DONE]"), "{fault}");
            let spent = spent_more_than(&gateway, 0.0).await;
            assert!((10.0..60.0).contains(&spent), "{cache}, {fault}: {spent}");
            limit_follows(&gateway, spent).await;
        }
    }
}

#[tokio::test]
async fn each_caller_of_a_shared_stream_is_counted_what_it_was_handed() {
    let gateway = dear_with(CACHE, "").await;
    let text = "one two three four five six [[sim:slow-start=300,cut]]";
    let follower = async {
        until(|| gateway.simulator.calls_total() == 1).await;
        post(&gateway, text, true).await
    };
    let (one, other) = tokio::join!(post(&gateway, text, true), follower);
    assert_eq!(one.status, 200, "{}", one.body);
    assert_eq!(other.status, 200, "{}", other.body);
    let paid = spent_more_than(&gateway, 0.0).await;
    // AWS is paid once, and both have used the key's tokens.
    let calls = gateway.simulator.calls_total();
    assert_eq!(calls, 1);
    limit_follows(&gateway, 2.0 * paid).await;
}

/// What the key has spent when it is more than `usd`: a shared call ends behind its last caller.
async fn spent_more_than(gateway: &Gateway, usd: f64) -> f64 {
    until(|| gateway.app.running.load(Ordering::Acquire) == 0 && gateway.spent_so_far() > usd)
        .await;
    gateway.spent_so_far()
}

#[tokio::test]
async fn nothing_before_content_is_billed_and_an_end_is_billed_as_reported() {
    let gateway = dear("").await;
    for fault in ["cut-first", "exception-first", "throttle"] {
        let answer = post(&gateway, &format!("one two [[sim:{fault}]]"), true).await;
        assert_ne!(answer.status, 200, "{fault}: {}", answer.body);
        assert!(gateway.spent().await.abs() < f64::EPSILON, "{fault}");
    }
    let whole = post(&gateway, "one two three four", false).await;
    let usage = whole.json()["usage"]["total_tokens"].as_f64().unwrap();
    assert!((gateway.spent().await - usage).abs() < f64::EPSILON);
    let answer = post(&gateway, "one two three four", true).await;
    assert!(answer.body.contains("[DONE]"));
    assert!((gateway.spent().await - 2.0 * usage).abs() < f64::EPSILON);
}

/// Lets a stream of `a` fall silent within this caller's deadline, and says who serves the next call: `b` if `a` cools down.
async fn after_silence(idle: &str, stream_timeout: &str, deadline: &str) -> String {
    let settings = format!(
        "router_settings: {{num_retries: 0, allowed_fails: 0, cooldown_time: 60, stream_timeout: {stream_timeout}, \
         stream_idle_timeout: {idle}}}"
    );
    let entry = |id, params| Entry::of("m", id).params(params);
    let entries = [entry("a", ", weight: 1"), entry("b", "")];
    let gateway = serving(&entries, &settings).await;
    let stalled = ask("one two three four five [[sim:stall-mid]]", true);
    let headers = [("x-switchyard-deadline", deadline)];
    let answer = gateway.post(&stalled, &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("timeout_error"), "{}", answer.body);
    let next = gateway.post(&ask("hello", false), &[]).await;
    next.header("x-litellm-model-id").to_owned()
}

#[tokio::test]
async fn deadline_that_ends_a_stream_is_no_failure_of_the_deployment() {
    // The deadline is longer than what bounds the opening.
    assert_eq!(after_silence("60", "0.8", "1.2").await, "a");
}

#[tokio::test]
async fn silence_is_a_failure_of_the_deployment_whatever_the_deadline() {
    // The deadline is what bounds the opening.
    assert_eq!(after_silence("0.2", "60", "30").await, "b");
}
