//! What is charged by the piece, and what is billed of several requests when one of them fails.

use serde_json::{Value, json};

use crate::support::entry::{Entry, serving, until};
use crate::support::{Answer, Gateway};

const KEY: &str = "sk-one-and-long-enough";

/// A gateway with one model and one key, which has a budget and tokens.
async fn gateway(model: &str, params: &str, budget: f64) -> Gateway {
    let entry = Entry::default().model(model).params(params);
    let rest = format!(
        "router_settings: {{num_retries: 0, disable_cooldowns: true}}\n\
         virtual_keys:\n  - {{key: {KEY}, max_budget: {budget}, budget_duration: 1d, tpm_limit: 1000}}\n"
    );
    serving(&[entry], &rest).await
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {KEY}");
    gateway
        .post_to(path, body, &[("authorization", &bearer)])
        .await
}

fn is_about(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

const CANVAS: &str = "bedrock/amazon.nova-canvas-v1:0";
const RERANK: &str = "bedrock/cohere.rerank-v3-5:0";

#[tokio::test]
async fn images_and_questions_are_paid_by_the_piece() {
    let image = json!({"model": "m", "prompt": "a cat", "n": 2});
    let rerank = json!({"model": "m", "query": "q", "documents": ["a", "b"]});
    let picture = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let embed = json!({"model": "m", "input": [picture]});
    let titan = "bedrock/amazon.titan-embed-image-v1";
    let only_images = ", input_cost_per_token: 0";
    for (path, model, params, body, cost) in [
        // By the table, and by the file.
        ("/v1/images/generations", CANVAS, "", &image, 0.12),
        (
            "/v1/images/generations",
            CANVAS,
            ", output_cost_per_image: 0.5",
            &image,
            1.0,
        ),
        ("/v1/rerank", RERANK, "", &rerank, 0.002),
        (
            "/v1/rerank",
            RERANK,
            ", input_cost_per_query: 0.25",
            &rerank,
            0.25,
        ),
        ("/v1/embeddings", titan, only_images, &embed, 0.00006),
    ] {
        let gateway = gateway(model, params, 100.0).await;
        let answer = post(&gateway, path, body).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.body);
        let spent = gateway.spent().await;
        assert!(is_about(spent, cost), "{model}{params}: {spent}");
    }
}

#[tokio::test]
async fn a_budget_that_images_have_used_up_is_422() {
    let params = ", output_cost_per_image: 1, input_cost_per_token: 0, output_cost_per_token: 0";
    let gateway = gateway(CANVAS, params, 1.0).await;
    let image = json!({"model": "m", "prompt": "a cat"});
    let path = "/v1/images/generations";
    assert_eq!(post(&gateway, path, &image).await.status, 200);
    assert!(is_about(gateway.spent().await, 1.0));
    let refused = post(&gateway, path, &image).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
}

#[tokio::test]
async fn models_that_tell_no_tokens_are_held_to_the_estimate() {
    let gateway = gateway(RERANK, "", 100.0).await;
    let rerank = json!({"model": "m", "query": "q", "documents": ["word ".repeat(200)]});
    let mut left = Vec::new();
    for _ in 0..2 {
        let answer = post(&gateway, "/v1/rerank", &rerank).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let header = answer.header("x-ratelimit-api_key-remaining-tokens");
        left.push(header.parse::<u64>().unwrap());
    }
    assert!(left[0] > 400 && left[0] < 900, "{left:?}");
    assert!(left[1] < left[0] - 100, "what was taken is kept: {left:?}");
}

const TITAN: &str = "bedrock/amazon.titan-embed-text-v2:0";

/// Sixteen inputs, the last of which fails: it is sent when at least one of the others has been answered.
fn batch() -> Value {
    let mut inputs = vec!["one two three four"; 15];
    inputs.push("[[sim:error503]]");
    json!({"model": "m", "input": inputs})
}

#[tokio::test]
async fn a_batch_that_fails_in_part_is_billed_for_what_came() {
    let gateway = gateway(TITAN, ", input_cost_per_token: 1", 100_000.0).await;
    let answer = post(&gateway, "/v1/embeddings", &batch()).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    let spent = gateway.spent().await;
    assert!((4.0..200.0).contains(&spent), "{spent}");
    // The key's tokens per minute are those that it pays for.
    let single = json!({"model": "m", "input": "one"});
    let next = post(&gateway, "/v1/embeddings", &single).await;
    assert_eq!(next.status, 200, "{}", next.body);
    let own = next.json()["usage"]["total_tokens"].as_f64().unwrap();
    let header = next.header("x-ratelimit-api_key-remaining-tokens");
    let left: f64 = header.parse().unwrap();
    assert!((1000.0 - left - own - spent).abs() < 1.0, "{left} {spent}");
}

#[tokio::test]
async fn a_batch_that_its_client_leaves_is_billed_for_what_came() {
    let gateway = gateway(TITAN, ", input_cost_per_token: 1", 100_000.0).await;
    let mut body = batch();
    body["input"][0] = "[[sim:stall]]".into();
    body["input"][15] = "fine".into();
    let asking = post(&gateway, "/v1/embeddings", &body);
    tokio::select! {
        answer = asking => panic!("{}", answer.body),
        () = until(|| gateway.simulator.calls_total() == 16) => {}
    }
    let spent = gateway.spent().await;
    assert!(spent >= 4.0, "{spent}");
}

#[tokio::test]
async fn the_first_failure_ends_a_batch_whatever_the_others_do() {
    let gateway = gateway(TITAN, "", 100.0).await;
    let body = json!({"model": "m", "input": ["[[sim:stall]]", "[[sim:error503]]"]});
    let answer = post(&gateway, "/v1/embeddings", &body).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
}
