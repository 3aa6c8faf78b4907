//! What is tried after a group has failed: the lists, their order, their bounds, and what the headers say.

use serde_json::{Value, json};

use crate::support::scenes::{Waits, way};
use crate::support::{Answer, Gateway};

/// A gateway with one deployment per group: name (its id is `<name>1`) and fault.
async fn groups(groups: &[(&str, &str)], settings: &str) -> Gateway {
    let ids: Vec<String> = groups.iter().map(|(name, _)| format!("{name}1")).collect();
    let entries: Vec<_> = (groups.iter().zip(&ids))
        .map(|((name, fault), id)| (*name, id.as_str(), *fault, ""))
        .collect();
    let rest = format!("router_settings: {{disable_cooldowns: true, {settings}}}");
    Gateway::at(&entries, &rest, Waits::new()).await
}

/// Who was called, in order.
fn called(gateway: &Gateway) -> Vec<String> {
    (gateway.simulator.calls().iter())
        .map(|call| call.headers["x-deployment"].to_str().unwrap().to_owned())
        .collect()
}

fn answered_by(answer: &Answer) -> (u16, &str, &str) {
    let (status, group, _, fallbacks, _) = way(answer);
    (status, group, fallbacks)
}

/// A fallback answers in the place of a group that cannot, is counted, and the client's name for the model stays.
#[tokio::test]
async fn fallback_answers_when_the_group_cannot_and_is_counted() {
    let gateway = groups(
        &[("a", "error500"), ("b", "")],
        "num_retries: 0, fallbacks: [{a: [b]}]",
    )
    .await;
    for stream in [false, true] {
        let answer = gateway.chat("a", json!({"stream": stream})).await;
        assert_eq!(way(&answer), (200, "b", "0", "1", "2"), "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), "b1");
        assert!(answer.body.contains("\"model\":\"a\""), "{}", answer.body);
    }
}

/// A conversation that is too long goes to its own list, else to the general one, whoever else has a list of their own;
/// it is not retried.
#[tokio::test]
async fn context_error_goes_to_its_own_list_then_the_general_one_then_the_default() {
    for (settings, group) in [
        (
            "context_window_fallbacks: [{x: [c]}], fallbacks: [{a: [b]}]",
            "b",
        ),
        ("fallbacks: [{a: [b]}]", "b"),
        (
            "context_window_fallbacks: [{a: [c]}], fallbacks: [{a: [b]}]",
            "c",
        ),
        (
            "context_window_fallbacks: [{'*': [c]}], fallbacks: [{a: [b]}]",
            "c",
        ),
        (
            "context_window_fallbacks: [{x: [c]}], default_fallbacks: [b]",
            "b",
        ),
    ] {
        let all = [("a", "context-window"), ("b", ""), ("c", ""), ("x", "")];
        let gateway = groups(&all, settings).await;
        let answer = gateway.chat("a", json!({})).await;
        assert_eq!(way(&answer), (200, group, "0", "1", "2"), "{settings}");
        assert_eq!(
            called(&gateway),
            ["a1".to_owned(), format!("{group}1")],
            "{settings}"
        );
    }
    let all = [("a", "context-window"), ("b", ""), ("x", "")];
    let gateway = groups(&all, "context_window_fallbacks: [{x: [b]}]").await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (400, "a", "0", "0", "1"));
}

/// The request's own list takes the place of the router's; its entries may replace the messages.
#[tokio::test]
async fn request_brings_its_own_fallbacks() {
    let all = [("a", "error500"), ("b", ""), ("c", "")];
    let gateway = groups(&all, "num_retries: 0, fallbacks: [{a: [c]}]").await;
    let other = json!([{"role": "user", "content": "quite another question"}]);
    for (fallbacks, group, says) in [
        (json!(["b"]), "b", "hello"),
        (json!([{"a": ["b"]}]), "b", "hello"),
        (
            json!([{"model": "b", "messages": other}]),
            "b",
            "quite another question",
        ),
        (
            json!([{"a": [{"model": "b", "messages": other}]}]),
            "b",
            "quite another question",
        ),
        (json!([{"model": "b", "max_tokens": 7}]), "b", "hello"),
        (Value::Null, "c", "hello"),
    ] {
        let answer = gateway.chat("a", json!({"fallbacks": fallbacks})).await;
        assert_eq!(
            answered_by(&answer),
            (200, group, "1"),
            "{fallbacks}: {}",
            answer.body
        );
        let calls = gateway.simulator.calls();
        let sent: Value = serde_json::from_slice(&calls.last().unwrap().body).unwrap();
        assert_eq!(
            sent["messages"][0]["content"][0]["text"], says,
            "{fallbacks}"
        );
        if fallbacks[0]["max_tokens"] == 7 {
            assert_eq!(sent["inferenceConfig"]["maxTokens"], 7);
        }
    }
    let answer = gateway
        .chat("a", json!({"fallbacks": [{"b": ["c"]}]}))
        .await;
    assert_eq!(
        answered_by(&answer),
        (503, "a", "0"),
        "no list for this group"
    );
    let answer = gateway.chat("a", json!({"fallbacks": []})).await;
    assert_eq!(
        answered_by(&answer),
        (503, "a", "0"),
        "an empty list is a list"
    );
}

/// A request without fallbacks has none at all: no order tiers, no default ones.
#[tokio::test]
async fn disabled_fallbacks_are_tiers_and_default_ones_too() {
    let entries = [
        ("a", "a1", "error500", ", order: 1"),
        ("a", "a2", "", ", order: 2"),
        ("b", "b1", "", ""),
    ];
    let rest = "router_settings: {num_retries: 1, disable_cooldowns: true, fallbacks: [{a: [b]}], default_fallbacks: [b]}";
    let gateway = Gateway::at(&entries, rest, Waits::new()).await;
    let answer = gateway.chat("a", json!({"disable_fallbacks": true})).await;
    assert_eq!(way(&answer), (503, "a", "1", "0", "2"), "{}", answer.body);
    assert_eq!(called(&gateway), ["a1", "a1"]);
    let answer = gateway.chat("a", json!({"disable_fallbacks": false})).await;
    assert_eq!(answered_by(&answer), (200, "a", "1"));
}

/// Lists that lead in a circle try each group once, and the client gets the first group's error.
#[tokio::test]
async fn circle_of_fallbacks_tries_each_once() {
    let all = [("a", "error500"), ("b", "throttle")];
    let gateway = groups(&all, "num_retries: 0, fallbacks: [{a: [b]}, {b: [a]}]").await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (503, "a", "0", "1", "2"), "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "a1");
    assert_eq!(called(&gateway), ["a1", "b1"]);
    let answer = gateway.chat("b", json!({})).await;
    assert_eq!(way(&answer), (429, "b", "0", "1", "2"), "{}", answer.body);
}

/// A fallback has its own fallbacks, and its own retries.
#[tokio::test]
async fn fallback_of_a_fallback_is_reached_and_counted() {
    let all = [("a", "error500"), ("b", "error503"), ("c", "throttle=1")];
    let gateway = groups(&all, "num_retries: 1, fallbacks: [{a: [b]}, {b: [c]}]").await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (200, "c", "1", "2", "6"), "{}", answer.body);
    assert_eq!(called(&gateway), ["a1", "a1", "b1", "b1", "c1", "c1"]);
    // The second entry of a flat list counts the same.
    let all = [("a", "error500"), ("b", "error503"), ("c", "")];
    let gateway = groups(&all, "num_retries: 0, fallbacks: [{a: [b, c]}]").await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (200, "c", "0", "2", "3"), "{}", answer.body);
}

/// `max_fallbacks` bounds how deep one list leads to another, not how long one is.
#[tokio::test]
async fn flat_list_is_tried_to_its_end_and_a_chain_to_its_bound() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let all: Vec<_> = names.iter().map(|name| (*name, "error500")).collect();
    let gateway = groups(
        &all,
        "num_retries: 0, fallbacks: [{a: [b, c, d, e, f, g, h, i]}]",
    )
    .await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (503, "a", "0", "8", "9"), "{}", answer.body);
    let chain: Vec<_> = names
        .windows(2)
        .map(|pair| format!("{{{}: [{}]}}", pair[0], pair[1]))
        .collect();
    for (most, hops) in [
        ("", 5),
        ("max_fallbacks: 2, ", 2),
        ("max_fallbacks: 0, ", 0),
    ] {
        let settings = format!("{most}num_retries: 0, fallbacks: [{}]", chain.join(", "));
        let gateway = groups(&all, &settings).await;
        let answer = gateway.chat("a", json!({})).await;
        let (fallbacks, sends) = (hops.to_string(), (hops + 1).to_string());
        assert_eq!(
            way(&answer),
            (503, "a", "0", &*fallbacks, &*sends),
            "{most}"
        );
        assert_eq!(called(&gateway).len(), hops + 1, "{most}");
    }
}

/// A caller's mistake does not fall back, nor does an unknown name, unless the operator says so.
#[tokio::test]
async fn callers_mistakes_fall_back_only_where_the_operator_says_so() {
    let all = [("a", "validation"), ("b", "")];
    let gateway = groups(&all, "default_fallbacks: [b]").await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (400, "a", "0", "0", "1"));
    let answer = gateway.chat("nobody", json!({})).await;
    assert_eq!((answer.status, way(&answer).4), (400, "0"));
    let gateway = groups(&all, "default_fallbacks: [b], fallback_on_4xx: true").await;
    for (model, sends) in [("a", "2"), ("nobody", "1")] {
        let answer = gateway.chat(model, json!({})).await;
        assert_eq!(
            way(&answer),
            (200, "b", "0", "1", sends),
            "{model}: {}",
            answer.body
        );
    }
}

/// The first group's error is told with its own headers, whatever the fallbacks came to.
#[tokio::test]
async fn error_after_failed_fallbacks_is_the_first_groups_in_every_header() {
    let all = [
        ("a", "throttle,throttle-after=9"),
        ("b", "error500"),
        ("c", "missing"),
    ];
    let gateway = groups(&all, "num_retries: 1, fallbacks: [{a: [b, c]}]").await;
    for stream in [false, true] {
        let answer = gateway.chat("a", json!({"stream": stream})).await;
        assert_eq!(way(&answer), (429, "a", "1", "2", "5"), "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), "a1");
        assert_eq!(answer.header("x-litellm-max-retries"), "1");
        assert_eq!(answer.header("retry-after"), "9");
        assert_eq!(answer.json()["error"]["type"], "throttling_error");
    }
}

/// A group whose deployments all cool down goes to its fallbacks at once; where they fail too, its own error is told.
#[tokio::test]
async fn cooling_group_goes_to_its_fallbacks_without_an_attempt() {
    let entries = [("a", "a1", "missing", ""), ("b", "b1", "error500=1", "")];
    let rest = "router_settings: {num_retries: 0, fallbacks: [{a: [b]}]}";
    let gateway = Gateway::at(&entries, rest, Waits::new()).await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (404, "a", "0", "1", "2"), "{}", answer.body);
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (200, "b", "0", "1", "1"), "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "b1");
    let all = [("a", "a1", "missing", ""), ("b", "b1", "error500", "")];
    let gateway = Gateway::at(&all, rest, Waits::new()).await;
    let _cooled = gateway.chat("a", json!({})).await;
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(way(&answer), (429, "a", "0", "1", "1"), "{}", answer.body);
    assert_eq!(
        answer.header("x-litellm-model-id"),
        "",
        "none of this group was chosen"
    );
    assert_eq!(answer.header("retry-after"), "5");
}
