//! When failures cool a deployment down: by their number, and by their share.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::entry::{Entry, timed};

fn bad() -> Value {
    json!({"messages": [{"role": "user", "content": "[[sim:error503]]"}]})
}

/// Calls that fail, each of them on the deployment itself.
async fn fail(gateway: &Gateway, times: usize) {
    for _ in 0..times {
        let answer = gateway.chat("m", bad()).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
    }
}

/// Who serves a call that nothing is wrong with.
async fn served(gateway: &Gateway) -> String {
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.header("x-litellm-model-id").to_owned()
}

/// Of these `a` is picked, and `b` while it cools down.
fn entries() -> [Entry<'static>; 2] {
    let entry = |id, params| Entry::of("m", id).params(params);
    [entry("a", ", weight: 1"), entry("b", "")]
}

#[tokio::test]
async fn failures_within_the_window_are_counted() {
    for allowed in [1, 3] {
        let rest = format!(
            "router_settings: {{num_retries: 0, allowed_fails: {allowed}, cooldown_time: 10}}"
        );
        let (gateway, clock) = timed(&entries(), &rest).await;
        fail(&gateway, allowed).await;
        assert_eq!(served(&gateway).await, "a", "{allowed}");
        // What is older than a minute counts no more.
        clock.advance(Duration::from_secs(64));
        fail(&gateway, allowed).await;
        assert_eq!(served(&gateway).await, "a", "{allowed}");
        fail(&gateway, 1).await;
        assert_eq!(served(&gateway).await, "b", "{allowed}");
        clock.advance(Duration::from_secs(10));
        assert_eq!(served(&gateway).await, "a", "{allowed}");
    }
}

#[tokio::test]
async fn most_of_five_requests_must_fail() {
    for (good, next) in [(2, "b"), (1, "a")] {
        let (gateway, _clock) = timed(&entries(), "router_settings: {num_retries: 0}").await;
        for _ in 0..good {
            assert_eq!(served(&gateway).await, "a");
        }
        fail(&gateway, 3).await;
        assert_eq!(gateway.calls_of("a"), good + 3);
        assert_eq!(served(&gateway).await, next, "{good}");
    }
}
