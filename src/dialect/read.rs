//! Reading one JSON value into one type, with the path of the value for the error.
//!
//! A [`Node`] is a value that the parser has already checked, where it stands in the request, and the body that it is a
//! slice of. The path is built only when an error names it.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

use crate::canonical::{RawJson, Text};
use crate::error::{Error, Result};

/// Where a value stands in the request: `messages[3].content`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Member(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// The request itself.
    pub(super) const ROOT: Self = Self {
        parent: None,
        step: Step::Root,
    };

    /// Goes to a member.
    pub(super) fn member(&'p self, name: &'p str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Member(name),
        }
    }

    /// Goes to an element.
    pub(super) fn index(&'p self, index: usize) -> Self {
        Self {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// Makes the error of a value that is wrong.
    pub(super) fn error(&self, problem: &str) -> Error {
        let path = self.to_string();
        let message = format!("Invalid value for '{path}': {problem}.");
        Error::bad_request(path, message)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else {
            return Ok(());
        };
        parent.fmt(f)?;
        match self.step {
            Step::Root => Ok(()),
            Step::Member(name) if matches!(parent.step, Step::Root) => f.write_str(name),
            Step::Member(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A value of the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a, 'p> {
    /// What the value is a slice of.
    pub(super) body: &'a Bytes,
    /// The value.
    pub(super) raw: &'a RawValue,
    /// Where it stands.
    pub(super) path: &'p Path<'p>,
}

impl<'a> Node<'a, '_> {
    /// Goes to a member of this value, if it is there: reads `raw` with `read`.
    pub(super) fn member<T>(
        &self,
        name: &str,
        raw: Option<&'a RawValue>,
        read: impl FnOnce(Node<'a, '_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(raw) = raw else {
            return Ok(None);
        };
        let path = self.path.member(name);
        read(Node {
            body: self.body,
            raw,
            path: &path,
        })
        .map(Some)
    }

    /// Returns the first byte of the value, which says its type.
    fn first(&self) -> u8 {
        self.raw.get().as_bytes().first().copied().unwrap_or(b'n')
    }

    /// Says whether the value is a string.
    pub(super) fn is_string(&self) -> bool {
        self.first() == b'"'
    }

    /// Says whether the value is a list.
    pub(super) fn is_list(&self) -> bool {
        self.first() == b'['
    }

    /// Says whether the value is an object.
    pub(super) fn is_object(&self) -> bool {
        self.first() == b'{'
    }

    /// Makes the error of a value that has the wrong type.
    pub(super) fn expected(&self, what: &str) -> Error {
        let got = match self.first() {
            b'"' => "a string",
            b'{' => "an object",
            b'[' => "a list",
            b't' | b'f' => "a boolean",
            b'n' => "null",
            _ => "a number",
        };
        self.path.error(&format!("expected {what}, got {got}"))
    }

    /// Makes the error of a value that is wrong.
    pub(super) fn error(&self, problem: &str) -> Error {
        self.path.error(problem)
    }

    /// Takes the value as it is written.
    pub(super) fn json(&self) -> RawJson {
        RawJson::from_raw(self.body, self.raw)
    }

    /// Reads a string without taking it apart.
    pub(super) fn text(&self) -> Result<Text> {
        Text::from_raw(self.body, self.raw).ok_or_else(|| self.expected("a string"))
    }

    /// Reads a string; borrows when nothing was escaped.
    pub(super) fn string(&self) -> Result<Cow<'a, str>> {
        if !self.is_string() {
            return Err(self.expected("a string"));
        }
        let written = self.raw.get();
        if memchr::memchr(b'\\', written.as_bytes()).is_none() {
            let inner = written.get(1..written.len().saturating_sub(1));
            return Ok(Cow::Borrowed(inner.unwrap_or("")));
        }
        serde_json::from_str::<String>(written)
            .map(Cow::Owned)
            .map_err(|_| self.error("the string has an escape that is not Unicode"))
    }

    /// Reads a string into one of its own.
    pub(super) fn owned(&self) -> Result<String> {
        self.string().map(Cow::into_owned)
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&self) -> Result<bool> {
        match self.raw.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.expected("a boolean")),
        }
    }

    /// Reads a number.
    pub(super) fn number(&self) -> Result<Number> {
        if !matches!(self.first(), b'-' | b'0'..=b'9') {
            return Err(self.expected("a number"));
        }
        serde_json::from_str(self.raw.get()).map_err(|_| self.error("the number is out of range"))
    }

    /// Reads a number that may have a fraction.
    pub(super) fn float(&self) -> Result<f64> {
        self.number()?
            .as_f64()
            .ok_or_else(|| self.expected("a number"))
    }

    /// Reads a whole number of 0 or more; `5.0` is one.
    pub(super) fn whole(&self) -> Result<u64> {
        let number = self.number()?;
        if let Some(whole) = number.as_u64() {
            return Ok(whole);
        }
        match number.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the guard admits only whole numbers that fit"
            )]
            Some(float) if float >= 0.0 && float.fract() == 0.0 && float < 9e15 => Ok(float as u64),
            _ => Err(self.error("expected a whole number of 0 or more")),
        }
    }

    /// Reads an object into `T`, whose members must all be optional raw values.
    pub(super) fn object<T: Deserialize<'a>>(&self) -> Result<T> {
        if !self.is_object() {
            return Err(self.expected("an object"));
        }
        serde_json::from_str(self.raw.get()).map_err(|error| self.error(&error.to_string()))
    }

    /// Reads a list, and each element with `read`.
    pub(super) fn list<T>(&self, read: impl FnMut(Node<'a, '_>) -> Result<T>) -> Result<Vec<T>> {
        self.list_up_to(usize::MAX, read)
    }

    /// Reads a list of at most `most` elements.
    pub(super) fn list_up_to<T>(
        &self,
        most: usize,
        mut read: impl FnMut(Node<'a, '_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        if !self.is_list() {
            return Err(self.expected("a list"));
        }
        let elements: Vec<&'a RawValue> =
            serde_json::from_str(self.raw.get()).map_err(|error| self.error(&error.to_string()))?;
        if elements.len() > most {
            return Err(self.error(&format!("it has more than {most} elements")));
        }
        let mut out = Vec::with_capacity(elements.len().min(1024));
        for (index, raw) in elements.into_iter().enumerate() {
            let path = self.path.index(index);
            out.push(read(Node {
                body: self.body,
                raw,
                path: &path,
            })?);
        }
        Ok(out)
    }

    /// Reads an object's members, in the order in which they were written.
    pub(super) fn members(&self) -> Result<Members<'a>> {
        self.object()
    }
}

/// How many members an object may have that is read member by member: each is looked for among the others.
const MOST_MEMBERS: usize = 2000;
/// How long their names may be.
const LONGEST_NAME: usize = 256;

/// The members of an object, in the order in which they were written; `null` ones are left out.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Adds a member, if it is one that a request may have.
    pub(super) fn push<E: serde::de::Error>(
        &mut self,
        name: Cow<'a, str>,
        value: &'a RawValue,
    ) -> Result<(), E> {
        if self.0.len() == MOST_MEMBERS {
            return Err(E::custom(format!(
                "it has more than {MOST_MEMBERS} members"
            )));
        }
        if name.len() > LONGEST_NAME {
            return Err(E::custom(format!(
                "the name of a member has more than {LONGEST_NAME} bytes"
            )));
        }
        self.0.push((name, value));
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> serde::de::Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Members::default();
        while let Some(Name(name)) = map.next_key()? {
            if let Some(value) = map.next_value()? {
                out.push(name, value)?;
            }
        }
        Ok(out)
    }
}

/// The name of a member; borrows when nothing was escaped.
#[derive(Deserialize)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn node<T>(json: &'static str, read: impl FnOnce(Node<'_, '_>) -> T) -> T {
        let body = Bytes::from_static(json.as_bytes());
        let raw: &RawValue = serde_json::from_slice(&body).unwrap();
        let messages = Path::ROOT.member("messages");
        let third = messages.index(3);
        let path = third.member("content");
        read(Node {
            body: &body,
            raw,
            path: &path,
        })
    }

    #[test]
    fn error_names_the_path_and_both_types() {
        let error = node("7", |node| node.text()).unwrap_err();
        assert_eq!(error.param(), Some("messages[3].content"));
        assert!(error.message().contains("expected a string, got a number"));
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_fraction() {
        assert_eq!(node("5.0", |node| node.whole()).unwrap(), 5);
        assert!(node("5.5", |node| node.whole()).is_err());
        assert!(node("-1", |node| node.whole()).is_err());
        assert!(node("1e400", |node| node.whole()).is_err());
    }

    #[test]
    fn strings_borrow_when_nothing_is_escaped() {
        node(r#""plain""#, |node| {
            assert!(matches!(node.string(), Ok(Cow::Borrowed("plain"))));
        });
        assert_eq!(node(r#""a\"b""#, |node| node.owned()).unwrap(), "a\"b");
        assert!(node(r#""\ud800""#, |node| node.owned()).is_err());
    }
}
