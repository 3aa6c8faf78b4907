//! Parameters: which of them the model takes.

use serde_json::{Number, Value, json};

use super::Wire;
use super::drop_paths;
use super::kind::{Kind, Model};
use super::reasoning::{Way, effort_name};
use crate::canonical::{ChatParams, RawJson, ToolChoice};
use crate::catalog::Flag;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Repairs;

/// Takes out of the parameters what the model does not take: silently where it means nothing, with a warning where the
/// operator or the client wants that, else with an error.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    model: &'a Model<'a>,
    params: ChatParams,
    allowed: Vec<String>,
    refused: Vec<&'static str>,
    /// What is left out without a refusal.
    left_out: Vec<&'static str>,
    /// Whether what the model does not take is left out.
    pub(crate) drop: bool,
    /// Whether words for thinking and sampling are left out where the model does not take them, whatever else is refused.
    is_lenient: bool,
}

impl<'a> Screen<'a> {
    /// Starts with the parameters of the request laid over those of the deployment.
    pub(crate) fn new(
        mut params: ChatParams,
        model: &'a Model<'a>,
        repairs: &Repairs,
    ) -> Result<Self> {
        let mut allowed = repairs.allowed_openai_params.clone();
        allowed.extend(params.allowed_openai_params.iter().cloned());
        let drop = params.drop_params.unwrap_or(repairs.drop_params);
        let of_request = std::mem::take(&mut params.additional_drop_params);
        drop_paths::apply(&mut params, &repairs.additional_drop_params, &of_request)?;
        Ok(Self {
            model,
            params,
            allowed,
            refused: Vec::new(),
            left_out: Vec::new(),
            drop,
            is_lenient: false,
        })
    }

    /// Leaves out words for thinking and sampling that the model does not take: clients of Anthropic's format send them
    /// whatever the model.
    pub(crate) fn lenient(mut self, is_lenient: bool) -> Self {
        self.is_lenient = is_lenient;
        self
    }

    /// Returns the parameters that the model takes.
    pub(crate) fn run(mut self, warnings: &mut Vec<String>) -> Result<ChatParams> {
        self.openai_only();
        self.tools()?;
        self.reasoning();
        self.sampling();
        self.refused.sort_unstable();
        self.refused.dedup();
        if !self.refused.is_empty() && !self.drop {
            return Err(unsupported(&self.refused, self.model.name()));
        }
        for name in self.refused.iter().chain(&self.left_out) {
            let kept = self.format_to_keep(name);
            remove(&mut self.params, name);
            self.params.output_config = kept.or(self.params.output_config.take());
            warnings.push(format!("parameter {name} was left out: not supported"));
        }
        Ok(self.params)
    }

    fn is_allowed(&self, name: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == name)
    }

    fn refuse(&mut self, name: &'static str) {
        const WORDS: [&str; 6] = [
            "reasoning_effort",
            "thinking",
            "output_config",
            "temperature",
            "top_p",
            "top_k",
        ];
        let is_wish = name == "reasoning_effort" && self.params.effort_is_wish;
        if is_wish || (self.is_lenient && WORDS.contains(&name)) {
            self.left_out.push(name);
        } else {
            self.refused.push(name);
        }
    }

    /// Sends a parameter on as it is, under the name that the model knows.
    fn pass(&mut self, name: &str, value: RawJson) {
        self.params.extra.push((name.to_owned(), value));
    }

    /// OpenAI's parameters that Converse has no place for.
    fn openai_only(&mut self) {
        for (name, value) in std::mem::take(&mut self.params.openai) {
            if means_nothing(&name, &value) {
                continue;
            }
            if self.is_allowed(&name) {
                self.pass(&name, value);
            } else if let Some((native, value)) = in_familys_words(self.model.kind, &name, &value) {
                self.pass(native, value);
            } else {
                self.refused.extend(static_name(&name));
                self.params.openai.push((name, value));
            }
        }
    }

    fn tools(&mut self) -> Result<()> {
        if self.params.tools.is_empty() {
            // A choice among no tools says nothing.
            self.params.tool_choice = None;
            return Ok(());
        }
        if !self.model.takes_tools() && !self.is_allowed("tools") {
            self.refuse("tools");
            self.params.tool_choice = None;
        }
        match &self.params.tool_choice {
            Some(ToolChoice::Other(_)) => {
                return Err(Error::bad_request(
                    "tool_choice",
                    "Invalid value for 'tool_choice': bedrock knows auto, none, required, a function and allowed_tools.",
                ));
            }
            Some(ToolChoice::Auto) if !self.model.takes_tool_choice() => {
                self.params.tool_choice = None;
            }
            Some(
                ToolChoice::Required
                | ToolChoice::Named(_)
                | ToolChoice::Allowed { required: true, .. },
            ) if !self.model.takes_tool_choice() && !self.is_allowed("tool_choice") => {
                self.refuse("tool_choice");
            }
            _ => {}
        }
        Ok(())
    }

    fn reasoning(&mut self) {
        let way = Way::of(self.model);
        let takes_effort = match way {
            Way::Refused => false,
            Way::Gpt => self.gpt_takes_effort(),
            _ => true,
        };
        let takes_thinking = matches!(way, Way::Claude | Way::Nova2 | Way::Ignored);
        let takes_config = match way {
            Way::Claude => self.claude_takes_config(),
            Way::Refused | Way::Verbatim | Way::Gpt => false,
            _ => true,
        };
        let asked = [
            (
                "reasoning_effort",
                self.params.reasoning_effort.clone(),
                takes_effort,
            ),
            ("thinking", self.params.thinking.clone(), takes_thinking),
            (
                "output_config",
                self.params.output_config.clone(),
                takes_config,
            ),
        ];
        for (name, value, taken) in asked {
            let Some(value) = value else { continue };
            if taken {
                continue;
            }
            if self.is_allowed(name) {
                remove(&mut self.params, name);
                self.pass(name, value);
            } else if name == "output_config" && self.model.wire == Wire::Messages {
                self.left_out.push(name);
            } else {
                self.refuse(name);
            }
        }
    }

    fn gpt_takes_effort(&self) -> bool {
        let effort = self.params.reasoning_effort.as_ref();
        let Some(Ok(effort)) = effort.map(effort_name) else {
            return true;
        };
        let flag = match effort.as_str() {
            "none" => Flag::NoneReasoningEffort,
            "minimal" => Flag::MinimalReasoningEffort,
            "xhigh" => Flag::XhighReasoningEffort,
            "max" => Flag::MaxReasoningEffort,
            _ => return true,
        };
        self.model.facts.flag(flag) != Some(false)
    }

    /// Returns what stays of a refused `output_config`: its format has a place of its own.
    fn format_to_keep(&self, refused: &str) -> Option<RawJson> {
        if refused != "output_config" || !self.model.is_claude() {
            return None;
        }
        let config = self.params.output_config.as_ref()?.to_value();
        let format = config.get("format")?;
        Some(RawJson::from_value(&json!({ "format": format })))
    }

    /// A Claude that knows no efforts still takes a format.
    fn claude_takes_config(&self) -> bool {
        let facts = self.model.facts;
        if !facts.known || facts.is(Flag::OutputConfig) || facts.is(Flag::AdaptiveThinking) {
            return true;
        }
        let config = self.params.output_config.as_ref().map(RawJson::to_value);
        match config {
            Some(Value::Object(config)) => config.keys().all(|key| key == "format"),
            _ => true,
        }
    }

    /// Newer models sample in one way only.
    fn sampling(&mut self) {
        if self.model.facts.flag(Flag::SamplingParams) != Some(false) {
            return;
        }
        let is_default = |value: &Number| value.as_f64() == Some(1.0);
        let is_claude = self.model.is_claude();
        let temperature = self.params.temperature.as_ref();
        if temperature.is_some_and(|value| !(is_claude && is_default(value))) {
            self.refuse("temperature");
        }
        if self.params.top_p.is_some() {
            self.refuse("top_p");
        }
        if self.params.top_k.is_some() {
            self.refuse("top_k");
        }
    }
}

/// Says whether a parameter has the value that it has anyway; many SDKs send them all.
pub(crate) fn means_nothing(name: &str, value: &RawJson) -> bool {
    let value = value.to_value();
    match name {
        "n" => value.as_f64() == Some(1.0),
        "presence_penalty" | "frequency_penalty" | "top_logprobs" => value.as_f64() == Some(0.0),
        "logprobs" | "store" => value == json!(false),
        "logit_bias" => value == json!({}),
        "functions" => value == json!([]),
        "modalities" => value == json!(["text"]),
        _ => value.is_null(),
    }
}

/// Returns the names of OpenAI's own parameters that ask for something.
pub(crate) fn openai_only(params: &ChatParams) -> impl Iterator<Item = &'static str> {
    let asking = params.openai.iter();
    asking
        .filter(|(name, value)| !means_nothing(name, value))
        .filter_map(|(name, _)| static_name(name))
}

/// Says a parameter in the words of a family that has them beside Converse's.
fn in_familys_words(kind: Kind, name: &str, value: &RawJson) -> Option<(&'static str, RawJson)> {
    let scaled = || RawJson::from_value(&json!({ "scale": value.to_value() }));
    match (kind, name) {
        (Kind::Cohere, "n") => Some(("n", value.clone())),
        (Kind::Cohere, "frequency_penalty") => Some(("frequency_penalty", value.clone())),
        (Kind::Cohere, "presence_penalty") => Some(("presence_penalty", value.clone())),
        (Kind::Cohere, "logit_bias") => Some(("logitBias", value.clone())),
        (Kind::Ai21, "frequency_penalty") => Some(("frequencyPenalty", scaled())),
        (Kind::Ai21, "presence_penalty") => Some(("presencePenalty", scaled())),
        _ => None,
    }
}

/// The names of the parameters that may be refused, as they are listed in the error.
pub(crate) fn static_name(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 19] = [
        "audio",
        "best_of",
        "echo",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "modalities",
        "n",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "safety_identifier",
        "seed",
        "store",
        "suffix",
        "top_logprobs",
        "verbosity",
    ];
    NAMES.iter().find(|known| **known == name).copied()
}

/// Removes a parameter by the name that clients give it.
pub(crate) fn remove(params: &mut ChatParams, name: &str) {
    if !remove_known(params, name) {
        params.openai.retain(|(known, _)| known != name);
        params.extra.retain(|(known, _)| known != name);
    }
}

/// Removes a parameter that has a place of its own; says whether it has.
pub(crate) fn remove_known(params: &mut ChatParams, name: &str) -> bool {
    match name {
        "max_tokens" => params.max_tokens = None,
        "max_completion_tokens" => params.max_completion_tokens = None,
        "temperature" => params.temperature = None,
        "top_p" => params.top_p = None,
        "top_k" => params.top_k = None,
        "stop" => params.stop = None,
        "tools" => params.tools.clear(),
        "tool_choice" => params.tool_choice = None,
        "parallel_tool_calls" => params.parallel_tool_calls = None,
        "response_format" => params.response_format = None,
        "reasoning_effort" => params.reasoning_effort = None,
        "thinking" => params.thinking = None,
        "output_config" => params.output_config = None,
        _ => return false,
    }
    true
}

/// Makes LiteLLM's error for parameters that the model does not take.
pub(crate) fn unsupported(names: &[&str], model: &str) -> Error {
    let listed: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    let listed = format!("[{}]", listed.join(", "));
    let message = format!(
        "litellm.UnsupportedParamsError: bedrock does not support parameters: {listed}, for model={model}. To drop \
         these, set `litellm.drop_params=True` or for proxy:\n\n`litellm_settings:\n drop_params: true`\n. \n If you \
         want to use these params dynamically send allowed_openai_params={listed} in your request."
    );
    let error = Error::new(ErrorKind::BadRequest, message);
    match names {
        [only] => error.with_param(*only),
        _ => error,
    }
}
