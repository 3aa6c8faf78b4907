//! What one message says → content blocks.

use serde_json::{Map, Value, json};

use super::Wire;
use super::blocks::Block;
use super::cache::CachePolicy;
use super::history::Mending;
use super::kind::{Kind, Model};
use super::media;
use super::messages::nothing_said;
use super::names::Namer;
use crate::canonical::{
    CacheControl, Content, Media, Message, Part, PartKind, RawJson, Text, Thinking, ToolCall,
};
use crate::catalog::Flag;
use crate::error::{Error, Result};

/// What blocks are written with.
#[derive(Debug)]
pub(crate) struct Writer<'a, 'n> {
    /// The conversation before it was mended.
    pub(crate) written: &'a [Message],
    /// The model they are for.
    pub(crate) model: &'a Model<'a>,
    /// Which cache points it takes.
    pub(crate) cache: CachePolicy,
    /// How empty texts are mended.
    pub(crate) mending: &'a Mending,
    /// The tools' names.
    pub(crate) namer: &'n mut Namer,
}

/// Appends what the user says.
pub(crate) fn user(writer: &Writer<'_, '_>, message: &Message, out: &mut Vec<Block>) -> Result<()> {
    match &message.content {
        Content::Absent => out.extend(writer.mending.user_text().map(Block::Text)),
        Content::Parts(parts) if parts.is_empty() => {
            out.extend(writer.mending.user_text().map(Block::Text));
        }
        Content::Text(text) if text.is_blank() => {
            if let Some(said) = writer.mending.user_text() {
                out.push(Block::Text(said));
            } else if !text.is_empty() {
                return Err(nothing_said(writer.written));
            }
        }
        Content::Text(text) => {
            out.push(Block::Text(text.clone()));
            writer.cache.push(message.cache.as_ref(), out);
        }
        Content::Parts(parts) => user_parts(writer, parts, out)?,
    }
    Ok(())
}

fn user_parts(writer: &Writer<'_, '_>, parts: &[Part], out: &mut Vec<Block>) -> Result<()> {
    let mut stand_in = writer.mending.user_text();
    for part in parts {
        let block = match &part.kind {
            PartKind::Text(text) | PartKind::GuardedText(text) if text.is_blank() => {
                let said = match writer.model.wire {
                    Wire::Converse => stand_in.take(),
                    // Here every text must say something.
                    Wire::Messages => stand_in.clone(),
                };
                match said {
                    Some(said) => Block::Text(said),
                    None => continue,
                }
            }
            PartKind::Text(text) => Block::Text(text.clone()),
            PartKind::GuardedText(text) => guard(text, None),
            PartKind::GroundingSource(text) | PartKind::GroundingQuery(text) => {
                grounding(writer, &part.kind, text)
            }
            PartKind::Media(media) => media_block(writer, media)?,
            PartKind::SearchResult(raw) => {
                Block::SearchResult(search_result(raw, writer.model.wire)?)
            }
            // Thinking is the model's; a client that sends it as the user's means nothing by it.
            PartKind::Thinking(_) => continue,
            PartKind::Json(_) => return Err(unknown("json")),
            PartKind::Unknown(kind) => return Err(unknown(kind)),
        };
        out.push(block);
        writer.cache.push(part.cache.as_ref(), out);
    }
    Ok(())
}

fn guard(text: &Text, qualifier: Option<&'static str>) -> Block {
    let text = text.clone();
    Block::Guard { text, qualifier }
}

/// Text for a grounding check, which is plain text where no guardrail checks it.
fn grounding(writer: &Writer<'_, '_>, kind: &PartKind, text: &Text) -> Block {
    if !writer.mending.guardrail {
        return Block::Text(text.clone());
    }
    let is_source = matches!(kind, PartKind::GroundingSource(_));
    guard(
        text,
        Some(if is_source {
            "grounding_source"
        } else {
            "query"
        }),
    )
}

fn media_block(writer: &Writer<'_, '_>, media: &Media) -> Result<Block> {
    media::block(media, writer.model.wire).map(|media| Block::Media(Box::new(media)))
}

/// Makes the error of a part that the model cannot be sent.
pub(crate) fn unknown(kind: &str) -> Error {
    Error::bad_request(
        "messages",
        format!("Invalid Message: bedrock cannot be sent content of type '{kind}'."),
    )
}

/// Appends what the assistant said and called; `ids` are those of its calls.
pub(crate) fn assistant(
    writer: &mut Writer<'_, '_>,
    message: &Message,
    ids: Vec<String>,
    out: &mut Vec<Block>,
) -> Result<()> {
    let start = out.len();
    for thinking in &message.thinking {
        out.extend(reasoning(writer.model.kind, thinking));
    }
    match &message.content {
        Content::Absent => {}
        Content::Text(text) if text.is_blank() => {}
        Content::Text(text) => {
            out.push(Block::Text(text.clone()));
            writer.cache.push(message.cache.as_ref(), out);
        }
        Content::Parts(parts) => assistant_parts(writer, message, parts, out)?,
    }
    for (call, id) in message.tool_calls.iter().zip(ids) {
        tool_use(writer, call, &id, out)?;
    }
    if out.len() == start {
        out.extend(writer.mending.assistant_text().map(Block::Text));
    }
    Ok(())
}

fn assistant_parts(
    writer: &Writer<'_, '_>,
    message: &Message,
    parts: &[Part],
    out: &mut Vec<Block>,
) -> Result<()> {
    for part in parts {
        let block = match &part.kind {
            PartKind::Text(text) | PartKind::GuardedText(text) if text.is_blank() => continue,
            PartKind::Text(text)
            | PartKind::GuardedText(text)
            | PartKind::GroundingSource(text)
            | PartKind::GroundingQuery(text) => Block::Text(text.clone()),
            // Clients that echo everything send the same thinking in two places.
            PartKind::Thinking(_) if !message.thinking.is_empty() => continue,
            PartKind::Thinking(thinking) => match reasoning(writer.model.kind, thinking) {
                Some(block) => block,
                None => continue,
            },
            PartKind::Media(media) => media_block(writer, media)?,
            PartKind::SearchResult(_) => return Err(unknown("search_result")),
            PartKind::Json(_) => return Err(unknown("json")),
            PartKind::Unknown(kind) => return Err(unknown(kind)),
        };
        out.push(block);
        writer.cache.push(part.cache.as_ref(), out);
    }
    Ok(())
}

/// Thinking of an earlier turn: Claude takes it only with its signature, others never gave one. Families that do not
/// think take none of another's.
fn reasoning(kind: Kind, thinking: &Thinking) -> Option<Block> {
    match thinking {
        Thinking::Redacted(data) => Some(Block::Redacted(data.clone())),
        Thinking::Shown {
            signature: None, ..
        } if !kind.may_think_unsigned() => None,
        Thinking::Shown { text, signature } => Some(Block::Reasoning {
            text: text.clone(),
            signature: signature.clone(),
        }),
    }
}

/// Says whether thinking is replayed to the model, so that thinking may go on.
pub(crate) fn is_replayed(kind: Kind, thinking: &Thinking) -> bool {
    reasoning(kind, thinking).is_some()
}

fn tool_use(
    writer: &mut Writer<'_, '_>,
    call: &ToolCall,
    id: &str,
    out: &mut Vec<Block>,
) -> Result<()> {
    let name = writer.namer.name(&call.name);
    for (place, input) in inputs(&call.arguments)?.into_iter().enumerate() {
        let id = if place == 0 {
            id.to_owned()
        } else {
            let next = format!("{id}_{place}");
            writer.namer.call_id(&next).into_owned()
        };
        let name = name.clone();
        out.push(Block::ToolUse { id, name, input });
    }
    writer.cache.push(call.cache.as_ref(), out);
    Ok(())
}

/// Reads arguments: JSON objects, of which some models write several in a row. What is no object becomes an empty one.
fn inputs(arguments: &str) -> Result<Vec<String>> {
    const EMPTY: &str = "{}";
    // Each becomes a call of its own, with an id and a name.
    const MOST: usize = 128;
    let mut objects = Vec::with_capacity(1);
    let mut values =
        serde_json::Deserializer::from_str(arguments).into_iter::<&serde_json::value::RawValue>();
    for value in &mut values {
        match value {
            Ok(_) if objects.len() == MOST => {
                return Err(Error::bad_request(
                    "messages",
                    format!(
                        "Invalid Message: the arguments of a tool call are more than {MOST} objects."
                    ),
                ));
            }
            Ok(value) if value.get().starts_with('{') => objects.push(value.get().to_owned()),
            _ => return Ok(vec![EMPTY.to_owned()]),
        }
    }
    if objects.is_empty() {
        objects.push(EMPTY.to_owned());
    }
    Ok(objects)
}

/// Appends what a tool said.
pub(crate) fn tool_result(
    writer: &Writer<'_, '_>,
    message: &Message,
    id: String,
    out: &mut Vec<Block>,
) -> Result<()> {
    let mut content = Vec::new();
    let mut beside = Vec::new();
    let mut part_cache: Option<&CacheControl> = None;
    let mut status = message.is_error.then_some("error");
    if let Some(results) = &message.search_results {
        for raw in results.parse::<Vec<RawJson>>().unwrap_or_default() {
            content.push(Block::SearchResult(search_result(&raw, writer.model.wire)?));
        }
        status = status.or(Some("success"));
    } else {
        match &message.content {
            Content::Text(text) if !text.is_empty() => content.push(Block::Text(text.clone())),
            Content::Parts(parts) => {
                part_cache = parts.iter().find_map(|part| part.cache.as_ref());
                result_parts(writer, parts, &mut content, &mut beside)?;
            }
            Content::Text(_) | Content::Absent => {}
        }
    }
    out.push(Block::ToolResult {
        id,
        content,
        status,
    });
    writer
        .cache
        .push(message.cache.as_ref().or(part_cache), out);
    out.append(&mut beside);
    Ok(())
}

/// Reads the parts of a result; images that the model takes only outside of it go `beside` it.
fn result_parts(
    writer: &Writer<'_, '_>,
    parts: &[Part],
    content: &mut Vec<Block>,
    beside: &mut Vec<Block>,
) -> Result<()> {
    const BELOW: &str = "[image attached below]";
    let images_inside = writer.model.facts.flag(Flag::ToolResultImages) != Some(false);
    for part in parts {
        match &part.kind {
            PartKind::Text(text)
            | PartKind::GuardedText(text)
            | PartKind::GroundingSource(text)
            | PartKind::GroundingQuery(text) => content.push(Block::Text(text.clone())),
            PartKind::Json(raw) => content.push(Block::Json(raw.clone())),
            PartKind::SearchResult(raw) => {
                let result = search_result(raw, writer.model.wire)?;
                content.push(Block::SearchResult(result));
            }
            PartKind::Media(media) => {
                let block = media::block(media, writer.model.wire)?;
                if block.member == "image" && !images_inside {
                    content.push(Block::Text(Text::new(BELOW)));
                    beside.push(Block::Media(Box::new(block)));
                } else {
                    content.push(Block::Media(Box::new(block)));
                }
            }
            // Unlike what a user says, a result goes on without the parts that Bedrock has no words for.
            PartKind::Thinking(_) | PartKind::Unknown(_) => {}
        }
    }
    Ok(())
}

/// Reads a search result in Anthropic's shape, whose members are Converse's.
fn search_result(raw: &RawJson, wire: Wire) -> Result<RawJson> {
    let Value::Object(given) = raw.to_value() else {
        return Err(unknown("search_result"));
    };
    let text_block = |text: &Value| match wire {
        Wire::Converse => json!({ "text": text }),
        Wire::Messages => json!({"type": "text", "text": text}),
    };
    let mut out = Map::new();
    if wire == Wire::Messages {
        out.insert("type".to_owned(), json!("search_result"));
    }
    for name in ["source", "title"] {
        let value = given.get(name).cloned();
        out.insert(name.to_owned(), value.unwrap_or_else(|| json!("")));
    }
    let content = match given.get("content") {
        Some(text @ Value::String(_)) => vec![text_block(text)],
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").map(text_block))
            .collect(),
        _ => Vec::new(),
    };
    out.insert("content".to_owned(), Value::Array(content));
    if let Some(Value::Object(citations)) = given.get("citations") {
        let enabled = citations.get("enabled").and_then(Value::as_bool);
        out.insert(
            "citations".to_owned(),
            json!({ "enabled": enabled.unwrap_or(false) }),
        );
    }
    Ok(RawJson::from_value(&out))
}
