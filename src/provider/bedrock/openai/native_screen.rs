//! What of a Responses request a model that speaks the format itself would not understand, though the gateway does.
//!
//! Clients may write tools and schemas as chat, Anthropic or Converse do. Such a request is bridged, in which they are put
//! into the model's words. Parameters of other formats that have no place in a response are left out, and that is said.

use serde_json::value::RawValue;

use super::native::KEPT;
use crate::canonical::{ChatParams, ChatRequest, RawJson, RawObject};

/// Types of `tool_choice` that this format writes as a mere word, or not at all.
const CHOICES_OF_OTHERS: [&str; 5] = ["any", "auto", "none", "required", "tool"];

/// Says whether a request has tools, a choice of them or a schema in another format's form.
pub(super) fn is_in_another_form(request: &ChatRequest) -> bool {
    let params = &request.params;
    let (has_tools, has_format) = (!params.tools.is_empty(), params.response_format.is_some());
    let has_choice = params.tool_choice.is_some();
    if !has_tools && !has_format && !has_choice {
        return false;
    }
    let body = request.native.as_ref().map_or("{}", |it| it.body.get());
    let body = RawObject::parse(body).unwrap_or_default();
    has_tools && body.get("tools").is_some_and(is_any_tool_of_others)
        || has_choice && body.get("tool_choice").is_some_and(is_choice_of_others)
        || has_format && body.get("text").is_some_and(is_format_of_others)
}

fn is_any_tool_of_others(list: &str) -> bool {
    let list: Vec<&RawValue> = serde_json::from_str(list).unwrap_or_default();
    let objects = list.into_iter().filter_map(|it| RawObject::parse(it.get()));
    objects
        .into_iter()
        .any(|tool| has_any(&tool, &["function", "input_schema", "toolSpec"]))
}

fn is_choice_of_others(choice: &str) -> bool {
    let Some(object) = RawObject::parse(choice) else {
        return serde_json::from_str::<String>(choice).is_ok_and(|word| word == "any");
    };
    let kind = object.text("type");
    has_any(&object, &["function", "allowed_tools"])
        || kind.is_some_and(|kind| CHOICES_OF_OTHERS.contains(&&*kind))
}

fn is_format_of_others(text: &str) -> bool {
    let format = RawObject::parse(text).and_then(|text| RawObject::parse(text.get("format")?));
    format.is_some_and(|format| has_any(&format, &["json_schema", "response_schema"]))
}

fn has_any(object: &RawObject<'_>, names: &[&str]) -> bool {
    let is_there = |name: &&str| object.get(name).is_some_and(|value| value != "null");
    names.iter().any(is_there)
}

/// Says which parameters are left out because a response has no place for them.
pub(super) fn tell_left_out(params: &ChatParams, warnings: &mut Vec<String>) {
    let is_set = |value: Option<&RawJson>| value.is_some_and(|value| !value.is_null());
    let stops = params.stop.as_ref().is_some_and(|stop| !stop.is_empty());
    let own = [
        ("stop", stops),
        ("top_k", params.top_k.is_some()),
        ("thinking", is_set(params.thinking.as_ref())),
        ("output_config", is_set(params.output_config.as_ref())),
    ];
    let own = own
        .into_iter()
        .filter_map(|(name, set)| set.then_some(name));
    let of_chat = params.openai.iter().filter(|(name, value)| {
        // One answer is what a response has; the verbosity stands in `text`.
        let says_nothing = value.is_null() || name == "n" && value.get() == "1";
        !says_nothing && name != "verbosity" && !KEPT.contains(&name.as_str())
    });
    for name in own.chain(of_chat.map(|(name, _)| name.as_str())) {
        warnings.push(format!("parameter {name} was left out: not supported"));
    }
}
