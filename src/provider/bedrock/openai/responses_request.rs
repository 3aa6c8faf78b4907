//! Canonical chat request → the body of the Responses API.
//!
//! A conversation is a list of items there: messages, calls of tools and their results stand side by side.

use serde_json::{Map, Value, json};

use crate::canonical::{
    ChatParams, ChatRequest, Content, Media, MediaKind, Message, PartKind, Role, ToolCall,
    ToolChoice, write_escaped,
};
use crate::error::{Error, Result};
use crate::provider::Target;
use crate::provider::bedrock::chat::content::unknown;
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::bedrock::chat::messages::{nothing_said, unknown_role};
use crate::provider::bedrock::invoke::openai_request::{
    response_format, text_of, tool_choice, tools, write_detail, write_url,
};
use crate::provider::bedrock::invoke::text_model::add_callers_members;

/// The parameters that have a place in the body, by their names in chat completions.
pub(super) const PARAMS: [&str; 14] = [
    "max_completion_tokens",
    "max_tokens",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "store",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "verbosity",
];

/// The fewest tokens that the API takes as a limit.
const LEAST_LIMIT: u64 = 16;

/// Writes the body.
pub(super) fn body(request: &ChatRequest, target: &Target, params: &ChatParams) -> Result<Vec<u8>> {
    let mut out = br#"{"input":["#.to_vec();
    let start = out.len();
    for message in &request.messages {
        write_message(message, start, &mut out)?;
    }
    if !request.messages.iter().any(says_something) {
        return Err(nothing_said(&request.messages));
    }
    out.push(b']');
    let mut fields = fields(request, target, params);
    add_callers_members(params, None, &[], &mut fields);
    fields.write_after("input", &mut out);
    out.push(b'}');
    Ok(out)
}

fn says_something(message: &Message) -> bool {
    message.role != Role::System
        && match &message.content {
            Content::Absent => !message.tool_calls.is_empty(),
            Content::Text(text) => !text.is_blank(),
            Content::Parts(parts) => !parts.is_empty(),
        }
}

/// Everything beside the conversation. Nothing is kept at AWS unless the caller asks for it.
fn fields(request: &ChatRequest, target: &Target, params: &ChatParams) -> Fields {
    let mut fields = Fields::default();
    fields.set_value("model", &json!(target.model.wire));
    fields.set_value("store", &json!(false));
    if request.stream {
        fields.set_value("stream", &json!(true));
    }
    if let Some(limit) = params.max_completion_tokens.or(params.max_tokens) {
        fields.set_value("max_output_tokens", &json!(limit.max(LEAST_LIMIT)));
    }
    for (name, value) in [
        ("temperature", &params.temperature),
        ("top_p", &params.top_p),
    ] {
        if let Some(value) = value {
            fields.set_value(name, &json!(value));
        }
    }
    if let Some(effort) = params.reasoning_effort.as_ref().filter(|it| !it.is_null()) {
        fields.set_value("reasoning", &json!({"effort": effort.to_value()}));
    }
    set_tools(params, &mut fields);
    let mut text = Map::new();
    if let Some(format) = &params.response_format {
        let written = response_format(format).to_value();
        text.insert("format".to_owned(), flat(written, "json_schema"));
    }
    for (name, value) in &params.openai {
        if name == "verbosity" {
            text.insert(name.clone(), value.to_value());
        } else {
            fields.set(name, value.clone());
        }
    }
    if !text.is_empty() {
        fields.set_value("text", &Value::Object(text));
    }
    fields
}

fn set_tools(params: &ChatParams, fields: &mut Fields) {
    if params.tools.is_empty() {
        return;
    }
    let Value::Array(list) = tools(params).to_value() else {
        return;
    };
    let list: Vec<Value> = (list.into_iter())
        .map(|tool| flat(tool, "function"))
        .collect();
    fields.set_value("tools", &Value::Array(list));
    if let Some(choice) = &params.tool_choice {
        let written = match choice {
            ToolChoice::Named(name) => json!({"type": "function", "name": name}),
            other => tool_choice(other).to_value(),
        };
        fields.set_value("tool_choice", &written);
    }
    if let Some(parallel) = params.parallel_tool_calls {
        fields.set_value("parallel_tool_calls", &json!(parallel));
    }
}

/// Takes the members of `{"type": T, T: {…}}` out to where `type` is, as this API has them.
pub(super) fn flat(mut written: Value, member: &str) -> Value {
    let Some(members) = written.as_object_mut() else {
        return written;
    };
    if let Some(Value::Object(inner)) = members.shift_remove(member) {
        members.extend(inner);
    }
    written
}

/// Puts a comma where something stands before.
fn next(start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
}

fn write_message(message: &Message, start: usize, out: &mut Vec<u8>) -> Result<()> {
    let role = match &message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => return write_result(message, start, out),
        Role::Function => {
            return Err(Error::bad_request(
                "messages",
                "Invalid Message: this model takes results of tools, not of functions.",
            ));
        }
        Role::Other(name) => return Err(unknown_role(name)),
    };
    let (texts, is_empty) = match &message.content {
        Content::Absent => (None, true),
        Content::Text(text) => (Some(text), text.is_empty()),
        Content::Parts(parts) => (None, !parts.iter().any(|part| is_sent(&part.kind))),
    };
    if !is_empty {
        next(start, out);
        out.extend_from_slice(br#"{"type":"message","role":"#);
        write_escaped(role, out);
        out.extend_from_slice(br#","content":["#);
        let kind = if role == "assistant" {
            "output_text"
        } else {
            "input_text"
        };
        let from = out.len();
        if let Some(text) = texts {
            write_text(kind, text.bytes(), out);
        }
        if let Content::Parts(parts) = &message.content {
            for part in parts.iter().filter(|part| is_sent(&part.kind)) {
                next(from, out);
                write_part(&part.kind, kind, out)?;
            }
        }
        out.extend_from_slice(b"]}");
    }
    for (place, call) in message.tool_calls.iter().enumerate() {
        next(start, out);
        write_call(call, place, out);
    }
    Ok(())
}

/// Thinking of another model's means nothing to this one.
fn is_sent(part: &PartKind) -> bool {
    !matches!(part, PartKind::Thinking(_))
}

fn write_text(kind: &str, escaped: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"#);
    write_escaped(kind, out);
    out.extend_from_slice(br#","text":"#);
    out.extend_from_slice(escaped);
    out.push(b'}');
}

fn write_part(part: &PartKind, kind: &str, out: &mut Vec<u8>) -> Result<()> {
    if let Some(text) = text_of(part) {
        write_text(kind, text.bytes(), out);
        return Ok(());
    }
    match part {
        PartKind::Json(raw) => {
            let mut written = Vec::new();
            write_escaped(raw.get(), &mut written);
            write_text(kind, &written, out);
            Ok(())
        }
        PartKind::Media(media) => write_media(media, out),
        PartKind::Unknown(kind) => Err(unknown(kind)),
        _ => Err(unknown("search_result")),
    }
}

fn write_media(media: &Media, out: &mut Vec<u8>) -> Result<()> {
    match media.kind {
        MediaKind::Image => {
            out.extend_from_slice(br#"{"type":"input_image","image_url":"#);
            write_url(media, "image/jpeg", out)?;
            write_detail(media, out);
        }
        MediaKind::File | MediaKind::Document => {
            out.extend_from_slice(br#"{"type":"input_file","filename":"#);
            let name = media.filename.as_deref().or(media.title.as_deref());
            write_escaped(name.unwrap_or("document.pdf"), out);
            out.extend_from_slice(br#","file_data":"#);
            write_url(media, "application/pdf", out)?;
        }
        MediaKind::Video => return Err(unknown("video_url")),
        MediaKind::Audio => return Err(unknown("input_audio")),
    }
    out.push(b'}');
    Ok(())
}

fn write_call(call: &ToolCall, place: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"function_call","call_id":"#);
    match &call.id {
        Some(id) => write_escaped(id, out),
        None => write_escaped(&format!("call_{place}"), out),
    }
    out.extend_from_slice(br#","name":"#);
    write_escaped(&call.name, out);
    out.extend_from_slice(br#","arguments":"#);
    write_escaped(&call.arguments, out);
    out.push(b'}');
}

/// Writes the result of a call: its text, or parts where it has more than text.
fn write_result(message: &Message, start: usize, out: &mut Vec<u8>) -> Result<()> {
    next(start, out);
    out.extend_from_slice(br#"{"type":"function_call_output","call_id":"#);
    write_escaped(message.tool_call_id.as_deref().unwrap_or_default(), out);
    out.extend_from_slice(br#","output":"#);
    match &message.content {
        Content::Absent => out.extend_from_slice(b"\"\""),
        Content::Text(text) => out.extend_from_slice(text.bytes()),
        Content::Parts(parts) => {
            out.push(b'[');
            let from = out.len();
            for part in parts.iter().filter(|part| is_sent(&part.kind)) {
                next(from, out);
                write_part(&part.kind, "input_text", out)?;
            }
            out.push(b']');
        }
    }
    out.push(b'}');
    Ok(())
}
