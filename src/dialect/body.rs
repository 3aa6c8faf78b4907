//! The body of a request that has messages, read in one pass.
//!
//! The parser checks the JSON and finds where each value stands; the values themselves stay slices of the body until
//! something needs them. What a message looks like is each dialect's to say.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::read::{Members, Name, Node, Path};
use crate::error::{Error, Result};

/// How deep a request may be nested: as deep as serde reads.
pub(super) const DEPTH_LIMIT: usize = 127;

/// How many messages a request may have: their frames take far more memory than the JSON of an empty message.
const MOST_MESSAGES: usize = 100_000;

/// A body, with its messages read as `M` and everything else left as it is.
#[derive(Debug)]
pub(super) struct Body<'a, M> {
    /// `messages`, if there are any.
    pub(super) messages: Option<Vec<M>>,
    /// Every other member.
    pub(super) members: Members<'a>,
}

/// Reads a body whose messages are written as `M`, all of whose members must be optional raw values.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] naming the member that is wrong: `request_body` when it is no JSON object.
pub(super) fn read<'a, M: Deserialize<'a>>(body: &'a Bytes) -> Result<Body<'a, M>> {
    let text = std::str::from_utf8(body).map_err(|error| invalid_json(&error.to_string()))?;
    if is_deeper_than(text.as_bytes(), DEPTH_LIMIT) {
        return Err(invalid_json("recursion limit exceeded"));
    }
    serde_json::from_str(text).map_err(|error| explain::<M>(text, body, &error))
}

/// Messages as they are written.
#[derive(Debug)]
pub(super) struct List<M>(pub(super) Vec<M>);

impl<'de, M: Deserialize<'de>> Deserialize<'de> for List<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<M>(PhantomData<M>);

impl<'de, M: Deserialize<'de>> Visitor<'de> for ListVisitor<M> {
    type Value = List<M>;

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
        Ok(List(messages))
    }
}

fn too_many_messages() -> String {
    format!("there are more than {MOST_MESSAGES} messages")
}

impl<'de: 'a, 'a, M: Deserialize<'de>> Deserialize<'de> for Body<'a, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor(PhantomData))
    }
}

struct BodyVisitor<M>(PhantomData<M>);

impl<'de, M: Deserialize<'de>> Visitor<'de> for BodyVisitor<M> {
    type Value = Body<'de, M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut messages = None;
        let mut members = Members(Vec::with_capacity(8));
        while let Some(Name(name)) = map.next_key()? {
            if name == "messages" {
                messages = map
                    .next_value::<Option<List<M>>>()?
                    .map(|List(messages)| messages);
            } else if let Some(value) = map.next_value()? {
                members.push(name, value)?;
            }
        }
        Ok(Body { messages, members })
    }
}

/// Makes the error of a body that is no JSON, or not the JSON of a request.
pub(super) fn invalid_json(problem: &str) -> Error {
    Error::bad_request("request_body", format!("Invalid JSON payload: {problem}"))
}

/// Says what is wrong with a body that could not be read: its syntax, or a type on the way to the messages.
fn explain<'a, M: Deserialize<'a>>(
    text: &'a str,
    body: &'a Bytes,
    error: &serde_json::Error,
) -> Error {
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
    match list.list(|node| node.object::<M>().map(drop)) {
        Err(error) => error,
        Ok(messages) if messages.len() > MOST_MESSAGES => path.error(&too_many_messages()),
        Ok(_) => invalid_json(&error.to_string()),
    }
}

/// Says whether `json` nests lists and objects deeper than `limit`, without reading it.
pub(super) fn is_deeper_than(json: &[u8], limit: usize) -> bool {
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
