//! Limits hold, and usage is counted and paid for.

use std::time::Instant;

use reqwest::Method;
use serde_json::Value;
use switchyard::limit::LimitName;

use super::{
    KEY, MASTER, MODEL, call, claude_says, directly, gateway, get, hello, own_identity, post_as,
    settings,
};
use crate::support::Gateway;
use crate::support::entry::{Entry, serving};

#[tokio::test]
async fn usage_is_read_on_the_side_and_paid_for() {
    let ask = hello("one two three four five six");
    let anthropic = claude_says("one two three four five six");
    for (action, body) in [
        ("converse", &ask),
        ("converse-stream", &ask),
        ("invoke", &anthropic),
        ("invoke-with-response-stream", &anthropic),
    ] {
        let gateway = dear().await;
        let whole = directly(&gateway, &format!("/model/{MODEL}/converse"), &ask).await;
        let answer = post_as(&gateway, KEY, &format!("/model/m/{action}"), body).await;
        assert_eq!(answer.status, 200, "{action}");
        let spent = gateway.spent().await;
        let expected = whole.json()["usage"]["totalTokens"].as_f64().unwrap();
        assert!(
            (spent - expected).abs() < 1.0,
            "{action}: {spent}, and Converse {expected}"
        );
    }
}

#[tokio::test]
async fn stream_that_breaks_ends_the_connection_and_is_billed_as_far_as_it_came() {
    for fault in ["cut", "reset]] [[sim:at=3"] {
        let gateway = dear().await;
        let body = hello(&format!(
            "one two three four five six seven eight [[sim:{fault}]]"
        ));
        let url = format!("{}/bedrock/model/m/converse-stream", gateway.url);
        let request = gateway
            .client
            .post(url)
            .bearer_auth(KEY)
            .body(body.to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(
            response.bytes().await.is_err(),
            "{fault}: the break must be seen"
        );
        let spent = gateway.spent().await;
        assert!((5.0..60.0).contains(&spent), "{fault}: {spent}");
        gateway.comes_to_rest().await;
    }
}

#[tokio::test]
async fn client_that_hangs_up_ends_the_call_at_aws() {
    let gateway = dear().await;
    let url = format!("{}/bedrock/model/m/converse-stream", gateway.url);
    let body = hello("one two three [[sim:stall-mid]]").to_string();
    let mut response = gateway
        .client
        .post(url)
        .bearer_auth(KEY)
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(
        response.chunk().await.unwrap().is_some(),
        "what has come is not held back"
    );
    drop(response);
    gateway.comes_to_rest().await;
    assert_eq!(gateway.simulator.cancelled_streams(), 1);
    let spent = gateway.spent().await;
    assert!((5.0..60.0).contains(&spent), "{spent}");
}

/// A gateway whose tokens cost a dollar each, and whose only key has a budget.
async fn dear() -> Gateway {
    let entry = Entry::default().params(", input_cost_per_token: 1, output_cost_per_token: 1");
    let keys = format!(
        "virtual_keys:\n  - {{key: {KEY}, max_budget: 100000, budget_duration: 1d, tpm_limit: 100000}}\n"
    );
    serving(&[entry], &format!("{}{keys}", settings(""))).await
}

#[tokio::test]
async fn limits_of_a_key_hold_here_too() {
    let keys = format!("virtual_keys:\n  - {{key: {KEY}, rpm_limit: 2}}\n");
    let gateway = serving(&[own_identity()], &format!("{}{keys}", settings(""))).await;
    let first = post_as(&gateway, KEY, "/model/m/converse", &hello("x")).await;
    let second = get(&gateway, KEY, "/foundation-models").await;
    assert_eq!((first.status, second.status), (200, 200));
    let third = post_as(&gateway, KEY, "/model/m/converse", &hello("x")).await;
    assert_eq!(
        (third.status, third.header("x-amzn-errortype")),
        (429, "ThrottlingException")
    );
    assert!(!third.header("retry-after").is_empty());
}

#[tokio::test]
async fn calls_are_counted_and_what_a_path_says_is_no_label() {
    let gateway = gateway().await;
    let none = Value::Null;
    let ask = hello("x");
    for (method, path, body) in [
        (Method::POST, "/model/m/converse", &ask),
        (Method::POST, "/model/m/converse-stream", &ask),
        (Method::POST, &*format!("/model/{MODEL}/converse"), &ask),
        (Method::GET, "/foundation-models", &none),
    ] {
        assert_eq!(
            call(&gateway, MASTER, method, path, body).await.status,
            200,
            "{path}"
        );
    }
    let refused = get(&gateway, MASTER, "/made-up/by-a-client").await;
    assert_eq!(refused.status, 404);
    gateway.is_idle().await;
    let metrics = gateway
        .call(Method::GET, "/metrics", Some(MASTER))
        .await
        .body;
    let total = |model: &str| {
        let line = format!(
            "litellm_proxy_total_requests_metric_total{{requested_model=\"{model}\",status_code=\"200\"}} "
        );
        metrics.lines().find_map(|found| found.strip_prefix(&*line))
    };
    assert_eq!(
        (total("m"), total("other")),
        (Some("2"), Some("2")),
        "{metrics}"
    );
    for word in [MODEL, "bedrock", "foundation", "made-up"] {
        assert!(
            !metrics.contains(&format!("requested_model=\"{word}")),
            "{word}"
        );
    }
}

#[tokio::test]
async fn a_stream_that_tells_of_its_failure_takes_from_limits_once() {
    for fault in ["exception-mid", "cut"] {
        let gateway = dear().await;
        let text = format!("one two three four five six seven eight [[sim:{fault},at=4]]");
        let body = claude_says(&text);
        let url = format!(
            "{}/bedrock/model/m/invoke-with-response-stream",
            gateway.url
        );
        let request = gateway
            .client
            .post(url)
            .bearer_auth(KEY)
            .body(body.to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.bytes().await.is_err(), fault == "cut");
        let spent = gateway.spent().await;
        assert!(spent > 5.0, "{fault}: {spent}");
        let snapshot = gateway.app.live.load();
        let key = snapshot.keys.virtual_keys().next().unwrap();
        let levels = key.meters("m", &[])[0].levels(Instant::now());
        let used = levels.iter().find(|level| level.limit == LimitName::Tpm);
        #[expect(clippy::cast_precision_loss, reason = "a few tokens")]
        let used = used.unwrap().used as f64;
        assert!((used - spent).abs() < 0.5, "{fault}: {used} of {spent}");
    }
}
