use serde_json::{Value, json};

use super::*;
use crate::canonical::Usage;

fn envelope(content_blocks: bool) -> Envelope {
    Envelope {
        id: "chatcmpl-1".into(),
        created: 17,
        model: "my \"model\"".into(),
        include_usage: false,
        content_blocks,
        asked: crate::dialect::Asked::Nothing,
    }
}

fn thinking(text: &str, signature: Option<&str>) -> AnswerBlock {
    AnswerBlock::Thinking {
        text: Text::new(text),
        signature: signature.map(Text::new),
    }
}

fn call(id: &str, name: &str, input: &Value) -> AnswerBlock {
    AnswerBlock::ToolUse {
        id: Text::new(id),
        name: Text::new(name),
        input: RawJson::from_value(input),
    }
}

fn text(text: &str) -> AnswerBlock {
    AnswerBlock::Text(Text::new(text))
}

fn stop(finish_reason: &'static str, raw: &str) -> StopReason {
    StopReason {
        finish_reason,
        raw: raw.into(),
        format: None,
    }
}

fn written(answer: &ChatAnswer, content_blocks: bool) -> Value {
    serde_json::from_slice(&super::answer(answer, &envelope(content_blocks))).unwrap()
}

fn message(blocks: Vec<AnswerBlock>) -> Value {
    let answer = ChatAnswer {
        blocks,
        ..ChatAnswer::default()
    };
    written(&answer, false)["choices"][0]["message"].clone()
}

#[test]
fn a_plain_answer_has_openais_shape_and_nothing_else() {
    let answer = ChatAnswer {
        blocks: vec![text("a\n\"b\"")],
        stop: stop("stop", "end_turn"),
        ..ChatAnswer::default()
    };
    let expected = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 17, "model": "my \"model\"",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": "a\n\"b\""}, "finish_reason": "stop",
        }],
    });
    assert_eq!(written(&answer, false), expected);
}

#[test]
fn an_empty_answer_has_empty_content() {
    assert_eq!(
        message(Vec::new()),
        json!({"role": "assistant", "content": ""})
    );
}

#[test]
fn texts_and_reasoning_are_joined_in_order() {
    let blocks = vec![
        thinking("R1", Some("SG")),
        AnswerBlock::Redacted(Text::new("RED")),
        text("a"),
        thinking("R2", None),
        text("b"),
    ];
    let expected = json!({
        "role": "assistant", "content": "ab", "reasoning_content": "R1R2",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "R1", "signature": "SG"},
            {"type": "redacted_thinking", "data": "RED"},
            {"type": "thinking", "thinking": "R2"},
        ],
    });
    assert_eq!(message(blocks), expected);
}

#[test]
fn redacted_reasoning_alone_has_no_reasoning_content() {
    let message = message(vec![AnswerBlock::Redacted(Text::new("RED"))]);
    assert!(message.get("reasoning_content").is_none());
    assert_eq!(message["thinking_blocks"][0]["data"], "RED");
}

#[test]
fn calls_have_their_arguments_as_text_and_no_index() {
    let message = message(vec![
        text("x"),
        call("t1", "f", &json!({"a": "\"q\""})),
        call("t2", "g", &json!({})),
    ]);
    let expected = json!([
        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"\\\"q\\\"\"}"}},
        {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]);
    assert_eq!(message["tool_calls"], expected);
}

#[test]
fn pictures_are_data_urls() {
    let picture = |format: &str| AnswerBlock::Image {
        format: format.into(),
        base64: Text::new("QUJD"),
    };
    let message = message(vec![picture("png"), picture("p\"n/g")]);
    let entry = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}});
    assert_eq!(message["images"], json!([entry, entry]));
}

#[test]
fn citations_become_annotations_behind_the_text_before_them() {
    let raw = json!({
        "content": [{"text": "cited"}],
        "citations": [
            {"title": "T", "source": "https://a.example", "location": {"searchResultLocation": {"start": 0, "end": 5}}},
            {"location": {"documentPage": {"start": 1, "end": 2}}},
            {"location": {"web": {"url": "https://b.example"}}},
        ],
    });
    let cited = AnswerBlock::Citations {
        text: Text::new("cited"),
        raw: RawJson::from_value(&raw),
    };
    let message = message(vec![text("é: "), cited]);
    assert_eq!(message["content"], "é: cited");
    let spans: Vec<(u64, u64, &str)> = message["annotations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let cited = &entry["url_citation"];
            let number = |name: &str| cited[name].as_u64().unwrap();
            (
                number("start_index"),
                number("end_index"),
                cited["url"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        spans,
        [(3, 8, "https://a.example"), (3, 8, "https://b.example")]
    );
    assert_eq!(
        message["provider_specific_fields"]["citationsContent"],
        json!([raw])
    );
}

#[test]
fn what_is_beside_the_message_has_its_place() {
    let answer = ChatAnswer {
        usage: Some(Usage {
            input_tokens: 5,
            output_tokens: 2,
            ..Usage::default()
        }),
        trace: Some(RawJson::from_value(&json!({"guardrail": {}}))),
        service_tier: Some("flex".into()),
        provider_fields: vec![
            ("a".into(), RawJson::from_value(&1)),
            ("b".into(), RawJson::from_value("x")),
        ],
        details: vec![(
            "metrics".into(),
            RawJson::from_value(&json!({"latencyMs": 1})),
        )],
        ..ChatAnswer::default()
    };
    let strict = written(&answer, false);
    assert_eq!(strict["usage"]["total_tokens"], 7);
    assert_eq!(strict["trace"], json!({"guardrail": {}}));
    assert_eq!(strict["service_tier"], "flex");
    assert_eq!(
        strict["choices"][0]["message"]["provider_specific_fields"],
        json!({"a": 1, "b": "x"})
    );
    assert!(strict.get("provider_specific_fields").is_none());
    let portkey = written(&answer, true);
    assert_eq!(
        portkey["provider_specific_fields"],
        json!({"metrics": {"latencyMs": 1}})
    );
}

#[test]
fn portkeys_clients_get_blocks_and_the_raw_stop_reason() {
    let answer = ChatAnswer {
        blocks: vec![
            thinking("R", Some("SG")),
            AnswerBlock::Redacted(Text::new("RED")),
            text("hi"),
            call("t", "f", &json!({})),
        ],
        stop: stop("content_filter", "guardrail_intervened"),
        ..ChatAnswer::default()
    };
    let choice = written(&answer, true)["choices"][0].clone();
    let expected = json!([
        {"type": "thinking", "thinking": "R", "signature": "SG"},
        {"type": "redacted_thinking", "data": "RED"},
        {"type": "text", "text": "hi"},
    ]);
    assert_eq!(choice["message"]["content_blocks"], expected);
    assert_eq!(choice["message"]["content"], "hi");
    assert_eq!(choice["finish_reason"], "guardrail_intervened");
    assert_eq!(
        choice["message"]["provider_specific_fields"]["stop_reason"],
        "guardrail_intervened"
    );
    assert_eq!(
        written(&answer, false)["choices"][0]["finish_reason"],
        "content_filter"
    );
}

#[test]
fn other_stop_reasons_stay_openais_for_portkeys_clients() {
    let answer = ChatAnswer {
        stop: stop("length", "max_tokens"),
        ..ChatAnswer::default()
    };
    let choice = written(&answer, true)["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(
        choice["message"]["provider_specific_fields"]["stop_reason"],
        "max_tokens"
    );
}
