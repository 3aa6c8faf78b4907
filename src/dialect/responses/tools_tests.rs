use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::read::Path;

fn read(written: &Value) -> Result<ToolsRead> {
    let body = Bytes::from(written.to_string());
    let raw: &RawValue = serde_json::from_slice(&body).unwrap();
    let path = Path::ROOT.member("tools");
    tools(&Node {
        body: &body,
        raw,
        path: &path,
    })
}

fn written(read: &ToolsRead) -> Vec<Value> {
    read.tools.iter().map(|tool| tool.0.to_value()).collect()
}

#[test]
fn functions_are_written_as_chat_has_them() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let read = read(&json!([
        {"type": "function", "name": "get_weather", "description": "d", "parameters": schema, "strict": true},
        {"type": "function", "name": "bare", "description": null, "parameters": null, "strict": null},
    ]))
    .unwrap();
    assert_eq!(
        written(&read),
        [
            json!({"type": "function", "function":
                {"name": "get_weather", "description": "d", "parameters": schema, "strict": true}}),
            json!({"type": "function", "function": {"name": "bare"}}),
        ]
    );
    assert!(read.known.is_empty() && read.left_out.is_empty());
}

#[test]
fn tools_of_a_namespace_have_its_name_in_theirs() {
    let read = read(
        &json!([{"type": "namespace", "name": "crm", "description": "d", "tools": [
            {"type": "function", "name": "find", "parameters": {"type": "object"}},
            {"type": "custom", "name": "note"},
        ]}]),
    )
    .unwrap();
    let names: Vec<Value> = written(&read)
        .iter()
        .map(|tool| tool["function"]["name"].clone())
        .collect();
    assert_eq!(names, ["crm__find", "crm__note"]);
    let known = |name: &str, is_custom| Known {
        namespace: Some("crm".to_owned()),
        name: name.to_owned(),
        is_custom,
    };
    assert_eq!(read.known["crm__find"], known("find", false));
    assert_eq!(read.known["crm__note"], known("note", true));
}

#[test]
fn custom_tools_take_one_text_and_show_their_grammar() {
    let read = read(
        &json!([{"type": "custom", "name": "apply_patch", "description": "Patches.",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: \"x\""}}]),
    )
    .unwrap();
    let function = &written(&read)[0]["function"];
    assert_eq!(
        function["description"],
        "Patches.\n\nThe input must fit this grammar (lark):\nstart: \"x\""
    );
    assert_eq!(function["parameters"]["required"], json!(["input"]));
    assert!(read.known["apply_patch"].is_custom);
}

#[test]
fn tools_that_openai_runs_are_left_out_and_named_once() {
    let read = read(&json!([
        {"type": "web_search", "external_web_access": true}, {"type": "web_search"},
        {"type": "file_search", "vector_store_ids": ["v"]}, {"type": "mcp", "server_label": "x"},
    ]))
    .unwrap();
    assert!(read.tools.is_empty());
    assert_eq!(read.left_out, ["web_search", "file_search", "mcp"]);
}

#[test]
fn tools_in_other_forms_go_on_as_they_are() {
    let tools = json!([
        {"type": "function", "function": {"name": "f"}},
        {"name": "g", "input_schema": {"type": "object"}},
        {"toolSpec": {"name": "h", "inputSchema": {"json": {}}}},
    ]);
    assert_eq!(Value::from(written(&read(&tools).unwrap())), tools);
}

#[test]
fn what_is_wrong_is_named() {
    for (tools, param) in [
        (json!({"type": "function"}), "tools"),
        (json!(["x"]), "tools[0]"),
        (json!([{"name": "x"}]), "tools[0].type"),
        (json!([{"type": "function"}]), "tools[0].name"),
        (
            json!([{"type": "namespace", "name": "n"}]),
            "tools[0].tools",
        ),
        (
            json!([{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]),
            "tools[0].tools[0].name",
        ),
    ] {
        assert_eq!(read(&tools).unwrap_err().param(), Some(param), "{tools}");
    }
}
