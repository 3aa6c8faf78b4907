//! `tools` of a client's own Messages body.

use serde_json::{Value, json};

use super::native_conversation::{edit_cache_control, has_any};
use crate::canonical::{ObjectWriter, RawObject, Tool, write_value};
use crate::error::{Error, Result};
use crate::provider::bedrock::chat::betas::{Betas, FINE_GRAINED_TOOLS};
use crate::provider::bedrock::chat::computer;
use crate::provider::bedrock::chat::kind::Model;

/// What a tool has in it that may have to be changed.
const TRIGGERS: [&[u8]; 4] = [
    b"\"custom\"",
    b"\"eager_input_streaming\"",
    b"\"scope\"",
    b"\"ttl\"",
];

/// How the types of Anthropic's tools that search for tools begin.
const TOOL_SEARCH: &str = "tool_search_tool_";

/// Asks for the betas that the tools need, and refuses a tool that runs at Anthropic.
pub(super) fn check(tools: &[Tool], model: &Model<'_>, betas: &mut Betas) -> Result<()> {
    for (index, tool) in tools.iter().enumerate() {
        let Some(tool) = RawObject::parse(tool.0.get()) else {
            continue;
        };
        if tool.get("eager_input_streaming") == Some("true") {
            betas.add(FINE_GRAINED_TOOLS);
        }
        let Some(kind) = tool.text("type") else {
            continue;
        };
        if kind.starts_with("web_search_") {
            return Err(Error::bad_request(
                format!("tools[{index}]"),
                format!(
                    "tools[{index}]: the server tool '{kind}' runs at Anthropic and is not supported on Bedrock; leave it \
                     out, or give the model a search tool of your own"
                ),
            ));
        }
        if kind.starts_with(TOOL_SEARCH) && super::native::may_search(model) {
            betas.add_tool_search();
        }
        if kind.starts_with("computer_") && !betas.has_prefix("computer-use-") {
            let whole = json!({"type": kind});
            betas.add(computer::beta(&whole, &model.id.base));
        }
    }
    Ok(())
}

/// Appends the tools as a JSON list.
pub(super) fn write(tools: &[Tool], model: &Model<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, tool) in tools.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let written = tool.0.get();
        match RawObject::parse(written) {
            Some(object) if object.get("name").is_none() || has_any(written, &TRIGGERS) => {
                write_tool(index, &object, model, out);
            }
            _ => out.extend_from_slice(written.as_bytes()),
        }
    }
    out.push(b']');
}

fn write_tool(index: usize, tool: &RawObject<'_>, model: &Model<'_>, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::open(out);
    if tool.get("name").is_none() {
        let name = format!("\"litellm_unnamed_tool_{index}\"");
        object.raw("name", &name);
    }
    for (name, value) in tool.members() {
        match name {
            "eager_input_streaming" => {}
            "custom" => {
                // Some clients say it in here.
                let defers = RawObject::parse(value)
                    .and_then(|custom| custom.get("defer_loading"))
                    .filter(|defers| matches!(*defers, "true" | "false"));
                if let Some(defers) = defers.filter(|_| tool.get("defer_loading").is_none()) {
                    object.raw("defer_loading", defers);
                }
            }
            "cache_control" => edit_cache_control(value, model.facts, object.member(name)),
            "input_schema" if has_any(value, &[b"\"custom\""]) => {
                let mut schema = serde_json::from_str(value).unwrap_or(Value::Null);
                mend_types(&mut schema);
                write_value(&schema, object.member(name));
            }
            _ => object.raw(name, value),
        }
    }
    object.close();
}

/// Clients that take `type` of a tool for that of its schema write `custom` where an object is meant.
fn mend_types(schema: &mut Value) {
    let Value::Object(members) = schema else {
        return;
    };
    if members.get("type").is_some_and(|kind| kind == "custom") {
        members.insert("type".to_owned(), json!("object"));
    }
}
