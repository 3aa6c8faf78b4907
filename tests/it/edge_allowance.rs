//! How many retries a call may make: the places that say so, and which of them counts.

use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::scenes::{Waits, way};

async fn alone(fault: &str, params: &str, rest: &str) -> Gateway {
    Gateway::at(&[("m", "one", fault, params)], rest, Waits::new()).await
}

/// A request that asks for no retries at all gets none, whatever the policy says; one that asks for some gets the policy's.
/// The header comes before the body, and the policy makes a retry of what is none by itself.
#[tokio::test]
async fn request_for_no_retries_beats_the_policy_and_the_header_beats_the_body() {
    let rest = "router_settings: {num_retries: 0, retry_policy: {ServiceUnavailableErrorRetries: 1, BadRequestErrorRetries: 1}}";
    let plain = "router_settings: {num_retries: 4}";
    for (fault, rest, body, header, calls) in [
        ("error500", rest, None, None, 2),
        ("error500", rest, Some(0), None, 1),
        ("error500", rest, Some(5), None, 2),
        ("error500", rest, Some(0), Some("2"), 2),
        ("error500", rest, Some(5), Some("0"), 1),
        ("validation", rest, None, None, 2),
        ("validation", rest, Some(0), None, 1),
        ("error500", plain, Some(0), Some("2"), 3),
        ("error500", plain, Some(2), Some("0"), 1),
        ("error500", plain, Some(1), None, 2),
        ("validation", plain, Some(5), None, 1),
    ] {
        let gateway = alone(fault, "", rest).await;
        let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
        if let Some(retries) = body {
            request["num_retries"] = json!(retries);
        }
        let headers: Vec<_> = (header.iter())
            .map(|value| ("x-litellm-num-retries", *value))
            .collect();
        let answer = gateway.post(&request, &headers).await;
        let asked = (fault, body, header);
        assert_eq!(gateway.calls_of("one"), calls, "{asked:?}: {}", answer.body);
        assert_eq!(way(&answer).2, (calls - 1).to_string(), "{asked:?}");
    }
}

/// Where the number of retries may stand: the request's header, its body, the deployment, the router; and a policy over
/// all of them.
#[tokio::test]
async fn number_of_retries_comes_from_the_strongest_place_that_says_one() {
    const ROUTER_DEFAULT: usize = 2;
    for places in 0..8_u32 {
        let has = |bit: u32| places & (1 << bit) != 0;
        let params = if has(0) { ", num_retries: 3" } else { "" };
        let mut settings = Vec::new();
        if has(1) {
            settings.push("num_retries: 4");
        }
        if has(2) {
            settings.push("retry_policy: {ServiceUnavailableErrorRetries: 6}");
        }
        let rest = format!("router_settings: {{{}}}", settings.join(", "));
        let gateway = alone("error500", params, &rest).await;
        for asked in 0..4_u32 {
            let mut body: Value =
                json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
            if asked & 1 != 0 {
                body["num_retries"] = json!(5);
            }
            let headers: &[_] = if asked & 2 != 0 {
                &[("x-litellm-num-retries", "1")]
            } else {
                &[]
            };
            let expected = match (has(2), asked) {
                (true, _) => 6,
                (false, 2 | 3) => 1,
                (false, 1) => 5,
                _ if has(0) => 3,
                _ if has(1) => 4,
                _ => ROUTER_DEFAULT,
            };
            let before = gateway.calls_of("one");
            let answer = gateway.post(&body, headers).await;
            let case = format!(
                "deployment {}, router {}, policy {}, request {asked:02b}",
                has(0),
                has(1),
                has(2)
            );
            assert_eq!(
                way(&answer),
                (
                    503,
                    "m",
                    &*expected.to_string(),
                    "0",
                    &*(expected + 1).to_string()
                ),
                "{case}"
            );
            assert_eq!(
                answer.header("x-litellm-max-retries"),
                expected.to_string(),
                "{case}"
            );
            assert_eq!(gateway.calls_of("one") - before, expected + 1, "{case}");
        }
    }
}

/// A wish for retries that is no number is the caller's mistake.
#[tokio::test]
async fn number_of_retries_that_is_none_is_refused() {
    let gateway = alone("", "", "").await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    for value in ["-1", "two", "1.5", ""] {
        let answer = gateway
            .post(&body, &[("x-litellm-num-retries", value)])
            .await;
        assert_eq!(answer.status, 400, "{value:?}: {}", answer.body);
    }
    assert_eq!(gateway.calls_of("one"), 0);
}
