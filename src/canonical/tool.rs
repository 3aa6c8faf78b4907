//! Tools that the model may call, and how it is to choose.

use super::RawJson;

/// One entry of `tools`, as written.
///
/// Its form (OpenAI function, Anthropic tool, Converse `toolSpec`, computer use) is read by the transformer, because
/// what becomes of it depends on the model.
#[derive(Debug, Clone)]
pub struct Tool(pub RawJson);

/// `tool_choice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool.
    None,
    /// Some tool (`required`, `any`).
    Required,
    /// This tool.
    Named(String),
    /// Only these tools (`allowed_tools`); `required` says whether one must be called.
    Allowed {
        /// The names of the tools that may be called.
        names: Vec<String>,
        /// Whether one must be called.
        required: bool,
    },
    /// Anything else, as written; refused.
    Other(RawJson),
}
