//! One message of a chat request → canonical.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{Content, Message, PartKind, Role, ToolCall};
use crate::dialect::body::{DEPTH_LIMIT, is_deeper_than};
use crate::dialect::part::{cache_control, part, thinking};
use crate::dialect::read::{Node, Path};
use crate::error::Result;

/// A message as it is written; every member stays as it is, so that a wrong type is found where its name is known.
#[derive(Debug, Default, Deserialize)]
pub(in crate::dialect) struct WireMessage<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    content_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_call_id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    prefix: Option<&'a RawValue>,
    #[serde(borrow)]
    is_error: Option<&'a RawValue>,
    #[serde(borrow)]
    search_results: Option<&'a RawValue>,
}

/// Reads a message that stands at `path`.
pub(in crate::dialect) fn message(
    body: &Bytes,
    wire: &WireMessage<'_>,
    path: &Path<'_>,
) -> Result<Message> {
    // Members are looked up by name; the message's own raw text is never needed.
    let here = Node {
        body,
        raw: RawValue::NULL,
        path,
    };
    let role = here
        .member("role", wire.role, |node| Ok(role(&node.string()?)))?
        .ok_or_else(|| path.member("role").error("it is required"))?;
    let content = here
        .member("content", wire.content, content)?
        .unwrap_or_default();
    let mut message = Message {
        content,
        cache: here.member("cache_control", wire.cache_control, cache_control)?,
        ..Message::default()
    };
    match role {
        Role::Assistant => assistant(&mut message, wire, &here)?,
        Role::Tool | Role::Function => tool(&mut message, wire, &here)?,
        Role::System | Role::User | Role::Other(_) => {}
    }
    message.role = role;
    Ok(message)
}

fn role(name: &str) -> Role {
    match name {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        "function" => Role::Function,
        other => Role::Other(other.to_owned()),
    }
}

fn content(node: Node<'_, '_>) -> Result<Content> {
    if node.is_string() {
        return node.text().map(Content::Text);
    }
    if node.is_list() {
        let parts = node.list(part)?;
        return Ok(Content::Parts(parts.into_iter().flatten().collect()));
    }
    Err(node.expected("a string or a list of parts"))
}

fn assistant(message: &mut Message, wire: &WireMessage<'_>, here: &Node<'_, '_>) -> Result<()> {
    message.prefix = here
        .member("prefix", wire.prefix, |node| node.boolean())?
        .unwrap_or(false);
    message.tool_calls = here
        .member("tool_calls", wire.tool_calls, |node| node.list(tool_call))?
        .unwrap_or_default();
    if message.tool_calls.is_empty() {
        let call = here.member("function_call", wire.function_call, function_call)?;
        message.tool_calls.extend(call);
    }
    message.thinking = here
        .member("thinking_blocks", wire.thinking_blocks, |node| {
            node.list(thinking)
        })?
        .unwrap_or_default();
    if let Some(parts) = here.member("content_blocks", wire.content_blocks, content)? {
        content_blocks(message, parts);
    }
    Ok(())
}

/// Takes from Portkey's `content_blocks` what the usual members do not say already.
fn content_blocks(message: &mut Message, blocks: Content) {
    let Content::Parts(parts) = blocks else {
        return;
    };
    let has_thinking = !message.thinking.is_empty();
    let has_content = !matches!(message.content, Content::Absent);
    let mut texts = Vec::new();
    for part in parts {
        match part.kind {
            PartKind::Thinking(thinking) if !has_thinking => message.thinking.push(thinking),
            PartKind::Text(_) if !has_content => texts.push(part),
            _ => {}
        }
    }
    if !texts.is_empty() {
        message.content = Content::Parts(texts);
    }
}

fn tool(message: &mut Message, wire: &WireMessage<'_>, here: &Node<'_, '_>) -> Result<()> {
    message.tool_call_id = here.member("tool_call_id", wire.tool_call_id, |node| node.owned())?;
    message.name = here.member("name", wire.name, |node| node.owned())?;
    message.is_error = here
        .member("is_error", wire.is_error, |node| node.boolean())?
        .unwrap_or(false);
    message.search_results = here.member("search_results", wire.search_results, |node| {
        if node.is_list() {
            Ok(node.json())
        } else {
            Err(node.expected("a list"))
        }
    })?;
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
struct WireToolCall<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow)]
    custom: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct WireFunction<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

fn tool_call(node: Node<'_, '_>) -> Result<ToolCall> {
    let wire: WireToolCall<'_> = node.object()?;
    let (member, raw) = match wire.custom {
        Some(raw) if wire.function.is_none() => ("custom", Some(raw)),
        _ => ("function", wire.function),
    };
    let mut call = node
        .member(member, raw, function_call)?
        .ok_or_else(|| node.path.member("function").error("it is required"))?;
    call.id = node.member("id", wire.id, |node| node.owned())?;
    call.cache = node.member("cache_control", wire.cache_control, cache_control)?;
    Ok(call)
}

fn function_call(node: Node<'_, '_>) -> Result<ToolCall> {
    let wire: WireFunction<'_> = node.object()?;
    let name = node
        .member("name", wire.name, |node| node.owned())?
        .ok_or_else(|| node.path.member("name").error("it is required"))?;
    let arguments = match wire.input {
        // A custom tool's input is plain text; Bedrock takes objects only.
        Some(input) if wire.arguments.is_none() => format!("{{\"input\":{}}}", input.get()),
        _ => node
            .member("arguments", wire.arguments, arguments)?
            .unwrap_or_default()
            .into_owned(),
    };
    Ok(ToolCall {
        id: None,
        name,
        arguments,
        cache: None,
    })
}

/// Reads arguments: JSON text as a string, or, as some clients write it, the JSON itself.
fn arguments<'a>(node: Node<'a, '_>) -> Result<Cow<'a, str>> {
    if node.is_string() {
        let arguments = node.string()?;
        // The body was measured as JSON, in which this is a mere string.
        if is_deeper_than(arguments.as_bytes(), DEPTH_LIMIT) {
            return Err(node.error("it is nested too deep"));
        }
        return Ok(arguments);
    }
    if node.is_object() {
        return Ok(Cow::Borrowed(node.raw.get()));
    }
    Err(node.expected("a string"))
}
