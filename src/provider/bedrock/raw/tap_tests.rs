//! Usage is read from every shape of answer, however it is cut, and nothing unreadable does harm.

use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

const FRAMES: (&str, &str) = ("content-type", "application/vnd.amazon.eventstream");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Writes a frame, as AWS does.
fn frame(kind: (&str, &str), payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in [
        kind,
        (
            ":message-type",
            if kind.0 == ":event-type" {
                "event"
            } else {
                "exception"
            },
        ),
    ] {
        head.push(u8::try_from(name.len()).unwrap());
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let total = u32::try_from(16 + head.len() + payload.len()).unwrap();
    let mut out = total.to_be_bytes().to_vec();
    out.extend_from_slice(&u32::try_from(head.len()).unwrap().to_be_bytes());
    let sum = crc32fast::hash(&out);
    out.extend_from_slice(&sum.to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    let sum = crc32fast::hash(&out);
    out.extend_from_slice(&sum.to_be_bytes());
    out
}

fn event(name: &str, payload: &Value) -> Vec<u8> {
    frame((":event-type", name), payload.to_string().as_bytes())
}

fn chunk(inner: &Value) -> Vec<u8> {
    event(
        "chunk",
        &json!({"bytes": STANDARD.encode(inner.to_string()), "p": "abc"}),
    )
}

/// Shows an answer in pieces of `size` bytes.
fn seen(operation: Operation, headers: &HeaderMap, answer: &[u8], size: usize) -> Tap {
    let mut tap = Tap::new(operation, headers);
    for piece in answer.chunks(size.max(1)) {
        tap.see(&Bytes::copy_from_slice(piece));
    }
    tap
}

fn tokens(tap: &Tap) -> Option<(u64, u64)> {
    tap.usage()
        .map(|usage| (usage.prompt_tokens(), usage.output_tokens))
}

fn converse_stream() -> Vec<u8> {
    [
        event("messageStart", &json!({"role": "assistant"})),
        event(
            "contentBlockDelta",
            &json!({"contentBlockIndex": 0, "delta": {"text": "hello out there"}}),
        ),
        event("messageStop", &json!({"stopReason": "end_turn"})),
        event(
            "metadata",
            &json!({"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}),
        ),
    ]
    .concat()
}

#[test]
fn usage_of_every_shape_is_read_however_it_is_cut() {
    let claude = [
        chunk(&json!({"type": "message_start", "message": {"usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 1}}})),
        chunk(&json!({"type": "content_block_delta", "delta": {"text": "hello"}})),
        chunk(&json!({"type": "message_delta", "usage": {"output_tokens": 4}})),
        chunk(&json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 99, "outputTokenCount": 99}})),
    ]
    .concat();
    let llama = [
        chunk(&json!({"generation": "hello", "stop_reason": null})),
        chunk(&json!({"generation": "", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 4}})),
    ]
    .concat();
    let usage = json!({"metadata": {"usage": {"inputTokens": 2, "outputTokens": 1}}});
    let agent = [
        event(
            "trace",
            &json!({"trace": {"orchestrationTrace": {"modelInvocationOutput": usage}}}),
        ),
        event(
            "trace",
            &json!({"trace": {"postProcessingTrace": {"modelInvocationOutput": usage}}}),
        ),
        event("chunk", &json!({"bytes": STANDARD.encode("hello")})),
    ]
    .concat();
    let whole = json!({"output": {"text": "\"usage\": {}"}, "usage": {"inputTokens": 5, "outputTokens": 4}}).to_string();
    let lines = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\ndata: {\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    let text = ("content-type", "text/event-stream; charset=utf-8");
    for (operation, kind, answer, expected) in [
        (
            Operation::ConverseStream,
            FRAMES,
            &converse_stream()[..],
            (3, 4),
        ),
        (Operation::InvokeStream, FRAMES, &claude[..], (5, 4)),
        (Operation::InvokeStream, FRAMES, &llama[..], (5, 4)),
        (Operation::Agent, FRAMES, &agent[..], (4, 2)),
        (Operation::Converse, JSON, whole.as_bytes(), (5, 4)),
        (Operation::OpenAi, text, lines.as_bytes(), (5, 4)),
    ] {
        for size in [1, 7, 64, 100_000] {
            let tap = seen(operation, &headers(&[kind]), answer, size);
            assert_eq!(
                tokens(&tap),
                Some(expected),
                "{operation:?} in pieces of {size}"
            );
            assert!(tap.fault().is_none());
        }
    }
}

#[test]
fn headers_of_an_invocation_count_where_the_body_says_nothing() {
    let counted = headers(&[
        JSON,
        ("x-amzn-bedrock-input-token-count", "7"),
        ("x-amzn-bedrock-output-token-count", "2"),
    ]);
    let tap = seen(Operation::Invoke, &counted, br#"{"embedding": [1, 2]}"#, 5);
    assert_eq!(tokens(&tap), Some((7, 2)));
    let tap = seen(
        Operation::Invoke,
        &counted,
        br#"{"usage": {"input_tokens": 3, "output_tokens": 4}}"#,
        5,
    );
    assert_eq!(tokens(&tap), Some((3, 4)));
}

#[test]
fn answers_without_usage_have_none() {
    for (operation, kind, answer) in [
        (Operation::CountTokens, JSON, &br#"{"inputTokens": 3}"#[..]),
        (
            Operation::Other,
            JSON,
            br#"{"usage": {"topicPolicyUnits": 1}}"#,
        ),
        (Operation::Converse, JSON, br#"{"usage": {"inputTok"#),
        (Operation::Converse, JSON, b"<html>"),
        (
            Operation::ConverseStream,
            FRAMES,
            b"no frames at all, but long enough to hold a prelude",
        ),
        (
            Operation::Converse,
            ("content-type", "image/png"),
            br#"{"usage": {"inputTokens": 1}}"#,
        ),
    ] {
        let tap = seen(operation, &headers(&[kind]), answer, 6);
        assert_eq!(tokens(&tap), None, "{operation:?} {answer:?}");
    }
}

#[test]
fn what_an_agent_says_of_tokens_is_text() {
    let usage = json!({"metadata": {"usage": {"inputTokens": 2, "outputTokens": 1}}});
    let said = json!({"usage": {"inputTokens": 0, "outputTokens": 0},
        "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 9}});
    let answer = [
        event("trace", &json!({"trace": {"x": usage}})),
        chunk(&said),
        event("returnControl", &said),
    ]
    .concat();
    let tap = seen(Operation::Agent, &headers(&[FRAMES]), &answer, 64);
    assert_eq!(tokens(&tap), Some((2, 1)));
    assert!(tap.written().tokens(crate::catalog::Tokenizer::Claude) > 10);
}

#[test]
fn failure_inside_of_a_stream_is_noticed() {
    let stream = [
        event("messageStart", &json!({"role": "assistant"})),
        frame(
            (":exception-type", "throttlingException"),
            br#"{"message": "slow down"}"#,
        ),
    ]
    .concat();
    let tap = seen(Operation::ConverseStream, &headers(&[FRAMES]), &stream, 9);
    assert_eq!(
        tap.fault().map(Error::kind),
        Some(crate::error::ErrorKind::Throttled)
    );
}

#[test]
fn what_came_of_a_cut_stream_is_measured() {
    let stream = converse_stream();
    let tap = seen(
        Operation::ConverseStream,
        &headers(&[FRAMES]),
        &stream[..stream.len() - 20],
        50,
    );
    assert_eq!(tokens(&tap), None);
    let written = tap.written().tokens(crate::catalog::Tokenizer::Claude);
    assert!((2..8).contains(&written), "{written}");
}

#[test]
fn endless_line_is_not_kept() {
    let mut tap = Tap::new(
        Operation::OpenAi,
        &headers(&[("content-type", "text/event-stream")]),
    );
    let piece = Bytes::from(vec![b'x'; 100_000]);
    for _ in 0..4 {
        tap.see(&piece);
    }
    assert!(matches!(tap.shape, Shape::Unread));
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..400), size in 1usize..50, which in 0usize..3) {
        let kind = [FRAMES, JSON, ("content-type", "text/event-stream")][which];
        for operation in [Operation::ConverseStream, Operation::Converse, Operation::OpenAi] {
            let _usage = seen(operation, &headers(&[kind]), &bytes, size).usage();
        }
    }
}
