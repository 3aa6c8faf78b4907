//! Deployments that cannot answer: not listed, and refused plainly.

use serde_json::{Value, json};

use crate::support::Gateway;

const OTHERS: &str = r"
  - model_name: sonic
    litellm_params: {model: bedrock/amazon.nova-2-sonic-v1:0}
  - model_name: old
    litellm_params: {model: bedrock/agentcore/RUNTIME}
router_settings:
  model_group_alias: {older: old, mine: m}
";

#[tokio::test]
async fn only_groups_that_can_answer_are_listed() {
    let gateway = Gateway::start("", OTHERS).await;
    let url = format!("{}/v1/models", gateway.url);
    let answer = gateway.client.get(url).send().await.unwrap();
    let list: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let names: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["mine", "m"]);
}

#[tokio::test]
async fn a_group_that_cannot_answer_says_so() {
    let gateway = Gateway::start("", OTHERS).await;
    for model in ["old", "older", "sonic"] {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let answer = gateway.post(&body, &[]).await;
        assert_eq!(answer.status, 400, "{model}: {}", answer.body);
        assert!(
            answer.body.contains("cannot be asked by chat completions"),
            "{}",
            answer.body
        );
    }
}
