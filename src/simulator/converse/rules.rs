//! What Bedrock demands of a conversation beyond its shape: roles, turns, tool results that fit tool calls.
//!
//! The wording is AWS's where it was seen in practice; clients and gateways match on some of it.

use super::super::error::AwsError;
use super::super::json::Node;
use super::request::Request;
use super::{content, model_rules, tools};

type Checked = Result<(), AwsError>;

/// Checks everything that the shape cannot express.
pub(super) fn check(request: &Request<'_>) -> Checked {
    check_prompt(request)?;
    check_turns(request)?;
    content::check(request)?;
    tools::check(request)?;
    check_pairs(request)?;
    check_settings(request)?;
    model_rules::check(request)
}

/// A stored prompt brings its own settings; an ordinary model has no variables.
fn check_prompt(request: &Request<'_>) -> Checked {
    if !request.model.is_prompt {
        if request.root.has("promptVariables") {
            return Err(AwsError::validation(
                "promptVariables can only be used with a prompt from Prompt management.",
            ));
        }
        return Ok(());
    }
    let refused = [
        "inferenceConfig",
        "system",
        "toolConfig",
        "additionalModelRequestFields",
    ];
    match refused.iter().find(|name| request.root.has(name)) {
        Some(name) => Err(AwsError::validation(format!(
            "The {name} field can't be used when the modelId is a prompt from Prompt management. Remove it and try again."
        ))),
        None => Ok(()),
    }
}

fn check_turns(request: &Request<'_>) -> Checked {
    let messages = request.messages();
    if messages.is_empty() && request.model.is_prompt {
        return Ok(());
    }
    let mut expected = "user";
    for (index, message) in messages.iter().enumerate() {
        let role = message.text_of("role").unwrap_or_default();
        if role == "system" {
            return Err(AwsError::validation(format!(
                "This model doesn't support the system role at messages.{index}. Use the system field and try again."
            )));
        }
        if role != expected && index > 0 {
            return Err(AwsError::validation(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates \
                 between user and assistant roles and try again.",
            ));
        }
        if role != expected {
            break;
        }
        if message.items_of("content").is_empty() {
            return Err(AwsError::validation(format!(
                "The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to the \
                 content field and try again."
            )));
        }
        expected = if role == "user" { "assistant" } else { "user" };
    }
    if messages.first().and_then(|message| message.text_of("role")) == Some("user") {
        return Ok(());
    }
    Err(AwsError::validation(
        "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
    ))
}

/// Every tool call is answered in the next message, and every tool result answers a call of the message before.
fn check_pairs(request: &Request<'_>) -> Checked {
    let mut called: Vec<&str> = Vec::new();
    for (index, message) in request.messages().iter().enumerate() {
        let results = ids(message, "toolResult");
        let calls = ids(message, "toolUse");
        if results.len() > called.len() {
            return Err(AwsError::validation(format!(
                "The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of \
                 previous turn."
            )));
        }
        let missing: Vec<&str> = called
            .iter()
            .copied()
            .filter(|id| !results.contains(id))
            .collect();
        if !missing.is_empty() {
            return Err(missing_results(index, &missing));
        }
        if let Some(repeated) = first_repeated(&calls) {
            return Err(AwsError::from_model(format!(
                "messages.{index}: `tool_use` ids must be unique: {repeated}"
            )));
        }
        called = calls;
    }
    if called.is_empty() {
        Ok(())
    } else {
        Err(missing_results(request.messages().len(), &called))
    }
}

fn missing_results(message: usize, ids: &[&str]) -> AwsError {
    AwsError::validation(format!(
        "Expected toolResult blocks at messages.{message}.content for the following Ids: {}",
        ids.join(", ")
    ))
}

/// Returns the ids of a message's tool calls or results; calls that the service itself answers are left out.
fn ids<'a>(message: &'a Node<'a>, kind: &str) -> Vec<&'a str> {
    let blocks = message
        .items_of("content")
        .iter()
        .filter_map(|block| block.get(kind));
    blocks
        .filter(|block| kind == "toolResult" || !block.has("type"))
        .filter_map(|block| block.text_of("toolUseId"))
        .collect()
}

fn first_repeated<'a>(ids: &[&'a str]) -> Option<&'a str> {
    ids.iter()
        .enumerate()
        .find(|(index, id)| ids.iter().take(*index).any(|other| other == *id))
        .map(|(_, id)| *id)
}

fn check_settings(request: &Request<'_>) -> Checked {
    if let Some(guardrail) = request.root.get("guardrailConfig") {
        let id = guardrail.text_of("guardrailIdentifier").unwrap_or_default();
        let version = guardrail.text_of("guardrailVersion").unwrap_or_default();
        if id.is_empty() != version.is_empty() {
            return Err(AwsError::validation(
                "The guardrailIdentifier and guardrailVersion fields must both be set. Set both fields and try again.",
            ));
        }
        if id.contains("nonexistent") {
            return Err(AwsError::validation(
                "The guardrail identifier or version provided in the request does not exist.",
            ));
        }
    }
    for (index, path) in request
        .root
        .items_of("additionalModelResponseFieldPaths")
        .iter()
        .enumerate()
    {
        if !path.text().unwrap_or_default().starts_with('/') {
            return Err(AwsError::validation(format!(
                "The value at additionalModelResponseFieldPaths.{index} isn't a JSON Pointer. Provide a JSON Pointer and \
                 try again."
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
