//! Which format a model's `InvokeModel` body has.

use super::super::json::Node;
use super::super::model_id::{Family, Model};

/// A format of bodies and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Format {
    /// Anthropic's Messages.
    Messages,
    /// Claude's text completions.
    ClaudeText,
    /// Amazon Nova.
    Nova,
    /// Amazon Titan text.
    Titan,
    /// Llama, and imported models that take its body.
    Llama,
    /// Mistral's text completions.
    Mistral,
    /// Cohere Command.
    Command,
    /// Cohere Command R.
    CommandR,
    /// AI21 Jurassic 2.
    Jurassic,
    /// Bedrock's own `DeepSeek` R1.
    DeepSeek,
    /// OpenAI's chat completions.
    OpenAi,
    /// `TwelveLabs` Pegasus.
    Pegasus,
}

impl Format {
    /// Tells the format by the model; of one whose id does not tell, by the body.
    pub(super) fn of(model: &Model, body: &Node<'_>) -> Option<Self> {
        let base = model.base.as_str();
        let starts = |names: &[&str]| names.iter().any(|name| base.starts_with(name));
        Some(match model.family {
            Family::Claude if starts(&["anthropic.claude-v", "anthropic.claude-instant"]) => {
                Self::ClaudeText
            }
            Family::Claude => Self::Messages,
            Family::Nova => Self::Nova,
            Family::Llama => Self::Llama,
            Family::Mistral => Self::Mistral,
            Family::DeepSeek => Self::DeepSeek,
            Family::Cohere if base.starts_with("cohere.command-r") => Self::CommandR,
            Family::Cohere => Self::Command,
            Family::Ai21 if base.starts_with("ai21.j2-") => Self::Jurassic,
            Family::Ai21 | Family::Qwen | Family::GptOss | Family::Gpt | Family::Kimi => {
                Self::OpenAi
            }
            Family::Other if base.starts_with("amazon.titan-text") => Self::Titan,
            Family::Other if base.starts_with("twelvelabs.pegasus") => Self::Pegasus,
            Family::Other if body.has("anthropic_version") => Self::Messages,
            Family::Other if body.has("messages") => Self::OpenAi,
            Family::Other if body.has("prompt") => Self::Llama,
            Family::Other => return None,
        })
    }
}
