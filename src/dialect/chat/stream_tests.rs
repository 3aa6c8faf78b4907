use serde_json::{Value, json};

use super::*;
use crate::error::ErrorKind;

fn envelope(include_usage: bool, content_blocks: bool) -> Envelope {
    Envelope {
        id: "chatcmpl-1".into(),
        created: 17,
        model: "my \"model\"".into(),
        include_usage,
        content_blocks,
        asked: crate::dialect::Asked::Nothing,
    }
}

fn sent(envelope: &Envelope, chunks: &[ChatChunk]) -> String {
    let mut writer = ChatStream::new(envelope);
    let mut out = Vec::new();
    for chunk in chunks {
        writer.chunk(chunk, &mut out);
    }
    String::from_utf8(out).unwrap()
}

fn events(envelope: &Envelope, chunks: &[ChatChunk]) -> Vec<Value> {
    let sent = sent(envelope, chunks);
    let events = sent.split_terminator("\n\n").map(|event| {
        let data = event.strip_prefix("data: ").unwrap();
        assert!(!data.contains(['\n', '\r']));
        serde_json::from_str(data).unwrap()
    });
    events.collect()
}

fn deltas(chunks: &[ChatChunk]) -> Vec<Value> {
    let events = events(&envelope(false, false), chunks);
    events
        .into_iter()
        .map(|mut event| event["choices"][0]["delta"].take())
        .collect()
}

fn text(block: u32, text: &str) -> ChatChunk {
    ChatChunk::Text {
        block,
        text: Text::new(text),
    }
}

fn raw(written: &str) -> RawJson {
    serde_json::from_str(written).unwrap()
}

fn finish(finish_reason: &'static str, raw: &str) -> ChatChunk {
    let stop = StopReason {
        finish_reason,
        raw: raw.into(),
        format: None,
    };
    ChatChunk::Finish {
        stop,
        provider_fields: Vec::new(),
    }
}

fn usage() -> ChatChunk {
    let usage = Usage {
        input_tokens: 5,
        output_tokens: 2,
        ..Usage::default()
    };
    ChatChunk::Usage {
        usage,
        service_tier: Some("flex".into()),
    }
}

#[test]
fn a_text_chunk_is_openais_byte_for_byte() {
    let expected = "data: {\"id\":\"chatcmpl-1\",\"created\":17,\"model\":\"my \\\"model\\\"\",\
        \"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\
        \"content\":\"a\\nb\"}}]}\n\n";
    assert_eq!(sent(&envelope(false, false), &[text(0, "a\nb")]), expected);
}

#[test]
fn the_role_goes_with_the_first_delta_only() {
    let expected = [
        json!({"role": "assistant", "content": "a"}),
        json!({"content": "b"}),
        json!({}),
    ];
    assert_eq!(
        deltas(&[text(0, "a"), text(0, "b"), finish("stop", "end_turn")]),
        expected
    );
}

#[test]
fn an_empty_answer_is_one_chunk_with_role_and_finish() {
    let events = events(&envelope(false, false), &[finish("stop", "end_turn")]);
    let expected = json!([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]);
    assert_eq!(events[0]["choices"], expected);
}

#[test]
fn empty_pieces_are_not_sent() {
    let empty = ChatChunk::Thinking {
        block: 0,
        text: Text::new(""),
    };
    assert_eq!(sent(&envelope(false, false), &[text(0, ""), empty]), "");
}

#[test]
fn reasoning_is_said_in_all_forms_that_clients_read() {
    let chunks = [
        text(9, "x"),
        ChatChunk::Thinking {
            block: 0,
            text: Text::new("t"),
        },
        ChatChunk::Signature {
            block: 0,
            signature: Text::new("s"),
        },
        ChatChunk::Redacted {
            block: 1,
            data: Text::new("d"),
        },
    ];
    let expected = [
        json!({"content": "", "reasoning_content": "t", "thinking_blocks": [{"type": "thinking", "thinking": "t"}],
            "provider_specific_fields": {"reasoningContent": {"text": "t"}}}),
        json!({"content": "", "reasoning_content": "",
            "thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s"}],
            "provider_specific_fields": {"reasoningContent": {"signature": "s"}}}),
        json!({"content": "", "reasoning_content": "", "thinking_blocks": [{"type": "redacted_thinking", "data": "d"}],
            "provider_specific_fields": {"reasoningContent": {"redactedContent": "d"}}}),
    ];
    assert_eq!(deltas(&chunks)[1..], expected);
}

#[test]
fn a_call_starts_with_id_and_name_and_goes_on_by_index() {
    let chunks = [
        text(0, "x"),
        ChatChunk::ToolStart {
            block: 2,
            index: 1,
            id: Text::new("tu"),
            name: Text::new("f"),
        },
        ChatChunk::ToolInput {
            block: 2,
            index: 1,
            fragment: Text::new("{\"x\""),
        },
    ];
    let expected = [
        json!({"content": "", "tool_calls": [
            {"id": "tu", "type": "function", "index": 1, "function": {"name": "f", "arguments": ""}},
        ]}),
        json!({"content": "", "tool_calls": [{"type": "function", "index": 1, "function": {"arguments": "{\"x\""}}]}),
    ];
    assert_eq!(deltas(&chunks)[1..], expected);
}

#[test]
fn a_citation_counts_from_the_text_of_its_block() {
    let web = r#"{"location":{"web":{"url":"https://x.example"}}}"#;
    let document = r#"{"location":{"documentPage":{}}}"#;
    let chunks = [
        text(0, "é\n"),
        text(1, "ci"),
        text(1, "ted"),
        ChatChunk::Citation {
            block: 1,
            raw: raw(web),
        },
        ChatChunk::Citation {
            block: 1,
            raw: raw(document),
        },
    ];
    let deltas = deltas(&chunks);
    let expected = json!([{"type": "url_citation", "url_citation":
        {"start_index": 2, "end_index": 7, "url": "https://x.example"}}]);
    assert_eq!(deltas[3]["annotations"], expected);
    assert_eq!(
        deltas[3]["provider_specific_fields"]["citation"],
        raw(web).to_value()
    );
    assert!(deltas[4].get("annotations").is_none());
}

#[test]
fn a_picture_is_a_data_url() {
    let chunk = ChatChunk::Image {
        block: 0,
        format: "webp".into(),
        base64: Text::new("QUJD"),
    };
    assert_eq!(
        deltas(&[chunk])[0]["images"][0]["image_url"]["url"],
        "data:image/webp;base64,QUJD"
    );
}

#[test]
fn after_the_finish_come_trace_and_usage() {
    let trace = ChatChunk::Trace(raw("{\n \"guardrail\": {}\r\n}"));
    let chunks = [text(0, "a"), finish("stop", "end_turn"), trace, usage()];
    let events = events(&envelope(true, false), &chunks);
    assert_eq!(
        events[1]["choices"][0],
        json!({"index": 0, "delta": {}, "finish_reason": "stop"})
    );
    assert!(events[0]["choices"][0].get("finish_reason").is_none());
    assert_eq!(events[2]["trace"], json!({"guardrail": {}}));
    assert_eq!(
        events[2]["provider_specific_fields"],
        json!({"trace": {"guardrail": {}}})
    );
    assert_eq!(events[3]["choices"], json!([{"index": 0, "delta": {}}]));
    assert_eq!(events[3]["usage"]["total_tokens"], 7);
    assert_eq!(events[3]["service_tier"], "flex");
    assert_eq!(events.len(), 4);
}

#[test]
fn usage_is_sent_only_if_asked_for() {
    assert_eq!(sent(&envelope(false, false), &[usage()]), "");
    assert_eq!(events(&envelope(false, true), &[usage()]).len(), 1);
}

#[test]
fn fields_of_the_provider_go_with_the_finish() {
    let stop = StopReason::default();
    let provider_fields = vec![("additionalModelResponseFields".into(), raw("{\n\"a\": 1}"))];
    let chunks = [
        text(0, "a"),
        ChatChunk::Finish {
            stop,
            provider_fields,
        },
    ];
    let expected = json!({"provider_specific_fields": {"additionalModelResponseFields": {"a": 1}}});
    assert_eq!(deltas(&chunks)[1], expected);
}

#[test]
fn portkeys_clients_hear_role_and_blocks_with_every_chunk() {
    let chunks = [
        ChatChunk::Thinking {
            block: 0,
            text: Text::new("t"),
        },
        ChatChunk::Signature {
            block: 0,
            signature: Text::new("s"),
        },
        ChatChunk::Redacted {
            block: 1,
            data: Text::new("d"),
        },
        text(2, "a"),
        ChatChunk::ToolStart {
            block: 3,
            index: 0,
            id: Text::new("tu"),
            name: Text::new("f"),
        },
        finish("content_filter", "guardrail_intervened"),
        ChatChunk::Details(vec![("metrics".into(), raw("{\"latencyMs\":1}"))]),
        usage(),
    ];
    let events = events(&envelope(false, true), &chunks);
    let delta = |at: usize| &events[at]["choices"][0]["delta"];
    for (at, block) in [
        json!({"index": 0, "delta": {"thinking": "t"}}),
        json!({"index": 0, "delta": {"signature": "s"}}),
        json!({"index": 1, "delta": {"data": "d"}}),
        json!({"index": 2, "delta": {"text": "a"}}),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(delta(at)["content_blocks"], json!([block]));
    }
    assert!(delta(4).get("content_blocks").is_none());
    assert!((0..6).all(|at| delta(at)["role"] == "assistant"));
    assert_eq!(
        events[5]["choices"][0]["finish_reason"],
        "guardrail_intervened"
    );
    assert_eq!(
        delta(5)["provider_specific_fields"],
        json!({"stop_reason": "guardrail_intervened"})
    );
    assert_eq!(
        events[6]["provider_specific_fields"],
        json!({"metrics": {"latencyMs": 1}})
    );
    assert_eq!(events.len(), 7);
}

#[test]
fn a_complete_stream_ends_in_done_and_a_failed_one_in_an_error() {
    let mut writer = ChatStream::new(&envelope(false, false));
    let mut out = Vec::new();
    writer.end(&mut out);
    assert_eq!(out, b"data: [DONE]\n\n");
    out.clear();
    writer.error(
        &Error::new(ErrorKind::Garbled, "stream ended before messageStop"),
        &mut out,
    );
    let expected = "data: {\"error\":{\"message\":\"stream ended before messageStop\",\
        \"type\":\"internal_server_error\",\"param\":null,\"code\":\"502\"}}\n\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
