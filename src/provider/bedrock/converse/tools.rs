//! How Converse writes `toolConfig`.

use super::blocks::write_cache_point;
use crate::canonical::{write_escaped, write_value};
use crate::provider::bedrock::chat::choice::Choice;
use crate::provider::bedrock::chat::tools::{Entry, Schema, Spec, Tools};

/// Appends `toolConfig` as a JSON object; `choice` is its `toolChoice`.
pub(super) fn write_tools(tools: &Tools, choice: Option<&Choice>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"tools":["#);
    for (index, entry) in tools.entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match entry {
            Entry::Written(tool) => out.extend_from_slice(tool.bytes()),
            Entry::Spec(spec) => write_spec(spec, out),
            Entry::Point(point) => write_cache_point(*point, out),
        }
    }
    out.push(b']');
    match choice {
        Some(Choice::Auto) => out.extend_from_slice(br#","toolChoice":{"auto":{}}"#),
        Some(Choice::Any) => out.extend_from_slice(br#","toolChoice":{"any":{}}"#),
        Some(Choice::Tool(name)) => {
            out.extend_from_slice(br#","toolChoice":{"tool":{"name":"#);
            write_escaped(name, out);
            out.extend_from_slice(b"}}");
        }
        Some(Choice::None) | None => {}
    }
    out.push(b'}');
}

fn write_spec(spec: &Spec, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"toolSpec":{"name":"#);
    write_escaped(&spec.name, out);
    out.extend_from_slice(br#","description":"#);
    match &spec.description {
        Some(description) => out.extend_from_slice(description.bytes()),
        None => write_escaped(&spec.name, out),
    }
    out.extend_from_slice(br#","inputSchema":{"json":"#);
    match &spec.schema {
        Schema::Written(schema) => out.extend_from_slice(schema.bytes()),
        Schema::Mended(schema) => write_value(schema, out),
    }
    out.push(b'}');
    if spec.strict {
        out.extend_from_slice(br#","strict":true"#);
    }
    out.extend_from_slice(b"}}");
}
