//! Puts the chunks of a streamed chat completion together, as a client would, and checks that they are well formed.

use serde_json::{Map, Value, json};

use crate::MODEL;

/// Puts a stream's chunks together and checks their form: one id, the role first, one finish and after it nothing but trace
/// and usage, and `[DONE]` or an error as the last thing.
pub(crate) fn reassemble(name: &str, sent: &str, wants_usage: bool) -> Value {
    let (chunks, ends_in_error) = parse_stream(name, sent);
    assert_eq!(
        chunks[0]["choices"][0]["delta"]["role"], "assistant",
        "{name}"
    );
    let mut message = json!({"role": "assistant"});
    let mut seen = json!({});
    let mut usages = 0;
    for chunk in &chunks {
        assert_eq!(chunk["id"], "chatcmpl-1", "{name}");
        assert_eq!(chunk["created"], 1_700_000_000, "{name}");
        assert_eq!(chunk["model"], MODEL, "{name}");
        assert_eq!(chunk["object"], "chat.completion.chunk", "{name}");
        let [choice] = chunk["choices"].as_array().unwrap().as_slice() else {
            panic!("{name}: one choice")
        };
        assert_eq!(choice["index"], 0, "{name}");
        if !seen["finish_reason"].is_null() {
            assert_eq!(
                choice["delta"].as_object().map(Map::len),
                Some(0),
                "{name}: nothing after the finish"
            );
            assert!(choice.get("finish_reason").is_none(), "{name}: one finish");
        }
        add_delta(&mut message, &choice["delta"]);
        if let Some(reason) = choice.get("finish_reason") {
            seen["finish_reason"] = reason.clone();
        }
        for member in ["trace", "service_tier", "usage"] {
            if let Some(value) = chunk.get(member) {
                seen[member] = value.clone();
                usages += usize::from(member == "usage");
            }
        }
    }
    if ends_in_error {
        assert!(
            seen["finish_reason"].is_null(),
            "{name}: a failed stream has no finish"
        );
    } else {
        assert!(
            seen["finish_reason"].is_string(),
            "{name}: a complete stream has a finish"
        );
        assert_eq!(usages, usize::from(wants_usage), "{name}: usage");
    }
    seen["message"] = message;
    seen
}

/// Returns the chunks, and whether the stream ended in an error event; it must end in that or in `[DONE]`.
fn parse_stream(name: &str, sent: &str) -> (Vec<Value>, bool) {
    let mut events: Vec<&str> = sent.split_terminator("\n\n").collect();
    let last = events.pop().unwrap();
    let parse = |event: &str| -> Value {
        let data = event
            .strip_prefix("data: ")
            .unwrap_or_else(|| panic!("{name}: {event}"));
        assert!(!data.contains('\n'), "{name}: one line");
        serde_json::from_str(data).unwrap_or_else(|error| panic!("{name}: {error}: {data}"))
    };
    let chunks = events.into_iter().map(parse).collect();
    if last == "data: [DONE]" {
        return (chunks, false);
    }
    let error = &parse(last)["error"];
    assert!(
        error["message"].is_string() && error["code"].is_string(),
        "{name}: {error}"
    );
    (chunks, true)
}

fn add_delta(message: &mut Value, delta: &Value) {
    for (name, value) in delta.as_object().unwrap() {
        match name.as_str() {
            "content" | "reasoning_content" => append(&mut message[name], value),
            "annotations" | "images" => extend(&mut message[name], value),
            "thinking_blocks" => value
                .as_array()
                .unwrap()
                .iter()
                .for_each(|block| add_thinking(message, block)),
            "tool_calls" => value
                .as_array()
                .unwrap()
                .iter()
                .for_each(|call| add_call(message, call)),
            "content_blocks" => value
                .as_array()
                .unwrap()
                .iter()
                .for_each(|block| add_block(message, block)),
            "role" | "provider_specific_fields" => {}
            other => panic!("unknown member {other}"),
        }
    }
}

fn append(to: &mut Value, text: &Value) {
    let before = to.as_str().unwrap_or("").to_owned();
    *to = (before + text.as_str().unwrap()).into();
}

fn extend(to: &mut Value, more: &Value) {
    if to.is_null() {
        *to = json!([]);
    }
    to.as_array_mut()
        .unwrap()
        .extend(more.as_array().unwrap().iter().cloned());
}

/// Thinking goes on in the last block until a signature ends it, as clients of LiteLLM put it together.
fn add_thinking(message: &mut Value, piece: &Value) {
    let blocks = &mut message["thinking_blocks"];
    let last = blocks.as_array_mut().and_then(|blocks| blocks.last_mut());
    match last {
        Some(last)
            if piece["type"] == "thinking"
                && last["type"] == "thinking"
                && last.get("signature").is_none() =>
        {
            append(&mut last["thinking"], &piece["thinking"]);
            if let Some(signature) = piece.get("signature") {
                last["signature"] = signature.clone();
            }
        }
        _ => extend(blocks, &json!([piece])),
    }
}

fn add_call(message: &mut Value, piece: &Value) {
    let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
    let calls = &mut message["tool_calls"];
    if index == calls.as_array().map_or(0, Vec::len) {
        extend(calls, &json!([piece]));
    } else {
        append(
            &mut calls[index]["function"]["arguments"],
            &piece["function"]["arguments"],
        );
    }
}

/// Adds a delta of Portkey's blocks, which are joined by their index.
fn add_block(message: &mut Value, piece: &Value) {
    let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
    let blocks = &mut message["content_blocks"];
    while blocks.as_array().map_or(0, Vec::len) <= index {
        extend(blocks, &json!([{}]));
    }
    for (name, value) in piece["delta"].as_object().unwrap() {
        append(&mut blocks[index][name], value);
    }
}
