//! A family's body as the Converse request that means the same.
//!
//! Only what the simulated model looks at is carried over: who says what, tools, limits, thinking.

use serde_json::{Map, Value, json};

use super::super::json::Node;
use super::format::Format;

/// What opens a turn of the user in the prompts of the families, and what ends it.
const TURNS: [(&str, &str); 6] = [
    ("<|start_header_id|>user<|end_header_id|>", "<|eot_id|>"),
    ("<|im_start|>user", "<|im_end|>"),
    ("<｜User｜>", "<｜Assistant｜>"),
    ("[INST]", "[/INST]"),
    ("\n\nHuman:", "\n\nAssistant:"),
    ("\n\nUser:", "\n\nBot:"),
];

/// Returns the Converse request.
pub(in crate::simulator) fn as_converse(format: Format, body: &Node<'_>) -> Value {
    match format {
        Format::Messages => messages(body),
        Format::Nova => nova(body),
        Format::OpenAi => openai(body),
        Format::CommandR => command_r(body),
        Format::Titan => {
            let config = body.get("textGenerationConfig").unwrap_or(&Node::Null);
            let inference = inference(config, "maxTokenCount", "stopSequences");
            prompt(body.text_of("inputText"), &inference)
        }
        Format::ClaudeText => {
            let inference = inference(body, "max_tokens_to_sample", "stop_sequences");
            prompt(body.text_of("prompt"), &inference)
        }
        Format::Llama => prompt(
            body.text_of("prompt"),
            &inference(body, "max_gen_len", "stop"),
        ),
        Format::Mistral | Format::DeepSeek => prompt(
            body.text_of("prompt"),
            &inference(body, "max_tokens", "stop"),
        ),
        Format::Command => {
            let inference = inference(body, "max_tokens", "stop_sequences");
            prompt(body.text_of("prompt"), &inference)
        }
        Format::Jurassic => {
            let inference = inference(body, "maxTokens", "stopSequences");
            prompt(body.text_of("prompt"), &inference)
        }
        Format::Pegasus => {
            let inference = inference(body, "maxOutputTokens", "stop");
            prompt(body.text_of("inputPrompt"), &inference)
        }
    }
}

pub(in crate::simulator) fn value(node: &Node<'_>) -> Value {
    serde_json::to_value(node).unwrap_or_default()
}

/// Sets a member of an object.
pub(in crate::simulator) fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

/// Adds tools and the choice among them, if there are any.
pub(in crate::simulator) fn set_tools(out: &mut Value, tools: &[Value], choice: Option<Value>) {
    if tools.is_empty() {
        return;
    }
    let mut config = json!({ "tools": tools });
    if let Some(choice) = choice {
        set(&mut config, "toolChoice", choice);
    }
    set(out, "toolConfig", config);
}

pub(in crate::simulator) fn inference(body: &Node<'_>, limit: &str, stop: &str) -> Value {
    let mut out = Map::new();
    if let Some(limit) = body.get(limit) {
        out.insert("maxTokens".into(), value(limit));
    }
    match body.get(stop) {
        Some(Node::Text(text)) => {
            out.insert("stopSequences".into(), json!([text]));
        }
        Some(list) => {
            out.insert("stopSequences".into(), value(list));
        }
        None => {}
    }
    Value::Object(out)
}

/// The last turn of the user is what is answered.
fn prompt(prompt: Option<&str>, inference: &Value) -> Value {
    let whole = prompt.unwrap_or_default();
    let said = TURNS
        .iter()
        .find_map(|(open, close)| {
            let (_, last) = whole.rsplit_once(open)?;
            Some(last.split_once(close).map_or(last, |(said, _)| said))
        })
        .unwrap_or(whole);
    let mut out = json!({
        "messages": [{"role": "user", "content": [{"text": said.trim()}]}],
        "inferenceConfig": inference,
    });
    if whole.trim_end().ends_with("<think>") {
        // A model whose prompt opens its thoughts thinks, imported ones among them.
        let effort = json!({"reasoning_effort": "low"});
        set(&mut out, "additionalModelRequestFields", effort);
    }
    out
}

fn blocks(content: Option<&Node<'_>>, block: impl Fn(&Node<'_>) -> Option<Value>) -> Vec<Value> {
    match content {
        Some(Node::Text(text)) => vec![json!({ "text": text })],
        Some(list) => list.items().iter().filter_map(block).collect(),
        None => Vec::new(),
    }
}

fn messages(body: &Node<'_>) -> Value {
    let mut list = Vec::new();
    for message in body.items_of("messages") {
        let role = match message.text_of("role") {
            Some("assistant") => "assistant",
            _ => "user",
        };
        let content = blocks(message.get("content"), messages_block);
        list.push(json!({"role": role, "content": content}));
    }
    let mut out = json!({
        "messages": list,
        "inferenceConfig": inference(body, "max_tokens", "stop_sequences"),
    });
    let tools: Vec<Value> = body
        .items_of("tools")
        .iter()
        .filter_map(|tool| Some((tool.text_of("name")?, tool.get("input_schema")?)))
        .map(|(name, schema)| {
            json!({"toolSpec": {"name": name, "inputSchema": {"json": value(schema)}}})
        })
        .collect();
    let choice = body.get("tool_choice");
    let choice = match choice.and_then(|choice| choice.text_of("type")) {
        Some("any") => Some(json!({"any": {}})),
        Some("tool") => {
            let name = choice.and_then(|choice| choice.text_of("name"));
            Some(json!({"tool": {"name": name}}))
        }
        _ => None,
    };
    set_tools(&mut out, &tools, choice);
    if let Some(thinking) = body.get("thinking") {
        let fields = json!({"thinking": value(thinking)});
        set(&mut out, "additionalModelRequestFields", fields);
    }
    if let Some(schema) = body.at(&["output_config", "format", "schema"]) {
        set(&mut out, "outputConfig", held_to(schema));
    }
    out
}

pub(in crate::simulator) fn held_to(schema: &Node<'_>) -> Value {
    let schema = value(schema).to_string();
    json!({"textFormat": {"structure": {"jsonSchema": {"schema": schema}}}})
}

fn messages_block(block: &Node<'_>) -> Option<Value> {
    match block.text_of("type")? {
        "text" => Some(json!({"text": block.text_of("text")?})),
        "tool_use" => Some(json!({"toolUse": {
            "toolUseId": block.text_of("id")?, "name": block.text_of("name")?, "input": {}}})),
        "tool_result" => {
            let content = blocks(block.get("content"), messages_block);
            let id = block.text_of("tool_use_id")?;
            Some(json!({"toolResult": {"toolUseId": id, "content": content}}))
        }
        "image" | "document" => Some(json!({"image": {"format": "png"}})),
        _ => None,
    }
}

fn nova(body: &Node<'_>) -> Value {
    let mut out = value(body);
    let reasoning = body.at(&["inferenceConfig", "reasoningConfig"]).map(value);
    if let (Some(reasoning), Value::Object(members)) = (reasoning, &mut out) {
        let fields = json!({ "reasoningConfig": reasoning });
        members.insert("additionalModelRequestFields".into(), fields);
    }
    out
}

fn openai(body: &Node<'_>) -> Value {
    let mut list = Vec::new();
    for message in body.items_of("messages") {
        let content = blocks(message.get("content"), |part| {
            match part.text_of("type")? {
                "text" => Some(json!({"text": part.text_of("text")?})),
                _ => Some(json!({"image": {"format": "png"}})),
            }
        });
        list.push(match message.text_of("role") {
            Some("assistant") => json!({"role": "assistant", "content": content}),
            Some("tool") => json!({"role": "user", "content": [{"toolResult": {
                "toolUseId": message.text_of("tool_call_id"), "content": content}}]}),
            _ => json!({"role": "user", "content": content}),
        });
    }
    let limit = if body.has("max_completion_tokens") {
        "max_completion_tokens"
    } else {
        "max_tokens"
    };
    let mut out = json!({"messages": list, "inferenceConfig": inference(body, limit, "stop")});
    let tools: Vec<Value> = body
        .items_of("tools")
        .iter()
        .filter_map(|tool| {
            let function = tool.get("function")?;
            let schema = function.get("parameters").map_or(json!({}), value);
            let name = function.text_of("name")?;
            Some(json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}}))
        })
        .collect();
    let named = body.at(&["tool_choice", "function", "name"]);
    let choice = match (body.text_of("tool_choice"), named.and_then(Node::text)) {
        (Some("required"), _) => Some(json!({"any": {}})),
        (_, Some(name)) => Some(json!({"tool": {"name": name}})),
        _ => None,
    };
    set_tools(&mut out, &tools, choice);
    if let Some(schema) = body.at(&["response_format", "json_schema", "schema"]) {
        set(&mut out, "outputConfig", held_to(schema));
    }
    out
}

fn command_r(body: &Node<'_>) -> Value {
    let mut said = vec![json!({"text": body.text_of("message").unwrap_or_default()})];
    for result in body.items_of("tool_results") {
        let outputs = result.items_of("outputs").first().map_or(json!({}), value);
        let content = json!([{ "json": outputs }]);
        said.push(json!({"toolResult": {"toolUseId": "call", "content": content}}));
    }
    let mut out = json!({
        "messages": [{"role": "user", "content": said}],
        "inferenceConfig": inference(body, "max_tokens", "stop_sequences"),
    });
    let tools: Vec<Value> = body
        .items_of("tools")
        .iter()
        .filter_map(|tool| {
            let parameters = tool.get("parameter_definitions").map_or(json!({}), value);
            let schema = json!({"type": "object", "properties": parameters});
            Some(json!({"toolSpec": {"name": tool.text_of("name")?, "inputSchema": {"json": schema}}}))
        })
        .collect();
    set_tools(&mut out, &tools, None);
    out
}
