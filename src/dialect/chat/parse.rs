//! The body of a chat completions request → canonical.
//!
//! One pass: the parser checks the JSON and finds where each value stands, the values themselves stay slices of the body
//! until something needs them. Prompts and base64 are never copied here.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;

use super::parse_message::{WireMessage, message};
use crate::canonical::Message;
use crate::dialect::body::{self, Body, List};
use crate::dialect::params::Reader;
use crate::dialect::read::{Members, Node, Path};
use crate::dialect::{Asked, Parsed, headers as request_headers};
use crate::error::{Error, Result};

/// Reads a chat completions request.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] naming the member that is wrong: `request_body` when it is no JSON object.
pub fn parse(body: &Bytes, headers: &HeaderMap) -> Result<Parsed> {
    let wire: Body<'_, WireMessage<'_>> = body::read(body)?;
    let mut reader = Reader::new(body);
    for (name, raw) in &wire.members.0 {
        if name == "extra_body" {
            continue;
        }
        reader.member(name, raw)?;
    }
    let mut messages = wire.messages;
    if let Some((_, raw)) = wire
        .members
        .0
        .iter()
        .rev()
        .find(|(name, _)| name == "extra_body")
    {
        messages = merge_extra_body(&mut reader, body, raw)?.or(messages);
    }
    let (mut request, model, controls) = reader.finish();
    request.messages_present = messages.is_some();
    request.messages = read_messages(body, messages.as_deref().unwrap_or_default())?;
    request_headers::apply(headers, &mut request);
    Ok(Parsed {
        model,
        request,
        controls,
        asked: Asked::Nothing,
        form: None,
    })
}

fn read_messages(body: &Bytes, wire: &[WireMessage<'_>]) -> Result<Vec<Message>> {
    let list = Path::ROOT.member("messages");
    let mut out = Vec::with_capacity(wire.len());
    for (index, wire) in wire.iter().enumerate() {
        out.push(message(body, wire, &list.index(index))?);
    }
    Ok(out)
}

/// Lays the members of `extra_body` over the request: clients of other languages send what the Python SDK merges itself.
fn merge_extra_body<'a>(
    reader: &mut Reader<'a>,
    body: &'a Bytes,
    raw: &'a RawValue,
) -> Result<Option<Vec<WireMessage<'a>>>> {
    let path = Path::ROOT.member("extra_body");
    let node = Node {
        body,
        raw,
        path: &path,
    };
    let Members(members) = node.members()?;
    let mut messages = None;
    for (name, raw) in members {
        if name == "messages" {
            let text = raw.get();
            let List(list) = serde_json::from_str(text)
                .map_err(|error| Error::bad_request("extra_body.messages", error.to_string()))?;
            messages = Some(list);
        } else if name != "extra_body" {
            reader.member(&name, raw)?;
        }
    }
    Ok(messages)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
