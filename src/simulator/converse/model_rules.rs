//! What the models themselves refuse, behind Bedrock's own checks. Mostly Claude, whose rules about thinking a
//! gateway must know.

use super::super::error::AwsError;
use super::super::json::Node;
use super::super::model_id::Family;
use super::reasoning;
use super::request::Request;

/// What Claude may write where the request does not say.
const DEFAULT_MAX_TOKENS: u64 = 4096;
const MIN_THINKING_BUDGET: u64 = 1024;

type Checked = Result<(), AwsError>;

pub(super) fn check(request: &Request<'_>) -> Checked {
    check_output_schema(request)?;
    match request.model.family {
        Family::Claude => {
            check_conflicts(request)?;
            check_beta(request)?;
            check_sampling(request)?;
            check_thinking(request)?;
            check_prefill(request)?;
            reasoning::check_signatures(request)
        }
        Family::Nova => {
            refuse_extra(request, &["thinking", "reasoning_effort", "anthropic_beta"])?;
            check_nova_reasoning(request)
        }
        Family::Llama | Family::Mistral | Family::Cohere | Family::Ai21 => {
            refuse_extra(request, &["thinking", "anthropic_beta"])
        }
        _ => Ok(()),
    }
}

fn refuse_extra(request: &Request<'_>, names: &[&str]) -> Checked {
    match names.iter().find(|name| request.extra(name).is_some()) {
        Some(name) => Err(AwsError::validation(format!(
            "Malformed input request: #: extraneous key [{name}] is not permitted, please reformat your input and try again."
        ))),
        None => Ok(()),
    }
}

/// A setting may come as Converse's field or as the model's own, not as both.
fn check_conflicts(request: &Request<'_>) -> Checked {
    let twins = [
        ("maxTokens", "max_tokens"),
        ("temperature", "temperature"),
        ("topP", "top_p"),
        ("stopSequences", "stop_sequences"),
    ];
    let conflict = |(ours, theirs): &&(&str, &str)| {
        request.inference(ours).is_some() && request.extra(theirs).is_some()
    };
    match twins.iter().find(conflict) {
        Some((_, name)) => Err(AwsError::validation(format!(
            "The additional field {name} conflicts with an existing field."
        ))),
        None => Ok(()),
    }
}

fn check_beta(request: &Request<'_>) -> Checked {
    let Some(beta) = request.extra("anthropic_beta") else {
        return Ok(());
    };
    let strings =
        matches!(beta, Node::List(items) if items.iter().all(|item| item.text().is_some()));
    if strings {
        Ok(())
    } else {
        Err(AwsError::from_model(
            "anthropic_beta: Input should be a valid list",
        ))
    }
}

fn check_sampling(request: &Request<'_>) -> Checked {
    if !request.model.is_claude_from(4, 7) {
        return Ok(());
    }
    let temperature = request
        .inference("temperature")
        .and_then(Node::number)
        .is_some_and(|value| !is_one(value));
    let refused = [
        ("temperature", temperature),
        ("top_p", request.inference("topP").is_some()),
        ("top_k", request.extra("top_k").is_some()),
    ];
    match refused.iter().find(|(_, set)| *set) {
        Some((name, _)) => Err(AwsError::from_model(format!(
            "`{name}` is deprecated for this model."
        ))),
        None => Ok(()),
    }
}

fn check_thinking(request: &Request<'_>) -> Checked {
    let refuse = |message: &str| Err(AwsError::from_model(message));
    let Some(thinking) = request.extra("thinking") else {
        return Ok(());
    };
    if !request.model.is_claude_from(3, 7) {
        return refuse("thinking: Extra inputs are not permitted");
    }
    match request.thinking() {
        "disabled" => {
            return if thinking.has("type") {
                Ok(())
            } else {
                refuse("thinking.type: Field required")
            };
        }
        "adaptive" if request.model.is_claude_from(4, 6) => {}
        "adaptive" => return refuse("adaptive thinking is not supported on this model"),
        "enabled" if request.model.is_claude_from(4, 7) => {
            return refuse(
                "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \
                 \"output_config.effort\" to control thinking behavior.",
            );
        }
        "enabled" => check_budget(request, thinking)?,
        other => {
            return refuse(&format!(
                "thinking: Input tag '{other}' found using 'type' does not match any of the expected tags: 'adaptive', \
                 'disabled', 'enabled'"
            ));
        }
    }
    check_beside_thinking(request)?;
    if request.thinking() == "enabled" {
        check_thinking_first(request)
    } else {
        Ok(())
    }
}

/// What may not be set while Claude thinks.
fn check_beside_thinking(request: &Request<'_>) -> Checked {
    let refuse = |message: &str| Err(AwsError::from_model(message));
    if request.forces_tool() {
        return refuse("Thinking may not be enabled when tool_choice forces tool use.");
    }
    if request
        .inference("temperature")
        .and_then(Node::number)
        .is_some_and(|value| !is_one(value))
    {
        return refuse("`temperature` may only be set to 1 when thinking is enabled.");
    }
    if request
        .inference("topP")
        .and_then(Node::number)
        .is_some_and(|value| value < 0.95)
    {
        return refuse(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
        );
    }
    if request.extra("top_k").is_some() {
        return refuse("`top_k` must be unset when thinking is enabled.");
    }
    Ok(())
}

fn check_budget(request: &Request<'_>, thinking: &Node<'_>) -> Checked {
    let Some(budget) = thinking.get("budget_tokens").and_then(Node::integer) else {
        return Err(AwsError::from_model(
            "thinking.enabled.budget_tokens: Field required",
        ));
    };
    if budget < MIN_THINKING_BUDGET {
        return Err(AwsError::from_model(format!(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING_BUDGET}"
        )));
    }
    let max_tokens = request
        .inference("maxTokens")
        .and_then(Node::integer)
        .unwrap_or(DEFAULT_MAX_TOKENS);
    if max_tokens <= budget {
        return Err(AwsError::from_model(
            "`max_tokens` must be greater than `thinking.budget_tokens`.",
        ));
    }
    Ok(())
}

/// In a tool loop the assistant's turn must bring back its thinking.
fn check_thinking_first(request: &Request<'_>) -> Checked {
    let messages = request.messages();
    let Some((index, last)) = messages
        .iter()
        .enumerate()
        .rfind(|(_, message)| message.text_of("role") == Some("assistant"))
    else {
        return Ok(());
    };
    let blocks = last.items_of("content");
    let in_loop = index + 1 == messages.len() || blocks.iter().any(|block| block.has("toolUse"));
    let begins = blocks
        .first()
        .is_some_and(|block| block.has("reasoningContent"));
    if !in_loop || begins {
        return Ok(());
    }
    let found = if blocks.first().is_some_and(|block| block.has("toolUse")) {
        "tool_use"
    } else {
        "text"
    };
    Err(AwsError::from_model(format!(
        "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When `thinking` \
         is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of \
         `tool_use` and `tool_result` blocks). To avoid this requirement, disable `thinking`."
    )))
}

fn check_prefill(request: &Request<'_>) -> Checked {
    let Some(last) = request
        .last_message()
        .filter(|message| message.text_of("role") == Some("assistant"))
    else {
        return Ok(());
    };
    if request.model.is_claude_from(4, 6) {
        return Err(AwsError::from_model(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    let text = last
        .items_of("content")
        .last()
        .and_then(|block| block.text_of("text"))
        .unwrap_or_default();
    if text.ends_with(char::is_whitespace) {
        return Err(AwsError::from_model(
            "messages: final assistant content cannot end with trailing whitespace",
        ));
    }
    Ok(())
}

fn check_nova_reasoning(request: &Request<'_>) -> Checked {
    let Some(config) = request.extra("reasoningConfig") else {
        return Ok(());
    };
    let refuse = |message: &str| Err(AwsError::validation(message));
    if !request.model.base.starts_with("amazon.nova-2") {
        return refuse_extra(request, &["reasoningConfig"]);
    }
    let effort = config.text_of("maxReasoningEffort");
    match (config.text_of("type"), effort) {
        (Some("disabled"), None) | (Some("enabled"), Some("low" | "medium")) => Ok(()),
        (Some("enabled"), Some("high")) => {
            let unset = ["maxTokens", "temperature", "topP"];
            match unset.iter().find(|name| request.inference(name).is_some()) {
                Some(name) => refuse(&format!(
                    "{name} must be unset when maxReasoningEffort is high."
                )),
                None => Ok(()),
            }
        }
        _ => refuse(
            "Malformed input request: #/reasoningConfig: is not valid, please reformat your input and try again.",
        ),
    }
}

/// Structured output needs a JSON schema, and Claude wants its objects closed.
fn check_output_schema(request: &Request<'_>) -> Checked {
    let path = [
        "outputConfig",
        "textFormat",
        "structure",
        "jsonSchema",
        "schema",
    ];
    let Some(text) = request.root.at(&path).and_then(Node::text) else {
        return Ok(());
    };
    let Ok(schema @ Node::Object(_)) = serde_json::from_str::<Node<'_>>(text) else {
        return Err(AwsError::validation(format!(
            "The value at {} isn't a JSON object.",
            path.join(".")
        )));
    };
    if request.model.family == Family::Claude && !objects_are_closed(&schema) {
        return Err(AwsError::from_model(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        ));
    }
    Ok(())
}

fn objects_are_closed(schema: &Node<'_>) -> bool {
    let closed = schema.text_of("type") != Some("object")
        || schema.get("additionalProperties") == Some(&Node::Flag(false));
    let maps = ["properties", "$defs", "definitions"]
        .iter()
        .filter_map(|name| schema.get(name));
    let lists = ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|name| schema.get(name));
    closed
        && maps
            .flat_map(Node::members)
            .all(|(_, inner)| objects_are_closed(inner))
        && lists.flat_map(Node::items).all(objects_are_closed)
        && schema.get("items").is_none_or(objects_are_closed)
}

fn is_one(value: f64) -> bool {
    (value - 1.0).abs() < f64::EPSILON
}
