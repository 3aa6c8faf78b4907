//! Converse's answers and events as they are written, borrowed from the body.
//!
//! Only what is read is named; everything else, such as the padding member `p` of events, is skipped by the parser.
//! Values that go on to the client as they are stay [`RawValue`]s, which are slices of the body.
//! Shape: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax>.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::WireUsage;

/// A whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Reply<'a> {
    #[serde(borrow)]
    pub(super) output: Option<Output<'a>>,
    pub(super) stop_reason: Option<String>,
    #[serde(borrow)]
    pub(super) additional_model_response_fields: Option<&'a RawValue>,
    pub(super) usage: Option<WireUsage>,
    #[serde(borrow)]
    pub(super) trace: Option<&'a RawValue>,
    pub(super) service_tier: Option<ServiceTier>,
    #[serde(borrow)]
    pub(super) performance_config: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) metrics: Option<&'a RawValue>,
}

/// `output`: a union, of which only `message` is known.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Output<'a> {
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
}

/// The message of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Vec<Block<'a>>>,
}

/// One block of a message: a union, so one member is set, or none that we know.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Block<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) citations_content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) guard_content: Option<GuardContent<'a>>,
    #[serde(borrow)]
    pub(super) image: Option<Image<'a>>,
}

/// A call of a tool, whole or at its start.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ToolUse<'a> {
    #[serde(borrow, rename = "toolUseId")]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

impl ToolUse<'_> {
    /// Says whether Bedrock itself runs the tool, so that the client has nothing to do with the call.
    pub(super) fn is_servers(&self) -> bool {
        self.kind.as_deref() == Some("server_tool_use")
    }
}

/// `reasoningContent`, whole (`reasoningText`) or as a piece (`text`, `signature`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Reasoning<'a> {
    #[serde(borrow, rename = "reasoningText")]
    pub(super) shown: Option<ReasoningText<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) signature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) redacted_content: Option<&'a RawValue>,
}

/// Reasoning that may be read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReasoningText<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) signature: Option<&'a RawValue>,
}

/// `guardContent`: text that the guardrail looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GuardContent<'a> {
    #[serde(borrow)]
    pub(super) text: Option<TextBlock<'a>>,
}

/// An object with `text`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TextBlock<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
}

/// `citationsContent`, as far as it is read here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CitationsContent<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Vec<TextBlock<'a>>>,
    #[serde(borrow)]
    pub(super) citations: Option<Vec<&'a RawValue>>,
}

/// A picture, whole, at its start (`format`) or as a piece (`source`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Image<'a> {
    pub(super) format: Option<String>,
    #[serde(borrow)]
    pub(super) source: Option<ImageSource<'a>>,
}

/// Where a picture's bytes are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ImageSource<'a> {
    #[serde(borrow)]
    pub(super) bytes: Option<&'a RawValue>,
}

/// `contentBlockStart`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BlockStart<'a> {
    pub(super) content_block_index: u32,
    #[serde(borrow)]
    pub(super) start: Option<Start<'a>>,
}

/// What kind of block begins.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Start<'a> {
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<Reasoning<'a>>,
    #[serde(borrow)]
    pub(super) image: Option<Image<'a>>,
}

/// `contentBlockDelta`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BlockDelta<'a> {
    pub(super) content_block_index: u32,
    #[serde(borrow)]
    pub(super) delta: Delta<'a>,
}

/// More of a block: a union.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<Reasoning<'a>>,
    #[serde(borrow)]
    pub(super) citation: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) image: Option<Image<'a>>,
}

/// `contentBlockStop`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BlockStop {
    pub(super) content_block_index: u32,
}

/// `messageStop`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MessageStop<'a> {
    pub(super) stop_reason: Option<String>,
    #[serde(borrow)]
    pub(super) additional_model_response_fields: Option<&'a RawValue>,
}

/// `metadata`: what a whole answer says beside its message.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata<'a> {
    pub(super) usage: Option<WireUsage>,
    #[serde(borrow)]
    pub(super) trace: Option<&'a RawValue>,
    pub(super) service_tier: Option<ServiceTier>,
    #[serde(borrow)]
    pub(super) performance_config: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) metrics: Option<&'a RawValue>,
}

/// `serviceTier`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServiceTier {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}
