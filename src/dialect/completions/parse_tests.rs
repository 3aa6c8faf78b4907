use serde_json::{Value, json};

use super::*;
use crate::canonical::Role;

fn read(body: &Value) -> Result<Parsed> {
    parse(&Bytes::from(body.to_string()), &HeaderMap::new())
}

fn text(message: &Message) -> String {
    assert_eq!(message.role, Role::User);
    match &message.content {
        Content::Text(text) => text.decoded().into_owned(),
        other => panic!("expected text, got {other:?}"),
    }
}

#[test]
fn a_prompt_is_one_user_message() {
    let parsed = read(&json!({
        "model": "m", "prompt": "Say \"hi\"", "max_tokens": 5, "stop": "END", "temperature": 0.5, "stream": true,
        "stream_options": {"include_usage": true}, "user": "u", "timeout": 3,
    }))
    .unwrap();
    assert_eq!(parsed.model.as_deref(), Some("m"));
    let request = parsed.request;
    assert_eq!(request.messages.len(), 1);
    assert_eq!(text(&request.messages[0]), "Say \"hi\"");
    assert!(request.stream && request.include_usage && request.messages_present);
    assert_eq!(request.params.max_tokens, Some(5));
    assert_eq!(request.params.stop, Some(vec!["END".to_owned()]));
    assert_eq!(parsed.controls.timeout_seconds, Some(3.0));
    assert!(matches!(parsed.asked, Asked::Nothing));
}

#[test]
fn prompts_come_in_every_form() {
    for (prompt, texts) in [
        (json!(["one"]), vec!["one"]),
        (json!(["one", "two", "three"]), vec!["one", "two", "three"]),
        (json!([9906, 1917]), vec!["Hello world"]),
        (json!([[9906, 1917], [9906]]), vec!["Hello world", "Hello"]),
    ] {
        let parsed = read(&json!({"model": "m", "prompt": prompt})).unwrap();
        let more = match &parsed.asked {
            Asked::Prompts(more) => more.to_vec(),
            _ => Vec::new(),
        };
        let all = parsed.request.messages.iter().map(text);
        let more = more.iter().map(|text| text.decoded().into_owned());
        assert_eq!(all.chain(more).collect::<Vec<_>>(), texts);
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (body, param) in [
        (json!({"model": "m"}), "prompt"),
        (json!({"prompt": null}), "prompt"),
        (json!({"prompt": []}), "prompt"),
        (json!({"prompt": 7}), "prompt"),
        (json!({"prompt": ""}), "prompt"),
        (json!({"prompt": ["a", ""]}), "prompt[1]"),
        (json!({"prompt": ["a", []]}), "prompt[1]"),
        (json!({"prompt": "a", "max_tokens": 0}), "max_tokens"),
        (json!({"prompt": {"text": "x"}}), "prompt"),
        (json!({"prompt": ["a", 7]}), "prompt[1]"),
        (json!({"prompt": [7, "a"]}), "prompt"),
        (json!({"prompt": [999_999_999]}), "prompt[0]"),
        (json!({"prompt": vec!["a"; MOST_PROMPTS + 1]}), "prompt"),
        (json!({"prompt": "a", "messages": []}), "messages"),
        (json!({"prompt": "a", "echo": "yes"}), "echo"),
        (json!({"prompt": "a", "best_of": 1.5}), "best_of"),
        (json!({"prompt": "a", "model": 7}), "model"),
        (json!(["prompt"]), "request_body"),
    ] {
        let error = read(&body).unwrap_err();
        assert_eq!(error.param(), Some(param), "{body}");
    }
}

#[test]
fn parameters_that_no_model_takes_are_kept_for_the_refusal() {
    let asks =
        json!({"prompt": "a", "suffix": "b", "echo": true, "best_of": 2, "logprobs": 3, "n": 2});
    let request = read(&asks).unwrap().request;
    let mut names: Vec<&str> = (request.params.openai.iter())
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["best_of", "echo", "logprobs", "n", "suffix"]);
    let nothing =
        json!({"prompt": "a", "suffix": "", "echo": false, "best_of": 1, "logprobs": null});
    assert!(read(&nothing).unwrap().request.params.openai.is_empty());
}

#[test]
fn members_of_extra_body_are_laid_over() {
    let parsed = read(&json!({"prompt": "a", "max_tokens": 1, "extra_body": {"max_tokens": 2}}));
    assert_eq!(parsed.unwrap().request.params.max_tokens, Some(2));
}
