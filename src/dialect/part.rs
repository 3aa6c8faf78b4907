//! One part of a message's content → canonical.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::media;
use super::read::Node;
use crate::canonical::{CacheControl, Part, PartKind, Text, Thinking};
use crate::error::Result;

/// A part as it is written: the members of all types together.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WirePart<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) cache_control: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) detail: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) video_url: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) file: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) input_audio: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) source: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) title: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) context: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) citations: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    json: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) is_error: Option<&'a RawValue>,
}

/// Reads a part; `None` for one that says nothing to the model.
pub(super) fn part(node: Node<'_, '_>) -> Result<Option<Part>> {
    let wire: WirePart<'_> = node.object()?;
    let kind = required(&node, "type", wire.kind, |node| node.string())?;
    part_of(&node, &kind, &wire)
}

/// Makes the part of type `kind` from what is written.
pub(super) fn part_of(
    node: &Node<'_, '_>,
    kind: &str,
    wire: &WirePart<'_>,
) -> Result<Option<Part>> {
    let kind = match kind {
        "text" | "input_text" | "output_text" => PartKind::Text(text(node, wire)?),
        "guarded_text" => PartKind::GuardedText(text(node, wire)?),
        "grounding_source" => PartKind::GroundingSource(text(node, wire)?),
        "query" => PartKind::GroundingQuery(text(node, wire)?),
        "thinking" | "redacted_thinking" => PartKind::Thinking(thinking_of(node, kind, wire)?),
        "json" => PartKind::Json(required(node, "json", wire.json, |node| Ok(node.json()))?),
        "search_result" => PartKind::SearchResult(node.json()),
        // OpenAI's assistants repeat why they refused; Bedrock has no place for it.
        "refusal" => return Ok(None),
        other => match media::media(node, other, wire)? {
            Some(media) => PartKind::Media(Box::new(media)),
            None => PartKind::Unknown(other.to_owned()),
        },
    };
    let cache = node.member("cache_control", wire.cache_control, cache_control)?;
    Ok(Some(Part { kind, cache }))
}

fn text(node: &Node<'_, '_>, wire: &WirePart<'_>) -> Result<Text> {
    required(node, "text", wire.text, |node| node.text())
}

/// Reads a member that must be there.
pub(super) fn required<'a, T>(
    node: &Node<'a, '_>,
    name: &str,
    raw: Option<&'a RawValue>,
    read: impl FnOnce(Node<'a, '_>) -> Result<T>,
) -> Result<T> {
    node.member(name, raw, read)?
        .ok_or_else(|| node.path.member(name).error("it is required"))
}

/// Reads an entry of `thinking_blocks`.
pub(super) fn thinking(node: Node<'_, '_>) -> Result<Thinking> {
    let wire: WirePart<'_> = node.object()?;
    let kind = node.member("type", wire.kind, |node| node.string())?;
    thinking_of(&node, kind.as_deref().unwrap_or("thinking"), &wire)
}

fn thinking_of(node: &Node<'_, '_>, kind: &str, wire: &WirePart<'_>) -> Result<Thinking> {
    if kind == "redacted_thinking" {
        return required(node, "data", wire.data, |node| node.text()).map(Thinking::Redacted);
    }
    let signature = node.member("signature", wire.signature, |node| node.text())?;
    Ok(Thinking::Shown {
        text: required(node, "thinking", wire.thinking, |node| node.text())?,
        signature: signature.filter(|signature| !signature.is_empty()),
    })
}

#[derive(Debug, Default, Deserialize)]
struct WireCacheControl<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl: Option<&'a RawValue>,
}

/// Reads `cache_control`.
pub(super) fn cache_control(node: Node<'_, '_>) -> Result<CacheControl> {
    let wire: WireCacheControl<'_> = node.object()?;
    Ok(CacheControl {
        kind: node.member("type", wire.kind, |node| node.owned())?,
        ttl: node.member("ttl", wire.ttl, |node| node.owned())?,
    })
}
