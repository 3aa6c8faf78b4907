//! How Converse writes messages and content blocks; Nova's own format is nearly the same.

use crate::canonical::write_escaped;
use crate::provider::bedrock::chat::blocks::{
    Block, BlockSource, CachePoint, MediaBlock, Speaker, Turn,
};

/// Appends the messages as a JSON list.
pub(crate) fn write_turns(turns: &[Turn], out: &mut Vec<u8>) {
    write_list(turns, out, |turn, out| {
        out.extend_from_slice(match turn.speaker {
            Speaker::User | Speaker::System => br#"{"role":"user","content":"#,
            Speaker::Assistant => br#"{"role":"assistant","content":"#,
        });
        write_blocks(&turn.blocks, out);
        out.push(b'}');
    });
}

/// Appends blocks as a JSON list.
pub(crate) fn write_blocks(blocks: &[Block], out: &mut Vec<u8>) {
    write_list(blocks, out, write_block);
}

/// Appends a JSON list.
pub(crate) fn write_list<T>(items: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

fn write_block(block: &Block, out: &mut Vec<u8>) {
    match block {
        Block::Text(text) => {
            out.extend_from_slice(br#"{"text":"#);
            out.extend_from_slice(text.bytes());
            out.push(b'}');
        }
        Block::Guard { text, qualifier } => {
            out.extend_from_slice(br#"{"guardContent":{"text":{"text":"#);
            out.extend_from_slice(text.bytes());
            if let Some(qualifier) = qualifier {
                out.extend_from_slice(br#","qualifiers":[""#);
                out.extend_from_slice(qualifier.as_bytes());
                out.extend_from_slice(br#""]"#);
            }
            out.extend_from_slice(b"}}}");
        }
        Block::CachePoint(point) => write_cache_point(*point, out),
        Block::CachedText(text, point) => {
            out.extend_from_slice(br#"{"text":"#);
            out.extend_from_slice(text.bytes());
            out.extend_from_slice(br#","cachePoint":"#);
            write_point(*point, out);
            out.push(b'}');
        }
        Block::Reasoning { text, signature } => {
            out.extend_from_slice(br#"{"reasoningContent":{"reasoningText":{"text":"#);
            out.extend_from_slice(text.bytes());
            if let Some(signature) = signature {
                out.extend_from_slice(br#","signature":"#);
                out.extend_from_slice(signature.bytes());
            }
            out.extend_from_slice(b"}}}");
        }
        Block::Redacted(data) => {
            out.extend_from_slice(br#"{"reasoningContent":{"redactedContent":"#);
            out.extend_from_slice(data.bytes());
            out.extend_from_slice(b"}}");
        }
        Block::Media(media) => write_media(media, out),
        Block::SearchResult(raw) => write_member("searchResult", raw.bytes(), out),
        Block::Json(raw) => write_member("json", raw.bytes(), out),
        Block::ToolUse { id, name, input } => write_tool_use(id, name, input, out),
        Block::ToolResult {
            id,
            content,
            status,
        } => write_tool_result(id, content, *status, out),
    }
}

fn write_tool_use(id: &str, name: &str, input: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"toolUse":{"toolUseId":"#);
    write_escaped(id, out);
    out.extend_from_slice(br#","name":"#);
    write_escaped(name, out);
    out.extend_from_slice(br#","input":"#);
    out.extend_from_slice(input.as_bytes());
    out.extend_from_slice(b"}}");
}

fn write_tool_result(id: &str, content: &[Block], status: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"toolResult":{"toolUseId":"#);
    write_escaped(id, out);
    out.extend_from_slice(br#","content":"#);
    write_blocks(content, out);
    if let Some(status) = status {
        out.extend_from_slice(br#","status":"#);
        write_escaped(status, out);
    }
    out.extend_from_slice(b"}}");
}

fn write_member(name: &str, raw: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    write_escaped(name, out);
    out.push(b':');
    out.extend_from_slice(raw);
    out.push(b'}');
}

/// Appends a `cachePoint` block.
pub(crate) fn write_cache_point(point: CachePoint, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"cachePoint":"#);
    write_point(point, out);
    out.push(b'}');
}

fn write_point(point: CachePoint, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"default""#);
    if let Some(ttl) = point.ttl {
        out.extend_from_slice(br#","ttl":"#);
        write_escaped(ttl, out);
    }
    out.push(b'}');
}

fn write_media(media: &MediaBlock, out: &mut Vec<u8>) {
    out.push(b'{');
    write_escaped(media.member, out);
    out.extend_from_slice(br#":{"format":"#);
    write_escaped(media.format, out);
    if let Some(name) = &media.name {
        out.extend_from_slice(br#","name":"#);
        write_escaped(name, out);
    }
    out.extend_from_slice(br#","source":"#);
    write_source(&media.source, out);
    if let Some(context) = &media.context {
        out.extend_from_slice(br#","context":"#);
        out.extend_from_slice(context.bytes());
    }
    if media.citations {
        out.extend_from_slice(br#","citations":{"enabled":true}"#);
    }
    out.extend_from_slice(b"}}");
}

fn write_source(source: &BlockSource, out: &mut Vec<u8>) {
    match source {
        BlockSource::Bytes { text, from } => {
            out.extend_from_slice(br#"{"bytes":""#);
            let written = text.bytes();
            // One byte for the opening quote; the closing one is copied.
            out.extend_from_slice(written.get(from + 1..).unwrap_or(b"\""));
            out.push(b'}');
        }
        BlockSource::S3 { uri, bucket_owner } => {
            out.extend_from_slice(br#"{"s3Location":{"uri":"#);
            write_escaped(uri, out);
            if let Some(owner) = bucket_owner {
                out.extend_from_slice(br#","bucketOwner":"#);
                write_escaped(owner, out);
            }
            out.extend_from_slice(b"}}");
        }
        BlockSource::Text(text) => {
            out.extend_from_slice(br#"{"text":"#);
            out.extend_from_slice(text.bytes());
            out.push(b'}');
        }
        BlockSource::Content(texts) => {
            out.extend_from_slice(br#"{"content":"#);
            write_list(texts, out, |text, out| {
                out.extend_from_slice(br#"{"text":"#);
                out.extend_from_slice(text.bytes());
                out.push(b'}');
            });
            out.push(b'}');
        }
    }
}
