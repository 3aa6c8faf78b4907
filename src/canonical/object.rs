//! An object that is changed in a few places and otherwise stays as it was written.
//!
//! [`RawObject`] finds where the members stand, [`ObjectWriter`] puts an object together; what nobody touches is copied byte
//! for byte.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::write_escaped;

/// How many members an object may have: each is looked for among the others.
const MOST_MEMBERS: usize = 2000;

/// The members of an object, in the order in which they were written, `null` ones included.
#[derive(Debug, Default)]
pub struct RawObject<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> RawObject<'a> {
    /// Reads an object; `None` when `json` is none, or has more members than any real one.
    pub fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// Returns the written value of a member; of two with the same name the later counts.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.get())
    }

    /// Returns the value of a member that is a string.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let written = self.get(name).filter(|written| written.starts_with('"'))?;
        let inner = written.get(1..written.len() - 1)?;
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Some(Cow::Borrowed(inner));
        }
        serde_json::from_str(written).ok().map(Cow::Owned)
    }

    /// Returns the members, of two with the same name only the later.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        let all = self.0.iter().enumerate();
        all.filter(|(place, (name, _))| {
            let later = self.0.get(place + 1..).unwrap_or_default();
            !later.iter().any(|(other, _)| other == name)
        })
        .map(|(_, (name, value))| (&**name, value.get()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = RawObject<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        #[derive(serde::Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            if members.len() == MOST_MEMBERS {
                return Err(serde::de::Error::custom("too many members"));
            }
            members.push((name, value));
        }
        Ok(RawObject(members))
    }
}

/// Writes one object, member by member.
#[derive(Debug)]
pub struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl<'o> ObjectWriter<'o> {
    /// Begins an object at the end of `out`.
    pub fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_first: true,
        }
    }

    /// Writes a member's name, and returns where its value goes.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
        write_escaped(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// Writes a member whose value is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) {
        self.member(name).extend_from_slice(json.as_bytes());
    }

    /// Appends what `write` puts behind the members so far, a comma before it.
    pub fn behind(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.out);
        self.is_first = false;
    }

    /// Ends the object, and returns where what follows it goes.
    pub fn close(self) -> &'o mut Vec<u8> {
        self.out.push(b'}');
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_their_nulls_and_the_last_of_two() {
        let object = RawObject::parse(r#"{"b": null, "a" : [1, 2.0],"b":"\u0041"}"#).unwrap();
        let members: Vec<_> = object.members().collect();
        assert_eq!(members, [("a", "[1, 2.0]"), ("b", r#""\u0041""#)]);
        assert_eq!(object.text("b").unwrap(), "A");
        assert_eq!(object.text("a"), None);
        assert!(RawObject::parse("[]").is_none());
    }

    #[test]
    fn objects_are_written_member_by_member() {
        let mut out = Vec::new();
        let mut object = ObjectWriter::open(&mut out);
        object.raw("a\"", "1");
        object.member("b").extend_from_slice(b"null");
        object.close();
        assert_eq!(out, br#"{"a\"":1,"b":null}"#);
    }
}
