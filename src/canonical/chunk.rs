//! A piece of a streamed answer.

use super::{NativeEvent, RawJson, StopReason, Text, Usage};

/// A piece of a streamed answer. `block` is Bedrock's `contentBlockIndex`.
#[derive(Debug, Clone)]
pub enum ChatChunk {
    /// An event as it was written, where the client speaks the model's format; what it means follows.
    Native(NativeEvent),
    /// More text.
    Text {
        /// The block it belongs to.
        block: u32,
        /// The text.
        text: Text,
    },
    /// More reasoning.
    Thinking {
        /// The block it belongs to.
        block: u32,
        /// The reasoning.
        text: Text,
    },
    /// The signature over the reasoning so far.
    Signature {
        /// The block it belongs to.
        block: u32,
        /// The signature.
        signature: Text,
    },
    /// Encrypted reasoning (base64).
    Redacted {
        /// The block it belongs to.
        block: u32,
        /// The data.
        data: Text,
    },
    /// A call of a tool begins.
    ToolStart {
        /// The block it belongs to.
        block: u32,
        /// Its place among the tool calls of this answer, from 0.
        index: u32,
        /// The id that the result must name.
        id: Text,
        /// The name that the client knows the tool by.
        name: Text,
    },
    /// More of a tool call's arguments.
    ToolInput {
        /// The block it belongs to.
        block: u32,
        /// Its place among the tool calls of this answer, from 0.
        index: u32,
        /// A piece of JSON text, itself a JSON string here.
        fragment: Text,
    },
    /// A citation, as written.
    Citation {
        /// The block it belongs to.
        block: u32,
        /// The citation as Bedrock wrote it.
        raw: RawJson,
    },
    /// A picture.
    Image {
        /// The block it belongs to.
        block: u32,
        /// `png`, `jpeg`, `gif`, `webp`.
        format: String,
        /// Its bytes, base64.
        base64: Text,
    },
    /// The stream broke, and other deployments continued it; comes before [`ChatChunk::Finish`].
    Resumed {
        /// How often.
        times: u32,
        /// The ids of the deployments that the text came from, in order.
        deployments: Vec<String>,
    },
    /// The answer is complete.
    Finish {
        /// Why it stopped.
        stop: StopReason,
        /// Members for `provider_specific_fields`, as written.
        provider_fields: Vec<(String, RawJson)>,
    },
    /// The guardrail's or prompt router's trace, as written.
    Trace(RawJson),
    /// Members about the call itself (`metrics`, `performanceConfig`), as written; they come before [`ChatChunk::Usage`].
    Details(Vec<(String, RawJson)>),
    /// Tokens of the whole answer; the service tier if AWS named one.
    Usage {
        /// The tokens.
        usage: Usage,
        /// The service tier that served the call.
        service_tier: Option<String>,
    },
}

impl ChatChunk {
    /// Says whether this carries generated content: text, reasoning or the start of a tool call.
    ///
    /// The first such chunk, or the finish of an empty answer, commits the stream to the client.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Native(event) => event.is_alone,
            Self::Text { text, .. } | Self::Thinking { text, .. } => !text.is_empty(),
            Self::Signature { .. }
            | Self::Redacted { .. }
            | Self::ToolStart { .. }
            | Self::ToolInput { .. }
            | Self::Citation { .. }
            | Self::Image { .. } => true,
            Self::Resumed { .. }
            | Self::Finish { .. }
            | Self::Trace(_)
            | Self::Details(_)
            | Self::Usage { .. } => false,
        }
    }
}
