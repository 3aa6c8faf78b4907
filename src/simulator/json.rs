//! A JSON tree that borrows from the request body.
//!
//! The simulator runs in benches beside the router, so it must be cheap: strings without escapes are not copied, and
//! objects are vectors, because they are small and walked in order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

use super::error::AwsError;

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Flag(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Reads a body; an empty one is an empty object.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, AwsError> {
        if body.is_empty() {
            return Ok(Node::Object(Vec::new()));
        }
        serde_json::from_slice(body).map_err(|error| {
            AwsError::new(
                "SerializationException",
                400,
                format!("The request body isn't valid JSON: {error}"),
            )
        })
    }

    /// Returns a member of an object; `null` counts as absent, as AWS reads it.
    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        let found = self
            .members()
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value);
        found.filter(|value| !matches!(value, Node::Null))
    }

    /// Follows member names downwards.
    pub(super) fn at(&self, names: &[&str]) -> Option<&Node<'a>> {
        names.iter().try_fold(self, |node, name| node.get(name))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the members of an object, nothing for any other value.
    pub(super) fn members(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        match self {
            Node::Object(members) => members,
            _ => &[],
        }
    }

    /// Returns the items of a list, nothing for any other value.
    pub(super) fn items(&self) -> &[Node<'a>] {
        match self {
            Node::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Node::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    pub(super) fn integer(&self) -> Option<u64> {
        match self {
            Node::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// Returns the text of a member, the commonest question of all.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Node::text)
    }

    /// Returns the items of a member that is a list.
    pub(super) fn items_of(&self, name: &str) -> &[Node<'a>] {
        self.get(name).map_or(&[], Node::items)
    }

    /// Names the JSON type as Bedrock's validator does in its messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Node::Null => "Null",
            Node::Flag(_) => "Boolean",
            Node::Number(number) if number.is_f64() => "BigDecimal",
            Node::Number(_) => "Integer",
            Node::Text(_) => "String",
            Node::List(_) => "JSONArray",
            Node::Object(_) => "JSONObject",
        }
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node<'de>, E> {
        Ok(Node::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node<'de>, E> {
        Ok(Number::from_f64(number).map_or(Node::Null, Node::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let mut members = Vec::with_capacity(4);
        while let Some((Key(name), value)) = access.next_entry()? {
            members.push((name, value));
        }
        Ok(Node::Object(members))
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Null => serializer.serialize_unit(),
            Node::Flag(flag) => serializer.serialize_bool(*flag),
            Node::Number(number) => number.serialize(serializer),
            Node::Text(text) => serializer.serialize_str(text),
            Node::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Node::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name.as_ref(), value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_strings_are_borrowed_and_escaped_ones_are_not() {
        let node: Node<'_> =
            serde_json::from_str(r#"{"a":"plain","b":"line\nbreak","c":null}"#).unwrap();
        assert!(matches!(
            node.get("a"),
            Some(Node::Text(Cow::Borrowed("plain")))
        ));
        assert!(matches!(node.get("b"), Some(Node::Text(Cow::Owned(_)))));
        assert!(!node.has("c"));
    }

    #[test]
    fn writing_gives_back_what_was_read() {
        let text = r#"{"n":1,"f":1.5,"big":12345678901234567890,"l":[true,null,"x"],"o":{}}"#;
        let node: Node<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&node).unwrap(), text);
    }
}
