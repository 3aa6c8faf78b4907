//! One written form for one meaning, straight into SHA-256.
//!
//! What two requests have in common must give the same bytes, whatever order their objects were written in and however
//! their strings were escaped; what differs must give other bytes. Values are written as JSON with a comma behind each,
//! objects with their members sorted. Nothing is built up beside the hash: a prompt is hashed where it lies in the body,
//! and an object inside another one is represented by its own hash, so that every byte is read once however deep it lies.
//!
//! Numbers count as they are written: `1` and `1.0` are two numbers here. That can only cost a hit.

use std::borrow::Cow;

use serde_json::Number;
use sha2::{Digest, Sha256};

use crate::canonical::{RawJson, Text};
use crate::hex::hex;

/// Members of one object that are sorted together. A larger object is taken in batches of this many: its order then
/// counts in part, which can only cost a hit.
const MOST_SORTED: usize = 10_000;

/// How deep values are followed; the parser refuses deeper ones before they come here.
const DEPTH_LIMIT: usize = 200;

/// Takes values, and ends as their hash.
#[derive(Debug, Clone, Default)]
pub(super) struct Canon(Sha256);

/// What can be part of a key.
pub(super) trait Canonical {
    /// Appends the value.
    fn write(&self, out: &mut Canon);

    /// Says whether the value says nothing; such a member is left out.
    fn is_absent(&self) -> bool {
        false
    }
}

impl Canon {
    /// Starts with `domain`, which keeps hashes for different purposes apart.
    pub(super) fn new(domain: &str) -> Self {
        let mut canon = Self::default();
        canon.string(domain);
        canon
    }

    /// Appends an object; `members` writes what is in it, by [`Canon::member`].
    pub(super) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.0.update(b"{");
        members(self);
        self.0.update(b"},");
    }

    /// Appends one member of an object, unless its value says nothing.
    pub(super) fn member<T: Canonical + ?Sized>(&mut self, name: &str, value: &T) {
        if !value.is_absent() {
            self.string(name);
            value.write(self);
        }
    }

    /// Appends a list.
    pub(super) fn list<'a, T: Canonical + 'a>(&mut self, values: impl IntoIterator<Item = &'a T>) {
        self.0.update(b"[");
        for value in values {
            value.write(self);
        }
        self.0.update(b"],");
    }

    /// Appends a string.
    pub(super) fn string(&mut self, value: &str) {
        self.0.update(b"\"");
        self.plain(value);
        self.0.update(b"\",");
    }

    /// Returns the hash, as 64 hexadecimal digits.
    pub(super) fn hex(self) -> String {
        hex(&self.digest())
    }

    fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// Appends the inside of a string: only what must be escaped is, always in the same way.
    fn plain(&mut self, value: &str) {
        let mut rest = value.as_bytes();
        while let Some(at) = rest
            .iter()
            .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
        {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.0.update(before);
            let Some((&special, after)) = from.split_first() else {
                return;
            };
            self.0.update([b'\\', special]);
            rest = after;
        }
        self.0.update(rest);
    }

    /// Appends a string in its written form, which may escape more than it must.
    fn written(&mut self, escaped: &str) {
        self.0.update(b"\"");
        let mut rest = escaped;
        while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            self.0.update(before.as_bytes());
            let (length, letter) = escape(from);
            match letter {
                Some(letter) => self.plain(letter.encode_utf8(&mut [0; 4])),
                // Half of a pair, which is no character: as written.
                None => self
                    .0
                    .update(from.get(..length).unwrap_or_default().to_ascii_lowercase()),
            }
            rest = from.get(length..).unwrap_or_default();
        }
        self.0.update(rest.as_bytes());
        self.0.update(b"\",");
    }

    fn literal(&mut self, written: &str) {
        self.0.update(written.as_bytes());
        self.0.update(b",");
    }
}

/// Reads the escape that `from` begins with: how long it is, and the character that it stands for.
fn escape(from: &str) -> (usize, Option<char>) {
    let simple = match from.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode(from),
        Some(&byte) if byte.is_ascii() => char::from(byte),
        _ => return (from.len(), None),
    };
    (2, Some(simple))
}

fn unicode(from: &str) -> (usize, Option<char>) {
    let Some(first) = unit(from, 0) else {
        return (from.len(), None);
    };
    if let Some(letter) = char::from_u32(first) {
        return (6, Some(letter));
    }
    let second = (from.get(6..8) == Some("\\u"))
        .then(|| unit(from, 6))
        .flatten();
    match (first, second) {
        (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) => {
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            (12, char::from_u32(code))
        }
        _ => (6, None),
    }
}

/// Reads the four digits of the `\u` at `at`.
fn unit(text: &str, at: usize) -> Option<u32> {
    u32::from_str_radix(text.get(at + 2..at + 6)?, 16).ok()
}

/// Walks over JSON that a parser has checked before. What it cannot read after all is hashed as it is written.
struct Walk<'a> {
    rest: &'a str,
}

/// The value of a member, until the members are sorted.
enum Value<'a> {
    Written(&'a str),
    Literal(&'a str),
    Hashed([u8; 32]),
}

impl<'a> Walk<'a> {
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.as_bytes().first().copied()
    }

    /// Takes the next byte if it is `wanted`.
    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        found
    }

    /// Takes a string, and returns what is between its quotes; `None` where there is none.
    fn string(&mut self) -> Option<&'a str> {
        if !self.take(b'"') {
            return None;
        }
        let bytes = self.rest.as_bytes();
        let mut at = 0;
        loop {
            let step = memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
            at += step;
            if bytes.get(at) == Some(&b'"') {
                let inside = self.rest.get(..at)?;
                self.rest = self.rest.get(at + 1..)?;
                return Some(inside);
            }
            at += 2;
        }
    }

    /// Takes a number, `true`, `false` or `null`.
    fn literal(&mut self) -> Option<&'a str> {
        let end = self
            .rest
            .find([',', ']', '}', ' ', '\t', '\n', '\r'])
            .unwrap_or(self.rest.len());
        let (literal, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!literal.is_empty()).then_some(literal)
    }

    /// Takes one value and appends it; `None` where the JSON is not what it should be.
    fn value(&mut self, out: &mut Canon, depth: usize) -> Option<()> {
        if depth > DEPTH_LIMIT {
            return None;
        }
        match self.peek()? {
            b'"' => out.written(self.string()?),
            b'{' => self.object(out, depth)?,
            b'[' => self.list(out, depth)?,
            _ => out.literal(self.literal()?),
        }
        Some(())
    }

    fn list(&mut self, out: &mut Canon, depth: usize) -> Option<()> {
        self.take(b'[');
        out.0.update(b"[");
        while !self.take(b']') {
            self.value(out, depth + 1)?;
            self.take(b',');
        }
        out.0.update(b"],");
        Some(())
    }

    fn object(&mut self, out: &mut Canon, depth: usize) -> Option<()> {
        self.take(b'{');
        out.0.update(b"{");
        let mut members = Vec::new();
        while !self.take(b'}') {
            let name = decoded(self.string()?);
            self.take(b':');
            let value = match self.peek()? {
                b'"' => Value::Written(self.string()?),
                b'{' | b'[' => {
                    let mut inner = Canon::default();
                    self.value(&mut inner, depth + 1)?;
                    Value::Hashed(inner.digest())
                }
                _ => Value::Literal(self.literal()?),
            };
            members.push((name, value));
            if members.len() == MOST_SORTED {
                write_sorted(&mut members, out);
            }
            self.take(b',');
        }
        write_sorted(&mut members, out);
        out.0.update(b"},");
        Some(())
    }
}

/// Appends the members in the order of their names; two of one name keep theirs.
fn write_sorted(members: &mut Vec<(Cow<'_, str>, Value<'_>)>, out: &mut Canon) {
    members.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, value) in members.drain(..) {
        out.string(&name);
        match value {
            Value::Written(escaped) => out.written(escaped),
            Value::Literal(written) => out.literal(written),
            // No JSON begins like this.
            Value::Hashed(hash) => {
                out.0.update(b"#");
                out.0.update(hash);
                out.0.update(b",");
            }
        }
    }
}

/// Returns the name that is written as `escaped`.
fn decoded(escaped: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', escaped.as_bytes()).is_none() {
        return Cow::Borrowed(escaped);
    }
    serde_json::from_str(&format!("\"{escaped}\"")).map_or(Cow::Borrowed(escaped), Cow::Owned)
}

impl Canonical for RawJson {
    fn write(&self, out: &mut Canon) {
        let mut walk = Walk { rest: self.get() };
        if walk.value(out, 0).is_none() {
            out.0.update(b"!");
            out.string(self.get());
        }
    }
}

impl Canonical for Text {
    fn write(&self, out: &mut Canon) {
        out.written(self.escaped());
    }
}

impl Canonical for str {
    fn write(&self, out: &mut Canon) {
        out.string(self);
    }
}

impl Canonical for String {
    fn write(&self, out: &mut Canon) {
        out.string(self);
    }
}

impl Canonical for bool {
    fn write(&self, out: &mut Canon) {
        out.literal(if *self { "true" } else { "false" });
    }

    fn is_absent(&self) -> bool {
        !self
    }
}

impl Canonical for u64 {
    fn write(&self, out: &mut Canon) {
        out.literal(itoa::Buffer::new().format(*self));
    }
}

impl Canonical for Number {
    fn write(&self, out: &mut Canon) {
        out.literal(&self.to_string());
    }
}

impl<T: Canonical> Canonical for Option<T> {
    fn write(&self, out: &mut Canon) {
        match self {
            Some(value) => value.write(out),
            None => out.literal("null"),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Canonical + ?Sized> Canonical for Box<T> {
    fn write(&self, out: &mut Canon) {
        (**self).write(out);
    }
}

impl<T: Canonical> Canonical for Vec<T> {
    fn write(&self, out: &mut Canon) {
        out.list(self);
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// A member carried by name.
impl<T: Canonical> Canonical for (String, T) {
    fn write(&self, out: &mut Canon) {
        out.object(|out| {
            out.string(&self.0);
            self.1.write(out);
        });
    }
}

#[cfg(test)]
#[path = "canon_tests.rs"]
mod tests;
