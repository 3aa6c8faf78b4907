//! Families: whose format an `InvokeModel` body has.

/// Whose format an `InvokeModel` body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Cohere Command.
    Cohere,
    /// Anthropic: Messages, or text completions for Claude before 3.
    Anthropic,
    /// Mistral's text format.
    Mistral,
    /// Amazon Titan text.
    Titan,
    /// Meta's Llama.
    Llama,
    /// AI21.
    Ai21,
    /// Amazon Nova, whose invoke format is Converse's.
    Nova,
    /// An imported `DeepSeek` R1.
    DeepseekR1,
    /// An imported Qwen 3.
    Qwen3,
    /// An imported Qwen 2.
    Qwen2,
    /// `TwelveLabs` Pegasus.
    Pegasus,
    /// OpenAI's chat format.
    OpenAi,
    /// Stability's image models.
    Stability,
    /// Moonshot Kimi K2.
    Moonshot,
}

/// The words that stand for a family, in the order in which they are looked for inside a name.
const WORDS: [(&str, Family); 16] = [
    ("cohere", Family::Cohere),
    ("anthropic", Family::Anthropic),
    ("mistral", Family::Mistral),
    ("amazon", Family::Titan),
    ("meta", Family::Llama),
    ("llama", Family::Llama),
    ("ai21", Family::Ai21),
    ("nova", Family::Nova),
    ("deepseek_r1", Family::DeepseekR1),
    ("deepseek.r1", Family::DeepseekR1),
    ("qwen3", Family::Qwen3),
    ("qwen2", Family::Qwen2),
    ("twelvelabs", Family::Pegasus),
    ("openai", Family::OpenAi),
    ("stability", Family::Stability),
    ("moonshot", Family::Moonshot),
];

impl Family {
    /// Returns the family that a path segment in front of an id names (`llama/…`).
    pub fn of_token(token: &str) -> Option<Self> {
        WORDS
            .iter()
            .find(|(word, _)| *word == token)
            .map(|(_, family)| *family)
    }

    /// Returns the family that a model string points to: by `nova` anywhere, then by what stands before the first dot,
    /// then before the first slash, then by the first known word anywhere.
    pub fn of_name(name: &str) -> Option<Self> {
        if name.contains("nova") {
            return Some(Self::Nova);
        }
        let before = |end| name.split(end).next().and_then(Self::of_token);
        before('.').or_else(|| before('/')).or_else(|| {
            WORDS
                .iter()
                .find(|(word, _)| name.contains(word))
                .map(|(_, family)| *family)
        })
    }

    /// Says whether this token alone asks for `InvokeModel`, whatever follows it.
    pub(super) fn token_means_invoke(token: &str) -> bool {
        matches!(
            token,
            "llama" | "deepseek_r1" | "qwen2" | "qwen3" | "openai" | "moonshot" | "stability"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_point_to_families() {
        for (name, family) in [
            (
                "anthropic.claude-3-sonnet-20240229-v1:0",
                Some(Family::Anthropic),
            ),
            (
                "us.anthropic.claude-3-sonnet-20240229-v1:0",
                Some(Family::Anthropic),
            ),
            ("amazon.titan-text-express-v1", Some(Family::Titan)),
            ("amazon.nova-pro-v1:0", Some(Family::Nova)),
            ("us.meta.llama3-1-70b-instruct-v1:0", Some(Family::Llama)),
            ("qwen.qwen3-32b-v1:0", Some(Family::Qwen3)),
            ("us.twelvelabs.pegasus-1-2-v1:0", Some(Family::Pegasus)),
            (
                "openai/arn:aws:bedrock:us-east-1:1:imported-model/a",
                Some(Family::OpenAi),
            ),
            ("moonshot.kimi-k2-thinking", Some(Family::Moonshot)),
            ("us.deepseek.r1-v1:0", Some(Family::DeepseekR1)),
            ("deepseek.v3-v1:0", None),
            ("acme.llm-9-v1:0", None),
        ] {
            assert_eq!(Family::of_name(name), family, "{name}");
        }
    }
}
