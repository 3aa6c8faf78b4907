//! Named prompt templates, by member and by path.

use serde_json::json;

use crate::support::Gateway;

const PROMPTS: &str = r#"prompts:
  - prompt_id: greet
    model: m
    messages: [{role: user, content: "Say hello to {{name}}"}]
"#;

#[tokio::test]
async fn template_is_filled_and_sent() {
    let gateway = Gateway::start("", PROMPTS).await;
    let body = json!({"prompt_id": "greet", "prompt_variables": {"name": "Ada"}});
    let answer = gateway.post(&body, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("Say hello to Ada"), "{}", answer.body);

    let url = format!("{}/v1/prompts/greet/completions", gateway.url);
    let by_path = gateway
        .client
        .post(url)
        .body(json!({"variables": {"name": "Bo"}}).to_string());
    let text = by_path.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("Say hello to Bo"), "{text}");
}

#[tokio::test]
async fn unknown_template_is_refused() {
    let gateway = Gateway::start("", PROMPTS).await;
    let answer = gateway
        .post(&json!({"model": "m", "prompt_id": "nope"}), &[])
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["param"], "prompt_id");
}

#[tokio::test]
async fn a_prompt_of_bedrocks_is_filled_with_variables_and_needs_no_messages() {
    const PROMPT: &str = "arn:aws:bedrock:us-west-2:123456789012:prompt/ABCDEFGHIJ:1";
    let stored = crate::support::entry("stored", "stored", "", "").replace(
        "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        &format!("bedrock/{PROMPT}"),
    );
    let clock = std::sync::Arc::new(switchyard::clock::SystemClock);
    let gateway = Gateway::with(&format!("model_list:\n{stored}"), clock).await;
    for name in ["promptVariables", "prompt_variables"] {
        let mut body = json!({"model": "stored"});
        body[name] = json!({"city": "Oslo"});
        let answer = gateway.post(&body, &[]).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        let calls = gateway.simulator.calls();
        let sent: serde_json::Value = serde_json::from_slice(&calls.last().unwrap().body).unwrap();
        assert_eq!(sent["promptVariables"], json!({"city": {"text": "Oslo"}}));
        assert!(sent.get("inferenceConfig").is_none(), "{sent}");
    }
}
