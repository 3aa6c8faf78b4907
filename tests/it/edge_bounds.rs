//! What bounds a call: its deadline, the retry budget, the number of further attempts, and cooldowns with their probe.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::scenes::{Refusing, Waits, entry_at, way};
use crate::support::{Gateway, entry};

fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hello"}]})
}

/// A wait that would reach the deadline is not begun: the last error is told at once, and no fallback is begun after the
/// deadline either.
#[tokio::test]
async fn wait_that_would_reach_the_deadline_is_not_begun() {
    let entries = [("m", "one", "throttle,throttle-after=20", "")];
    for (headers, rest) in [
        (vec![("x-switchyard-deadline", "50")], "num_retries: 9"),
        (vec![("x-litellm-timeout", "50")], "num_retries: 9"),
        (vec![], "num_retries: 9, deadline: 50"),
        (
            vec![("x-switchyard-deadline", "50")],
            "num_retries: 9, deadline: 500",
        ),
        (
            vec![("x-switchyard-deadline", "500")],
            "num_retries: 9, deadline: 50",
        ),
    ] {
        let clock = Waits::new();
        let settings = format!("router_settings: {{{rest}}}");
        let gateway = Gateway::at(&entries, &settings, clock.clone()).await;
        let answer = gateway.post(&hello("m"), &headers).await;
        // 20 s and 20 s, then a third wait would end after 60.
        assert_eq!(
            way(&answer),
            (429, "m", "2", "0", "3"),
            "{headers:?}: {}",
            answer.body
        );
        assert_eq!(clock.taken().len(), 2, "{headers:?}");
    }
}

/// A deadline that passes while AWS is silent ends the attempt with 408; nothing is tried after it.
#[tokio::test]
async fn deadline_that_cuts_an_attempt_ends_the_call() {
    let entries = [("m", "one", "stall", ""), ("b", "b1", "", "")];
    let rest = "router_settings: {num_retries: 3, fallbacks: [{m: [b]}]}";
    for (header, stream) in [
        ("x-switchyard-deadline", false),
        ("x-switchyard-deadline", true),
        ("x-litellm-timeout", false),
        ("x-litellm-timeout", true),
    ] {
        let gateway = Gateway::of(&entries, rest).await;
        let mut body = hello("m");
        body["stream"] = json!(stream);
        let answer = gateway.post(&body, &[(header, "0.2")]).await;
        assert_eq!(
            way(&answer),
            (408, "m", "0", "0", "1"),
            "{header} {stream}: {}",
            answer.body
        );
        assert_eq!(answer.json()["error"]["type"], "timeout_error");
        assert_eq!(answer.header("x-litellm-timeout"), "0.2");
        assert_eq!(gateway.calls_of("b1"), 0);
    }
}

/// The operator's timeout is for each attempt: after it comes the next one.
#[tokio::test]
async fn operators_timeout_is_for_each_attempt() {
    let entries = [("m", "one", "stall", ", timeout: 0.1"), ("b", "b1", "", "")];
    let rest = "router_settings: {num_retries: 1, retry_after: 0, fallbacks: [{m: [b]}]}";
    let gateway = Gateway::at(&entries, rest, Waits::new()).await;
    for stream in [false, true] {
        let answer = gateway.chat("m", json!({"stream": stream})).await;
        assert_eq!(way(&answer), (200, "b", "0", "1", "3"), "{}", answer.body);
    }
}

/// The deadline goes on to the end of a stream, whether it trickles or has gone silent; a caller's timeout ends with the
/// first content.
#[tokio::test]
async fn deadline_is_for_the_whole_stream_and_the_callers_timeout_for_its_beginning() {
    for fault in ["stall-mid", "slow=60,long=1000"] {
        let gateway = Gateway::of(&[("m", "one", fault, "")], "").await;
        let mut body = hello("m");
        body["stream"] = json!(true);
        let answer = gateway
            .post(&body, &[("x-switchyard-deadline", "0.4")])
            .await;
        assert_eq!(answer.status, 200, "{fault}: {}", answer.body);
        let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
        assert_eq!(last["error"]["type"], "timeout_error", "{fault}: {last}");
        assert!(
            !answer.text().is_empty() && !answer.body.contains("[DONE]"),
            "{fault}"
        );
    }
    let gateway = Gateway::of(&[("m", "one", "slow=60,long=12", "")], "").await;
    let mut body = hello("m");
    body["stream"] = json!(true);
    let answer = gateway.post(&body, &[("x-litellm-timeout", "0.4")]).await;
    assert_eq!(answer.events().last(), Some(&"[DONE]"), "{}", answer.body);
}

/// A timeout that the caller chose says nothing about the deployment; the operator's does.
#[tokio::test]
async fn callers_timeout_cools_nobody() {
    let entries = [("m", "one", "stall", ", timeout: 0.1")];
    let rest =
        "router_settings: {num_retries: 0, allowed_fails_policy: {TimeoutErrorAllowedFails: 0}}";
    let gateway = Gateway::at(&entries, rest, Waits::new()).await;
    for _ in 0..3 {
        let answer = gateway
            .post(&hello("m"), &[("x-litellm-timeout", "0.05")])
            .await;
        assert_eq!(way(&answer), (408, "m", "0", "0", "1"), "{}", answer.body);
    }
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (408, "m", "0", "0", "1"), "{}", answer.body);
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (429, "m", "0", "0", "0"), "{}", answer.body);
}

/// What does not answer within the operator's deadline is at fault, also where equal calls share one; what a caller does not
/// wait for is not.
#[tokio::test]
async fn operators_deadline_blames_what_hangs_and_a_callers_does_not() {
    let entries = [("m", "one", "stall", ""), ("n", "two", "stall", "")];
    for cache in [
        "",
        "litellm_settings: {cache: true, cache_params: {type: local}}\n",
    ] {
        let rest = format!(
            "{cache}router_settings: {{num_retries: 0, deadline: 0.4, allowed_fails_policy: {{TimeoutErrorAllowedFails: 0}}}}"
        );
        let gateway = Gateway::of(&entries, &rest).await;
        for (model, stream) in [("m", false), ("n", true)] {
            let body = |headers| {
                let mut body = hello(model);
                body["stream"] = json!(stream);
                let gateway = &gateway;
                async move { gateway.post(&body, headers).await }
            };
            let hasty = body(&[("x-switchyard-deadline", "0.1")]).await;
            assert_eq!(way(&hasty), (408, model, "0", "0", "1"), "{}", hasty.body);
            let both = async { tokio::join!(body(&[]), body(&[])) };
            let both = tokio::time::timeout(Duration::from_secs(20), both).await;
            let (one, other) = both.expect("the deadline ends the call");
            for answer in [one, other] {
                assert_eq!(way(&answer), (408, model, "0", "0", "1"), "{cache}{stream}");
                assert_eq!(answer.header("x-litellm-timeout"), "0.4");
            }
            let cooling = body(&[]).await;
            assert_eq!(
                way(&cooling),
                (429, model, "0", "0", "0"),
                "{cache}{stream}"
            );
        }
    }
}

/// Where the retry budget is empty there is no retry: the error goes to the fallbacks at once. Successes and time fill it.
#[tokio::test]
async fn empty_retry_budget_leads_straight_to_the_fallbacks() {
    let entries = [("a", "a1", "error500", ""), ("b", "b1", "", "")];
    let budget = "{capacity: 30, cost: 14, throttle_cost: 5, refill_per_second: 1}";
    let rest = format!(
        "router_settings: {{num_retries: 1, disable_cooldowns: true, fallbacks: [{{a: [b]}}], retry_budget: {budget}}}"
    );
    let clock = Waits::new();
    let gateway = Gateway::at(&entries, &rest, clock.clone()).await;
    for sends in ["3", "3", "2", "2"] {
        let answer = gateway.chat("a", json!({})).await;
        assert_eq!(way(&answer), (200, "b", "0", "1", sends), "{}", answer.body);
    }
    assert_eq!(clock.taken().len(), 2);
    // 2 tokens and what came with the two short waits; then enough for one more.
    clock.advance(13.0);
    for sends in ["3", "2"] {
        let answer = gateway.chat("a", json!({})).await;
        assert_eq!(way(&answer).4, sends, "{}", answer.body);
    }
    let answer = gateway.chat("a", json!({"disable_fallbacks": true})).await;
    assert_eq!(way(&answer), (503, "a", "0", "0", "1"));
    assert_eq!(answer.header("x-litellm-max-retries"), "");
}

/// A retry that succeeds costs nothing, so a deployment that fails every other time can be retried for ever.
#[tokio::test]
async fn retry_that_succeeds_gets_its_tokens_back() {
    let two = [
        ("m", "bad", "error500", ", weight: 1"),
        ("m", "good", "", ", weight: 0"),
    ];
    let budget = "{capacity: 14, cost: 14, throttle_cost: 5, refill_per_second: 0}";
    let rest = format!(
        "router_settings: {{num_retries: 1, disable_cooldowns: true, retry_budget: {budget}}}"
    );
    let gateway = Gateway::at(&two, &rest, Waits::new()).await;
    for _ in 0..5 {
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(way(&answer), (200, "m", "1", "0", "2"), "{}", answer.body);
    }
}

/// `num_retries_per_request` bounds retries, tiers and fallbacks together.
#[tokio::test]
async fn further_attempts_of_one_request_are_bounded_together() {
    let entries = [
        ("a", "a1", "error500", ""),
        ("b", "b1", "error503", ""),
        ("c", "c1", "", ""),
    ];
    let rest = "router_settings: {num_retries: 1, disable_cooldowns: true, fallbacks: [{a: [b, c]}]}\nlitellm_settings: {num_retries_per_request: 3}";
    let gateway = Gateway::at(&entries, rest, Waits::new()).await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (503, "a", "1", "1", "4"), "{}", answer.body);
}

/// A refused connection counts against its deployment like a 5xx.
#[tokio::test]
async fn refused_connections_cool_their_deployment() {
    let nowhere = Refusing::new();
    let clock = Waits::new();
    let yaml = format!(
        "model_list:\n{}{}router_settings: {{num_retries: 1, allowed_fails: 1}}\n",
        entry_at("m", "dead", &nowhere.url),
        entry("m", "good", "", "")
    );
    let gateway = Gateway::with(&yaml, clock.clone()).await;
    let mut retried = 0;
    for _ in 0..40 {
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(
            (answer.status, answer.header("x-litellm-model-id")),
            (200, "good")
        );
        retried += usize::from(answer.header("x-litellm-attempted-retries") == "1");
    }
    assert_eq!(retried, 2, "cooled after the second failure");
}

/// After a cooldown one call alone is the probe: all others go on as if it cooled. A failed probe cools twice as long.
#[tokio::test]
async fn one_call_alone_probes_a_deployment_and_a_failed_probe_doubles_its_cooldown() {
    let entries = [
        ("m", "one", "missing=2", ""),
        ("m", "two", "missing=2,slow=0", ""),
    ];
    let clock = Waits::new();
    let rest = "router_settings: {num_retries: 0}";
    let gateway = Gateway::at(&entries, rest, clock.clone()).await;
    for _ in 0..2 {
        assert_eq!(gateway.chat("m", json!({})).await.status, 404);
    }
    assert_eq!(way(&gateway.chat("m", json!({})).await).0, 429);
    clock.advance(5.0);
    // Both probes fail; each cools for 10 s now.
    for _ in 0..2 {
        assert_eq!(gateway.chat("m", json!({})).await.status, 404);
    }
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "10"));
    clock.advance(10.0);
    // Two probes that do not end, and then nobody is ready.
    let stalled = json!({"messages": [{"role": "user", "content": "hello [[sim:stall]]"}]});
    let mut first = Box::pin(gateway.chat("m", stalled.clone()));
    tokio::select! { _ = &mut first => panic!("it never answers"), () = until_open(&gateway, 1) => {} }
    let mut second = Box::pin(gateway.chat("m", stalled));
    tokio::select! { _ = &mut second => panic!("it never answers"), () = until_open(&gateway, 2) => {} }
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(way(&answer), (429, "m", "0", "0", "0"), "{}", answer.body);
    // A probe whose client hangs up is due again, and a success opens the deployment for all.
    drop((first, second));
    until_open(&gateway, 0).await;
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let answer = gateway.chat("m", json!({})).await;
        if answer.status == 200 {
            ids.insert(answer.header("x-litellm-model-id").to_owned());
        }
    }
    assert_eq!(ids.len(), 2, "{ids:?}");
}

/// Waits until so many answers are withheld.
async fn until_open(gateway: &Gateway, total: usize) {
    while gateway.simulator.open_streams() != total {
        tokio::task::yield_now().await;
    }
}
