//! The body of a text completions request → canonical.

use bytes::Bytes;
use http::HeaderMap;

use crate::canonical::{Content, Message, RawJson, Text};
use crate::dialect::controls::set;
use crate::dialect::params::Reader;
use crate::dialect::read::{Node, Path};
use crate::dialect::request::{check_count, members};
use crate::dialect::tokens::list_of;
use crate::dialect::{Asked, Parsed, headers as request_headers};
use crate::error::{Error, Result};

/// How many prompts a request may have: each is a call of its own.
pub const MOST_PROMPTS: usize = 128;

/// Reads a text completions request.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] naming the member that is wrong: `request_body` when it is no JSON object.
pub fn parse(body: &Bytes, headers: &HeaderMap) -> Result<Parsed> {
    let mut reader = Reader::new(body);
    let mut prompts = Vec::new();
    let mut not_in_chat = Vec::new();
    for (name, raw) in members(body)? {
        let path = Path::ROOT.member(&name);
        let node = Node {
            body,
            raw,
            path: &path,
        };
        match &*name {
            "prompt" => prompts = read_prompts(&node)?,
            "suffix" | "echo" | "best_of" => {
                if !means_nothing(&name, &node)? {
                    set(&mut not_in_chat, &name, node.json());
                }
            }
            "messages" => {
                return Err(node.error("text completions have a prompt, and no messages"));
            }
            _ => {
                if matches!(&*name, "max_tokens" | "max_completion_tokens") {
                    check_count(&node)?;
                }
                reader.member(&name, raw)?;
            }
        }
    }
    let (mut request, model, controls) = reader.finish();
    request
        .params
        .openai
        .extend::<Vec<(String, RawJson)>>(not_in_chat);
    let mut prompts = prompts.into_iter();
    let first = prompts.next().ok_or_else(|| {
        let message = "/completions: Missing required parameter: 'prompt'.";
        Error::bad_request("prompt", message)
    })?;
    request.messages = vec![message_of(first)];
    request.messages_present = true;
    request_headers::apply(headers, &mut request);
    // Blocks beside the usual members have no place in this format.
    request.content_blocks = false;
    let more: Vec<Text> = prompts.collect();
    let asked = if more.is_empty() {
        Asked::Nothing
    } else {
        Asked::Prompts(more.into())
    };
    Ok(Parsed {
        model,
        request,
        controls,
        asked,
        form: None,
    })
}

/// Makes the message that a prompt is.
pub(crate) fn message_of(prompt: Text) -> Message {
    Message {
        content: Content::Text(prompt),
        ..Message::default()
    }
}

fn read_prompts(node: &Node<'_, '_>) -> Result<Vec<Text>> {
    if !node.is_list() {
        if !node.is_string() {
            return Err(node.expected("a string, a list of strings, or the numbers of tokens"));
        }
        return Ok(vec![said(node)?]);
    }
    list_of(node, MOST_PROMPTS, said)
}

/// Reads a prompt that is a string: no model answers to nothing.
fn said(node: &Node<'_, '_>) -> Result<Text> {
    let text = node.text()?;
    if text.is_empty() {
        return Err(node.error("it must not be empty"));
    }
    Ok(text)
}

/// Says whether a parameter that no model here takes asks for what happens anyway.
fn means_nothing(name: &str, node: &Node<'_, '_>) -> Result<bool> {
    Ok(match name {
        "suffix" => node.text()?.is_empty(),
        "echo" => !node.boolean()?,
        _ => node.whole()? == 1,
    })
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
