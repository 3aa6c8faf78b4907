//! Chat by `InvokeModel`, against the simulator: every family's format, whole and streamed.

use serde_json::{Value, json};
use switchyard::simulator::{ACCESS_KEY_ID, Options, SECRET_ACCESS_KEY, Simulator};

use crate::support::Gateway;

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:imported-model/m1";

/// Names of deployments, and their models.
fn models() -> Vec<(String, String)> {
    let named = [
        ("claude", "invoke/anthropic.claude-3-5-sonnet-20240620-v1:0"),
        ("claude-text", "invoke/anthropic.claude-v2:1"),
        ("nova", "invoke/us.amazon.nova-pro-v1:0"),
        ("titan", "amazon.titan-text-express-v1"),
        ("llama", "invoke/us.meta.llama3-1-70b-instruct-v1:0"),
        ("mistral", "mistral.mixtral-8x7b-instruct-v0:1"),
        ("command", "cohere.command-text-v14"),
        ("command-r", "invoke/cohere.command-r-plus-v1:0"),
        ("jurassic", "ai21.j2-ultra-v1"),
        ("jamba", "invoke/ai21.jamba-1-5-large-v1:0"),
        ("deepseek", "invoke/deepseek_r1/us.deepseek.r1-v1:0"),
        ("gpt-oss", "invoke/openai.gpt-oss-120b-1:0"),
        ("qwen", "invoke/qwen.qwen3-32b-v1:0"),
        ("kimi", "invoke/moonshot.kimi-k2-thinking"),
    ];
    let imported = [
        "llama",
        "deepseek_r1",
        "qwen2",
        "qwen3",
        "openai",
        "moonshot",
    ];
    let named = named.map(|(name, model)| (name.to_owned(), model.to_owned()));
    let imported = imported.map(|family| (format!("imported-{family}"), format!("{family}/{ARN}")));
    named.into_iter().chain(imported).collect()
}

/// A gateway with all of them, and the simulator that they are sent to.
async fn gateway() -> (Gateway, Simulator) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let place = format!(
        "aws_access_key_id: {ACCESS_KEY_ID}, aws_secret_access_key: {SECRET_ACCESS_KEY}, aws_region_name: us-west-2, \
         aws_bedrock_runtime_endpoint: \"{}\"",
        simulator.url()
    );
    let entries: Vec<String> = models()
        .iter()
        .map(|(name, model)| {
            format!("  - model_name: {name}\n    litellm_params: {{model: \"bedrock/{model}\", {place}}}\n")
        })
        .collect();
    (Gateway::start("", &entries.concat()).await, simulator)
}

fn body(model: &str, text: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "max_tokens": 500,
    "stream_options": if stream { json!({"include_usage": true}) } else { Value::Null },
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": text},
    ]})
}

#[tokio::test]
async fn every_family_answers_whole_and_streamed() {
    let (gateway, _simulator) = gateway().await;
    for (name, _) in models() {
        let text = "What is up? [[sim:say It is fine.]]";
        let answer = gateway.post(&body(&name, text, false), &[]).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        let whole: Value = serde_json::from_str(&answer.body).unwrap();
        let choice = &whole["choices"][0];
        let said = &choice["message"];
        assert_eq!(said["content"], "It is fine.", "{name}");
        assert_eq!(choice["finish_reason"], "stop", "{name}");
        assert!(
            whole["usage"]["prompt_tokens"].as_u64().unwrap() > 0,
            "{name}"
        );

        let answer = gateway.post(&body(&name, text, true), &[]).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert!(
            answer.body.ends_with("data: [DONE]\n\n"),
            "{name}: {}",
            answer.body
        );
        assert_eq!(answer.text(), "It is fine.", "{name}");
    }
}

#[tokio::test]
async fn limits_are_told_by_every_family() {
    let (gateway, _simulator) = gateway().await;
    for (name, _) in models() {
        let mut body = body(&name, "hi", false);
        body["max_tokens"] = json!(2);
        let answer = gateway.post(&body, &[]).await;
        let whole: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            whole["choices"][0]["finish_reason"], "length",
            "{name}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn tools_are_called_where_the_format_has_them() {
    let (gateway, _simulator) = gateway().await;
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}});
    for name in [
        "claude",
        "nova",
        "command-r",
        "jamba",
        "gpt-oss",
        "imported-openai",
        "mistral",
    ] {
        for stream in [false, true] {
            let mut body = body(name, "Weather? [[sim:tool]]", stream);
            body["tools"] = json!([tool]);
            let answer = gateway.post(&body, &[]).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.body);
            assert!(
                answer.body.contains("get_weather"),
                "{name}: {}",
                answer.body
            );
            assert!(
                answer.body.contains("\"finish_reason\":\"tool_calls\""),
                "{name}: {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn faults_are_told_as_they_are_for_converse() {
    let (gateway, _simulator) = gateway().await;
    for (name, _) in models() {
        let answer = gateway
            .post(&body(&name, "hi [[sim:throttle]]", false), &[])
            .await;
        assert_eq!(answer.status, 429, "{name}: {}", answer.body);
    }
    for name in ["claude", "titan", "imported-openai", "nova", "command-r"] {
        let text = "hi [[sim:exception-first]]";
        let answer = gateway.post(&body(name, text, true), &[]).await;
        assert_eq!(answer.status, 429, "{name}: {}", answer.body);
        for fault in ["cut-end", "exception-mid", "corrupt", "cut"] {
            let text = format!("hi, tell me a story [[sim:{fault}]]");
            let answer = gateway.post(&body(name, &text, true), &[]).await;
            assert!(
                answer.body.contains("\"error\""),
                "{name} {fault}: {}",
                answer.body
            );
            assert!(
                !answer.body.contains("[DONE]"),
                "{name} {fault}: {}",
                answer.body
            );
        }
    }
}
