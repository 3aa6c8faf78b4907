use serde_json::{Value, json};

use super::*;
use crate::error::{Error, ErrorKind};
use crate::provider::bedrock::converse::{JsonTool, ToolNames};

type Events = Vec<(&'static str, Value)>;

fn try_read(events: &Events, context: &DecodeContext) -> Result<Vec<ChatChunk>, Error> {
    let mut state = StreamState::default();
    let mut out = Vec::new();
    for (kind, payload) in events {
        let payload = Bytes::from(payload.to_string());
        let event = WireEvent {
            kind,
            payload: &payload,
        };
        state.event(event, context, &mut out)?;
    }
    state.end()?;
    Ok(out)
}

fn read(events: &Events, context: &DecodeContext) -> Vec<String> {
    let chunks = try_read(events, context).unwrap();
    chunks.iter().map(show).collect()
}

fn show(chunk: &ChatChunk) -> String {
    match chunk {
        ChatChunk::Native(event) => format!("native {}", event.name),
        ChatChunk::Text { block, text } => format!("{block} text {}", text.decoded()),
        ChatChunk::Thinking { block, text } => format!("{block} thinking {}", text.decoded()),
        ChatChunk::Signature { block, signature } => {
            format!("{block} signature {}", signature.decoded())
        }
        ChatChunk::Redacted { block, data } => format!("{block} redacted {}", data.decoded()),
        ChatChunk::ToolStart {
            block,
            index,
            id,
            name,
        } => {
            format!("{block} call {index} {} {}", id.decoded(), name.decoded())
        }
        ChatChunk::ToolInput {
            block,
            index,
            fragment,
        } => format!("{block} input {index} {}", fragment.decoded()),
        ChatChunk::Citation { block, raw } => format!("{block} citation {}", raw.get()),
        ChatChunk::Image {
            block,
            format,
            base64,
        } => format!("{block} image {format} {}", base64.decoded()),
        ChatChunk::Finish {
            stop,
            provider_fields,
        } => {
            format!(
                "finish {} {} {}",
                stop.finish_reason,
                stop.raw,
                provider_fields.len()
            )
        }
        ChatChunk::Resumed { times, .. } => format!("resumed {times}"),
        ChatChunk::Trace(trace) => format!("trace {}", trace.get()),
        ChatChunk::Details(details) => format!("details {}", details.len()),
        ChatChunk::Usage {
            usage,
            service_tier,
        } => format!(
            "usage {} {} {:?} {service_tier:?}",
            usage.prompt_tokens(),
            usage.output_tokens,
            usage.reasoning_tokens
        ),
    }
}

fn delta(block: u32, delta: &Value) -> (&'static str, Value) {
    (
        "contentBlockDelta",
        json!({"contentBlockIndex": block, "delta": delta, "p": "abc"}),
    )
}

fn text_delta(block: u32, text: &str) -> (&'static str, Value) {
    delta(block, &json!({"text": text}))
}

fn input(block: u32, input: &str) -> (&'static str, Value) {
    delta(block, &json!({"toolUse": {"input": input}}))
}

fn start(block: u32, start: &Value) -> (&'static str, Value) {
    (
        "contentBlockStart",
        json!({"contentBlockIndex": block, "start": start}),
    )
}

fn call(block: u32, name: &str) -> (&'static str, Value) {
    start(
        block,
        &json!({"toolUse": {"toolUseId": format!("tu_{block}"), "name": name}}),
    )
}

fn close(block: u32) -> (&'static str, Value) {
    ("contentBlockStop", json!({"contentBlockIndex": block}))
}

fn stop(reason: &str) -> (&'static str, Value) {
    ("messageStop", json!({"stopReason": reason}))
}

fn metadata() -> (&'static str, Value) {
    (
        "metadata",
        json!({"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}}),
    )
}

fn plain() -> DecodeContext {
    DecodeContext::default()
}

fn json_tool(wrapped: bool) -> DecodeContext {
    DecodeContext {
        json_tool: Some(JsonTool {
            wrapped,
            may_be_values: false,
        }),
        ..plain()
    }
}

#[test]
fn a_turn_with_reasoning_text_and_a_call() {
    let events = vec![
        ("messageStart", json!({"role": "assistant"})),
        delta(0, &json!({"reasoningContent": {"text": "R"}})),
        delta(0, &json!({"reasoningContent": {"signature": "SG"}})),
        close(0),
        text_delta(1, "he"),
        close(1),
        call(2, "f"),
        input(2, "{\"x\""),
        input(2, ":1}"),
        close(2),
        stop("tool_use"),
        metadata(),
    ];
    let expected = [
        "0 thinking R",
        "0 signature SG",
        "1 text he",
        "2 call 0 tu_2 f",
        "2 input 0 {\"x\"",
        "2 input 0 :1}",
        "finish tool_calls tool_use 0",
        "usage 5 2 Some(1) None",
    ];
    assert_eq!(read(&events, &plain()), expected);
}

#[test]
fn a_text_delta_shares_its_payload() {
    let payload = Bytes::from_static(br#"{"contentBlockIndex":0,"delta":{"text":"a\nb"},"p":"x"}"#);
    let mut out = Vec::new();
    let event = WireEvent {
        kind: "contentBlockDelta",
        payload: &payload,
    };
    StreamState::default()
        .event(event, &plain(), &mut out)
        .unwrap();
    let [ChatChunk::Text { text, .. }] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert!(payload.as_ptr_range().contains(&text.bytes().as_ptr()));
}

#[test]
fn calls_without_input_get_an_empty_object_at_their_end() {
    let events = vec![
        call(0, "none"),
        close(0),
        call(1, "empty"),
        input(1, ""),
        close(1),
        call(2, "unclosed"),
        stop("tool_use"),
    ];
    let expected = [
        "0 call 0 tu_0 none",
        "0 input 0 {}",
        "1 call 1 tu_1 empty",
        "1 input 1 {}",
        "2 call 2 tu_2 unclosed",
        "2 input 2 {}",
        "finish tool_calls tool_use 0",
    ];
    assert_eq!(read(&events, &plain()), expected);
}

#[test]
fn renamed_tools_get_their_names_back() {
    let mut tool_names = ToolNames::default();
    tool_names.insert("f_1".into(), "f é".into());
    let context = DecodeContext {
        tool_names,
        ..plain()
    };
    let chunks = read(
        &vec![call(0, "f_1"), input(0, "{}"), stop("tool_use")],
        &context,
    );
    assert_eq!(chunks[0], "0 call 0 tu_0 f é");
}

#[test]
fn calls_that_bedrock_runs_itself_are_hidden() {
    let server =
        json!({"toolUse": {"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use"}});
    let events = vec![
        start(0, &server),
        input(0, "{\"q\":1}"),
        close(0),
        start(1, &json!({"toolResult": {"toolUseId": "t"}})),
        delta(1, &json!({"toolResult": [{"text": "x"}]})),
        close(1),
        call(2, "f"),
        close(2),
        stop("tool_use"),
    ];
    let expected = [
        "2 call 0 tu_2 f",
        "2 input 0 {}",
        "finish tool_calls tool_use 0",
    ];
    assert_eq!(read(&events, &plain()), expected);
}

#[test]
fn think_tags_become_reasoning_however_they_are_cut() {
    let events = vec![
        text_delta(0, "<th"),
        text_delta(0, "ink>why</thi"),
        text_delta(0, "nk>be"),
        text_delta(0, "cause"),
        close(0),
        text_delta(1, "<thinking>open"),
        stop("max_tokens"),
    ];
    let expected = [
        "0 thinking why",
        "0 text be",
        "0 text cause",
        "1 thinking open",
        "finish length max_tokens 0",
    ];
    assert_eq!(read(&events, &plain()), expected);
}

#[test]
fn text_held_for_a_tag_is_not_lost() {
    let events = vec![
        text_delta(0, "<th"),
        close(0),
        text_delta(1, "<"),
        stop("end_turn"),
    ];
    assert_eq!(
        read(&events, &plain()),
        ["0 text <th", "1 text <", "finish stop end_turn 0"]
    );
}

#[test]
fn the_json_tools_input_becomes_text() {
    let call_it = |pieces: &[&str], context: &DecodeContext| {
        let mut events = vec![call(0, "json_tool_call")];
        events.extend(pieces.iter().map(|piece| input(0, piece)));
        events.extend([close(0), stop("tool_use")]);
        read(&events, context)
    };
    let finish = "finish stop tool_use 0";
    let plain = call_it(&["{\"a", "\":1}"], &json_tool(false));
    assert_eq!(plain, ["0 text {\"a", "0 text \":1}", finish]);
    let properties = call_it(&["{\"proper", "ties\": {\"a\"", ": 1}}"], &json_tool(false));
    assert_eq!(properties, ["0 text {\"a\": 1}", finish]);
    let wrapped = call_it(&["{\"value\": [1", ",2", "]}"], &json_tool(true));
    assert_eq!(wrapped, ["0 text [1", "0 text ,2", "0 text ]", finish]);
}

#[test]
fn a_second_call_of_the_json_tool_adds_nothing() {
    let mut events = Events::new();
    for block in 0..2 {
        events.extend([
            call(block, "json_tool_call"),
            input(block, "{\"a\":1}"),
            close(block),
        ]);
    }
    events.push(stop("tool_use"));
    let expected = ["0 text {\"a\":1}", "finish stop tool_use 0"];
    assert_eq!(read(&events, &json_tool(false)), expected);
}

#[test]
fn the_json_tool_beside_a_real_one_ends_in_tool_calls() {
    let events = vec![
        call(0, "json_tool_call"),
        input(0, "{\"a\":1}"),
        close(0),
        call(1, "f"),
        close(1),
        stop("tool_use"),
    ];
    let expected = [
        "0 text {\"a\":1}",
        "1 call 0 tu_1 f",
        "1 input 0 {}",
        "finish tool_calls tool_use 0",
    ];
    assert_eq!(read(&events, &json_tool(false)), expected);
}

#[test]
fn citations_pictures_and_redacted_reasoning_are_passed_on() {
    let events = vec![
        start(0, &json!({"reasoningContent": {"redactedContent": "UkVE"}})),
        delta(0, &json!({"reasoningContent": {"redactedContent": "UkUy"}})),
        text_delta(1, "cited"),
        delta(1, &json!({"citation": {"title": "T"}})),
        start(2, &json!({"image": {"format": "webp"}})),
        delta(2, &json!({"image": {"source": {"bytes": "QUJD"}}})),
        stop("end_turn"),
        metadata(),
    ];
    let expected = [
        "0 redacted UkVE",
        "0 redacted UkUy",
        "1 text cited",
        "1 citation {\"title\":\"T\"}",
        "2 image webp QUJD",
        "finish stop end_turn 0",
        "usage 5 2 None None",
    ];
    assert_eq!(read(&events, &plain()), expected);
}

#[test]
fn the_end_tells_everything_in_order() {
    let fields = json!({"usage": {"output_tokens_details": {"thinking_tokens": 1}}});
    let events = vec![
        (
            "messageStop",
            json!({"stopReason": "end_turn", "additionalModelResponseFields": fields}),
        ),
        (
            "metadata",
            json!({
                "usage": {"inputTokens": 5, "outputTokens": 2}, "metrics": {"latencyMs": 1},
                "trace": {"guardrail": {}}, "serviceTier": {"type": "priority"},
            }),
        ),
    ];
    let context = DecodeContext {
        response_fields: true,
        ..plain()
    };
    let expected = [
        "finish stop end_turn 1",
        "trace {\"guardrail\":{}}",
        "details 1",
        "usage 5 2 Some(1) Some(\"priority\")",
    ];
    assert_eq!(read(&events, &context), expected);
    let early: Events = events.into_iter().rev().collect();
    assert_eq!(read(&early, &context), expected);
}

#[test]
fn a_stream_without_message_stop_is_garbled() {
    for events in [vec![], vec![text_delta(0, "half")], vec![metadata()]] {
        let error = try_read(&events, &plain()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Garbled);
        assert_eq!(error.message(), "stream ended before messageStop");
    }
}

#[test]
fn unknown_events_are_skipped_and_broken_ones_are_not() {
    let unknown = vec![
        ("newEvent", json!([])),
        delta(0, &json!({"newKind": {}})),
        stop("end_turn"),
    ];
    assert_eq!(read(&unknown, &plain()), ["finish stop end_turn 0"]);
    for payload in [
        json!([1]),
        json!({"contentBlockIndex": "x"}),
        json!({"delta": 3}),
    ] {
        let error = try_read(&vec![("contentBlockDelta", payload)], &plain()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Garbled);
    }
}

#[test]
fn a_second_finish_is_not_said() {
    let events = vec![stop("end_turn"), stop("end_turn")];
    assert_eq!(read(&events, &plain()).len(), 1);
}

#[test]
fn signed_reasoning_without_text_has_no_count() {
    let events = vec![
        delta(0, &json!({"reasoningContent": {"signature": "s"}})),
        close(0),
        stop("end_turn"),
        metadata(),
    ];
    let expected = [
        "0 signature s",
        "finish stop end_turn 0",
        "usage 5 2 None None",
    ];
    assert_eq!(read(&events, &plain()), expected);
}
