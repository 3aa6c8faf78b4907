//! Which parameters a family takes, for families that take fewer than Converse and Claude do.

use serde_json::json;

use crate::canonical::{ChatParams, ChatRequest, RawJson, ResponseFormat};
use crate::error::Result;
use crate::provider::Target;
use crate::provider::bedrock::chat::kind::Model;
use crate::provider::bedrock::chat::params::{means_nothing, remove, static_name, unsupported};
use crate::provider::bedrock::chat::{Wire, drop_paths, from_messages, metadata};

/// Returns the parameters that a family takes, of which `taken` are all by their OpenAI names; refuses the others, or
/// leaves them out where that is wanted.
pub(in crate::provider::bedrock) fn screen(
    request: &ChatRequest,
    target: &Target,
    taken: &[&str],
    warnings: &mut Vec<String>,
) -> Result<ChatParams> {
    let mut params = request.params.over(&target.defaults);
    metadata::leave_to_operator(&mut params, target, warnings);
    if from_messages::is_from_messages(request) {
        from_messages::require_limit(request, &params)?;
        let model = Model::new(target, Wire::Converse);
        from_messages::translate(&mut params, &model, warnings);
        leave_out_thinking(&mut params, taken, warnings);
    }
    let is_taken = taken.contains(&"reasoning_effort");
    if params.effort_is_wish && params.reasoning_effort.is_some() && !is_taken {
        remove(&mut params, "reasoning_effort");
        warnings.push("parameter reasoning_effort was left out: not supported".to_owned());
    }
    let repairs = &target.repairs;
    let of_request = std::mem::take(&mut params.additional_drop_params);
    drop_paths::apply(&mut params, &repairs.additional_drop_params, &of_request)?;
    let mut allowed = repairs.allowed_openai_params.clone();
    allowed.append(&mut params.allowed_openai_params);

    settle_silently(&mut params, taken, warnings);
    let is_allowed = |name: &str| allowed.iter().any(|allowed| allowed == name);
    let mut refused = Vec::new();
    for (name, value) in known(&params) {
        if taken.contains(&name) {
            continue;
        }
        if is_allowed(name) {
            remove(&mut params, name);
            params.extra.push((name.to_owned(), value));
        } else {
            refused.push(name);
        }
    }
    for (name, value) in std::mem::take(&mut params.openai) {
        if means_nothing(&name, &value) {
            continue;
        }
        match static_name(&name) {
            Some(known) if !taken.contains(&known) && !is_allowed(known) => refused.push(known),
            _ => params.openai.push((name, value)),
        }
    }
    if refused.is_empty() {
        return Ok(params);
    }
    refused.sort_unstable();
    if !params.drop_params.unwrap_or(repairs.drop_params) {
        let model = Model::new(target, Wire::Converse);
        return Err(unsupported(&refused, model.name()));
    }
    for name in refused {
        remove(&mut params, name);
        warnings.push(format!("parameter {name} was left out: not supported"));
    }
    Ok(params)
}

/// Takes out words for thinking that the family does not know, which clients of Anthropic's format send whatever the model.
fn leave_out_thinking(params: &mut ChatParams, taken: &[&str], warnings: &mut Vec<String>) {
    for name in ["reasoning_effort", "thinking", "output_config"] {
        let is_said = match name {
            "reasoning_effort" => params.reasoning_effort.is_some(),
            "thinking" => params.thinking.is_some(),
            _ => params.output_config.is_some(),
        };
        if is_said && !taken.contains(&name) {
            remove(params, name);
            warnings.push(format!("parameter {name} was left out: not supported"));
        }
    }
}

/// Takes out what says nothing, and what is never refused.
fn settle_silently(params: &mut ChatParams, taken: &[&str], warnings: &mut Vec<String>) {
    if params.tools.is_empty() {
        params.tool_choice = None;
        params.parallel_tool_calls = None;
    }
    if !taken.contains(&"parallel_tool_calls") {
        params.parallel_tool_calls = None;
    }
    if matches!(params.response_format, Some(ResponseFormat::Text)) {
        params.response_format = None;
    }
    if params.stop.as_ref().is_some_and(Vec::is_empty) {
        params.stop = None;
    }
    if params.top_k.is_some() && !taken.contains(&"top_k") {
        params.top_k = None;
        warnings.push("parameter top_k was left out: not supported".to_owned());
    }
}

/// The parameters that have a place of their own and were given, with what is sent where one is allowed by name.
fn known(params: &ChatParams) -> Vec<(&'static str, RawJson)> {
    let number = |value: &serde_json::Number| RawJson::from_value(value);
    let tools =
        || RawJson::from_value(&params.tools.iter().map(|tool| &tool.0).collect::<Vec<_>>());
    let mut out = Vec::new();
    let mut put = |name, value: Option<RawJson>| out.extend(value.map(|value| (name, value)));
    put(
        "max_tokens",
        params.max_tokens.map(|value| RawJson::from_value(&value)),
    );
    put(
        "max_completion_tokens",
        params
            .max_completion_tokens
            .map(|value| RawJson::from_value(&value)),
    );
    put("temperature", params.temperature.as_ref().map(number));
    put("top_p", params.top_p.as_ref().map(number));
    put("stop", params.stop.as_ref().map(RawJson::from_value));
    put("tools", (!params.tools.is_empty()).then(tools));
    put(
        "tool_choice",
        params
            .tool_choice
            .as_ref()
            .map(super::openai_request::tool_choice),
    );
    put(
        "response_format",
        params
            .response_format
            .as_ref()
            .map(super::openai_request::response_format),
    );
    put("reasoning_effort", params.reasoning_effort.clone());
    put("thinking", params.thinking.clone());
    put("output_config", params.output_config.clone());
    out
}

/// Returns the limit of generated tokens; OpenAI's newer name wins.
pub(in crate::provider::bedrock) fn limit(params: &ChatParams) -> Option<RawJson> {
    let limit = params.max_completion_tokens.or(params.max_tokens);
    limit.map(|limit| RawJson::from_value(&json!(limit)))
}
