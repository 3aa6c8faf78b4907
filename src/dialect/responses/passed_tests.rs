use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::canonical::{Native, StopReason, Text};
use crate::dialect::responses::Responses;
use crate::dialect::{Asked as AnyAsked, Dialect as _};
use crate::error::ErrorKind;
use std::sync::Arc;

fn envelope(more: &Value, is_kept: bool) -> Envelope {
    let mut request = json!({"model": "asked", "input": "hi"});
    let more = more.as_object().unwrap().clone();
    request.as_object_mut().unwrap().extend(more);
    let body = Bytes::from(request.to_string());
    let parsed = Responses.parse(&body, &http::HeaderMap::new()).unwrap();
    let AnyAsked::Response(asked) = parsed.asked else {
        panic!("a response was asked for");
    };
    let asked = if is_kept {
        asked.kept(4096)
    } else {
        (*asked).clone()
    };
    Envelope {
        id: "resp_ours".into(),
        created: 17,
        model: "the \"model\"".into(),
        include_usage: false,
        content_blocks: false,
        asked: AnyAsked::Response(Arc::new(asked)),
    }
}

fn answer(body: &str) -> ChatAnswer {
    ChatAnswer {
        native: Some(Native {
            format: NativeFormat::Responses,
            body: RawJson::from_checked(Bytes::copy_from_slice(body.as_bytes())),
            is_alone: false,
        }),
        ..ChatAnswer::default()
    }
}

fn native(json: &Value) -> ChatChunk {
    ChatChunk::Native(NativeEvent {
        format: NativeFormat::Responses,
        name: Cow::Owned(json["type"].as_str().unwrap().to_owned()),
        block: None,
        json: RawJson::from_value(json),
        covers: 0,
        is_alone: false,
    })
}

fn text(text: &str) -> ChatChunk {
    ChatChunk::Text {
        block: 0,
        text: Text::new(text),
    }
}

fn begun() -> Value {
    json!({"type": "response.created", "sequence_number": 0, "new": 1, "response": {
        "id": "resp_theirs", "status": "in_progress", "model": "theirs", "output": [], "error": null, "later": [1]}})
}

#[test]
fn an_answer_is_the_models_but_for_what_is_the_clients() {
    let envelope = envelope(&json!({"metadata": {"a": "b"}, "user": "me"}), false);
    let written = r#"{ "id":"resp_theirs","model":"theirs","metadata":{"of":"another"},"user":"other",
"safety_identifier":"other's", "output":[ {"type":"mcp_call","id":"mcp_1","x":1.0} ],"store":true}"#;
    let told = Responses.answer(&answer(written), &envelope);
    assert_eq!(
        told,
        r#"{"id":"resp_theirs","model":"the \"model\"","metadata":{"a":"b"},"user":"me","safety_identifier":null,"output":[ {"type":"mcp_call","id":"mcp_1","x":1.0} ],"store":true}"#
    );
    let id = Responses.id_of(&answer(written));
    assert_eq!(id.as_deref(), Some("resp_theirs"));
    assert_eq!(Responses.id_in(&native(&begun())), id);
    assert!(Responses.kept(&answer(written), &envelope).is_none());
}

#[test]
fn what_is_kept_of_an_answer_has_its_own_id_and_the_conversation() {
    let written = r#"{"id":"resp_theirs","model":"theirs","output":[]}"#;
    let kept = Responses.kept(&answer(written), &envelope(&json!({}), true));
    let kept = kept.unwrap();
    assert_eq!(kept.id, "resp_theirs");
    let record = kept.record.to_value();
    assert_eq!(record["response"]["model"], "the \"model\"");
    assert_eq!(record["input"][0]["content"][0]["text"], "hi");
    let large = format!(
        r#"{{"id":"resp_theirs","output":["{}"]}}"#,
        "x".repeat(5000)
    );
    assert!(
        Responses
            .kept(&answer(&large), &envelope(&json!({}), true))
            .is_none()
    );
}

fn frames(out: &[u8]) -> Vec<(String, Value)> {
    let out = std::str::from_utf8(out).unwrap();
    let frames = out.split_terminator("\n\n");
    frames
        .map(|frame| {
            let (name, data) = frame.split_once('\n').unwrap();
            let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            (name.strip_prefix("event: ").unwrap().to_owned(), data)
        })
        .collect()
}

#[test]
fn events_are_passed_on_and_what_they_mean_is_not_said_again() {
    let mut stream = Responses.stream(envelope(&json!({}), true));
    let delta = json!({"type": "response.output_text.delta", "sequence_number": 5, "delta": "x\ny", "obfuscation": "z"});
    let mut done = begun();
    done["type"] = json!("response.completed");
    done["sequence_number"] = json!(6);
    done["response"]["status"] = json!("completed");
    let stop = ChatChunk::Finish {
        stop: StopReason::default(),
        provider_fields: Vec::new(),
    };
    let mut out = Vec::new();
    for chunk in [
        native(&begun()),
        native(&delta),
        text("x\ny"),
        native(&done),
        stop,
    ] {
        stream.chunk(&chunk, &mut out);
    }
    stream.end(&mut out);
    let frames = frames(&out);
    let mut expected = [begun(), delta, done];
    expected[0]["response"]["model"] = json!("the \"model\"");
    expected[2]["response"]["model"] = json!("the \"model\"");
    assert_eq!(frames.len(), 3);
    for ((name, event), expected) in frames.iter().zip(&expected) {
        assert_eq!(expected["type"], **name);
        assert_eq!(event, expected);
    }
    let kept = stream.kept().unwrap();
    assert_eq!(kept.id, "resp_theirs");
    assert_eq!(kept.record.to_value()["response"]["status"], "completed");
}

#[test]
fn a_stream_that_breaks_ends_in_one_event_with_what_was_complete() {
    let mut stream = Responses.stream(envelope(&json!({}), true));
    let item = json!({"type": "message", "id": "msg_1"});
    let done = json!({"type": "response.output_item.done", "sequence_number": 8, "item": item});
    let mut out = Vec::new();
    for chunk in [native(&begun()), text("x"), native(&done)] {
        stream.chunk(&chunk, &mut out);
    }
    stream.error(&Error::new(ErrorKind::Garbled, "it broke"), &mut out);
    let (name, event) = frames(&out).pop().unwrap();
    assert_eq!(name, "response.failed");
    assert_eq!(
        event,
        json!({"type": "response.failed", "sequence_number": 9, "response": {
            "id": "resp_theirs", "status": "failed", "model": "the \"model\"", "output": [item], "later": [1],
            "error": {"code": "server_error", "message": "it broke"}}})
    );
    assert!(stream.kept().is_none());
}
