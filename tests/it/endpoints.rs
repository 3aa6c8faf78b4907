//! The endpoints beside chat completions, against the simulator: each in its own format, through the same router.

use serde_json::{Value, json};
use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use crate::support::Gateway;

const MODELS: [(&str, &str); 8] = [
    ("claude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("nova", "us.amazon.nova-pro-v1:0"),
    ("titan", "amazon.titan-embed-text-v2:0"),
    ("embed", "cohere.embed-english-v3"),
    (
        "later",
        "async_invoke/amazon.nova-2-multimodal-embeddings-v1:0",
    ),
    ("canvas", "amazon.nova-canvas-v1:0"),
    ("rerank", "cohere.rerank-v3-5:0"),
    ("rank-invoke", "invoke/cohere.rerank-v3-5:0"),
];

async fn gateway(rest: &str) -> Gateway {
    let entries = MODELS.map(|(name, model)| {
        crate::support::entry(name, name, "", "").replace(
            "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            &format!("bedrock/{model}"),
        )
    });
    let yaml = format!("model_list:\n{}{rest}", entries.concat());
    Gateway::with(&yaml, std::sync::Arc::new(switchyard::clock::SystemClock)).await
}

fn said(model: &str, stream: bool) -> Value {
    json!({"model": model, "max_tokens": 100, "stream": stream,
        "messages": [{"role": "user", "content": "hi [[sim:say Good day.]]"}]})
}

#[tokio::test]
async fn messages_are_answered_whole_by_claude_and_by_others() {
    let gateway = gateway("").await;
    for path in ["/v1/messages", "/messages", "/anthropic/v1/messages"] {
        for model in ["claude", "nova"] {
            let answer = gateway.post_to(path, &said(model, false), &[]).await;
            assert_eq!(answer.status, 200, "{path} {model}: {}", answer.body);
            let body = answer.json();
            assert_eq!(body["type"], "message");
            assert_eq!(body["model"], model);
            assert!(body["id"].as_str().unwrap().starts_with("msg_"), "{body}");
            assert_eq!(body["content"][0]["text"], "Good day.");
            assert_eq!(body["stop_reason"], "end_turn");
            assert!(body["usage"]["input_tokens"].as_u64().unwrap() > 0);
            assert_eq!(answer.header("x-litellm-model-id"), model);
        }
    }
    let paths: Vec<String> = (gateway.simulator.calls().iter())
        .map(|call| call.path.clone())
        .collect();
    assert!(paths[0].ends_with("/invoke"), "Claude natively: {paths:?}");
    assert!(
        paths[1].ends_with("/converse"),
        "others by Converse: {paths:?}"
    );
}

#[tokio::test]
async fn messages_are_streamed_as_anthropics_events() {
    let gateway = gateway("").await;
    for model in ["claude", "nova"] {
        let answer = gateway
            .post_to("/v1/messages", &said(model, true), &[])
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let names: Vec<&str> = (answer.body.lines())
            .filter_map(|line| line.strip_prefix("event: "))
            .collect();
        assert_eq!(names.first(), Some(&"message_start"), "{}", answer.body);
        assert_eq!(names.last(), Some(&"message_stop"), "{}", answer.body);
        let text: String = (answer.events().iter())
            .filter_map(|event| serde_json::from_str::<Value>(event).ok())
            .filter_map(|event| event["delta"]["text"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(text, "Good day.");
        assert!(!answer.body.contains("[DONE]"));
    }
}

#[tokio::test]
async fn messages_have_anthropics_errors_whatever_went_wrong() {
    let gateway = gateway("general_settings: {master_key: sk-1}\n").await;
    let key = ("x-api-key", "sk-1");
    for (body, headers, status, word) in [
        (said("nope", false), vec![key], 400, "invalid_request_error"),
        (
            said("titan", false),
            vec![key],
            400,
            "invalid_request_error",
        ),
        (
            json!({"model": "claude"}),
            vec![key],
            400,
            "invalid_request_error",
        ),
        (said("claude", false), vec![], 401, "authentication_error"),
        (
            json!({"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "[[sim:throttle]]"}]}),
            vec![key, ("x-litellm-num-retries", "0")],
            429,
            "rate_limit_error",
        ),
    ] {
        let answer = gateway.post_to("/v1/messages", &body, &headers).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        let error = answer.json();
        assert_eq!(error["type"], "error", "{error}");
        assert_eq!(error["error"]["type"], word, "{error}");
        assert!(!answer.header("x-litellm-call-id").is_empty());
    }
}

#[tokio::test]
async fn tokens_are_counted_by_bedrock_or_estimated_and_taken_from_no_limit() {
    let gateway = gateway("").await;
    let mut body = said("claude", false);
    body.as_object_mut().unwrap().remove("max_tokens");
    let path = "/v1/messages/count_tokens";
    let counted = gateway.post_to(path, &body, &[]).await;
    assert_eq!(counted.status, 200, "{}", counted.body);
    let counted = counted.json();
    assert_eq!(counted["litellm_count_source"], "provider");
    assert!(counted["input_tokens"].as_u64().unwrap() > 0);
    // A deployment that fails to count is none the worse for it.
    body["messages"][0]["content"] =
        json!("[[sim:error500]] twelve words are more or less what this sentence is made of");
    let estimated = gateway.post_to(path, &body, &[]).await;
    assert_eq!(estimated.status, 200, "{}", estimated.body);
    let estimated = estimated.json();
    assert_eq!(estimated["litellm_count_source"], "local_estimate");
    assert!(estimated["input_tokens"].as_u64().unwrap() > 10);
    assert_eq!(
        gateway
            .post_to("/v1/messages", &said("claude", false), &[])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn embeddings_are_answered_in_the_order_of_their_inputs() {
    let gateway = gateway("").await;
    let inputs: Vec<String> = (0..30).map(|place| format!("text {place}")).collect();
    for (path, model) in [
        ("/v1/embeddings", "titan"),
        ("/embeddings", "embed"),
        ("/engines/titan/embeddings", "other"),
        ("/openai/deployments/embed/embeddings", "other"),
    ] {
        let answer = gateway
            .post_to(path, &json!({"model": model, "input": inputs}), &[])
            .await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let body = answer.json();
        assert_eq!(body["object"], "list");
        let data = body["data"].as_array().unwrap();
        assert_eq!(data.len(), 30);
        for (place, datum) in data.iter().enumerate() {
            assert_eq!(datum["index"], place);
            assert!(!datum["embedding"].as_array().unwrap().is_empty());
        }
        // Alone, each is what it is among others.
        let alone = json!({"model": model, "input": "text 7"});
        let alone = gateway.post_to(path, &alone, &[]).await.json();
        assert_eq!(
            alone["data"][0]["embedding"], data[7]["embedding"],
            "{path}"
        );
    }
}

#[tokio::test]
async fn images_and_rerank_are_answered() {
    let gateway = gateway("").await;
    let image = json!({"model": "canvas", "prompt": "an otter", "n": 2});
    let answer = gateway.post_to("/v1/images/generations", &image, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 2);
    for (path, model) in [
        ("/v1/rerank", "rerank"),
        ("/v2/rerank", "rank-invoke"),
        ("/rerank", "rerank"),
    ] {
        let asked = json!({"model": model, "query": "red car", "documents": ["a boat", "a red car"], "top_n": 1});
        let answer = gateway.post_to(path, &asked, &[]).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.body);
        let body = answer.json();
        assert_eq!(body["results"][0]["index"], 1, "{body}");
        assert_eq!(body["results"].as_array().unwrap().len(), 1);
    }
    let paths: Vec<String> = (gateway.simulator.calls().iter())
        .map(|call| call.path.clone())
        .collect();
    assert_eq!(
        &paths[1..],
        ["/rerank", "/model/cohere.rerank-v3-5%3A0/invoke", "/rerank"]
    );
}

#[tokio::test]
async fn one_failed_input_fails_the_attempt_and_is_retried_as_a_whole() {
    let gateway =
        gateway("router_settings: {num_retries: 1, retry_after: 0, disable_cooldowns: true}\n")
            .await;
    let asked = json!({"model": "titan", "input": ["fine", "[[sim:error503]] not"]});
    let answer = gateway.post_to("/v1/embeddings", &asked, &[]).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-attempted-retries"), "1");
    assert!(answer.json()["error"]["message"].is_string());
}

#[tokio::test]
async fn a_model_that_does_something_else_says_what_it_does() {
    let gateway = gateway("").await;
    let chat = gateway.post(&said("titan", false), &[]).await;
    assert_eq!(chat.status, 400);
    assert!(chat.body.contains("`POST /v1/embeddings`"), "{}", chat.body);
    let embed = json!({"model": "claude", "input": "x"});
    let embed = gateway.post_to("/v1/embeddings", &embed, &[]).await;
    assert_eq!(embed.status, 400);
    assert!(
        embed.body.contains("`POST /v1/chat/completions`"),
        "{}",
        embed.body
    );
}

#[tokio::test]
async fn wildcards_lead_to_the_service_that_has_the_operation() {
    let place = format!(
        "aws_access_key_id: {ACCESS_KEY_ID}, aws_secret_access_key: {SECRET_ACCESS_KEY}, aws_region_name: us-west-2, \
         aws_bedrock_runtime_endpoint: $URL"
    );
    let yaml = format!(
        "model_list:\n  - {{model_name: \"any/*\", litellm_params: {{model: \"bedrock/*\", {place}}}}}\n"
    );
    let gateway = Gateway::with(&yaml, std::sync::Arc::new(switchyard::clock::SystemClock)).await;
    let rerank =
        json!({"model": "any/cohere.rerank-v3-5:0", "query": "q", "documents": ["a", "q"]});
    let ranked = gateway.post_to("/v1/rerank", &rerank, &[]).await;
    assert_eq!(ranked.status, 200, "{}", ranked.body);
    let embed = json!({"model": "any/amazon.titan-embed-text-v2:0", "input": "x"});
    let embedded = gateway.post_to("/v1/embeddings", &embed, &[]).await;
    assert_eq!(embedded.status, 200, "{}", embedded.body);
    assert_eq!(gateway.simulator.calls()[0].path, "/rerank");
}

#[tokio::test]
async fn embeddings_fall_back_and_are_taken_from_the_limits_of_their_key() {
    let model = |name: &str, fault: &str, model: &str| {
        crate::support::entry(name, name, fault, "").replace(
            "converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            model,
        )
    };
    let yaml = format!(
        "model_list:\n{}{}router_settings: {{num_retries: 0, disable_cooldowns: true, fallbacks: [{{titan: [embed]}}]}}
general_settings: {{master_key: sk-master}}
virtual_keys:
  - {{key: sk-team, models: [titan, embed], tpm_limit: 20}}
",
        model("titan", "error503", "amazon.titan-embed-text-v2:0"),
        model("embed", "", "cohere.embed-english-v3"),
    );
    let gateway = Gateway::with(&yaml, std::sync::Arc::new(switchyard::clock::SystemClock)).await;
    let key = ("authorization", "Bearer sk-team");
    let ask = |text: &str| json!({"model": "titan", "input": text});
    let answer = gateway.post_to("/v1/embeddings", &ask("x"), &[key]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
    assert_eq!(answer.header("x-litellm-model-id"), "embed");
    let long = ask(
        "a text of more than twenty tokens, which is more than what is left of the limit of the key for this minute",
    );
    let refused = gateway.post_to("/v1/embeddings", &long, &[key]).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn portkeys_headers_bring_credentials_to_every_endpoint() {
    let gateway =
        gateway("general_settings: {master_key: sk-1, allow_client_side_credentials: true}\n")
            .await;
    let url = gateway.simulator.url();
    let headers = [
        ("authorization", "Bearer sk-1"),
        ("x-portkey-provider", "bedrock"),
        ("x-portkey-aws-access-key-id", ACCESS_KEY_ID),
        ("x-portkey-aws-secret-access-key", SECRET_ACCESS_KEY),
        ("x-portkey-aws-region", "us-east-1"),
    ];
    let place = json!({"aws_bedrock_runtime_endpoint": url});
    let with = |mut body: Value| {
        body["aws_bedrock_runtime_endpoint"] = place["aws_bedrock_runtime_endpoint"].clone();
        body
    };
    for (path, body) in [
        (
            "/v1/embeddings",
            json!({"model": "amazon.titan-embed-text-v2:0", "input": "x"}),
        ),
        (
            "/v1/images/generations",
            json!({"model": "amazon.nova-canvas-v1:0", "prompt": "x"}),
        ),
        ("/v1/messages", said("us.amazon.nova-lite-v1:0", false)),
    ] {
        let answer = gateway.post_to(path, &with(body), &headers).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn messages_take_portkeys_slugs_in_every_spelling() {
    let gateway = gateway(&format!(
        "credential_list:
  - {{credential_name: prod, credential_values: {{aws_access_key_id: {ACCESS_KEY_ID}, aws_secret_access_key: {SECRET_ACCESS_KEY}, \
         aws_region_name: us-east-1, aws_bedrock_runtime_endpoint: $URL}}}}
general_settings: {{master_key: sk-1}}
"
    ))
    .await;
    let claude = "us.anthropic.claude-3-7-sonnet-20250219-v1:0";
    let key = ("x-portkey-api-key", "sk-1");
    let slug = ("x-portkey-provider", "@prod");
    for (path, model, headers) in [
        ("/v1/messages", claude.to_owned(), vec![key, slug]),
        (
            "/v1/messages",
            format!("@prod/{claude}"),
            vec![key, ("x-api-key", "dummy")],
        ),
        (
            "/v1/v1/messages",
            format!("@prod/{claude}"),
            vec![key, ("x-api-key", "dummy")],
        ),
    ] {
        let answer = gateway.post_to(path, &said(&model, false), &headers).await;
        assert_eq!(answer.status, 200, "{path} {model}: {}", answer.body);
        assert_eq!(answer.json()["content"][0]["text"], "Good day.");
    }
}

#[tokio::test]
async fn a_kept_message_of_claude_ends_as_it_did() {
    let gateway = gateway("litellm_settings: {cache: true, cache_params: {type: local}}\n").await;
    for word in [
        "pause_turn",
        "model_context_window_exceeded",
        "stop_sequence",
        "refusal",
    ] {
        for stream in [false, true] {
            let mut asked = said("claude", stream);
            asked["messages"][0]["content"] = json!(format!("hi [[sim:stop-reason={word}]]"));
            let mut seen = Vec::new();
            for hit in ["false", "true"] {
                let answer = gateway.post_to("/v1/messages", &asked, &[]).await;
                assert_eq!(answer.header("x-litellm-cache-hit"), hit, "{}", answer.body);
                let expected = format!("\"stop_reason\":\"{word}\"");
                let body = answer.body.replace("\": \"", "\":\"");
                assert!(body.contains(&expected), "{hit} {stream}: {body}");
                seen.push(answer.body);
            }
            assert!(stream || seen[0] == seen[1], "{seen:?}");
        }
    }
}
