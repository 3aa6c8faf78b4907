//! One message of a Messages request → canonical messages.
//!
//! Results of tools are messages of their own there, and calls stand behind what was said. A message is cut wherever the
//! order would otherwise change; the parts are put together again when they are written for a model.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{Content, Media, MediaKind, MediaSource, Message, Part, PartKind};
use crate::canonical::{Role, ToolCall};
use crate::dialect::media::media;
use crate::dialect::part::{WirePart, cache_control, part, part_of, required};
use crate::dialect::read::{Node, Path};
use crate::error::Result;

/// A message as it is written.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WireTurn<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// Reads `system`: a string, or a list of texts; `None` when it says nothing.
pub(super) fn system(node: Node<'_, '_>) -> Result<Option<Message>> {
    let content = if node.is_string() {
        Content::Text(node.text()?)
    } else if node.is_list() {
        let parts = node.list(part)?;
        Content::Parts(parts.into_iter().flatten().collect())
    } else {
        return Err(node.expected("a string or a list of text blocks"));
    };
    let says_nothing = match &content {
        Content::Text(text) => text.is_empty(),
        Content::Parts(parts) => parts.is_empty(),
        Content::Absent => true,
    };
    Ok((!says_nothing).then(|| message(Role::System, content)))
}

/// Reads the message that stands at `path`, and appends what it is.
pub(super) fn turn(
    body: &Bytes,
    wire: &WireTurn<'_>,
    path: &Path<'_>,
    out: &mut Vec<Message>,
) -> Result<()> {
    let here = Node {
        body,
        raw: RawValue::NULL,
        path,
    };
    let role = required(&here, "role", wire.role, |node| match &*node.string()? {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "system" => Ok(Role::System),
        _ => Err(node.error("expected 'user' or 'assistant'")),
    })?;
    required(&here, "content", wire.content, |node| {
        if role == Role::System {
            out.extend(system(node)?);
        } else if node.is_string() {
            out.push(message(role, Content::Text(node.text()?)));
        } else if node.is_list() {
            let mut cutter = Cutter::new(role, out);
            node.list(|node| cutter.block(&node))?;
            cutter.flush();
        } else {
            return Err(node.expected("a string or a list of blocks"));
        }
        Ok(())
    })
}

fn message(role: Role, content: Content) -> Message {
    Message {
        role,
        content,
        ..Message::default()
    }
}

/// Cuts one message into canonical ones.
struct Cutter<'o> {
    role: Role,
    parts: Vec<Part>,
    calls: Vec<ToolCall>,
    has_written: bool,
    out: &'o mut Vec<Message>,
}

impl<'o> Cutter<'o> {
    fn new(role: Role, out: &'o mut Vec<Message>) -> Self {
        Self {
            role,
            parts: Vec::new(),
            calls: Vec::new(),
            has_written: false,
            out,
        }
    }

    fn block(&mut self, node: &Node<'_, '_>) -> Result<()> {
        let wire: WirePart<'_> = node.object()?;
        let kind = required(node, "type", wire.kind, |node| node.string())?;
        match &*kind {
            "tool_use" if self.role == Role::Assistant => self.calls.push(tool_use(node, &wire)?),
            "tool_result" => {
                self.cut();
                self.out.push(tool_result(node, &wire)?);
                self.has_written = true;
            }
            _ => {
                let part = content_part(node, &kind, &wire)?;
                if !self.calls.is_empty() {
                    self.cut();
                }
                self.parts.extend(part);
            }
        }
        Ok(())
    }

    /// Ends the present canonical message, if it has anything.
    fn cut(&mut self) {
        if self.parts.is_empty() && self.calls.is_empty() {
            return;
        }
        let parts = std::mem::take(&mut self.parts);
        let content = if parts.is_empty() {
            Content::Absent
        } else {
            Content::Parts(parts)
        };
        self.out.push(Message {
            tool_calls: std::mem::take(&mut self.calls),
            ..message(self.role.clone(), content)
        });
        self.has_written = true;
    }

    /// Ends the message; one without any block stays a message.
    fn flush(mut self) {
        self.cut();
        if !self.has_written {
            let content = Content::Parts(Vec::new());
            self.out.push(message(self.role, content));
        }
    }
}

/// Reads a block that is neither a call nor a result.
fn content_part(node: &Node<'_, '_>, kind: &str, wire: &WirePart<'_>) -> Result<Option<Part>> {
    let known = match kind {
        "image" | "document" => PartKind::Media(Box::new(own_media(node, kind, wire)?)),
        "text" | "thinking" | "redacted_thinking" | "search_result" => {
            return part_of(node, kind, wire);
        }
        // A Claude may know it: it has the body as it was written.
        other => PartKind::Unknown(other.to_owned()),
    };
    let cache = node.member("cache_control", wire.cache_control, cache_control)?;
    Ok(Some(Part { kind: known, cache }))
}

/// Reads an image or a document. A source that is not known here is refused only where the block must be rewritten: by a
/// model that is no Claude.
fn own_media(node: &Node<'_, '_>, kind: &str, wire: &WirePart<'_>) -> Result<Media> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Source<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
    }
    let problem = match media(node, kind, wire) {
        Ok(Some(media)) => return Ok(media),
        Ok(None) => node.error("it is no media"),
        Err(problem) => problem,
    };
    let source = node.member("source", wire.source, |node| node.object::<Source<'_>>())?;
    let written = source.and_then(|source| source.kind).map(RawValue::get);
    if written.is_none() || written == Some("\"url\"") {
        return Err(problem);
    }
    Ok(Media {
        kind: if kind == "image" {
            MediaKind::Image
        } else {
            MediaKind::Document
        },
        source: MediaSource::Invalid(problem.message().to_owned()),
        format: None,
        mime: None,
        filename: None,
        title: None,
        context: None,
        citations: false,
        detail: None,
        fetched_from: None,
    })
}

fn tool_use(node: &Node<'_, '_>, wire: &WirePart<'_>) -> Result<ToolCall> {
    let arguments = node.member("input", wire.input, |node| {
        if node.is_object() {
            Ok(node.raw.get().to_owned())
        } else {
            Err(node.expected("an object"))
        }
    })?;
    Ok(ToolCall {
        id: Some(required(node, "id", wire.id, |node| node.owned())?),
        name: required(node, "name", wire.name, |node| node.owned())?,
        arguments: arguments.unwrap_or_else(|| "{}".to_owned()),
        cache: node.member("cache_control", wire.cache_control, cache_control)?,
    })
}

fn tool_result(node: &Node<'_, '_>, wire: &WirePart<'_>) -> Result<Message> {
    let id = required(node, "tool_use_id", wire.tool_use_id, |node| node.owned())?;
    let content = node.member("content", wire.content, |node| {
        if node.is_string() {
            return Ok(Content::Text(node.text()?));
        }
        if !node.is_list() {
            return Err(node.expected("a string or a list of blocks"));
        }
        let parts = node.list(|node| {
            let wire: WirePart<'_> = node.object()?;
            let kind = required(&node, "type", wire.kind, |node| node.string())?;
            content_part(&node, &kind, &wire)
        })?;
        Ok(Content::Parts(parts.into_iter().flatten().collect()))
    })?;
    let is_error = node.member("is_error", wire.is_error, |node| node.boolean())?;
    Ok(Message {
        tool_call_id: Some(id),
        is_error: is_error.unwrap_or(false),
        cache: node.member("cache_control", wire.cache_control, cache_control)?,
        ..message(Role::Tool, content.unwrap_or_default())
    })
}
