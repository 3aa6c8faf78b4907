//! What the reader of an answer must know of the request that it answers.
//!
//! Encoding renames tools, puts in a tool of its own for structured answers, and picks the API; the answer can only be
//! read by someone who knows that. Equal requests give equal contexts.

/// The name of the tool that stands in for a JSON schema on models without structured answers of their own.
pub(crate) const JSON_TOOL: &str = "json_tool_call";

/// What a request leaves behind for the reader of its answer.
#[derive(Debug, Clone, Default)]
pub struct DecodeContext {
    /// The tools that Bedrock knows by another name than the client.
    pub tool_names: ToolNames,
    /// Set when the tool `JSON_TOOL` was put in: its calls are the answer's content.
    pub json_tool: Option<JsonTool>,
    /// Whether the model is one of Meta's, which write a tool call as text now and then.
    pub is_llama: bool,
    /// The tools that were sent, by the client's names; empty when none were.
    pub tools: Vec<String>,
    /// Whether the client itself asked for `additionalModelResponseFieldPaths`, and so is shown what they brought.
    pub response_fields: bool,
}

/// How the stand-in tool for a JSON schema was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JsonTool {
    /// The schema is not an object, so it was put under the one property `value`, which must be taken out again.
    pub wrapped: bool,
    /// The schema has no property `values`, so that an object with this one key is the answer in one more wrapping: what
    /// Claude makes of it by its own API now and then.
    pub may_be_values: bool,
}

/// Which tools Bedrock knows by another name than the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolNames(Vec<(String, String)>);

impl ToolNames {
    /// Notes that the client's `original` is called `sent` towards Bedrock.
    pub fn insert(&mut self, sent: String, original: String) {
        self.0.push((sent, original));
    }

    /// Returns the client's name of the tool that Bedrock calls `sent`; the same name when nobody renamed it.
    pub fn original<'a>(&'a self, sent: &'a str) -> &'a str {
        self.0
            .iter()
            .find(|(known, _)| known == sent)
            .map_or(sent, |(_, original)| original)
    }
}
