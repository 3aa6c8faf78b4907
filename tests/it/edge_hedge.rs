//! A second attempt beside a slow one: when it is sent, who wins, and what it costs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::{Value, json};
use switchyard::clock::ManualClock;

use crate::support::scenes::way;
use crate::support::{Answer, Gateway};

const AFTER: Duration = Duration::from_secs(2);

/// A gateway whose deployment `first` is always picked first, and its clock.
async fn gateway(first: &str, second: Option<&str>, more: &str) -> (Gateway, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    ));
    let mut entries = vec![("m", "first", first, ", weight: 1")];
    if let Some(second) = second {
        entries.push(("m", "second", second, ", weight: 0"));
    }
    let rest = format!("router_settings: {{hedge_after: 2, disable_cooldowns: true{more}}}");
    let gateway = Gateway::at(&entries, &rest, clock.clone()).await;
    (gateway, clock)
}

/// Asks, and lets the time for a hedge come once the first attempt has reached AWS.
async fn asked(gateway: &Gateway, clock: &ManualClock, body: Value) -> Answer {
    let hedging = async {
        clock.until_asleep(1).await;
        while gateway.calls_of("first") == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(AFTER);
    };
    tokio::join!(gateway.chat("m", body), hedging).0
}

/// Waits until the simulator has seen so many clients hang up.
async fn until_cancelled(gateway: &Gateway, total: u64) {
    while gateway.simulator.cancelled_streams() < total {
        tokio::task::yield_now().await;
    }
}

/// The value of a sample of `switchyard_hedges_total`.
async fn hedges(gateway: &Gateway, outcome: &str) -> String {
    let text = gateway.call(Method::GET, "/metrics", None).await.body;
    let line = text.lines().find(|line| {
        line.starts_with("switchyard_hedges_total{")
            && line.contains(&format!("outcome=\"{outcome}\""))
    });
    line.and_then(|line| line.rsplit(' ').next())
        .unwrap_or("0")
        .to_owned()
}

/// Where nothing came in time another deployment is asked too; it answers, and the first call is cancelled upstream.
#[tokio::test]
async fn hedge_that_answers_first_wins_and_the_other_call_is_cancelled() {
    for stream in [false, true] {
        let (gateway, clock) = gateway("stall", Some(""), "").await;
        let answer = asked(&gateway, &clock, json!({"stream": stream})).await;
        assert_eq!(way(&answer), (200, "m", "0", "0", "2"), "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), "second");
        assert_eq!(answer.header("x-switchyard-hedged"), "1");
        until_cancelled(&gateway, 1).await;
        assert_eq!(hedges(&gateway, "won").await, "1");
        assert_eq!(hedges(&gateway, "lost").await, "0");
    }
}

/// The first attempt may still win; then the hedge is cancelled upstream, and counted as lost.
#[tokio::test]
async fn hedge_that_is_slower_loses_and_is_cancelled() {
    for stream in [false, true] {
        let (gateway, clock) = gateway("slow-start=300", Some("stall"), "").await;
        let answer = asked(&gateway, &clock, json!({"stream": stream})).await;
        assert_eq!(way(&answer), (200, "m", "0", "0", "2"), "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), "first");
        assert_eq!(answer.header("x-switchyard-hedged"), "1");
        until_cancelled(&gateway, 1).await;
        assert_eq!(hedges(&gateway, "lost").await, "1");
        assert_eq!(hedges(&gateway, "won").await, "0");
    }
}

/// An attempt that answers in time has no hedge.
#[tokio::test]
async fn fast_answer_has_no_hedge() {
    let (gateway, _clock) = gateway("", Some("stall"), "").await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (200, "m", "0", "0", "1"), "{}", answer.body);
    assert_eq!(answer.header("x-switchyard-hedged"), "");
}

/// There is no hedge on the same deployment, none that the retry budget does not pay for, and none after the first content.
#[tokio::test]
async fn hedge_needs_another_deployment_and_a_budget() {
    let empty = ", retry_budget: {capacity: 1, cost: 14, throttle_cost: 5, refill_per_second: 0}";
    for (second, more) in [(None, ""), (Some(""), empty)] {
        let (gateway, clock) = gateway("slow-start=200", second, more).await;
        let answer = asked(&gateway, &clock, json!({})).await;
        assert_eq!(
            way(&answer),
            (200, "m", "0", "0", "1"),
            "{more}: {}",
            answer.body
        );
        assert_eq!(answer.header("x-litellm-model-id"), "first");
        assert_eq!(answer.header("x-switchyard-hedged"), "");
        assert_eq!(gateway.calls_of("second"), 0);
    }
}

/// A hedge that fails leaves the first attempt alone; a first attempt that fails leaves the hedge.
#[tokio::test]
async fn failure_of_one_leaves_the_other() {
    let (one, clock) = gateway("slow-start=200", Some("error500"), ", num_retries: 0").await;
    let answer = asked(&one, &clock, json!({})).await;
    assert_eq!(way(&answer), (200, "m", "0", "0", "2"), "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "first");
    let (two, clock) = gateway(
        "slow-start=200,reset",
        Some("slow-start=500"),
        ", num_retries: 0",
    )
    .await;
    let answer = asked(&two, &clock, json!({})).await;
    assert_eq!(way(&answer), (200, "m", "0", "0", "2"), "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "second");
}

/// Where both fail the error, and who is named with it, is the first's, whichever failed last.
#[tokio::test]
async fn error_of_two_failures_is_the_firsts() {
    for second in ["throttle", "slow-start=500,reset"] {
        let (gateway, clock) =
            gateway("slow-start=200,cut-first", Some(second), ", num_retries: 0").await;
        let answer = asked(&gateway, &clock, json!({})).await;
        assert_eq!(way(&answer).4, "2", "{second}: {}", answer.body);
        assert_ne!(answer.status, 429, "{second}: {}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), "first", "{second}");
        assert_eq!(answer.header("x-switchyard-hedged"), "1", "{second}");
    }
}

/// What a hedge takes from the retry budget comes back when it wins.
#[tokio::test]
async fn hedge_that_wins_gets_its_tokens_back() {
    let once = ", retry_budget: {capacity: 14, cost: 14, throttle_cost: 5, refill_per_second: 0}";
    let (gateway, clock) = gateway("stall", Some(""), once).await;
    for _ in 0..3 {
        let answer = asked(&gateway, &clock, json!({})).await;
        assert_eq!(
            answer.header("x-litellm-model-id"),
            "second",
            "{}",
            answer.body
        );
    }
}
