//! The conversation and its parameters in OpenAI's own words, for models that speak its chat format.
//!
//! What the client wrote is written again from its canonical form, because a request may have come in another dialect.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::canonical::{
    ChatParams, Content, Media, MediaKind, MediaSource, Message, PartKind, RawJson, ResponseFormat,
    Role, Text, ToolChoice, write_escaped,
};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::bedrock::chat::content::unknown;
use crate::provider::bedrock::chat::messages::unknown_role;

/// Whether a message may consist of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provider::bedrock) enum Form {
    /// It may.
    Parts,
    /// All its text is one string.
    Flat,
}

/// Appends the messages as a JSON list.
pub(in crate::provider::bedrock) fn write_messages(
    messages: &[Message],
    form: Form,
    out: &mut Vec<u8>,
) -> Result<()> {
    out.push(b'[');
    for (index, message) in messages.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_message(message, form, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_message(message: &Message, form: Form, out: &mut Vec<u8>) -> Result<()> {
    let role = match &message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Function => "function",
        Role::Other(name) => return Err(unknown_role(name)),
    };
    out.extend_from_slice(br#"{"role":"#);
    write_escaped(role, out);
    out.extend_from_slice(br#","content":"#);
    match &message.content {
        Content::Absent if message.tool_calls.is_empty() => out.extend_from_slice(b"\"\""),
        Content::Absent => out.extend_from_slice(b"null"),
        Content::Text(text) => out.extend_from_slice(text.bytes()),
        Content::Parts(parts) => {
            let parts = parts.iter().map(|part| &part.kind);
            let parts: Vec<&PartKind> = parts.filter(|part| is_sent(part)).collect();
            match form {
                Form::Flat => write_flat(&parts, out)?,
                Form::Parts => write_parts(&parts, out)?,
            }
        }
    }
    for (member, value) in [
        ("name", &message.name),
        ("tool_call_id", &message.tool_call_id),
    ] {
        if let Some(value) = value {
            out.push(b',');
            write_escaped(member, out);
            out.push(b':');
            write_escaped(value, out);
        }
    }
    write_calls(message, out);
    out.push(b'}');
    Ok(())
}

/// Thinking has no place in OpenAI's messages.
fn is_sent(part: &PartKind) -> bool {
    !matches!(part, PartKind::Thinking(_))
}

fn write_calls(message: &Message, out: &mut Vec<u8>) {
    if message.tool_calls.is_empty() {
        return;
    }
    out.extend_from_slice(br#","tool_calls":["#);
    for (place, call) in message.tool_calls.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"id":"#);
        match &call.id {
            Some(id) => write_escaped(id, out),
            None => write_escaped(&format!("call_{place}"), out),
        }
        out.extend_from_slice(br#","type":"function","function":{"name":"#);
        write_escaped(&call.name, out);
        out.extend_from_slice(br#","arguments":"#);
        write_escaped(&call.arguments, out);
        out.extend_from_slice(b"}}");
    }
    out.push(b']');
}

pub(in crate::provider::bedrock) fn text_of(part: &PartKind) -> Option<&Text> {
    match part {
        PartKind::Text(text)
        | PartKind::GuardedText(text)
        | PartKind::GroundingSource(text)
        | PartKind::GroundingQuery(text) => Some(text),
        _ => None,
    }
}

fn write_flat(parts: &[&PartKind], out: &mut Vec<u8>) -> Result<()> {
    let mut whole = String::new();
    for part in parts {
        match (text_of(part), part) {
            (Some(text), _) => whole.push_str(&text.decoded()),
            (None, PartKind::Json(raw)) => whole.push_str(raw.get()),
            (None, PartKind::Unknown(kind)) => return Err(unknown(kind)),
            _ => {
                return Err(Error::bad_request(
                    "messages",
                    "Invalid Message: this model is sent text only.",
                ));
            }
        }
    }
    write_escaped(&whole, out);
    Ok(())
}

fn write_parts(parts: &[&PartKind], out: &mut Vec<u8>) -> Result<()> {
    out.push(b'[');
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if let Some(text) = text_of(part) {
            out.extend_from_slice(br#"{"type":"text","text":"#);
            out.extend_from_slice(text.bytes());
            out.push(b'}');
            continue;
        }
        match part {
            PartKind::Media(media) => write_media(media, out)?,
            PartKind::Json(raw) => {
                out.extend_from_slice(br#"{"type":"text","text":"#);
                write_escaped(raw.get(), out);
                out.push(b'}');
            }
            PartKind::Unknown(kind) => return Err(unknown(kind)),
            _ => return Err(unknown("search_result")),
        }
    }
    out.push(b']');
    Ok(())
}

fn write_media(media: &Media, out: &mut Vec<u8>) -> Result<()> {
    match media.kind {
        MediaKind::Audio => {
            out.extend_from_slice(br#"{"type":"input_audio","input_audio":{"data":"#);
            write_base64(media, out)?;
            out.extend_from_slice(br#","format":"#);
            let format = media.format.as_deref().or(media.mime.as_deref());
            let format = format.map_or("wav", |format| format.rsplit('/').next().unwrap_or(format));
            write_escaped(format, out);
            out.extend_from_slice(b"}}");
        }
        MediaKind::File | MediaKind::Document => {
            out.extend_from_slice(br#"{"type":"file","file":{"file_data":"#);
            write_url(media, "application/pdf", out)?;
            if let Some(name) = media.filename.as_ref().or(media.title.as_ref()) {
                out.extend_from_slice(br#","filename":"#);
                write_escaped(name, out);
            }
            out.extend_from_slice(b"}}");
        }
        MediaKind::Image | MediaKind::Video => {
            let (member, mime) = match media.kind {
                MediaKind::Video => ("video_url", "video/mp4"),
                _ => ("image_url", "image/jpeg"),
            };
            out.extend_from_slice(br#"{"type":"#);
            write_escaped(member, out);
            out.push(b',');
            write_escaped(member, out);
            out.extend_from_slice(br#":{"url":"#);
            write_url(media, mime, out)?;
            write_detail(media, out);
            out.extend_from_slice(b"}}");
        }
    }
    Ok(())
}

/// Appends how closely an image is to be looked at, if that is said.
pub(in crate::provider::bedrock) fn write_detail(media: &Media, out: &mut Vec<u8>) {
    if let Some(detail) = &media.detail {
        out.extend_from_slice(br#","detail":"#);
        write_escaped(detail, out);
    }
}

/// Appends the bytes as a `data:` URL; `guess` is the type where nobody knows it.
pub(in crate::provider::bedrock) fn write_url(
    media: &Media,
    guess: &str,
    out: &mut Vec<u8>,
) -> Result<()> {
    if let (MediaSource::DataUrl { url, .. }, None) = (&media.source, &media.format) {
        out.extend_from_slice(url.bytes());
        return Ok(());
    }
    let given = media
        .format
        .as_deref()
        .filter(|format| format.contains('/'));
    let mime = given.or(media.mime.as_deref()).unwrap_or(guess);
    let mut data = Vec::new();
    write_base64(media, &mut data)?;
    out.extend_from_slice(b"\"data:");
    let mime: String = mime
        .chars()
        .filter(|c| c.is_ascii_graphic() && *c != '"' && *c != '\\')
        .collect();
    out.extend_from_slice(mime.as_bytes());
    out.extend_from_slice(b";base64,");
    // The written string without its opening quote.
    out.extend_from_slice(data.get(1..).unwrap_or(b"\""));
    Ok(())
}

/// Appends the bytes as a JSON string of base64.
fn write_base64(media: &Media, out: &mut Vec<u8>) -> Result<()> {
    match &media.source {
        MediaSource::Base64(text) => out.extend_from_slice(text.bytes()),
        MediaSource::DataUrl { url, payload } => {
            out.push(b'"');
            out.extend_from_slice(url.bytes().get(payload + 1..).unwrap_or(b"\""));
        }
        MediaSource::Url(_) => {
            return Err(Error::new(
                ErrorKind::Internal,
                "remote media was not fetched before the request was encoded",
            ));
        }
        MediaSource::S3 { .. } => {
            return Err(Error::bad_request(
                "messages",
                "Invalid Message: this model is sent media with their bytes; it cannot read from S3.",
            ));
        }
        MediaSource::PlainText(_) | MediaSource::TextParts(_) => {
            return Err(unknown("document"));
        }
        MediaSource::Invalid(what) => return Err(unknown(what)),
    }
    Ok(())
}

/// Writes `tool_choice`; a choice among allowed tools is made by leaving the others out.
pub(in crate::provider::bedrock) fn tool_choice(choice: &ToolChoice) -> RawJson {
    let choice = match choice {
        ToolChoice::Auto
        | ToolChoice::Allowed {
            required: false, ..
        } => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required | ToolChoice::Allowed { required: true, .. } => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
        ToolChoice::Other(raw) => return raw.clone(),
    };
    RawJson::from_value(&choice)
}

/// Writes `response_format`.
pub(in crate::provider::bedrock) fn response_format(format: &ResponseFormat) -> RawJson {
    let format = match format {
        ResponseFormat::Text => json!({"type": "text"}),
        ResponseFormat::JsonObject => json!({"type": "json_object"}),
        ResponseFormat::Other(raw) => return raw.clone(),
        ResponseFormat::JsonSchema(format) => {
            let mut inner = json!({
                "name": format.name.as_deref().unwrap_or("answer"),
                "schema": format.schema.to_value(),
            });
            if let Value::Object(inner) = &mut inner {
                if let Some(description) = &format.description {
                    inner.insert("description".to_owned(), json!(description));
                }
                if let Some(strict) = format.strict {
                    inner.insert("strict".to_owned(), json!(strict));
                }
            }
            json!({"type": "json_schema", "json_schema": inner})
        }
    };
    RawJson::from_value(&format)
}

/// Writes the tools that the choice allows, in OpenAI's form.
pub(in crate::provider::bedrock) fn tools(params: &ChatParams) -> RawJson {
    let allowed = match &params.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => {
            Some(names.iter().map(String::as_str).collect::<HashSet<&str>>())
        }
        _ => None,
    };
    let tools: Vec<Value> = params
        .tools
        .iter()
        .map(|tool| in_openais_form(tool.0.to_value()))
        .filter(|tool| {
            let name = tool.pointer("/function/name").and_then(Value::as_str);
            allowed
                .as_ref()
                .is_none_or(|allowed| name.is_some_and(|name| allowed.contains(name)))
        })
        .collect();
    RawJson::from_value(&tools)
}

/// Turns a tool in Anthropic's form into OpenAI's; others stay as they are.
fn in_openais_form(mut tool: Value) -> Value {
    let Some(members) = tool.as_object_mut() else {
        return tool;
    };
    members.shift_remove("cache_control");
    let Some(schema) = members.get("input_schema").cloned() else {
        return tool;
    };
    let mut function = json!({ "parameters": schema });
    if let Value::Object(function) = &mut function {
        for name in ["name", "description"] {
            if let Some(value) = members.get(name) {
                function.insert(name.to_owned(), value.clone());
            }
        }
    }
    json!({"type": "function", "function": function})
}
