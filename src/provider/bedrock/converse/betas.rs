//! `anthropic-beta`: which betas Converse takes.
//!
//! The table is data; `litellm_settings.bedrock_allowed_betas` extends it. A beta that is not in it is left out, because
//! Bedrock refuses the whole request for one that it does not know.

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

/// `output_config.effort` on models before adaptive thinking.
pub(super) const EFFORT: &str = "effort-2025-11-24";
/// `eager_input_streaming` of a tool.
pub(super) const FINE_GRAINED_TOOLS: &str = "fine-grained-tool-streaming-2025-05-14";
/// `context_management` with `compact_20260112`.
pub(super) const COMPACT: &str = "compact-2026-01-12";

/// The betas of one request.
#[derive(Debug, Default)]
pub(super) struct Betas(Vec<String>);

impl Betas {
    /// Adds a beta that the client asked for, if Converse takes it; says whether it does.
    pub(super) fn ask(&mut self, beta: &str, allowed: &[String]) -> bool {
        let taken = TAKEN.contains(&beta) || allowed.iter().any(|known| known == beta);
        if taken {
            self.add(beta);
        }
        taken
    }

    /// Adds a beta that the request needs.
    pub(super) fn add(&mut self, beta: &str) {
        if !self.0.iter().any(|known| known == beta) {
            self.0.push(beta.to_owned());
        }
    }

    /// Says whether a beta that begins like this is there.
    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        self.0.iter().any(|beta| beta.starts_with(prefix))
    }

    /// Returns the betas, in the order in which they came.
    pub(super) fn list(&self) -> &[String] {
        &self.0
    }
}

/// Takes a header's list apart: separated by commas, or a JSON list.
pub(super) fn split(value: &str) -> Vec<String> {
    if value.trim_start().starts_with('[')
        && let Ok(list) = serde_json::from_str::<Vec<String>>(value)
    {
        return list;
    }
    value
        .split(',')
        .map(str::trim)
        .filter(|beta| !beta.is_empty())
        .map(str::to_owned)
        .collect()
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
}
