//! Which tools the simulated model calls, and with what.

use serde_json::Value;

use super::super::json::Node;
use super::super::sigv4::{hmac, push_hex};
use super::answer::{Content, Turn};
use super::request::Request;
use super::sample;

/// Returns the calls that the request forces or its markers ask for.
pub(super) fn call_tools(request: &Request<'_>, turn: &Turn) -> Vec<Content> {
    let specs: Vec<_> = request.tool_specs().collect();
    let named = |name: &str| {
        specs
            .iter()
            .copied()
            .find(|spec| spec.text_of("name") == Some(name))
    };
    let call = |index: usize, spec: &Node<'_>, input: Option<Value>| Content::ToolUse {
        id: tool_use_id(request, turn, index),
        name: spec.text_of("name").unwrap_or_default().to_owned(),
        input: input.unwrap_or_else(|| {
            sample::fitting(spec.at(&["inputSchema", "json"]).unwrap_or(&Node::Null))
        }),
    };
    let Some(first) = specs.first().copied() else {
        return Vec::new();
    };
    if let Some(marker) = turn.marker("tool") {
        let (name, arguments) = marker
            .argument
            .split_once(' ')
            .unwrap_or((marker.argument, ""));
        let input = serde_json::from_str(arguments)
            .ok()
            .filter(Value::is_object);
        return vec![call(0, named(name).unwrap_or(first), input)];
    }
    if turn.marker("tools").is_some() {
        let second = specs.get(1).copied().unwrap_or(first);
        return vec![call(0, first, None), call(1, second, None)];
    }
    match request.tool_choice() {
        Some(("any", _)) => vec![call(0, first, None)],
        Some(("tool", choice)) => {
            let spec = choice.text_of("name").and_then(named).unwrap_or(first);
            vec![call(0, spec, None)]
        }
        _ => Vec::new(),
    }
}

fn tool_use_id(request: &Request<'_>, turn: &Turn, index: usize) -> String {
    let mut id = String::from("tooluse_");
    let seed = format!("{}\n{index}\n{}", request.messages().len(), turn.text);
    push_hex(
        hmac(b"tool use", seed.as_bytes())
            .get(..11)
            .unwrap_or_default(),
        &mut id,
    );
    id
}
