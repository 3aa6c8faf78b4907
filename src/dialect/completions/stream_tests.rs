use serde_json::{Value, json};

use super::*;
use crate::canonical::{AnswerBlock, ChatAnswer, RawJson};
use crate::dialect::Asked;
use crate::dialect::completions::joined;
use crate::error::ErrorKind;

fn envelope(include_usage: bool) -> Envelope {
    Envelope {
        id: "cmpl-1".into(),
        created: 17,
        model: "my \"model\"".into(),
        include_usage,
        content_blocks: false,
        asked: Asked::Nothing,
    }
}

fn answer(text: &str, usage: Option<Usage>) -> ChatAnswer {
    ChatAnswer {
        blocks: vec![
            AnswerBlock::Thinking {
                text: Text::new("hm"),
                signature: None,
            },
            AnswerBlock::Text(Text::new(text)),
        ],
        usage,
        ..ChatAnswer::default()
    }
}

fn used(input: u64, output: u64) -> Usage {
    Usage {
        input_tokens: input,
        output_tokens: output,
        reasoning_tokens: Some(0),
        ..Usage::default()
    }
}

fn stop(finish_reason: &'static str) -> StopReason {
    StopReason {
        finish_reason,
        raw: "x".into(),
        format: None,
    }
}

#[test]
fn an_answer_has_openais_shape() {
    let answer = answer("a\n\"b\"", Some(used(3, 4)));
    let written = joined(&[&answer], &envelope(false));
    let expected = json!({
        "id": "cmpl-1", "object": "text_completion", "created": 17, "model": "my \"model\"",
        "choices": [{"text": "a\n\"b\"", "index": 0, "logprobs": null, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
            "prompt_tokens_details":
                {"cached_tokens": 0, "cache_creation_tokens": 0, "cache_write_tokens": 0, "text_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 0, "text_tokens": 4},
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        },
    });
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), expected);
}

#[test]
fn answers_to_several_prompts_are_one_and_their_tokens_a_sum() {
    let mut second = answer("two", Some(used(30, 40)));
    second.stop = stop("length");
    let answers = [&answer("one", Some(used(3, 4))), &second];
    let written: Value = serde_json::from_slice(&joined(&answers, &envelope(false))).unwrap();
    assert_eq!(
        written["choices"],
        json!([
            {"text": "one", "index": 0, "logprobs": null, "finish_reason": "stop"},
            {"text": "two", "index": 1, "logprobs": null, "finish_reason": "length"},
        ])
    );
    assert_eq!(written["usage"]["prompt_tokens"], 33);
    assert_eq!(written["usage"]["total_tokens"], 77);
}

/// The events of a stream, without `[DONE]`.
fn events(chunks: &[ChatChunk], include_usage: bool) -> Vec<Value> {
    let mut stream = CompletionStream::new(&envelope(include_usage));
    let mut out = Vec::new();
    for chunk in chunks {
        stream.chunk(chunk, &mut out);
    }
    stream.end(&mut out);
    let out = String::from_utf8(out).unwrap();
    let events = out.strip_suffix("data: [DONE]\n\n").unwrap();
    events
        .split_terminator("\n\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

fn chunks() -> Vec<ChatChunk> {
    vec![
        ChatChunk::Thinking {
            block: 0,
            text: Text::new("hm"),
        },
        ChatChunk::Text {
            block: 1,
            text: Text::new(""),
        },
        ChatChunk::Text {
            block: 1,
            text: Text::new("a\n"),
        },
        ChatChunk::Resumed {
            times: 1,
            deployments: vec!["d".into()],
        },
        ChatChunk::Finish {
            stop: stop("stop"),
            provider_fields: vec![("x".into(), RawJson::from_value(&1))],
        },
        ChatChunk::Usage {
            usage: used(3, 4),
            service_tier: Some("priority".into()),
        },
    ]
}

#[test]
fn a_stream_has_the_text_the_finish_and_the_usage() {
    let events = events(&chunks(), true);
    let choice = |text: &str, reason: Value| json!([{"text": text, "index": 0, "logprobs": null, "finish_reason": reason}]);
    assert_eq!(events.len(), 3);
    for event in &events {
        assert_eq!(
            (&event["object"], &event["id"], &event["model"]),
            (
                &json!("text_completion"),
                &json!("cmpl-1"),
                &json!("my \"model\"")
            )
        );
    }
    assert_eq!(events[0]["choices"], choice("a\n", Value::Null));
    assert_eq!(events[1]["choices"], choice("", json!("stop")));
    assert_eq!(events[1]["switchyard"]["resumed"], 1);
    assert_eq!(events[2]["choices"], choice("", Value::Null));
    assert_eq!(events[2]["usage"]["total_tokens"], 7);
    assert_eq!(events[2]["service_tier"], "priority");
}

#[test]
fn usage_is_for_those_who_ask() {
    let events = events(&chunks(), false);
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

#[test]
fn a_failed_stream_ends_with_one_error() {
    let mut stream = CompletionStream::new(&envelope(true));
    let mut out = Vec::new();
    stream.error(&Error::new(ErrorKind::Unavailable, "gone"), &mut out);
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with("data: {\"error\":{\"message\":\"gone\"") && !out.contains("[DONE]"));
}
