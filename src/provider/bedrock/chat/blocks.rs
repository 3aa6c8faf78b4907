//! The conversation as Converse and Anthropic's Messages both have it: turns of content blocks.
//!
//! Blocks share their text with the client's body; each format copies a piece once into the outgoing body.

use crate::canonical::{RawJson, Text};

/// One message of the outgoing body.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// Who it is from.
    pub(crate) speaker: Speaker,
    /// What it says.
    pub(crate) blocks: Vec<Block>,
}

/// Who a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// `user`.
    User,
    /// `assistant`.
    Assistant,
    /// `system`, in the middle of a conversation: only Anthropic's format knows it.
    System,
}

/// One content block.
#[derive(Debug, Clone)]
pub(crate) enum Block {
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
    /// `text` with its cache point in it, as Nova's own format has them.
    CachedText(Text, CachePoint),
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
pub(crate) struct CachePoint {
    /// `5m` or `1h`.
    pub(crate) ttl: Option<&'static str>,
}

/// An image, document, video or sound, ready to be written.
#[derive(Debug, Clone)]
pub(crate) struct MediaBlock {
    /// The name of the block's member.
    pub(crate) member: &'static str,
    /// Bedrock's name of the format.
    pub(crate) format: &'static str,
    /// The document's name.
    pub(crate) name: Option<String>,
    /// Where its bytes are.
    pub(crate) source: BlockSource,
    /// What the client says of the document.
    pub(crate) context: Option<Text>,
    /// Whether the model is asked to cite the document.
    pub(crate) citations: bool,
}

/// Where the bytes of media are.
#[derive(Debug, Clone)]
pub(crate) enum BlockSource {
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
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Says whether this is a document.
    pub(crate) fn is_document(&self) -> bool {
        matches!(self, Self::Media(media) if media.member == "document")
    }

    /// Returns roughly how many bytes the written block takes.
    pub(crate) fn size(&self) -> usize {
        const FRAME: usize = 96;
        FRAME
            + match self {
                Self::Text(text)
                | Self::CachedText(text, _)
                | Self::Guard { text, .. }
                | Self::Redacted(text) => text.bytes().len(),
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

/// Returns roughly how many bytes written blocks take.
pub(crate) fn size(blocks: &[Block]) -> usize {
    blocks.iter().map(Block::size).sum()
}

/// Returns roughly how many bytes the written messages take.
pub(crate) fn turns_size(turns: &[Turn]) -> usize {
    turns.iter().map(|turn| 48 + size(&turn.blocks)).sum()
}
