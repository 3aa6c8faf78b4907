//! Health checks: deployments are asked in the background, routing leaves out what does not answer, and `/health` says so.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use switchyard::clock::ManualClock;
use switchyard::pipeline::health;
use tokio_util::sync::CancellationToken;

use crate::support::Gateway;
use crate::support::entry::{Entry, serving, timed, until};

const ROUTED: &str =
    "background_health_checks: true, enable_health_check_routing: true, health_check_interval: 300";

fn of<'a>(id: &'a str, fault: &'a str, info: &'a str) -> Entry<'a> {
    Entry {
        id,
        fault,
        info,
        ..Entry::default()
    }
}

/// Says what the last check of a deployment found.
fn healthy(gateway: &Gateway, id: &str) -> Option<bool> {
    let snapshot = gateway.app.live.load();
    let deployment = snapshot.router.deployment(id).unwrap();
    let checked = deployment.runtime.health.last()?;
    Some(checked.failure.is_none())
}

/// Begins the checks of a gateway; the token ends them.
fn watched(gateway: &Gateway) -> CancellationToken {
    let stop = CancellationToken::new();
    health::watch(
        &gateway.app.live,
        gateway.app.pipeline.parts(),
        stop.clone(),
    );
    stop
}

/// A gateway after its first round of checks; nothing is retried.
async fn checked(
    entries: &[Entry<'_>],
    general: &str,
) -> (Gateway, Arc<ManualClock>, CancellationToken) {
    let rest = format!(
        "general_settings: {{{general}}}\nrouter_settings: {{num_retries: 0, disable_cooldowns: true}}\n"
    );
    let (gateway, clock) = timed(entries, &rest).await;
    let stop = watched(&gateway);
    clock.until_asleep(1).await;
    (gateway, clock, stop)
}

/// How many of so many calls each deployment got.
async fn served(gateway: &Gateway, total: usize, ids: [&str; 2]) -> [usize; 2] {
    let before = ids.map(|id| gateway.calls_of(id));
    for _ in 0..total {
        gateway.chat("m", json!({})).await;
    }
    let after = ids.map(|id| gateway.calls_of(id));
    [after[0] - before[0], after[1] - before[1]]
}

#[tokio::test]
async fn deployment_that_fails_its_check_is_left_out_until_it_passes_one() {
    let entries = [of("a", "throttle=1", ""), of("b", "", "")];
    let (gateway, clock, stop) = checked(&entries, ROUTED).await;
    assert_eq!(
        (healthy(&gateway, "a"), healthy(&gateway, "b")),
        (Some(false), Some(true))
    );
    assert_eq!(served(&gateway, 12, ["a", "b"]).await, [0, 12]);
    let state = gateway.call(Method::GET, "/router/state", None).await;
    let shown = &state.json()["groups"][0]["deployments"][0];
    assert_eq!(shown["health"]["healthy"], false, "{shown}");
    assert_eq!(shown["health"]["error"], "throttled");
    // A check is no call: nothing is learned from it.
    assert_eq!(
        (&shown["last_error"], &shown["latency_ms"]["ewma"]),
        (&json!(null), &json!(null))
    );
    let metrics = gateway.call(Method::GET, "/metrics", None).await.body;
    for (id, outcome) in [("a", "throttled"), ("b", "ok")] {
        let series = format!(
            "switchyard_health_checks_total{{model_group=\"m\",model_id=\"{id}\",outcome=\"{outcome}\"}} 1"
        );
        assert!(metrics.contains(&series), "{series}");
    }
    clock.advance(Duration::from_secs(300));
    until(|| healthy(&gateway, "a") == Some(true)).await;
    let [a, b] = served(&gateway, 24, ["a", "b"]).await;
    assert!(a > 0 && b > 0, "{a} {b}");
    stop.cancel();
}

#[tokio::test]
async fn throttled_check_says_nothing_where_the_file_says_so() {
    let entries = [of("a", "throttle=1", ""), of("b", "error500", "")];
    let general = format!("{ROUTED}, health_check_ignore_transient_errors: true");
    let (gateway, _, stop) = checked(&entries, &general).await;
    assert_eq!(
        (healthy(&gateway, "a"), healthy(&gateway, "b")),
        (None, Some(false))
    );
    assert_eq!(served(&gateway, 8, ["a", "b"]).await, [8, 0]);
    stop.cancel();
}

#[tokio::test]
async fn where_all_fail_their_checks_all_are_used() {
    let entries = [of("a", "error500", ""), of("b", "error500", "")];
    let (gateway, _, stop) = checked(&entries, ROUTED).await;
    let [a, b] = served(&gateway, 24, ["a", "b"]).await;
    assert!(a > 0 && b > 0, "{a} {b}");
    stop.cancel();
}

#[tokio::test]
async fn finding_that_is_stale_counts_no_more() {
    let entries = [of("a", "throttle=1", ""), of("b", "", "")];
    let general = "background_health_checks: true, enable_health_check_routing: true, \
                   health_check_interval: 100000, health_check_staleness_threshold: 400";
    let (gateway, clock, stop) = checked(&entries, general).await;
    clock.advance(Duration::from_secs(399));
    assert_eq!(served(&gateway, 12, ["a", "b"]).await, [0, 12]);
    clock.advance(Duration::from_secs(1));
    assert!(served(&gateway, 24, ["a", "b"]).await[0] > 0);
    stop.cancel();
}

#[tokio::test]
async fn without_routing_by_health_and_in_other_groups_findings_change_nothing() {
    let entries = [of("a", "error500", ""), of("b", "", "")];
    let (gateway, _, stop) = checked(&entries, "background_health_checks: true").await;
    assert_eq!(healthy(&gateway, "a"), Some(false));
    assert!(served(&gateway, 24, ["a", "b"]).await[0] > 0);
    stop.cancel();
    let rest = format!(
        "general_settings: {{{ROUTED}}}\nrouter_settings: {{num_retries: 0, disable_cooldowns: true, background_health_check_model_groups: [other]}}\n"
    );
    let (gateway, clock) = timed(&entries, &rest).await;
    let stop = watched(&gateway);
    clock.until_asleep(1).await;
    assert!(served(&gateway, 24, ["a", "b"]).await[0] > 0);
    stop.cancel();
}

#[tokio::test]
async fn checks_take_from_no_limit_and_go_past_those_that_want_none() {
    let entries = [
        Entry {
            params: ", rpm: 1",
            ..of("a", "", "")
        },
        Entry {
            name: "n",
            ..of("off", "", ", disable_background_health_check: true")
        },
    ];
    let rest = "general_settings: {background_health_checks: true}\n\
                router_settings: {num_retries: 0, optional_pre_call_checks: [enforce_model_rate_limits]}\n";
    let (gateway, clock) = timed(&entries, rest).await;
    let stop = watched(&gateway);
    clock.until_asleep(1).await;
    assert_eq!((gateway.calls_of("a"), gateway.calls_of("off")), (1, 0));
    assert_eq!(gateway.chat("m", json!({})).await.status, 200);
    assert_eq!(gateway.chat("m", json!({})).await.status, 429);
    stop.cancel();
}

#[tokio::test]
async fn deployments_are_asked_for_what_their_models_do() {
    let with = |id, model, info| Entry {
        name: id,
        model,
        ..of(id, "", info)
    };
    let entries = [
        with("embed", "bedrock/cohere.embed-english-v3", ""),
        with("rerank", "bedrock/cohere.rerank-v3-5:0", ""),
        with("image", "bedrock/amazon.nova-canvas-v1:0", ""),
        with("agent", "bedrock/agent/AGENT/ALIAS", ""),
        with(
            "short",
            "bedrock/us.amazon.nova-lite-v1:0",
            ", health_check_max_tokens: 7",
        ),
        Entry {
            name: "wild/*",
            model: "bedrock/us.amazon.*",
            ..of(
                "wild",
                "",
                ", health_check_model: bedrock/us.amazon.nova-micro-v1:0",
            )
        },
        Entry {
            name: "none/*",
            model: "bedrock/us.meta.*",
            ..of("none", "", "")
        },
    ];
    let gateway = serving(&entries, "").await;
    let answer = gateway.call(Method::GET, "/health", None).await;
    let body = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&body["healthy_count"], &body["unhealthy_count"]),
        (&json!(4), &json!(0)),
        "{body}"
    );
    for one in ["model=wild/*", "model_id=wild"] {
        let path = format!("/health?{one}");
        let answer = gateway.call(Method::GET, &path, None).await.json();
        assert_eq!(answer["healthy_count"], 1, "{one}: {answer}");
    }
    for (id, calls) in [
        ("embed", 1),
        ("rerank", 1),
        ("image", 0),
        ("agent", 0),
        ("short", 1),
        ("wild", 3),
        ("none", 0),
    ] {
        assert_eq!(gateway.calls_of(id), calls, "{id}");
    }
    let calls = gateway.simulator.calls();
    let sent = |id: &str| {
        let mut calls = calls.iter();
        let call = calls.find(|call| {
            call.headers
                .get("x-deployment")
                .is_some_and(|own| own == id)
        });
        String::from_utf8_lossy(&call.unwrap().body).into_owned()
    };
    assert!(
        sent("short").contains("\"maxTokens\":7"),
        "{}",
        sent("short")
    );
    assert!(
        sent("wild").contains("\"maxTokens\":16"),
        "{}",
        sent("wild")
    );
}

#[tokio::test]
async fn health_is_the_administrators_and_names_who_does_not_answer() {
    let entries = [of("a", "unauthorized", ""), of("b", "", "")];
    let rest = "general_settings: {master_key: sk-master-and-long-enough}\n\
                virtual_keys: [{key: sk-one-and-long-enough}]\n";
    let gateway = serving(&entries, rest).await;
    for (key, status) in [(None, 401), (Some("sk-one-and-long-enough"), 403)] {
        let answer = gateway.call(Method::GET, "/health", key).await;
        assert_eq!(answer.status, status);
    }
    let admin = Some("sk-master-and-long-enough");
    let answer = gateway.call(Method::GET, "/health", admin).await;
    let body = answer.json();
    let unhealthy = &body["unhealthy_endpoints"][0];
    assert_eq!(
        (&unhealthy["model_id"], &unhealthy["status"]),
        (&json!("a"), &json!(401)),
        "{body}"
    );
    assert_eq!(unhealthy["error_kind"], "upstream_denied");
    assert_eq!(body["healthy_endpoints"][0]["model_id"], "b");
    assert_eq!(body["healthy_endpoints"][0]["model_group"], "m");
    let address = gateway.simulator.url();
    assert!(!answer.body.contains(&address), "{}", answer.body);
    let one = gateway
        .call(Method::GET, "/health?model_id=b", admin)
        .await
        .json();
    assert_eq!(
        (&one["healthy_count"], &one["unhealthy_count"]),
        (&json!(1), &json!(0))
    );
    assert_eq!((gateway.calls_of("a"), gateway.calls_of("b")), (1, 2));
    for (asked, status) in [
        ("/health?model=m", 200),
        ("/health?model=other", 404),
        ("/health?model_id=other", 404),
    ] {
        let answer = gateway.call(Method::GET, asked, admin).await;
        assert_eq!(answer.status, status, "{asked}: {}", answer.body);
    }
}
