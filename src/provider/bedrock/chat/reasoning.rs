//! `reasoning_effort`, `thinking` and `output_config`: every family thinks in words of its own.
//!
//! Claude before 4.6 is given a budget of tokens, later ones adapt and are told an effort; `gpt-oss`, DeepSeek, OpenAI's
//! others and Nova 2 each have a field of their own; others have none.

use serde_json::{Value, json};

use super::kind::{Kind, Model};
use crate::canonical::{ChatParams, RawJson};
use crate::catalog::Flag;
use crate::error::{Error, Result};

/// The least budget that Claude takes.
const LEAST_BUDGET: u64 = 1024;
/// What is left for the answer when the client names no limit.
const ROOM_FOR_ANSWER: u64 = 4096;

/// In whose words a model is told how to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Claude's `thinking` and `output_config`.
    Claude,
    /// `reasoning_effort` as written.
    Verbatim,
    /// OpenAI's `reasoning.effort`.
    Gpt,
    /// `reasoningConfig`.
    Nova2,
    /// It thinks, or may think, but cannot be told how: what is said is left out.
    Ignored,
    /// It does not think: what is said is an error.
    Refused,
}

impl Way {
    /// Returns the way of a model.
    pub(crate) fn of(model: &Model<'_>) -> Self {
        match model.kind {
            Kind::Claude if model.reasons() => Self::Claude,
            Kind::Claude | Kind::DeepSeekR1 => Self::Refused,
            Kind::Opaque => Self::Claude,
            Kind::GptOss | Kind::DeepSeek => Self::Verbatim,
            Kind::Gpt => Self::Gpt,
            Kind::Nova2 => Self::Nova2,
            _ if model.reasons() => Self::Ignored,
            _ => Self::Refused,
        }
    }
}

/// What a request says of thinking, in the model's words.
#[derive(Debug, Default)]
pub(crate) struct Reasoning {
    /// Members of `additionalModelRequestFields`.
    pub(crate) fields: Vec<(&'static str, Value)>,
    /// Whether the model will think, so that no tool can be forced.
    pub(crate) thinks: bool,
    /// The limit of output tokens that follows, where the client names none.
    pub(crate) max_tokens: Option<u64>,
    /// Whether the limit and the sampling parameters must be left out.
    pub(crate) without_sampling: bool,
    /// Whether the beta for efforts is needed.
    pub(crate) needs_effort_beta: bool,
}

/// What the words are chosen by.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The model.
    pub(crate) model: &'a Model<'a>,
    /// What the client says.
    pub(crate) params: &'a ChatParams,
    /// Whether an effort means a share of `max_tokens`, as Portkey has it.
    pub(crate) portkey: bool,
    /// Whether the model must not think because the calls it made before were replayed without thinking.
    pub(crate) broken_history: bool,
    /// Whether what is not supported is left out instead of refused.
    pub(crate) drop: bool,
}

impl Question<'_> {
    /// Says in the model's words what the client says of thinking.
    pub(crate) fn answer(&self, warnings: &mut Vec<String>) -> Result<Reasoning> {
        let effort = self.params.reasoning_effort.as_ref();
        let mut out = Reasoning::default();
        match Way::of(self.model) {
            Way::Claude => self.claude(&mut out, warnings)?,
            Way::Verbatim => {
                if let Some(effort) = effort {
                    out.fields.push(("reasoning_effort", effort.to_value()));
                }
            }
            Way::Gpt => {
                if let Some(effort) = effort {
                    let effort = effort_name(effort)?;
                    out.fields.push(("reasoning", json!({ "effort": effort })));
                }
            }
            Way::Nova2 => nova2(effort, &mut out, warnings)?,
            Way::Ignored | Way::Refused => {}
        }
        self.warn_of_ignored(&out, warnings);
        Ok(out)
    }

    fn warn_of_ignored(&self, out: &Reasoning, warnings: &mut Vec<String>) {
        let params = self.params;
        let asked = params.reasoning_effort.is_some() || params.thinking.is_some();
        if asked && out.fields.is_empty() && Way::of(self.model) != Way::Claude {
            warnings.push("reasoning parameters were left out: not supported".to_owned());
        }
    }

    fn limit(&self) -> Option<u64> {
        self.params.max_completion_tokens.or(self.params.max_tokens)
    }

    fn is_adaptive(&self) -> bool {
        self.model.facts.is(Flag::AdaptiveThinking)
    }

    fn claude(&self, out: &mut Reasoning, warnings: &mut Vec<String>) -> Result<()> {
        let mut config = self.given_config()?;
        let thinking = match (&self.params.thinking, &self.params.reasoning_effort) {
            (Some(thinking), _) => self.explicit(thinking.to_value(), &mut config),
            (None, Some(effort)) => self.by_effort(&effort_name(effort)?, &mut config)?,
            (None, None) => None,
        };
        let thinking = thinking.and_then(|thinking| self.fit(thinking, warnings));
        if let Some(thinking) = thinking {
            let kind = thinking.get("type").and_then(Value::as_str);
            out.thinks = matches!(kind, Some("enabled" | "adaptive"));
            if kind == Some("enabled") && self.limit().is_none() {
                let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
                out.max_tokens = budget.map(|budget| budget.saturating_add(ROOM_FOR_ANSWER));
            }
            out.fields.push(("thinking", thinking));
        }
        if let Some(Value::Object(config)) = config.filter(|config| config != &json!({})) {
            out.needs_effort_beta =
                config.contains_key("effort") && !self.is_adaptive() && self.model.facts.known;
            out.fields.push(("output_config", Value::Object(config)));
        }
        Ok(())
    }

    /// Reads the caller's `output_config` without its `format`, and checks its effort.
    fn given_config(&self) -> Result<Option<Value>> {
        let Some(mut config) = self.params.output_config.as_ref().map(RawJson::to_value) else {
            return Ok(None);
        };
        // What a model that nobody knows takes is not ours to say.
        if let (Value::Object(members), true) = (&mut config, self.model.facts.known) {
            members.shift_remove("format");
            if let Some(effort) = members.get("effort").cloned() {
                let effort = effort.as_str().unwrap_or("");
                match self.fit_effort(effort, "output_config.effort")? {
                    Some(fit) => members.insert("effort".to_owned(), json!(fit)),
                    None => members.shift_remove("effort"),
                };
            }
        }
        Ok(Some(config))
    }

    /// Takes the caller's `thinking`, in the form that this Claude knows.
    fn explicit(&self, mut thinking: Value, config: &mut Option<Value>) -> Option<Value> {
        let facts = self.model.facts;
        let kind = thinking.get("type").and_then(Value::as_str).unwrap_or("");
        match kind {
            "enabled" if self.is_adaptive() && !facts.is(Flag::LegacyThinking) => {
                let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
                Some(self.adapt(&thinking, budget, config))
            }
            "adaptive" if facts.known && !self.is_adaptive() => {
                let limit = self.limit().unwrap_or(u64::MAX);
                (limit > LEAST_BUDGET)
                    .then(|| json!({"type": "enabled", "budget_tokens": 2048.min(limit - 1)}))
            }
            "disabled" if facts.is(Flag::ThinkingAlwaysOn) => None,
            "enabled" => {
                let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
                if let (Some(budget), Value::Object(members)) = (budget, &mut thinking) {
                    let budget = budget.max(LEAST_BUDGET);
                    members.insert("budget_tokens".to_owned(), json!(budget));
                }
                Some(thinking)
            }
            _ => Some(thinking),
        }
    }

    /// Turns a budget into an effort, for models that take no budget any more.
    fn adapt(&self, given: &Value, budget: Option<u64>, config: &mut Option<Value>) -> Value {
        let mut thinking = json!({"type": "adaptive"});
        if let (Some(display), Value::Object(members)) = (given.get("display"), &mut thinking) {
            members.insert("display".to_owned(), display.clone());
        }
        let effort = match budget.unwrap_or(LEAST_BUDGET) {
            8192.. if self.model.facts.is(Flag::XhighReasoningEffort) => "xhigh",
            4096.. => "high",
            2048.. => "medium",
            _ => "low",
        };
        set_effort(config, effort);
        thinking
    }

    fn by_effort(&self, effort: &str, config: &mut Option<Value>) -> Result<Option<Value>> {
        if self.is_adaptive() {
            return self.adaptive_effort(effort, config);
        }
        if self.portkey {
            return self.share_of_limit(effort).map(Some);
        }
        let budget = match effort {
            "none" => return Ok(None),
            "minimal" | "low" => LEAST_BUDGET,
            "medium" => 2048,
            "high" => 4096,
            "xhigh" => 8192,
            "max" => 16384,
            _ => return Err(invalid_effort(effort, "reasoning_effort")),
        };
        Ok(Some(json!({"type": "enabled", "budget_tokens": budget})))
    }

    fn adaptive_effort(&self, effort: &str, config: &mut Option<Value>) -> Result<Option<Value>> {
        if effort == "none" {
            let disabled = json!({"type": "disabled"});
            let may = self.portkey && !self.model.facts.is(Flag::ThinkingAlwaysOn);
            return Ok(may.then_some(disabled));
        }
        let effort = if effort == "minimal" { "low" } else { effort };
        if let Some(effort) = self.fit_effort(effort, "reasoning_effort")? {
            set_effort(config, effort);
        }
        Ok(Some(if self.portkey {
            json!({"type": "adaptive"})
        } else {
            json!({"type": "adaptive", "display": "summarized"})
        }))
    }

    /// Portkey's meaning of an effort: a share of the output tokens.
    fn share_of_limit(&self, effort: &str) -> Result<Value> {
        let percent = match effort {
            "none" => return Ok(json!({"type": "disabled"})),
            "minimal" => 10,
            "low" => 20,
            "medium" => 50,
            "high" | "xhigh" | "max" => 80,
            _ => return Err(invalid_effort(effort, "reasoning_effort")),
        };
        let limit = self.limit().filter(|limit| *limit > LEAST_BUDGET);
        let Some(limit) = limit else {
            return Err(Error::bad_request(
                "max_tokens",
                "BadRequestError: max_tokens must be greater than 1024 when reasoning_effort is set.",
            ));
        };
        let budget = (limit / 100 * percent + limit % 100 * percent / 100).max(LEAST_BUDGET);
        Ok(json!({"type": "enabled", "budget_tokens": budget}))
    }

    /// Lowers an effort to what Bedrock takes for the model; `None` when it is left out.
    fn fit_effort<'e>(&'e self, effort: &'e str, param: &str) -> Result<Option<&'e str>> {
        // The order of Bedrock's ceilings, in which `max` comes before `xhigh`.
        const ORDER: [&str; 5] = ["low", "medium", "high", "max", "xhigh"];
        let rank = |effort: &str| ORDER.iter().position(|known| *known == effort);
        let Some(asked) = rank(effort) else {
            return Err(invalid_effort(effort, param));
        };
        let facts = self.model.facts;
        let ceiling = facts.effort_ceiling.as_deref();
        let fit = match ceiling.and_then(rank).filter(|ceiling| asked > *ceiling) {
            Some(_) => ceiling.unwrap_or(effort),
            None => effort,
        };
        let listed = match fit {
            "xhigh" => facts.is(Flag::XhighReasoningEffort),
            "max" => facts.is(Flag::MaxReasoningEffort),
            _ => true,
        };
        match (listed || !facts.known, self.drop) {
            (true, _) => Ok(Some(fit)),
            (false, true) => Ok(None),
            (false, false) => Err(invalid_effort(effort, param)),
        }
    }

    /// Makes thinking fit into the limit and the history; `None` when it cannot be.
    fn fit(&self, mut thinking: Value, warnings: &mut Vec<String>) -> Option<Value> {
        let is_enabled = thinking.get("type").is_some_and(|kind| kind == "enabled");
        if is_enabled && self.broken_history {
            warnings.push(
                "thinking was left out: earlier tool calls were sent without their thinking"
                    .to_owned(),
            );
            return None;
        }
        let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
        if let (true, Some(budget), Some(limit)) = (is_enabled, budget, self.limit())
            && limit <= budget
        {
            if limit <= LEAST_BUDGET {
                warnings.push("thinking was left out: max_tokens leaves no room".to_owned());
                return None;
            }
            warnings.push("the thinking budget was lowered below max_tokens".to_owned());
            if let Value::Object(members) = &mut thinking {
                members.insert("budget_tokens".to_owned(), json!(limit - 1));
            }
        }
        Some(thinking)
    }
}

fn set_effort(config: &mut Option<Value>, effort: &str) {
    let config = config.get_or_insert_with(|| json!({}));
    if let Value::Object(members) = config {
        members.entry("effort").or_insert_with(|| json!(effort));
    }
}

fn nova2(effort: Option<&RawJson>, out: &mut Reasoning, warnings: &mut Vec<String>) -> Result<()> {
    let Some(effort) = effort else {
        return Ok(());
    };
    let effort = effort_name(effort)?;
    let level = match effort.as_str() {
        "none" => {
            out.fields
                .push(("reasoningConfig", json!({"type": "disabled"})));
            return Ok(());
        }
        "minimal" | "low" => "low",
        "medium" => "medium",
        "high" | "xhigh" | "max" => "high",
        _ => return Err(invalid_effort(&effort, "reasoning_effort")),
    };
    if level == "high" {
        // https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
        out.without_sampling = true;
        warnings.push(
            "max_tokens, temperature and top_p are left out with high reasoning effort".to_owned(),
        );
    }
    out.fields.push((
        "reasoningConfig",
        json!({"type": "enabled", "maxReasoningEffort": level}),
    ));
    Ok(())
}

/// Reads an effort: a string, or an object that has one.
pub(crate) fn effort_name(effort: &RawJson) -> Result<String> {
    let value = effort.to_value();
    let name = value.as_str().or_else(|| value.get("effort")?.as_str());
    name.map(str::to_owned)
        .ok_or_else(|| invalid_effort(effort.get(), "reasoning_effort"))
}

fn invalid_effort(effort: &str, param: &str) -> Error {
    let effort: String = effort.chars().take(100).collect();
    Error::bad_request(
        param,
        format!("BadRequestError: the model does not support {param} '{effort}'."),
    )
}
