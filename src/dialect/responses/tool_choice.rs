//! `tool_choice` of a Responses request → canonical.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{joined, put_off};
use crate::canonical::{Loss, ToolChoice};
use crate::dialect::choice;
use crate::dialect::part::required;
use crate::dialect::read::Node;
use crate::error::Result;

#[derive(Debug, Default, Deserialize)]
struct WireChoice<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow)]
    mode: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

/// Reads `tool_choice`; none that a chat knows where a tool is chosen that only models of this format know.
pub(super) fn tool_choice(node: &Node<'_, '_>, loss: &mut Loss) -> Result<Option<ToolChoice>> {
    if !node.is_object() {
        return choice::tool_choice(node).map(|read| Some(read.choice));
    }
    let wire: WireChoice<'_> = node.object()?;
    let kind = required(node, "type", wire.kind, |node| node.string())?;
    match &*kind {
        "function" | "custom" if wire.function.is_none() => {
            named(node, &wire).map(|name| Some(ToolChoice::Named(name)))
        }
        "allowed_tools" if wire.tools.is_some() => {
            let mode = node.member("mode", wire.mode, |node| node.string())?;
            let names = required(node, "tools", wire.tools, |node| {
                node.list(|node| {
                    let wire: WireChoice<'_> = node.object()?;
                    // What has no name is run by OpenAI, and was left out of the tools.
                    wire.name.map(|_| named(&node, &wire)).transpose()
                })
            })?;
            Ok(Some(ToolChoice::Allowed {
                names: names.into_iter().flatten().collect(),
                required: mode.as_deref() == Some("required"),
            }))
        }
        "auto" | "none" | "any" | "required" | "tool" | "function" | "allowed_tools" => {
            choice::tool_choice(node).map(|read| Some(read.choice))
        }
        other => {
            let problem = format!(
                "there is no tool of type '{other}' here, because nobody runs it; only functions and custom tools can be chosen"
            );
            put_off(&node.error(&problem), loss);
            Ok(None)
        }
    }
}

fn named(node: &Node<'_, '_>, wire: &WireChoice<'_>) -> Result<String> {
    let name = required(node, "name", wire.name, |node| node.string())?;
    let namespace = node.member("namespace", wire.namespace, |node| node.string())?;
    Ok(joined(namespace.as_deref(), &name))
}
