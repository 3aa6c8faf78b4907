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

/// Types of tools that OpenAI runs itself, by how they begin: some have a date behind.
const HOSTED: [&str; 12] = [
    "apply_patch",
    "code_interpreter",
    "computer",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "shell",
    "tool_search",
    "web_search_preview",
    "web_search",
    "x_search",
];

/// Returns a word for a type of tools that are left out, fit for a warning: nothing of it is the client's.
pub fn hosted_tool(kind: &str) -> &'static str {
    let known = HOSTED.iter().find(|known| kind.starts_with(**known));
    known.copied().unwrap_or("of another type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_with_a_date_are_known_and_others_are_not_repeated() {
        assert_eq!(
            hosted_tool("web_search_preview_2025_03_11"),
            "web_search_preview"
        );
        assert_eq!(hosted_tool("web_search"), "web_search");
        assert_eq!(hosted_tool("what the client wrote"), "of another type");
    }
}
