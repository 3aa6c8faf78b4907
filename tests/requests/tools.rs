//! Tools, their names, the choice among them, and schemas of answers.

use serde_json::{Value, json};

use crate::support::{
    CLAUDE_35, CLAUDE_37, Case, LLAMA, NOVA, OPUS_47, SONNET_45, call, result, tool,
};

fn config(case: Case) -> Value {
    case.body()["toolConfig"].take()
}

fn with_tool(model: &str) -> Case {
    Case::new(model).with("tools", json!([tool("f")]))
}

fn schema_format(schema: impl Into<Value>) -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema.into()}})
}

#[test]
fn every_form_of_a_tool_is_taken() {
    let config = config(Case::new(CLAUDE_35).with(
        "tools",
        json!([
        {"type": "function", "name": "flat", "parameters": {"type": "object"}},
        {"name": "anthropic", "description": "d", "input_schema": {"type": "object"}},
        {"toolSpec": {"name": "own", "inputSchema": {"json": {}}}},
        {"type": "web_search"}, {"type": "tool_search_tool_regex_20251119", "name": "t"},
        {"type": "function", "function": {"description": "nameless"}}]),
    ));
    let names: Vec<_> = config["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["toolSpec"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["flat", "anthropic", "own", "litellm_unnamed_tool_5"]
    );
}

#[test]
fn unknown_tools_are_counted_and_not_quoted() {
    let mut tools: Vec<Value> = (0..500)
        .map(|index| json!({"type": format!("secret {index}")}))
        .collect();
    tools.push(tool("f"));
    let sent = Case::new(NOVA).with("tools", json!(tools)).send().unwrap();
    assert_eq!(
        sent.warnings,
        ["tools that bedrock does not know were left out: 500 of 501"]
    );
}

#[test]
fn a_schema_that_fits_is_sent_as_it_is_written() {
    let schema = r#"{ "required": [], "type": "object", "properties": {"a": {"maximum": 1.50}} }"#;
    let body = format!(
        r#"{{"model": "m", "messages": [{{"role": "user", "content": "hi"}}], "tools": [
            {{"type": "function", "function": {{"name": "f", "description": "\u00e9", "parameters": {schema}}}}}]}}"#
    );
    let sent = Case::new(NOVA).send_bytes(&body.into()).unwrap();
    let written = String::from_utf8(sent.wire.body.to_vec()).unwrap();
    assert!(written.contains(schema), "{written}");
    assert!(written.contains(r#""description":"\u00e9""#), "{written}");
}

#[test]
fn tools_that_all_vanish_take_the_choice_with_them() {
    let sent = Case::new(CLAUDE_35)
        .with("tools", json!([{"type": "code_interpreter"}]))
        .with("tool_choice", json!("required"))
        .send()
        .unwrap();
    assert_eq!(sent.body["toolConfig"], json!(null));
    assert_eq!(sent.warnings.len(), 1);
}

#[test]
fn names_are_the_same_in_tools_history_and_choice() {
    let long = "n".repeat(70);
    let body = Case::new(CLAUDE_35)
        .with(
            "tools",
            json!([tool("get.time"), tool("get time"), tool(&long)]),
        )
        .with(
            "tool_choice",
            json!({"type": "function", "function": {"name": "get time"}}),
        )
        .messages(json!([
            {"role": "user", "content": "q"}, call("c", "get time", "{}"), result("c", "1")]))
        .body();
    let names: Vec<_> = (0..3)
        .map(|index| {
            body["toolConfig"]["tools"][index]["toolSpec"]["name"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(names[0], "get_time");
    assert!(names[1].starts_with("get_time_") && names[2].len() == 64);
    assert_eq!(body["toolConfig"]["toolChoice"]["tool"]["name"], names[1]);
    assert_eq!(
        body["messages"][1]["content"][0]["toolUse"]["name"],
        names[1]
    );
}

#[test]
fn strictness_is_for_claude_that_takes_it() {
    let strict = json!([{"type": "function", "function": {"name": "f", "strict": true}}]);
    let spec = |model: &str| {
        config(Case::new(model).with("tools", strict.clone()))["tools"][0]["toolSpec"]["strict"]
            .take()
    };
    assert_eq!(spec(SONNET_45), true);
    assert_eq!(spec(OPUS_47), json!(null));
    assert_eq!(spec(NOVA), json!(null));
}

#[test]
fn choices_become_converses() {
    let choice =
        |value: Value| config(with_tool(CLAUDE_35).with("tool_choice", value))["toolChoice"].take();
    assert_eq!(choice(json!("auto")), json!({"auto": {}}));
    assert_eq!(choice(json!("required")), json!({"any": {}}));
    assert_eq!(choice(json!({"type": "any"})), json!({"any": {}}));
    assert_eq!(
        choice(json!({"type": "tool", "name": "f"})),
        json!({"tool": {"name": "f"}})
    );
    let refusal = with_tool(CLAUDE_35)
        .with("tool_choice", json!("whatever"))
        .refusal();
    assert!(refusal.contains("tool_choice"));
}

#[test]
fn allowed_tools_are_the_only_ones() {
    let config = config(
        Case::new(CLAUDE_35)
            .with("tools", json!([tool("a"), tool("b")]))
            .with(
                "tool_choice",
                json!({"type": "allowed_tools", "allowed_tools": {
                "mode": "required", "tools": [{"type": "function", "function": {"name": "b"}}]}}),
            ),
    );
    assert_eq!(config["tools"].as_array().unwrap().len(), 1);
    assert_eq!(config["toolChoice"], json!({"any": {}}));
}

#[test]
fn none_keeps_tools_only_for_the_history() {
    let none = || with_tool(CLAUDE_35).with("tool_choice", json!("none"));
    assert_eq!(config(none()), json!(null));
    let kept = config(none().messages(json!([
        {"role": "user", "content": "q"}, call("c", "f", "{}"), result("c", "1")])));
    assert_eq!(kept["tools"].as_array().unwrap().len(), 1);
    assert_eq!(kept["toolChoice"], json!(null));
}

#[test]
fn models_that_take_no_choice_refuse_force_only() {
    assert_eq!(
        config(with_tool(LLAMA).with("tool_choice", json!("auto")))["toolChoice"],
        json!(null)
    );
    let forced = || with_tool(LLAMA).with("tool_choice", json!("required"));
    assert!(forced().refusal().contains("['tool_choice']"));
    assert_eq!(config(forced().drop())["toolChoice"], json!(null));
    let always = "bedrock/anthropic.claude-sonnet-5-5";
    let forced = || with_tool(always).with("tool_choice", json!("required"));
    assert!(forced().refusal().contains("cannot be forced"));
    assert_eq!(config(forced().drop())["toolChoice"], json!({"auto": {}}));
    let llama = "bedrock/meta.llama3-70b-instruct-v1:0";
    assert!(with_tool(llama).refusal().contains("['tools']"));
    assert_eq!(config(with_tool(llama).drop()), json!(null));
}

#[test]
fn parallel_calls_are_told_to_claude() {
    let fields = |choice: Value| {
        with_tool(SONNET_45)
            .with("parallel_tool_calls", json!(false))
            .with("tool_choice", choice)
            .fields()
    };
    assert_eq!(
        fields(json!(null)),
        json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}})
    );
    assert_eq!(
        fields(json!("required")),
        json!({"tool_choice": {"disable_parallel_tool_use": true}})
    );
    let without = Case::new(SONNET_45).with("parallel_tool_calls", json!(false));
    assert_eq!(without.fields(), json!(null));
}

#[test]
fn cache_points_among_tools_are_not_for_nova() {
    let cached = json!([{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}]);
    let count = |model: &str| {
        config(Case::new(model).with("tools", cached.clone()))["tools"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(CLAUDE_37), 2);
    assert_eq!(count(NOVA), 1);
}

#[test]
fn using_a_computer_travels_beside_the_tools() {
    let body = Case::new(CLAUDE_37)
        .with("tools", json!([
            {"type": "computer_20250124", "function": {"name": "computer", "parameters": {"display_width_px": 9}}},
            {"type": "bash_20250124"}, tool("f")]))
        .with("additionalModelRequestFields", json!({"tools": [{"type": "x"}]}))
        .body();
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"tools": [
            {"type": "computer_20250124", "name": "computer", "display_width_px": 9},
            {"type": "bash_20250124", "name": "bash"}, {"type": "x"}],
            "anthropic_beta": ["computer-use-2025-01-24"]})
    );
    let with_history = Case::new(CLAUDE_37)
        .with("tools", json!([{"type": "bash_20250124"}]))
        .messages(
            json!([{"role": "user", "content": "q"}, call("c", "bash", "{}"), result("c", "1")]),
        )
        .body();
    assert_eq!(
        with_history["toolConfig"]["tools"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert!(with_history["messages"][1]["content"][0]["toolUse"].is_object());
}

#[test]
fn streaming_of_arguments_needs_a_beta() {
    let eager =
        json!([{"type": "function", "function": {"name": "f"}, "eager_input_streaming": true}]);
    let fields = |model: &str| Case::new(model).with("tools", eager.clone()).fields();
    assert_eq!(
        fields(CLAUDE_37)["anthropic_beta"],
        json!(["fine-grained-tool-streaming-2025-05-14"])
    );
    assert_eq!(fields(NOVA), json!(null));
}

#[test]
fn nova_searches_the_web() {
    let config = |model: &str| config(Case::new(model).with("web_search_options", json!({})));
    assert_eq!(
        config(NOVA),
        json!({"tools": [{"systemTool": {"name": "nova_grounding"}}]})
    );
    assert_eq!(config(CLAUDE_35), json!(null));
}

#[test]
fn schemas_of_answers_stand_in_as_a_tool() {
    let format = schema_format(json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    let alone = config(Case::new(CLAUDE_37).with("response_format", format.clone()));
    assert_eq!(
        alone["toolChoice"],
        json!({"tool": {"name": "json_tool_call"}})
    );
    let beside = config(with_tool(CLAUDE_37).with("response_format", format.clone()));
    assert_eq!(beside["tools"][0]["toolSpec"]["name"], "json_tool_call");
    assert_eq!(beside["toolChoice"], json!({"any": {}}));
    let thinking = config(
        Case::new(CLAUDE_37)
            .with("response_format", format.clone())
            .with("reasoning_effort", json!("low")),
    );
    assert_eq!(thinking["toolChoice"], json!(null));
    let list = schema_format(json!({"type": "array", "items": {"type": "string"}}));
    let wrapped = config(Case::new(CLAUDE_37).with("response_format", list));
    assert_eq!(
        wrapped["tools"][0]["toolSpec"]["inputSchema"]["json"]["required"],
        json!(["value"])
    );
    let native = Case::new(SONNET_45).with("response_format", format).body();
    assert_eq!(native["toolConfig"], json!(null));
    let schema = native["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
        .as_str()
        .unwrap();
    assert!(
        schema.ends_with(r#""additionalProperties": false}"#),
        "{schema}"
    );
    let own = Case::new(SONNET_45)
        .with("response_format", schema_format(json!({"type": "object"})))
        .with("outputConfig", json!({"effort": "low"}));
    assert_eq!(own.body()["outputConfig"], json!({"effort": "low"}));
    let odd = Case::new(CLAUDE_37).with("response_format", json!({"type": "xml"}));
    assert!(odd.refusal().contains("response_format"));
}
