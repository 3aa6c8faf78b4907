//! `input` of a Responses request → messages.
//!
//! Items are finer than messages: reasoning, what was said and every call stand each for itself. What the model gave in one
//! turn becomes one message again: thoughts, then text, then calls, cut wherever the order would otherwise change.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{joined, packed, put_off};
use crate::canonical::{Content, Loss, Message, Role, ToolCall};
use crate::dialect::body::{DEPTH_LIMIT, is_deeper_than};
use crate::dialect::part::{part, part_of, required};
use crate::dialect::read::Node;
use crate::error::{Error, Result};

/// How many items a request may have.
const MOST_ITEMS: usize = 100_000;

/// Records of what OpenAI ran itself: no model here can be told of them.
const LEFT_OUT: [&str; 16] = [
    "additional_tools",
    "code_interpreter_call",
    "compaction",
    "compaction_trigger",
    "file_search_call",
    "image_generation_call",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
    "web_search_preview_call",
];

/// The members of all types of items together.
#[derive(Debug, Default, Deserialize)]
struct WireItem<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    encrypted_content: Option<&'a RawValue>,
}

/// What `input` says.
#[derive(Debug, Default)]
pub(super) struct InputRead {
    /// The conversation.
    pub(super) messages: Vec<Message>,
    /// The types of the items that were left out.
    pub(super) left_out: Vec<&'static str>,
    /// The model's turn that is being put together.
    turn: Option<Message>,
    /// What no chat can say.
    refused: Option<Error>,
}

/// Reads `input`: a string, or a list of items.
pub(super) fn input(node: &Node<'_, '_>, loss: &mut Loss) -> Result<InputRead> {
    let mut out = InputRead::default();
    if node.is_string() {
        let text = node.text()?;
        if text.is_empty() {
            return Err(node.error("it must not be empty"));
        }
        out.push(Role::User, Content::Text(text));
        return Ok(out);
    }
    if !node.is_list() {
        return Err(node.expected("a string or a list of items"));
    }
    node.list_up_to(MOST_ITEMS, |node| out.item(&node))?;
    out.end_turn();
    if let Some(refused) = &out.refused {
        put_off(refused, loss);
    } else if out.messages.is_empty() {
        let error = node.error("it must have at least one message");
        if out.left_out.is_empty() {
            return Err(error);
        }
        put_off(&error, loss);
    }
    Ok(out)
}

impl InputRead {
    fn item(&mut self, node: &Node<'_, '_>) -> Result<()> {
        let wire: WireItem<'_> = node.object()?;
        let kind = match wire.kind {
            Some(_) => required(node, "type", wire.kind, |node| node.string())?,
            None => Cow::Borrowed("message"),
        };
        match &*kind {
            "message" => self.message(node, &wire),
            "function_call" => {
                let name = name(node, &wire)?;
                let arguments = required(node, "arguments", wire.arguments, arguments)?;
                self.call(node, &wire, name, arguments)
            }
            "custom_tool_call" => {
                let name = name(node, &wire)?;
                let input = required(node, "input", wire.input, |node| node.text())?;
                self.call(node, &wire, name, format!("{{\"input\":{}}}", input.raw()))
            }
            "function_call_output" | "custom_tool_call_output" => self.output(node, &wire),
            "reasoning" => self.reasoning(node, &wire),
            "item_reference" => Err(node.error(
                "the item that it refers to was not kept; send the item itself, or set 'store' to false in the client",
            )),
            other => {
                if let Some(known) = LEFT_OUT.into_iter().find(|known| *known == other) {
                    if !self.left_out.contains(&known) {
                        self.left_out.push(known);
                    }
                    return Ok(());
                }
                let path = node.path.member("type");
                let problem = format!("there are no items of type '{other}' here");
                self.refused.get_or_insert_with(|| path.error(&problem));
                if other == "computer_call_output" {
                    self.screenshot(node, &wire);
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, node: &Node<'_, '_>, wire: &WireItem<'_>) -> Result<()> {
        let role = required(node, "role", wire.role, |node| match &*node.string()? {
            "user" => Ok(Role::User),
            "assistant" => Ok(Role::Assistant),
            "system" | "developer" => Ok(Role::System),
            _ => Err(node.error("expected 'user', 'assistant', 'system' or 'developer'")),
        })?;
        let content = required(node, "content", wire.content, |node| content(&node))?;
        if role != Role::Assistant {
            self.push(role, content);
            return Ok(());
        }
        let turn = self.turn();
        if !matches!(turn.content, Content::Absent) || !turn.tool_calls.is_empty() {
            self.end_turn();
        }
        self.turn().content = content;
        Ok(())
    }

    fn call(
        &mut self,
        node: &Node<'_, '_>,
        wire: &WireItem<'_>,
        name: String,
        arguments: String,
    ) -> Result<()> {
        let id = required(node, "call_id", wire.call_id, |node| node.owned())?;
        self.turn().tool_calls.push(ToolCall {
            id: Some(id),
            name,
            arguments,
            cache: None,
        });
        Ok(())
    }

    fn output(&mut self, node: &Node<'_, '_>, wire: &WireItem<'_>) -> Result<()> {
        let id = required(node, "call_id", wire.call_id, |node| node.owned())?;
        let content = required(node, "output", wire.output, |node| content(&node))?;
        self.end_turn();
        self.messages.push(Message {
            role: Role::Tool,
            content,
            tool_call_id: Some(id),
            ..Message::default()
        });
        Ok(())
    }

    /// A picture of a screen, which may have to be fetched for whoever knows what it is.
    fn screenshot(&mut self, node: &Node<'_, '_>, wire: &WireItem<'_>) {
        let read = |node: Node<'_, '_>| part_of(&node, "input_image", &node.object()?);
        let read = node.member("output", wire.output, read);
        if let Ok(Some(Some(part))) = read {
            self.push(Role::Tool, Content::Parts(vec![part]));
        }
    }

    /// Reasoning that was packed here goes back to the model; any other says nothing to it.
    fn reasoning(&mut self, node: &Node<'_, '_>, wire: &WireItem<'_>) -> Result<()> {
        let packed = node.member("encrypted_content", wire.encrypted_content, |node| {
            node.string()
        })?;
        let Some(thoughts) = packed.as_deref().and_then(packed::unpack) else {
            return Ok(());
        };
        let turn = self.turn();
        if !matches!(turn.content, Content::Absent) || !turn.tool_calls.is_empty() {
            self.end_turn();
        }
        self.turn().thinking.extend(thoughts);
        Ok(())
    }

    /// Returns the model's turn that is being put together.
    fn turn(&mut self) -> &mut Message {
        self.turn.get_or_insert_with(|| Message {
            role: Role::Assistant,
            ..Message::default()
        })
    }

    fn end_turn(&mut self) {
        self.messages.extend(self.turn.take());
    }

    fn push(&mut self, role: Role, content: Content) {
        self.end_turn();
        self.messages.push(Message {
            role,
            content,
            ..Message::default()
        });
    }
}

fn content(node: &Node<'_, '_>) -> Result<Content> {
    if node.is_string() {
        return node.text().map(Content::Text);
    }
    if node.is_list() {
        let parts = node.list(part)?;
        return Ok(Content::Parts(parts.into_iter().flatten().collect()));
    }
    Err(node.expected("a string or a list of parts"))
}

fn name(node: &Node<'_, '_>, wire: &WireItem<'_>) -> Result<String> {
    let name = required(node, "name", wire.name, |node| node.string())?;
    let namespace = node.member("namespace", wire.namespace, |node| node.string())?;
    Ok(joined(namespace.as_deref(), &name))
}

fn arguments(node: Node<'_, '_>) -> Result<String, Error> {
    let arguments = node.owned()?;
    // The body was measured as JSON, in which this is a mere string.
    if is_deeper_than(arguments.as_bytes(), DEPTH_LIMIT) {
        return Err(node.error("it is nested too deep"));
    }
    Ok(arguments)
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
