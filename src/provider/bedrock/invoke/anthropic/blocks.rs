//! How Anthropic's Messages writes content blocks and tools.
//!
//! A cache point is a member of the block or tool before it here.

use super::encode::member;
use crate::canonical::{RawJson, write_escaped, write_value};
use crate::provider::bedrock::chat::blocks::{
    Block, BlockSource, CachePoint, MediaBlock, Speaker, Turn,
};
use crate::provider::bedrock::chat::tools::{Entry, Schema, Spec, Tools};

/// Appends the messages as a JSON list.
pub(super) fn write_turns(turns: &[Turn], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, turn) in turns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(match turn.speaker {
            Speaker::User => br#"{"role":"user","content":"#.as_slice(),
            Speaker::Assistant => br#"{"role":"assistant","content":"#,
            Speaker::System => br#"{"role":"system","content":"#,
        });
        write_blocks(&turn.blocks, out);
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends blocks as a JSON list.
pub(super) fn write_blocks(blocks: &[Block], out: &mut Vec<u8>) {
    out.push(b'[');
    let mut is_first = true;
    for (index, block) in blocks.iter().enumerate() {
        if matches!(block, Block::CachePoint(_)) {
            continue;
        }
        if !std::mem::replace(&mut is_first, false) {
            out.push(b',');
        }
        write_block(block, out);
        if let Some(Block::CachePoint(point)) = blocks.get(index + 1) {
            write_cache_control(*point, out);
        }
        out.push(b'}');
    }
    out.push(b']');
}

fn write_cache_control(point: CachePoint, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","cache_control":{"type":"ephemeral""#);
    if let Some(ttl) = point.ttl {
        member("ttl", out);
        write_escaped(ttl, out);
    }
    out.push(b'}');
}

/// Appends a block without its closing brace.
fn write_block(block: &Block, out: &mut Vec<u8>) {
    match block {
        Block::Text(text) | Block::CachedText(text, _) | Block::Guard { text, .. } => {
            out.extend_from_slice(br#"{"type":"text","text":"#);
            out.extend_from_slice(text.bytes());
        }
        Block::Reasoning { text, signature } => {
            out.extend_from_slice(br#"{"type":"thinking","thinking":"#);
            out.extend_from_slice(text.bytes());
            if let Some(signature) = signature {
                member("signature", out);
                out.extend_from_slice(signature.bytes());
            }
        }
        Block::Redacted(data) => {
            out.extend_from_slice(br#"{"type":"redacted_thinking","data":"#);
            out.extend_from_slice(data.bytes());
        }
        Block::Media(media) => write_media(media, out),
        // Written with its type already.
        Block::SearchResult(raw) => open_object(raw, out),
        Block::Json(raw) => {
            out.extend_from_slice(br#"{"type":"text","text":"#);
            write_escaped(raw.get(), out);
        }
        Block::ToolUse { id, name, input } => {
            out.extend_from_slice(br#"{"type":"tool_use","id":"#);
            write_escaped(id, out);
            member("name", out);
            write_escaped(name, out);
            member("input", out);
            out.extend_from_slice(input.as_bytes());
        }
        Block::ToolResult {
            id,
            content,
            status,
        } => {
            out.extend_from_slice(br#"{"type":"tool_result","tool_use_id":"#);
            write_escaped(id, out);
            if !content.is_empty() {
                member("content", out);
                write_blocks(content, out);
            }
            if *status == Some("error") {
                out.extend_from_slice(br#","is_error":true"#);
            }
        }
        Block::CachePoint(_) => {}
    }
}

/// Appends an object without its closing brace.
fn open_object(raw: &RawJson, out: &mut Vec<u8>) {
    let written = raw.get().trim_end();
    out.extend_from_slice(written.strip_suffix('}').unwrap_or(written).as_bytes());
}

fn write_media(media: &MediaBlock, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"#);
    write_escaped(media.member, out);
    member("source", out);
    write_source(media, out);
    for (name, value) in [("title", &media.name)] {
        if let Some(value) = value {
            member(name, out);
            write_escaped(value, out);
        }
    }
    if let Some(context) = &media.context {
        member("context", out);
        out.extend_from_slice(context.bytes());
    }
    if media.citations {
        out.extend_from_slice(br#","citations":{"enabled":true}"#);
    }
}

/// Appends where the bytes of media are.
pub(super) fn write_source(media: &MediaBlock, out: &mut Vec<u8>) {
    match &media.source {
        BlockSource::Bytes { text, from } => {
            out.extend_from_slice(br#"{"type":"base64","media_type":"#);
            let class = if media.member == "image" {
                "image"
            } else {
                "application"
            };
            write_escaped(&format!("{class}/{}", media.format), out);
            out.extend_from_slice(br#","data":""#);
            // One byte for the opening quote; the closing one is copied.
            out.extend_from_slice(text.bytes().get(from + 1..).unwrap_or(b"\""));
            out.push(b'}');
        }
        BlockSource::Text(text) => {
            out.extend_from_slice(br#"{"type":"text","media_type":"text/plain","data":"#);
            out.extend_from_slice(text.bytes());
            out.push(b'}');
        }
        BlockSource::Content(texts) => {
            out.extend_from_slice(br#"{"type":"content","content":["#);
            for (index, text) in texts.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(br#"{"type":"text","text":"#);
                out.extend_from_slice(text.bytes());
                out.push(b'}');
            }
            out.extend_from_slice(b"]}");
        }
        // Refused before.
        BlockSource::S3 { .. } => out.extend_from_slice(b"{}"),
    }
}

/// Appends the tools as a JSON list.
pub(super) fn write_tools(tools: &Tools, out: &mut Vec<u8>) {
    out.push(b'[');
    let mut is_first = true;
    for (index, entry) in tools.entries.iter().enumerate() {
        if matches!(entry, Entry::Point(_)) {
            continue;
        }
        if !std::mem::replace(&mut is_first, false) {
            out.push(b',');
        }
        match entry {
            Entry::Spec(spec) => write_spec(spec, out),
            Entry::Written(raw) => open_object(raw, out),
            Entry::Point(_) => {}
        }
        if let Some(Entry::Point(point)) = tools.entries.get(index + 1) {
            write_cache_control(*point, out);
        }
        out.push(b'}');
    }
    out.push(b']');
}

fn write_spec(spec: &Spec, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"name":"#);
    write_escaped(&spec.name, out);
    if let Some(description) = &spec.description {
        member("description", out);
        out.extend_from_slice(description.bytes());
    }
    member("input_schema", out);
    match &spec.schema {
        Schema::Written(schema) => out.extend_from_slice(schema.bytes()),
        Schema::Mended(schema) => write_value(schema, out),
    }
    if spec.deferred {
        out.extend_from_slice(br#","defer_loading":true"#);
    }
}
