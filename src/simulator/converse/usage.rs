//! Token counts: characters divided by four, rounded up. Real tokenizers differ; equal input gives equal counts.

use std::sync::Arc;

use serde::Serialize;

use super::super::json::Node;
use super::super::state::{Shared, hash_of};
use super::request::Request;

pub(super) const CHARS_PER_TOKEN: u64 = 4;
/// What an image, a document, a video or a sound costs, whatever its size.
const TOKENS_PER_MEDIUM: u64 = 250;
const MEDIA: [&str; 4] = ["image", "document", "video", "audio"];

/// The usage of one call as AWS reports it: `input_tokens` excludes what was read from or written to the cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::simulator) struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    #[serde(flatten)]
    cache: Option<CacheUsage>,
}

/// What a request with cache points read and wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct CacheUsage {
    #[serde(rename = "cacheReadInputTokens")]
    read: u64,
    #[serde(rename = "cacheWriteInputTokens")]
    written: u64,
    #[serde(rename = "cacheDetails", skip_serializing_if = "Option::is_none")]
    details: Option<[CacheDetail; 1]>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetail {
    ttl: &'static str,
    input_tokens: u64,
}

impl Usage {
    /// Input tokens, cached ones left out.
    pub(in crate::simulator) fn input(&self) -> u64 {
        self.input_tokens
    }

    /// Generated tokens.
    pub(in crate::simulator) fn output(&self) -> u64 {
        self.output_tokens
    }

    /// Tokens read from the cache, and written to it.
    pub(in crate::simulator) fn cached(&self) -> (u64, u64) {
        self.cache
            .as_ref()
            .map_or((0, 0), |cache| (cache.read, cache.written))
    }

    /// A made-up latency that grows with the answer.
    pub(in crate::simulator) fn latency_ms(&self) -> u64 {
        100 + self.output_tokens
    }
}

/// Counts the tokens of a text.
pub(super) fn tokens(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(CHARS_PER_TOKEN)
}

/// Counts a request.
pub(super) fn input_tokens(request: &Request<'_>) -> u64 {
    parts(request).map(node_tokens).sum()
}

/// Returns tools, system and content: the order in which models see a request and in which its prefixes are cached.
fn parts<'a>(request: &Request<'a>) -> impl Iterator<Item = &'a Node<'a>> {
    let messages = request
        .messages()
        .iter()
        .flat_map(|message| message.items_of("content"));
    request
        .tools()
        .iter()
        .chain(request.root.items_of("system"))
        .chain(messages)
}

/// Counts a request; looks up and remembers the prefixes that end at its cache points.
pub(super) fn count(request: &Request<'_>, output: u64, shared: &Arc<Shared>) -> Usage {
    let total = input_tokens(request);
    let whole = Usage {
        input_tokens: total,
        output_tokens: output,
        total_tokens: total + output,
        cache: None,
    };
    if !parts(request).any(|part| part.has("cachePoint")) {
        return whole;
    }
    let (mut read, mut written, mut ttl) = (0, 0, "5m");
    let (mut seen, mut prefix) = (0, request.model.base.clone());
    for part in parts(request) {
        if let Some(point) = part.get("cachePoint") {
            if shared.remember_prefix(hash_of(&prefix)) {
                read = seen;
            }
            written = seen - read;
            if point.text_of("ttl") == Some("1h") {
                ttl = "1h";
            }
        } else {
            seen += node_tokens(part);
            prefix.push_str(&serde_json::to_string(part).unwrap_or_default());
        }
    }
    let cache = CacheUsage {
        read,
        written,
        details: (written > 0).then_some([CacheDetail {
            ttl,
            input_tokens: written,
        }]),
    };
    Usage {
        input_tokens: total - read - written,
        cache: Some(cache),
        ..whole
    }
}

/// Counts what is said in a block or a tool, whatever its form.
fn node_tokens(node: &Node<'_>) -> u64 {
    if node.has("cachePoint") {
        return 0;
    }
    chars(node).div_ceil(CHARS_PER_TOKEN)
}

fn chars(node: &Node<'_>) -> u64 {
    match node {
        Node::Null | Node::Flag(_) | Node::Number(_) => 1,
        Node::Text(text) => text.chars().count() as u64,
        Node::List(items) => items.iter().map(chars).sum(),
        Node::Object(members) => members
            .iter()
            .map(|(name, value)| match value {
                _ if MEDIA.contains(&name.as_ref()) => TOKENS_PER_MEDIUM * CHARS_PER_TOKEN,
                value => chars(value),
            })
            .sum(),
    }
}
