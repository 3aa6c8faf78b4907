//! Requests that are large, deep, or made of anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use switchyard::error::Error;
use switchyard::provider::WireEvent;

use crate::support::{CLAUDE_37, Case, GPT_OSS, LLAMA, NOVA, OPUS_47, PROFILE, call, result, tool};

#[test]
fn ten_thousand_messages_are_written() {
    let messages: Vec<Value> = (0..10_000)
        .map(|index| {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            json!({"role": role, "content": format!("message {index}")})
        })
        .collect();
    let turns = Case::new(NOVA).messages(json!(messages)).turns();
    assert_eq!(turns.as_array().unwrap().len(), 10_000);
}

#[test]
fn ten_thousand_odd_messages_are_written() {
    let messages: Vec<Value> = (0..10_000)
        .map(|index| match index % 4 {
            0 => json!({"role": "system", "content": "note"}),
            1 => json!({"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "file",
                "file": {"file_data": "data:application/pdf;base64,AAAA"}}]}),
            2 => json!({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}),
            _ => json!({"role": "function", "name": "f", "content": "1"}),
        })
        .collect();
    let body = Case::new(CLAUDE_37)
        .with(
            "tools",
            json!([{"type": "function", "function": {"name": "f"}}]),
        )
        .messages(json!(messages))
        .body();
    assert!(body["messages"].as_array().unwrap().len() > 4000);
}

#[test]
fn a_document_of_ten_megabytes_is_written() {
    let data = "QUFB".repeat(2_500_000);
    let content = Case::new(NOVA)
        .says(
            json!([{"type": "text", "text": "x"}, {"type": "file", "file": {
            "file_data": format!("data:application/pdf;base64,{data}")}}]),
        )
        .content();
    assert_eq!(
        content[1]["document"]["source"]["bytes"]
            .as_str()
            .unwrap()
            .len(),
        data.len()
    );
}

/// A schema of a megabyte that grows to gigabytes where its definition is written in place of its name.
fn growing_schema() -> Value {
    json!({
        "type": "object",
        "$defs": {"d": {"description": "x".repeat(500_000)}},
        "anyOf": vec![json!({"$ref": "#/$defs/d"}); 20_000],
    })
}

#[test]
fn schemas_that_grow_are_refused_by_name() {
    let growing =
        json!({"type": "function", "function": {"name": "g", "parameters": growing_schema()}});
    let case = Case::new(NOVA)
        .default("tools", &json!([tool("d")]))
        .with("tools", json!([tool("f"), growing]));
    let error = case.send().unwrap_err();
    assert_eq!(
        (error.status().as_u16(), error.param()),
        (400, Some("tools[1]"))
    );
    let format = json!({"type": "json_schema", "json_schema": {"schema": growing_schema()}});
    let error = Case::new(CLAUDE_37).with("response_format", format).send();
    assert_eq!(error.unwrap_err().param(), Some("response_format"));
}

#[test]
fn schemas_of_all_tools_grow_together() {
    let schema = json!({
        "type": "object", "$defs": {"d": {"description": "x".repeat(100_000)}},
        "properties": {"a": {"$ref": "#/$defs/d"}},
    });
    let tools = |count: usize| -> Value {
        let function = |index| json!({"name": format!("f{index}"), "parameters": schema});
        (0..count)
            .map(|index| json!({"type": "function", "function": function(index)}))
            .collect()
    };
    assert!(Case::new(NOVA).with("tools", tools(20)).send().is_ok());
    assert!(
        Case::new(NOVA)
            .with("tools", tools(100))
            .refusal()
            .contains("tools[41]")
    );
}

/// An object with very many members.
fn members(count: usize) -> Value {
    let members = (0..count).map(|index| (format!("m{index}"), json!(index)));
    Value::Object(members.collect())
}

// Each of these would take minutes if the work grew with the square of what the caller sends.

#[test]
fn fields_of_a_model_may_be_many() {
    let mut given = members(200_000);
    given["tools"] = (0..100_000)
        .map(|index| json!({"index": index % 99_999}))
        .collect();
    given["anthropic_beta"] = (0..100_000).map(|index| json!(index.to_string())).collect();
    let fields = Case::new(CLAUDE_37)
        .with("additionalModelRequestFields", given)
        .fields();
    assert_eq!(fields.as_object().unwrap().len(), 200_002);
    assert_eq!(fields["tools"].as_array().unwrap().len(), 99_999);
}

#[test]
fn names_to_drop_and_to_allow_may_be_many() {
    let names: Value = (0..500_000)
        .map(|index| json!(format!("m{index}")))
        .collect();
    let mut case = Case::new(CLAUDE_37)
        .with("additional_drop_params", names.clone())
        .with("allowed_openai_params", names);
    for index in 0..1900 {
        case = case.with(&format!("m{index}"), json!(1));
    }
    assert_eq!(case.with("kept", json!(1)).fields(), json!({"kept": 1}));
}

#[test]
fn tools_may_be_many_but_not_too_many() {
    let tools = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|index| tool(&format!("f {index}")))
            .collect()
    };
    let names = |count: usize| -> Vec<Value> {
        let named = |index| json!({"type": "function", "function": {"name": format!("f {index}")}});
        (0..count).map(named).collect()
    };
    let sent = Case::new(CLAUDE_37)
        .with("tools", json!(tools(10_000)))
        .with(
            "tool_choice",
            json!({"type": "allowed_tools", "allowed_tools": {
            "mode": "auto", "tools": names(200_000)}}),
        )
        .send()
        .unwrap();
    let config = &sent.body["toolConfig"]["tools"];
    assert_eq!(config.as_array().unwrap().len(), 10_000);
    let sent = Case::new("bedrock/invoke/openai.gpt-oss-120b-1:0")
        .with("tools", json!(tools(10_000)))
        .with(
            "tool_choice",
            json!({"type": "allowed_tools", "allowed_tools": {
            "mode": "auto", "tools": names(200_000)}}),
        )
        .send()
        .unwrap();
    assert_eq!(sent.body["tools"].as_array().unwrap().len(), 10_000);
    let many = Case::new(CLAUDE_37).with("tools", json!(tools(10_001)));
    assert_eq!(many.send().unwrap_err().param(), Some("tools"));
}

#[test]
fn an_answer_in_very_many_messages_is_put_in_order_once() {
    let messages = (0..40_000).flat_map(|index| {
        let mut answer = call(&format!("c{index}"), "f", "{}");
        answer["content"] = json!("x");
        [answer, json!({"role": "user", "content": ""})]
    });
    let mut messages: Vec<Value> = messages.collect();
    messages.insert(0, json!({"role": "user", "content": "q"}));
    let turns = Case::new(CLAUDE_37)
        .with("tools", json!([tool("f")]))
        .messages(json!(messages))
        .turns();
    let blocks = turns[1]["content"].as_array().unwrap();
    assert_eq!(blocks.len(), 80_000);
    assert_eq!(blocks[39_999]["text"], "x");
    assert_eq!(blocks[40_000]["toolUse"]["toolUseId"], "c0");
}

#[test]
fn members_have_a_bound() {
    let mut case = Case::new(NOVA);
    for index in 0..2001 {
        case = case
            .with(&format!("m{index}"), json!(null))
            .with(&format!("n{index}"), json!(1));
    }
    let error = case.send().unwrap_err();
    assert_eq!(error.param(), Some("request_body"));
    assert!(
        error.message().contains("more than 2000 members"),
        "{error}"
    );
    let nested = Case::new(NOVA).with("extra_body", members(2001)).send();
    assert_eq!(nested.unwrap_err().param(), Some("extra_body"));
    let named = Case::new(NOVA).with(&"n".repeat(300), json!(1)).send();
    assert_eq!(named.unwrap_err().param(), Some("request_body"));
}

#[test]
fn messages_have_a_bound() {
    let messages = vec![json!({"role": "user"}); 100_001];
    let error = Case::new(NOVA)
        .messages(json!(messages))
        .send()
        .unwrap_err();
    assert_eq!(error.param(), Some("messages"));
    assert!(error.message().contains("more than 100000"), "{error}");
}

#[test]
fn what_is_held_against_every_message_has_a_bound() {
    let points = |count| json!(vec![json!({"location": "message", "role": "user"}); count]);
    let case = |count| Case::new(CLAUDE_37).with("cache_control_injection_points", points(count));
    assert!(case(64).send().is_ok());
    let error = case(65).send().unwrap_err();
    assert_eq!(error.param(), Some("cache_control_injection_points"));
    let paths = json!(vec!["foo[*].a"; 65]);
    let error = Case::new(NOVA).with("additional_drop_params", paths).send();
    assert_eq!(error.unwrap_err().param(), Some("additional_drop_params"));
}

#[test]
fn one_call_does_not_become_a_million() {
    let case = |count: usize| {
        Case::new(NOVA).with("tools", json!([tool("f")])).messages(json!([
            {"role": "user", "content": "q"}, call("c", "f", &"{}".repeat(count)), result("c", "1")]))
    };
    assert_eq!(case(3).turns()[1]["content"].as_array().unwrap().len(), 3);
    assert!(case(5_000_000).refusal().contains("objects"));
}

#[test]
fn arguments_that_nest_too_deep_are_refused() {
    let arguments = |depth: usize| {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        Case::new(NOVA)
            .with("tools", json!([tool("f")]))
            .messages(json!([
            {"role": "user", "content": "q"},
            call("c", "f", &format!("{{\"a\":{nested}}}")), result("c", "1")]))
    };
    assert!(arguments(100).send().is_ok());
    let error = arguments(1_000_000).send().unwrap_err();
    assert_eq!(
        error.param(),
        Some("messages[1].tool_calls[0].function.arguments")
    );
}

#[test]
fn metadata_in_a_string_that_nests_too_deep_is_refused() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let error = Case::new(NOVA).with("metadata", json!(deep)).send();
    assert_eq!(error.unwrap_err().param(), Some("metadata"));
}

#[test]
fn paths_lead_into_parameters() {
    let body = Case::new(CLAUDE_37)
        .with(
            "tools",
            json!([{"name": "f", "input_schema": {"type": "object", "title": "T"}}]),
        )
        .with("foo", json!({"bar": 1, "baz": 2}))
        .with(
            "additional_drop_params",
            json!(["tools[*].input_schema.title", "foo.bar"]),
        )
        .body();
    let schema = &body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"];
    assert_eq!(schema["title"], json!(null));
    assert_eq!(
        body["additionalModelRequestFields"]["foo"],
        json!({"baz": 2})
    );
}

#[test]
fn answers_that_nest_deep_are_read_or_called_garbled() {
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let answer = |content: &str, rest: &str| {
        format!(
            r#"{{"output": {{"message": {{"role": "assistant", "content": [{content}]}}}},
                "stopReason": "end_turn", "usage": {{"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}{rest}}}"#
        )
    };
    let bodies = [
        answer(
            &format!(r#"{{"toolUse": {{"toolUseId": "t", "name": "f", "input": {deep}}}}}"#),
            "",
        ),
        answer(
            &format!(r#"{{"citationsContent": {{"content": [], "citations": [{deep}]}}}}"#),
            "",
        ),
        answer(&format!(r#"{{"citationsContent": {deep}}}"#), ""),
        answer(&format!(r#"{{"reasoningContent": {deep}}}"#), ""),
        answer(&format!(r#"{{"unknown": {deep}}}"#), ""),
        answer(
            "",
            &format!(r#", "trace": {deep}, "metrics": {deep}, "unknown": {deep}"#),
        ),
        answer(
            "",
            &format!(r#", "additionalModelResponseFields": {{"usage": {deep}}}"#),
        ),
        answer(&deep, ""),
    ];
    for body in bodies {
        Case::new(CLAUDE_37).reads(&body);
    }
}

/// JSON that is made of anything, but often looks like a part of a request.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        (-5_i64..5000).prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        "[a-z \\n\u{e9}\"]{0,8}".prop_map(|value| json!(value)),
        prop::sample::select(vec![
            "text",
            "image_url",
            "user",
            "assistant",
            "tool",
            "system",
            "function",
            "thinking",
            "auto",
            "required",
            "none",
            "enabled",
            "adaptive",
            "high",
            "json_schema",
            "ephemeral",
            "object",
            "data:image/png;base64,AAAA",
            "https://x/y.png",
            "s3://b/k",
            "#/$defs/x",
            "[1]",
            "{}",
        ])
        .prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let names = prop::sample::select(vec![
            "role",
            "content",
            "type",
            "text",
            "image_url",
            "url",
            "tool_calls",
            "id",
            "function",
            "name",
            "arguments",
            "parameters",
            "cache_control",
            "ttl",
            "tool_call_id",
            "thinking_blocks",
            "thinking",
            "signature",
            "json_schema",
            "schema",
            "$defs",
            "$ref",
            "x",
            "properties",
            "anyOf",
            "source",
            "data",
            "file",
            "file_data",
            "budget_tokens",
            "effort",
            "format",
            "toolSpec",
            "input_schema",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((names, inner), 0..6).prop_map(|members| {
                let members = members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// A message that is nearly right.
fn message() -> impl Strategy<Value = Value> {
    let role = prop::sample::select(vec![
        "user",
        "assistant",
        "tool",
        "system",
        "developer",
        "function",
    ]);
    let text = prop::sample::select(vec!["", " ", "hi", "{\"a\":1}"]);
    (role, text, anything(), 0..4_usize).prop_map(|(role, text, odd, shape)| {
        let mut message = json!({"role": role, "content": text});
        match shape {
            0 => message["content"] = json!([{"type": "text", "text": text}, odd]),
            1 => {
                message["tool_calls"] = json!([
                    {"id": text, "function": {"name": "f", "arguments": text}, "cache_control": odd}]);
            }
            2 => {
                message["tool_call_id"] = json!(text);
                message["name"] = json!("f");
                message["thinking_blocks"] = odd;
            }
            _ => {}
        }
        message
    })
}

fn request() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "tools",
        "tool_choice",
        "response_format",
        "thinking",
        "reasoning_effort",
        "output_config",
        "stop",
        "max_tokens",
        "guardrailConfig",
        "extra_body",
        "additionalModelRequestFields",
        "anthropic_beta",
        "context_management",
        "cache_control_injection_points",
        "user_continue_message",
        "extra_headers",
        "requestMetadata",
        "promptVariables",
        "metadata",
        "drop_params",
        "stream",
        "foo",
    ]);
    (
        prop::collection::vec(prop_oneof![4 => message(), 1 => anything()], 0..6),
        prop::collection::vec((names, anything()), 0..5),
    )
        .prop_map(|(messages, members)| {
            let mut body = json!({"model": "m", "messages": messages});
            for (name, value) in members {
                body[name] = value;
            }
            body
        })
}

/// Models of every format that `InvokeModel` has.
const INVOKED: [&str; 17] = [
    "bedrock/invoke/anthropic.claude-3-5-sonnet-20240620-v1:0",
    "bedrock/invoke/us.anthropic.claude-opus-4-7",
    "bedrock/invoke/anthropic.claude-v2:1",
    "bedrock/invoke/us.amazon.nova-pro-v1:0",
    "bedrock/amazon.titan-text-express-v1",
    "bedrock/invoke/us.meta.llama3-1-70b-instruct-v1:0",
    "bedrock/invoke/mistral.mixtral-8x7b-instruct-v0:1",
    "bedrock/cohere.command-text-v14",
    "bedrock/invoke/cohere.command-r-plus-v1:0",
    "bedrock/ai21.j2-ultra-v1",
    "bedrock/invoke/ai21.jamba-1-5-large-v1:0",
    "bedrock/deepseek_r1/arn:aws:bedrock:us-east-1:1:imported-model/a",
    "bedrock/qwen2/arn:aws:bedrock:us-east-1:1:imported-model/a",
    "bedrock/invoke/openai.gpt-oss-120b-1:0",
    "bedrock/openai/arn:aws:bedrock:us-east-1:1:imported-model/a",
    "bedrock/invoke/moonshot.kimi-k2-thinking",
    "bedrock/us.twelvelabs.pegasus-1-2-v1:0",
];

/// JSON that looks like a part of some family's answer.
fn answer() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        prop::sample::select(vec![
            "",
            "x",
            "<think>",
            "</think>y",
            "<|im_end|>",
            "stop",
            "length",
            "COMPLETE",
            "{}",
            "{\"a\"",
            "text",
            "tool_use",
            "thinking",
            "message_stop",
            "content_block_start",
            "content_block_delta",
            "stream-end",
            "text-generation",
            "INTERVENED",
        ])
        .prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        let names = prop::sample::select(vec![
            "generation",
            "text",
            "outputs",
            "results",
            "outputText",
            "completion",
            "completions",
            "data",
            "finishReason",
            "finish_reason",
            "stop_reason",
            "generations",
            "choices",
            "message",
            "delta",
            "content",
            "reasoning_content",
            "tool_calls",
            "function",
            "name",
            "arguments",
            "parameters",
            "id",
            "index",
            "usage",
            "prompt_tokens",
            "input_tokens",
            "type",
            "content_block",
            "input",
            "partial_json",
            "thinking",
            "error",
            "event_type",
            "contentBlockDelta",
            "messageStop",
            "metadata",
            "output",
            "amazon-bedrock-invocationMetrics",
            "amazon-bedrock-guardrailAction",
            "inputTokenCount",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((names, inner), 0..6).prop_map(|members| {
                let members = members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect::<Map<_, _>>())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn requests_are_written_or_refused(body in request(), model in 0..6_usize, modify: bool) {
        let model = [CLAUDE_37, OPUS_47, NOVA, GPT_OSS, LLAMA, PROFILE][model];
        let case = Case::new(model).repairs(|repairs| repairs.modify_params = modify);
        let body = Bytes::from(serde_json::to_vec(&body).unwrap());
        match case.send_bytes(&body) {
            Ok(sent) => prop_assert!(sent.body["messages"].is_array()),
            // A URL that nobody fetched is the pipeline's business.
            Err(error) => prop_assert!(error.status() == 400 || error.status() == 500),
        }
    }

    #[test]
    fn requests_to_invoke_are_written_or_refused(body in request(), model in 0..INVOKED.len(), modify: bool) {
        let case = Case::new(INVOKED[model]).repairs(|repairs| repairs.modify_params = modify);
        let body = Bytes::from(serde_json::to_vec(&body).unwrap());
        match case.send_bytes(&body) {
            Ok(sent) => prop_assert!(sent.body.is_object()),
            Err(error) => prop_assert!(error.status() == 400 || error.status() == 500),
        }
    }

    #[test]
    fn answers_of_invoke_are_read_or_called_garbled(
        answers in prop::collection::vec(answer(), 1..5),
        model in 0..INVOKED.len(),
    ) {
        let body = Bytes::from_static(br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#);
        let mut exchange = Case::new(INVOKED[model]).exchange(&body).unwrap();
        for answer in &answers {
            Case::new(INVOKED[model]).reads(&answer.to_string());
            let payload = json!({"bytes": STANDARD.encode(answer.to_string())}).to_string();
            let payload = Bytes::from(payload);
            let event = WireEvent { kind: "chunk", payload: &payload };
            if let Err(error) = exchange.decoder.event(event, &mut Vec::new()) {
                let error = Error::from(error);
                prop_assert!(error.status().as_u16() >= 400);
                return Ok(());
            }
        }
        // Either it was complete, or the client is told that it was not.
        let _ended = exchange.decoder.end(&mut Vec::new()).is_ok();
    }

    #[test]
    fn bytes_are_written_or_refused(cut in 0..400_usize, byte: u8) {
        let mut body = serde_json::to_vec(&json!({"model": "m", "stream": true, "messages": [
            {"role": "user", "content": [{"type": "text", "text": "h\u{e9}llo \"x\""},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}))
        .unwrap();
        let place = cut % body.len();
        body[place] = byte;
        if let Err(error) = Case::new(CLAUDE_37).send_bytes(&Bytes::from(body.clone())) {
            prop_assert_eq!(error.status(), 400);
        }
        body.truncate(place);
        let error = Case::new(CLAUDE_37)
            .send_bytes(&Bytes::from(body))
            .unwrap_err();
        prop_assert_eq!(error.param(), Some("request_body"));
    }
}
