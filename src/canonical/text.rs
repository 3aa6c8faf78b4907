//! JSON that is carried through without being taken apart.
//!
//! A conversation is mostly text that goes from the client's body into Bedrock's body, and both are JSON. [`Text`] keeps
//! a JSON string as it was written, quotes and escapes included, as a slice of the client's body: it is checked once by
//! the parser and copied once into the outgoing body, never unescaped and escaped again. [`RawJson`] does the same for
//! any JSON value. Both are cheap to clone.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON string in its written form, quotes included.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text(Bytes);

/// Any JSON value in its written form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RawJson(Bytes);

/// Takes the slice of `body` that `raw` is, without copying; copies when `raw` lies elsewhere.
fn share(body: &Bytes, raw: &str) -> Bytes {
    let start = (raw.as_ptr() as usize).wrapping_sub(body.as_ptr() as usize);
    if start <= body.len() && raw.len() <= body.len() - start {
        body.slice(start..start + raw.len())
    } else {
        Bytes::copy_from_slice(raw.as_bytes())
    }
}

impl Text {
    /// Writes `value` as a JSON string.
    pub fn new(value: &str) -> Self {
        let mut out = Vec::with_capacity(value.len() + 2);
        write_escaped(value, &mut out);
        Self(Bytes::from(out))
    }

    /// Takes a JSON string that the parser has already checked, sharing `body`.
    ///
    /// Returns `None` when `raw` is not a string.
    pub fn from_raw(body: &Bytes, raw: &RawValue) -> Option<Self> {
        let raw = raw.get();
        raw.starts_with('"').then(|| Self(share(body, raw)))
    }

    /// Returns the written form, with quotes.
    pub fn raw(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("\"\"")
    }

    /// Returns the written form without the quotes: still escaped.
    pub fn escaped(&self) -> &str {
        let raw = self.raw();
        raw.get(1..raw.len().saturating_sub(1)).unwrap_or("")
    }

    /// Returns the text itself; borrows when nothing was escaped.
    pub fn decoded(&self) -> Cow<'_, str> {
        let inner = self.escaped();
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Cow::Borrowed(inner);
        }
        serde_json::from_str::<String>(self.raw()).map_or_else(|_| Cow::Borrowed(inner), Cow::Owned)
    }

    /// Says whether the text is `""`.
    pub fn is_empty(&self) -> bool {
        self.0.len() <= 2
    }

    /// Says whether the text has nothing but white space.
    pub fn is_blank(&self) -> bool {
        // Nearly every text starts with a letter, which settles it without looking at the rest.
        let first = self.0.get(1).copied();
        if first.is_some_and(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'"') {
            return false;
        }
        match self.escaped().trim_start().as_bytes().first() {
            None => true,
            Some(b'\\') => self.decoded().trim().is_empty(),
            Some(_) => false,
        }
    }

    /// Returns the bytes of the written form, sharing them.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl RawJson {
    /// Takes a value that the parser has already checked, sharing `body`.
    pub fn from_raw(body: &Bytes, raw: &RawValue) -> Self {
        Self(share(body, raw.get()))
    }

    /// Takes bytes that the parser has already checked.
    pub fn from_checked(json: Bytes) -> Self {
        Self(json)
    }

    /// Writes any value as JSON.
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"null"), Bytes::from))
    }

    /// Returns the written form.
    pub fn get(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("null")
    }

    /// Reads the value into a type.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// Says whether this is `null`.
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }

    /// Returns the value as a JSON tree; `null` when it is nested deeper than the parser goes.
    pub fn to_value(&self) -> serde_json::Value {
        self.parse().unwrap_or(serde_json::Value::Null)
    }

    /// Returns the bytes of the written form, sharing them.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// Appends `value` as a JSON string.
pub fn write_escaped(value: &str, out: &mut Vec<u8>) {
    // Writing a string into a vector has no way to fail.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend_from_slice(b"\"\"");
    }
}

/// Appends a JSON tree.
pub fn write_value(value: &serde_json::Value, out: &mut Vec<u8>) {
    let start = out.len();
    // Writing a tree into a vector has no way to fail: its members' names are strings.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}

impl From<&str> for Text {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

fn as_raw_value(bytes: &Bytes) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_slice(bytes)
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_raw_value(&self.0)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_raw_value(&self.0)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(Bytes::from(Box::<str>::from(raw).into_string())))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if !raw.get().starts_with('"') {
            return Err(serde::de::Error::custom("expected a string"));
        }
        Ok(Self(Bytes::from(Box::<str>::from(raw).into_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shares_the_body_and_keeps_escapes() {
        let body = Bytes::from_static(br#"{"a":"x\ny"}"#);
        let map: std::collections::BTreeMap<&str, &RawValue> =
            serde_json::from_slice(&body).unwrap();
        let text = Text::from_raw(&body, map["a"]).unwrap();
        assert_eq!(text.raw(), r#""x\ny""#);
        assert_eq!(text.decoded(), "x\ny");
        assert_eq!(text.bytes().as_ptr() as usize, body.as_ptr() as usize + 5);
    }

    #[test]
    fn blank_text_is_found_behind_escapes() {
        assert!(Text::new(" \n\t").is_blank());
        assert!(Text::new("").is_blank());
        assert!(!Text::new("\n.").is_blank());
    }
}
