//! Limits of deployments and of the gateway: calls at one time, requests and tokens per minute, and waiting for room.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::entry::{Coming, Entry, serving, timed, until};
use crate::support::{Answer, Gateway};

const ENFORCED: &str = "num_retries: 0, optional_pre_call_checks: [enforce_model_rate_limits]";

fn ask(text: &str, stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]})
}

/// A stream that has begun and does not end.
async fn held(gateway: &Gateway) -> Coming {
    let body = ask("one two three four five six [[sim:stall-mid]]", true);
    Coming::of(gateway, &body).await
}

async fn chat(gateway: &Gateway) -> Answer {
    gateway.post(&ask("hello", false), &[]).await
}

/// How many calls wait for a deployment of `m`.
fn waiting(gateway: &Gateway) -> usize {
    let snapshot = gateway.app.live.load();
    snapshot.router.group("m").unwrap().runtime.queue.len()
}

fn is_full(answer: &Answer, wait: &str) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    assert_eq!(answer.header("retry-after"), wait, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-attempted-retries"), "0");
}

fn one(params: &str) -> [Entry<'_>; 1] {
    [Entry::default().params(params)]
}

#[tokio::test]
async fn full_deployment_is_one_429_at_once_and_no_failure() {
    let rest = "router_settings: {num_retries: 3, allowed_fails: 0}";
    let gateway = serving(&one(", max_parallel_requests: 1"), rest).await;
    let stream = held(&gateway).await;
    for _ in 0..3 {
        let answer = chat(&gateway).await;
        is_full(&answer, "1");
        assert_eq!(answer.header("x-switchyard-total-attempts"), "0");
    }
    drop(stream);
    until(|| gateway.simulator.open_streams() == 0).await;
    assert_eq!(chat(&gateway).await.status, 200);
    assert_eq!(gateway.calls_of("m1"), 2);
    let metrics = gateway.call(reqwest::Method::GET, "/metrics", None).await;
    let line =
        "switchyard_limit_rejections_total{limit=\"max_parallel_requests\",scope=\"deployment\"} 3";
    assert!(metrics.body.contains(line), "{}", metrics.body);
}

#[tokio::test]
async fn slot_comes_free_when_the_client_hangs_up_mid_stream() {
    let entry = one(", max_parallel_requests: 1, max_queue_ms: 60000");
    let gateway = serving(&entry, "").await;
    let stream = held(&gateway).await;
    let hang_up = async {
        until(|| waiting(&gateway) == 1).await;
        drop(stream);
    };
    let (answer, ()) = tokio::join!(chat(&gateway), hang_up);
    assert_eq!(answer.status, 200, "{}", answer.body);
    until(|| gateway.simulator.cancelled_streams() == 1).await;
}

#[tokio::test]
async fn slot_comes_free_when_the_stream_breaks() {
    let entry = one(", max_parallel_requests: 1, max_queue_ms: 60000");
    let gateway = serving(&entry, "router_settings: {disable_cooldowns: true}").await;
    for fault in ["cut", "corrupt", "exception-mid"] {
        let body = ask(
            &format!("one two three four five six [[sim:{fault}]]"),
            true,
        );
        let text = Coming::of(&gateway, &body).await.whole().await;
        assert!(
            text.contains("\"error\"") && !text.contains("[DONE]"),
            "{text}"
        );
        let answer = chat(&gateway).await;
        assert_eq!(answer.status, 200, "{fault}: {}", answer.body);
    }
}

#[tokio::test]
async fn full_deployment_is_passed_over_while_another_has_room() {
    let entries = [
        Entry::of("m", "small").params(", max_parallel_requests: 1"),
        Entry::of("m", "large"),
    ];
    let gateway = serving(&entries, "router_settings: {num_retries: 0}").await;
    let mut streams = Vec::new();
    while gateway.calls_of("small") == 0 {
        streams.push(held(&gateway).await);
    }
    for _ in 0..6 {
        let answer = chat(&gateway).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), "large");
        assert_eq!(answer.header("x-switchyard-total-attempts"), "1");
    }
}

#[tokio::test]
async fn rpm_admits_all_at_once_and_never_more_in_any_minute() {
    let rest = format!("router_settings: {{{ENFORCED}}}");
    let (gateway, clock) = timed(&one(", rpm: 3"), &rest).await;
    for _ in 0..3 {
        assert_eq!(chat(&gateway).await.status, 200);
    }
    let full = chat(&gateway).await;
    is_full(&full, "60");
    for (header, value) in [
        ("x-ratelimit-limit-requests", "3"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "1m0s"),
    ] {
        assert_eq!(full.header(header), value, "{header}");
    }
    clock.advance(Duration::from_millis(59_500));
    is_full(&chat(&gateway).await, "1");
    clock.advance(Duration::from_millis(500));
    // One every twenty seconds from here, and two more at once.
    for (step, wait) in [
        (0, None),
        (20, None),
        (20, None),
        (10, Some("10")),
        (10, None),
        (0, Some("20")),
    ] {
        clock.advance(Duration::from_secs(step));
        let answer = chat(&gateway).await;
        match wait {
            None => assert_eq!(answer.status, 200, "{}", answer.body),
            Some(wait) => is_full(&answer, wait),
        }
    }
    assert_eq!(gateway.calls_of("m1"), 7);
}

#[tokio::test]
async fn rpm_of_one_deployment_leads_to_the_other() {
    let entries = [
        Entry::of("m", "one").params(", rpm: 1"),
        Entry::of("m", "two").params(", rpm: 2"),
    ];
    let rest = format!("router_settings: {{{ENFORCED}}}");
    let (gateway, clock) = timed(&entries, &rest).await;
    for _ in 0..3 {
        assert_eq!(chat(&gateway).await.status, 200);
    }
    assert_eq!((gateway.calls_of("one"), gateway.calls_of("two")), (1, 2));
    is_full(&chat(&gateway).await, "60");
    // Being full was no failure: as soon as there is room it serves.
    clock.advance(Duration::from_secs(60));
    assert_eq!(chat(&gateway).await.status, 200);
}

#[tokio::test]
async fn group_at_its_limits_may_fall_back() {
    let spare = Entry::of("spare", "spare");
    let entries = [one(", rpm: 1")[0], spare];
    let rest = format!("router_settings: {{{ENFORCED}, fallbacks: [{{m: [spare]}}]}}");
    let (gateway, _clock) = timed(&entries, &rest).await;
    assert_eq!(chat(&gateway).await.header("x-litellm-model-id"), "m1");
    let answer = chat(&gateway).await;
    assert_eq!(answer.header("x-litellm-model-id"), "spare");
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
    let none = gateway.chat("m", json!({"disable_fallbacks": true})).await;
    is_full(&none, "60");
}

#[tokio::test]
async fn tpm_reserves_and_settles_by_what_was_used() {
    let rest = format!("router_settings: {{{ENFORCED}}}");
    let (gateway, clock) = timed(&one(", tpm: 400"), &rest).await;
    // However large: the window is untouched.
    let large = gateway.chat("m", json!({"max_tokens": 5000})).await;
    assert_eq!(large.status, 200, "{}", large.body);
    let used = large.json()["usage"]["total_tokens"].as_u64().unwrap();
    assert!(used < 100, "{used}");
    // What it did not use was given back, so an ordinary call has room, and another of that size has none.
    is_full(&gateway.chat("m", json!({"max_tokens": 5000})).await, "60");
    let small = gateway.chat("m", json!({"max_tokens": 50})).await;
    assert_eq!(small.status, 200, "{}", small.body);
    clock.advance(Duration::from_secs(60));
    let again = gateway.chat("m", json!({"max_tokens": 5000})).await;
    assert_eq!(again.status, 200, "{}", again.body);
}

#[tokio::test]
async fn failed_call_gives_its_tokens_back() {
    let rest = format!("router_settings: {{{ENFORCED}, disable_cooldowns: true}}");
    let (gateway, _clock) = timed(&one(", tpm: 300"), &rest).await;
    for _ in 0..5 {
        let failed = gateway
            .post(&ask("hello [[sim:error503]]", false), &[])
            .await;
        assert_eq!(failed.status, 503, "{}", failed.body);
    }
    let large = gateway.chat("m", json!({"max_tokens": 5000})).await;
    assert_eq!(large.status, 200, "{}", large.body);
}

#[tokio::test]
async fn without_being_asked_for_rpm_is_no_limit() {
    let (gateway, _clock) = timed(&one(", rpm: 1, tpm: 1"), "").await;
    for _ in 0..3 {
        assert_eq!(chat(&gateway).await.status, 200);
    }
}

#[tokio::test]
async fn group_headers_say_what_is_left_with_this_call_deducted() {
    let (gateway, _clock) = timed(&one(", rpm: 100, tpm: 1000"), "").await;
    let answer = chat(&gateway).await;
    let used = answer.json()["usage"]["total_tokens"].as_i64().unwrap();
    for (header, value) in [
        ("x-ratelimit-limit-requests", "100".to_owned()),
        ("x-ratelimit-remaining-requests", "99".to_owned()),
        ("x-ratelimit-limit-tokens", "1000".to_owned()),
        ("x-ratelimit-remaining-tokens", (1000 - used).to_string()),
        ("x-ratelimit-reset-requests", "1m0s".to_owned()),
        ("x-ratelimit-reset-tokens", "1m0s".to_owned()),
    ] {
        assert_eq!(answer.header(header), value, "{header}");
    }
}

#[tokio::test]
async fn calls_wait_for_a_slot_by_priority_then_by_arrival() {
    let entry = one(", max_parallel_requests: 1");
    let rest = "router_settings: {max_queue_ms: 60000}";
    let gateway = serving(&entry, rest).await;
    let stream = held(&gateway).await;
    let call = |place: usize, text: &'static str, priority: Option<u32>| {
        let gateway = &gateway;
        async move {
            until(|| waiting(gateway) == place).await;
            let mut body = ask(text, false);
            if let Some(priority) = priority {
                body["priority"] = priority.into();
            }
            gateway.post(&body, &[]).await
        }
    };
    let release = async {
        until(|| waiting(&gateway) == 4).await;
        drop(stream);
    };
    let (a, b, c, d, ()) = tokio::join!(
        call(0, "no-priority", None),
        call(1, "five", Some(5)),
        call(2, "first-of-one", Some(1)),
        call(3, "second-of-one", Some(1)),
        release
    );
    for answer in [a, b, c, d] {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let calls = gateway.simulator.calls();
    let order: Vec<&str> = calls[1..]
        .iter()
        .map(|call| {
            let body = std::str::from_utf8(&call.body).unwrap();
            let texts = ["no-priority", "five", "first-of-one", "second-of-one"];
            texts.into_iter().find(|text| body.contains(text)).unwrap()
        })
        .collect();
    let expected = ["first-of-one", "second-of-one", "five", "no-priority"];
    assert_eq!(order, expected);
}

#[tokio::test]
async fn wait_for_a_slot_is_bounded() {
    let entry = one(", max_parallel_requests: 1, max_queue_ms: 500");
    let (gateway, clock) = timed(&entry, "").await;
    let _stream = held(&gateway).await;
    let time = async {
        until(|| waiting(&gateway) == 1).await;
        clock.advance(Duration::from_millis(500));
    };
    let (answer, ()) = tokio::join!(chat(&gateway), time);
    is_full(&answer, "1");
}

#[tokio::test]
async fn wait_ends_when_the_minute_has_room_again() {
    let rest = format!("router_settings: {{{ENFORCED}, max_queue_ms: 90000}}");
    let (gateway, clock) = timed(&one(", rpm: 1"), &rest).await;
    assert_eq!(chat(&gateway).await.status, 200);
    let time = async {
        until(|| waiting(&gateway) == 1).await;
        clock.advance(Duration::from_secs(60));
    };
    let (answer, ()) = tokio::join!(chat(&gateway), time);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn calls_past_the_gateways_own_number_are_503_at_once() {
    let rest = "general_settings: {max_in_flight_requests_per_worker: 1}";
    let gateway = serving(&one(""), rest).await;
    let stream = held(&gateway).await;
    let answer = chat(&gateway).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.json()["error"]["type"], "overloaded_error");
    assert_eq!(answer.header("retry-after"), "1");
    // Only model calls are counted.
    let models = gateway.call(reqwest::Method::GET, "/v1/models", None).await;
    assert_eq!(models.status, 200);
    drop(stream);
    until(|| gateway.simulator.open_streams() == 0).await;
    assert_eq!(chat(&gateway).await.status, 200);
}

#[tokio::test]
async fn call_waits_at_the_door_where_the_operator_says_so() {
    let rest = "general_settings: {max_in_flight_requests_per_worker: 1, max_queued_requests_per_worker: 1, admission_queue_timeout_seconds: 60}";
    let gateway = serving(&one(""), rest).await;
    let stream = held(&gateway).await;
    let others = async {
        until(|| gateway.app.waiting.len() == 1).await;
        let refused = chat(&gateway).await;
        assert_eq!(refused.status, 503, "{}", refused.body);
        drop(stream);
    };
    let (answer, ()) = tokio::join!(chat(&gateway), others);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// A call waits at the door no longer than it has time at all.
#[tokio::test]
async fn wait_at_the_door_ends_with_the_deadline() {
    let general = "general_settings: {max_in_flight_requests_per_worker: 1, max_queued_requests_per_worker: 1, admission_queue_timeout_seconds: 60}\n";
    let operators = format!("{general}router_settings: {{deadline: 0.2}}\n");
    for (rest, header) in [
        (general, Some(("x-switchyard-deadline", "0.1"))),
        (&operators, None),
    ] {
        let gateway = serving(&one(""), rest).await;
        // The place of a call that outlasts every deadline.
        gateway.app.running.fetch_add(1, Ordering::AcqRel);
        let body = ask("hello", false);
        let waited = gateway.post(&body, header.as_slice()).await;
        assert_eq!(waited.status, 408, "{rest}: {}", waited.body);
        assert_eq!(waited.json()["error"]["type"], "timeout_error");
        assert_eq!(gateway.app.waiting.len(), 0);
    }
}

#[tokio::test]
async fn number_of_all_calls_at_one_time_is_a_429() {
    let rest = "general_settings: {global_max_parallel_requests: 1}";
    let gateway = serving(&one(""), rest).await;
    let _stream = held(&gateway).await;
    let answer = chat(&gateway).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(answer.json()["error"]["type"], "throttling_error");
    assert_eq!(answer.header("rate_limit_type"), "max_parallel_requests");
    assert_eq!(gateway.simulator.calls_total(), 1);
}
