//! How often a group is tried again, and how long is waited between.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::support::Gateway;
use crate::support::scenes::{Scripted, Waits, entry_at, way};

/// One entry of `model_list`: name, id, fault, further parameters.
type Entry = (&'static str, &'static str, &'static str, &'static str);

async fn alone(
    fault: &'static str,
    params: &'static str,
    rest: &str,
) -> (Gateway, std::sync::Arc<Waits>) {
    let clock = Waits::new();
    let gateway = Gateway::at(&[("m", "one", fault, params)], rest, clock.clone()).await;
    (gateway, clock)
}

/// A throttled deployment is retried on the other one without a wait, is counted, and is then left out for the cooldown
/// time.
#[tokio::test]
async fn retry_goes_to_the_other_deployment_and_the_throttled_one_cools() {
    let clock = Waits::new();
    let two: [Entry; 2] = [("m", "bad", "throttle", ""), ("m", "good", "", "")];
    let rest = "router_settings: {num_retries: 1}";
    let gateway = Gateway::at(&two, rest, clock.clone()).await;
    for round in 1..4 {
        let mut answer = gateway.chat("m", json!({})).await;
        for _ in 0..50 {
            if gateway.calls_of("bad") == round {
                break;
            }
            answer = gateway.chat("m", json!({})).await;
        }
        assert_eq!(way(&answer), (200, "m", "1", "0", "2"));
        assert_eq!(answer.header("x-litellm-max-retries"), "1");
        assert_eq!(answer.header("x-litellm-model-id"), "good");
        // Twice as long after every probe that failed.
        let cooldown = f64::from(5 * (1 << (round - 1)));
        clock.advance(cooldown - 0.001);
        for _ in 0..20 {
            let answer = gateway.chat("m", json!({})).await;
            assert_eq!(way(&answer), (200, "m", "0", "0", "1"));
            assert_eq!(answer.header("x-litellm-max-retries"), "");
        }
        assert_eq!(gateway.calls_of("bad"), round);
        clock.advance(0.001);
    }
    assert_eq!(clock.taken(), [0.0; 0], "nobody waited");
}

/// Where every deployment of the group was throttled and cools, no retry follows, and the client is told when the first is
/// ready again.
#[tokio::test]
async fn last_throttled_deployment_says_when_the_first_is_ready_again() {
    let two: [Entry; 2] = [
        ("m", "one", "throttle", ", cooldown_time: 7"),
        ("m", "two", "throttle", ", cooldown_time: 9"),
    ];
    for stream in [false, true] {
        let clock = Waits::new();
        let gateway = Gateway::at(&two, "", clock.clone()).await;
        let answer = gateway.chat("m", json!({"stream": stream})).await;
        assert_eq!(way(&answer), (429, "m", "1", "0", "2"));
        assert_eq!(answer.json()["error"]["type"], "throttling_error");
        assert_eq!(answer.header("retry-after"), "7");
        assert_eq!(clock.taken(), [0.0; 0], "nobody waited");
    }
}

/// Where all were tried and none of them cools, retries go on, after a wait.
#[tokio::test]
async fn deployments_that_were_all_tried_are_tried_again_after_a_wait() {
    for fault in ["throttle=2", "error503=2"] {
        let clock = Waits::new();
        let two: [Entry; 2] = [("m", "one", fault, ""), ("m", "two", fault, "")];
        let rest = "router_settings: {num_retries: 2, disable_cooldowns: true}";
        let gateway = Gateway::at(&two, rest, clock.clone()).await;
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(way(&answer), (200, "m", "2", "0", "3"), "{fault}");
        let waits = clock.taken();
        assert_eq!(waits.len(), 1, "only before the third: {waits:?}");
        assert!(waits[0] <= 1.0, "{waits:?}");
    }
    // AWS's own wait holds then, too.
    let clock = Waits::new();
    let fault = "throttle=2,throttle-after=3";
    let two: [Entry; 2] = [("m", "one", fault, ""), ("m", "two", fault, "")];
    let rest = "router_settings: {num_retries: 2, disable_cooldowns: true}";
    let gateway = Gateway::at(&two, rest, clock.clone()).await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (200, "m", "2", "0", "3"));
    let waits = clock.taken();
    assert!((3.0..=3.75).contains(&waits[0]), "{waits:?}");
}

/// A deployment that is alone in its group is tried again after a 429 and never cools for it.
#[tokio::test]
async fn throttled_deployment_alone_is_tried_as_often_as_allowed_and_never_cools() {
    let (gateway, clock) = alone("throttle", "", "router_settings: {num_retries: 2}").await;
    for call in 1..4 {
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(way(&answer), (429, "m", "2", "0", "3"));
        assert_eq!(answer.header("x-litellm-max-retries"), "2");
        assert_eq!(answer.json()["error"]["type"], "throttling_error");
        assert_eq!(gateway.calls_of("one"), 3 * call);
        assert_eq!(clock.taken().len(), 2);
    }
}

/// Refused credentials are not tried again on the same deployment, which cools at once although it is alone.
#[tokio::test]
async fn refused_credentials_of_the_only_deployment_cool_it_at_once() {
    let (gateway, clock) = alone("unauthorized", "", "").await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (401, "m", "0", "0", "1"));
    assert_eq!(answer.json()["error"]["type"], "authentication_error");
    assert_eq!(answer.header("x-litellm-model-id"), "one");
    clock.advance(1.5);
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (429, "m", "0", "0", "0"));
    assert_eq!(
        answer.json()["error"]["type"],
        "all_deployments_in_cooldown"
    );
    assert_eq!(
        answer.header("retry-after"),
        "4",
        "the true time, rounded up"
    );
    assert_eq!(gateway.calls_of("one"), 1);
    assert!(!answer.body.contains("one"), "no ids: {}", answer.body);
}

/// Refused credentials are tried again on another deployment, and not a second time on one that refused.
#[tokio::test]
async fn refused_credentials_are_tried_on_every_other_deployment_once() {
    let three: [Entry; 3] = [
        ("m", "a", "unauthorized", ""),
        ("m", "b", "access-denied", ""),
        ("m", "c", "unauthorized,slow=0", ""),
    ];
    let rest = "router_settings: {num_retries: 5, disable_cooldowns: true}";
    let gateway = Gateway::of(&three, rest).await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer).2, "2", "{}", answer.body);
    for id in ["a", "b", "c"] {
        assert_eq!(gateway.calls_of(id), 1, "{id}");
    }
}

/// What AWS answers and what the client then sees: status, type, upstream calls of two allowed retries, cooled after.
#[tokio::test]
async fn failures_have_the_clients_status_and_their_own_retries() {
    for (fault, status, kind, calls) in [
        ("error500", 503, "internal_server_error", 3),
        ("error503", 503, "internal_server_error", 3),
        ("not-ready", 429, "throttling_error", 3),
        ("timeout408", 408, "timeout_error", 3),
        // The model failed by itself, or for the request's sake.
        ("model-error", 424, "invalid_request_error", 3),
        ("model-refusal", 424, "invalid_request_error", 1),
        ("quota", 429, "throttling_error", 1),
        ("access-denied", 403, "permission_error", 1),
        ("missing", 404, "invalid_request_error", 1),
        ("validation", 400, "invalid_request_error", 1),
        ("context-window", 400, "invalid_request_error", 1),
    ] {
        for stream in [false, true] {
            let (gateway, clock) = alone(fault, "", "router_settings: {num_retries: 2}").await;
            let answer = gateway.chat("m", json!({"stream": stream})).await;
            let retries = (calls - 1).to_string();
            let said = (status, "m", retries.as_str(), "0", &*calls.to_string());
            assert_eq!(way(&answer), said, "{fault} {stream}: {}", answer.body);
            let error = &answer.json()["error"];
            assert_eq!(error["type"], kind, "{fault}");
            assert_eq!(error["code"], status.to_string(), "{fault}");
            assert_eq!(gateway.calls_of("one"), calls, "{fault}");
            assert_eq!(answer.header("x-litellm-model-id"), "one", "{fault}");
            assert_ne!(answer.header("x-litellm-call-id"), "", "{fault}");
            // No wait follows the last attempt.
            assert_eq!(clock.taken().len(), calls - 1, "{fault}");
            let cools = fault == "missing";
            let again = gateway.chat("m", json!({})).await.status;
            assert_eq!(again, if cools { 429 } else { status }, "{fault}");
        }
    }
}

/// A model that failed by itself is retried and falls back; one that failed for the request's sake is not and does not.
#[tokio::test]
async fn model_fault_falls_back_unless_the_request_is_to_blame() {
    for (fault, status, attempts) in [("model-error", 200, "3"), ("model-refusal", 424, "1")] {
        let two: [Entry; 2] = [("a", "a1", fault, ""), ("b", "b1", "", "")];
        let rest = "router_settings: {num_retries: 1, fallbacks: [{a: [b]}]}";
        let gateway = Gateway::at(&two, rest, Waits::new()).await;
        let answer = gateway.chat("a", json!({})).await;
        assert_eq!(
            (answer.status, way(&answer).4),
            (status, attempts),
            "{fault}"
        );
    }
}

/// AWS's `retry-after` of up to 60 s is waited for, plus at most 0.75 s; a longer one leaves the backoff.
#[tokio::test]
async fn retry_after_is_waited_for_unless_it_is_too_long() {
    let rest = "router_settings: {num_retries: 1}";
    for (fault, header, least, most) in [
        ("throttle,throttle-after=2", "2", 2.0, 2.75),
        ("throttle,throttle-after=60", "60", 60.0, 60.75),
        ("throttle,throttle-after=61", "61", 0.0, 0.5),
        ("throttle,throttle-after=0", "0", 0.0, 0.5),
        ("throttle", "", 0.0, 0.5),
    ] {
        let (gateway, clock) = alone(fault, "", rest).await;
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(way(&answer), (429, "m", "1", "0", "2"), "{fault}");
        assert_eq!(answer.header("retry-after"), header, "{fault}");
        let waits = clock.taken();
        assert_eq!(waits.len(), 1, "{fault}: one retry, one wait");
        assert!((least..=most).contains(&waits[0]), "{fault}: {waits:?}");
    }
}

/// The cooldown of a deployment takes AWS's `retry-after` although no call waits so long, up to `max_cooldown_time`.
#[tokio::test]
async fn cooldown_takes_the_time_that_aws_asks_for() {
    for (fault, rest, seconds) in [
        (
            "throttle,throttle-after=61",
            "router_settings: {num_retries: 3}",
            61.0,
        ),
        (
            "throttle,throttle-after=900",
            "router_settings: {num_retries: 3}",
            300.0,
        ),
        (
            "throttle,throttle-after=900",
            "router_settings: {num_retries: 3, max_cooldown_time: 20}",
            20.0,
        ),
    ] {
        let other: &'static str = Box::leak(format!("{fault},slow=0").into_boxed_str());
        let two: [Entry; 2] = [("m", "a", fault, ""), ("m", "b", other, "")];
        let clock = Waits::new();
        let gateway = Gateway::at(&two, rest, clock.clone()).await;
        // Both cool at once; the third retry has nobody left.
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(way(&answer), (429, "m", "1", "0", "2"), "{}", answer.body);
        clock.advance(seconds - 1.0);
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(way(&answer), (429, "m", "0", "0", "0"), "{}", answer.body);
        assert_eq!(answer.header("retry-after"), "1");
        clock.advance(1.0);
        let answer = gateway.chat("m", json!({})).await;
        assert_ne!(way(&answer).4, "0", "{}", answer.body);
    }
}

/// A `retry-after` that is a date counts from the answer's own date, and the client is told seconds.
#[tokio::test]
async fn retry_after_may_be_a_date() {
    let clock = Waits::new();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let date = httpdate::fmt_http_date;
    let head = format!(
        "429 Too Many Requests\r\ndate: {}\r\nx-amzn-errortype: ThrottlingException\r\nretry-after: {}",
        date(now),
        date(now + Duration::from_secs(7))
    );
    let upstream = Scripted::answering(&head, r#"{"message":"slow down"}"#);
    let yaml = format!(
        "model_list:\n{}router_settings: {{num_retries: 1}}\n",
        entry_at("m", "one", &upstream.url)
    );
    let gateway = Gateway::with(&yaml, clock.clone()).await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (429, "m", "1", "0", "2"), "{}", answer.body);
    assert_eq!(answer.header("retry-after"), "7");
    assert_eq!(upstream.calls(), 2);
    let waits = clock.taken();
    assert_eq!(waits.len(), 1);
    assert!((7.0..=7.75).contains(&waits[0]), "{waits:?}");
}

/// The backoff doubles from 0.5 s to 8 s with full jitter, never below `retry_after`; nothing follows the last attempt.
#[tokio::test]
async fn backoff_grows_within_its_bounds_and_never_follows_the_last_attempt() {
    let (gateway, clock) = alone("error500", "", "router_settings: {num_retries: 7}").await;
    let _failed = gateway.chat("m", json!({})).await;
    let waits = clock.taken();
    assert_eq!((waits.len(), gateway.calls_of("one")), (7, 8));
    for (wait, most) in waits.iter().zip([0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]) {
        assert!((0.0..=most).contains(wait), "{waits:?}");
    }
    let rest = "router_settings: {num_retries: 3, retry_after: 3}";
    let (gateway, clock) = alone("error500", "", rest).await;
    let _failed = gateway.chat("m", json!({})).await;
    let waits = clock.taken();
    assert_eq!(waits.len(), 3);
    assert!(
        waits.iter().all(|wait| (3.0..=8.0).contains(wait)),
        "{waits:?}"
    );
    let (gateway, clock) = alone("error500", "", "router_settings: {num_retries: 0}").await;
    assert_eq!(gateway.chat("m", json!({})).await.status, 503);
    assert_eq!((clock.taken().len(), gateway.calls_of("one")), (0, 1));
}

/// Deployments that were not tried in this call come before those that were.
#[tokio::test]
async fn untried_deployments_come_first() {
    let four: [Entry; 4] = [
        ("m", "a", "error500", ""),
        ("m", "b", "error500", ""),
        ("m", "c", "error500", ""),
        ("m", "d", "error500", ""),
    ];
    let rest = "router_settings: {num_retries: 7, disable_cooldowns: true}";
    let clock = Waits::new();
    let gateway = Gateway::at(&four, rest, clock.clone()).await;
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (503, "m", "7", "0", "8"));
    let order: Vec<String> = (gateway.simulator.calls().iter())
        .map(|call| call.headers["x-deployment"].to_str().unwrap().to_owned())
        .collect();
    let mut first: Vec<_> = order[..4].to_vec();
    first.sort();
    assert_eq!(first, ["a", "b", "c", "d"], "{order:?}");
    assert_eq!(clock.taken().len(), 4, "only where all were tried");
}
