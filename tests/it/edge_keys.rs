//! Virtual keys: where a key may stand, and what one may not do.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use switchyard::clock::SystemClock;

use crate::support::entry::{Entry, serving, timed, until};
use crate::support::{Answer, Gateway};

const MASTER: &str = "general_settings: {master_key: sk-master-and-long-enough}\n";

fn named<'a>(name: &'a str, id: &'a str) -> Entry<'a> {
    Entry::of(name, id)
}

async fn with_keys(keys: &str) -> Gateway {
    let entries = [named("m", "m1"), named("n", "n1"), named("bedrock/*", "w1")];
    serving(&entries, &format!("{MASTER}virtual_keys:\n{keys}")).await
}

fn body(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
}

async fn ask(gateway: &Gateway, key: &str, body: &Value) -> Answer {
    let key = format!("Bearer {key}");
    gateway.post(body, &[("authorization", &key)]).await
}

fn is_refused(answer: &Answer, status: u16, kind: &str) {
    let error = &answer.json()["error"];
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!(kind), &json!(status.to_string())),
        "{error}"
    );
    assert!(
        !answer.body.contains("-long-enough") && !answer.body.contains("unknown"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn key_is_found_in_each_of_its_headers() {
    let gateway = with_keys("  - {key: sk-one-and-long-enough}\n").await;
    let signed = "AWS4-HMAC-SHA256 Credential=sk-one-and-long-enough/20260101/us-west-2/bedrock/aws4_request, SignedHeaders=host, Signature=00";
    for (name, value) in [
        ("authorization", "Bearer sk-one-and-long-enough"),
        ("authorization", "bearer sk-one-and-long-enough"),
        ("authorization", "Basic sk-one-and-long-enough"),
        ("authorization", signed),
        ("x-litellm-api-key", "sk-one-and-long-enough"),
        ("x-litellm-api-key", "Bearer sk-one-and-long-enough"),
        ("api-key", "sk-one-and-long-enough"),
        ("x-api-key", "sk-one-and-long-enough"),
        ("x-goog-api-key", "sk-one-and-long-enough"),
        ("Ocp-Apim-Subscription-Key", "sk-one-and-long-enough"),
        ("authorization", "Bearer sk-master-and-long-enough"),
    ] {
        let answer = gateway.post(&body("m"), &[(name, value)]).await;
        assert_eq!(answer.status, 200, "{name} {value}: {}", answer.body);
    }
    // The first header counts, right or wrong.
    let both = [
        ("x-litellm-api-key", "sk-wrong"),
        ("authorization", "Bearer sk-one-and-long-enough"),
    ];
    is_refused(&gateway.post(&body("m"), &both).await, 401, "auth_error");
}

#[tokio::test]
async fn what_is_no_key_is_401_and_not_repeated() {
    let gateway = with_keys("  - {key: sk-one-and-long-enough}\n").await;
    is_refused(&gateway.post(&body("m"), &[]).await, 401, "auth_error");
    for value in [
        "sk-one-and-long-enough",
        "Bearer sk-unknown",
        "Bearer other",
        "Digest sk-one-and-long-enough",
        "AWS4-HMAC-SHA256 nothing",
    ] {
        let answer = gateway.post(&body("m"), &[("authorization", value)]).await;
        is_refused(&answer, 401, "auth_error");
        assert_eq!(answer.json()["error"]["param"], Value::Null);
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.starts_with("Authentication Error, "), "{message}");
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
}

#[tokio::test]
async fn header_of_the_operators_choice_is_the_only_one() {
    let rest = "general_settings: {master_key: sk-master-and-long-enough, litellm_key_header_name: X-My-Key}\n";
    let gateway = serving(&[Entry::default()], rest).await;
    for value in [
        "sk-master-and-long-enough",
        "Bearer sk-master-and-long-enough",
    ] {
        let answer = gateway.post(&body("m"), &[("x-my-key", value)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let elsewhere = [("authorization", "Bearer sk-master-and-long-enough")];
    is_refused(
        &gateway.post(&body("m"), &elsewhere).await,
        401,
        "auth_error",
    );
}

#[tokio::test]
async fn hash_stands_for_a_key() {
    // SHA-256 of `sk-one-and-long-enough`.
    let hash = "041f5a4892c98e3cba07c70650165443e1807a21771a6da64b015befc6690f49";
    let gateway = with_keys(&format!("  - {{hash: {hash}}}\n")).await;
    assert_eq!(
        ask(&gateway, "sk-one-and-long-enough", &body("m"))
            .await
            .status,
        200
    );
    is_refused(&ask(&gateway, hash, &body("m")).await, 401, "auth_error");
}

#[tokio::test]
async fn blocked_and_expired_keys_are_401() {
    let keys = "  - {key: sk-blocked-and-long-enough, blocked: true}\n  - {key: sk-old-and-long-enough, expires: \"2020-01-01T00:00:00Z\"}\n";
    let gateway = with_keys(keys).await;
    let blocked = ask(&gateway, "sk-blocked-and-long-enough", &body("m")).await;
    is_refused(&blocked, 401, "auth_error");
    let expired = ask(&gateway, "sk-old-and-long-enough", &body("m")).await;
    is_refused(&expired, 401, "expired_key");
    assert_eq!(gateway.simulator.calls_total(), 0);
}

#[tokio::test]
async fn key_lives_for_its_duration() {
    let rest = format!(
        "{MASTER}virtual_keys:\n  - {{key: sk-one-and-long-enough, expires: \"2027-01-15T08:01:00Z\"}}\n"
    );
    // The clock stands at 2027-01-15T08:00:00Z.
    let (gateway, clock) = timed(&[Entry::default()], &rest).await;
    assert_eq!(
        ask(&gateway, "sk-one-and-long-enough", &body("m"))
            .await
            .status,
        200
    );
    clock.advance(Duration::from_secs(60));
    let expired = ask(&gateway, "sk-one-and-long-enough", &body("m")).await;
    is_refused(&expired, 401, "expired_key");
}

#[tokio::test]
async fn model_that_is_not_the_keys_is_403_also_as_a_fallback() {
    let keys = "  - {key: sk-m-and-long-enough, models: [m]}\n  - {key: sk-wild-and-long-enough, models: [\"bedrock/*\"]}\n  \
        - {key: sk-none-and-long-enough, models: [no-default-models]}\n";
    let gateway = with_keys(keys).await;
    assert_eq!(
        ask(&gateway, "sk-m-and-long-enough", &body("m"))
            .await
            .status,
        200
    );
    for (key, model) in [
        ("m", "n"),
        ("m", "nope"),
        ("m", "bedrock/x"),
        ("wild", "m"),
        ("none", "m"),
    ] {
        let answer = ask(&gateway, &format!("sk-{key}-and-long-enough"), &body(model)).await;
        is_refused(&answer, 403, "key_model_access_denied");
        assert_eq!(answer.json()["error"]["param"], "model");
        assert!(
            !answer.body.contains("\"m\"") && !answer.body.contains("bedrock/*"),
            "{}",
            answer.body
        );
    }
    let wild = ask(
        &gateway,
        "sk-wild-and-long-enough",
        &body("bedrock/anthropic.claude-x"),
    )
    .await;
    assert_eq!(wild.status, 200, "{}", wild.body);
    let mut with_fallback = body("m");
    with_fallback["fallbacks"] = json!(["n"]);
    let answer = ask(&gateway, "sk-m-and-long-enough", &with_fallback).await;
    is_refused(&answer, 403, "key_model_access_denied");
    assert_eq!(gateway.simulator.calls_total(), 2);
}

#[tokio::test]
async fn fallback_of_the_file_that_the_key_may_not_call_is_passed_over() {
    let mut bad = named("m", "m1");
    bad.fault = "error503";
    let rest = format!(
        "{MASTER}router_settings: {{num_retries: 0, fallbacks: [{{m: [n, o]}}]}}\nvirtual_keys:\n  \
         - {{key: sk-mo-and-long-enough, models: [m, o]}}\n"
    );
    let gateway = serving(&[bad, named("n", "n1"), named("o", "o1")], &rest).await;
    let answer = ask(&gateway, "sk-mo-and-long-enough", &body("m")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "o1");
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
}

#[tokio::test]
async fn key_sees_its_models_only() {
    let keys = "  - {key: sk-m-and-long-enough, models: [m]}\n  - {key: sk-all-and-long-enough}\n";
    let gateway = with_keys(keys).await;
    for (key, expected) in [("m", vec!["m"]), ("all", vec!["m", "n", "bedrock/*"])] {
        let key = format!("sk-{key}-and-long-enough");
        let list = gateway
            .call(Method::GET, "/v1/models", Some(&key))
            .await
            .json();
        let ids: Vec<&str> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected);
    }
    let other = gateway
        .call(Method::GET, "/v1/models/n", Some("sk-m-and-long-enough"))
        .await;
    assert_eq!(other.status, 404);
}

#[tokio::test]
async fn keys_own_names_are_checked_by_what_they_stand_for() {
    let keys = "  - {key: sk-a-and-long-enough, models: [m], aliases: {mine: m, theirs: n}}\n  \
        - {key: sk-b-and-long-enough, router_settings: {model_group_alias: {mine: n}}}\n";
    let gateway = with_keys(keys).await;
    let mine = ask(&gateway, "sk-a-and-long-enough", &body("mine")).await;
    assert_eq!(mine.status, 200, "{}", mine.body);
    assert_eq!(mine.header("x-litellm-model-id"), "m1");
    assert_eq!(mine.json()["model"], "mine");
    let theirs = ask(&gateway, "sk-a-and-long-enough", &body("theirs")).await;
    is_refused(&theirs, 403, "key_model_access_denied");
    let other = ask(&gateway, "sk-b-and-long-enough", &body("mine")).await;
    assert_eq!(other.header("x-litellm-model-id"), "n1", "{}", other.body);
}

#[tokio::test]
async fn routes_and_cache_controls_are_the_keys() {
    let keys = "  - {key: sk-info-and-long-enough, key_type: read_only}\n  - {key: sk-ttl-and-long-enough, allowed_cache_controls: [ttl]}\n";
    let entries = [named("m", "m1")];
    let rest = format!(
        "{MASTER}litellm_settings: {{cache: true, cache_params: {{type: local}}}}\nvirtual_keys:\n{keys}"
    );
    let gateway = serving(&entries, &rest).await;
    is_refused(
        &ask(&gateway, "sk-info-and-long-enough", &body("m")).await,
        403,
        "auth_error",
    );
    let mut cached = body("m");
    cached["cache"] = json!({"ttl": 5});
    assert_eq!(
        ask(&gateway, "sk-ttl-and-long-enough", &cached)
            .await
            .status,
        200
    );
    cached["cache"] = json!({"no-cache": true});
    let refused = ask(&gateway, "sk-ttl-and-long-enough", &cached).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(
        refused
            .body
            .contains("Not allowed to set no-cache as a cache control")
    );
}

#[tokio::test]
async fn keys_own_routing_comes_before_the_routers() {
    let mut bad = named("m", "m1");
    bad.fault = "error503";
    let keys = "  - {key: sk-own-and-long-enough, router_settings: {num_retries: 0, fallbacks: [{m: [o]}]}}\n  - {key: sk-all-and-long-enough}\n";
    let rest = format!(
        "{MASTER}router_settings: {{num_retries: 1, disable_cooldowns: true, fallbacks: [{{m: [n]}}]}}\nvirtual_keys:\n{keys}"
    );
    let gateway = serving(&[bad, named("n", "n1"), named("o", "o1")], &rest).await;
    for (key, id, attempts) in [("own", "o1", "2"), ("all", "n1", "3")] {
        let answer = ask(&gateway, &format!("sk-{key}-and-long-enough"), &body("m")).await;
        assert_eq!(answer.header("x-litellm-model-id"), id, "{}", answer.body);
        assert_eq!(
            answer.header("x-switchyard-total-attempts"),
            attempts,
            "{key}"
        );
    }
}

#[tokio::test]
async fn spent_budget_is_422_until_its_period_ends() {
    let dear = named("m", "m1").params(", input_cost_per_token: 1, output_cost_per_token: 1");
    let free = named("free", "f1").params(", input_cost_per_token: 0, output_cost_per_token: 0");
    let key = "  - {key: sk-one-and-long-enough, max_budget: 5, budget_duration: 1d, aliases: {gratis: free}}\n";
    for stream in [false, true] {
        let (gateway, clock) = timed(&[dear, free], &format!("{MASTER}virtual_keys:\n{key}")).await;
        let mut body = body("m");
        body["stream"] = stream.into();
        let ask = |body: Value| {
            let gateway = &gateway;
            async move { ask(gateway, "sk-one-and-long-enough", &body).await }
        };
        assert_eq!(ask(body.clone()).await.status, 200);
        let spent = ask(body.clone()).await;
        assert_eq!(spent.status, 422, "{stream}");
        is_refused(&spent, 422, "budget_exceeded");
        assert!(
            spent
                .body
                .contains("Budget has been exceeded! Current cost: "),
            "{}",
            spent.body
        );
        // What costs nothing may go on, under the key's own name for it too.
        for model in ["free", "gratis"] {
            body["model"] = model.into();
            let answer = ask(body.clone()).await;
            assert_eq!(answer.status, 200, "{model}: {}", answer.body);
        }
        body["model"] = "m".into();
        clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(ask(body.clone()).await.status, 200);
    }
    let rest = format!(
        "{MASTER}litellm_settings: {{budget_exceeded_status_code: 429}}\nvirtual_keys:\n{key}"
    );
    let (gateway, _clock) = timed(&[dear], &rest).await;
    assert_eq!(
        ask(&gateway, "sk-one-and-long-enough", &body("m"))
            .await
            .status,
        200
    );
    let spent = ask(&gateway, "sk-one-and-long-enough", &body("m")).await;
    is_refused(&spent, 429, "budget_exceeded");
}

/// The budget of the whole gateway is everybody's: the administrator's, each key's, and that of calls passed through.
#[tokio::test]
async fn budget_of_the_gateway_stops_everyone_until_its_period_ends() {
    let dear = Entry {
        params: ", input_cost_per_token: 1, output_cost_per_token: 1",
        ..named("m", "m1")
    };
    let free = Entry {
        params: ", input_cost_per_token: 0, output_cost_per_token: 0",
        ..named("free", "f1")
    };
    let rest = format!(
        "{MASTER}litellm_settings: {{max_budget: 5, budget_duration: 1d}}\nvirtual_keys:\n  - {{key: sk-one-and-long-enough}}\n"
    );
    let (gateway, clock) = timed(&[dear, free], &rest).await;
    let (master, key) = ("sk-master-and-long-enough", "sk-one-and-long-enough");
    assert_eq!(ask(&gateway, key, &body("m")).await.status, 200);
    for caller in [master, key] {
        is_refused(
            &ask(&gateway, caller, &body("m")).await,
            422,
            "budget_exceeded",
        );
        assert_eq!(ask(&gateway, caller, &body("free")).await.status, 200);
    }
    let raw = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let path = "/bedrock/model/m/converse";
    assert_eq!(gateway.post_to(path, &raw, &headers).await.status, 422);
    assert_eq!(gateway.calls_of("m1"), 1);
    clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(gateway.post_to(path, &raw, &headers).await.status, 200);
    is_refused(
        &ask(&gateway, master, &body("m")).await,
        422,
        "budget_exceeded",
    );
}

/// Calls at one time reserve what they may cost, so that they cannot all pass what is left; one that ends gives it back.
#[tokio::test]
async fn calls_at_one_time_cannot_all_pass_a_nearly_spent_budget() {
    let dear = named("m", "m1").params(", input_cost_per_token: 1, output_cost_per_token: 1");
    let key = "sk-one-and-long-enough";
    let rest = format!("{MASTER}virtual_keys:\n  - {{key: {key}, max_budget: 5}}\n");
    let gateway = serving(&[dear], &rest).await;
    let mut hanging = body("m");
    hanging["messages"][0]["content"] = "[[sim:stall]]".into();
    let mut first = Box::pin(ask(&gateway, key, &hanging));
    tokio::select! {
        answer = &mut first => panic!("{}", answer.body),
        () = until(|| gateway.calls_of("m1") == 1) => {}
    }
    is_refused(
        &ask(&gateway, key, &body("m")).await,
        422,
        "budget_exceeded",
    );
    drop(first);
    gateway.is_idle().await;
    let next = ask(&gateway, key, &body("m")).await;
    assert_eq!(next.status, 200, "{}", next.body);
    assert_eq!(gateway.calls_of("m1"), 2);
}

/// Models, the ids of their deployments, and where those are.
const PLACES: [(&str, &str, &str); 3] = [
    ("m", "american", "us-west-2"),
    ("m", "european", "eu-west-1"),
    ("far", "distant", "ap-south-1"),
];

#[tokio::test]
async fn a_key_is_served_in_its_region_alone() {
    let mut yaml = String::from("model_list:\n");
    for (name, id, region) in PLACES {
        let entry = crate::support::entry(name, id, "", "");
        yaml.push_str(&entry.replace("us-west-2", region));
    }
    yaml.push_str("virtual_keys:\n");
    for region in ["eu", "us"] {
        let key = format!("sk-of-{region}-and-long-enough");
        writeln!(yaml, "  - {{key: {key}, allowed_model_region: {region}}}").unwrap();
    }
    let gateway = Gateway::with(&yaml, Arc::new(SystemClock)).await;
    let ask = async |region: &str, model: &str| {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let key = format!("Bearer sk-of-{region}-and-long-enough");
        gateway.post(&body, &[("authorization", &key)]).await
    };
    for _ in 0..12 {
        for (region, id) in [("eu", "european"), ("us", "american")] {
            let answer = ask(region, "m").await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(answer.header("x-litellm-model-id"), id);
        }
    }
    for (region, model) in [("eu", "far"), ("us", "european")] {
        let refused = ask(region, model).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(
            refused.body.contains("allowed region"),
            "{model}: {}",
            refused.body
        );
    }
    assert_eq!(gateway.calls_of("distant"), 0);
}
