use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::canonical::NativeFormat;
use crate::error::ErrorKind;

fn writer() -> MessageStream {
    MessageStream::new(&Envelope {
        id: "msg_1".to_owned(),
        created: 0,
        model: "m".to_owned(),
        include_usage: false,
        content_blocks: false,
        asked: crate::dialect::Asked::Nothing,
    })
}

fn written(chunks: &[ChatChunk]) -> String {
    let mut writer = writer();
    let mut out = Vec::new();
    for chunk in chunks {
        writer.chunk(chunk, &mut out);
    }
    writer.end(&mut out);
    String::from_utf8(out).unwrap()
}

fn events(text: &str) -> Vec<Value> {
    text.split_terminator("\n\n")
        .map(|event| serde_json::from_str(event.split_once("\ndata: ").unwrap().1).unwrap())
        .collect()
}

fn kinds(text: &str) -> Vec<String> {
    let events = events(text);
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect()
}

fn text(block: u32, said: &str) -> ChatChunk {
    ChatChunk::Text {
        block,
        text: Text::new(said),
    }
}

fn finish() -> ChatChunk {
    ChatChunk::Finish {
        stop: StopReason::default(),
        provider_fields: Vec::new(),
    }
}

fn native(json: &Value, covers: usize) -> ChatChunk {
    ChatChunk::Native(NativeEvent {
        format: NativeFormat::Messages,
        name: Cow::Owned(json["type"].as_str().unwrap().to_owned()),
        block: json["index"]
            .as_u64()
            .and_then(|index| u32::try_from(index).ok()),
        json: RawJson::from_value(json),
        covers,
        is_alone: false,
    })
}

#[test]
fn an_empty_answer_is_a_whole_message() {
    let said = written(&[finish()]);
    assert_eq!(
        kinds(&said),
        ["message_start", "message_delta", "message_stop"]
    );
    assert_eq!(
        events(&said)[1]["delta"],
        json!({"stop_reason": "end_turn", "stop_sequence": null})
    );
}

#[test]
fn calls_that_are_written_side_by_side_keep_their_arguments() {
    let start = |block, index| ChatChunk::ToolStart {
        block,
        index,
        id: Text::new("t"),
        name: Text::new("f"),
    };
    let input = |block, index, fragment: &str| ChatChunk::ToolInput {
        block,
        index,
        fragment: Text::new(fragment),
    };
    let said = written(&[
        start(4, 0),
        start(9, 1),
        input(4, 0, "a"),
        input(9, 1, "b"),
        finish(),
    ]);
    let deltas: Vec<_> = events(&said)
        .into_iter()
        .filter(|event| event["type"] == "content_block_delta")
        .map(|event| {
            (
                event["index"].clone(),
                event["delta"]["partial_json"].clone(),
            )
        })
        .collect();
    assert_eq!(deltas, [(json!(0), json!("a")), (json!(1), json!("b"))]);
}

#[test]
fn what_an_event_covers_is_not_said_twice() {
    let said = written(&[
        native(
            &json!({"type": "message_start", "message": {"model": "x", "y": null}}),
            0,
        ),
        native(
            &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            0,
        ),
        native(
            &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
            1,
        ),
        text(0, "a"),
        native(&json!({"type": "content_block_stop", "index": 0}), 0),
        native(&json!({"type": "message_delta", "delta": {}}), 0),
        native(&json!({"type": "message_stop"}), 2),
        finish(),
        ChatChunk::Usage {
            usage: Usage::default(),
            service_tier: None,
        },
    ]);
    assert_eq!(
        kinds(&said),
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert_eq!(
        events(&said)[0]["message"],
        json!({"model": "m", "y": null})
    );
}

#[test]
fn a_stream_that_continues_elsewhere_stays_one_message() {
    let said = written(&[
        native(
            &json!({"type": "message_start", "message": {"model": "x"}}),
            0,
        ),
        native(
            &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            0,
        ),
        native(
            &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
            1,
        ),
        text(0, "a"),
        text(0, "b"),
        ChatChunk::Resumed {
            times: 1,
            deployments: vec!["x".to_owned(), "y".to_owned()],
        },
        finish(),
        ChatChunk::Usage {
            usage: Usage {
                output_tokens: 2,
                ..Usage::default()
            },
            service_tier: None,
        },
    ]);
    let events = events(&said);
    assert_eq!(
        kinds(&said),
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert_eq!(events[3]["delta"]["text"], "b");
    assert_eq!(
        events[5]["switchyard"],
        json!({"resumed": 1, "deployments": ["x", "y"]})
    );
    assert_eq!(events[5]["usage"]["output_tokens"], 2);
}

#[test]
fn an_error_is_an_event_of_its_own() {
    let mut out = Vec::new();
    writer().error(&Error::new(ErrorKind::Throttled, "slow\ndown"), &mut out);
    let expected = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow\\ndown\"}}\n\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
