//! `InvokeAgent`: an agent of Bedrock's answers as a chat model does.
//!
//! An agent keeps its conversation itself, under the name of a session, and is told the last words only. A caller that names
//! no session gets one of its own for each call, and the agent is told what was said before.
//! The answer is an event stream, whoever asks.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html>.

mod decode;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::chat::content::unknown;
use super::chat::fields::Fields;
use super::chat::messages::nothing_said;
use super::chat::{headers, warnings};
use super::invoke::openai_request::text_of;
use super::invoke::screen::screen;
use super::invoke::text_model::{add_callers_members, must_have_messages};
use super::url::encode_segment;
use crate::canonical::{Chat, ChatParams, ChatRequest, Content, Message, RawJson, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Exchange, Target, TransformError, Transformer, WireRequest};
use decode::AgentDecoder;

/// How a caller may spell the session.
const SESSION: [&str; 3] = ["sessionId", "sessionID", "session_id"];
/// The resource that makes the request, which travels in a header.
const SOURCE_ARN: [&str; 2] = ["sourceArn", "source_arn"];
/// The longest name of a session.
const LONGEST_SESSION: usize = 100;

/// An agent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agent;

impl Transformer<Chat> for Agent {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        Ok(exchange(request, target)?)
    }
}

fn exchange(request: &ChatRequest, target: &Target) -> Result<Exchange<Chat>> {
    must_have_messages(request)?;
    let (agent, alias) = place(target)?;
    let mut warnings = Vec::new();
    let mut params = screen(request, target, &[], &mut warnings)?;
    let own = take_text(&mut params, &SESSION)?;
    let source = take_text(&mut params, &SOURCE_ARN)?;
    let session = own.as_ref().or(request.session.as_ref());
    let session = checked(session.ok_or_else(no_session)?)?;
    let mut fields = Fields::default();
    let (last, before) = split(&request.messages, &mut warnings)?;
    fields.set_value("inputText", &json!(said(last)?));
    // The traces tell the tokens.
    fields.set_value("enableTrace", &json!(true));
    add_callers_members(&params, None, &[], &mut fields);
    if own.is_none() {
        add_history(before, &mut fields)?;
    }
    let mut body = Vec::new();
    fields.write(&mut body);
    let mut headers = headers::collect(&request.params, target, &[], &mut warnings)?;
    if let Some(source) = source.and_then(|source| HeaderValue::try_from(source).ok()) {
        headers.push((HeaderName::from_static("x-amz-source-arn"), source));
    }
    let url = format!(
        "{}/agents/{}/agentAliases/{}/sessions/{}/text",
        target.endpoint,
        encode_segment(agent),
        encode_segment(alias),
        encode_segment(session),
    );
    Ok(Exchange {
        requests: vec![WireRequest {
            method: Method::POST,
            url,
            headers,
            body: Bytes::from(body),
            service: "bedrock",
        }],
        decoder: Box::new(AgentDecoder::new(session)),
        warnings: warnings::fit(warnings),
    })
}

fn no_session() -> Error {
    let message = "a call of an agent has no name for its session";
    Error::new(ErrorKind::Internal, message)
}

/// Reads `<agent id>/<alias id>`.
fn place(target: &Target) -> Result<(&str, &str)> {
    let parts = target.model.wire.split_once('/');
    parts
        .filter(|(agent, alias)| !agent.is_empty() && !alias.is_empty() && !alias.contains('/'))
        .ok_or_else(|| {
            Error::bad_request(
                "model",
                "an agent is named by `agent/<agent id>/<alias id>`",
            )
        })
}

/// Takes a member that is a text.
fn take_text(params: &mut ChatParams, names: &[&str]) -> Result<Option<String>> {
    let mut found = None;
    let mut problem = None;
    params.extra.retain(|(name, value)| {
        if !names.contains(&name.as_str()) {
            return true;
        }
        match value.to_value() {
            Value::Null => {}
            Value::String(text) => found = Some(text),
            _ => problem = Some(name.clone()),
        }
        false
    });
    match problem {
        None => Ok(found),
        Some(name) => {
            let message = format!("Invalid value for '{name}': expected a string.");
            Err(Error::bad_request(name, message))
        }
    }
}

fn checked(session: &str) -> Result<&str> {
    let is_ok = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    if (2..=LONGEST_SESSION).contains(&session.len()) && session.bytes().all(is_ok) {
        return Ok(session);
    }
    Err(Error::bad_request(
        "sessionId",
        format!(
            "Invalid value for 'sessionId': 2 to {LONGEST_SESSION} letters, digits, and `.`, `_`, `:`, `-` are taken."
        ),
    ))
}

/// Returns the last message, and what was said before. An agent has instructions of its own.
fn split<'a>(
    messages: &'a [Message],
    warnings: &mut Vec<String>,
) -> Result<(&'a Message, Vec<&'a Message>)> {
    let spoken = |message: &&Message| message.role != Role::System;
    let mut turns: Vec<&Message> = messages.iter().filter(spoken).collect();
    if turns.len() < messages.len() {
        warnings.push("system messages were left out: an agent has its own".to_owned());
    }
    match turns.pop() {
        Some(last) if last.role == Role::User => Ok((last, turns)),
        Some(_) => Err(Error::bad_request(
            "messages",
            "Invalid Message: the last message for an agent must be the user's.",
        )),
        None => Err(nothing_said(messages)),
    }
}

/// Returns the text of a message; an agent is told nothing else.
fn said(message: &Message) -> Result<String> {
    let text = match &message.content {
        Content::Absent => String::new(),
        Content::Text(text) => text.decoded().into_owned(),
        Content::Parts(parts) => {
            let mut texts = Vec::new();
            for part in parts {
                let text = text_of(&part.kind).ok_or_else(|| unknown("image_url or file"))?;
                texts.push(text.decoded());
            }
            texts.join("\n")
        }
    };
    if text.trim().is_empty() && message.role == Role::User {
        return Err(nothing_said(std::slice::from_ref(message)));
    }
    Ok(text)
}

/// Adds what was said before the last message, unless the caller does.
fn add_history(before: Vec<&Message>, fields: &mut Fields) -> Result<()> {
    let mut list: Vec<Value> = Vec::new();
    for message in before {
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            _ => continue,
        };
        let text = match said(message) {
            Ok(text) if text.is_empty() => continue,
            other => other?,
        };
        list.push(json!({"role": role, "content": [{"text": text}]}));
    }
    let mut state = match fields.get("sessionState").map(RawJson::to_value) {
        Some(Value::Object(state)) => state,
        Some(_) => return Ok(()),
        None => Map::new(),
    };
    if list.is_empty() || state.contains_key("conversationHistory") {
        return Ok(());
    }
    state.insert("conversationHistory".to_owned(), json!({"messages": list}));
    fields.set_value("sessionState", &Value::Object(state));
    Ok(())
}
