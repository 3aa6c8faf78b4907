use serde_json::{Value, json};

use super::*;
use crate::canonical::{AnswerBlock, CountSource, RawJson, StopReason, Text};

fn envelope() -> Envelope {
    Envelope {
        id: "msg_1".to_owned(),
        created: 0,
        model: "a \"b\"".to_owned(),
        include_usage: false,
        content_blocks: false,
        asked: crate::dialect::Asked::Nothing,
    }
}

fn written(answer_of: &ChatAnswer) -> Value {
    serde_json::from_slice(&answer(answer_of, &envelope())).unwrap()
}

#[test]
fn an_answer_without_blocks_is_a_message() {
    let expected = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "a \"b\"", "content": [],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
    });
    assert_eq!(written(&ChatAnswer::default()), expected);
}

#[test]
fn blocks_keep_their_order() {
    let blocks = vec![
        AnswerBlock::Thinking {
            text: Text::new("hm"),
            signature: None,
        },
        AnswerBlock::Redacted(Text::new("cmVk")),
        AnswerBlock::ToolUse {
            id: Text::new("t"),
            name: Text::new("f"),
            input: RawJson::from_value(&json!({"x": 1})),
        },
        AnswerBlock::Text(Text::new("hi")),
        AnswerBlock::Image {
            format: "png".to_owned(),
            base64: Text::new("aQ=="),
        },
    ];
    let answer = ChatAnswer {
        blocks,
        stop: StopReason {
            finish_reason: "tool_calls",
            raw: String::new(),
            format: None,
        },
        ..ChatAnswer::default()
    };
    let expected = json!([
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "redacted_thinking", "data": "cmVk"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
        {"type": "text", "text": "hi"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aQ=="}},
    ]);
    let written = written(&answer);
    assert_eq!(written["content"], expected);
    assert_eq!(written["stop_reason"], "tool_use");
}

#[test]
fn an_answer_as_it_was_written_only_changes_its_model() {
    let body =
        RawJson::from_value(&json!({"model": "x", "stop_sequence": null, "content": [1.50]}));
    let answer = ChatAnswer {
        native: Some(Native {
            format: NativeFormat::Messages,
            body,
            is_alone: false,
        }),
        ..ChatAnswer::default()
    };
    let expected = json!({"model": "a \"b\"", "stop_sequence": null, "content": [1.50]});
    assert_eq!(written(&answer), expected);
}

#[test]
fn a_count_says_who_counted() {
    let answer = CountAnswer {
        input_tokens: 7,
        source: CountSource::Estimate,
    };
    assert_eq!(
        &*count(&answer),
        br#"{"input_tokens":7,"litellm_count_source":"local_estimate"}"#
    );
}
