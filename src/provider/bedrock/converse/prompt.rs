//! Requests to a stored prompt, whose ARN stands in place of a model id.
//!
//! The prompt defines the model, its instructions, tools and sampling; Bedrock refuses all of these beside it
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-management-how.html>). What is left are the variables and
//! messages that follow the prompt's own.

use serde_json::{Map, Value, json};

use super::blocks::write_turns;
use crate::canonical::{ChatParams, ChatRequest, RawJson, Role};
use crate::error::{Error, Result};
use crate::provider::Target;
use crate::provider::bedrock::chat::cache::CachePolicy;
use crate::provider::bedrock::chat::draft::{mending, orphan_rules};
use crate::provider::bedrock::chat::kind::Model;
use crate::provider::bedrock::chat::names::Namer;
use crate::provider::bedrock::chat::params::{openai_only, unsupported};
use crate::provider::bedrock::chat::tools::Tools;
use crate::provider::bedrock::chat::{Wire, history, messages};

/// Refuses what the prompt defines, or leaves it out where that is wanted.
pub(super) fn check(request: &ChatRequest, drop: bool) -> Result<()> {
    let given = &request.params;
    if !given.tools.is_empty() {
        return Err(Error::bad_request(
            "tools",
            "Invalid value for 'tools': a stored prompt defines its own tools.",
        ));
    }
    if request
        .messages
        .iter()
        .any(|message| message.role == Role::System)
    {
        return Err(Error::bad_request(
            "messages",
            "Invalid Message: a stored prompt defines its own system message.",
        ));
    }
    let mut refused = sampling(given);
    refused.extend(openai_only(given));
    refused.sort_unstable();
    if refused.is_empty() || drop {
        return Ok(());
    }
    Err(unsupported(&refused, "a stored prompt"))
}

fn sampling(given: &ChatParams) -> Vec<&'static str> {
    let set = [
        (
            "max_completion_tokens",
            given.max_completion_tokens.is_some(),
        ),
        ("max_tokens", given.max_tokens.is_some()),
        ("output_config", given.output_config.is_some()),
        ("reasoning_effort", given.reasoning_effort.is_some()),
        ("response_format", given.response_format.is_some()),
        ("stop", given.stop.is_some()),
        ("temperature", given.temperature.is_some()),
        ("thinking", given.thinking.is_some()),
        ("top_k", given.top_k.is_some()),
        ("top_p", given.top_p.is_some()),
    ];
    set.into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(name, _)| name)
        .collect()
}

/// Writes `promptVariables`: each value as `{"text": …}`, also where the client gives a plain string.
pub(super) fn variables(params: &ChatParams) -> Result<Option<RawJson>> {
    let Some(given) = params.extra("promptVariables") else {
        return Ok(None);
    };
    let Value::Object(given) = given.to_value() else {
        return Err(Error::bad_request(
            "promptVariables",
            "Invalid value for 'promptVariables': expected an object.",
        ));
    };
    let mut out = Map::new();
    for (name, value) in given {
        let value = match value {
            Value::Object(_) => value,
            Value::String(text) => json!({ "text": text }),
            Value::Number(_) | Value::Bool(_) => json!({"text": value.to_string()}),
            Value::Null | Value::Array(_) => {
                let path = format!("promptVariables.{name}");
                let message = format!("Invalid value for '{path}': expected a string.");
                return Err(Error::bad_request(path, message));
            }
        };
        out.insert(name, value);
    }
    Ok(Some(RawJson::from_value(&out)))
}

/// Appends the messages that follow the prompt's own; there may be none.
pub(super) fn write_messages(
    request: &ChatRequest,
    target: &Target,
    params: &ChatParams,
    out: &mut Vec<u8>,
) -> Result<()> {
    let model = Model::new(target, Wire::Converse);
    let mending = mending(params, target, Wire::Converse);
    let mut list = history::borrow(&request.messages);
    orphan_rules(target, &mending).apply(&mut list, &mut Tools::default())?;
    let cache = CachePolicy::of(&model);
    let (written, mut namer) = (&request.messages, Namer::default());
    let turns = messages::turns(&list, written, &model, cache, &mending, &mut namer)?;
    write_turns(&turns, out);
    Ok(())
}
