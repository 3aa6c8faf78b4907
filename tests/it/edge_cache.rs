//! The response cache: what is a hit, what a caller can say about it, and what is never kept.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::entry::{Entry, serving, timed};
use crate::support::{Answer, Gateway};

const CACHE: &str = "litellm_settings: {cache: true, cache_params: {type: local}}\n";

async fn gateway(rest: &str) -> Gateway {
    serving(&[Entry::default()], &format!("{CACHE}{rest}")).await
}

fn is_hit(answer: &Answer, first: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        answer.header("x-litellm-cache-hit"),
        "true",
        "{}",
        answer.body
    );
    let key = answer.header("x-litellm-cache-key");
    assert_eq!(key, first.header("x-litellm-cache-key"));
    assert_eq!(answer.body, first.body);
    assert_eq!(answer.header("x-switchyard-total-attempts"), "0");
}

fn is_miss(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-cache-hit"), "false");
    assert_ne!(answer.header("x-litellm-cache-key"), "");
    assert_eq!(answer.header("x-switchyard-total-attempts"), "1");
}

async fn ask(gateway: &Gateway, more: Value) -> Answer {
    gateway.chat("m", more).await
}

#[tokio::test]
async fn equal_call_is_a_hit_with_the_same_id_and_time() {
    let gateway = gateway("").await;
    let first = ask(&gateway, json!({"temperature": 0.5})).await;
    is_miss(&first);
    assert_eq!(first.header("x-litellm-model-id"), "m1");
    is_hit(&ask(&gateway, json!({"temperature": 0.5})).await, &first);
    for other in [
        json!({"temperature": 0.6}),
        json!({"temperature": 0.7}),
        json!({"user": "u"}),
        json!({"max_tokens": 9}),
    ] {
        is_miss(&ask(&gateway, other).await);
    }
    // What only says how the call is served is no part of the question.
    for same in [
        json!({"num_retries": 1}),
        json!({"metadata": {"a": "b"}}),
        json!({"tags": ["t"]}),
        json!({"timeout": 60}),
    ] {
        let mut more = same;
        more["temperature"] = json!(0.5);
        is_hit(&ask(&gateway, more).await, &first);
    }
    assert_eq!(gateway.simulator.calls_total(), 5);
}

#[tokio::test]
async fn long_conversation_is_cached_too_unless_the_operator_bounds_it() {
    let turn = json!({"role": "user", "content": "hello"});
    let reply = json!({"role": "assistant", "content": "yes"});
    let five = json!({"messages": [turn, reply, turn, reply, turn]});
    let gateway = gateway("").await;
    let first = ask(&gateway, five.clone()).await;
    is_hit(&ask(&gateway, five.clone()).await, &first);
    let rest = "litellm_settings: {cache: true, cache_params: {type: local, max_messages: 4}}\n";
    let bounded = serving(&[Entry::default()], rest).await;
    for _ in 0..2 {
        let answer = ask(&bounded, five.clone()).await;
        assert_eq!(answer.header("x-litellm-cache-hit"), "");
    }
    assert_eq!(bounded.simulator.calls_total(), 2);
}

#[tokio::test]
async fn no_cache_looks_nothing_up_but_keeps() {
    let gateway = gateway("").await;
    is_miss(&ask(&gateway, json!({})).await);
    let fresh = ask(&gateway, json!({"cache": {"no-cache": true}})).await;
    is_miss(&fresh);
    is_hit(&ask(&gateway, json!({})).await, &fresh);
    assert_eq!(gateway.simulator.calls_total(), 2);
}

#[tokio::test]
async fn no_store_keeps_nothing_but_looks_up() {
    let gateway = gateway("").await;
    let no_store = json!({"cache": {"no-store": true}});
    is_miss(&ask(&gateway, no_store.clone()).await);
    let first = ask(&gateway, json!({})).await;
    is_miss(&first);
    is_hit(&ask(&gateway, no_store).await, &first);
}

#[tokio::test]
async fn ttl_and_s_maxage_bound_the_age() {
    let (gateway, clock) = timed(&[Entry::default()], CACHE).await;
    let first = ask(&gateway, json!({"cache": {"ttl": 10}})).await;
    is_miss(&first);
    clock.advance(Duration::from_secs(9));
    is_hit(&ask(&gateway, json!({})).await, &first);
    is_hit(
        &ask(&gateway, json!({"cache": {"s-maxage": 10}})).await,
        &first,
    );
    let young = ask(
        &gateway,
        json!({"cache": {"s-maxage": 5, "no-store": true}}),
    )
    .await;
    is_miss(&young);
    clock.advance(Duration::from_secs(1));
    let second = ask(&gateway, json!({})).await;
    is_miss(&second);
    // In memory an answer is kept for ten minutes where nothing says another time.
    clock.advance(Duration::from_secs(599));
    is_hit(&ask(&gateway, json!({})).await, &second);
    clock.advance(Duration::from_secs(1));
    is_miss(&ask(&gateway, json!({})).await);
}

#[tokio::test]
async fn cache_control_header_says_the_same() {
    let (gateway, clock) = timed(&[Entry::default()], CACHE).await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    let with = |control: &'static str| {
        let (gateway, body) = (&gateway, &body);
        async move { gateway.post(body, &[("Cache-Control", control)]).await }
    };
    is_miss(&with("no-store").await);
    let first = with("max-age=60").await;
    is_miss(&first);
    clock.advance(Duration::from_secs(30));
    is_hit(&with("max-age=31").await, &first);
    is_miss(&with("no-store, max-age=30").await);
    let neither = with("no-cache, no-store").await;
    assert_eq!(
        (neither.status, neither.header("x-litellm-cache-hit")),
        (200, "")
    );
    let second = with("no-cache, s-maxage=20").await;
    is_miss(&second);
    clock.advance(Duration::from_secs(20));
    is_miss(&with("no-store").await);
    assert_eq!(with("max-age=soon").await.status, 400);
}

#[tokio::test]
async fn namespaces_are_apart() {
    let gateway = gateway("").await;
    let of = |name: &str| json!({"cache": {"namespace": name}});
    let first = ask(&gateway, of("a")).await;
    is_miss(&first);
    assert!(first.header("x-litellm-cache-key").starts_with("a:"));
    is_hit(&ask(&gateway, of("a")).await, &first);
    is_miss(&ask(&gateway, of("b")).await);
    is_miss(&ask(&gateway, json!({})).await);
}

#[tokio::test]
async fn default_off_caches_only_who_asks_for_it() {
    let rest = "litellm_settings: {cache: true, cache_params: {type: local, mode: default_off}}\n";
    let gateway = serving(&[Entry::default()], rest).await;
    for _ in 0..2 {
        let answer = ask(&gateway, json!({})).await;
        assert_eq!(answer.header("x-litellm-cache-hit"), "");
        assert_eq!(answer.header("x-switchyard-total-attempts"), "1");
    }
    let wanted = json!({"cache": {"use-cache": true}});
    let first = ask(&gateway, wanted.clone()).await;
    is_miss(&first);
    is_hit(&ask(&gateway, wanted).await, &first);
}

#[tokio::test]
async fn alias_and_id_and_group_are_apart_unless_grouped() {
    let rest = "router_settings: {model_group_alias: {ali: m}}\n";
    let gateway = gateway(rest).await;
    for model in ["m", "ali", "m1"] {
        is_miss(&gateway.chat(model, json!({})).await);
        assert_eq!(
            gateway
                .chat(model, json!({}))
                .await
                .header("x-litellm-cache-hit"),
            "true"
        );
    }
    let entries = [Entry::default(), Entry::of("n", "n1")];
    let rest = format!("{CACHE}router_settings: {{caching_groups: [[m, n]]}}\n");
    let grouped = serving(&entries, &rest).await;
    is_miss(&grouped.chat("m", json!({})).await);
    let hit = grouped.chat("n", json!({})).await;
    assert_eq!(hit.header("x-litellm-cache-hit"), "true");
    assert_eq!(hit.json()["model"], "n");
}

#[tokio::test]
async fn stream_is_apart_and_its_replay_reads_the_same() {
    let gateway = gateway("").await;
    is_miss(&ask(&gateway, json!({})).await);
    let body = json!({"stream": true, "stream_options": {"include_usage": true}});
    let first = ask(&gateway, body.clone()).await;
    is_miss(&first);
    let replayed = ask(&gateway, body.clone()).await;
    assert_eq!(replayed.header("x-litellm-cache-hit"), "true");
    assert_eq!(
        replayed.header("content-type"),
        first.header("content-type")
    );
    assert_eq!(replayed.text(), first.text());
    assert_eq!(replayed.events().last(), Some(&"[DONE]"));
    let chunk = |answer: &Answer, place: usize| -> Value {
        serde_json::from_str(answer.events()[place]).unwrap()
    };
    let (one, two) = (chunk(&first, 0), chunk(&replayed, 0));
    for member in ["id", "created", "model", "object"] {
        assert_eq!(one[member], two[member], "{member}");
    }
    assert_eq!(two["choices"][0]["delta"]["role"], "assistant");
    let last = |answer: &Answer| chunk(answer, answer.events().len() - 2);
    assert_eq!(last(&first)["usage"], last(&replayed)["usage"]);
    assert_eq!(
        replayed.body.matches("\"finish_reason\":\"stop\"").count(),
        1
    );
    assert_eq!(gateway.simulator.calls_total(), 2);
}

#[tokio::test]
async fn tool_calls_are_replayed() {
    let gateway = gateway("").await;
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}});
    for stream in [false, true] {
        let body = json!({"stream": stream, "tools": [tool], "messages": [{"role": "user", "content": "[[sim:tool]]"}]});
        let first = ask(&gateway, body.clone()).await;
        is_miss(&first);
        assert!(first.body.contains("\"look\""), "{}", first.body);
        let hit = ask(&gateway, body).await;
        assert_eq!(hit.header("x-litellm-cache-hit"), "true");
        assert!(
            hit.body.contains("\"look\"") && hit.body.contains("\"tool_calls\""),
            "{}",
            hit.body
        );
    }
}

#[tokio::test]
async fn provider_fields_are_part_of_the_question() {
    let gateway = gateway("").await;
    let guarded = |version: &str| json!({"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": version}});
    is_miss(&ask(&gateway, guarded("1")).await);
    is_miss(&ask(&gateway, guarded("2")).await);
    is_miss(&ask(&gateway, json!({})).await);
    let hit = ask(&gateway, guarded("1")).await;
    assert_eq!(hit.header("x-litellm-cache-hit"), "true");
    for other in [
        json!({"performanceConfig": {"latency": "standard"}}),
        json!({"requestMetadata": {"a": "b"}}),
        json!({"additionalModelRequestFields": {"top_k": 5}}),
    ] {
        is_miss(&ask(&gateway, other).await);
    }
}

#[tokio::test]
async fn kept_answer_needs_no_deployment_that_is_ready() {
    let gateway = gateway("router_settings: {num_retries: 0}\n").await;
    let first = ask(&gateway, json!({})).await;
    let bad = json!({"messages": [{"role": "user", "content": "[[sim:unauthorized]]"}]});
    assert_eq!(ask(&gateway, bad).await.status, 401);
    is_hit(&ask(&gateway, json!({})).await, &first);
    let other = ask(&gateway, json!({"temperature": 0.7})).await;
    assert_eq!(other.status, 429, "{}", other.body);
    assert_eq!(other.header("x-litellm-cache-hit"), "false");
}

#[tokio::test]
async fn hit_counts_against_no_deployment() {
    let entry = Entry::default().params(", rpm: 1");
    let rest = format!(
        "{CACHE}router_settings: {{num_retries: 0, optional_pre_call_checks: [enforce_model_rate_limits]}}"
    );
    let (gateway, _clock) = timed(&[entry], &rest).await;
    let first = ask(&gateway, json!({})).await;
    for _ in 0..3 {
        is_hit(&ask(&gateway, json!({})).await, &first);
    }
    assert_eq!(ask(&gateway, json!({"temperature": 0.7})).await.status, 429);
}

#[tokio::test]
async fn errors_and_broken_streams_and_empty_answers_are_not_kept() {
    let gateway = gateway("router_settings: {num_retries: 0, disable_cooldowns: true}\n").await;
    for (text, stream) in [
        ("[[sim:error503]]", false),
        ("one two three four five six [[sim:cut]]", true),
        ("[[sim:empty]]", false),
        ("[[sim:empty]]", true),
    ] {
        let before = gateway.simulator.calls_total();
        for _ in 0..2 {
            let body = json!({"stream": stream, "messages": [{"role": "user", "content": text}]});
            let answer = ask(&gateway, body).await;
            assert_ne!(answer.header("x-litellm-cache-hit"), "true", "{text}");
        }
        assert_eq!(
            gateway.simulator.calls_total(),
            before + 2,
            "{text} {stream}"
        );
    }
}

#[tokio::test]
async fn fallback_is_counted_with_the_cache_on() {
    let entries = [Entry::default().fault("error503"), Entry::of("n", "n1")];
    let rest = format!("{CACHE}router_settings: {{num_retries: 0, fallbacks: [{{m: [n]}}]}}");
    let gateway = serving(&entries, &rest).await;
    for stream in [false, true] {
        let answer = ask(&gateway, json!({"stream": stream})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-group"), "n");
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
        assert_eq!(answer.header("x-switchyard-total-attempts"), "2");
    }
}

#[tokio::test]
async fn hits_and_misses_are_counted_by_group() {
    let gateway = gateway("").await;
    for text in ["one", "two", "one", "one"] {
        let more = json!({"messages": [{"role": "user", "content": text}]});
        assert_eq!(ask(&gateway, more).await.status, 200);
    }
    let passed_by = ask(&gateway, json!({"caching": false})).await;
    assert_eq!(passed_by.status, 200, "{}", passed_by.body);
    let metrics = gateway.call(reqwest::Method::GET, "/metrics", None).await;
    for outcome in ["hit", "miss"] {
        let line = format!(
            "switchyard_cache_lookups_total{{model_group=\"m\",outcome=\"{outcome}\"}} 2\n"
        );
        assert!(metrics.body.contains(&line), "{line}{}", metrics.body);
    }
}

#[tokio::test]
async fn a_kept_answer_of_a_guardrail_speaks_the_clients_format() {
    let guarded = Entry {
        model: "bedrock/invoke/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        params: ", guardrailConfig: {guardrailIdentifier: gr1, guardrailVersion: \"1\"}",
        ..Entry::default()
    };
    let gateway = serving(&[guarded], CACHE).await;
    let body = json!({"model": "m", "max_tokens": 50, "stream": true,
        "messages": [{"role": "user", "content": "hi [[sim:guardrail]]"}]});
    for hit in ["false", "true"] {
        let answer = gateway.post_to("/v1/messages", &body, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-litellm-cache-hit"), hit);
        if hit == "true" {
            let is_said = answer.body.contains(r#""stop_reason":"refusal""#);
            assert!(is_said, "{}", answer.body);
            let is_bedrocks = answer.body.contains("guardrail_intervened");
            assert!(!is_bedrocks, "{}", answer.body);
        }
    }
}
