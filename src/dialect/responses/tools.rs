//! `tools` of a Responses request → the functions that models know.
//!
//! A function stands flat here. One in a namespace is called `<namespace>__<name>`, and a custom tool, which takes plain text,
//! becomes a function with one member `input`; answers say both in the client's words. Tools that OpenAI runs itself have
//! no one to run them here, and are left out with a warning.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::asked::Known;
use super::joined;
use crate::canonical::{ObjectWriter, RawJson, Tool, hosted_tool, write_escaped};
use crate::dialect::part::required;
use crate::dialect::read::Node;
use crate::error::Result;

/// How many tools a request may have, those in namespaces included.
const MOST_TOOLS: usize = 10_000;

/// What `tools` says.
#[derive(Debug, Default)]
pub(super) struct ToolsRead {
    /// The functions.
    pub(super) tools: Vec<Tool>,
    /// The client's words for those that models know otherwise.
    pub(super) known: HashMap<String, Known>,
    /// The types of the tools that were left out.
    pub(super) left_out: Vec<&'static str>,
}

/// The members of all types of tools together.
#[derive(Debug, Default, Deserialize)]
struct WireTool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    strict: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
    #[serde(borrow, rename = "toolSpec")]
    tool_spec: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
}

/// Reads `tools`.
pub(super) fn tools(node: &Node<'_, '_>) -> Result<ToolsRead> {
    let mut out = ToolsRead::default();
    node.list_up_to(MOST_TOOLS, |node| out.tool(&node, None))?;
    Ok(out)
}

impl ToolsRead {
    fn tool(&mut self, node: &Node<'_, '_>, namespace: Option<&str>) -> Result<()> {
        let wire: WireTool<'_> = node.object()?;
        let is_other_form =
            wire.function.is_some() || wire.input_schema.is_some() || wire.tool_spec.is_some();
        if is_other_form && namespace.is_none() {
            // As chat, Anthropic or Converse write it: understood further on.
            self.tools.push(Tool(node.json()));
            return Ok(());
        }
        let kind = required(node, "type", wire.kind, |node| node.string())?;
        match &*kind {
            "function" => self.function(node, &wire, namespace)?,
            "custom" => self.custom(node, &wire, namespace)?,
            "namespace" if namespace.is_none() => {
                let name = required(node, "name", wire.name, |node| node.string())?;
                required(node, "tools", wire.tools, |node| {
                    node.list_up_to(MOST_TOOLS, |node| self.tool(&node, Some(&name)))
                })?;
            }
            other => {
                let word = hosted_tool(other);
                if !self.left_out.contains(&word) {
                    self.left_out.push(word);
                }
            }
        }
        if self.tools.len() > MOST_TOOLS {
            return Err(node.error(&format!("there are more than {MOST_TOOLS} tools")));
        }
        Ok(())
    }

    fn function(
        &mut self,
        node: &Node<'_, '_>,
        wire: &WireTool<'_>,
        namespace: Option<&str>,
    ) -> Result<()> {
        let name = required(node, "name", wire.name, |node| node.string())?;
        let name = self.know(&name, namespace, false);
        let written = written(&name, wire.cache_control, |function| {
            for (name, value) in [
                ("description", wire.description),
                ("parameters", wire.parameters),
                ("strict", wire.strict),
            ] {
                if let Some(value) = value {
                    function.raw(name, value.get());
                }
            }
        });
        self.tools.push(Tool(written));
        Ok(())
    }

    fn custom(
        &mut self,
        node: &Node<'_, '_>,
        wire: &WireTool<'_>,
        namespace: Option<&str>,
    ) -> Result<()> {
        const PARAMETERS: &str = r#"{"type":"object","properties":{"input":{"type":"string","description":"The input of the tool, as plain text."}},"required":["input"],"additionalProperties":false}"#;
        let name = required(node, "name", wire.name, |node| node.string())?;
        let description = node.member("description", wire.description, |node| node.string())?;
        let grammar = node.member("format", wire.format, grammar)?.flatten();
        let name = self.know(&name, namespace, true);
        let description = [description.as_deref(), grammar.as_deref()];
        let description: Vec<&str> = description.into_iter().flatten().collect();
        let written = written(&name, wire.cache_control, |function| {
            if !description.is_empty() {
                write_escaped(&description.join("\n\n"), function.member("description"));
            }
            function.raw("parameters", PARAMETERS);
        });
        self.tools.push(Tool(written));
        Ok(())
    }

    /// Notes the client's words for a tool, and returns what models know it by.
    fn know(&mut self, name: &str, namespace: Option<&str>, is_custom: bool) -> String {
        let sent = joined(namespace, name);
        if namespace.is_some() || is_custom {
            let known = Known {
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
                is_custom,
            };
            self.known.insert(sent.clone(), known);
        }
        sent
    }
}

/// Writes a function as chat has it.
fn written(
    name: &str,
    cache_control: Option<&RawValue>,
    write: impl FnOnce(&mut ObjectWriter<'_>),
) -> RawJson {
    let mut out = Vec::with_capacity(256);
    let mut tool = ObjectWriter::open(&mut out);
    tool.raw("type", r#""function""#);
    let mut function = ObjectWriter::open(tool.member("function"));
    write_escaped(name, function.member("name"));
    write(&mut function);
    function.close();
    if let Some(control) = cache_control {
        tool.raw("cache_control", control.get());
    }
    tool.close();
    RawJson::from_checked(out.into())
}

/// Reads the grammar that the input of a custom tool must fit, as a sentence for the model: nothing here can hold it to that.
fn grammar(node: Node<'_, '_>) -> Result<Option<String>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Format<'a> {
        #[serde(borrow)]
        syntax: Option<Cow<'a, str>>,
        #[serde(borrow)]
        definition: Option<Cow<'a, str>>,
    }
    let format: Format<'_> = node.object()?;
    Ok(format.definition.map(|definition| {
        let syntax = format.syntax.unwrap_or_default();
        format!("The input must fit this grammar ({syntax}):\n{definition}")
    }))
}

#[cfg(test)]
#[path = "tools_tests.rs"]
mod tests;
