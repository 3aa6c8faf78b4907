//! `anthropic-beta`: which betas Converse takes.
//!
//! The table is data; `litellm_settings.bedrock_allowed_betas` extends it. A beta that is not in it is left out, because
//! Bedrock refuses the whole request for one that it does not know.

use serde_json::Value;

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
    /// Adds the betas that a request asks for, in every way it may; returns those that came by a header.
    pub(super) fn ask_all(
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
        let by_header = self.0.clone();
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

    /// Adds a beta that the client asked for, if Converse takes it; says whether it does.
    fn ask(&mut self, beta: &str, allowed: &[String]) -> bool {
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
