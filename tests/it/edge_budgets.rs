//! A spent budget, where the first model of a call costs nothing and what follows does.

use serde_json::{Value, json};

use crate::support::entry::{Entry, serving};
use crate::support::{Answer, Gateway};

const KEY: &str = "sk-one-and-long-enough";
const MASTER: &str = "general_settings: {master_key: sk-master-and-long-enough}\n";
const DEAR: &str = ", input_cost_per_token: 1, output_cost_per_token: 1";
const FREE: &str = ", input_cost_per_token: 0, output_cost_per_token: 0";

/// A model that costs, one that is free and fails, and one that is free; either budget, which one call spends.
async fn spent(of_gateway: bool) -> Gateway {
    let entries = [
        Entry::of("dear", "dear1").params(DEAR),
        Entry::of("broken", "broken1")
            .params(FREE)
            .fault("error500"),
        Entry::of("free", "free1").params(FREE),
    ];
    let budget = "max_budget: 5, budget_duration: 1d";
    let (all, own) = if of_gateway {
        (format!("litellm_settings: {{{budget}}}\n"), String::new())
    } else {
        (String::new(), format!(", {budget}"))
    };
    let routing = "router_settings: {num_retries: 0, disable_cooldowns: true}\n";
    let rest = format!("{MASTER}{routing}{all}virtual_keys:\n  - {{key: {KEY}{own}}}\n");
    let gateway = serving(&entries, &rest).await;
    assert_eq!(ask(&gateway, "dear", json!({}), &[]).await.status, 200);
    assert_eq!(ask(&gateway, "dear", json!({}), &[]).await.status, 422);
    assert_eq!(gateway.calls_of("dear1"), 1);
    gateway
}

async fn ask(gateway: &Gateway, model: &str, extra: Value, headers: &[(&str, &str)]) -> Answer {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    let key = format!("Bearer {KEY}");
    let mut headers = headers.to_vec();
    headers.push(("authorization", &key));
    gateway.post(&body, &headers).await
}

#[tokio::test]
async fn fallback_that_a_spent_budget_cannot_pay_for_is_passed_over() {
    for of_gateway in [false, true] {
        let gateway = spent(of_gateway).await;
        let only = ask(&gateway, "broken", json!({"fallbacks": ["dear"]}), &[]).await;
        assert_eq!(only.status, 503, "{}", only.body);
        let both = json!({"fallbacks": ["dear", "free"]});
        let next = ask(&gateway, "broken", both, &[]).await;
        assert_eq!(next.status, 200, "{}", next.body);
        assert_eq!(next.header("x-litellm-model-id"), "free1");
        assert_eq!(next.header("x-litellm-attempted-fallbacks"), "1");
        assert_eq!(gateway.calls_of("dear1"), 1);
    }
}

#[tokio::test]
async fn target_of_a_configuration_that_a_spent_budget_cannot_pay_for_is_passed_over() {
    for of_gateway in [false, true] {
        let gateway = spent(of_gateway).await;
        let through = async |strategy: Value, models: &[&str]| {
            let target = |model: &&str| json!({"override_params": {"model": model}});
            let targets: Vec<Value> = models.iter().map(target).collect();
            let config = json!({"strategy": strategy, "targets": targets}).to_string();
            ask(
                &gateway,
                "free",
                json!({}),
                &[("x-portkey-config", &config)],
            )
            .await
        };
        // Whatever statuses the strategy falls back on.
        let fallback = json!({"mode": "fallback", "on_status_codes": [500]});
        let next = through(fallback.clone(), &["broken", "dear", "free"]).await;
        assert_eq!(next.status, 200, "{}", next.body);
        assert_eq!(next.header("x-litellm-model-id"), "free1");
        assert_eq!(next.header("x-litellm-attempted-fallbacks"), "1");
        let only = through(fallback, &["broken", "dear"]).await;
        assert_eq!(only.status, 503, "{}", only.body);
        assert_eq!(gateway.calls_of("dear1"), 1);
    }
}

/// What a call reserves for its first model does not stand in the way of its own fallback.
#[tokio::test]
async fn own_reservation_does_not_keep_a_call_from_its_fallback() {
    let entries = [
        Entry::of("broken", "broken1")
            .params(DEAR)
            .fault("error500"),
        Entry::of("dear", "dear1").params(DEAR),
    ];
    let rest = format!(
        "{MASTER}router_settings: {{num_retries: 0, fallbacks: [{{broken: [dear]}}]}}\n\
         virtual_keys:\n  - {{key: {KEY}, max_budget: 5, budget_duration: 1d}}\n"
    );
    let gateway = serving(&entries, &rest).await;
    let answer = ask(&gateway, "broken", json!({}), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "dear1");
}
