use serde_json::{Value, json};

use super::*;

fn read(body: &Value) -> Result<Parsed> {
    parse(&Bytes::from(body.to_string()), &HeaderMap::new())
}

fn asked(parsed: &Parsed) -> &Asked {
    match &parsed.asked {
        dialect::Asked::Response(asked) => asked,
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_have_their_place_in_chat() {
    let parsed = read(&json!({
        "model": "m", "instructions": "Be brief.", "input": "hi", "max_output_tokens": 9, "temperature": 0.5,
        "top_p": 0.9, "stream": true, "parallel_tool_calls": false, "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true},
            "verbosity": "low"},
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "tool_choice": {"type": "function", "name": "f"}, "service_tier": "priority", "timeout": 3,
        "guardrailConfig": {"guardrailIdentifier": "g"},
    }))
    .unwrap();
    assert_eq!(parsed.model.as_deref(), Some("m"));
    assert_eq!(parsed.controls.timeout_seconds, Some(3.0));
    let request = &parsed.request;
    assert!(request.stream && request.messages_present);
    let roles: Vec<&Role> = request
        .messages
        .iter()
        .map(|message| &message.role)
        .collect();
    assert_eq!(roles, [&Role::System, &Role::User]);
    let params = &request.params;
    assert_eq!(params.max_tokens, Some(9));
    assert_eq!(params.parallel_tool_calls, Some(false));
    assert_eq!(params.reasoning_effort.as_ref().unwrap().get(), "\"low\"");
    assert!(params.effort_is_wish);
    assert_eq!(params.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    assert!(matches!(
        &params.response_format,
        Some(ResponseFormat::JsonSchema(format)) if format.strict == Some(true)
    ));
    assert!(params.guardrail.is_some() && params.openai.is_empty());
    assert_eq!(params.extra("service_tier").unwrap().get(), "\"priority\"");
}

#[test]
fn what_changes_nothing_is_accepted_and_not_sent() {
    let parsed = read(&json!({
        "model": "m", "input": "hi", "store": false, "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k", "prompt_cache_retention": "24h", "safety_identifier": "s", "truncation": "auto",
        "max_tool_calls": 3, "stream_options": {"include_obfuscation": false}, "background": false,
        "top_logprobs": 0, "metadata": {"a": "b"}, "user": "u", "conversation": null, "prompt": null,
        "client_metadata": {"x": "y"}, "context_management": [{"type": "compaction"}], "previous_response_id": "resp_1",
        "text": {"verbosity": "high"}, "reasoning": {"summary": "auto"},
    }))
    .unwrap();
    let params = &parsed.request.params;
    assert!(
        params.openai.is_empty() && params.extra.is_empty(),
        "{params:?}"
    );
    assert!(params.reasoning_effort.is_none() && params.response_format.is_none());
    assert!(asked(&parsed).encrypted && !asked(&parsed).may_keep());
}

#[test]
fn what_nobody_here_can_do_is_refused_by_name() {
    for (member, value, param) in [
        ("background", json!(true), "background"),
        ("conversation", json!("conv_1"), "conversation"),
        ("prompt", json!({"id": "pmpt_1"}), "prompt"),
        ("moderation", json!({"model": "m"}), "moderation"),
        ("messages", json!([]), "messages"),
        ("instructions", json!(["x"]), "instructions"),
        ("include", json!("x"), "include"),
        ("reasoning", json!("high"), "reasoning"),
        ("reasoning", json!({"effort": 3}), "reasoning.effort"),
        ("text", json!({"format": "json"}), "text.format"),
        ("tool_choice", json!({"type": "web_search"}), "tool_choice"),
        (
            "tool_choice",
            json!({"type": "function"}),
            "tool_choice.name",
        ),
        ("max_output_tokens", json!("many"), "max_output_tokens"),
        ("max_output_tokens", json!(0), "max_output_tokens"),
        ("input", json!(""), "input"),
        ("input", json!([]), "input"),
    ] {
        let mut body = json!({"model": "m", "input": "hi"});
        body[member] = value;
        let refused = match read(&body) {
            Ok(parsed) => parsed.request.loss.refusal.unwrap().0,
            Err(error) => error.param().unwrap().to_owned(),
        };
        assert_eq!(refused, param, "{body}");
        // Nothing of that is counted.
        let body = Bytes::from(body.to_string());
        let error = parse_count(&body, &HeaderMap::new()).unwrap_err();
        assert_eq!(error.param(), Some(param));
    }
    let error = read(&json!({"model": "m"})).unwrap_err();
    assert_eq!(error.param(), Some("input"));
    assert!(error.message().contains("Missing required parameter"));
}

#[test]
fn logprobs_are_left_to_the_refusal_of_the_model() {
    let parsed = read(&json!({"input": "hi", "top_logprobs": 2})).unwrap();
    assert_eq!(parsed.request.params.openai[0].0, "top_logprobs");
}

#[test]
fn tools_are_chosen_in_the_clients_words() {
    let choice = |choice: Value| {
        let parsed = read(&json!({"input": "hi", "tool_choice": choice})).unwrap();
        parsed.request.params.tool_choice.unwrap()
    };
    assert_eq!(choice(json!("auto")), ToolChoice::Auto);
    assert_eq!(choice(json!("required")), ToolChoice::Required);
    let custom = json!({"type": "custom", "name": "patch"});
    assert_eq!(choice(custom), ToolChoice::Named("patch".to_owned()));
    let namespaced = json!({"type": "function", "name": "find", "namespace": "crm"});
    assert_eq!(
        choice(namespaced),
        ToolChoice::Named("crm__find".to_owned())
    );
    let allowed = json!({"type": "allowed_tools", "mode": "required", "tools": [
        {"type": "function", "name": "a"}, {"type": "custom", "name": "b"}, {"type": "web_search"},
    ]});
    assert_eq!(
        choice(allowed),
        ToolChoice::Allowed {
            names: vec!["a".to_owned(), "b".to_owned()],
            required: true,
        }
    );
}

#[test]
fn what_is_left_out_is_said() {
    let parsed = read(&json!({
        "input": [{"role": "user", "content": "hi"}, {"type": "web_search_call"}], "tools": [{"type": "web_search"}],
    }))
    .unwrap();
    assert_eq!(
        parsed.request.loss.warnings,
        [
            "items that nobody runs here were left out: web_search_call",
            "tools that nobody runs here were left out: web_search",
        ]
    );
}

#[test]
fn the_input_is_kept_as_a_list_of_items() {
    let string = read(&json!({"input": "hi \"you\""})).unwrap();
    assert_eq!(
        asked(&string).input.0.to_value(),
        json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi \"you\""}]}])
    );
    let items = json!([{"role": "user", "content": "hi"}]);
    let list = read(&json!({"input": items})).unwrap();
    assert_eq!(asked(&list).input.0.to_value(), items);
}

/// Calls `change` with the request in which each value, at any depth, is replaced by `odd`.
fn each_replaced(value: &Value, odd: &Value, change: &mut dyn FnMut(Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let put = |new: Value| {
                    let mut whole = value.clone();
                    whole[name] = new;
                    whole
                };
                change(put(odd.clone()));
                each_replaced(member, odd, &mut |new| change(put(new)));
            }
        }
        Value::Array(elements) => {
            for (place, element) in elements.iter().enumerate() {
                let put = |new: Value| {
                    let mut whole = value.clone();
                    whole[place] = new;
                    whole
                };
                change(put(odd.clone()));
                each_replaced(element, odd, &mut |new| change(put(new)));
            }
        }
        _ => {}
    }
}

#[test]
fn odd_values_anywhere_are_errors_that_say_where_or_nothing() {
    let request = json!({
        "model": "m", "instructions": "i", "include": ["reasoning.encrypted_content"], "store": false, "stream": true,
        "reasoning": {"effort": "low", "summary": "auto"}, "text": {"format": {"type": "json_schema", "name": "n",
            "schema": {"type": "object"}}}, "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [
                {"type": "function", "name": "f"}]},
        "tools": [{"type": "function", "name": "f", "parameters": {}}, {"type": "custom", "name": "c",
            "format": {"type": "grammar", "syntax": "lark", "definition": "d"}},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]}],
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "t"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA"},
                {"type": "input_file", "filename": "f.pdf", "file_data": "AA"}]},
            {"type": "reasoning", "summary": [], "encrypted_content": "swy1.W10"},
            {"type": "function_call", "call_id": "c", "name": "g", "namespace": "n", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "t"}]},
            {"type": "custom_tool_call", "call_id": "d", "name": "c", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": "x"},
        ],
    });
    let mut tried = 0;
    for odd in [
        json!(null),
        json!(true),
        json!(-1.5),
        json!("\u{0}\"\\"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"type": {}}),
    ] {
        each_replaced(&request, &odd, &mut |body| {
            tried += 1;
            if let Err(error) = read(&body) {
                assert!(error.param().is_some(), "{body}: {}", error.message());
                assert_eq!(error.status(), http::StatusCode::BAD_REQUEST);
            }
        });
    }
    assert!(tried > 500, "{tried}");
}
