//! Equal calls at one time: one call upstream, which lives while one of them waits.

use std::future::Future;
use std::pin::pin;

use serde_json::{Value, json};

use crate::support::entry::{Coming, Entry, serving, until};
use crate::support::{Answer, Gateway};

const CACHE: &str = "litellm_settings: {cache: true, cache_params: {type: local}}\n";

async fn gateway() -> Gateway {
    let rest = format!("{CACHE}router_settings: {{num_retries: 0, disable_cooldowns: true}}");
    serving(&[Entry::default()], &rest).await
}

fn slow(text: &str, stream: bool) -> Value {
    json!({"stream": stream, "messages": [{"role": "user", "content": text}]})
}

/// Calls of the gateway that are under way.
fn running(gateway: &Gateway) -> usize {
    gateway
        .app
        .running
        .load(std::sync::atomic::Ordering::Acquire)
}

/// Runs `call` until `holds`, then gives it up.
async fn given_up<T>(call: impl Future<Output = T>, holds: impl Fn() -> bool) {
    let mut call = pin!(call);
    tokio::select! {
        biased;
        () = until(holds) => {}
        _ = &mut call => panic!("it was to be given up"),
    }
}

#[tokio::test]
async fn equal_calls_share_one_call_upstream() {
    let gateway = gateway().await;
    for stream in [false, true] {
        let before = gateway.simulator.calls_total();
        let body = slow("[[sim:slow-start=100]]", stream);
        let calls = (0..8).map(|_| gateway.chat("m", body.clone()));
        let answers: Vec<Answer> = futures_util::future::join_all(calls).await;
        assert_eq!(gateway.simulator.calls_total(), before + 1, "{stream}");
        for answer in &answers {
            assert_eq!(answer.status, 200, "{}", answer.body);
            if answer.header("x-litellm-cache-hit") == "false" {
                assert_eq!(answer.header("x-litellm-model-id"), "m1");
                assert_eq!(answer.header("x-switchyard-total-attempts"), "1");
            }
            if stream {
                assert_eq!(answer.text(), answers[0].text());
                assert_eq!(answer.events().last(), Some(&"[DONE]"));
            } else {
                let message = &answer.json()["choices"];
                assert_eq!(*message, answers[0].json()["choices"]);
            }
        }
    }
}

#[tokio::test]
async fn error_of_a_shared_call_is_everyones() {
    let gateway = gateway().await;
    let body = slow("[[sim:slow-start=500]] [[sim:error503]]", false);
    let calls = (0..4).map(|_| gateway.chat("m", body.clone()));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-group"), "m");
        assert_eq!(answer.header("x-litellm-model-id"), "m1");
    }
    assert_eq!(gateway.simulator.calls_total(), 1);
}

#[tokio::test]
async fn leader_that_hangs_up_does_not_end_the_call() {
    let gateway = gateway().await;
    let body = slow("[[sim:slow-start=1000]]", false);
    let follower = async {
        until(|| gateway.simulator.calls_total() == 1).await;
        gateway.chat("m", body.clone()).await
    };
    let leader = given_up(gateway.chat("m", body.clone()), || running(&gateway) == 2);
    let (answer, ()) = tokio::join!(follower, leader);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(gateway.simulator.calls_total(), 1);
}

#[tokio::test]
async fn last_one_to_hang_up_ends_the_call() {
    let gateway = gateway().await;
    let body = slow("[[sim:stall]]", false);
    let both = || running(&gateway) == 2 && gateway.simulator.calls_total() == 1;
    let one = given_up(gateway.chat("m", body.clone()), both);
    let other = given_up(gateway.chat("m", body.clone()), both);
    tokio::join!(one, other);
    until(|| gateway.simulator.calls()[0].outcome() == "cancelled").await;
    until(|| running(&gateway) == 0).await;
    assert_eq!(gateway.simulator.calls_total(), 1);
}

#[tokio::test]
async fn shared_stream_goes_on_without_its_leader_and_ends_without_anyone() {
    let gateway = gateway().await;
    let mut body = slow("one two three four five six [[sim:slow=30]]", true);
    body["model"] = json!("m");
    let leader = Coming::of(&gateway, &body).await;
    let follower = Coming::of(&gateway, &body).await;
    drop(leader);
    let text = follower.whole().await;
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(gateway.simulator.calls_total(), 1);
    let mut body = slow("one two three four five six [[sim:stall-mid]]", true);
    body["model"] = json!("m");
    let leader = Coming::of(&gateway, &body).await;
    let follower = Coming::of(&gateway, &body).await;
    drop(leader);
    drop(follower);
    until(|| gateway.simulator.cancelled_streams() == 1).await;
}

#[tokio::test]
async fn follower_waits_no_longer_than_it_said() {
    let gateway = gateway().await;
    let body = slow("[[sim:stall]]", false);
    let mut hasty = body.clone();
    hasty["timeout"] = json!(0.05);
    let is_told = std::cell::Cell::new(false);
    let follower = async {
        until(|| gateway.simulator.calls_total() == 1).await;
        let answer = gateway.chat("m", hasty).await;
        let leading = gateway.simulator.calls()[0].outcome();
        is_told.set(true);
        (answer, leading)
    };
    let leader = given_up(gateway.chat("m", body), || is_told.get());
    let ((answer, leading), ()) = tokio::join!(follower, leader);
    assert_eq!(answer.status, 408, "{}", answer.body);
    // The other one goes on waiting.
    assert_eq!((leading, gateway.simulator.calls_total()), ("open", 1));
}

/// Calls that differ in what their answer depends on while they are under way have a call each, although one kept answer
/// would do for both.
#[tokio::test]
async fn calls_that_would_go_other_ways_share_none() {
    let keys = "virtual_keys:\n  - {key: sk-of-us-and-long-enough, allowed_model_region: us}\n  \
                - {key: sk-of-all-and-long-enough}\n";
    let gateway = serving(&[Entry::default()], &format!("{CACHE}{keys}")).await;
    for (what, more, key) in [
        ("nothing", json!({}), "all"),
        ("stream", json!({"stream": true}), "all"),
        ("retries", json!({"num_retries": 1}), "all"),
        ("fallbacks", json!({"disable_fallbacks": true}), "all"),
        ("region", json!({}), "us"),
    ] {
        let mut body = slow("[[sim:slow-start=300]]", false);
        body["model"] = json!("m");
        body["cache_key"] = json!(what);
        let mut other = body.clone();
        for (name, value) in more.as_object().unwrap() {
            other[name] = value.clone();
        }
        let before = gateway.simulator.calls_total();
        let of = |key: &str| format!("Bearer sk-of-{key}-and-long-enough");
        let (first, second) = (of("all"), of(key));
        let headers = ([("authorization", &*first)], [("authorization", &*second)]);
        let (one, two) = tokio::join!(
            gateway.post(&body, &headers.0),
            gateway.post(&other, &headers.1)
        );
        assert_eq!((one.status, two.status), (200, 200), "{what}: {}", two.body);
        let made = gateway.simulator.calls_total() - before;
        assert_eq!(made, if what == "nothing" { 1 } else { 2 }, "{what}");
    }
}

/// A shared call is made as the first caller's key says: whoever's key says otherwise makes its own.
#[tokio::test]
async fn keys_that_are_treated_differently_share_no_call() {
    let rest = "litellm_settings: {cache: true, cache_params: {type: local}}\n\
        router_settings: {num_retries: 0, disable_cooldowns: true}\n\
        virtual_keys:\n  \
          - {key: sk-plain-and-long-enough}\n  \
          - {key: sk-equal-and-long-enough}\n  \
          - {key: sk-hasty-and-long-enough, router_settings: {timeout: 0.2}}\n  \
          - {key: sk-backed-and-long-enough, router_settings: {fallbacks: [{broken: [m]}]}}\n";
    let entries = [
        Entry::default().fault("slow-start=500"),
        Entry::of("broken", "broken1").fault("slow-start=300,error503"),
    ];
    let gateway = serving(&entries, rest).await;
    for (model, [first, second], statuses, calls) in [
        ("m", ["hasty", "plain"], [408, 200], 2),
        ("broken", ["plain", "backed"], [503, 200], 3),
        ("m", ["plain", "equal"], [200, 200], 1),
    ] {
        let before = gateway.simulator.calls_total();
        let body = json!({"model": model, "messages": [{"role": "user", "content": format!("{first} {second}")}]});
        let ask = async |who: &str| {
            let bearer = format!("Bearer sk-{who}-and-long-enough");
            gateway.post(&body, &[("authorization", &bearer)]).await
        };
        let later = async {
            until(|| gateway.simulator.calls_total() > before).await;
            ask(second).await
        };
        let (one, other) = tokio::join!(ask(first), later);
        assert_eq!(
            [one.status, other.status],
            statuses,
            "{} {}",
            one.body,
            other.body
        );
        assert_eq!(
            gateway.simulator.calls_total() - before,
            calls,
            "{first} {second}"
        );
    }
}
