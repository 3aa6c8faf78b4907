//! Bedrock's own OpenAI-shaped APIs, on the runtime and on `bedrock-mantle`.
//!
//! Both stream server-sent events. What they say is read as any family's answer is ([`super::invoke::said`]).
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html>.

mod chat_completions;
mod mantle;
mod native;
mod native_answer;
mod native_input;
mod native_screen;
mod responses;
mod responses_request;

use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) use chat_completions::ChatCompletions;
pub(super) use mantle::Mantle;
pub(super) use native::{exchange as native_exchange, is_asked_natively, url as native_url};

use crate::canonical::{ChatParams, RawJson};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Target;
use crate::provider::bedrock::chat::params::{remove, unsupported};

/// Sampling parameters that a GPT takes only while it does not reason.
const WITHOUT_REASONING: [&str; 6] = [
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "logprobs",
    "top_logprobs",
];

/// Says whether a request lets the model reason: unless it is told not to, it does.
fn reasons(params: &ChatParams) -> bool {
    let effort = params.reasoning_effort.as_ref();
    effort
        .and_then(|effort| effort.parse::<String>().ok())
        .as_deref()
        != Some("none")
}

/// Refuses parameters that go by what else is asked, or leaves them out where that is wanted.
fn settle(params: &mut ChatParams, target: &Target, warnings: &mut Vec<String>) -> Result<()> {
    // A member of the body here, not a header as everywhere else.
    let is_tier = |(name, _): &(String, RawJson)| name == "service_tier";
    params
        .openai
        .extend(params.extra.extract_if(.., |it| is_tier(it)));
    let model = &target.model;
    let mut refused = Vec::new();
    let effort = params.reasoning_effort.as_ref();
    if effort.is_some_and(|effort| !effort.is_null() && effort.parse::<String>().is_err()) {
        refused.push("reasoning_effort");
    }
    if model.is_openai_gpt() && reasons(params) {
        let is_given = |name: &&str| match *name {
            "temperature" => params.temperature.is_some(),
            "top_p" => params.top_p.is_some(),
            name => params.openai.iter().any(|(known, _)| known == name),
        };
        refused.extend(WITHOUT_REASONING.into_iter().filter(is_given));
    }
    refused.sort_unstable();
    if refused.is_empty() {
        return Ok(());
    }
    if !params.drop_params.unwrap_or(target.repairs.drop_params) {
        return Err(unsupported(&refused, &model.wire));
    }
    for name in refused {
        remove(params, name);
        warnings.push(format!("parameter {name} was left out: not supported"));
    }
    Ok(())
}

/// Reads an error that stands where an answer or an event was expected.
fn fault(raw: &RawValue) -> Error {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "type", default)]
        kind: Option<String>,
        #[serde(default)]
        code: Option<RawJson>,
        #[serde(default)]
        message: Option<String>,
    }
    let Ok(wire) = serde_json::from_str::<Wire>(raw.get()) else {
        return Error::new(
            ErrorKind::Unavailable,
            "the model ended its answer with an error",
        );
    };
    let code = wire.code.map(|code| code.to_value());
    let code = code.as_ref().map(|code| match code {
        serde_json::Value::String(code) => code.clone(),
        other => other.to_string(),
    });
    let named = |word: &str| {
        let has = |name: &Option<String>| name.as_ref().is_some_and(|name| name.contains(word));
        has(&wire.kind) || has(&code)
    };
    let kind = if named("rate_limit") || named("429") {
        ErrorKind::Throttled
    } else if named("invalid_request") || named("400") {
        ErrorKind::BadRequest
    } else if named("timeout") {
        ErrorKind::Timeout
    } else {
        ErrorKind::Unavailable
    };
    let message = wire.message.filter(|message| !message.is_empty());
    Error::new(
        kind,
        message.unwrap_or_else(|| "the model ended its answer with an error".to_owned()),
    )
}
