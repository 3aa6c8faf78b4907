//! Budgets of tags: a request with a tag whose budget is spent is refused, wherever it would go, until the period ends.

use std::time::Duration;

use serde_json::{Value, json};
use switchyard::clock::{Clock as _, SystemClock};
use switchyard::store::MemoryStore;

use crate::support::entry::{Entry, serving, timed, until};
use crate::support::exchange::exchanging;
use crate::support::{Answer, Gateway};

const DEAR: &str = ", input_cost_per_token: 1, output_cost_per_token: 1";
const BUDGETS: &str = "litellm_settings: {tag_budget_config: {\"product:bot\": {max_budget: 5, budget_duration: 1d}}}";

fn named<'a>(name: &'a str, id: &'a str) -> Entry<'a> {
    Entry {
        name,
        id,
        params: DEAR,
        ..Entry::default()
    }
}

fn tagged(stream: bool) -> Value {
    json!({"tags": ["product:bot"], "stream": stream})
}

fn is_over(answer: &Answer, retry_after: &str) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(answer.header("retry-after"), retry_after);
    let error = &answer.json()["error"];
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("No deployments available - crossed budget"));
    assert!(!answer.body.contains("product:bot"), "{}", answer.body);
}

#[tokio::test]
async fn tag_whose_budget_is_spent_is_refused_everywhere_until_its_period_ends() {
    let rest = format!("router_settings: {{fallbacks: [{{m: [n]}}]}}\n{BUDGETS}");
    for stream in [false, true] {
        let (gateway, clock) = timed(&[named("m", "m1"), named("n", "n1")], &rest).await;
        assert_eq!(gateway.chat("m", tagged(stream)).await.status, 200);
        clock.advance(Duration::from_secs(3600));
        // Another group, a fallback and a deployment's id are no way around it.
        for name in ["m", "n", "m1"] {
            is_over(&gateway.chat(name, tagged(stream)).await, "82800");
        }
        assert_eq!((gateway.calls_of("m1"), gateway.calls_of("n1")), (1, 0));
        // Who has no such tag is not concerned.
        for other in [json!({}), json!({"tags": ["product"]})] {
            assert_eq!(gateway.chat("m", other).await.status, 200);
        }
        clock.advance(Duration::from_secs(82_800));
        assert_eq!(gateway.chat("m", tagged(stream)).await.status, 200);
    }
}

#[tokio::test]
async fn tags_of_headers_and_keys_count_too() {
    let keys = "general_settings: {master_key: sk-master-and-long-enough}\nvirtual_keys:\n  \
                - {key: sk-bot-and-long-enough, tags: [\"product:bot\"]}\n  - {key: sk-two-and-long-enough}\n";
    let gateway = serving(&[named("m", "m1")], &format!("{keys}{BUDGETS}")).await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let bot = ("authorization", "Bearer sk-bot-and-long-enough");
    let two = ("authorization", "Bearer sk-two-and-long-enough");
    let by_header = [two, ("x-litellm-tags", "other, product:bot")];
    assert_eq!(gateway.post(&body, &by_header).await.status, 200);
    for headers in [&[bot][..], &by_header] {
        assert_eq!(gateway.post(&body, headers).await.status, 429);
    }
    assert_eq!(gateway.post(&body, &[two]).await.status, 200);
}

#[tokio::test]
async fn equal_call_without_the_tag_is_not_shared_with_one_that_it_is_refused_to() {
    let stalls = Entry {
        name: "s",
        id: "s1",
        fault: "stall",
        ..Entry::default()
    };
    let rest = BUDGETS.replace("{tag", "{cache: true, cache_params: {type: local}, tag");
    let gateway = serving(&[named("m", "m1"), stalls], &rest).await;
    assert_eq!(gateway.chat("m", tagged(false)).await.status, 200);
    let waits = gateway.chat("s", json!({}));
    let refused = async {
        until(|| gateway.calls_of("s1") == 1).await;
        gateway.chat("s", tagged(false)).await
    };
    let first = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! {
            _ = waits => panic!("a call that stalls has no answer"),
            refused = refused => refused,
        }
    });
    assert_eq!(first.await.unwrap().status, 429);
}

#[tokio::test]
async fn what_one_instance_spent_counts_in_the_other_and_is_shown() {
    let entries = [named("m", "m1")];
    let (one, other) = (
        serving(&entries, BUDGETS).await,
        serving(&entries, BUDGETS).await,
    );
    let store = MemoryStore::new(std::sync::Arc::new(SystemClock));
    let exchanges = [
        exchanging(&other, store.another_instance()),
        exchanging(&one, store),
    ];
    assert_eq!(one.chat("m", tagged(false)).await.status, 200);
    let spent = |gateway: &Gateway| {
        let snapshot = gateway.app.live.load();
        let budget = snapshot.router.tag_budgets().next().unwrap();
        budget.view(SystemClock.now()).spent_usd
    };
    let here = spent(&one);
    assert!(here > 5.0);
    until(|| (spent(&other) - here).abs() < 1e-6).await;
    assert_eq!(other.chat("m", tagged(false)).await.status, 429);
    let state = other
        .call(reqwest::Method::GET, "/router/state", None)
        .await;
    let shown = &state.json()["tag_budgets"];
    assert_eq!(shown[0]["tag"], "product:bot", "{shown}");
    assert_eq!(shown[0]["limit_usd"], 5.0);
    assert!(shown[0]["spent_usd"].as_f64().unwrap() > 5.0, "{shown}");
    assert!(shown[0]["resets_at"].is_string(), "{shown}");
    for exchange in exchanges {
        exchange.end().await;
    }
}
