//! Converse's messages and content blocks, and how they are written.
//!
//! Blocks share their text with the client's body; [`write_turns`] copies each piece once into the outgoing body.

use crate::canonical::{RawJson, Text, write_escaped};

/// One message of the outgoing body.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    /// Who it is from.
    pub(super) speaker: Speaker,
    /// What it says.
    pub(super) blocks: Vec<Block>,
}

/// Who a message is from: Converse knows only these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// `user`.
    User,
    /// `assistant`.
    Assistant,
}

/// One content block.
#[derive(Debug, Clone)]
pub(super) enum Block {
    /// `text`.
    Text(Text),
    /// `guardContent`.
    Guard {
        /// The text that the guardrail looks at.
        text: Text,
        /// What it is to the grounding check.
        qualifier: Option<&'static str>,
    },
    /// `cachePoint`.
    CachePoint(CachePoint),
    /// `reasoningContent.reasoningText`.
    Reasoning {
        /// What the model thought.
        text: Text,
        /// The model's signature over it.
        signature: Option<Text>,
    },
    /// `reasoningContent.redactedContent`.
    Redacted(Text),
    /// `image`, `document`, `video`, `audio`.
    Media(Box<MediaBlock>),
    /// `searchResult`, its members as they are written here.
    SearchResult(RawJson),
    /// `json`, in tool results only.
    Json(RawJson),
    /// `toolUse`.
    ToolUse {
        /// The id that the result names.
        id: String,
        /// The tool, by the name Bedrock knows.
        name: String,
        /// The arguments: a JSON object.
        input: String,
    },
    /// `toolResult`.
    ToolResult {
        /// Which call it answers.
        id: String,
        /// What the tool said.
        content: Vec<Block>,
        /// `success` or `error`, where it is said.
        status: Option<&'static str>,
    },
}

/// A mark up to which the model may cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CachePoint {
    /// `5m` or `1h`.
    pub(super) ttl: Option<&'static str>,
}

/// An image, document, video or sound, ready to be written.
#[derive(Debug, Clone)]
pub(super) struct MediaBlock {
    /// The name of the block's member.
    pub(super) member: &'static str,
    /// Bedrock's name of the format.
    pub(super) format: &'static str,
    /// The document's name.
    pub(super) name: Option<String>,
    /// Where its bytes are.
    pub(super) source: BlockSource,
    /// What the client says of the document.
    pub(super) context: Option<Text>,
    /// Whether the model is asked to cite the document.
    pub(super) citations: bool,
}

/// Where the bytes of media are.
#[derive(Debug, Clone)]
pub(super) enum BlockSource {
    /// Base64 text: what follows byte `from` of the text's escaped form.
    Bytes {
        /// The text.
        text: Text,
        /// Where the base64 begins in it.
        from: usize,
    },
    /// `s3Location`.
    S3 {
        /// `s3://bucket/key`.
        uri: String,
        /// The bucket's account.
        bucket_owner: Option<String>,
    },
    /// `text`.
    Text(Text),
    /// `content`: a list of texts.
    Content(Vec<Text>),
}

impl Block {
    /// Says whether this is plain text, which is what Bedrock wants beside a document.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Says whether this is a document.
    pub(super) fn is_document(&self) -> bool {
        matches!(self, Self::Media(media) if media.member == "document")
    }

    /// Returns roughly how many bytes the written block takes.
    fn size(&self) -> usize {
        const FRAME: usize = 96;
        FRAME
            + match self {
                Self::Text(text) | Self::Guard { text, .. } | Self::Redacted(text) => {
                    text.bytes().len()
                }
                Self::Reasoning { text, signature } => {
                    text.bytes().len() + signature.as_ref().map_or(0, |text| text.bytes().len())
                }
                Self::Media(media) => media.source.size(),
                Self::SearchResult(raw) | Self::Json(raw) => raw.bytes().len(),
                Self::ToolUse { id, name, input } => id.len() + name.len() + input.len(),
                Self::ToolResult { id, content, .. } => id.len() + size(content),
                Self::CachePoint(_) => 0,
            }
    }
}

impl BlockSource {
    fn size(&self) -> usize {
        match self {
            Self::Bytes { text, .. } | Self::Text(text) => text.bytes().len(),
            Self::S3 { uri, .. } => uri.len() + 64,
            Self::Content(texts) => texts.iter().map(|text| text.bytes().len() + 16).sum(),
        }
    }
}

fn size(blocks: &[Block]) -> usize {
    blocks.iter().map(Block::size).sum()
}

/// Returns roughly how many bytes the written messages take.
pub(super) fn turns_size(turns: &[Turn]) -> usize {
    turns.iter().map(|turn| 48 + size(&turn.blocks)).sum()
}

/// Appends the messages as a JSON list.
pub(super) fn write_turns(turns: &[Turn], out: &mut Vec<u8>) {
    write_list(turns, out, |turn, out| {
        out.extend_from_slice(match turn.speaker {
            Speaker::User => br#"{"role":"user","content":"#,
            Speaker::Assistant => br#"{"role":"assistant","content":"#,
        });
        write_blocks(&turn.blocks, out);
        out.push(b'}');
    });
}

/// Appends blocks as a JSON list.
pub(super) fn write_blocks(blocks: &[Block], out: &mut Vec<u8>) {
    write_list(blocks, out, write_block);
}

fn write_list<T>(items: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
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
pub(super) fn write_cache_point(point: CachePoint, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"cachePoint":{"type":"default""#);
    if let Some(ttl) = point.ttl {
        out.extend_from_slice(br#","ttl":"#);
        write_escaped(ttl, out);
    }
    out.extend_from_slice(b"}}");
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
