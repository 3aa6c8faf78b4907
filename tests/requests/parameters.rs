//! Parameters: what is sent where, what is refused, what is left out.

use serde_json::{Value, json};

use crate::entry::ENDPOINT;
use crate::support::{CLAUDE_35, CLAUDE_37, Case, LLAMA, NOVA, OPUS_47, PROFILE, SONNET_45, tool};

#[test]
fn the_worked_example_of_the_documentation_holds() {
    let body = Case::new(SONNET_45)
        .with("max_tokens", json!(3000))
        .with("thinking", json!({"type": "enabled", "budget_tokens": 800}))
        .with("stop", json!("END"))
        .with("service_tier", json!("auto"))
        .with("top_k", json!(5))
        .with("parallel_tool_calls", json!(false))
        .with(
            "tools",
            json!([{"type": "function", "function": {
            "name": "get.time", "parameters": {"type": "object", "properties": {}}}}]),
        )
        .with("tool_choice", json!("required"))
        .messages(
            json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": [
            {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]),
        )
        .body();
    assert_eq!(
        body,
        json!({
            "system": [{"text": "be brief"}],
            "messages": [{"role": "user", "content": [
                {"text": "look"}, {"cachePoint": {"type": "default"}},
                {"image": {"format": "png", "source": {"bytes": "AAAA"}}}]}],
            "inferenceConfig": {"maxTokens": 3000, "stopSequences": ["END"]},
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "get_time", "description": "get_time",
                    "inputSchema": {"json": {"type": "object", "properties": {}, "required": []}}}}],
                "toolChoice": {"auto": {}}},
            "serviceTier": {"type": "default"},
            "additionalModelRequestFields": {
                "thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 5,
                "tool_choice": {"disable_parallel_tool_use": true}},
            "additionalModelResponseFieldPaths": ["/usage/output_tokens_details"],
        })
    );
}

#[test]
fn addresses_are_encoded_whole() {
    let url = |case: Case| case.send().unwrap().wire.url;
    assert_eq!(
        url(Case::new(CLAUDE_37)),
        format!("{ENDPOINT}/model/us.anthropic.claude-3-7-sonnet-20250219-v1%3A0/converse")
    );
    assert!(url(Case::new(PROFILE).stream(true)).ends_with("profile%2Fa0b1/converse-stream"));
    assert_eq!(
        url(Case::new("bedrock/converse_like/my-model").stream(true)),
        ENDPOINT
    );
}

#[test]
fn models_that_cannot_stream_tools_are_asked_for_the_whole() {
    let url = |case: Case| case.stream(true).send().unwrap().wire.url;
    assert!(url(Case::new(LLAMA)).ends_with("/converse-stream"));
    assert!(url(Case::new(LLAMA).with("tools", json!([tool("f")]))).ends_with("/converse"));
}

#[test]
fn what_converse_has_no_place_for_is_listed() {
    let case = || {
        Case::new(CLAUDE_37)
            .with("seed", json!(1))
            .with("n", json!(2))
    };
    let refusal = case().refusal();
    assert!(refusal.starts_with(
        "litellm.UnsupportedParamsError: bedrock does not support parameters: ['n', 'seed'], for \
         model=us.anthropic.claude-3-7-sonnet-20250219-v1:0. To drop these, set `litellm.drop_params=True`"
    ));
    let sent = case().drop().send().unwrap();
    assert_eq!(sent.body["additionalModelRequestFields"], json!(null));
    assert_eq!(sent.warnings.len(), 2);
    let dropped = case()
        .with("additional_drop_params", json!(["seed"]))
        .refusal();
    assert!(dropped.contains("['n']"));
    let allowed = case()
        .with("allowed_openai_params", json!(["n", "seed"]))
        .fields();
    assert_eq!(allowed, json!({"n": 2, "seed": 1}));
}

#[test]
fn values_that_mean_nothing_are_tolerated() {
    let mut case = Case::new(CLAUDE_35);
    for (name, value) in [
        ("n", json!(1)),
        ("presence_penalty", json!(0)),
        ("frequency_penalty", json!(0.0)),
        ("logprobs", json!(false)),
        ("logit_bias", json!({})),
        ("store", json!(false)),
        ("tools", json!([])),
        ("seed", json!(null)),
        ("user", json!("u")),
    ] {
        case = case.with(name, value);
    }
    let body = case.body();
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
}

#[test]
fn cohere_and_ai21_have_words_of_their_own() {
    let fields = |model: &str| {
        Case::new(model)
            .with("frequency_penalty", json!(0.5))
            .with("presence_penalty", json!(0.25))
            .fields()
    };
    assert_eq!(
        fields("bedrock/converse/cohere.command-r-plus-v1:0"),
        json!({"frequency_penalty": 0.5, "presence_penalty": 0.25})
    );
    assert_eq!(
        fields("bedrock/ai21.jamba-1-5-large-v1:0"),
        json!({"frequencyPenalty": {"scale": 0.5}, "presencePenalty": {"scale": 0.25}})
    );
}

#[test]
fn top_k_goes_where_the_model_looks_for_it() {
    let fields = |model: &str| Case::new(model).with("topK", json!(5)).fields();
    assert_eq!(fields(CLAUDE_35), json!({"top_k": 5}));
    assert_eq!(fields(NOVA), json!({"inferenceConfig": {"topK": 5}}));
    assert_eq!(fields(LLAMA), json!(null));
    assert_eq!(fields(PROFILE), json!({"top_k": 5}));
    assert_eq!(fields("bedrock/acme.llm-9"), json!({"top_k": 5}));
}

#[test]
fn newer_claude_samples_in_one_way() {
    let case = |value: Value| Case::new(OPUS_47).with("temperature", value);
    assert_eq!(case(json!(1)).body()["inferenceConfig"]["temperature"], 1);
    assert!(case(json!(0.5)).refusal().contains("['temperature']"));
    assert_eq!(case(json!(0.5)).drop().body()["inferenceConfig"], json!({}));
}

#[test]
fn limits_are_merged_and_raised() {
    let case = Case::new(CLAUDE_35)
        .with("max_completion_tokens", json!(9))
        .with("max_tokens", json!(5));
    assert_eq!(case.body()["inferenceConfig"]["maxTokens"], 9);
    let case = Case::new(CLAUDE_35)
        .default("max_completion_tokens", &json!(9))
        .with("max_tokens", json!(5));
    assert_eq!(case.body()["inferenceConfig"]["maxTokens"], 5);
    let case = Case::new("bedrock/openai.gpt-6-sol").with("max_tokens", json!(5));
    assert_eq!(case.body()["inferenceConfig"]["maxTokens"], 16);
}

#[test]
fn converses_own_members_pass() {
    let body = Case::new(NOVA)
        .with("performanceConfig", json!({"latency": "optimized"}))
        .with("service_tier", json!("reserved"))
        .with("requestMetadata", json!({"team": "a"}))
        .with(
            "guardrail_config",
            json!({"guardrail_identifier": "g", "guardrail_version": "1",
            "stream_processing_mode": "sync", "trace": "enabled"}),
        )
        .with("additional_model_request_fields", json!({"foo": 1}))
        .with("additional_model_response_field_paths", json!(["/a"]))
        .with("bar", json!([1.5]))
        .body();
    assert_eq!(body["performanceConfig"], json!({"latency": "optimized"}));
    assert_eq!(body["serviceTier"], json!({"type": "reserved"}));
    assert_eq!(body["requestMetadata"], json!({"team": "a"}));
    assert_eq!(
        body["guardrailConfig"],
        json!({"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"})
    );
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"bar": [1.5], "foo": 1})
    );
    assert_eq!(body["additionalModelResponseFieldPaths"], json!(["/a"]));
    let streamed = Case::new(NOVA)
        .stream(true)
        .with(
            "guardrailConfig",
            json!({"guardrailIdentifier": "g", "streamProcessingMode": "async"}),
        )
        .body();
    assert_eq!(streamed["guardrailConfig"]["streamProcessingMode"], "async");
    let scale = Case::new(NOVA).with("service_tier", json!("scale")).body();
    assert_eq!(scale["serviceTier"], json!(null));
    let broken = Case::new(NOVA).with("requestMetadata", json!({"a": "!"}));
    assert!(broken.refusal().contains("requestMetadata"));
}

#[test]
fn betas_are_filtered_and_sent_twice() {
    let case = |model: &str| {
        Case::new(model)
            .header(
                "anthropic-beta",
                "interleaved-thinking-2025-05-14, prompt-caching-2024-07-31",
            )
            .with(
                "extra_headers",
                json!({"Anthropic-Beta": "output-128k-2025-02-19", "x-team": "a", "host": "evil"}),
            )
            .with(
                "anthropic_beta",
                json!(["context-1m-2025-08-07", "mcp-client-2025-04-04"]),
            )
    };
    let sent = case(CLAUDE_37).send().unwrap();
    assert_eq!(
        sent.body["additionalModelRequestFields"]["anthropic_beta"],
        json!([
            "interleaved-thinking-2025-05-14",
            "output-128k-2025-02-19",
            "context-1m-2025-08-07"
        ])
    );
    assert_eq!(
        sent.headers(),
        [
            ("x-team", "a"),
            (
                "anthropic-beta",
                "interleaved-thinking-2025-05-14,output-128k-2025-02-19"
            ),
        ]
    );
    assert_eq!(case(NOVA).fields(), json!(null));
    let extended = case(CLAUDE_37).repairs(|repairs| {
        repairs.allowed_betas = vec!["mcp-client-2025-04-04".to_owned()];
    });
    assert_eq!(
        extended.fields()["anthropic_beta"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    let broken = Case::new(NOVA).with("extra_headers", json!({"a b": "c"}));
    assert!(broken.refusal().contains("extra_headers"));
}

#[test]
fn operators_headers_win_over_callers() {
    let sent = Case::new(NOVA)
        .operator_header("X-Team", "search")
        .operator_header("x-amz-extra", "a")
        .operator_header("Authorization", "Basic own")
        .with(
            "extra_headers",
            json!({"x-team": "other", "x-trace": "1", "Authorization": "Bearer stolen", "Cookie": "c",
                "X-Amz-Security-Token": "t", "x-amzn-bedrock-trace": "ENABLED", "X-Forwarded-For": "::1"}),
        )
        .send()
        .unwrap();
    assert_eq!(
        sent.headers(),
        [
            ("x-team", "search"),
            ("x-amz-extra", "a"),
            ("authorization", "Basic own"),
            ("x-trace", "1"),
            ("x-amzn-bedrock-trace", "ENABLED"),
        ]
    );
    assert_eq!(
        sent.warnings,
        ["extra_headers: 4 that a caller may not set were left out"]
    );
}

#[test]
fn callers_authorization_needs_the_operators_consent() {
    let case = || Case::new(NOVA).with("extra_headers", json!({"Authorization": "Basic mine"}));
    assert!(case().send().unwrap().headers().is_empty());
    assert_eq!(
        case().with_callers_credentials().send().unwrap().headers(),
        [("authorization", "Basic mine")]
    );
}

#[test]
fn callers_headers_are_few_and_short() {
    let headers = |count: usize, size: usize| {
        let headers = (0..count).map(|index| (format!("x-{index}"), json!("v".repeat(size))));
        let headers: serde_json::Map<_, _> = headers.collect();
        Case::new(NOVA).with("extra_headers", Value::Object(headers))
    };
    assert_eq!(headers(64, 100).send().unwrap().headers().len(), 64);
    assert!(headers(65, 1).refusal().contains("extra_headers"));
    assert!(headers(2, 20_000).refusal().contains("extra_headers"));
}

#[test]
fn stored_prompts_bring_everything_but_their_variables() {
    let prompt = "bedrock/arn:aws:bedrock:us-west-2:123456789012:prompt/ABCDEFGHIJ:1";
    let sent = Case::new(prompt)
        .messages(json!(null))
        .with(
            "prompt_variables",
            json!({"city": "Oslo", "day": {"text": "Monday"}}),
        )
        .send()
        .unwrap();
    assert_eq!(
        sent.body,
        json!({"messages": [], "promptVariables": {"city": {"text": "Oslo"}, "day": {"text": "Monday"}}})
    );
    assert!(sent.wire.url.ends_with("prompt%2FABCDEFGHIJ%3A1/converse"));
    assert!(
        Case::new(prompt)
            .with("tools", json!([tool("f")]))
            .refusal()
            .contains("tools")
    );
    let system = json!([{"role": "system", "content": "x"}]);
    assert!(
        Case::new(prompt)
            .messages(system)
            .refusal()
            .contains("system")
    );
    let sampled = || {
        Case::new(prompt)
            .with("temperature", json!(0.5))
            .with("max_tokens", json!(5))
    };
    assert!(
        sampled()
            .refusal()
            .contains("['max_tokens', 'temperature']")
    );
    assert_eq!(
        sampled().drop().body(),
        json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})
    );
}

#[test]
fn members_of_the_gateway_never_reach_the_model() {
    let mut case = Case::new(SONNET_45);
    for name in [
        "bedrock_neutralize_orphaned_tool_blocks",
        "bedrock_request_metadata_fields",
        "extra_query",
        "fallback_depth",
        "headers",
        "hedge_after",
        "include_fallback_errors",
        "mock_response",
        "num_retries_per_request",
        "routing_strategy",
        "specific_deployment",
        "user_api_key_user_id",
    ] {
        case = case.with(name, json!({"a": 1}));
    }
    assert_eq!(case.fields(), json!(null));
}

#[test]
fn requests_cannot_ask_for_pretended_failures() {
    for name in ["mock_testing_fallbacks", "mock_timeout", "mock_delay"] {
        assert!(
            Case::new(NOVA)
                .with(name, json!(true))
                .refusal()
                .contains(name)
        );
        let nested = Case::new(NOVA).with("extra_body", json!({name: true}));
        assert!(nested.refusal().contains(name));
    }
}

#[test]
fn response_paths_are_sent_once() {
    let body = Case::new(SONNET_45)
        .with(
            "additional_model_response_field_paths",
            json!(["/a", "/usage/output_tokens_details", "/a"]),
        )
        .with(
            "thinking",
            json!({"type": "enabled", "budget_tokens": 1024}),
        )
        .body();
    assert_eq!(
        body["additionalModelResponseFieldPaths"],
        json!(["/a", "/usage/output_tokens_details"])
    );
}

#[test]
fn request_metadata_may_be_the_operators_alone() {
    let case = || {
        Case::new(SONNET_45)
            .repairs(|repairs| repairs.operators_request_metadata = true)
            .with("requestMetadata", json!({"team": "other"}))
    };
    let sent = case().send().unwrap();
    assert_eq!(sent.body["requestMetadata"], json!(null));
    assert!(sent.warnings[0].contains("requestMetadata"));
    let own = json!({"team": "own"});
    let body = case().default("requestMetadata", &own).body();
    assert_eq!(body["requestMetadata"], own);
}

#[test]
fn stored_prompts_take_no_sampling_parameters_of_openai() {
    let prompt = "bedrock/arn:aws:bedrock:us-east-1:1:prompt/ABCDEFGHIJ:1";
    let case = || {
        Case::new(prompt)
            .with("seed", json!(3))
            .with("n", json!(1))
            .with("top_p", json!(0.5))
    };
    assert!(case().refusal().contains("['seed', 'top_p']"));
    assert!(case().drop().send().is_ok());
}
