//! Bedrock's other APIs, against the simulator: chat completions and responses, `bedrock-mantle`, agents.

use std::sync::Arc;

use serde_json::{Value, json};
use switchyard::clock::SystemClock;
use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use crate::support::Gateway;

/// Deployments by name, with their model.
const MODELS: [(&str, &str); 9] = [
    ("luna", "bedrock/us.openai.gpt-5.6-luna"),
    ("oss", "bedrock/chat_completions/openai.gpt-oss-120b-1:0"),
    ("mantle-oss", "bedrock_mantle/openai.gpt-oss-120b"),
    ("mantle-gemma", "bedrock_mantle/google.gemma-4-31b"),
    ("cyber", "bedrock_mantle/openai.gpt-5.6-cyber"),
    ("mantle-claude", "bedrock_mantle/anthropic.claude-haiku-4-5"),
    ("claude", "bedrock/mantle/anthropic.claude-haiku-4-5"),
    ("agent", "bedrock/agent/AGENTAGENT/ALIASALIAS"),
    ("core", "bedrock/agentcore/RUNTIME"),
];

const KEYS: &str =
    "aws_access_key_id: $ID, aws_secret_access_key: $SECRET, aws_region_name: eu-west-1";

async fn gateway_with(credentials: &str, rest: &str) -> Gateway {
    let entries = MODELS.map(|(name, model)| {
        format!(
            "  - {{model_name: {name}, litellm_params: {{model: \"{model}\", api_base: \"$URL\", {credentials}}}}}\n"
        )
    });
    let yaml = format!("model_list:\n{}{rest}", entries.concat())
        .replace("$ID", ACCESS_KEY_ID)
        .replace("$SECRET", SECRET_ACCESS_KEY);
    Gateway::with(&yaml, Arc::new(SystemClock)).await
}

async fn gateway() -> Gateway {
    gateway_with(KEYS, crate::support::ONCE).await
}

fn body(model: &str, text: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "max_tokens": 200,
        "messages": [{"role": "user", "content": text}]})
}

fn last_path(gateway: &Gateway) -> String {
    gateway.simulator.calls().last().unwrap().path.clone()
}

#[tokio::test]
async fn each_route_goes_to_its_api_and_is_signed_for_bedrock() {
    let gateway = gateway().await;
    for (model, path) in [
        ("luna", "/openai/v1/chat/completions"),
        ("oss", "/openai/v1/chat/completions"),
        ("mantle-oss", "/v1/chat/completions"),
        ("mantle-gemma", "/openai/v1/chat/completions"),
        ("cyber", "/openai/v1/responses"),
        ("mantle-claude", "/anthropic/v1/messages"),
        ("claude", "/anthropic/v1/messages"),
    ] {
        for stream in [false, true] {
            let asked = body(model, "hi [[sim:say Good day.]]", stream);
            let answer = gateway.post(&asked, &[]).await;
            assert_eq!(answer.status, 200, "{model}: {}", answer.body);
            let said = if stream {
                answer.text()
            } else {
                let message = &answer.json()["choices"][0]["message"]["content"];
                message.as_str().unwrap().to_owned()
            };
            assert_eq!(said, "Good day.", "{model}");
            assert_eq!(last_path(&gateway), path, "{model}");
            let calls = gateway.simulator.calls();
            let signed = calls.last().unwrap().headers["authorization"].to_str();
            assert!(signed.unwrap().contains("/eu-west-1/bedrock/aws4_request"));
        }
    }
}

#[tokio::test]
async fn tools_are_called_by_every_api() {
    let gateway = gateway().await;
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}});
    for model in ["luna", "oss", "mantle-oss", "cyber", "claude"] {
        for stream in [false, true] {
            let mut asked = body(model, "look [[sim:tool=look {\"city\": \"Rome\"}]]", stream);
            asked["tools"] = json!([tool]);
            if model == "luna" {
                asked["reasoning_effort"] = json!("none");
            }
            let answer = gateway.post(&asked, &[]).await;
            assert_eq!(answer.status, 200, "{model}: {}", answer.body);
            assert!(!last_path(&gateway).contains("converse"), "{model}");
            let (arguments, finish) = if stream {
                called(&answer.events())
            } else {
                let choice = &answer.json()["choices"][0];
                let call = &choice["message"]["tool_calls"][0]["function"];
                (call["arguments"].clone(), choice["finish_reason"].clone())
            };
            let arguments: Value = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
            assert_eq!(arguments, json!({"city": "Rome"}), "{model}");
            assert_eq!(finish, "tool_calls", "{model}");
        }
    }
}

/// The arguments of a streamed call, and why the answer ended.
fn called(events: &[&str]) -> (Value, Value) {
    let (mut arguments, mut finish) = (String::new(), Value::Null);
    for event in events {
        let Ok(chunk) = serde_json::from_str::<Value>(event) else {
            continue;
        };
        let choice = &chunk["choices"][0];
        let call = &choice["delta"]["tool_calls"][0];
        assert!(call.is_null() || call["index"] == 0, "{chunk}");
        arguments.push_str(call["function"]["arguments"].as_str().unwrap_or(""));
        if !choice["finish_reason"].is_null() {
            finish = choice["finish_reason"].clone();
        }
    }
    (json!(arguments), finish)
}

#[tokio::test]
async fn what_the_runtimes_chat_completions_cannot_do_goes_by_converse() {
    let gateway = gateway().await;
    let mut asked = body("oss", "hi [[sim:say Good day.]]", false);
    asked["stop"] = json!(["x"]);
    let answer = gateway.post(&asked, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        last_path(&gateway),
        "/model/openai.gpt-oss-120b-1%3A0/converse"
    );
}

#[tokio::test]
async fn anthropics_clients_reach_claude_on_mantle_with_what_they_wrote() {
    let gateway = gateway().await;
    for stream in [false, true] {
        let mut asked = body("claude", "hi [[sim:say Good day.]]", stream);
        asked["system"] =
            json!([{"type": "text", "text": "brief", "cache_control": {"type": "ephemeral"}}]);
        let answer = gateway.post_to("/v1/messages", &asked, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(
            answer.body.contains("\"model\":\"claude\""),
            "{}",
            answer.body
        );
        let calls = gateway.simulator.calls();
        let call = calls.last().unwrap();
        assert_eq!(call.path, "/anthropic/v1/messages");
        assert_eq!(call.headers["anthropic-version"], "2023-06-01");
        let sent: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(sent["model"], "anthropic.claude-haiku-4-5");
        assert_eq!(sent["system"], asked["system"]);
        assert_eq!(sent["stream"] == true, stream);
    }
}

#[tokio::test]
async fn broken_streams_of_events_are_told_and_cut_ones_are_no_answers() {
    let gateway = gateway().await;
    for model in ["luna", "cyber", "claude"] {
        for fault in ["exception-mid", "cut", "cut-end"] {
            let text = format!("hi [[sim:long=20]] [[sim:{fault}]]");
            let answer = gateway.post(&body(model, &text, true), &[]).await;
            assert_eq!(answer.status, 200, "{model} {fault}: {}", answer.body);
            assert!(answer.text().starts_with("word1 "), "{model} {fault}");
            assert!(
                !answer.body.contains("[DONE]"),
                "{model} {fault}: {}",
                answer.body
            );
            assert!(answer.body.contains("\"error\""), "{model} {fault}");
        }
        // Nothing was shown, so the client is told as by any error.
        let text = "hi [[sim:exception-start]]";
        let answer = gateway.post(&body(model, text, true), &[]).await;
        assert_eq!(answer.status, 429, "{model}: {}", answer.body);
        let refused = gateway
            .post(&body(model, "hi [[sim:throttle]]", false), &[])
            .await;
        assert_eq!(refused.status, 429, "{model}: {}", refused.body);
    }
}

#[tokio::test]
async fn api_keys_are_sent_to_mantle_and_never_to_agents() {
    let gateway = gateway_with(
        "api_key: ABSKsim-bedrock-api-key-0001",
        crate::support::ONCE,
    )
    .await;
    for model in ["luna", "mantle-oss", "cyber", "claude"] {
        let answer = gateway.post(&body(model, "hi", false), &[]).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.body);
        let calls = gateway.simulator.calls();
        let sent = &calls.last().unwrap().headers["authorization"];
        assert_eq!(sent, "Bearer ABSKsim-bedrock-api-key-0001");
    }
    let both = format!("api_key: ABSKsim-bedrock-api-key-0001, {KEYS}");
    let gateway = gateway_with(&both, crate::support::ONCE).await;
    let asked = json!({"model": "agent", "messages": [{"role": "user", "content": "hi"}]});
    let answer = gateway.post(&asked, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let calls = gateway.simulator.calls();
    let sent = calls.last().unwrap().headers["authorization"].to_str();
    assert!(sent.unwrap().starts_with("AWS4-HMAC-SHA256 "));
}

#[tokio::test]
async fn an_agent_answers_whole_and_streamed_in_a_session_of_its_own() {
    let gateway = gateway().await;
    let mut sessions = Vec::new();
    for stream in [false, true] {
        let mut asked = body("agent", "hi there", stream);
        asked.as_object_mut().unwrap().remove("max_tokens");
        if stream {
            asked["stream_options"] = json!({"include_usage": true});
            asked["streamingConfigurations"] = json!({"streamFinalResponse": true});
        }
        let answer = gateway.post(&asked, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let (said, whole) = if stream {
            (answer.text(), answer.body.clone())
        } else {
            let body = answer.json();
            let said = body["choices"][0]["message"]["content"].as_str();
            (said.unwrap().to_owned(), body.to_string())
        };
        assert_eq!(said, "This is a simulated agent's reply to: hi there");
        let path = last_path(&gateway);
        let session = path
            .strip_prefix("/agents/AGENTAGENT/agentAliases/ALIASALIAS/sessions/")
            .and_then(|rest| rest.strip_suffix("/text"));
        let session = session.unwrap().to_owned();
        assert!(whole.contains(&session), "{whole}");
        assert!(whole.contains("\"prompt_tokens\":"), "{whole}");
        sessions.push(session);
    }
    assert_ne!(sessions[0], sessions[1]);
    let mut asked = body("agent", "hi", false);
    asked.as_object_mut().unwrap().remove("max_tokens");
    asked["sessionID"] = json!("mine-1");
    let answer = gateway.post(&asked, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(last_path(&gateway).ends_with("/sessions/mine-1/text"));
}

#[tokio::test]
async fn routes_that_are_not_served_say_so() {
    let gateway = gateway().await;
    let answer = gateway.post(&body("core", "hi", false), &[]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("`agentcore/`"), "{}", answer.body);
    assert_eq!(gateway.simulator.calls_total(), 0);
}

/// A gateway whose control plane is the simulator's too.
async fn profiles(rest: &str) -> Gateway {
    let entries: Vec<String> = ["claude1", "denied1"]
        .into_iter()
        .map(|id| {
            format!(
                "  - {{model_name: {id}, litellm_params: {{model: \"bedrock/arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/{id}\", \
                 aws_access_key_id: {ACCESS_KEY_ID}, aws_secret_access_key: {SECRET_ACCESS_KEY}}}}}\n"
            )
        })
        .collect();
    let yaml = format!(
        "model_list:\n{}{}\nenvironment_variables: {{AWS_ENDPOINT_URL_BEDROCK: \"$URL\", AWS_BEDROCK_RUNTIME_ENDPOINT: \"$URL\"}}\n{rest}",
        entries.concat(),
        crate::support::ONCE
    );
    Gateway::with(&yaml, Arc::new(SystemClock)).await
}

#[tokio::test]
async fn the_model_behind_an_inference_profile_is_looked_up_once() {
    let gateway = profiles("").await;
    for (model, operation) in [("claude1", "/invoke"), ("denied1", "/converse")] {
        for _ in 0..3 {
            let asked = body(model, "hi [[sim:say Good day.]]", false);
            let answer = gateway.post_to("/v1/messages", &asked, &[]).await;
            assert_eq!(answer.status, 200, "{model}: {}", answer.body);
            assert!(answer.body.contains("Good day."), "{}", answer.body);
            let path = last_path(&gateway);
            assert!(path.ends_with(operation), "{model}: {path}");
        }
    }
    let calls = gateway.simulator.calls();
    let asked: Vec<&str> = (calls.iter())
        .filter(|call| call.method == "GET")
        .map(|call| call.path.as_str())
        .collect();
    let begin = "/inference-profiles/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2F";
    assert_eq!(
        asked,
        [format!("{begin}claude1"), format!("{begin}denied1")]
    );
}

#[tokio::test]
async fn wrong_credentials_of_a_caller_keep_no_profile_unknown_for_others() {
    let gateway = profiles("").await;
    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/claude1";
    let theirs = [
        ("x-portkey-provider", "bedrock"),
        ("x-portkey-aws-access-key-id", "AKIAWRONG"),
        ("x-portkey-aws-secret-access-key", "wrong"),
        ("x-portkey-aws-region", "us-east-1"),
    ];
    let looked_up = || {
        let calls = gateway.simulator.calls();
        calls.iter().filter(|call| call.method == "GET").count()
    };
    for _ in 0..2 {
        let answer = gateway.post(&body(arn, "hi", false), &theirs).await;
        assert_ne!(answer.status, 200, "{}", answer.body);
        assert_eq!(looked_up(), 1, "it is kept for whom it was");
    }
    let asked = body("claude1", "hi", false);
    let answer = gateway.post_to("/v1/messages", &asked, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(looked_up(), 2);
    let path = last_path(&gateway);
    assert!(path.ends_with("/invoke"), "{path}");
}

#[tokio::test]
async fn nothing_is_looked_up_where_that_is_not_wanted() {
    let gateway = profiles("general_settings: {look_up_inference_profiles: false}\n").await;
    let answer = gateway.post(&body("claude1", "hi", false), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(gateway.simulator.calls_total(), 1);
}

#[tokio::test]
async fn mantle_is_signed_for_the_region_of_its_host() {
    let entry = |name: &str, model: &str, rest: &str| {
        format!("  - {{model_name: {name}, litellm_params: {{model: {model}{rest}}}}}\n")
    };
    let oss = "bedrock_mantle/openai.gpt-oss-20b";
    let host = "https://bedrock-mantle.eu-north-1.api.aws";
    let yaml = [
        "model_list:\n".to_owned(),
        entry("named", oss, ", aws_region_name: us-east-2"),
        entry("variable", oss, ""),
        entry(
            "path",
            "bedrock_mantle/us-gov-east-1/openai.gpt-oss-20b",
            "",
        ),
        entry(
            "host",
            oss,
            &format!(", aws_region_name: us-east-2, api_base: {host}/v1"),
        ),
        "environment_variables: {BEDROCK_MANTLE_REGION: ap-south-1}\n".to_owned(),
    ];
    let gateway = Gateway::with(&yaml.concat(), Arc::new(SystemClock)).await;
    let snapshot = gateway.app.live.load();
    for (name, region) in [
        ("named", "us-east-2"),
        ("variable", "ap-south-1"),
        ("path", "us-gov-east-1"),
        ("host", "eu-north-1"),
    ] {
        let group = snapshot
            .router
            .groups()
            .iter()
            .find(|group| group.name == name);
        let deployment = &group.unwrap().deployments[0];
        assert_eq!(deployment.region, region, "{name}");
        let place = format!("https://bedrock-mantle.{region}.api.aws");
        assert_eq!(deployment.target.endpoint, place, "{name}");
    }
}

#[tokio::test]
async fn converse_like_posts_to_the_address_as_it_is_with_its_own_key() {
    let key = "api_key: ABSKsim-bedrock-api-key-0001, extra_headers: {x-team: blue}";
    let yaml = format!(
        "model_list:\n  - {{model_name: plain, litellm_params: {{model: bedrock/converse_like/any-name, api_base: \"$URL/converse-like/x\", {key}}}}}\n  \
         - {{model_name: streaming, litellm_params: {{model: bedrock/converse_like/any-name, api_base: \"$URL/converse-like?stream=1\", {key}}}}}\n  \
         - {{model_name: keyless, litellm_params: {{model: bedrock/converse_like/any-name, api_base: \"$URL/converse-like/x\"}}}}\n{}\n",
        crate::support::ONCE
    );
    let gateway = Gateway::with(&yaml, Arc::new(SystemClock)).await;
    // What answers whole is given to a client that streams as a stream.
    for (model, path, stream) in [
        ("plain", "/converse-like/x", false),
        ("plain", "/converse-like/x", true),
        ("streaming", "/converse-like?stream=1", true),
    ] {
        let answer = gateway
            .post(&body(model, "hi [[sim:say Good day.]]", stream), &[])
            .await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.body);
        assert!(!stream || answer.text() == "Good day.", "{}", answer.body);
        assert!(stream || answer.body.contains("Good day."));
        let calls = gateway.simulator.calls();
        let call = calls.last().unwrap();
        assert_eq!(call.path, path);
        assert_eq!(
            call.headers["authorization"],
            "Bearer ABSKsim-bedrock-api-key-0001"
        );
        assert_eq!(call.headers["x-team"], "blue");
        assert!(!call.headers.contains_key("x-amz-date"));
    }
    // Without a key nothing is signed, and the upstream says what it thinks of that.
    let answer = gateway.post(&body("keyless", "hi", false), &[]).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    let calls = gateway.simulator.calls();
    assert!(!calls.last().unwrap().headers.contains_key("authorization"));
}
