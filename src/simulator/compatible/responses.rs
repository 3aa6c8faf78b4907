//! The Responses API: items in, items out.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value, json};

use super::super::check;
use super::super::converse::answer::{Answer, Content};
use super::super::converse::stream::EventFrame;
use super::super::error::AwsError;
use super::super::invoke::chunks::server_event;
use super::super::invoke::read::{held_to, inference, set, set_tools, value};
use super::super::json::Node;
use super::shape::{FLAT_TOOL, ITEM};

/// The types of tools that there are.
const TOOLS: [&str; 7] = [
    "function",
    "mcp",
    "custom",
    "apply_patch",
    "namespace",
    "tool_search",
    "computer",
];

/// Types of items that are taken as they are.
const ITEMS: [&str; 10] = [
    "reasoning",
    "custom_tool_call",
    "custom_tool_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "computer_call",
    "computer_call_output",
    "mcp_list_tools",
    "mcp_call",
    "tool_search_call",
];

/// What a response repeats of its request.
pub(super) struct Asked {
    id: String,
    repeated: Vec<(&'static str, Value)>,
}

impl Asked {
    /// Looks at a request.
    pub(super) fn of(body: &Node<'_>, written: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        written.hash(&mut hasher);
        let repeated = ["metadata", "store", "instructions", "truncation"];
        let repeated = repeated.map(|name| (name, body.get(name).map_or(Value::Null, value)));
        Self {
            id: format!("{:016x}", hasher.finish()),
            repeated: repeated.into(),
        }
    }
}

/// Checks what depends on the type of an item or a tool.
pub(super) fn check(body: &Node<'_>) -> Result<(), AwsError> {
    for tool in body.items_of("tools") {
        let kind = tool.text_of("type").unwrap_or_default();
        if !TOOLS.contains(&kind) {
            return Err(AwsError::validation(format!(
                "tools: there is no type '{kind}'"
            )));
        }
        if kind == "function" {
            check::check(tool, &FLAT_TOOL)?;
        }
    }
    let items = body.items_of("input");
    let is_said = body.text_of("input").is_some_and(|text| !text.is_empty());
    if items.is_empty() && !is_said {
        return Err(AwsError::validation("input: it is empty"));
    }
    for item in items {
        let kind = item.text_of("type").unwrap_or("message");
        if !ITEMS.contains(&kind) {
            check::check(item, &ITEM)?;
        }
        let is_foreign = |packed: &str| !packed.starts_with("sim.");
        if item.text_of("encrypted_content").is_some_and(is_foreign) {
            return Err(AwsError::validation(
                "The encrypted content could not be verified.",
            ));
        }
        check_pictures(item)?;
    }
    Ok(())
}

/// Refuses addresses of pictures: nobody fetches them.
fn check_pictures(node: &Node<'_>) -> Result<(), AwsError> {
    let url = node.text_of("image_url").unwrap_or_default();
    if url.starts_with("http") {
        return Err(AwsError::validation(
            "image_url: only data URLs are supported",
        ));
    }
    let parts = ["content", "output"]
        .into_iter()
        .filter_map(|name| node.get(name));
    for part in parts {
        for part in part.items() {
            check_pictures(part)?;
        }
        check_pictures(part)?;
    }
    Ok(())
}

/// Returns the Converse request that means the same.
pub(super) fn as_converse(body: &Node<'_>) -> Value {
    let list: Vec<Value> = match body.text_of("input") {
        Some(text) => vec![json!({"role": "user", "content": [{ "text": text }]})],
        None => body.items_of("input").iter().filter_map(turn).collect(),
    };
    let mut out =
        json!({"messages": list, "inferenceConfig": inference(body, "max_output_tokens", "stop")});
    let tools: Vec<Value> = (body.items_of("tools").iter())
        .filter_map(|tool| {
            let schema = tool.get("parameters").map_or(json!({}), value);
            let name = tool.text_of("name")?;
            Some(json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}}))
        })
        .collect();
    let named = body.at(&["tool_choice", "name"]).and_then(Node::text);
    let choice = match (body.text_of("tool_choice"), named) {
        (Some("required"), _) => Some(json!({"any": {}})),
        (_, Some(name)) => Some(json!({"tool": {"name": name}})),
        _ => None,
    };
    set_tools(&mut out, &tools, choice);
    if let Some(schema) = body.at(&["text", "format", "schema"]) {
        set(&mut out, "outputConfig", held_to(schema));
    }
    out
}

fn turn(item: &Node<'_>) -> Option<Value> {
    Some(match item.text_of("type") {
        Some("function_call" | "custom_tool_call" | "computer_call" | "apply_patch_call") => {
            let name = item.text_of("name").unwrap_or("hosted");
            json!({"role": "assistant", "content": [{"toolUse": {
                "toolUseId": item.text_of("call_id"), "name": name, "input": {}}}]})
        }
        Some(
            "function_call_output"
            | "custom_tool_call_output"
            | "computer_call_output"
            | "apply_patch_call_output",
        ) => {
            let output = match item.get("output") {
                Some(Node::Text(text)) => vec![json!({ "text": text })],
                Some(picture) if picture.has("type") => vec![part(picture)],
                Some(list) => list.items().iter().map(part).collect(),
                None => Vec::new(),
            };
            json!({"role": "user", "content": [{"toolResult": {
                "toolUseId": item.text_of("call_id"), "content": output}}]})
        }
        None | Some("message") => {
            let role = match item.text_of("role") {
                Some("assistant") => "assistant",
                _ => "user",
            };
            let content: Vec<Value> = match item.text_of("content") {
                Some(text) => vec![json!({ "text": text })],
                None => item.items_of("content").iter().map(part).collect(),
            };
            json!({"role": role, "content": content})
        }
        Some(_) => return None,
    })
}

fn part(part: &Node<'_>) -> Value {
    match part.text_of("text") {
        Some(text) => json!({ "text": text }),
        None => json!({"image": {"format": "png"}}),
    }
}

/// Writes a whole answer.
pub(super) fn whole(answer: &Answer, asked: &Asked) -> Value {
    let blocks = answer.blocks.iter().enumerate();
    let items: Vec<Value> = blocks.map(|block| item(block, &asked.id)).collect();
    let (input, output) = (answer.usage.input(), answer.usage.output());
    let is_cut = answer.stop_reason == "max_tokens";
    let details = is_cut.then(|| json!({"reason": "max_output_tokens"}));
    let mut out = json!({"id": format!("resp_{}", asked.id), "object": "response", "created_at": 1_750_000_000,
        "status": if is_cut { "incomplete" } else { "completed" }, "model": "simulated",
        "output": items, "incomplete_details": details, "error": null,
        "usage": {"input_tokens": input, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input + output}, "previous_response_id": null, "parallel_tool_calls": true,
        "tool_choice": "auto", "tools": []});
    for (name, value) in &asked.repeated {
        set(&mut out, name, value.clone());
    }
    out
}

fn item((index, block): (usize, &Content), id: &str) -> Value {
    let named = |prefix: &str| format!("{prefix}_{id}{index}");
    match block {
        Content::Text(text) | Content::Cited { text, .. } => json!({
            "type": "message", "id": named("msg"), "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}),
        Content::Thought { text, .. } => json!({"type": "reasoning", "id": named("rs"),
            "summary": [{"type": "summary_text", "text": text}]}),
        Content::Redacted(data) => json!({"type": "reasoning", "id": named("rs"),
            "summary": [], "encrypted_content": format!("sim.{data}")}),
        Content::ToolUse { id, name, input } => {
            json!({"type": "function_call", "id": named("fc"),
            "call_id": id, "name": name, "arguments": input.to_string(), "status": "completed"})
        }
    }
}

/// Writes the events of a stream.
pub(super) fn events(answer: &Answer, asked: &Asked) -> Vec<EventFrame> {
    let mut events = Events::default();
    let done = whole(answer, asked);
    let mut begun = done.clone();
    set(&mut begun, "status", json!("in_progress"));
    set(&mut begun, "output", json!([]));
    set(&mut begun, "usage", Value::Null);
    events.push("response.created", json!({ "response": begun }));
    events.push("response.in_progress", json!({ "response": begun }));
    for (index, block) in answer.blocks.iter().enumerate() {
        events.block(index, block, &asked.id);
    }
    let end = if answer.stop_reason == "max_tokens" {
        "response.incomplete"
    } else {
        "response.completed"
    };
    events.push(end, json!({ "response": done }));
    events.list
}

#[derive(Default)]
struct Events {
    list: Vec<EventFrame>,
}

impl Events {
    fn push(&mut self, kind: &str, members: Value) {
        let mut event = Map::new();
        event.insert("type".into(), kind.into());
        event.insert("sequence_number".into(), self.list.len().into());
        if let Value::Object(members) = members {
            event.extend(members);
        }
        let is_delta = kind.split('.').next_back() == Some("delta");
        let is_ending = matches!(kind, "response.completed" | "response.incomplete");
        let event = server_event(&Value::Object(event), is_delta, is_ending);
        self.list.push(event);
    }

    fn block(&mut self, index: usize, block: &Content, id: &str) {
        let whole = item((index, block), id);
        let mut begun = whole.clone();
        set(&mut begun, "status", json!("in_progress"));
        for member in ["content", "summary"] {
            if begun.get(member).is_some() {
                set(&mut begun, member, json!([]));
            }
        }
        if begun.get("arguments").is_some() {
            set(&mut begun, "arguments", json!(""));
        }
        self.push(
            "response.output_item.added",
            json!({"output_index": index, "item": begun}),
        );
        let id = whole.get("id").cloned().unwrap_or_default();
        let at = |more: Value| {
            let mut at = json!({"item_id": id, "output_index": index});
            if let (Value::Object(at), Value::Object(more)) = (&mut at, more) {
                at.extend(more);
            }
            at
        };
        match block {
            Content::Text(text) | Content::Cited { text, .. } => {
                let part =
                    |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
                let begun = at(json!({"content_index": 0, "part": part("")}));
                self.push("response.content_part.added", begun);
                for word in text.split_inclusive(' ') {
                    let delta = at(json!({"content_index": 0, "delta": word}));
                    self.push("response.output_text.delta", delta);
                }
                let done = at(json!({"content_index": 0, "text": text}));
                self.push("response.output_text.done", done);
                let done = at(json!({"content_index": 0, "part": part(text)}));
                self.push("response.content_part.done", done);
            }
            Content::Thought { text, .. } => {
                let begun = json!({"type": "summary_text", "text": ""});
                let begun = at(json!({"summary_index": 0, "part": begun}));
                self.push("response.reasoning_summary_part.added", begun);
                for word in text.split_inclusive(' ') {
                    let delta = at(json!({"summary_index": 0, "delta": word}));
                    self.push("response.reasoning_summary_text.delta", delta);
                }
            }
            Content::ToolUse { input, .. } => {
                let delta = at(json!({"delta": input.to_string()}));
                self.push("response.function_call_arguments.delta", delta);
                let done = at(json!({"arguments": input.to_string()}));
                self.push("response.function_call_arguments.done", done);
            }
            Content::Redacted(_) => {}
        }
        self.push(
            "response.output_item.done",
            json!({"output_index": index, "item": whole}),
        );
    }
}
