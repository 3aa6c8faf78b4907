use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::canonical::Text;
use crate::dialect::responses::{NotKept, Responses};
use crate::dialect::{self, Dialect as _};

/// The envelope of the answer to a request.
pub(super) fn envelope(request: &Value) -> Envelope {
    let body = Bytes::from(request.to_string());
    let parsed = Responses.parse(&body, &http::HeaderMap::new()).unwrap();
    Envelope {
        id: "resp_1-2".into(),
        created: 17,
        model: "my \"model\"".into(),
        include_usage: false,
        content_blocks: false,
        asked: parsed.asked,
    }
}

/// The same where the response is to be kept.
fn keeping(envelope: &Envelope) -> Envelope {
    let dialect::Asked::Response(asked) = &envelope.asked else {
        panic!("{envelope:?}");
    };
    Envelope {
        asked: dialect::Asked::Response(Arc::new(asked.kept(usize::MAX))),
        ..envelope.clone()
    }
}

fn thinking(text: &str, signature: &str) -> AnswerBlock {
    AnswerBlock::Thinking {
        text: Text::new(text),
        signature: Some(Text::new(signature)),
    }
}

fn text(text: &str) -> AnswerBlock {
    AnswerBlock::Text(Text::new(text))
}

fn call(id: &str, name: &str, input: &Value) -> AnswerBlock {
    AnswerBlock::ToolUse {
        id: Text::new(id),
        name: Text::new(name),
        input: RawJson::from_value(input),
    }
}

fn of(blocks: Vec<AnswerBlock>) -> ChatAnswer {
    ChatAnswer {
        blocks,
        ..ChatAnswer::default()
    }
}

fn written(answer: &ChatAnswer, envelope: &Envelope) -> Value {
    serde_json::from_slice(&Responses.answer(answer, envelope)).unwrap()
}

#[test]
fn a_plain_answer_repeats_its_request_and_has_openais_shape() {
    let request = json!({
        "model": "m", "input": "hi", "instructions": "Be \"brief\".", "temperature": 0.5, "max_output_tokens": 9,
        "metadata": {"a": "b"}, "reasoning": {"effort": "low"}, "user": "u",
    });
    let answer = ChatAnswer {
        usage: Some(Usage {
            input_tokens: 5,
            output_tokens: 20,
            cache_read_tokens: 7,
            cache_write_tokens: 3,
            reasoning_tokens: Some(4),
            ..Usage::default()
        }),
        service_tier: Some("priority".into()),
        ..of(vec![text("a\n"), text("\"b\"")])
    };
    let expected = json!({
        "id": "resp_1-2", "object": "response", "created_at": 17, "status": "completed", "error": null,
        "incomplete_details": null, "model": "my \"model\"",
        "output": [{"id": "msg_1-2_0", "type": "message", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "a\n\"b\"", "annotations": [], "logprobs": []}]}],
        "background": false, "instructions": "Be \"brief\".", "max_output_tokens": 9, "max_tool_calls": null,
        "metadata": {"a": "b"}, "parallel_tool_calls": true, "previous_response_id": null, "prompt_cache_key": null,
        "prompt_cache_retention": null, "reasoning": {"effort": "low"}, "safety_identifier": null, "temperature": 0.5,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": null,
        "truncation": "disabled", "user": "u", "store": false, "service_tier": "priority",
        "usage": {
            "input_tokens": 15, "input_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 3},
            "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 35,
        },
    });
    assert_eq!(written(&answer, &envelope(&request)), expected);
}

#[test]
fn blocks_become_items_in_their_order() {
    let request = json!({"input": "hi", "tools": [
        {"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find"}]},
        {"type": "custom", "name": "patch"},
    ]});
    let answer = of(vec![
        thinking("one", "s1"),
        AnswerBlock::Redacted(Text::new("blob")),
        thinking("two", "s2"),
        text("let me see"),
        call("c1", "f", &json!({"a": "\"x\""})),
        call("c2", "crm__find", &json!({})),
        call("c3", "patch", &json!({"input": "a\nb"})),
        call("c4", "patch", &json!({"text": "odd"})),
        AnswerBlock::Image {
            format: "png".into(),
            base64: Text::new("AAAA"),
        },
    ]);
    let written = written(&answer, &envelope(&request));
    let expected = json!([
        {"id": "rs_1-2_0", "type": "reasoning", "summary": [
            {"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]},
        {"id": "msg_1-2_1", "type": "message", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "let me see", "annotations": [], "logprobs": []}]},
        {"id": "fc_1-2_2", "type": "function_call", "status": "completed", "call_id": "c1", "name": "f",
            "arguments": "{\"a\":\"\\\"x\\\"\"}"},
        {"id": "fc_1-2_3", "type": "function_call", "status": "completed", "call_id": "c2", "name": "find",
            "namespace": "crm", "arguments": "{}"},
        {"id": "ctc_1-2_4", "type": "custom_tool_call", "status": "completed", "call_id": "c3", "name": "patch",
            "input": "a\nb"},
        {"id": "ctc_1-2_5", "type": "custom_tool_call", "status": "completed", "call_id": "c4", "name": "patch",
            "input": "{\"text\":\"odd\"}"},
        {"id": "ig_1-2_6", "type": "image_generation_call", "status": "completed", "result": "AAAA"},
    ]);
    assert_eq!(written["output"], expected);
}

#[test]
fn reasoning_is_packed_for_those_who_ask_and_comes_back() {
    let request = json!({"input": "hi", "include": ["reasoning.encrypted_content"]});
    let answer = of(vec![thinking("hm", "sig"), call("c1", "f", &json!({}))]);
    let written = written(&answer, &envelope(&request));
    let output = written["output"].clone();
    assert!(output[0]["encrypted_content"].is_string());
    let mut items = vec![json!({"role": "user", "content": "hi"})];
    items.extend(output.as_array().unwrap().iter().cloned());
    items.push(json!({"type": "function_call_output", "call_id": "c1", "output": "1"}));
    let body = Bytes::from(json!({"input": items}).to_string());
    let parsed = Responses.parse(&body, &http::HeaderMap::new()).unwrap();
    let turn = &parsed.request.messages[1];
    assert!(matches!(
        &turn.thinking[..],
        [crate::canonical::Thinking::Shown { text, signature: Some(signature) }]
            if text.decoded() == "hm" && signature.decoded() == "sig"
    ));
    assert_eq!(turn.tool_calls[0].id.as_deref(), Some("c1"));
}

#[test]
fn citations_are_annotations_of_the_text_they_stand_with() {
    let citation =
        json!({"citations": [{"title": "T", "location": {"web": {"url": "https://x.example"}}}]});
    let answer = of(vec![
        text("é: "),
        AnswerBlock::Citations {
            text: Text::new("cited"),
            raw: RawJson::from_value(&citation),
        },
        AnswerBlock::Citations {
            text: Text::new(" too"),
            raw: RawJson::from_value(&citation),
        },
    ]);
    let written = written(&answer, &envelope(&json!({"input": "hi"})));
    let part = &written["output"][0]["content"][0];
    assert_eq!(part["text"], "é: cited too");
    let annotation = |start: u64, end: u64| json!({"type": "url_citation", "start_index": start, "end_index": end, "title": "T", "url": "https://x.example"});
    assert_eq!(
        part["annotations"],
        json!([annotation(3, 8), annotation(8, 12)])
    );
}

#[test]
fn an_answer_that_was_cut_off_is_incomplete() {
    for (word, reason) in [
        ("length", "max_output_tokens"),
        ("content_filter", "content_filter"),
    ] {
        let answer = ChatAnswer {
            stop: StopReason {
                finish_reason: word,
                raw: String::new(),
                format: None,
            },
            ..of(vec![text("a")])
        };
        let written = written(&answer, &envelope(&json!({"input": "hi"})));
        assert_eq!(written["status"], "incomplete");
        assert_eq!(written["incomplete_details"], json!({"reason": reason}));
        assert_eq!(written["output"][0]["status"], "incomplete");
    }
}

#[test]
fn only_what_is_to_be_kept_is_written_down() {
    let envelope = envelope(&json!({"input": [{"role": "user", "content": "hi"}]}));
    let answer = of(vec![thinking("hm", "sig"), text("yes")]);
    assert!(Responses.kept(&answer, &envelope).is_none());
    let keeping = keeping(&envelope);
    let record = Responses.kept(&answer, &keeping).unwrap().record.to_value();
    assert_eq!(record["input"], json!([{"role": "user", "content": "hi"}]));
    assert!(record["response"]["output"][0]["encrypted_content"].is_string());
    let written = written(&answer, &keeping);
    assert_eq!(written["store"], true);
    assert!(written["output"][0].get("encrypted_content").is_none());
}

#[test]
fn an_id_from_elsewhere_becomes_a_responses() {
    for (id, own_id) in [
        ("resp_a-b", "resp_a-b"),
        ("chatcmpl-a-b", "resp_a-b"),
        ("msg_a-b", "resp_a-b"),
        ("x", "resp_x"),
    ] {
        let mut envelope = envelope(&json!({"input": "hi"}));
        envelope.id = id.to_owned();
        assert_eq!(own(&envelope).id, own_id);
    }
}

#[test]
fn what_is_too_large_is_not_kept_and_says_so() {
    let envelope = envelope(&json!({"input": "0123456789"}));
    let dialect::Asked::Response(asked) = &envelope.asked else {
        panic!("{envelope:?}");
    };
    let of_input = asked.kept(20);
    assert!(!of_input.is_kept() && of_input.warnings().len() == 1);
    let asked = asked.kept(2_000);
    assert!(asked.is_kept() && asked.warnings().is_empty());
    let room = Envelope {
        asked: dialect::Asked::Response(Arc::new(asked.clone())),
        ..envelope.clone()
    };
    assert!(Responses.kept(&of(vec![text("yes")]), &room).is_some());
    let long = of(vec![text(&"a".repeat(2_000))]);
    assert!(Responses.kept(&long, &room).is_none());
    for why in [NotKept::TooLarge, NotKept::NoRoom] {
        let asked = asked.not_kept(why);
        assert!(!asked.is_kept() && asked.warnings().len() == 1);
    }
}
