//! A request in Anthropic's format for a model that is no Claude: what it says of thinking, in words that other models know.
//!
//! Clients of this format (agents above all) send thinking, efforts and context management whatever the model, and cannot
//! react to a refusal. So what another model does not take is left out, with a warning.

use serde_json::{Value, json};

use super::history::Messages;
use super::kind::Model;
use super::reasoning::Way;
use super::response_format;
use crate::canonical::{
    ChatParams, ChatRequest, Content, NativeFormat, Part, PartKind, RawJson, ResponseFormat,
};
use crate::error::{Error, Result};

/// Says whether a request came in Anthropic's format.
pub(crate) fn is_from_messages(request: &ChatRequest) -> bool {
    let native = request.native.as_ref();
    native.is_some_and(|native| native.format == NativeFormat::Messages)
}

/// Refuses a request in Anthropic's format that names no limit, where the deployment names none either.
pub(crate) fn require_limit(request: &ChatRequest, params: &ChatParams) -> Result<()> {
    let has_limit = params.max_tokens.is_some() || params.max_completion_tokens.is_some();
    if has_limit || !is_from_messages(request) {
        return Ok(());
    }
    Err(Error::bad_request(
        "max_tokens",
        "max_tokens is required for Anthropic /v1/messages API",
    ))
}

/// Says the parameters of a request in Anthropic's format in words that the model knows.
pub(crate) fn translate(params: &mut ChatParams, model: &Model<'_>, warnings: &mut Vec<String>) {
    if model.may_be_claude() {
        return;
    }
    lower_limit(params, model, warnings);
    let config = params.output_config.take().map(|config| config.to_value());
    let config = config.unwrap_or(Value::Null);
    if let Some(format) = config.get("format").filter(|format| !format.is_null())
        && params.response_format.is_none()
    {
        params.response_format =
            response_format::of_output_config(format).map(ResponseFormat::JsonSchema);
    }
    let said = config.get("effort").and_then(Value::as_str);
    let thinking = params.thinking.take().map(|thinking| thinking.to_value());
    if let Some(effort) = effort(thinking.as_ref(), said)
        && params.reasoning_effort.is_none()
    {
        params.reasoning_effort = Some(RawJson::from_value(&json!(effort)));
    }
    if params.reasoning_effort.is_some() && matches!(Way::of(model), Way::Refused | Way::Ignored) {
        params.reasoning_effort = None;
        warnings.push("thinking was left out: not supported".to_owned());
    }
    params
        .extra
        .retain(|(name, _)| !matches!(name.as_str(), "context_management" | "safeguards"));
}

/// Lowers a limit that was chosen for Claude to the most that the model generates.
fn lower_limit(params: &mut ChatParams, model: &Model<'_>, warnings: &mut Vec<String>) {
    let most = model.facts.max_output_tokens.filter(|most| *most > 0);
    let limit = params.max_completion_tokens.or(params.max_tokens);
    if let (Some(most), Some(limit)) = (most, limit)
        && limit > most
    {
        params.max_completion_tokens = None;
        params.max_tokens = Some(most);
        warnings.push(format!(
            "max_tokens was lowered to {most}, the model's most"
        ));
    }
}

/// Takes Claude's thinking out of the history of a model that does not think, and would refuse it.
pub(crate) fn drop_thinking(messages: &mut Messages<'_>, model: &Model<'_>) {
    if model.may_be_claude() || Way::of(model) != Way::Refused {
        return;
    }
    let is_thinking = |part: &Part| matches!(part.kind, PartKind::Thinking(_));
    for message in messages {
        let Content::Parts(parts) = &message.content else {
            continue;
        };
        if parts.iter().any(is_thinking)
            && let Content::Parts(parts) = &mut message.to_mut().content
        {
            parts.retain(|part| !is_thinking(part));
        }
    }
}

/// Returns the effort that comes closest to what is said of thinking.
fn effort<'a>(thinking: Option<&Value>, said: Option<&'a str>) -> Option<&'a str> {
    let Some(thinking) = thinking else {
        return said;
    };
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    match thinking.get("type").and_then(Value::as_str)? {
        "disabled" => Some("none"),
        "adaptive" => Some(said.unwrap_or("medium")),
        "enabled" => Some(match budget.unwrap_or(0) {
            4096.. => "high",
            2048.. => "medium",
            1024.. => "low",
            _ => "minimal",
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_becomes_the_nearest_effort() {
        let budget = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
        for (thinking, said, expected) in [
            (
                Some(json!({"type": "disabled"})),
                Some("high"),
                Some("none"),
            ),
            (Some(json!({"type": "adaptive"})), None, Some("medium")),
            (Some(json!({"type": "adaptive"})), Some("max"), Some("max")),
            (Some(budget(4096)), None, Some("high")),
            (Some(budget(2048)), None, Some("medium")),
            (Some(budget(1024)), None, Some("low")),
            (Some(budget(1)), None, Some("minimal")),
            (None, Some("low"), Some("low")),
            (None, None, None),
        ] {
            assert_eq!(effort(thinking.as_ref(), said), expected, "{thinking:?}");
        }
    }
}
