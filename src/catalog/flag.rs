//! Capabilities of models, as the table of facts names them.

/// A capability that the table of facts may state as true or false.
///
/// The names are LiteLLM's `supports_*` keys, which `model_info` of a deployment uses too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flag {
    /// `supports_function_calling`.
    FunctionCalling,
    /// `supports_tool_choice`.
    ToolChoice,
    /// `supports_vision`.
    Vision,
    /// `supports_response_schema`.
    ResponseSchema,
    /// `supports_reasoning`.
    Reasoning,
    /// `supports_prompt_caching`.
    PromptCaching,
    /// `supports_pdf_input`.
    PdfInput,
    /// `supports_native_structured_output`.
    NativeStructuredOutput,
    /// `supports_assistant_prefill`.
    AssistantPrefill,
    /// `supports_computer_use`.
    ComputerUse,
    /// `supports_parallel_tool_use_config`.
    ParallelToolUseConfig,
    /// `supports_max_reasoning_effort`.
    MaxReasoningEffort,
    /// `supports_xhigh_reasoning_effort`.
    XhighReasoningEffort,
    /// `supports_audio_input`.
    AudioInput,
    /// `supports_tool_search`.
    ToolSearch,
    /// `supports_sampling_params`.
    SamplingParams,
    /// `supports_output_config`.
    OutputConfig,
    /// `supports_adaptive_thinking`.
    AdaptiveThinking,
    /// `supports_system_messages`.
    SystemMessages,
    /// `supports_mid_conversation_system`.
    MidConversationSystem,
    /// `bedrock_converse_supports_strict_tools`.
    StrictTools,
    /// `thinking_always_on`.
    ThinkingAlwaysOn,
    /// `supports_forced_tool_use`.
    ForcedToolUse,
    /// `supports_bedrock_native_structured_output`.
    BedrockNativeStructuredOutput,
    /// `supports_minimal_reasoning_effort`.
    MinimalReasoningEffort,
    /// `use_openai_responses_path`.
    UseOpenaiResponsesPath,
    /// `supports_video_input`.
    VideoInput,
    /// `supports_bedrock_converse_tool_result_images`.
    ToolResultImages,
    /// `supports_bedrock_runtime_chat_completions_response_format`.
    NativeChatResponseFormat,
    /// `supports_embedding_image_input`.
    EmbeddingImageInput,
    /// `supports_none_reasoning_effort`.
    NoneReasoningEffort,
    /// `supports_bedrock_runtime_chat_completions_tools_with_reasoning`.
    NativeChatToolsWithReasoning,
    /// `supports_legacy_thinking`.
    LegacyThinking,
    /// `supports_parallel_function_calling`.
    ParallelFunctionCalling,
    /// `supports_prompt_cache_breakpoint`.
    PromptCacheBreakpoint,
    /// `supports_bedrock_runtime_chat_completions_inline_reasoning`.
    NativeChatInlineReasoning,
    /// `supports_image_input`.
    ImageInput,
    /// `supports_regex_lookaround`.
    RegexLookaround,
    /// `supports_web_search`.
    WebSearch,
    /// `supports_audio_output`.
    AudioOutput,
    /// `supports_nova_canvas_image_edit`.
    NovaCanvasImageEdit,
    /// `supports_native_streaming`.
    NativeStreaming,
}

/// Every flag with its name in the table and in `model_info`.
pub(super) const NAMES: [(&str, Flag); 42] = [
    ("supports_function_calling", Flag::FunctionCalling),
    ("supports_tool_choice", Flag::ToolChoice),
    ("supports_vision", Flag::Vision),
    ("supports_response_schema", Flag::ResponseSchema),
    ("supports_reasoning", Flag::Reasoning),
    ("supports_prompt_caching", Flag::PromptCaching),
    ("supports_pdf_input", Flag::PdfInput),
    (
        "supports_native_structured_output",
        Flag::NativeStructuredOutput,
    ),
    ("supports_assistant_prefill", Flag::AssistantPrefill),
    ("supports_computer_use", Flag::ComputerUse),
    (
        "supports_parallel_tool_use_config",
        Flag::ParallelToolUseConfig,
    ),
    ("supports_max_reasoning_effort", Flag::MaxReasoningEffort),
    (
        "supports_xhigh_reasoning_effort",
        Flag::XhighReasoningEffort,
    ),
    ("supports_audio_input", Flag::AudioInput),
    ("supports_tool_search", Flag::ToolSearch),
    ("supports_sampling_params", Flag::SamplingParams),
    ("supports_output_config", Flag::OutputConfig),
    ("supports_adaptive_thinking", Flag::AdaptiveThinking),
    ("supports_system_messages", Flag::SystemMessages),
    (
        "supports_mid_conversation_system",
        Flag::MidConversationSystem,
    ),
    ("bedrock_converse_supports_strict_tools", Flag::StrictTools),
    ("thinking_always_on", Flag::ThinkingAlwaysOn),
    ("supports_forced_tool_use", Flag::ForcedToolUse),
    (
        "supports_bedrock_native_structured_output",
        Flag::BedrockNativeStructuredOutput,
    ),
    (
        "supports_minimal_reasoning_effort",
        Flag::MinimalReasoningEffort,
    ),
    ("use_openai_responses_path", Flag::UseOpenaiResponsesPath),
    ("supports_video_input", Flag::VideoInput),
    (
        "supports_bedrock_converse_tool_result_images",
        Flag::ToolResultImages,
    ),
    (
        "supports_bedrock_runtime_chat_completions_response_format",
        Flag::NativeChatResponseFormat,
    ),
    ("supports_embedding_image_input", Flag::EmbeddingImageInput),
    ("supports_none_reasoning_effort", Flag::NoneReasoningEffort),
    (
        "supports_bedrock_runtime_chat_completions_tools_with_reasoning",
        Flag::NativeChatToolsWithReasoning,
    ),
    ("supports_legacy_thinking", Flag::LegacyThinking),
    (
        "supports_parallel_function_calling",
        Flag::ParallelFunctionCalling,
    ),
    (
        "supports_prompt_cache_breakpoint",
        Flag::PromptCacheBreakpoint,
    ),
    (
        "supports_bedrock_runtime_chat_completions_inline_reasoning",
        Flag::NativeChatInlineReasoning,
    ),
    ("supports_image_input", Flag::ImageInput),
    ("supports_regex_lookaround", Flag::RegexLookaround),
    ("supports_web_search", Flag::WebSearch),
    ("supports_audio_output", Flag::AudioOutput),
    ("supports_nova_canvas_image_edit", Flag::NovaCanvasImageEdit),
    ("supports_native_streaming", Flag::NativeStreaming),
];

impl Flag {
    /// Returns the flag that the table calls `name`.
    pub fn parse(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, flag)| *flag)
    }
}

/// What is said of each flag: true, false, or nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    yes: u64,
    no: u64,
}

impl Flags {
    /// Returns what is said of `flag`.
    pub fn get(self, flag: Flag) -> Option<bool> {
        let bit = 1_u64 << flag as u32;
        match (self.yes & bit != 0, self.no & bit != 0) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }

    /// Returns what is said here, and what `other` says of the flags that nothing is said of here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let said = self.yes | self.no;
        Self {
            yes: self.yes | (other.yes & !said),
            no: self.no | (other.no & !said),
        }
    }

    /// Says `value` of `flag`, whatever was said before.
    pub fn set(&mut self, flag: Flag, value: bool) {
        let bit = 1_u64 << flag as u32;
        self.yes &= !bit;
        self.no &= !bit;
        if value {
            self.yes |= bit;
        } else {
            self.no |= bit;
        }
    }
}
