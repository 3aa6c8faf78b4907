//! A whole answer to a chat request.

use super::{Native, NativeFormat, RawJson, Text, Usage};

/// A whole answer, in the order in which the model gave its blocks.
#[derive(Debug, Clone, Default)]
pub struct ChatAnswer {
    /// What the model said, thought and called.
    pub blocks: Vec<AnswerBlock>,
    /// Why it stopped.
    pub stop: StopReason,
    /// Tokens, if the model reported them.
    pub usage: Option<Usage>,
    /// The guardrail's or prompt router's trace, as written.
    pub trace: Option<RawJson>,
    /// The service tier that served the call.
    pub service_tier: Option<String>,
    /// Members that have no place in OpenAI's shape, for `provider_specific_fields` of the message, as written.
    pub provider_fields: Vec<(String, RawJson)>,
    /// Members about the call itself (`metrics`, `performanceConfig`), as written, for clients that want more than OpenAI's
    /// shape.
    pub details: Vec<(String, RawJson)>,
    /// The answer as it was written, where the client speaks the model's format.
    pub native: Option<Native>,
}

/// One block of an answer.
#[derive(Debug, Clone)]
pub enum AnswerBlock {
    /// Text.
    Text(Text),
    /// Reasoning, with the model's signature if there is one.
    Thinking {
        /// What the model thought.
        text: Text,
        /// Its signature.
        signature: Option<Text>,
    },
    /// Encrypted reasoning (base64).
    Redacted(Text),
    /// A call of a tool.
    ToolUse {
        /// The id that the result must name.
        id: Text,
        /// The name that the client knows the tool by.
        name: Text,
        /// The arguments: a JSON object.
        input: RawJson,
    },
    /// Text with citations, as written.
    Citations {
        /// The text that is cited for.
        text: Text,
        /// The block as Bedrock wrote it.
        raw: RawJson,
    },
    /// A picture.
    Image {
        /// `png`, `jpeg`, `gif`, `webp`.
        format: String,
        /// Its bytes, base64.
        base64: Text,
    },
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReason {
    /// OpenAI's word: `stop`, `length`, `tool_calls`, `content_filter`.
    pub finish_reason: &'static str,
    /// Bedrock's word, as it came.
    pub raw: String,
    /// The clients' format that the word is one of, if the model spoke that.
    pub format: Option<NativeFormat>,
}

impl Default for StopReason {
    fn default() -> Self {
        Self {
            finish_reason: "stop",
            raw: String::new(),
            format: None,
        }
    }
}
