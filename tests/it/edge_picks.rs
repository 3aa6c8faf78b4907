//! Which deployment a strategy picks, what sticks to one, and what a spent budget leaves out.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::entry::{Coming, Entry, serving, timed, until};

fn strategy(name: &str) -> String {
    format!("router_settings: {{num_retries: 0, routing_strategy: {name}}}")
}

fn two<'a>(first: &'a str, second: &'a str) -> [Entry<'a>; 2] {
    let entry = |id, params| Entry::of("m", id).params(params);
    [entry("a", first), entry("b", second)]
}

async fn served(gateway: &Gateway, more: &Value) -> String {
    let answer = gateway.chat("m", more.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.header("x-litellm-model-id").to_owned()
}

async fn counted(gateway: &Gateway, calls: usize) -> (usize, usize) {
    for _ in 0..calls {
        served(gateway, &json!({})).await;
    }
    (gateway.calls_of("a"), gateway.calls_of("b"))
}

/// A stream that has begun and does not end, and who serves it.
async fn held(gateway: &Gateway) -> (Coming, String) {
    let text = "one two three four five six [[sim:stall-mid]]";
    let body =
        json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": text}]});
    let stream = Coming::of(gateway, &body).await;
    let id = stream.response.headers()["x-litellm-model-id"]
        .to_str()
        .unwrap()
        .to_owned();
    (stream, id)
}

#[tokio::test]
async fn simple_shuffle_goes_by_weight_then_rpm_then_evenly() {
    let weighted = serving(&two(", weight: 1", ""), "").await;
    assert_eq!(counted(&weighted, 12).await, (12, 0));
    let by_rpm = serving(&two(", rpm: 9", ", rpm: 1"), "").await;
    let (often, seldom) = counted(&by_rpm, 60).await;
    assert!(often > 40 && seldom > 0, "{often} {seldom}");
    let evenly = serving(&two("", ""), "").await;
    let (first, second) = counted(&evenly, 60).await;
    assert!(first > 15 && second > 15, "{first} {second}");
}

#[tokio::test]
async fn unweighted_deployment_serves_while_the_weighted_one_cools() {
    let mut entries = two(", weight: 1", "");
    entries[0].fault = "unauthorized";
    let gateway = serving(&entries, &strategy("simple-shuffle")).await;
    assert_eq!(gateway.chat("m", json!({})).await.status, 401);
    assert_eq!(counted(&gateway, 3).await, (1, 3));
}

#[tokio::test]
async fn least_busy_and_p2c_avoid_the_one_that_is_at_work() {
    for name in ["least-busy", "p2c"] {
        let gateway = serving(&two("", ""), &strategy(name)).await;
        let (_stream, busy) = held(&gateway).await;
        for _ in 0..6 {
            assert_ne!(served(&gateway, &json!({})).await, busy, "{name}");
        }
    }
}

#[tokio::test]
async fn latency_based_picks_the_faster_one_once_both_were_seen() {
    for name in ["latency-based-routing", "p2c"] {
        let mut entries = two("", "");
        entries[0].fault = "slow-start=20";
        let (gateway, clock) = timed(&entries, &strategy(name)).await;
        let mut ids = Vec::new();
        for made in 0..12 {
            // Time passes for the slow one alone, while its call is under way.
            let time = async {
                until(|| gateway.simulator.calls().len() > made).await;
                let slow = gateway.calls_of("a");
                let before = ids.iter().filter(|id| *id == "a").count();
                if slow > before {
                    clock.advance(Duration::from_secs(5));
                }
            };
            let more = json!({});
            let (id, ()) = tokio::join!(served(&gateway, &more), time);
            ids.push(id);
        }
        let slow = ids.iter().filter(|id| *id == "a").count();
        assert!(slow <= 4, "{name}: {ids:?}");
        assert!(ids[6..].iter().all(|id| id == "b"), "{name}: {ids:?}");
    }
}

#[tokio::test]
async fn usage_based_picks_the_fewest_tokens_of_the_last_minute() {
    for name in ["usage-based-routing-v2", "usage-based-routing"] {
        let (gateway, clock) = timed(&two("", ""), &strategy(name)).await;
        let text = "[[sim:long=500]]";
        let long = json!({"messages": [{"role": "user", "content": text}]});
        let first = served(&gateway, &long).await;
        for _ in 0..4 {
            assert_ne!(served(&gateway, &json!({})).await, first, "{name}");
        }
        // Afterwards both are as new.
        clock.advance(Duration::from_secs(120));
        let mut both = Vec::new();
        for _ in 0..2 {
            both.push(served(&gateway, &json!({})).await);
        }
        both.sort();
        assert_eq!(both, ["a", "b"], "{name}");
    }
}

#[tokio::test]
async fn usage_based_enforces_rpm_exactly() {
    let rest = strategy("usage-based-routing-v2");
    let (gateway, _clock) = timed(&two(", rpm: 2", ", rpm: 3"), &rest).await;
    assert_eq!(counted(&gateway, 5).await, (2, 3));
    let full = gateway.chat("m", json!({})).await;
    assert_eq!((full.status, full.header("retry-after")), (429, "60"));
}

#[tokio::test]
async fn cost_based_picks_the_cheapest_and_zero_is_a_price() {
    let rest = strategy("cost-based-routing");
    let cheap = ", input_cost_per_token: 0.000000001, output_cost_per_token: 0.000000001";
    let free = ", input_cost_per_token: 0, output_cost_per_token: 0";
    let by_table = serving(&two("", cheap), &rest).await;
    assert_eq!(counted(&by_table, 6).await, (0, 6));
    let by_zero = serving(&two(free, cheap), &rest).await;
    assert_eq!(counted(&by_zero, 6).await, (6, 0));
}

#[tokio::test]
async fn caller_sticks_to_its_deployment() {
    let rest = "router_settings: {optional_pre_call_checks: [deployment_affinity], deployment_affinity_ttl_seconds: 100}";
    let (gateway, clock) = timed(&two("", ""), rest).await;
    let mut all = std::collections::HashSet::new();
    for user in ["u1", "u2", "u3", "u4", "u5", "u6"] {
        let body = json!({"user": user});
        let id = served(&gateway, &body).await;
        for _ in 0..4 {
            assert_eq!(served(&gateway, &body).await, id, "{user}");
        }
        all.insert(id);
    }
    assert_eq!(all.len(), 2);
    clock.advance(Duration::from_secs(101));
    let mut moved = std::collections::HashSet::new();
    for user in ["u1", "u2", "u3", "u4", "u5", "u6"] {
        moved.insert(served(&gateway, &json!({"user": user})).await);
    }
    assert_eq!(moved.len(), 2);
}

#[tokio::test]
async fn session_sticks_by_any_of_its_names() {
    let rest = "router_settings: {optional_pre_call_checks: [session_affinity]}";
    let gateway = serving(&two("", ""), rest).await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for session in ["s1", "s2", "s3", "s4"] {
        let mut ids = Vec::new();
        for name in [
            "x-litellm-session-id",
            "x-litellm-trace-id",
            "x-litellm-session-id",
        ] {
            let answer = gateway.post(&body, &[(name, session)]).await;
            ids.push(answer.header("x-litellm-model-id").to_owned());
        }
        let by_body = json!({"metadata": {"session_id": session}});
        ids.push(served(&gateway, &by_body).await);
        ids.dedup();
        assert_eq!(ids.len(), 1, "{session}: {ids:?}");
    }
    let (first, second) = counted(&gateway, 30).await;
    assert!(first > 4 && second > 4, "{first} {second}");
}

#[tokio::test]
async fn cached_prompt_comes_back_to_the_deployment_that_has_it() {
    let rest = "router_settings: {optional_pre_call_checks: [prompt_caching]}";
    let (gateway, clock) = timed(&two("", ""), rest).await;
    let ask = |topic: usize, question: &str| {
        let long = format!("All about {topic}. ").repeat(2000);
        let system =
            json!([{"type": "text", "text": long, "cache_control": {"type": "ephemeral"}}]);
        json!({"messages": [{"role": "system", "content": system}, {"role": "user", "content": question}]})
    };
    let mut ids = Vec::new();
    for topic in 0..6 {
        let id = served(&gateway, &ask(topic, "first")).await;
        for question in ["second", "third", "fourth"] {
            assert_eq!(served(&gateway, &ask(topic, question)).await, id, "{topic}");
        }
        ids.push(id);
    }
    clock.advance(Duration::from_secs(301));
    let mut later = Vec::new();
    for topic in 0..6 {
        later.push(served(&gateway, &ask(topic, "first")).await);
    }
    assert_ne!(ids, later);
}

#[tokio::test]
async fn what_sticks_is_passed_over_while_it_cools() {
    let rest = "router_settings: {num_retries: 0, optional_pre_call_checks: [deployment_affinity]}";
    let (gateway, clock) = timed(&two("", ""), rest).await;
    let body = json!({"user": "u"});
    let first = served(&gateway, &body).await;
    let bad = json!([{"role": "user", "content": "[[sim:unauthorized]]"}]);
    let refused = gateway
        .chat("m", json!({"user": "u", "messages": bad}))
        .await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("x-litellm-model-id"), first);
    let second = served(&gateway, &body).await;
    assert_ne!(second, first);
    // The success moved the caller: it does not go back when the first is ready again.
    clock.advance(Duration::from_secs(60));
    for _ in 0..4 {
        assert_eq!(served(&gateway, &body).await, second);
    }
}

#[tokio::test]
async fn spent_budget_of_a_deployment_leaves_it_out_until_its_period_ends() {
    let dear = ", input_cost_per_token: 1, output_cost_per_token: 1, max_budget: 5, budget_duration: 1d, order: 1";
    let (gateway, clock) = timed(&two(dear, ", order: 2"), &strategy("simple-shuffle")).await;
    assert_eq!(served(&gateway, &json!({})).await, "a");
    for _ in 0..3 {
        assert_eq!(served(&gateway, &json!({})).await, "b");
    }
    clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(served(&gateway, &json!({})).await, "a");
}

#[tokio::test]
async fn budgets_that_are_all_spent_are_a_429_that_says_so() {
    let dear = ", input_cost_per_token: 1, output_cost_per_token: 1";
    let with_own = format!("{dear}, max_budget: 5, budget_duration: 1d");
    let of_provider = "router_settings: {num_retries: 0, provider_budget_config: {bedrock: {budget_limit: 5, time_period: 1d}}}";
    for (params, rest) in [(with_own.as_str(), ""), (dear, of_provider)] {
        let entry = Entry::default().params(params);
        let (gateway, clock) = timed(&[entry], rest).await;
        for stream in [true, false] {
            let more = json!({"stream": stream});
            assert_eq!(gateway.chat("m", more.clone()).await.status, 200, "{rest}");
            clock.advance(Duration::from_secs(3600));
            let spent = gateway.chat("m", more).await;
            assert_eq!(spent.header("retry-after"), "82800", "{rest}");
            assert_eq!(spent.status, 429, "{rest}: {}", spent.body);
            let text = "No deployments available - crossed budget";
            assert!(spent.body.contains(text), "{}", spent.body);
            clock.advance(Duration::from_secs(24 * 3600));
        }
    }
}
