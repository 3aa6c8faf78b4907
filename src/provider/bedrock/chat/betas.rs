//! `anthropic-beta`: which betas Bedrock takes.
//!
//! The tables are data; `litellm_settings.bedrock_allowed_betas` extends them. To Converse a beta that is not in its table
//! is left out, because Bedrock refuses the whole request for one that it does not know. `InvokeModel` is sent what the
//! caller asked for by name, but for those that it is known to refuse.

use serde_json::Value;

use super::Wire;
use crate::canonical::{ChatParams, ChatRequest, RawJson, split_betas};
use crate::provider::Target;

/// The header that asks for betas.
const NAME: &str = "anthropic-beta";

/// What Converse takes.
const TAKEN: [&str; 13] = [
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "structured-outputs-2025-11-13",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "token-efficient-tools-2025-02-19",
];

/// What `InvokeModel` is sent where the client's format is Claude's own, so that nobody asked for Bedrock's.
const TAKEN_BY_INVOKE: [&str; 18] = [
    COMPACT,
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    CONTEXT_MANAGEMENT,
    DANGEROUS_TOOLS,
    "dev-full-thinking-2025-05-14",
    EFFORT,
    FINE_GRAINED_TOOLS,
    "interleaved-thinking-2025-05-14",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-tool-changes-2026-07-01",
    "output-128k-2025-02-19",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "token-efficient-tools-2025-02-19",
    TOOL_EXAMPLES,
];

/// `output_config.effort` on models before adaptive thinking.
pub(crate) const EFFORT: &str = "effort-2025-11-24";
/// `eager_input_streaming` of a tool.
pub(crate) const FINE_GRAINED_TOOLS: &str = "fine-grained-tool-streaming-2025-05-14";
/// `context_management` with `compact_20260112`.
pub(crate) const COMPACT: &str = "compact-2026-01-12";

/// A schema that the answer is held to by Anthropic's own format.
pub(crate) const STRUCTURED_OUTPUTS: &str = "structured-outputs-2025-11-13";
/// Tools that are found by searching.
pub(crate) const TOOL_SEARCH: &str = "tool-search-tool-2025-10-19";
/// Examples of a tool's input, which come with tools that are found by searching.
pub(crate) const TOOL_EXAMPLES: &str = "tool-examples-2025-10-29";
/// `safeguards`.
pub(crate) const DANGEROUS_TOOLS: &str = "dangerous-tool-use-2026-09-03";
/// `context_management` with `clear_tool_uses_20250919`.
pub(crate) const CONTEXT_MANAGEMENT: &str = "context-management-2025-06-27";

/// How the betas begin that Bedrock takes nowhere.
const REFUSED: [&str; 10] = [
    "claude-code-",
    "code-execution-",
    "fast-mode-",
    "files-api-",
    "mcp-client-",
    "oauth-",
    "prompt-caching-",
    "skills-",
    "web-fetch-",
    "web-search-",
];

/// Betas that `InvokeModel` knows by another name.
const RENAMED: [(&str, &str); 1] = [("advanced-tool-use-2025-11-20", TOOL_SEARCH)];

/// The betas of one request.
#[derive(Debug, Default)]
pub(crate) struct Betas {
    list: Vec<String>,
    wire: Wire,
    /// Whether `InvokeModel` is sent only what it is known to take.
    listed: bool,
    /// Whether the model finds tools by searching.
    searches: bool,
}

impl Betas {
    /// Collects betas for a format.
    pub(crate) fn new(wire: Wire) -> Self {
        Self {
            wire,
            ..Self::default()
        }
    }

    /// Collects the betas of a request in Claude's own format; `searches` says whether the model finds tools by searching.
    pub(crate) fn listed(searches: bool) -> Self {
        Self {
            wire: Wire::Messages,
            listed: true,
            searches,
            ..Self::default()
        }
    }

    /// Adds the betas that a request asks for, in every way it may; returns those that came by a header.
    pub(crate) fn ask_all(
        &mut self,
        request: &ChatRequest,
        params: &ChatParams,
        target: &Target,
    ) -> Vec<String> {
        let allowed = &target.repairs.allowed_betas;
        for beta in &request.betas {
            self.ask(beta, allowed);
        }
        let headers = params.extra_headers.iter().chain(&target.extra_headers);
        for (_, value) in headers.filter(|(name, _)| name.eq_ignore_ascii_case(NAME)) {
            self.ask_each(&split_betas(value), allowed);
        }
        let by_header = self.list.clone();
        match params.extra("anthropic_beta").map(RawJson::to_value) {
            Some(Value::Array(list)) => {
                for beta in list.iter().filter_map(Value::as_str) {
                    self.ask(beta, allowed);
                }
            }
            Some(Value::String(list)) => self.ask_each(&split_betas(&list), allowed),
            _ => {}
        }
        if let Some(beta) = target.model.context_beta() {
            self.add(beta);
        }
        by_header
    }

    fn ask_each(&mut self, betas: &[String], allowed: &[String]) {
        for beta in betas {
            self.ask(beta, allowed);
        }
    }

    /// Adds a beta that the client asked for, if the format takes it; says whether it does.
    fn ask(&mut self, beta: &str, allowed: &[String]) -> bool {
        let is_allowed = allowed.iter().any(|known| known == beta);
        if self.listed && !is_allowed {
            return self.ask_listed(beta);
        }
        let taken = is_allowed
            || match self.wire {
                Wire::Converse => TAKEN.contains(&beta),
                Wire::Messages => !REFUSED.iter().any(|start| beta.starts_with(start)),
            };
        let renamed = RENAMED.iter().find(|(known, _)| *known == beta);
        if let (Wire::Messages, Some((_, name)), false) = (self.wire, renamed, is_allowed) {
            self.add(name);
        } else if taken {
            self.add(beta);
        }
        taken
    }

    /// Adds a beta of a request in Claude's own format; says whether it is taken.
    fn ask_listed(&mut self, beta: &str) -> bool {
        if beta == TOOL_SEARCH || RENAMED.iter().any(|(known, _)| *known == beta) {
            if self.searches {
                self.add_tool_search();
            }
            return self.searches;
        }
        let taken = TAKEN_BY_INVOKE.contains(&beta);
        if taken {
            self.add(beta);
        }
        taken
    }

    /// Adds what tools that are found by searching need.
    pub(crate) fn add_tool_search(&mut self) {
        self.add(TOOL_SEARCH);
        self.add(TOOL_EXAMPLES);
    }

    /// Adds a beta that the request needs.
    pub(crate) fn add(&mut self, beta: &str) {
        if !self.list.iter().any(|known| known == beta) {
            self.list.push(beta.to_owned());
        }
    }

    /// Says whether a beta that begins like this is there.
    pub(crate) fn has_prefix(&self, prefix: &str) -> bool {
        self.list.iter().any(|beta| beta.starts_with(prefix))
    }

    /// Returns the betas, in the order in which they came.
    pub(crate) fn list(&self) -> &[String] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_betas_need_the_operator() {
        let mut betas = Betas::default();
        assert!(betas.ask("token-efficient-tools-2025-02-19", &[]));
        assert!(betas.ask("token-efficient-tools-2025-02-19", &[]));
        assert!(!betas.ask("prompt-caching-2024-07-31", &[]));
        assert!(!betas.ask("future-2030", &[]));
        assert!(betas.ask("future-2030", &["future-2030".to_owned()]));
        assert_eq!(
            betas.list(),
            ["token-efficient-tools-2025-02-19", "future-2030"]
        );
    }

    #[test]
    fn claudes_own_format_is_sent_what_is_known() {
        let mut betas = Betas::listed(false);
        for beta in [
            "claude-code-20250219",
            "future-2030",
            "prompt-caching-scope-2026-01-05",
            "structured-outputs-2025-11-13",
            "advanced-tool-use-2025-11-20",
        ] {
            assert!(!betas.ask(beta, &[]), "{beta}");
        }
        assert!(betas.ask("interleaved-thinking-2025-05-14", &[]));
        assert!(betas.ask("future-2030", &["future-2030".to_owned()]));
        assert_eq!(
            betas.list(),
            ["interleaved-thinking-2025-05-14", "future-2030"]
        );
        let mut betas = Betas::listed(true);
        assert!(betas.ask("advanced-tool-use-2025-11-20", &[]));
        assert_eq!(betas.list(), [TOOL_SEARCH, TOOL_EXAMPLES]);
    }

    #[test]
    fn invoke_is_sent_what_was_asked_for_by_name() {
        let mut betas = Betas::new(Wire::Messages);
        assert!(betas.ask("future-2030", &[]));
        assert!(!betas.ask("prompt-caching-2024-07-31", &[]));
        assert!(betas.ask("advanced-tool-use-2025-11-20", &[]));
        assert_eq!(betas.list(), ["future-2030", TOOL_SEARCH]);
    }
}
