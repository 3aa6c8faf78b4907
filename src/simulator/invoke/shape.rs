//! What AWS documents of each family's body: its members, and their limits where there are any.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>, one page for each family.

use super::super::shape::{
    ANY, COUNT, FLAG, FROM_ZERO, NON_EMPTY, OBJECT, OBJECTS, PENALTY, RATIO, Shape, TEXT, TEXTS,
    WARMTH, list, optional, required, some,
};
use super::format::Format;

const SPEAKERS: Shape = Shape::Choice(&["user", "assistant", "system"]);
const MESSAGE: Shape = Shape::Structure(&[required("role", &SPEAKERS), required("content", &ANY)]);
const MESSAGES: Shape = some(&MESSAGE);

static ANTHROPIC: Shape = Shape::Structure(&[
    // The first is what AWS documents, the second what Anthropic's own clients of Bedrock send:
    // <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-messages-api.html>.
    required(
        "anthropic_version",
        &Shape::Choice(&["bedrock-2023-05-31", "2026-10-21"]),
    ),
    required("max_tokens", &COUNT),
    required("messages", &MESSAGES),
    optional("anthropic_beta", &TEXTS),
    optional("system", &ANY),
    optional("temperature", &RATIO),
    optional("top_p", &RATIO),
    optional("top_k", &FROM_ZERO),
    optional("stop_sequences", &list(&NON_EMPTY)),
    optional("tools", &OBJECTS),
    optional("tool_choice", &OBJECT),
    optional("thinking", &OBJECT),
    optional("output_config", &OBJECT),
    optional("context_management", &OBJECT),
    optional("metadata", &OBJECT),
]);

static CLAUDE_TEXT: Shape = Shape::Structure(&[
    required("prompt", &NON_EMPTY),
    required("max_tokens_to_sample", &COUNT),
    optional("anthropic_version", &TEXT),
    optional("temperature", &RATIO),
    optional("top_p", &RATIO),
    optional("top_k", &FROM_ZERO),
    optional("stop_sequences", &TEXTS),
]);

static NOVA: Shape = Shape::Structure(&[
    required("messages", &OBJECTS),
    optional("schemaVersion", &Shape::Choice(&["messages-v1"])),
    optional("system", &OBJECTS),
    optional("inferenceConfig", &NOVA_INFERENCE),
    optional("toolConfig", &OBJECT),
    optional("guardrailConfig", &OBJECT),
]);
static NOVA_INFERENCE: Shape = Shape::Structure(&[
    optional("maxTokens", &COUNT),
    optional("temperature", &RATIO),
    optional("topP", &RATIO),
    optional("topK", &FROM_ZERO),
    optional("stopSequences", &TEXTS),
    optional("reasoningConfig", &OBJECT),
]);

static TITAN: Shape = Shape::Structure(&[
    required("inputText", &NON_EMPTY),
    optional("textGenerationConfig", &TITAN_CONFIG),
]);
static TITAN_CONFIG: Shape = Shape::Structure(&[
    optional("maxTokenCount", &FROM_ZERO),
    optional("temperature", &RATIO),
    optional("topP", &RATIO),
    optional("stopSequences", &TEXTS),
]);

static LLAMA: Shape = Shape::Structure(&[
    required("prompt", &NON_EMPTY),
    optional("max_gen_len", &COUNT),
    optional("temperature", &WARMTH),
    optional("top_p", &RATIO),
    optional("top_k", &FROM_ZERO),
    optional("stop", &TEXTS),
    optional("images", &TEXTS),
]);

static MISTRAL: Shape = Shape::Structure(&[
    required("prompt", &NON_EMPTY),
    optional("max_tokens", &COUNT),
    optional("temperature", &RATIO),
    optional("top_p", &RATIO),
    optional("top_k", &FROM_ZERO),
    optional("stop", &TEXTS),
]);

const COHERE_WARMTH: Shape = Shape::Decimal { min: 0.0, max: 5.0 };

static COMMAND: Shape = Shape::Structure(&[
    required("prompt", &NON_EMPTY),
    optional("return_likelihoods", &TEXT),
    optional("logit_bias", &OBJECT),
    optional("truncate", &TEXT),
    optional("stream", &FLAG),
    optional("max_tokens", &COUNT),
    optional("temperature", &COHERE_WARMTH),
    optional("p", &RATIO),
    optional("k", &FROM_ZERO),
    optional("stop_sequences", &TEXTS),
    optional("seed", &FROM_ZERO),
    optional("frequency_penalty", &RATIO),
    optional("presence_penalty", &RATIO),
    optional("num_generations", &COUNT),
]);

static COMMAND_R: Shape = Shape::Structure(&[
    required("message", &TEXT),
    optional("chat_history", &OBJECTS),
    optional("documents", &OBJECTS),
    optional("preamble", &TEXT),
    optional("tools", &OBJECTS),
    optional("tool_results", &OBJECTS),
    optional("raw_prompting", &FLAG),
    optional("prompt_truncation", &TEXT),
    optional("search_queries_only", &FLAG),
    optional("return_prompt", &FLAG),
    optional("max_tokens", &COUNT),
    optional("temperature", &COHERE_WARMTH),
    optional("p", &RATIO),
    optional("k", &FROM_ZERO),
    optional("stop_sequences", &TEXTS),
    optional("seed", &FROM_ZERO),
    optional("frequency_penalty", &RATIO),
    optional("presence_penalty", &RATIO),
    optional("num_generations", &COUNT),
]);

static JURASSIC: Shape = Shape::Structure(&[
    required("prompt", &NON_EMPTY),
    optional("maxTokens", &FROM_ZERO),
    optional("temperature", &RATIO),
    optional("topP", &RATIO),
    optional("stopSequences", &TEXTS),
    optional("frequencyPenalty", &OBJECT),
    optional("presencePenalty", &OBJECT),
    optional("countPenalty", &OBJECT),
]);

static DEEPSEEK: Shape = Shape::Structure(&[
    required("prompt", &NON_EMPTY),
    optional("max_tokens", &COUNT),
    optional("temperature", &RATIO),
    optional("top_p", &RATIO),
    optional("stop", &TEXTS),
]);

static OPENAI: Shape = Shape::Structure(&[
    required("messages", &OBJECTS),
    optional("model", &TEXT),
    optional("stream", &FLAG),
    optional("max_tokens", &COUNT),
    optional("max_completion_tokens", &COUNT),
    optional("temperature", &WARMTH),
    optional("top_p", &RATIO),
    optional("top_k", &FROM_ZERO),
    optional("n", &COUNT),
    optional("seed", &FROM_ZERO),
    optional("stop", &ANY),
    optional("frequency_penalty", &PENALTY),
    optional("presence_penalty", &PENALTY),
    optional("logit_bias", &OBJECT),
    optional("logprobs", &FLAG),
    optional("top_logprobs", &FROM_ZERO),
    optional("tools", &OBJECTS),
    optional("tool_choice", &ANY),
    optional("parallel_tool_calls", &FLAG),
    optional("response_format", &OBJECT),
    optional("reasoning_effort", &TEXT),
    optional("user", &TEXT),
]);

static PEGASUS: Shape = Shape::Structure(&[
    required("inputPrompt", &NON_EMPTY),
    required("mediaSource", &OBJECT),
    optional("temperature", &RATIO),
    optional("maxOutputTokens", &COUNT),
    optional("responseFormat", &OBJECT),
]);

/// Returns the shape of a format's body.
pub(super) fn of(format: Format) -> &'static Shape {
    match format {
        Format::Messages => &ANTHROPIC,
        Format::ClaudeText => &CLAUDE_TEXT,
        Format::Nova => &NOVA,
        Format::Titan => &TITAN,
        Format::Llama => &LLAMA,
        Format::Mistral => &MISTRAL,
        Format::Command => &COMMAND,
        Format::CommandR => &COMMAND_R,
        Format::Jurassic => &JURASSIC,
        Format::DeepSeek => &DEEPSEEK,
        Format::OpenAi => &OPENAI,
        Format::Pegasus => &PEGASUS,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::check::check;
    use super::super::super::json::Node;
    use super::*;

    fn refusal(format: Format, body: &str) -> Option<String> {
        let root: Node<'_> = serde_json::from_str(body).unwrap();
        check(&root, of(format)).err().map(|error| error.message)
    }

    #[test]
    fn what_a_family_does_not_document_is_refused() {
        for (format, body, why) in [
            (
                Format::Messages,
                r#"{"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1, "model": "x",
                    "messages": [{"role": "user", "content": "hi"}]}"#,
                "extraneous key [model]",
            ),
            (
                Format::Messages,
                r#"{"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": "hi"}]}"#,
                "max_tokens",
            ),
            (
                Format::Llama,
                r#"{"prompt": "hi", "max_tokens": 1}"#,
                "max_tokens",
            ),
            (
                Format::Titan,
                r#"{"inputText": "hi", "temperature": 1}"#,
                "temperature",
            ),
            (
                Format::Mistral,
                r#"{"prompt": "hi", "top_p": 2}"#,
                "less than or equal",
            ),
            (Format::Pegasus, r#"{"inputPrompt": "hi"}"#, "mediaSource"),
        ] {
            let refusal = refusal(format, body).unwrap_or_default();
            assert!(refusal.contains(why), "{format:?}: {refusal}");
        }
    }

    #[test]
    fn what_a_family_documents_passes() {
        for (format, body) in [
            (
                Format::CommandR,
                r#"{"message": "hi", "chat_history": [], "p": 0.5}"#,
            ),
            (
                Format::Llama,
                r#"{"prompt": "hi", "max_gen_len": 5, "images": ["AAAA"]}"#,
            ),
            (
                Format::Nova,
                r#"{"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"topK": 3}}"#,
            ),
            (
                Format::OpenAi,
                r#"{"messages": [{"role": "user", "content": "hi"}], "stop": "x"}"#,
            ),
        ] {
            assert_eq!(refusal(format, body), None, "{format:?}");
        }
    }
}
