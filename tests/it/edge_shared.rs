//! With a response cache equal calls are one call upstream; what its headers say of the way is the same as without one.

use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::scenes::{Waits, way};

/// Settings with a cache in memory.
fn cached(settings: &str) -> String {
    format!(
        "router_settings: {{disable_cooldowns: true, {settings}}}\nlitellm_settings: {{cache: true, cache_params: {{type: local}}}}"
    )
}

/// Retries, fallbacks and attempts of a call that looked into the cache are told like those of any call, and a kept answer
/// took none.
#[tokio::test]
async fn way_of_a_call_is_told_with_a_cache_too() {
    for stream in [false, true] {
        let entries = [("a", "a1", "error500", ""), ("b", "b1", "throttle=1", "")];
        let rest = cached("num_retries: 1, fallbacks: [{a: [b]}]");
        let gateway = Gateway::at(&entries, &rest, Waits::new()).await;
        let answer = gateway.chat("a", json!({"stream": stream})).await;
        assert_eq!(way(&answer), (200, "b", "1", "1", "4"), "{}", answer.body);
        assert_eq!(answer.header("x-litellm-cache-hit"), "false");
        assert_eq!(answer.header("x-litellm-max-retries"), "1");
        assert_eq!(answer.header("x-litellm-model-id"), "b1");
        let answer = gateway.chat("a", json!({"stream": stream})).await;
        assert_eq!(
            (answer.status, way(&answer).4),
            (200, "0"),
            "{}",
            answer.body
        );
        assert_eq!(answer.header("x-litellm-cache-hit"), "true");
    }
}

/// The same on errors, also where the caller stops waiting.
#[tokio::test]
async fn error_of_a_call_says_its_way_with_a_cache_too() {
    let entries = [
        ("a", "a1", "error500", ""),
        ("b", "b1", "throttle", ""),
        ("s", "s1", "stall", ""),
    ];
    let rest = cached("num_retries: 1, fallbacks: [{a: [b]}]");
    let gateway = Gateway::at(&entries, &rest, Waits::new()).await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (503, "a", "1", "1", "4"), "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "a1");
    for header in ["x-switchyard-deadline", "x-litellm-timeout"] {
        let body = json!({"model": "s", "messages": [{"role": "user", "content": header}]});
        let answer = gateway.post(&body, &[(header, "0.3")]).await;
        assert_eq!(
            way(&answer),
            (408, "s", "0", "0", "1"),
            "{header}: {}",
            answer.body
        );
        assert_eq!(answer.header("x-litellm-model-id"), "s1");
        assert_eq!(answer.header("x-litellm-timeout"), "0.3");
    }
}

/// A stream that may be resumed says so, and is, and what is kept is the whole text.
#[tokio::test]
async fn stream_is_resumed_with_a_cache_too() {
    let entries = [
        ("m", "breaks", "cut,at=2", ", weight: 1"),
        ("m", "good", "", ", weight: 0"),
    ];
    let gateway = Gateway::at(&entries, &cached("stream_recovery: resume"), Waits::new()).await;
    let whole = gateway.chat("good", json!({})).await.json();
    let whole = whole["choices"][0]["message"]["content"].as_str().unwrap();
    for (hit, recovery) in [("false", "resume"), ("true", "")] {
        let answer = gateway.chat("m", json!({"stream": true})).await;
        assert_eq!(answer.header("x-litellm-cache-hit"), hit);
        assert_eq!(answer.header("x-switchyard-stream-recovery"), recovery);
        assert_eq!(answer.text(), whole, "{}", answer.body);
        assert_eq!(answer.events().last(), Some(&"[DONE]"));
    }
    assert_eq!(
        (gateway.calls_of("breaks"), gateway.calls_of("good")),
        (1, 2)
    );
}

/// An answer that broke and was not resumed is not kept.
#[tokio::test]
async fn broken_stream_is_not_kept() {
    let gateway = Gateway::at(
        &[("m", "one", "cut=1", "")],
        &cached("num_retries: 0"),
        Waits::new(),
    )
    .await;
    let answer = gateway.chat("m", json!({"stream": true})).await;
    let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
    assert!(last["error"].is_object(), "{}", answer.body);
    let answer = gateway.chat("m", json!({"stream": true})).await;
    assert_eq!(answer.header("x-litellm-cache-hit"), "false");
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
}
