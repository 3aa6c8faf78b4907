//! The parameters of a chat request beside its messages.
//!
//! The same type holds the request defaults of a deployment (`litellm_params`); [`ChatParams::over`] lays a client's
//! parameters over them.

use serde_json::Number;

use super::{Message, RawJson, Tool, ToolChoice};

/// Members that are carried by name, in the order in which they were written.
pub type ParamMap = Vec<(String, RawJson)>;

/// The parameters of a chat request: known ones with their types, all others as written.
#[derive(Debug, Clone, Default)]
pub struct ChatParams {
    /// Most tokens to generate (`max_tokens`, `maxTokens`).
    pub max_tokens: Option<u64>,
    /// OpenAI's newer name, which wins.
    pub max_completion_tokens: Option<u64>,
    /// `temperature`.
    pub temperature: Option<Number>,
    /// `top_p` (`topP`).
    pub top_p: Option<Number>,
    /// `top_k` (`topK`).
    pub top_k: Option<Number>,
    /// `stop` (`stopSequences`); a string is a list of one.
    pub stop: Option<Vec<String>>,
    /// `tools`; a deployment's come first.
    pub tools: Vec<Tool>,
    /// `tool_choice`.
    pub tool_choice: Option<ToolChoice>,
    /// `parallel_tool_calls`.
    pub parallel_tool_calls: Option<bool>,
    /// `response_format`, and `response_schema`.
    pub response_format: Option<ResponseFormat>,
    /// `reasoning_effort`, as written: a string on most models, any JSON where a model takes more.
    pub reasoning_effort: Option<RawJson>,
    /// Whether the effort is left out, with a warning, where the model has none: clients of some formats always send one.
    pub effort_is_wish: bool,
    /// `thinking`, as written.
    pub thinking: Option<RawJson>,
    /// `output_config`, as written.
    pub output_config: Option<RawJson>,
    /// `guardrailConfig`, `guardrail_config`, as written.
    pub guardrail: Option<RawJson>,
    /// Who the caller acts for: `user`, else `metadata.user_id`. Converse has no place for it.
    pub user: Option<String>,
    /// OpenAI parameters that Converse has no place for (`n`, `seed`, `logprobs`, …), as written.
    pub openai: ParamMap,
    /// Every other member, as written: Converse's own (`requestMetadata`, `performanceConfig`, …) and
    /// provider-specific ones (`anthropic_beta`, `foo`).
    pub extra: ParamMap,
    /// `drop_params` of the request.
    pub drop_params: Option<bool>,
    /// `additional_drop_params`: parameters that are removed first.
    pub additional_drop_params: Vec<String>,
    /// `allowed_openai_params`: parameters that are sent as they are although the model is not known to take them.
    pub allowed_openai_params: Vec<String>,
    /// `user_continue_message`: put in where a user message is missing.
    pub user_continue_message: Option<Box<Message>>,
    /// `assistant_continue_message`: put between two user turns.
    pub assistant_continue_message: Option<String>,
    /// `extra_headers` of the request: name and value.
    pub extra_headers: Vec<(String, String)>,
}

/// `response_format`.
#[derive(Debug, Clone)]
pub enum ResponseFormat {
    /// `text`.
    Text,
    /// `json_object` without a schema.
    JsonObject,
    /// `json_schema`, or `json_object` with `response_schema`.
    JsonSchema(JsonSchemaFormat),
    /// Anything else, as written; refused.
    Other(RawJson),
}

/// The schema that an answer must fit.
#[derive(Debug, Clone)]
pub struct JsonSchemaFormat {
    /// `name`.
    pub name: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// The JSON schema, as written.
    pub schema: RawJson,
    /// `strict`.
    pub strict: Option<bool>,
}

impl ChatParams {
    /// Returns the member `name` among those carried as written.
    pub fn extra(&self, name: &str) -> Option<&RawJson> {
        find(&self.extra, name)
    }

    /// Lays these parameters over a deployment's defaults: what is set here wins, tools of both are kept (the
    /// deployment's first), and `tool_choice` of the deployment counts only when this has none.
    #[must_use]
    pub fn over(&self, defaults: &Self) -> Self {
        let mut tools = defaults.tools.clone();
        tools.extend(self.tools.iter().cloned());
        Self {
            max_tokens: self.max_tokens.or(defaults.max_tokens),
            max_completion_tokens: self.max_completion_tokens.or({
                // A client's older spelling still beats the deployment's newer one.
                if self.max_tokens.is_some() {
                    None
                } else {
                    defaults.max_completion_tokens
                }
            }),
            temperature: self
                .temperature
                .clone()
                .or_else(|| defaults.temperature.clone()),
            top_p: self.top_p.clone().or_else(|| defaults.top_p.clone()),
            top_k: self.top_k.clone().or_else(|| defaults.top_k.clone()),
            stop: self.stop.clone().or_else(|| defaults.stop.clone()),
            tools,
            tool_choice: self
                .tool_choice
                .clone()
                .or_else(|| defaults.tool_choice.clone()),
            parallel_tool_calls: self.parallel_tool_calls.or(defaults.parallel_tool_calls),
            response_format: self
                .response_format
                .clone()
                .or_else(|| defaults.response_format.clone()),
            reasoning_effort: self
                .reasoning_effort
                .clone()
                .or_else(|| defaults.reasoning_effort.clone()),
            effort_is_wish: self.effort_is_wish,
            thinking: self.thinking.clone().or_else(|| defaults.thinking.clone()),
            output_config: self
                .output_config
                .clone()
                .or_else(|| defaults.output_config.clone()),
            guardrail: self
                .guardrail
                .clone()
                .or_else(|| defaults.guardrail.clone()),
            user: self.user.clone().or_else(|| defaults.user.clone()),
            openai: merged(&self.openai, &defaults.openai),
            extra: merged(&self.extra, &defaults.extra),
            drop_params: self.drop_params.or(defaults.drop_params),
            additional_drop_params: both(
                &defaults.additional_drop_params,
                &self.additional_drop_params,
            ),
            allowed_openai_params: both(
                &defaults.allowed_openai_params,
                &self.allowed_openai_params,
            ),
            user_continue_message: self
                .user_continue_message
                .clone()
                .or_else(|| defaults.user_continue_message.clone()),
            assistant_continue_message: self
                .assistant_continue_message
                .clone()
                .or_else(|| defaults.assistant_continue_message.clone()),
            extra_headers: merged_headers(&self.extra_headers, &defaults.extra_headers),
        }
    }
}

fn find<'a>(map: &'a ParamMap, name: &str) -> Option<&'a RawJson> {
    map.iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

fn merged(mine: &ParamMap, defaults: &ParamMap) -> ParamMap {
    let mut out = mine.clone();
    out.extend(
        defaults
            .iter()
            .filter(|(key, _)| find(mine, key).is_none())
            .cloned(),
    );
    out
}

fn both(first: &[String], second: &[String]) -> Vec<String> {
    first.iter().chain(second).cloned().collect()
}

fn merged_headers(
    mine: &[(String, String)],
    defaults: &[(String, String)],
) -> Vec<(String, String)> {
    let mut out = mine.to_vec();
    out.extend(
        defaults
            .iter()
            .filter(|(name, _)| !mine.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)))
            .cloned(),
    );
    out
}
