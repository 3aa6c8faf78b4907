use http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::canonical::Usage;
use crate::provider::bedrock::converse::{JsonTool, ToolNames};

fn decode(body: &[u8], context: DecodeContext) -> Result<ChatAnswer, Error> {
    let answer = WireAnswer {
        headers: &HeaderMap::new(),
        body: Bytes::copy_from_slice(body),
    };
    match ConverseDecoder::new(context).whole(&[answer])? {
        Decoded::Answer(answer) => Ok(answer),
        Decoded::More(_) => panic!("more was asked for"),
    }
}

fn answer(reason: &str, blocks: &Value, context: DecodeContext) -> ChatAnswer {
    let body = json!({"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": reason});
    decode(body.to_string().as_bytes(), context).unwrap()
}

/// Blocks in a form that can be compared.
fn shown(answer: &ChatAnswer) -> Vec<String> {
    let show = |block: &AnswerBlock| match block {
        AnswerBlock::Text(text) => format!("text {}", text.decoded()),
        AnswerBlock::Thinking { text, signature } => {
            let signature = signature
                .as_ref()
                .map(|signature| signature.decoded().into_owned());
            format!("thinking {} {signature:?}", text.decoded())
        }
        AnswerBlock::Redacted(data) => format!("redacted {}", data.decoded()),
        AnswerBlock::ToolUse { id, name, input } => {
            let id = if id.decoded().starts_with("call_") {
                "made".into()
            } else {
                id.decoded()
            };
            format!("call {id} {} {}", name.decoded(), input.get())
        }
        AnswerBlock::Citations { text, raw } => format!("cited {} {}", text.decoded(), raw.get()),
        AnswerBlock::Image { format, base64 } => format!("image {format} {}", base64.decoded()),
    };
    answer.blocks.iter().map(show).collect()
}

fn call(name: &str, input: &Value) -> Value {
    json!({"toolUse": {"toolUseId": "tu_1", "name": name, "input": input}})
}

fn json_tool(wrapped: bool) -> DecodeContext {
    DecodeContext {
        json_tool: Some(JsonTool {
            wrapped,
            may_be_values: false,
        }),
        ..DecodeContext::default()
    }
}

fn llama() -> DecodeContext {
    DecodeContext {
        is_llama: true,
        tools: vec!["get_weather".into()],
        ..DecodeContext::default()
    }
}

#[test]
fn blocks_keep_their_order() {
    let content = json!([
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "SG"}}},
        {"reasoningContent": {"redactedContent": "UkVE"}},
        {"text": "hel"},
        {"text": "lo"},
        call("f", &json!({"x": 1})),
        {"guardContent": {"text": {"text": "guarded"}}},
        {"image": {"format": "jpeg", "source": {"bytes": "QUJD"}}},
        {"audio": {"format": "mp3"}},
    ]);
    let answer = answer("tool_use", &content, DecodeContext::default());
    let expected = [
        "thinking hm Some(\"SG\")",
        "redacted UkVE",
        "text hel",
        "text lo",
        "call tu_1 f {\"x\":1}",
        "text guarded",
        "image jpeg QUJD",
    ];
    assert_eq!(shown(&answer), expected);
    assert_eq!(answer.stop.finish_reason, "tool_calls");
    let (name, raw) = &answer.provider_fields[0];
    assert_eq!(name, "reasoningContentBlocks");
    assert_eq!(raw.to_value()[0]["reasoningText"]["signature"], "SG");
    assert_eq!(raw.to_value()[1], json!({"redactedContent": "UkVE"}));
}

#[test]
fn text_shares_the_body() {
    let body = br#"{"output":{"message":{"content":[{"text":"a\nb"}]}},"stopReason":"end_turn"}"#;
    let body = Bytes::from_static(body);
    let answer = read_answer(&body, &DecodeContext::default()).unwrap();
    let AnswerBlock::Text(text) = &answer.blocks[0] else {
        panic!("{answer:?}")
    };
    assert!(body.as_ptr_range().contains(&text.bytes().as_ptr()));
}

#[test]
fn stop_reasons_become_openais() {
    for (raw, expected) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_model_output", "stop"),
        ("malformed_tool_use", "stop"),
        ("something_new", "stop"),
    ] {
        let stop = answer(raw, &json!([{"text": "x"}]), DecodeContext::default()).stop;
        assert_eq!((stop.finish_reason, stop.raw.as_str()), (expected, raw));
    }
}

#[test]
fn a_call_that_max_tokens_cut_is_still_a_matter_of_length() {
    let answer = answer(
        "max_tokens",
        &json!([call("f", &json!({}))]),
        DecodeContext::default(),
    );
    assert_eq!(answer.stop.finish_reason, "length");
}

#[test]
fn leading_think_tags_become_reasoning() {
    let content = json!([{"text": "<think>why</think>because <think>no</think>"}, {"text": "<thinking>b</thinking>"}]);
    let answer = answer("end_turn", &content, DecodeContext::default());
    assert_eq!(
        shown(&answer),
        [
            "thinking why None",
            "text because <think>no</think>",
            "thinking b None"
        ]
    );
}

#[test]
fn renamed_tools_get_their_names_back() {
    let mut tool_names = ToolNames::default();
    tool_names.insert("get_time_1".into(), "get time é".into());
    let context = DecodeContext {
        tool_names,
        ..DecodeContext::default()
    };
    let calls = json!([call("get_time_1", &json!({})), call("other", &json!({}))]);
    let answer = answer("tool_use", &calls, context);
    assert_eq!(
        shown(&answer),
        ["call tu_1 get time é {}", "call tu_1 other {}"]
    );
}

#[test]
fn calls_without_arguments_have_an_empty_object() {
    let content = json!([{"toolUse": {"toolUseId": "tu_1", "name": "f"}}, call("g", &Value::Null)]);
    let answer = answer("tool_use", &content, DecodeContext::default());
    assert_eq!(shown(&answer), ["call tu_1 f {}", "call tu_1 g {}"]);
}

#[test]
fn calls_that_bedrock_runs_itself_are_not_the_clients() {
    let content = json!([
        {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
        {"toolResult": {"toolUseId": "t", "content": []}},
        {"text": "found"},
    ]);
    let answer = answer("end_turn", &content, DecodeContext::default());
    assert_eq!(shown(&answer), ["text found"]);
}

#[test]
fn the_json_tools_arguments_are_the_answer() {
    let content =
        json!([{"text": "Sure:"}, call("json_tool_call", &json!({"properties": {"a": 1}}))]);
    let read = answer("tool_use", &content, json_tool(false));
    assert_eq!(shown(&read), [r#"text {"a":1}"#]);
    assert_eq!(read.stop.finish_reason, "stop");

    let wrapped = json!([call("json_tool_call", &json!({"value": [1, 2]}))]);
    assert_eq!(
        shown(&answer("tool_use", &wrapped, json_tool(true))),
        ["text [1,2]"]
    );

    let read = answer("max_tokens", &content, json_tool(false));
    assert_eq!(read.stop.finish_reason, "length");
}

#[test]
fn the_json_tool_beside_real_tools_leaves_them_alone() {
    let content =
        json!([{"text": "a"}, call("json_tool_call", &json!({"b": 1})), call("f", &json!({}))]);
    let answer = answer("tool_use", &content, json_tool(false));
    assert_eq!(
        shown(&answer),
        ["text a", r#"text {"b":1}"#, "call tu_1 f {}"]
    );
    assert_eq!(answer.stop.finish_reason, "tool_calls");
}

#[test]
fn without_the_json_tool_text_stays_and_its_name_means_nothing() {
    let read = answer("end_turn", &json!([{"text": "plain"}]), json_tool(false));
    assert_eq!(shown(&read), ["text plain"]);
    let content = json!([call("json_tool_call", &json!({}))]);
    let read = answer("tool_use", &content, DecodeContext::default());
    assert_eq!(shown(&read), ["call tu_1 json_tool_call {}"]);
}

#[test]
fn a_llama_call_in_text_becomes_a_call() {
    for member in ["parameters", "arguments"] {
        let text = json!({"type": "function", "name": "get_weather", member: {"city": "Paris"}})
            .to_string();
        let answer = answer("end_turn", &json!([{"text": text}]), llama());
        assert_eq!(
            shown(&answer),
            [r#"call made get_weather {"city":"Paris"}"#]
        );
        assert_eq!(answer.stop.finish_reason, "tool_calls");
    }
}

#[test]
fn text_that_only_resembles_a_call_stays_text() {
    let good = json!({"type": "function", "name": "get_weather", "parameters": {}}).to_string();
    for text in [
        json!({"type": "function", "name": "unknown", "parameters": {}}).to_string(),
        json!({"type": "object", "name": "get_weather", "parameters": {}}).to_string(),
        json!({"type": "function", "name": "get_weather"}).to_string(),
        format!("{good} and more"),
    ] {
        let answer = answer("end_turn", &json!([{"text": text}]), llama());
        assert_eq!(
            (shown(&answer), answer.stop.finish_reason),
            (vec![format!("text {text}")], "stop")
        );
    }
    let others = DecodeContext {
        is_llama: false,
        ..llama()
    };
    let answer = answer("end_turn", &json!([{"text": good}]), others);
    assert_eq!(shown(&answer), [format!("text {good}")]);
}

#[test]
fn cited_text_stays_in_its_place() {
    let cited = json!({"content": [{"text": "one "}, {"text": "two"}], "citations": []});
    let content = json!([{"text": "a"}, {"citationsContent": cited}]);
    let answer = answer("end_turn", &content, DecodeContext::default());
    assert_eq!(
        shown(&answer),
        ["text a".to_owned(), format!("cited one two {cited}")]
    );
}

#[test]
fn what_stands_beside_the_message_is_read() {
    let fields = json!({"usage": {"output_tokens_details": {"thinking_tokens": 4}}});
    let body = json!({
        "output": {"message": {"content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 5, "outputTokens": 20, "totalTokens": 25},
        "trace": {"guardrail": {"x": 1}},
        "serviceTier": {"type": "flex"},
        "metrics": {"latencyMs": 3},
        "performanceConfig": {"latency": "standard"},
        "additionalModelResponseFields": fields,
    });
    let read = |response_fields| {
        let context = DecodeContext {
            response_fields,
            ..DecodeContext::default()
        };
        decode(body.to_string().as_bytes(), context).unwrap()
    };
    let answer = read(true);
    assert_eq!(
        answer.usage.and_then(|usage| usage.reasoning_tokens),
        Some(4)
    );
    assert_eq!(
        answer.trace.as_ref().map(RawJson::to_value),
        Some(body["trace"].clone())
    );
    assert_eq!(answer.service_tier.as_deref(), Some("flex"));
    let names: Vec<&str> = answer
        .details
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["metrics", "performanceConfig"]);
    let (name, value) = &answer.provider_fields[1];
    assert_eq!(
        (name.as_str(), value.to_value()),
        ("additionalModelResponseFields", fields)
    );
    let hidden = read(false);
    assert!(
        hidden
            .provider_fields
            .iter()
            .all(|(name, _)| name == "reasoningContentBlocks")
    );
}

#[test]
fn an_answer_without_a_message_is_empty() {
    for body in [
        r#"{"output":{},"stopReason":"max_tokens"}"#,
        r#"{"stopReason":"max_tokens"}"#,
        r#"{"output":{"message":{"content":null}},"stopReason":"max_tokens"}"#,
    ] {
        let answer = decode(body.as_bytes(), DecodeContext::default()).unwrap();
        assert!(answer.blocks.is_empty());
        assert_eq!(answer.stop.finish_reason, "length");
        assert_eq!(answer.usage, None::<Usage>);
    }
}

#[test]
fn what_cannot_be_read_is_garbled() {
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "<html>",
        r#"{"message":"no"}"#,
        r#"{"output":3}"#,
        "{\"stopReason\":\"\u{1}\"}",
    ] {
        let error = decode(body.as_bytes(), DecodeContext::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Garbled, "{body}");
        assert_eq!(error.status(), http::StatusCode::BAD_GATEWAY);
    }
    let invalid = b"{\"output\":{\"message\":{\"content\":[{\"text\":\"\xff\"}]}}}";
    assert_eq!(
        decode(invalid, DecodeContext::default())
            .unwrap_err()
            .kind(),
        ErrorKind::Garbled
    );
}

#[test]
fn a_whole_answer_becomes_a_stream_with_all_its_parts() {
    let content = json!([
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "SG"}}},
        {"text": "hi"},
        call("f", &json!({"a": 1})),
        call("g", &json!({})),
        {"citationsContent": {"content": [{"text": "c"}], "citations": [{"title": "1"}, {"title": "2"}]}},
    ]);
    let answer = answer("tool_use", &content, DecodeContext::default());
    let chunks = ConverseDecoder::new(DecodeContext::default()).chunks(answer);
    let names: Vec<String> = chunks
        .iter()
        .map(|chunk| match chunk {
            ChatChunk::Text { block, text } => format!("{block} text {}", text.decoded()),
            ChatChunk::Thinking { block, text } => format!("{block} thinking {}", text.decoded()),
            ChatChunk::Signature { block, signature } => {
                format!("{block} signature {}", signature.decoded())
            }
            ChatChunk::ToolStart {
                block, index, name, ..
            } => format!("{block} call {index} {}", name.decoded()),
            ChatChunk::ToolInput {
                index, fragment, ..
            } => format!("input {index} {}", fragment.decoded()),
            ChatChunk::Citation { block, raw } => format!("{block} citation {}", raw.get()),
            ChatChunk::Finish {
                stop,
                provider_fields,
            } => {
                assert!(provider_fields.is_empty());
                format!("finish {}", stop.finish_reason)
            }
            other => format!("{other:?}"),
        })
        .collect();
    let expected = [
        "0 thinking hm",
        "0 signature SG",
        "1 text hi",
        "2 call 0 f",
        r#"input 0 {"a":1}"#,
        "3 call 1 g",
        "input 1 {}",
        "4 text c",
        r#"4 citation {"title":"1"}"#,
        r#"4 citation {"title":"2"}"#,
        "finish tool_calls",
    ];
    assert_eq!(names, expected);
}
