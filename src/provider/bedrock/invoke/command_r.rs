//! Cohere Command R's chat format: the last message apart from the history, tools with their parameters listed.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html>.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::cohere::{SAMPLING, TAKEN, reason};
use super::envelope::parse;
use super::said::{CallPiece, Said, stop, text};
use super::text_model::{Asked, TextModel, Write, set_text};
use super::transcript::{Line, Speaker, Words};
use crate::canonical::{RawJson, Text};
use crate::error::{Error, Result};
use crate::provider::TransformError;
use crate::provider::bedrock::chat::answer::made_up_id;
use crate::provider::bedrock::chat::fields::Fields;

/// Command R and R+.
pub(super) const COMMAND_R: TextModel = TextModel {
    words: Words {
        tools: true,
        ..Words::TEXT
    },
    ..TextModel::new(&TAKEN, Write::MayRefuse(write), read)
};

fn write(asked: &Asked<'_>, fields: &mut Fields) -> Result<()> {
    let (system, said): (Vec<&Line>, Vec<&Line>) = asked
        .lines
        .iter()
        .partition(|line| line.speaker == Speaker::System);
    // What comes behind the user's last words are calls of tools and their results.
    let last = said.iter().rposition(|line| line.speaker == Speaker::User);
    let last = last.unwrap_or(0);
    let (history, now) = said.split_at_checked(last).unwrap_or((&said, &[]));
    let (message, calls) = now
        .split_first()
        .map_or(("", now), |(line, calls)| (line.text.as_str(), calls));
    set_text("message", message, fields);
    let history: Vec<Value> = history.iter().map(|line| turn(line)).collect();
    if !history.is_empty() {
        fields.set_value("chat_history", &Value::Array(history));
    }
    if !system.is_empty() {
        let texts: Vec<&str> = system.iter().map(|line| line.text.as_str()).collect();
        set_text("preamble", &texts.join("\n"), fields);
    }
    let tools: Result<Vec<Value>> = asked
        .params
        .tools
        .iter()
        .map(|tool| definition(&tool.0))
        .collect();
    let tools = tools?;
    if !tools.is_empty() {
        fields.set_value("tools", &Value::Array(tools));
    }
    let results = results(calls);
    if !results.is_empty() {
        fields.set_value("tool_results", &Value::Array(results));
    }
    asked.set_sampling(&SAMPLING, fields);
    Ok(())
}

/// Writes a line of the history; calls and results of earlier turns are told in words.
fn turn(line: &Line) -> Value {
    let role = match line.speaker {
        Speaker::Assistant => "CHATBOT",
        Speaker::User | Speaker::System | Speaker::Tool => "USER",
    };
    let mut said = line.text.clone();
    if line.speaker == Speaker::Tool {
        let whose = line.answers.as_deref().unwrap_or("unknown");
        said = format!("[tool result for {whose}: {said}]");
    }
    for call in &line.calls {
        if !said.is_empty() {
            said.push('\n');
        }
        said.extend(["[tool call: ", &call.name, "(", &call.arguments, ")]"]);
    }
    json!({"role": role, "message": said})
}

/// Pairs the calls behind the user's last words with their results.
fn results(lines: &[&Line]) -> Vec<Value> {
    let mut calls: HashMap<&str, Value> = HashMap::new();
    let mut out = Vec::new();
    for line in lines {
        for call in &line.calls {
            let parameters: Value =
                serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
            let call_of = json!({"name": call.name, "parameters": parameters});
            calls.insert(call.id.as_deref().unwrap_or(&call.name), call_of);
        }
        if line.speaker == Speaker::Tool
            && let Some(call) = line.answers.as_deref().and_then(|id| calls.get(id))
        {
            out.push(json!({"call": call, "outputs": [output(&line.text)]}));
        }
    }
    out
}

/// A result is an object: the tool's own, or one that holds its text.
fn output(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Value::Object(members),
        _ => json!({ "text": text }),
    }
}

/// Writes a tool in Cohere's words; its parameters are listed, not described by a schema.
fn definition(tool: &RawJson) -> Result<Value> {
    let tool = tool.to_value();
    let function = tool.get("function").unwrap_or(&tool);
    let Some(name) = function.get("name").and_then(Value::as_str) else {
        return Err(Error::bad_request(
            "tools",
            "Invalid value for 'tools': expected functions with a name.",
        ));
    };
    let schema = function
        .get("parameters")
        .or_else(|| function.get("input_schema"));
    let required = schema.and_then(|schema| schema.get("required"));
    let required = required.and_then(Value::as_array).into_iter().flatten();
    let required: HashSet<&str> = required.filter_map(Value::as_str).collect();
    let mut parameters = Map::new();
    let properties = schema.and_then(|schema| schema.get("properties"));
    for (name, property) in properties.and_then(Value::as_object).into_iter().flatten() {
        let mut parameter = Map::new();
        for member in ["type", "description"] {
            if let Some(value) = property.get(member) {
                parameter.insert(member.to_owned(), value.clone());
            }
        }
        parameter.insert(
            "required".to_owned(),
            json!(required.contains(name.as_str())),
        );
        parameters.insert(name.clone(), Value::Object(parameter));
    }
    let description = function
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or(name);
    Ok(json!({"name": name, "description": description, "parameter_definitions": parameters}))
}

/// An answer, or an event of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    event_type: Option<String>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Vec<Call<'a>>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}

fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    let answer: Answer<'_> = parse(body)?;
    let kind = answer.event_type.as_deref();
    if is_whole && answer.text.is_none() && answer.tool_calls.is_empty() {
        return Err(super::envelope::garbled(
            "the answer is not what Cohere answers",
        ));
    }
    let called = !answer.tool_calls.is_empty();
    let calls = (0..)
        .zip(&answer.tool_calls)
        .map(|(index, call)| CallPiece {
            index,
            id: Some(made_up_id(body, usize::try_from(index).unwrap_or(0))),
            name: text(body, call.name),
            arguments: call
                .parameters
                .map(|parameters| Text::new(parameters.get())),
        });
    // The last event repeats the whole answer, which has been said.
    let says_text = is_whole || kind == Some("text-generation");
    let finish = answer.finish_reason.as_deref();
    let finish = finish.filter(|_| is_whole || kind.is_none_or(|kind| kind == "stream-end"));
    Ok(Said {
        text: text(body, answer.text).filter(|_| says_text),
        calls: calls.collect(),
        stop: match finish {
            Some("COMPLETE") if called => Some(stop("tool_calls", "COMPLETE")),
            Some(raw) => Some(reason(raw)),
            None if is_whole && called => Some(stop("tool_calls", "")),
            None => None,
        },
        ..Said::default()
    })
}
