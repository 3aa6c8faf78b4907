//! Order tiers, weights and patterns: who of a group serves.

use serde_json::json;

use crate::support::Gateway;
use crate::support::scenes::{Waits, way};

/// A tier is tried as often as retries allow, then the next one, which counts as a fallback; a tier that cools is passed
/// over and counts as none.
#[tokio::test]
async fn higher_tier_serves_after_the_retries_of_the_lower_one() {
    let entries = [
        ("m", "first", "error500", ", order: 1"),
        ("m", "second", "", ", order: 2"),
        ("m", "third", "", ", order: 3"),
    ];
    let rest = "router_settings: {num_retries: 2, allowed_fails: 5}";
    let gateway = Gateway::at(&entries, rest, Waits::new()).await;
    for calls in [3, 6] {
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(way(&answer), (200, "m", "0", "1", "4"), "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), "second");
        assert_eq!(answer.json()["model"], "m");
        assert_eq!(gateway.calls_of("first"), calls);
    }
    // The sixth failure was one too many.
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (200, "m", "0", "0", "1"), "{}", answer.body);
    assert_eq!(gateway.calls_of("first"), 6);
    assert_eq!(gateway.calls_of("third"), 0);
}

/// Each tier has its own retries, then come the fallbacks; the error is the last tier's.
#[tokio::test]
async fn every_tier_is_tried_before_the_fallbacks() {
    let entries = [
        ("m", "first", "error500", ", order: 1"),
        ("m", "second", "timeout408", ", order: 2"),
        ("m", "unordered", "", ""),
        ("b", "b1", "", ""),
    ];
    let settings = "num_retries: 1, disable_cooldowns: true";
    let rest = format!("router_settings: {{{settings}, fallbacks: [{{m: [b]}}]}}");
    let gateway = Gateway::at(&entries, &rest, Waits::new()).await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (200, "b", "0", "2", "5"), "{}", answer.body);
    for (id, calls) in [("first", 2), ("second", 2), ("unordered", 0), ("b1", 1)] {
        assert_eq!(gateway.calls_of(id), calls, "{id}");
    }
    let rest = format!("router_settings: {{{settings}}}");
    let gateway = Gateway::at(&entries, &rest, Waits::new()).await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (408, "m", "1", "1", "4"), "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "second");
}

/// A conversation that is too long is no reason for another tier of the same model.
#[tokio::test]
async fn context_error_does_not_climb_the_tiers() {
    let entries = [
        ("m", "first", "context-window", ", order: 1"),
        ("m", "second", "", ", order: 2"),
        ("b", "b1", "", ""),
    ];
    let rest = "router_settings: {fallbacks: [{m: [b]}]}";
    let gateway = Gateway::at(&entries, rest, Waits::new()).await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (200, "b", "0", "1", "2"), "{}", answer.body);
    assert_eq!(gateway.calls_of("second"), 0);
}

/// A fallback group that cools down has no tiers to climb, whatever the order of the deployment that failed before it.
#[tokio::test]
async fn tiers_of_a_cooling_fallback_are_not_counted() {
    let entries = [
        ("a", "a1", "error500", ", order: 1"),
        ("b", "b1", "missing", ", order: 1"),
        ("b", "b2", "missing,slow=0", ", order: 2"),
        ("c", "c1", "", ""),
    ];
    let rest = "router_settings: {num_retries: 0, fallbacks: [{a: [b, c]}]}";
    let gateway = Gateway::at(&entries, rest, Waits::new()).await;
    let _cooled = gateway.chat("b", json!({})).await;
    assert_eq!((gateway.calls_of("b1"), gateway.calls_of("b2")), (1, 1));
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (200, "c", "0", "2", "2"), "{}", answer.body);
}

/// Where one deployment has a weight, those without are picked only while it cannot be.
#[tokio::test]
async fn deployment_without_a_weight_serves_only_while_the_weighted_one_cools() {
    let entries = [
        ("m", "heavy", "throttle=1", ", weight: 1"),
        ("m", "light", "", ""),
    ];
    let clock = Waits::new();
    let rest = "router_settings: {num_retries: 1}";
    let gateway = Gateway::at(&entries, rest, clock.clone()).await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (200, "m", "1", "0", "2"));
    for _ in 0..10 {
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(answer.header("x-litellm-model-id"), "light");
    }
    clock.advance(5.0);
    for _ in 0..20 {
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(answer.header("x-litellm-model-id"), "heavy");
    }
}

/// A pattern is fixed at both ends.
#[tokio::test]
async fn pattern_does_not_match_a_longer_name() {
    let gateway = Gateway::of(&[("wild-*-v1", "w1", "", "")], "").await;
    for (name, status) in [
        ("wild-abc-v1", 200),
        ("wild-abc-v1-extra", 400),
        ("my-wild-abc-v1", 400),
        ("wild-v1", 400),
    ] {
        let answer = gateway.chat(name, json!({})).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
    }
}

/// Pre-call checks leave out windows that are too small; where all are, that is a context error, which has its fallbacks.
#[tokio::test]
async fn windows_that_are_too_small_are_left_out_before_the_call() {
    let model = |name: &str, id: &str, window: u32| {
        let entry = crate::support::entry(name, id, "", "");
        entry.replace(
            &format!("model_info: {{id: {id}}}"),
            &format!("model_info: {{id: {id}, max_input_tokens: {window}}}"),
        )
    };
    let yaml = format!(
        "model_list:\n{}{}{}{}router_settings: {{enable_pre_call_checks: true, context_window_fallbacks: [{{a: [b]}}]}}\n",
        model("a", "small", 20),
        model("a", "middle", 200),
        model("b", "large", 100_000),
        model("alone", "tiny", 20),
    );
    let gateway = Gateway::with(&yaml, Waits::new()).await;
    let ask =
        |words: usize| json!({"messages": [{"role": "user", "content": "word ".repeat(words)}]});
    for _ in 0..6 {
        let answer = gateway.chat("a", ask(60)).await;
        assert_eq!(
            (way(&answer), answer.header("x-litellm-model-id")),
            ((200, "a", "0", "0", "1"), "middle")
        );
    }
    let answer = gateway.chat("a", ask(600)).await;
    assert_eq!(way(&answer), (200, "b", "0", "1", "1"), "{}", answer.body);
    let answer = gateway.chat("alone", ask(600)).await;
    assert_eq!(
        way(&answer),
        (400, "alone", "0", "0", "0"),
        "{}",
        answer.body
    );
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
}

/// A deployment whose slots are taken is passed over; where all are, that is one 429, which is not retried, cools nobody,
/// and falls back.
#[tokio::test]
async fn full_deployments_are_passed_over_and_a_full_group_falls_back() {
    let entries = [
        ("m", "one", "", ", max_parallel_requests: 1"),
        ("m", "two", "", ", max_parallel_requests: 1"),
        ("b", "b1", "", ""),
    ];
    let rest = "router_settings: {num_retries: 3, fallbacks: [{m: [b]}]}";
    let gateway = Gateway::at(&entries, rest, Waits::new()).await;
    let stalled = json!({"messages": [{"role": "user", "content": "hello [[sim:stall]]"}]});
    let mut first = Box::pin(gateway.chat("m", stalled.clone()));
    tokio::select! { _ = &mut first => panic!("it never answers"), () = until_open(&gateway, 1) => {} }
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (200, "m", "0", "0", "1"), "{}", answer.body);
    let mut second = Box::pin(gateway.chat("m", stalled));
    tokio::select! { _ = &mut second => panic!("it never answers"), () = until_open(&gateway, 2) => {} }
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (200, "b", "0", "1", "1"), "{}", answer.body);
    let answer = gateway.chat("m", json!({"disable_fallbacks": true})).await;
    assert_eq!(way(&answer), (429, "m", "0", "0", "0"), "{}", answer.body);
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    assert_ne!(answer.header("retry-after"), "");
    drop((first, second));
    // Hanging up frees the slots.
    until_open(&gateway, 0).await;
    loop {
        let answer = gateway.chat("m", json!({"disable_fallbacks": true})).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 429, "{}", answer.body);
    }
}

/// A retry for which no deployment has room is none: it is not counted, and costs nothing.
#[tokio::test]
async fn retry_that_finds_no_room_is_not_counted() {
    let entries = [
        ("m", "busy", "", ", weight: 1, max_parallel_requests: 1"),
        ("m", "bad", "throttle", ", weight: 0"),
    ];
    let clock = Waits::new();
    let gateway = Gateway::at(&entries, "router_settings: {num_retries: 1}", clock.clone()).await;
    let stalled = json!({"messages": [{"role": "user", "content": "hello [[sim:stall]]"}]});
    let mut first = Box::pin(gateway.chat("m", stalled));
    tokio::select! { _ = &mut first => panic!("it never answers"), () = until_open(&gateway, 1) => {} }
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (429, "m", "0", "0", "1"), "{}", answer.body);
    assert_eq!(answer.json()["error"]["type"], "throttling_error");
    assert_eq!(answer.header("x-litellm-max-retries"), "");
    let state = gateway
        .call(reqwest::Method::GET, "/router/state", None)
        .await;
    let budget = &state.json()["groups"][0]["retry_budget"];
    assert_eq!(budget["tokens"], budget["capacity"], "{budget}");
}

/// Waits until so many answers are withheld.
async fn until_open(gateway: &Gateway, total: usize) {
    while gateway.simulator.open_streams() != total {
        tokio::task::yield_now().await;
    }
}
