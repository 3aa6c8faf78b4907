//! What is documented of the bodies of OpenAI's and Anthropic's APIs on Bedrock.
//!
//! Sources: <https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html>,
//! <https://platform.openai.com/docs/api-reference>, <https://docs.anthropic.com/en/api/messages>.

use super::super::shape::{
    ANY, COUNT, FLAG, FROM_ZERO, NON_EMPTY, OBJECT, OBJECTS, PENALTY, RATIO, Shape, TEXT, TEXTS,
    WARMTH, list, optional, required, some,
};

const SPEAKER: Shape = Shape::Choice(&[
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
]);
const MESSAGE: Shape = Shape::Structure(&[
    required("role", &SPEAKER),
    optional("content", &ANY),
    optional("name", &TEXT),
    optional("tool_calls", &OBJECTS),
    optional("tool_call_id", &TEXT),
    optional("refusal", &ANY),
]);
const EFFORT: Shape = Shape::Choice(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]);
const TIER: Shape = Shape::Choice(&["auto", "default", "flex", "priority"]);
const STREAM_OPTIONS: Shape = Shape::Structure(&[optional("include_usage", &FLAG)]);
const TOOL: Shape = Shape::Structure(&[
    required("type", &Shape::Choice(&["function", "custom"])),
    required("function", &OBJECT),
]);

/// `/chat/completions`.
pub(super) static CHAT_COMPLETIONS: Shape = Shape::Structure(&[
    required("model", &NON_EMPTY),
    required("messages", &some(&MESSAGE)),
    optional("stream", &FLAG),
    optional("stream_options", &STREAM_OPTIONS),
    optional("max_completion_tokens", &COUNT),
    optional("temperature", &WARMTH),
    optional("top_p", &RATIO),
    optional("seed", &FROM_ZERO),
    optional("stop", &ANY),
    optional("frequency_penalty", &PENALTY),
    optional("presence_penalty", &PENALTY),
    optional("logit_bias", &OBJECT),
    optional("logprobs", &FLAG),
    optional("top_logprobs", &FROM_ZERO),
    optional("tools", &list(&TOOL)),
    optional("tool_choice", &ANY),
    optional("parallel_tool_calls", &FLAG),
    optional("response_format", &OBJECT),
    optional("reasoning_effort", &EFFORT),
    optional("prompt_cache_key", &TEXT),
    optional("safety_identifier", &TEXT),
    optional("verbosity", &TEXT),
    optional("service_tier", &TIER),
    optional("user", &TEXT),
]);

/// A function among the tools of `/responses`.
pub(super) static FLAT_TOOL: Shape = Shape::Structure(&[
    required("type", &Shape::Choice(&["function"])),
    required("name", &NON_EMPTY),
    optional("description", &TEXT),
    optional("parameters", &OBJECT),
    optional("strict", &FLAG),
]);
/// A message, a call or a result in `input` of `/responses`.
pub(super) static ITEM: Shape = Shape::Structure(&[
    optional(
        "type",
        &Shape::Choice(&["message", "function_call", "function_call_output"]),
    ),
    optional("id", &NON_EMPTY),
    optional("status", &TEXT),
    optional("role", &SPEAKER),
    optional("content", &ANY),
    optional("call_id", &NON_EMPTY),
    optional("name", &NON_EMPTY),
    optional("namespace", &NON_EMPTY),
    optional("arguments", &TEXT),
    optional("output", &ANY),
]);

/// `/responses`; its items and tools are checked one by one.
pub(super) static RESPONSES: Shape = Shape::Structure(&[
    required("model", &NON_EMPTY),
    required("input", &ANY),
    optional("instructions", &TEXT),
    optional("stream", &FLAG),
    optional("stream_options", &OBJECT),
    optional("store", &FLAG),
    optional("include", &TEXTS),
    optional("metadata", &OBJECT),
    optional("max_tool_calls", &COUNT),
    optional("truncation", &Shape::Choice(&["auto", "disabled"])),
    optional("user", &TEXT),
    optional("prompt_cache_retention", &TEXT),
    optional("max_output_tokens", &Shape::Integer { min: 16 }),
    optional("temperature", &WARMTH),
    optional("top_p", &RATIO),
    optional("tools", &OBJECTS),
    optional("tool_choice", &ANY),
    optional("parallel_tool_calls", &FLAG),
    optional(
        "reasoning",
        &Shape::Structure(&[
            optional("effort", &EFFORT),
            optional("summary", &TEXT),
            optional("context", &TEXT),
        ]),
    ),
    optional("text", &OBJECT),
    optional("service_tier", &TIER),
    optional("top_logprobs", &FROM_ZERO),
    optional("prompt_cache_key", &TEXT),
    optional("safety_identifier", &TEXT),
]);

/// `/anthropic/v1/messages`.
pub(super) static MESSAGES: Shape = Shape::Structure(&[
    required("model", &NON_EMPTY),
    required("max_tokens", &COUNT),
    required("messages", &some(&OBJECT)),
    optional("stream", &FLAG),
    optional(
        "anthropic_version",
        &Shape::Choice(&["bedrock-2023-05-31", "2023-06-01"]),
    ),
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
