//! The body of a Responses request → canonical.
//!
//! A member is read here, repeated in the answer, refused because nobody here could do what it asks, or passed over because
//! it changes nothing in what the model is asked. What is none of these is chat's.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Asked;
use super::asked::RawList;
use super::input::input;
use super::native::native;
use super::put_off;
use super::tool_choice::tool_choice;
use super::tools::tools;
use crate::canonical::{
    ChatRequest, Content, Loss, Message, ObjectWriter, RawJson, ResponseFormat, Role,
};
use crate::canonical::{Text, Tool, ToolChoice};
use crate::dialect::choice::response_format;
use crate::dialect::controls::set;
use crate::dialect::params::Reader;
use crate::dialect::read::{Node, Path};
use crate::dialect::request::{check_count, members};
use crate::dialect::{self, Parsed, headers as request_headers};
use crate::error::{Error, Result};

/// Members that change nothing in what the model is asked.
const PASSED_OVER: [&str; 9] = [
    "max_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "stream_options",
    "truncation",
    "verbosity",
];

/// Reads a Responses request. What `previous_response_id` stands for must be in its `input` already.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] naming the member that is wrong: `request_body` when it is no JSON object.
pub fn parse(body: &Bytes, headers: &HeaderMap) -> Result<Parsed> {
    let mut reader = Reader::new(body);
    let mut own = Own {
        asked: Asked {
            may_keep: true,
            ..Asked::default()
        },
        ..Own::default()
    };
    let members = members(body)?;
    for (name, raw) in &members {
        let path = Path::ROOT.member(name);
        let node = Node {
            body,
            raw,
            path: &path,
        };
        own.asked.repeat(name, node.json());
        if !own.take(name, &node)? {
            reader.member(name, raw)?;
        }
    }
    let (mut request, model, controls) = reader.finish();
    let asked = own.apply(&mut request)?;
    request_headers::apply(headers, &mut request);
    // Blocks beside the usual members have no place in this format.
    request.content_blocks = false;
    request.native = Some(native(body, &members));
    Ok(Parsed {
        model,
        request,
        controls,
        asked: dialect::Asked::Response(Arc::new(asked)),
        form: None,
    })
}

/// Reads a request for `/v1/responses/input_tokens`.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_count(body: &Bytes, headers: &HeaderMap) -> Result<Parsed> {
    let mut parsed = parse(body, headers)?;
    parsed.request.stream = false;
    // What is counted is the chat that it is bridged to.
    parsed.request.native = None;
    if let Some((member, why)) = parsed.request.loss.refusal.take() {
        return Err(Error::bad_request(member, why));
    }
    Ok(parsed)
}

/// The members that only this format has.
#[derive(Debug, Default)]
struct Own {
    asked: Asked,
    messages: Option<Vec<Message>>,
    instructions: Option<Text>,
    limit: Option<u64>,
    effort: Option<RawJson>,
    format: Option<ResponseFormat>,
    tools: Vec<Tool>,
    choice: Option<ToolChoice>,
    /// What no model here can do, for the refusal.
    not_in_chat: Vec<(String, RawJson)>,
    /// What a chat cannot say.
    loss: Loss,
}

impl Own {
    /// Reads a member if it is one of these; says whether it is.
    fn take(&mut self, name: &str, node: &Node<'_, '_>) -> Result<bool> {
        match name {
            "input" => self.input(node)?,
            "instructions" => self.instructions = Some(node.text()?),
            "max_output_tokens" => {
                check_count(node)?;
                self.limit = Some(node.whole()?);
            }
            "reasoning" => self.reasoning(node)?,
            "text" => self.text(node)?,
            "tools" => self.read_tools(node)?,
            "tool_choice" => self.choice = tool_choice(node, &mut self.loss)?,
            "include" => {
                let names = node.list(|name| name.string())?;
                let asks = |name: &std::borrow::Cow<'_, str>| name == "reasoning.encrypted_content";
                self.asked.encrypted = names.iter().any(asks);
            }
            "store" => self.asked.may_keep = node.boolean()?,
            "top_logprobs" => {
                if node.whole()? > 0 {
                    set(&mut self.not_in_chat, name, node.json());
                }
            }
            "background" => {
                if node.boolean()? {
                    let problem = "responses are not made in the background here";
                    put_off(&node.error(problem), &mut self.loss);
                }
            }
            "conversation" => {
                return Err(node.error(
                    "conversations are not kept here; use 'previous_response_id', or send all items",
                ));
            }
            "prompt" => {
                let problem = "prompts are not kept at OpenAI for this gateway";
                put_off(&node.error(problem), &mut self.loss);
            }
            "moderation" => {
                put_off(&node.error("there is no moderation here"), &mut self.loss);
            }
            "messages" => return Err(node.error("responses have an input, and no messages")),
            // OpenAI's is a list; Anthropic's, an object, is the model's.
            "context_management" if node.is_list() => {}
            _ => return Ok(PASSED_OVER.contains(&name)),
        }
        Ok(true)
    }

    fn input(&mut self, node: &Node<'_, '_>) -> Result<()> {
        let read = input(node, &mut self.loss)?;
        self.messages = Some(read.messages);
        self.leave_out("items", &read.left_out);
        self.asked.input = RawList(if node.is_list() {
            node.json()
        } else {
            as_list(&node.text()?)
        });
        Ok(())
    }

    fn read_tools(&mut self, node: &Node<'_, '_>) -> Result<()> {
        let read = tools(node)?;
        self.tools = read.tools;
        self.asked.tools = read.known;
        self.leave_out("tools", &read.left_out);
        Ok(())
    }

    fn leave_out(&mut self, what: &str, types: &[&str]) {
        if !types.is_empty() {
            let types = types.join(", ");
            let warning = format!("{what} that nobody runs here were left out: {types}");
            self.loss.warnings.push(warning);
        }
    }

    fn reasoning(&mut self, node: &Node<'_, '_>) -> Result<()> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Reasoning<'a> {
            #[serde(borrow)]
            effort: Option<&'a RawValue>,
        }
        let wire: Reasoning<'_> = node.object()?;
        self.effort = node.member("effort", wire.effort, |node| {
            node.text().map(|_| node.json())
        })?;
        Ok(())
    }

    fn text(&mut self, node: &Node<'_, '_>) -> Result<()> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wording<'a> {
            #[serde(borrow)]
            format: Option<&'a RawValue>,
        }
        let wire: Wording<'_> = node.object()?;
        self.format = node.member("format", wire.format, |node| response_format(&node))?;
        Ok(())
    }

    /// Puts what was read into the request, over what chat's own words said.
    fn apply(self, request: &mut ChatRequest) -> Result<Asked> {
        let Some(messages) = self.messages else {
            let message = "/responses: Missing required parameter: 'input'.";
            return Err(Error::bad_request("input", message));
        };
        if let Some(text) = self.instructions.filter(|text| !text.is_empty()) {
            request.messages.push(Message {
                role: Role::System,
                content: Content::Text(text),
                ..Message::default()
            });
        }
        request.messages.extend(messages);
        request.messages_present = true;
        let params = &mut request.params;
        params.max_tokens = self.limit.or(params.max_tokens);
        // Agents send an effort whatever the model, and cannot react to a refusal.
        params.effort_is_wish = self.effort.is_some();
        params.reasoning_effort = self.effort.or(params.reasoning_effort.take());
        params.response_format = self.format.or(params.response_format.take());
        params.tools = self.tools;
        params.tool_choice = self.choice;
        params.openai.extend(self.not_in_chat);
        request.loss = self.loss;
        Ok(self.asked)
    }
}

/// Makes the list of items that a mere string stands for.
fn as_list(text: &Text) -> RawJson {
    let mut out = vec![b'['];
    let mut item = ObjectWriter::open(&mut out);
    item.raw("type", r#""message""#);
    item.raw("role", r#""user""#);
    let content = item.member("content");
    content.extend_from_slice(br#"[{"type":"input_text","text":"#);
    content.extend_from_slice(text.bytes());
    content.extend_from_slice(b"}]");
    item.close();
    out.push(b']');
    RawJson::from_checked(out.into())
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
