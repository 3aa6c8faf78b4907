//! Answers on their way back: as Claude wrote them, or in Anthropic's words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::support::*;

/// An event-stream frame without headers but `:message-type` and `:event-type`.
fn frame(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":message-type", "event"), (":event-type", kind)] {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend(name.bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend(value.bytes());
    }
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let mut out = total.to_be_bytes().to_vec();
    out.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    let crc = crc32fast::hash(&out);
    out.extend(crc.to_be_bytes());
    out
}

fn claudes(events: &[Value]) -> Vec<u8> {
    let frames = events.iter().map(|event| {
        let payload = json!({"bytes": STANDARD.encode(event.to_string()), "p": "abc"});
        frame("chunk", payload.to_string().as_bytes())
    });
    frames.flatten().collect()
}

fn converses(events: &[(&str, Value)]) -> Vec<u8> {
    let frames = events.iter();
    frames
        .flat_map(|(kind, event)| frame(kind, event.to_string().as_bytes()))
        .collect()
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_bdrk_1", "type": "message", "role": "assistant",
        "model": "claude-x", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 9, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 0, "output_tokens": 1,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0}}}})
}

#[test]
fn a_whole_answer_of_claudes_comes_as_it_was_written() {
    let answer = json!({"id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [{"type": "text", "text": "a", "citations": null}, {"type": "future", "x": 1},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1.50}}],
        "stop_reason": "pause_turn", "stop_sequence": null, "context_management": {"applied_edits": []},
        "usage": {"input_tokens": 1, "output_tokens": 2, "service_tier": "standard"}});
    let mut sent = Case::new(SONNET_45).send().unwrap();
    let mut expected = answer.clone();
    expected["model"] = json!(MODEL);
    assert_eq!(sent.whole(&answer, &HeaderMap::new()).unwrap(), expected);
}

#[test]
fn claudes_events_pass_through_with_bedrocks_counts_in_their_place() {
    let events = [
        start(),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "<thinking>"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"x": 1}}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "future", "x": 1}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "future_delta", "y": 2}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 10, "outputTokenCount": 8,
            "invocationLatency": 5, "firstByteLatency": 1}}),
    ];
    for size in [usize::MAX, 1] {
        let mut sent = Case::new(SONNET_45)
            .with("stream", json!(true))
            .send()
            .unwrap();
        let seen = sent.stream(&claudes(&events), size);
        insta::assert_snapshot!("claudes_events", seen);
    }
}

#[test]
fn converses_events_are_said_in_anthropics_words() {
    let events = [
        ("messageStart", json!({"role": "assistant"})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ln"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "cmVk"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 1})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 2, "delta": {"text": "I \"look\""}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 2, "delta": {"text": " up."}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 2, "delta": {"citation": {"title": "T",
            "sourceContent": [{"text": "s"}], "location": {"documentChar": {"documentIndex": 0, "start": 1, "end": 2}}}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 2})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t1", "name": "f"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 3, "delta": {"toolUse": {"input": "{\"x\":"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 3, "delta": {"toolUse": {"input": "1}"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 3})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 4, "start": {"toolUse": {"toolUseId": "t2", "name": "g"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 4})),
        ("messageStop", json!({"stopReason": "tool_use"})),
        (
            "metadata",
            json!({"usage": {"inputTokens": 5, "outputTokens": 20, "totalTokens": 32, "cacheReadInputTokens": 7,
            "cacheWriteInputTokens": 0}, "metrics": {"latencyMs": 1}}),
        ),
    ];
    for size in [usize::MAX, 1] {
        let mut sent = Case::new(BY_CONVERSE)
            .with("stream", json!(true))
            .send()
            .unwrap();
        let text = sent.stream(&converses(&events), size);
        reassemble("converse", &text);
        insta::assert_snapshot!("converses_events", text);
    }
}

#[test]
fn a_whole_answer_of_converses_is_said_in_anthropics_words() {
    let answer = json!({"output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
            {"reasoningContent": {"redactedContent": "cmVk"}},
            {"text": "hi"},
            {"citationsContent": {"content": [{"text": "said"}], "citations": [{"title": "T",
                "sourceContent": [{"text": "s"}], "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}]}},
            {"toolUse": {"toolUseId": "t", "name": "f", "input": {"x": 1}}}]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 5, "outputTokens": 20, "totalTokens": 35, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 3}});
    let mut sent = Case::new(BY_CONVERSE).send().unwrap();
    let seen = sent.whole(&answer, &HeaderMap::new()).unwrap();
    insta::assert_json_snapshot!(seen);
}

#[test]
fn reasons_to_stop_have_anthropics_names() {
    for (raw, word) in [
        ("end_turn", "end_turn"),
        ("stop_sequence", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("model_context_window_exceeded", "max_tokens"),
        ("guardrail_intervened", "refusal"),
        ("content_filtered", "refusal"),
    ] {
        let answer = json!({"output": {"message": {"role": "assistant", "content": [{"text": "x"}]}}, "stopReason": raw});
        let mut sent = Case::new(NOVA).send().unwrap();
        let seen = sent.whole(&answer, &HeaderMap::new()).unwrap();
        assert_eq!(seen["stop_reason"], word, "{raw}");
    }
}

#[test]
fn a_stream_that_ends_early_ends_in_an_error() {
    let events = [
        start(),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
    ];
    let mut sent = Case::new(SONNET_45)
        .with("stream", json!(true))
        .send()
        .unwrap();
    let seen = reassemble("early", &sent.stream(&claudes(&events), 10));
    assert_eq!(seen["content"][0]["text"], "a");
    assert_eq!(seen["stop_reason"], Value::Null);
    assert_eq!(seen["error"]["type"], "api_error");
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let mut sent = Case::new(SONNET_45)
        .with("stream", json!(true))
        .send()
        .unwrap();
    let seen = reassemble("error", &sent.stream(&claudes(&[start(), overloaded]), 10));
    assert_eq!(
        seen["error"],
        json!({"type": "overloaded_error", "message": "busy"})
    );
}
