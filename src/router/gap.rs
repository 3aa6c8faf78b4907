//! Deployments that the file may have but that can be asked nothing here.

use std::fmt;

use super::Transformers;
use crate::catalog::{Facts, Mode};
use crate::config::{DeploymentConfig, Finding};
use crate::provider::bedrock::model_id::{ModelId, Route};

/// Why a deployment can be asked nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// What the model does has no endpoint here.
    Mode(Mode),
    /// The API that serves the model is not spoken, or does not do that.
    Route(Route),
}

impl Gap {
    /// Finds what keeps a deployment from answering.
    pub(super) fn of(model: &ModelId, facts: &Facts, transformers: &Transformers) -> Option<Self> {
        if transformers.any() {
            return None;
        }
        Some(match facts.mode {
            Some(mode @ (Mode::Realtime | Mode::Guardrail)) => Self::Mode(mode),
            _ => Self::Route(model.route),
        })
    }

    /// Words the gap as a warning, at its place in the file.
    pub(super) fn warning(self, entry: &DeploymentConfig, model: &ModelId) -> Finding {
        let mut finding = entry.origin.warning("model", self.to_string());
        // Converse takes no imported models; of the rest it serves nearly all that `InvokeModel` does.
        if self == Self::Route(Route::Invoke) && !model.wire.starts_with("arn:") {
            finding.hint = Some(format!(
                "`bedrock/converse/{}` asks for it by Converse, where AWS serves the model so",
                model.wire
            ));
        }
        finding
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not served here: ")?;
        f.write_str(match self {
            Self::Mode(Mode::Realtime) => {
                "a realtime model, which needs a stream in both directions"
            }
            Self::Mode(Mode::Guardrail) => {
                "a guardrail, whose row is a price and no model; `guardrailConfig` of a chat request applies one"
            }
            Self::Route(Route::AsyncInvoke) => {
                "`async_invoke/`, which is for embeddings of Nova and Marengo"
            }
            Self::Route(Route::AgentCore) => {
                "`agentcore/`, whose runtimes have an API of their own each; `agent/` is for agents of Bedrock"
            }
            Self::Route(Route::ClaudePlatform) => {
                "`claude_platform/`, which is Anthropic's own gateway; Bedrock has the same models without it"
            }
            Self::Route(Route::Invoke) => "InvokeModel for what this model does",
            Self::Mode(_) | Self::Route(_) => "what this model does by this route",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(model: &str, mode: Option<&str>) -> Option<Gap> {
        let mut entry = DeploymentConfig::default();
        entry.info.mode = mode.map(str::to_owned);
        let id = ModelId::parse(model, None, None).unwrap();
        let facts = id.facts().with_overrides(&entry.info);
        Gap::of(&id, &facts, &Transformers::of(&id, &facts, false))
    }

    #[test]
    fn models_that_are_served_have_no_gap() {
        for model in [
            "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "bedrock/converse/mistral.mistral-7b-instruct-v0:2",
            "bedrock/acme.llm-9-v1:0",
            "bedrock/converse_like/mine",
            "bedrock/*",
            "*",
            "bedrock/invoke/anthropic.claude-3-haiku-20240307-v1:0",
            "bedrock/llama/arn:aws:bedrock:us-east-1:1:imported-model/a",
            "bedrock/amazon.titan-text-express-v1",
            "bedrock/cohere.command-text-v14",
            "bedrock/ai21.j2-ultra-v1",
            "bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/a",
            "bedrock/amazon.titan-embed-text-v2:0",
            "bedrock/cohere.rerank-v3-5:0",
            "bedrock/amazon.nova-canvas-v1:0",
            "bedrock/agent/AGENT/ALIAS",
            "bedrock/mantle/anthropic.claude-opus-4-8",
            "bedrock_mantle/openai.gpt-5.6-cyber",
            "bedrock/chat_completions/openai.gpt-oss-120b-1:0",
            "bedrock/us.openai.gpt-5.6-luna",
        ] {
            assert_eq!(gap(model, None), None, "{model}");
        }
        let titan = "bedrock/converse/amazon.titan-embed-text-v2:0";
        assert_eq!(gap(titan, Some("chat")), None);
    }

    #[test]
    fn what_cannot_be_answered_is_told_by_its_reason() {
        for (model, expected) in [
            (
                "bedrock/amazon.nova-2-sonic-v1:0",
                Gap::Mode(Mode::Realtime),
            ),
            ("bedrock/guardrails", Gap::Mode(Mode::Guardrail)),
            (
                "bedrock/agentcore/arn:aws:bedrock-agentcore:us-east-1:1:runtime/a",
                Gap::Route(Route::AgentCore),
            ),
            (
                "bedrock/claude_platform/anthropic.claude-opus-4-8",
                Gap::Route(Route::ClaudePlatform),
            ),
            (
                "bedrock/async_invoke/us.amazon.nova-pro-v1:0",
                Gap::Route(Route::AsyncInvoke),
            ),
        ] {
            assert_eq!(gap(model, None), Some(expected), "{model}");
        }
        let guardrail = Some(Gap::Mode(Mode::Guardrail));
        assert_eq!(gap("bedrock/mine", Some("guardrail")), guardrail);
    }
}
