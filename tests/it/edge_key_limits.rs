//! Limits of virtual keys: per minute and at one time, of the key, its user, its team, a model, a tag, and all together.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::entry::{Coming, Entry, serving, timed};
use crate::support::{Answer, Gateway};

/// Keys `sk-<name>-and-long-enough` with further fields.
fn keys(list: &[(&str, &str)]) -> String {
    let mut yaml = String::from("virtual_keys:\n");
    for (name, fields) in list {
        yaml.push_str("  - {key: sk-");
        yaml.push_str(name);
        yaml.push_str("-and-long-enough");
        yaml.push_str(fields);
        yaml.push_str("}\n");
    }
    yaml
}

async fn ask_with(gateway: &Gateway, key: &str, more: Value) -> Answer {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let key = format!("Bearer sk-{key}-and-long-enough");
    gateway.post(&body, &[("authorization", &key)]).await
}

async fn ask(gateway: &Gateway, key: &str) -> Answer {
    ask_with(gateway, key, json!({})).await
}

fn is_limited(answer: &Answer, whose: &str, counts: &str, wait: &str) {
    let error = &answer.json()["error"];
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("throttling_error"), &json!("429"))
    );
    let message = error["message"].as_str().unwrap();
    let begin = format!("Rate limit exceeded for {whose}. Limit type: {counts}. Current limit: ");
    assert!(message.starts_with(&begin), "{message}");
    assert_eq!(answer.header("retry-after"), wait, "{message}");
    assert_eq!(answer.header("rate_limit_type"), counts);
    assert_eq!(answer.header("x-switchyard-total-attempts"), "0");
}

#[tokio::test]
async fn rpm_of_a_key_is_exact_and_says_the_true_wait() {
    let rest = keys(&[("one", ", rpm_limit: 1"), ("other", "")]);
    let (gateway, clock) = timed(&[Entry::default()], &rest).await;
    let first = ask(&gateway, "one").await;
    assert_eq!(first.status, 200, "{}", first.body);
    for (header, value) in [
        ("x-ratelimit-api_key-limit-requests", "1"),
        ("x-ratelimit-api_key-remaining-requests", "0"),
        ("x-litellm-key-rpm-limit", "1"),
    ] {
        assert_eq!(first.header(header), value, "{header}");
    }
    clock.advance(Duration::from_millis(17_500));
    let limited = ask(&gateway, "one").await;
    is_limited(&limited, "api_key", "requests", "43");
    assert_eq!(limited.header("reset_at"), "2027-01-15 08:01:00 UTC");
    for (header, value) in [
        ("x-ratelimit-api_key-limit-requests", "1"),
        ("x-ratelimit-api_key-remaining-requests", "0"),
        ("x-litellm-key-rpm-limit", "1"),
    ] {
        assert_eq!(limited.header(header), value, "{header}");
    }
    assert!(
        limited
            .body
            .contains("Limit resets at: 2027-01-15 08:01:00 UTC"),
        "{}",
        limited.body
    );
    assert_eq!(ask(&gateway, "other").await.status, 200);
    clock.advance(Duration::from_millis(42_500));
    assert_eq!(ask(&gateway, "one").await.status, 200);
}

#[tokio::test]
async fn tpm_of_a_key_reserves_and_settles() {
    let rest = keys(&[("one", ", tpm_limit: 400")]);
    for stream in [false, true] {
        let (gateway, clock) = timed(&[Entry::default()], &rest).await;
        let more = |most: u64| json!({"max_tokens": most, "stream": stream});
        let large = ask_with(&gateway, "one", more(5000)).await;
        assert_eq!(large.status, 200, "{}", large.body);
        assert_eq!(large.header("x-litellm-key-tpm-limit"), "400");
        // The books are closed when the body has been dropped.
        gateway.is_idle().await;
        is_limited(
            &ask_with(&gateway, "one", more(5000)).await,
            "api_key",
            "tokens",
            "60",
        );
        let small = ask_with(&gateway, "one", more(50)).await;
        assert_eq!(small.status, 200, "{stream}: {}", small.body);
        clock.advance(Duration::from_secs(60));
        let again = ask_with(&gateway, "one", more(5000)).await;
        assert_eq!(again.status, 200, "{}", again.body);
    }
}

#[tokio::test]
async fn calls_at_one_time_are_given_back_when_a_stream_is_dropped() {
    let rest = keys(&[("one", ", max_parallel_requests: 1")]);
    let gateway = serving(&[Entry::default()], &rest).await;
    let text = "one two three four five six [[sim:stall-mid]]";
    let body =
        json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": text}]});
    let request = gateway
        .client
        .post(format!("{}/v1/chat/completions", gateway.url))
        .bearer_auth("sk-one-and-long-enough")
        .body(body.to_string());
    let mut response = request.send().await.unwrap();
    let remaining = &response.headers()["x-ratelimit-api_key-remaining-max_parallel_requests"];
    assert_eq!(remaining, "0");
    let text = String::from_utf8(response.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    let stream = Coming { response, text };
    is_limited(
        &ask(&gateway, "one").await,
        "api_key",
        "max_parallel_requests",
        "1",
    );
    drop(stream);
    gateway.is_idle().await;
    for _ in 0..3 {
        assert_eq!(ask(&gateway, "one").await.status, 200);
    }
    // A call that fails gives its slot back too.
    let bad = json!({"messages": [{"role": "user", "content": "[[sim:validation]]"}]});
    assert_eq!(ask_with(&gateway, "one", bad).await.status, 400);
    assert_eq!(ask(&gateway, "one").await.status, 200);
}

#[tokio::test]
async fn user_and_team_are_limited_over_all_their_keys() {
    let rest = keys(&[
        ("a", ", user_id: u, user_rpm_limit: 2"),
        ("b", ", user_id: u, user_rpm_limit: 2"),
        ("c", ", team_id: t, team_rpm_limit: 2"),
        ("d", ", team_id: t, team_rpm_limit: 2"),
    ]);
    let (gateway, _clock) = timed(&[Entry::default()], &rest).await;
    for (one, other, whose) in [("a", "b", "user"), ("c", "d", "team")] {
        let first = ask(&gateway, one).await;
        assert_eq!(first.status, 200, "{}", first.body);
        assert_eq!(
            first.header(&format!("x-ratelimit-{whose}-limit-requests")),
            "2"
        );
        assert_eq!(
            first.header(&format!("x-ratelimit-{whose}-remaining-requests")),
            "1"
        );
        assert_eq!(ask(&gateway, other).await.status, 200);
        for key in [one, other] {
            is_limited(&ask(&gateway, key).await, whose, "requests", "60");
        }
    }
}

#[tokio::test]
async fn limit_on_a_model_leaves_the_others_and_may_fall_back() {
    let rest = format!(
        "router_settings: {{fallbacks: [{{m: [n]}}]}}\n{}",
        keys(&[
            ("one", ", model_rpm_limit: {m: 1}"),
            ("two", ", model_rpm_limit: {m: 1, n: 1}")
        ])
    );
    let (gateway, _clock) = timed(&[Entry::of("m", "m1"), Entry::of("n", "n1")], &rest).await;
    let first = ask(&gateway, "one").await;
    assert_eq!(first.header("x-litellm-model-id"), "m1");
    assert_eq!(
        first.header("x-ratelimit-model_per_key-limit-requests"),
        "1"
    );
    assert_eq!(first.header("x-litellm-key-remaining-requests-m"), "0");
    let second = ask(&gateway, "one").await;
    assert_eq!(second.status, 200, "{}", second.body);
    assert_eq!(second.header("x-litellm-model-id"), "n1");
    assert_eq!(second.header("x-litellm-model-group"), "n");
    assert_eq!(second.header("x-litellm-attempted-fallbacks"), "1");
    assert_eq!(second.json()["model"], "m");
    let alone = ask_with(&gateway, "one", json!({"disable_fallbacks": true})).await;
    is_limited(&alone, "model_per_key", "requests", "60");
    assert_eq!(alone.header("x-litellm-model-group"), "m");
    // The fallback is asked at the same gate.
    assert_eq!(
        ask(&gateway, "two").await.header("x-litellm-model-id"),
        "m1"
    );
    assert_eq!(
        ask(&gateway, "two").await.header("x-litellm-model-id"),
        "n1"
    );
    is_limited(
        &ask(&gateway, "two").await,
        "model_per_key",
        "requests",
        "60",
    );
}

/// A fallback that failed does not keep the next one from the call: what it held of the key is free again.
/// A limit of a key on a model is one on its group, whichever of its names the operator wrote or the caller uses.
#[tokio::test]
async fn limit_on_an_alias_is_one_on_its_group() {
    for (name, more) in [
        ("m", ""),
        ("short", ""),
        ("renamed", ""),
        ("own", ", aliases: {own: short}"),
    ] {
        let fields = format!(", model_rpm_limit: {{{name}: 1}}{more}");
        let rest = format!(
            "router_settings: {{num_retries: 0, model_group_alias: {{short: m}}}}\n\
             litellm_settings: {{model_alias_map: {{renamed: short}}}}\n{}",
            keys(&[("one", &fields)])
        );
        let (gateway, _clock) = timed(&[Entry::default(), Entry::of("n", "n1")], &rest).await;
        let first = ask(&gateway, "one").await;
        assert_eq!(first.status, 200, "{name}: {}", first.body);
        for model in [name, "m", "short", "renamed"] {
            let limited = ask_with(&gateway, "one", json!({"model": model})).await;
            is_limited(&limited, "model_per_key", "requests", "60");
            let left = limited.header("x-ratelimit-model_per_key-remaining-requests");
            assert_eq!(left, "0", "{name} {model}");
        }
        let other = ask_with(&gateway, "one", json!({"model": "n"})).await;
        assert_eq!(other.status, 200, "{name}: {}", other.body);
    }
}

#[tokio::test]
async fn failed_fallback_leaves_the_keys_slot_to_the_next() {
    let rest = format!(
        "router_settings: {{num_retries: 0, fallbacks: [{{m: [n, o]}}]}}\n{}",
        keys(&[("one", ", max_parallel_requests: 1, model_rpm_limit: {m: 1}")])
    );
    let mut bad = Entry::of("n", "n1");
    bad.fault = "error503";
    let (gateway, _clock) = timed(&[Entry::of("m", "m1"), bad, Entry::of("o", "o1")], &rest).await;
    assert_eq!(
        ask(&gateway, "one").await.header("x-litellm-model-id"),
        "m1"
    );
    gateway.comes_to_rest().await;
    let answer = ask(&gateway, "one").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "o1");
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "2");
}

#[tokio::test]
async fn limit_of_the_key_itself_is_final() {
    let rest = format!(
        "router_settings: {{default_fallbacks: [n], fallbacks: [{{m: [n]}}]}}\n{}",
        keys(&[("one", ", rpm_limit: 1")])
    );
    let (gateway, _clock) = timed(&[Entry::of("m", "m1"), Entry::of("n", "n1")], &rest).await;
    assert_eq!(ask(&gateway, "one").await.status, 200);
    is_limited(&ask(&gateway, "one").await, "api_key", "requests", "60");
    let own = ask_with(&gateway, "one", json!({"fallbacks": ["n"]})).await;
    is_limited(&own, "api_key", "requests", "60");
    assert_eq!(gateway.simulator.calls_total(), 1);
}

#[tokio::test]
async fn default_limit_of_a_model_is_every_keys() {
    let entry = Entry::default().params(", default_api_key_rpm_limit: 1");
    let rest = keys(&[
        ("one", ""),
        ("two", ""),
        ("more", ", model_rpm_limit: {m: 2}"),
    ]);
    let (gateway, _clock) = timed(&[entry], &rest).await;
    for (key, most) in [("one", 1), ("two", 1), ("more", 2)] {
        for _ in 0..most {
            assert_eq!(ask(&gateway, key).await.status, 200, "{key}");
        }
        is_limited(&ask(&gateway, key).await, "model_per_key", "requests", "60");
    }
}

#[tokio::test]
async fn limit_on_a_tag_counts_its_calls_alone() {
    let rest = keys(&[("one", ", tag_rpm_limit: {batch: 1}")]);
    let (gateway, _clock) = timed(&[Entry::default()], &rest).await;
    let tagged = json!({"tags": ["batch"]});
    assert_eq!(ask_with(&gateway, "one", tagged.clone()).await.status, 200);
    is_limited(
        &ask_with(&gateway, "one", tagged).await,
        "tag_per_key",
        "requests",
        "60",
    );
    assert_eq!(ask(&gateway, "one").await.status, 200);
    assert_eq!(
        ask_with(&gateway, "one", json!({"tags": ["x"]}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn refused_call_counts_nowhere_else() {
    let rest = keys(&[("one", ", rpm_limit: 2, model_rpm_limit: {m: 1}")]);
    let (gateway, _clock) = timed(&[Entry::of("m", "m1"), Entry::of("n", "n1")], &rest).await;
    assert_eq!(ask(&gateway, "one").await.status, 200);
    for _ in 0..3 {
        is_limited(
            &ask(&gateway, "one").await,
            "model_per_key",
            "requests",
            "60",
        );
    }
    // Of the key's own two requests one is left.
    let other = ask_with(&gateway, "one", json!({"model": "n"})).await;
    assert_eq!(other.status, 200, "{}", other.body);
    is_limited(
        &ask_with(&gateway, "one", json!({"model": "n"})).await,
        "api_key",
        "requests",
        "60",
    );
}

#[tokio::test]
async fn retries_and_hits_are_one_request_of_the_caller() {
    let rest = format!(
        "litellm_settings: {{cache: true, cache_params: {{type: local}}}}\nrouter_settings: {{num_retries: 2}}\n{}",
        keys(&[("one", ", rpm_limit: 2")])
    );
    let entry = Entry::default().fault("error503=2");
    let gateway = serving(&[entry], &rest).await;
    let first = ask(&gateway, "one").await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.header("x-litellm-attempted-retries"), "2");
    assert_eq!(first.header("x-switchyard-total-attempts"), "3");
    assert_eq!(first.header("x-ratelimit-api_key-remaining-requests"), "1");
    // The caller's limits come before the cache.
    let hit = ask(&gateway, "one").await;
    assert_eq!(hit.header("x-litellm-cache-hit"), "true");
    assert_eq!(hit.header("x-ratelimit-api_key-remaining-requests"), "0");
    assert_eq!(ask(&gateway, "one").await.status, 429);
}
