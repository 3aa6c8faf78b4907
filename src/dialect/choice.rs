//! `tool_choice` and `response_format` → canonical.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::part::required;
use super::read::Node;
use crate::canonical::{JsonSchemaFormat, RawJson, ResponseFormat, ToolChoice};
use crate::error::Result;

/// What `tool_choice` says.
#[derive(Debug)]
pub(super) struct ToolChoiceRead {
    /// Which tool.
    pub(super) choice: ToolChoice,
    /// Whether several may be called at once: Anthropic says it in the same place.
    pub(super) parallel: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct WireChoice<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow)]
    allowed_tools: Option<&'a RawValue>,
    #[serde(borrow)]
    mode: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    disable_parallel_tool_use: Option<&'a RawValue>,
}

/// Reads `tool_choice`, in OpenAI's words or Anthropic's.
pub(super) fn tool_choice(node: &Node<'_, '_>) -> Result<ToolChoiceRead> {
    if node.is_string() {
        let choice = match &*node.string()? {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
            _ => ToolChoice::Other(node.json()),
        };
        return Ok(ToolChoiceRead {
            choice,
            parallel: None,
        });
    }
    if !node.is_object() {
        return Err(node.expected("a string or an object"));
    }
    let wire: WireChoice<'_> = node.object()?;
    let kind = node.member("type", wire.kind, |node| node.string())?;
    let choice = match kind.as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some("any" | "required") => ToolChoice::Required,
        Some("function" | "tool") => named(node, &wire)?,
        Some("allowed_tools") => match wire.allowed_tools {
            Some(_) => required(node, "allowed_tools", wire.allowed_tools, |node| {
                allowed(&node, &node.object()?)
            })?,
            None => allowed(node, &wire)?,
        },
        _ => ToolChoice::Other(node.json()),
    };
    let disable = node.member(
        "disable_parallel_tool_use",
        wire.disable_parallel_tool_use,
        |node| node.boolean(),
    )?;
    Ok(ToolChoiceRead {
        choice,
        parallel: disable.map(|disable| !disable),
    })
}

/// Reads the name of a tool, which stands in `function` or beside the type.
fn named(node: &Node<'_, '_>, wire: &WireChoice<'_>) -> Result<ToolChoice> {
    let name = match wire.function {
        Some(_) => required(node, "function", wire.function, |node| {
            let inner: WireChoice<'_> = node.object()?;
            required(&node, "name", inner.name, |node| node.owned())
        })?,
        None => required(node, "name", wire.name, |node| node.owned())?,
    };
    Ok(ToolChoice::Named(name))
}

fn allowed(node: &Node<'_, '_>, wire: &WireChoice<'_>) -> Result<ToolChoice> {
    let mode = node.member("mode", wire.mode, |node| node.string())?;
    let names = required(node, "tools", wire.tools, |node| {
        node.list(|tool| {
            let wire: WireChoice<'_> = tool.object()?;
            match named(&tool, &wire)? {
                ToolChoice::Named(name) => Ok(name),
                _ => Ok(String::new()),
            }
        })
    })?;
    Ok(ToolChoice::Allowed {
        names,
        required: mode.as_deref() == Some("required"),
    })
}

#[derive(Debug, Default, Deserialize)]
struct WireFormat<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    json_schema: Option<&'a RawValue>,
    #[serde(borrow)]
    response_schema: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    #[serde(borrow)]
    strict: Option<&'a RawValue>,
}

/// Reads `response_format`.
pub(super) fn response_format(node: &Node<'_, '_>) -> Result<ResponseFormat> {
    let wire: WireFormat<'_> = node.object()?;
    let kind = required(node, "type", wire.kind, |node| node.string())?;
    if wire.response_schema.is_some() {
        let schema = required(node, "response_schema", wire.response_schema, schema)?;
        return Ok(ResponseFormat::JsonSchema(JsonSchemaFormat {
            name: None,
            description: None,
            schema,
            strict: None,
        }));
    }
    let format = match &*kind {
        "text" => return Ok(ResponseFormat::Text),
        "json_object" => return Ok(ResponseFormat::JsonObject),
        "json_schema" if wire.json_schema.is_some() => {
            required(node, "json_schema", wire.json_schema, |node| {
                json_schema(&node, &node.object()?)
            })?
        }
        "json_schema" if wire.schema.is_none() && wire.name.is_none() => {
            return Err(node.path.member("json_schema").error("it is required"));
        }
        "json_schema" => json_schema(node, &wire)?,
        _ => return Ok(ResponseFormat::Other(node.json())),
    };
    Ok(ResponseFormat::JsonSchema(format))
}

/// Reads the members of `json_schema`. A name is OpenAI's rule and nobody's need: LiteLLM and Bedrock go without.
fn json_schema(node: &Node<'_, '_>, wire: &WireFormat<'_>) -> Result<JsonSchemaFormat> {
    Ok(JsonSchemaFormat {
        name: node.member("name", wire.name, |node| node.owned())?,
        description: node.member("description", wire.description, |node| node.owned())?,
        schema: required(node, "schema", wire.schema, schema)?,
        strict: node.member("strict", wire.strict, |node| node.boolean())?,
    })
}

fn schema(node: Node<'_, '_>) -> Result<RawJson> {
    if node.is_object() {
        Ok(node.json())
    } else {
        Err(node.expected("an object"))
    }
}
