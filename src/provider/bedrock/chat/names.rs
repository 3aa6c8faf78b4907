//! Names of tools and ids of tool calls, made fit for Bedrock.
//!
//! Converse takes `[a-zA-Z0-9_-]{1,64}` as a tool's name and `[a-zA-Z0-9_.:-]{1,64}` as a call's id
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html>), Anthropic's own format
//! `[a-zA-Z0-9_-]{1,128}` and `[a-zA-Z0-9_-]+`. What is changed gets a hash
//! of the original, so that different names stay different; the map lives as long as the request.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::Wire;
use super::context::ToolNames;
use crate::hex::hex;

/// The longest id of a call.
const LONGEST: usize = 64;
/// What is left of a name that gets a hash: room for `_` and 8 digits.
const KEPT: usize = 55;

/// Returns the first `digits` hex digits of the SHA-256 over `parts`.
pub(crate) fn hex_digest(parts: &[&[u8]], digits: usize) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let mut digest = hex(&hasher.finalize());
    digest.truncate(digits);
    digest
}

fn with_hash(fit: &str, original: &str) -> String {
    let mut out: String = fit.chars().take(KEPT).collect();
    out.push('_');
    out.push_str(&hex_digest(&[original.as_bytes()], 8));
    out
}

/// Makes a tool call's id fit for Bedrock; equal ids give equal ids, so calls and results still match.
fn tool_use_id(id: &str, wire: Wire) -> Cow<'_, str> {
    let is_fit = |c: char| match c {
        '.' | ':' => wire == Wire::Converse,
        _ => c.is_ascii_alphanumeric() || matches!(c, '_' | '-'),
    };
    if id.len() <= LONGEST && !id.is_empty() && id.chars().all(is_fit) {
        return Cow::Borrowed(id);
    }
    let fit: String = id
        .chars()
        .map(|c| if is_fit(c) { c } else { '_' })
        .collect();
    Cow::Owned(with_hash(&fit, id))
}

/// Gives the tools of one request their names.
#[derive(Debug, Default)]
pub(crate) struct Namer {
    wire: Wire,
    sent: HashMap<String, String>,
    taken: HashSet<String>,
}

impl Namer {
    /// Names tools for a format.
    pub(crate) fn new(wire: Wire) -> Self {
        Self {
            wire,
            ..Self::default()
        }
    }

    /// Makes a tool call's id fit for Bedrock; equal ids give equal ids, so calls and results still match.
    pub(crate) fn call_id<'i>(&self, id: &'i str) -> Cow<'i, str> {
        tool_use_id(id, self.wire)
    }

    /// Returns what Bedrock is to call the client's `original`.
    pub(crate) fn name(&mut self, original: &str) -> String {
        if let Some(sent) = self.sent.get(original) {
            return sent.clone();
        }
        let longest = match self.wire {
            Wire::Converse => LONGEST,
            Wire::Messages => 2 * LONGEST,
        };
        let mut sent = fit_name(original, self.wire);
        if sent.len() > longest || self.taken.contains(&sent) {
            sent = with_hash(&sent, original);
        }
        self.taken.insert(sent.clone());
        self.sent.insert(original.to_owned(), sent.clone());
        sent
    }

    /// Keeps a name that Bedrock is to know as it is.
    pub(crate) fn keep(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
        self.sent.insert(name.to_owned(), name.to_owned());
    }

    /// Keeps the names of the tools that were renamed, for the answer.
    pub(crate) fn renamed(self) -> ToolNames {
        let mut names = ToolNames::default();
        let mut renamed: Vec<_> = self
            .sent
            .into_iter()
            .filter(|(original, sent)| original != sent)
            .collect();
        renamed.sort();
        for (original, sent) in renamed {
            names.insert(sent, original);
        }
        names
    }
}

fn fit_name(original: &str, wire: Wire) -> String {
    let mut out = String::with_capacity(original.len() + 1);
    let must_begin_with_letter = wire == Wire::Converse || original.is_empty();
    if must_begin_with_letter && !original.starts_with(|c: char| c.is_ascii_alphabetic()) {
        out.push('a');
    }
    out.extend(original.chars().map(|c| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            c
        } else {
            '_'
        }
    }));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_ids_keep_their_place_and_get_a_hash() {
        let converse = Namer::default();
        assert_eq!(converse.call_id("call 2!"), "call_2__e2da46a7");
        assert_eq!(converse.call_id("call_1.a:b-c"), "call_1.a:b-c");
        assert_eq!(converse.call_id(&"x".repeat(100)).len(), 64);
        let messages = Namer::new(Wire::Messages);
        assert!(messages.call_id("a.b").starts_with("a_b_"));
        assert_eq!(messages.call_id("call-1_x"), "call-1_x");
    }

    #[test]
    fn names_that_would_collide_stay_different() {
        let mut namer = Namer::default();
        assert_eq!(namer.name("get.time"), "get_time");
        assert_eq!(namer.name("get.time"), "get_time");
        let second = namer.name("get time");
        assert!(second.starts_with("get_time_") && second.len() == 17);
        assert_eq!(namer.name("1st"), "a1st");
        assert_eq!(namer.name("größe"), "gr__e");
        assert_eq!(namer.name(&"n".repeat(65)).len(), 64);
        let mut messages = Namer::new(Wire::Messages);
        assert_eq!(messages.name("1st"), "1st");
        assert_eq!(messages.name(&"n".repeat(128)).len(), 128);
        let renamed = namer.renamed();
        assert_eq!(renamed.original("get_time"), "get.time");
        assert_eq!(renamed.original(&second), "get time");
        assert_eq!(renamed.original("unknown"), "unknown");
    }
}
