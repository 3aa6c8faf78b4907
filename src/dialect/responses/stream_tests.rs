use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::canonical::{AnswerBlock, ChatAnswer};
use crate::dialect::responses::Responses;
use crate::dialect::{Asked as AnyAsked, Dialect as _};
use crate::error::ErrorKind;

fn envelope(request: &Value) -> Envelope {
    let body = Bytes::from(request.to_string());
    let parsed = Responses.parse(&body, &http::HeaderMap::new()).unwrap();
    Envelope {
        id: "resp_1".into(),
        created: 17,
        model: "m".into(),
        include_usage: false,
        content_blocks: false,
        asked: parsed.asked,
    }
}

/// Takes the frames of a stream apart; every one names its type twice, and they are numbered.
fn events(out: &[u8]) -> Vec<Value> {
    let out = std::str::from_utf8(out).unwrap();
    let frames = out.split_terminator("\n\n").enumerate();
    frames
        .map(|(number, frame)| {
            let (name, data) = frame.split_once('\n').unwrap();
            let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(event["type"], name.strip_prefix("event: ").unwrap());
            assert_eq!(event["sequence_number"], number, "{event}");
            event
        })
        .collect()
}

fn streamed(request: &Value, chunks: &[ChatChunk]) -> Vec<Value> {
    let mut stream = ResponseStream::new(&envelope(request));
    let mut out = Vec::new();
    for chunk in chunks {
        stream.chunk(chunk, &mut out);
    }
    stream.end(&mut out);
    events(&out)
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| {
            event["type"]
                .as_str()
                .unwrap()
                .strip_prefix("response.")
                .unwrap()
        })
        .collect()
}

fn text(block: u32, text: &str) -> ChatChunk {
    ChatChunk::Text {
        block,
        text: text.into(),
    }
}

fn thinking(block: u32, text: &str) -> ChatChunk {
    ChatChunk::Thinking {
        block,
        text: text.into(),
    }
}

fn start(index: u32, id: &str, name: &str) -> ChatChunk {
    ChatChunk::ToolStart {
        block: index,
        index,
        id: id.into(),
        name: name.into(),
    }
}

fn arguments(index: u32, fragment: &str) -> ChatChunk {
    ChatChunk::ToolInput {
        block: index,
        index,
        fragment: fragment.into(),
    }
}

fn finish(finish_reason: &'static str) -> ChatChunk {
    ChatChunk::Finish {
        stop: StopReason {
            finish_reason,
            raw: String::new(),
            format: None,
        },
        provider_fields: Vec::new(),
    }
}

fn usage() -> ChatChunk {
    ChatChunk::Usage {
        usage: Usage {
            input_tokens: 3,
            output_tokens: 4,
            ..Usage::default()
        },
        service_tier: None,
    }
}

/// The events of an item must name it, its place and what it became.
fn assert_done(events: &[Value]) {
    let last = &events.last().unwrap()["response"]["output"];
    for event in events {
        let place = &event["output_index"];
        let Some(item) = place
            .as_u64()
            .and_then(|place| last.get(usize::try_from(place).unwrap()))
        else {
            continue;
        };
        if let Some(id) = event.get("item_id") {
            assert_eq!(*id, item["id"], "{event}");
        }
        if event["type"] == "response.output_item.done" {
            assert_eq!(event["item"], *item);
        }
        if event["type"] == "response.output_item.added" {
            assert_eq!(
                (&event["item"]["id"], &event["item"]["type"]),
                (&item["id"], &item["type"])
            );
        }
    }
}

#[test]
fn text_comes_in_pieces_and_once_more_as_a_whole() {
    let chunks = [
        text(0, "He\"l"),
        text(0, ""),
        text(1, "lo"),
        finish("stop"),
        usage(),
    ];
    let events = streamed(&json!({"input": "hi"}), &chunks);
    assert_eq!(
        kinds(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(events[0]["response"]["status"], "in_progress");
    assert_eq!(events[0]["response"]["output"], json!([]));
    assert_eq!(events[2]["item"]["content"], json!([]));
    assert_eq!(events[2]["item"]["status"], "in_progress");
    let empty = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
    assert_eq!(events[3]["part"], empty);
    assert_eq!(events[4]["delta"], "He\"l");
    assert_eq!(events[6]["text"], "He\"llo");
    assert_eq!(events[7]["part"]["text"], "He\"llo");
    let response = &events[9]["response"];
    assert_eq!(response["status"], "completed");
    assert_eq!(response["usage"]["total_tokens"], 7);
    assert_done(&events);
}

#[test]
fn reasoning_has_a_part_for_each_thought() {
    let request = json!({"input": "hi", "include": ["reasoning.encrypted_content"]});
    let chunks = [
        thinking(0, "on"),
        thinking(0, "e"),
        ChatChunk::Signature {
            block: 0,
            signature: "s1".into(),
        },
        ChatChunk::Redacted {
            block: 1,
            data: "blob".into(),
        },
        thinking(2, "two"),
        ChatChunk::Signature {
            block: 2,
            signature: "s2".into(),
        },
        text(3, "yes"),
        finish("stop"),
        usage(),
    ];
    let events = streamed(&request, &chunks);
    assert_eq!(
        kinds(&events)[2..12],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
        ]
    );
    assert_eq!(events[6]["text"], "one");
    assert_eq!(
        (&events[7]["summary_index"], &events[8]["summary_index"]),
        (&json!(0), &json!(1))
    );
    let whole = ChatAnswer {
        blocks: vec![
            AnswerBlock::Thinking {
                text: "one".into(),
                signature: Some("s1".into()),
            },
            AnswerBlock::Redacted("blob".into()),
            AnswerBlock::Thinking {
                text: "two".into(),
                signature: Some("s2".into()),
            },
            AnswerBlock::Text("yes".into()),
        ],
        ..ChatAnswer::default()
    };
    let whole: Value =
        serde_json::from_slice(&Responses.answer(&whole, &envelope(&request))).unwrap();
    assert_eq!(
        events.last().unwrap()["response"]["output"],
        whole["output"]
    );
    assert_done(&events);
}

#[test]
fn calls_come_with_their_arguments() {
    let chunks = [
        text(0, "let me see"),
        start(0, "c1", "f"),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        start(1, "c2", "g"),
        finish("tool_calls"),
        usage(),
    ];
    let events = streamed(&json!({"input": "hi"}), &chunks);
    assert_eq!(
        kinds(&events)[8..],
        [
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(events[8]["item"]["arguments"], "");
    assert_eq!(events[11]["arguments"], "{\"a\":1}");
    // No arguments at all are an empty object.
    assert_eq!(
        (&events[14]["delta"], &events[15]["arguments"]),
        (&json!("{}"), &json!("{}"))
    );
    assert_eq!(events.last().unwrap()["response"]["status"], "completed");
    assert_done(&events);
}

#[test]
fn calls_that_are_written_together_keep_apart() {
    let chunks = [
        start(0, "c1", "f"),
        arguments(0, "{\"a\":"),
        start(1, "c2", "g"),
        arguments(1, "{}"),
        arguments(0, "1}"),
        finish("tool_calls"),
    ];
    let events = streamed(&json!({"input": "hi"}), &chunks);
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!(
        (&output[0]["arguments"], &output[1]["arguments"]),
        (&json!("{\"a\":1}"), &json!("{}"))
    );
    let of_first = events
        .iter()
        .filter(|event| event["type"] == "response.function_call_arguments.delta");
    let of_first: String = of_first
        .filter(|event| event["output_index"] == 0)
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(of_first, "{\"a\":1}");
    assert_done(&events);
}

#[test]
fn tools_are_called_in_the_clients_words() {
    let request = json!({"input": "hi", "tools": [
        {"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find"}]},
        {"type": "custom", "name": "patch"},
    ]});
    let chunks = [
        start(0, "c1", "crm__find"),
        arguments(0, "{}"),
        start(1, "c2", "patch"),
        arguments(1, "{\"input\":\"a\\"),
        arguments(1, "nb\"}"),
        finish("tool_calls"),
    ];
    let events = streamed(&request, &chunks);
    let added = &events[2]["item"];
    assert_eq!(
        (&added["name"], &added["namespace"]),
        (&json!("find"), &json!("crm"))
    );
    assert_eq!(
        kinds(&events)[6..],
        [
            "output_item.added",
            "custom_tool_call_input.delta",
            "custom_tool_call_input.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(
        (&events[7]["delta"], &events[8]["input"]),
        (&json!("a\nb"), &json!("a\nb"))
    );
    assert_done(&events);
}

#[test]
fn citations_are_told_as_they_come() {
    let citation = json!({"location": {"web": {"url": "https://x.example"}}});
    let cited = |block| ChatChunk::Citation {
        block,
        raw: RawJson::from_value(&citation),
    };
    let chunks = [
        text(0, "é: "),
        text(1, "cited"),
        cited(1),
        cited(1),
        ChatChunk::Citation {
            block: 1,
            raw: RawJson::from_value(&json!({"location": {}})),
        },
        finish("stop"),
    ];
    let events = streamed(&json!({"input": "hi"}), &chunks);
    let told: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.annotation.added")
        .collect();
    assert_eq!(told.len(), 2);
    assert_eq!(
        (&told[0]["annotation_index"], &told[1]["annotation_index"]),
        (&json!(0), &json!(1))
    );
    let span = (
        &told[0]["annotation"]["start_index"],
        &told[0]["annotation"]["end_index"],
    );
    assert_eq!(span, (&json!(3), &json!(8)));
    let part = &events.last().unwrap()["response"]["output"][0]["content"][0];
    assert_eq!(
        part["annotations"],
        json!([told[0]["annotation"], told[1]["annotation"]])
    );
    assert_done(&events);
}

#[test]
fn a_picture_is_an_item_of_its_own() {
    let chunks = [
        ChatChunk::Image {
            block: 0,
            format: "png".into(),
            base64: "AAAA".into(),
        },
        finish("stop"),
    ];
    let events = streamed(&json!({"input": "hi"}), &chunks);
    assert_eq!(
        kinds(&events)[2..],
        ["output_item.added", "output_item.done", "completed"]
    );
    assert_eq!(events[3]["item"]["result"], "AAAA");
    assert_done(&events);
}

#[test]
fn a_stream_that_was_cut_off_is_incomplete() {
    let events = streamed(
        &json!({"input": "hi"}),
        &[text(0, "a"), finish("length"), usage()],
    );
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(
        last["response"]["incomplete_details"]["reason"],
        "max_output_tokens"
    );
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    assert_done(&events);
}

#[test]
fn an_empty_answer_is_a_whole_response() {
    let events = streamed(&json!({"input": "hi"}), &[finish("stop"), usage()]);
    assert_eq!(kinds(&events), ["created", "in_progress", "completed"]);
}

#[test]
fn a_stream_that_went_on_elsewhere_says_so() {
    let resumed = ChatChunk::Resumed {
        times: 1,
        deployments: vec!["a".into(), "b".into()],
    };
    let chunks = [
        text(0, "He"),
        text(0, "llo"),
        resumed,
        finish("stop"),
        usage(),
    ];
    let events = streamed(&json!({"input": "hi"}), &chunks);
    let last = events.last().unwrap();
    assert_eq!(
        last["switchyard"],
        json!({"resumed": 1, "deployments": ["a", "b"]})
    );
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "Hello");
}

#[test]
fn a_stream_that_failed_says_why_and_nothing_else() {
    let mut stream = ResponseStream::new(&envelope(&json!({"input": "hi"})));
    let mut out = Vec::new();
    stream.chunk(&text(0, "He"), &mut out);
    stream.error(&Error::new(ErrorKind::Throttled, "slow \"down\""), &mut out);
    let events = events(&out);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["status"], "failed");
    assert_eq!(
        last["response"]["error"],
        json!({"code": "rate_limit_exceeded", "message": "slow \"down\""})
    );
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "He");
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
}

#[test]
fn a_stream_that_failed_before_it_began_begins_first() {
    let mut stream = ResponseStream::new(&envelope(&json!({"input": "hi"})));
    let mut out = Vec::new();
    stream.error(&Error::new(ErrorKind::Internal, "no"), &mut out);
    assert_eq!(kinds(&events(&out)), ["created", "in_progress", "failed"]);
}

#[test]
fn what_a_failed_stream_was_writing_is_not_completed() {
    let mut stream = ResponseStream::new(&envelope(&json!({"input": "hi"})));
    let mut out = Vec::new();
    let start = |index, id: &str| ChatChunk::ToolStart {
        block: index,
        index,
        id: id.into(),
        name: "f".into(),
    };
    let input = |index, fragment: &str| ChatChunk::ToolInput {
        block: index,
        index,
        fragment: fragment.into(),
    };
    for chunk in [
        text(0, "Hello"),
        start(1, "a"),
        input(1, "{}"),
        start(2, "b"),
        input(2, "{\"x"),
        start(3, "c"),
    ] {
        stream.chunk(&chunk, &mut out);
    }
    stream.error(&Error::new(ErrorKind::Internal, "no"), &mut out);
    let last = events(&out).pop().unwrap();
    let output = &last["response"]["output"];
    let statuses: Vec<&Value> = (output.as_array().unwrap().iter())
        .map(|item| &item["status"])
        .collect();
    assert_eq!(
        statuses,
        ["completed", "completed", "incomplete", "incomplete"]
    );
}

#[test]
fn a_stream_that_is_too_large_to_keep_says_so_at_its_end() {
    let mut envelope = envelope(&json!({"input": "hi"}));
    let AnyAsked::Response(asked) = &envelope.asked else {
        panic!("{envelope:?}");
    };
    envelope.asked = AnyAsked::Response(Arc::new(asked.kept(5_000)));
    for (length, is_kept) in [(10, true), (5_000, false)] {
        let mut stream = ResponseStream::new(&envelope);
        let mut out = Vec::new();
        for chunk in [text(0, &"a".repeat(length)), finish("stop"), usage()] {
            stream.chunk(&chunk, &mut out);
        }
        stream.end(&mut out);
        let last = &events(&out).pop().unwrap()["response"];
        assert_eq!(last["store"], is_kept);
        assert_eq!(stream.kept().is_some(), is_kept);
    }
}

#[test]
fn a_kept_stream_is_kept_as_it_ended() {
    let mut envelope = envelope(&json!({"input": "hi"}));
    let AnyAsked::Response(asked) = &envelope.asked else {
        panic!("{envelope:?}");
    };
    envelope.asked = AnyAsked::Response(Arc::new(asked.kept(usize::MAX)));
    let mut stream = ResponseStream::new(&envelope);
    let mut out = Vec::new();
    for chunk in [text(0, "yes"), finish("stop"), usage()] {
        stream.chunk(&chunk, &mut out);
    }
    stream.end(&mut out);
    let record = stream.kept().unwrap().record.to_value();
    assert_eq!(record["response"], events(&out).last().unwrap()["response"]);
    assert_eq!(record["input"][0]["content"][0]["text"], "hi");
}

#[test]
fn a_stream_that_finds_no_room_says_so_at_its_end() {
    let mut envelope = envelope(&json!({"input": "hi"}));
    let AnyAsked::Response(asked) = &envelope.asked else {
        panic!("{envelope:?}");
    };
    envelope.asked = AnyAsked::Response(Arc::new(asked.kept(usize::MAX)));
    let mut stream = ResponseStream::new(&envelope);
    let mut out = Vec::new();
    stream.cannot_be_kept();
    stream.end(&mut out);
    let events = events(&out);
    assert_eq!(events.last().unwrap()["response"]["store"], false);
    assert!(stream.kept().is_none());
}
