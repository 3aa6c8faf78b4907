//! The body of a chat completions request → canonical.
//!
//! One pass: the parser checks the JSON and finds where each value stands, the values themselves stay slices of the body
//! until something needs them. Prompts and base64 are never copied here.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::parse_headers;
use super::parse_message::{WireMessage, message};
use super::parse_params::Reader;
use super::read::{Members, Name, Node, Path};
use crate::canonical::Message;
use crate::dialect::Parsed;
use crate::error::{Error, Result};

/// How deep a request may be nested: as deep as serde reads.
pub(in crate::dialect) const DEPTH_LIMIT: usize = 127;

/// How many messages a request may have: their frames take far more memory than the JSON of an empty message.
const MOST_MESSAGES: usize = 100_000;

/// Reads a chat completions request.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] naming the member that is wrong: `request_body` when it is no JSON object.
pub fn parse(body: &Bytes, headers: &HeaderMap) -> Result<Parsed> {
    let text = std::str::from_utf8(body).map_err(|error| invalid_json(&error.to_string()))?;
    if is_deeper_than(text.as_bytes(), DEPTH_LIMIT) {
        return Err(invalid_json("recursion limit exceeded"));
    }
    let wire: WireBody<'_> =
        serde_json::from_str(text).map_err(|error| explain(text, body, &error))?;
    let mut reader = Reader::new(body);
    for (name, raw) in &wire.members.0 {
        if name == "extra_body" {
            continue;
        }
        reader.member(name, raw)?;
    }
    let mut messages = wire.messages.map(|messages| messages.0);
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
    parse_headers::apply(headers, &mut request);
    Ok(Parsed {
        model,
        request,
        controls,
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
            let WireMessages(list) = serde_json::from_str(text)
                .map_err(|error| Error::bad_request("extra_body.messages", error.to_string()))?;
            messages = Some(list);
        } else if name != "extra_body" {
            reader.member(&name, raw)?;
        }
    }
    Ok(messages)
}

/// The body, with its messages read and everything else left as it is.
struct WireBody<'a> {
    messages: Option<WireMessages<'a>>,
    members: Members<'a>,
}

/// The messages as they are written.
struct WireMessages<'a>(Vec<WireMessage<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for WireMessages<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MessagesVisitor)
    }
}

struct MessagesVisitor;

impl<'de> Visitor<'de> for MessagesVisitor {
    type Value = WireMessages<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut messages = Vec::new();
        while let Some(message) = list.next_element()? {
            if messages.len() == MOST_MESSAGES {
                return Err(A::Error::custom(too_many_messages()));
            }
            messages.push(message);
        }
        Ok(WireMessages(messages))
    }
}

fn too_many_messages() -> String {
    format!("there are more than {MOST_MESSAGES} messages")
}

impl<'de: 'a, 'a> Deserialize<'de> for WireBody<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = WireBody<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut messages = None;
        let mut members = Members(Vec::with_capacity(8));
        while let Some(Name(name)) = map.next_key()? {
            if name == "messages" {
                messages = map.next_value()?;
            } else if let Some(value) = map.next_value()? {
                members.push(name, value)?;
            }
        }
        Ok(WireBody { messages, members })
    }
}

/// Makes the error of a body that is no JSON, or not the JSON of a request.
pub(in crate::dialect) fn invalid_json(problem: &str) -> Error {
    Error::bad_request("request_body", format!("Invalid JSON payload: {problem}"))
}

/// Says what is wrong with a body that could not be read: its syntax, or a type on the way to the messages.
fn explain(text: &str, body: &Bytes, error: &serde_json::Error) -> Error {
    if error.classify() != Category::Data {
        return invalid_json(&error.to_string());
    }
    if !text.trim_start().starts_with('{') {
        return invalid_json("the body must be a JSON object");
    }
    let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(text) else {
        return invalid_json(&error.to_string());
    };
    let path = Path::ROOT.member("messages");
    let found = members
        .into_iter()
        .rev()
        .find(|(name, _)| name == "messages");
    let Some((_, raw)) = found else {
        return invalid_json(&error.to_string());
    };
    let list = Node {
        body,
        raw,
        path: &path,
    };
    match list.list(|node| node.object::<WireMessage<'_>>().map(drop)) {
        Err(error) => error,
        Ok(messages) if messages.len() > MOST_MESSAGES => path.error(&too_many_messages()),
        Ok(_) => invalid_json(&error.to_string()),
    }
}

/// Says whether `json` nests lists and objects deeper than `limit`, without reading it.
pub(in crate::dialect) fn is_deeper_than(json: &[u8], limit: usize) -> bool {
    let mut depth = 0_usize;
    let mut rest = json;
    loop {
        let Some((&byte, after)) = rest.split_first() else {
            return false;
        };
        rest = after;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => rest = after_string(rest),
            _ => {}
        }
    }
}

/// Returns what follows the string that `rest` is inside of.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let (step, ends) = match rest.get(at) {
            Some(b'"') => (1, true),
            _ => (2, false),
        };
        rest = rest.get(at + step..).unwrap_or_default();
        if ends {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
