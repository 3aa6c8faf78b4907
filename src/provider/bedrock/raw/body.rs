//! What the gateway needs to know of a body that it passes on: its text, the bound on its answer, the models it names.
//!
//! A body is the client's, of any shape and up to the body limit, so it is walked and never built: it takes no memory.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value at the end of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf<'l> {
    /// A string, unescaped.
    Text(&'l str),
    /// A whole number, 0 or more.
    Count(u64),
}

/// Calls `read` with every string and count of a JSON body, the name of its member, and how deep it stands: a member of the
/// whole at 1. What is no JSON ends the walk, and so does what this reader cannot take although another might (half a
/// surrogate pair, a number beyond all bounds, deep nesting): returns whether the end was reached.
pub(super) fn walk(body: &[u8], read: &mut dyn FnMut(Option<&str>, usize, Leaf<'_>)) -> bool {
    let mut json = serde_json::Deserializer::from_slice(body);
    let whole = Walk {
        name: None,
        depth: 0,
        read,
    };
    whole.deserialize(&mut json).is_ok() && json.end().is_ok()
}

struct Walk<'w> {
    name: Option<&'w str>,
    depth: usize,
    read: &'w mut dyn FnMut(Option<&str>, usize, Leaf<'_>),
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.read)(self.name, self.depth, Leaf::Text(text));
        Ok(())
    }

    fn visit_u64<E>(self, count: u64) -> Result<(), E> {
        (self.read)(self.name, self.depth, Leaf::Count(count));
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        loop {
            let item = Walk {
                name: None,
                depth: self.depth + 1,
                read: &mut *self.read,
            };
            if items.next_element_seed(item)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Name<'de>>()? {
            members.next_value_seed(Walk {
                name: Some(&name.0),
                depth: self.depth + 1,
                read: &mut *self.read,
            })?;
        }
        Ok(())
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
