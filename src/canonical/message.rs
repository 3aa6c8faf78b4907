//! Messages: who said what, in parts.

use super::{RawJson, Text};

/// Who a message is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Role {
    /// Instructions (`system`, and OpenAI's newer name `developer`).
    System,
    /// The person.
    #[default]
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
    /// OpenAI's older name for a tool result, which names the function instead of the call.
    Function,
    /// A role that nobody knows; refused with its name.
    Other(String),
}

/// One message.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// Who it is from.
    pub role: Role,
    /// What it says.
    pub content: Content,
    /// `cache_control` on the message itself.
    pub cache: Option<CacheControl>,
    /// Calls of tools (assistant only).
    pub tool_calls: Vec<ToolCall>,
    /// Thinking to be replayed before the content (assistant only; `thinking_blocks`, `content_blocks`).
    pub thinking: Vec<Thinking>,
    /// Which call this answers (tool only).
    pub tool_call_id: Option<String>,
    /// The name of the function (tool and function only).
    pub name: Option<String>,
    /// `prefix: true`: the model continues this message.
    pub prefix: bool,
    /// `is_error: true`: the tool failed (Anthropic's extension).
    pub is_error: bool,
    /// `search_results` of a tool message, as written: a list.
    pub search_results: Option<RawJson>,
}

/// The content of a message.
#[derive(Debug, Clone, Default)]
pub enum Content {
    /// `null` or no member.
    #[default]
    Absent,
    /// A plain string.
    Text(Text),
    /// A list of parts.
    Parts(Vec<Part>),
}

/// One part of a message's content.
#[derive(Debug, Clone)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// `cache_control` on the part.
    pub cache: Option<CacheControl>,
}

/// What a part of a message's content is.
#[derive(Debug, Clone)]
pub enum PartKind {
    /// Text (`text`, `input_text`).
    Text(Text),
    /// Text that the guardrail looks at (`guarded_text`).
    GuardedText(Text),
    /// Text that a guardrail's grounding check compares with (`grounding_source`).
    GroundingSource(Text),
    /// The question for a guardrail's grounding check (`query`).
    GroundingQuery(Text),
    /// An image, document, video or sound, in any of the ways a client may give it.
    Media(Box<Media>),
    /// Thinking or redacted thinking of an earlier turn.
    Thinking(Thinking),
    /// Structured data as a tool's result (`json`).
    Json(RawJson),
    /// A search result (`search_result`), as written: `source`, `title`, `content`, `citations`.
    SearchResult(RawJson),
    /// A type that nobody knows; refused with its name.
    Unknown(String),
}

/// Thinking of an earlier turn, replayed.
#[derive(Debug, Clone)]
pub enum Thinking {
    /// Thinking with its signature, if it had one.
    Shown {
        /// What the model thought.
        text: Text,
        /// The model's signature over it.
        signature: Option<Text>,
    },
    /// Encrypted thinking (base64).
    Redacted(Text),
}

/// One call of a tool by the model.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// The id that the result names.
    pub id: Option<String>,
    /// The tool's name, as the client knows it.
    pub name: String,
    /// The arguments: JSON text, as the client sent it.
    pub arguments: String,
    /// `cache_control` on the call.
    pub cache: Option<CacheControl>,
}

/// A mark that everything up to here may be cached by the model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheControl {
    /// `type`; `ephemeral` is the only one that Anthropic defines.
    pub kind: Option<String>,
    /// `ttl`: `5m` or `1h`.
    pub ttl: Option<String>,
}

/// An image, document, video or sound.
#[derive(Debug, Clone)]
pub struct Media {
    /// Which kind of part it came in.
    pub kind: MediaKind,
    /// Where its bytes are.
    pub source: MediaSource,
    /// `format` or `mime_type`: a MIME type or a bare extension; wins over what was detected.
    pub format: Option<String>,
    /// The MIME type that came with the bytes (data URL, `media_type`, or the answer to a fetch).
    pub mime: Option<String>,
    /// The file's name, if the client gave one.
    pub filename: Option<String>,
    /// `title` of an Anthropic document.
    pub title: Option<String>,
    /// `context` of an Anthropic document.
    pub context: Option<Text>,
    /// Whether the model is asked to cite the document.
    pub citations: bool,
    /// How closely the model is to look at an image (`low`, `high`, …), for those that can be told.
    pub detail: Option<String>,
    /// The address that its bytes were fetched from.
    pub fetched_from: Option<String>,
}

impl Media {
    /// Says whether its bytes are at an address that they must be fetched from.
    pub fn is_remote(&self) -> bool {
        matches!(self.source, MediaSource::Url(_))
    }
}

/// The kind of part that media came in; the MIME type decides what Bedrock gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// `image_url`, or Anthropic's `image`.
    Image,
    /// `file`.
    File,
    /// Anthropic's `document`.
    Document,
    /// `video_url`.
    Video,
    /// `input_audio`.
    Audio,
}

/// Where the bytes of media are.
#[derive(Debug, Clone)]
pub enum MediaSource {
    /// Base64 text, as a JSON string.
    Base64(Text),
    /// A `data:` URL whose base64 text begins at byte `payload` of its escaped form: what a client sends is not copied.
    DataUrl {
        /// The whole URL.
        url: Text,
        /// Where its base64 text begins in [`Text::escaped`].
        payload: usize,
    },
    /// An `http(s)` address, to be fetched before the first attempt.
    Url(String),
    /// An object in S3, which Bedrock reads itself.
    S3 {
        /// `s3://bucket/key`.
        uri: String,
        /// The bucket's account, if it is another one.
        bucket_owner: Option<String>,
    },
    /// Plain text of a document (`source.type: "text"`).
    PlainText(Text),
    /// A document given as text parts (`source.type: "content"`).
    TextParts(Vec<Text>),
    /// Anything else that a client wrote; refused with the part's name.
    Invalid(String),
}
