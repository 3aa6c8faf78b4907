//! The Responses API: items in, items out.

use serde_json::{Map, Value, json};

use super::super::converse::answer::{Answer, Content};
use super::super::converse::stream::EventFrame;
use super::super::invoke::chunks::server_event;
use super::super::invoke::read::{held_to, inference, set, set_tools, value};
use super::super::json::Node;

/// Returns the Converse request that means the same.
pub(super) fn as_converse(body: &Node<'_>) -> Value {
    let list: Vec<Value> = body.items_of("input").iter().map(turn).collect();
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

fn turn(item: &Node<'_>) -> Value {
    match item.text_of("type") {
        Some("function_call") => json!({"role": "assistant", "content": [{"toolUse": {
            "toolUseId": item.text_of("call_id"), "name": item.text_of("name"), "input": {}}}]}),
        Some("function_call_output") => {
            let output = match item.get("output") {
                Some(Node::Text(text)) => vec![json!({ "text": text })],
                Some(list) => list.items().iter().map(part).collect(),
                None => Vec::new(),
            };
            json!({"role": "user", "content": [{"toolResult": {
                "toolUseId": item.text_of("call_id"), "content": output}}]})
        }
        _ => {
            let role = match item.text_of("role") {
                Some("assistant") => "assistant",
                _ => "user",
            };
            let content: Vec<Value> = item.items_of("content").iter().map(part).collect();
            json!({"role": role, "content": content})
        }
    }
}

fn part(part: &Node<'_>) -> Value {
    match part.text_of("text") {
        Some(text) => json!({ "text": text }),
        None => json!({"image": {"format": "png"}}),
    }
}

/// Writes a whole answer.
pub(super) fn whole(answer: &Answer) -> Value {
    let items: Vec<Value> = answer.blocks.iter().enumerate().map(item).collect();
    let (input, output) = (answer.usage.input(), answer.usage.output());
    let is_cut = answer.stop_reason == "max_tokens";
    let details = is_cut.then(|| json!({"reason": "max_output_tokens"}));
    json!({"id": "resp_simulated", "object": "response", "created_at": 1_750_000_000,
        "status": if is_cut { "incomplete" } else { "completed" }, "model": "simulated",
        "output": items, "incomplete_details": details, "error": null,
        "usage": {"input_tokens": input, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input + output}})
}

fn item((index, block): (usize, &Content)) -> Value {
    match block {
        Content::Text(text) | Content::Cited { text, .. } => json!({
            "type": "message", "id": format!("msg_{index}"), "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}),
        Content::Thought { text, .. } => json!({"type": "reasoning", "id": format!("rs_{index}"),
            "summary": [{"type": "summary_text", "text": text}]}),
        Content::Redacted(data) => json!({"type": "reasoning", "id": format!("rs_{index}"),
            "summary": [], "encrypted_content": data}),
        Content::ToolUse { id, name, input } => {
            json!({"type": "function_call", "id": format!("fc_{index}"),
            "call_id": id, "name": name, "arguments": input.to_string(), "status": "completed"})
        }
    }
}

/// Writes the events of a stream.
pub(super) fn events(answer: &Answer) -> Vec<EventFrame> {
    let mut events = Events::default();
    let done = whole(answer);
    let mut begun = done.clone();
    set(&mut begun, "status", json!("in_progress"));
    set(&mut begun, "output", json!([]));
    set(&mut begun, "usage", Value::Null);
    events.push("response.created", json!({ "response": begun }));
    events.push("response.in_progress", json!({ "response": begun }));
    for (index, block) in answer.blocks.iter().enumerate() {
        events.block(index, block);
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

    fn block(&mut self, index: usize, block: &Content) {
        let whole = item((index, block));
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
                for word in text.split_inclusive(' ') {
                    let delta = at(json!({"content_index": 0, "delta": word}));
                    self.push("response.output_text.delta", delta);
                }
                let done = at(json!({"content_index": 0, "text": text}));
                self.push("response.output_text.done", done);
            }
            Content::Thought { text, .. } => {
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
