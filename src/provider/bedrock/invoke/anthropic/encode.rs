//! Canonical chat request → the body of Anthropic's Messages.

use serde_json::{Map, Value, json};

use super::super::envelope::Outgoing;
use super::super::text_model::must_have_messages;
use super::VERSION;
use super::blocks::{write_blocks, write_tools, write_turns};
use super::door::Door;
use crate::canonical::{Chat, ChatParams, ChatRequest, RawJson, write_escaped};
use crate::error::Result;
use crate::provider::bedrock::chat::blocks::turns_size;
use crate::provider::bedrock::chat::choice::Choice;
use crate::provider::bedrock::chat::draft::Draft;
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::bedrock::chat::inference::Inference;
use crate::provider::bedrock::chat::{Wire, betas, context_management, extras, warnings};
use crate::provider::{Exchange, Target};

/// What is generated at most where nobody says it.
const DEFAULT_LIMIT: u64 = 4096;

/// Writes the request and makes the reader of its answer.
pub(super) fn exchange(
    request: &ChatRequest,
    target: &Target,
    door: Door,
) -> Result<Exchange<Chat>> {
    must_have_messages(request)?;
    let mut draft = Draft::new(request, target, Wire::Messages)?;
    let fields = gather(&mut draft);
    let body = write(&draft, &fields);
    let mut warnings = draft.warnings;
    let streamed = request.stream;
    let outgoing = Outgoing {
        request,
        params: &draft.params,
        target,
        streamed,
        body,
    };
    let wire = door.wire(outgoing, &mut warnings)?;
    let context = draft.toolbox.context();
    Ok(Exchange {
        requests: vec![wire],
        decoder: Box::new(door.decoder(context)),
        warnings: warnings::fit(warnings),
    })
}

/// Writes the body that is counted instead of being sent.
pub(super) fn body(request: &ChatRequest, target: &Target) -> Result<Vec<u8>> {
    must_have_messages(request)?;
    let mut draft = Draft::new(request, target, Wire::Messages)?;
    let fields = gather(&mut draft);
    Ok(write(&draft, &fields))
}

/// Writes the body: the conversation, then everything else.
fn write(draft: &Draft<'_>, fields: &Fields) -> Vec<u8> {
    const FRAME: usize = 1024;
    let mut out = Vec::with_capacity(FRAME + turns_size(&draft.turns));
    out.extend_from_slice(br#"{"messages":"#);
    write_turns(&draft.turns, &mut out);
    if !draft.system.is_empty() {
        out.extend_from_slice(br#","system":"#);
        write_blocks(&draft.system, &mut out);
    }
    let tools = &draft.toolbox.tools;
    if !tools.is_empty() && fields.get("tools").is_none() {
        out.extend_from_slice(br#","tools":"#);
        write_tools(tools, &mut out);
    }
    fields.write_after("messages", &mut out);
    out.push(b'}');
    out
}

/// Gathers what stands beside the conversation; what the caller writes for the model itself wins.
fn gather(draft: &mut Draft<'_>) -> Fields {
    let Draft {
        model,
        params,
        inference,
        choice,
        reasoning,
        toolbox,
        warnings,
        drop,
        ..
    } = draft;
    let mut fields = sampling(inference, params, *drop);
    if let Some(user) = params.user.as_deref().filter(|user| !tells_a_person(user)) {
        fields.set_value("metadata", &json!({ "user_id": user }));
    }
    if let Some(choice) = tool_choice(choice.as_ref(), params, toolbox.tools.is_empty()) {
        fields.set_value("tool_choice", &choice);
    }
    if reasoning.needs_effort_beta {
        toolbox.betas.add(betas::EFFORT);
    }
    for (name, value) in &reasoning.fields {
        fields.set_value(name, value);
    }
    if let Some(format) = &toolbox.output_config {
        let mut config = match fields.get("output_config").map(RawJson::to_value) {
            Some(Value::Object(config)) => config,
            _ => Map::new(),
        };
        config.insert("format".to_owned(), format.to_value());
        fields.set_value("output_config", &Value::Object(config));
    }
    if let Some(edits) = context_management::edits(params, model, &mut toolbox.betas, warnings) {
        fields.set_value("context_management", &edits);
    }
    let mut betas: Vec<&String> = toolbox.betas.list().iter().collect();
    betas.sort_unstable();
    fields.append(
        "anthropic_beta",
        betas.into_iter().map(|beta| json!(beta)).collect(),
    );
    for (name, value) in extras::for_the_model(params) {
        fields.set(name, value.clone());
    }
    if let Some(given) = params.extra("additionalModelRequestFields") {
        // A list of tools there follows those of the request.
        if given.to_value().get("tools").is_some() && !toolbox.tools.is_empty() {
            let mut written = Vec::new();
            write_tools(&toolbox.tools, &mut written);
            if let Ok(tools) = serde_json::from_slice(&written) {
                fields.set("tools", tools);
            }
        }
        fields.merge(given);
    }
    fields
}

/// Writes limit and sampling.
fn sampling(inference: &Inference, params: &ChatParams, drop: bool) -> Fields {
    let mut fields = Fields::default();
    fields.set_value("anthropic_version", &json!(VERSION));
    let limit = inference.max_tokens.unwrap_or(DEFAULT_LIMIT);
    fields.set_value("max_tokens", &json!(limit));
    let sampling = [
        ("temperature", &inference.temperature),
        ("top_p", &inference.top_p),
        ("top_k", &params.top_k),
    ];
    for (name, value) in sampling {
        if let Some(value) = value {
            fields.set_value(name, &json!(value));
        }
    }
    let stop = stop_sequences(&inference.stop, drop);
    if !stop.is_empty() {
        fields.set_value("stop_sequences", &json!(stop));
    }
    fields
}

/// Bedrock refuses stop sequences of white space; they are left out where that is wanted.
fn stop_sequences(given: &[String], drop: bool) -> Vec<&str> {
    let given = given.iter().map(String::as_str);
    given
        .filter(|text| !(text.is_empty() || drop && text.trim().is_empty()))
        .collect()
}

/// Says whether an id tells who somebody is: a mail address or a telephone number, which Anthropic wants not to be sent.
fn tells_a_person(user: &str) -> bool {
    let is_mail = user.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !user.contains(char::is_whitespace)
    });
    let number = user.strip_prefix('+').unwrap_or(user);
    let is_number = number.len() >= 7
        && number
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '(' | ')' | '-'));
    is_mail || is_number
}

pub(super) fn tool_choice(
    choice: Option<&Choice>,
    params: &ChatParams,
    no_tools: bool,
) -> Option<Value> {
    let parallel = params.parallel_tool_calls.filter(|_| !no_tools);
    let mut out = match choice {
        Some(Choice::Auto) => json!({"type": "auto"}),
        Some(Choice::Any) => json!({"type": "any"}),
        Some(Choice::Tool(name)) => json!({"type": "tool", "name": name}),
        Some(Choice::None) => return Some(json!({"type": "none"})),
        None if parallel.is_some() => json!({"type": "auto"}),
        None => return None,
    };
    if let (Some(parallel), Value::Object(members)) = (parallel, &mut out) {
        members.insert("disable_parallel_tool_use".to_owned(), json!(!parallel));
    }
    Some(out)
}

/// Appends a member's name and colon behind a comma.
pub(super) fn member(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write_escaped(name, out);
    out.push(b':');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_tell_a_person_are_seen() {
        for user in ["a@b.de", "+49 30 1234567", "(030) 123-4567", "1234567"] {
            assert!(tells_a_person(user), "{user}");
        }
        for user in ["user-1234", "123456", "a@b", "someone @ b.de", ""] {
            assert!(!tells_a_person(user), "{user}");
        }
    }
}
