//! Token counts: characters divided by four, rounded up. Real tokenizers differ; equal input gives equal counts.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::json::Node;
use super::super::state::{Shared, hash_of};
use super::request::Request;

pub(super) const CHARS_PER_TOKEN: u64 = 4;
/// What an image, a document, a video or a sound costs, whatever its size.
const TOKENS_PER_MEDIUM: u64 = 250;
const MEDIA: [&str; 4] = ["image", "document", "video", "audio"];

/// The usage of one call, as AWS reports it: `input` excludes what was read from or written to the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) cache: Option<CacheUsage>,
}

/// What a request with cache points read and wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CacheUsage {
    read: u64,
    written: u64,
    one_hour: bool,
}

impl Usage {
    pub(super) fn to_json(self) -> Value {
        let cached = self.cache.map_or(0, |cache| cache.read + cache.written);
        let total = self.input + self.output + cached;
        let mut usage =
            json!({"inputTokens": self.input, "outputTokens": self.output, "totalTokens": total});
        if let Some(cache) = self.cache {
            usage["cacheReadInputTokens"] = cache.read.into();
            usage["cacheWriteInputTokens"] = cache.written.into();
            if cache.written > 0 {
                let ttl = if cache.one_hour { "1h" } else { "5m" };
                usage["cacheDetails"] = json!([{"ttl": ttl, "inputTokens": cache.written}]);
            }
        }
        usage
    }

    /// A made-up latency that grows with the answer.
    pub(super) fn latency_ms(self) -> u64 {
        100 + self.output
    }
}

/// Counts the tokens of a text.
pub(super) fn tokens(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(CHARS_PER_TOKEN)
}

/// Counts a request; looks up and remembers the prefixes that end at its cache points.
pub(super) fn count(request: &Request<'_>, output: u64, shared: &Arc<Shared>) -> Usage {
    let messages = request
        .messages()
        .iter()
        .flat_map(|message| message.items_of("content"));
    // The order in which models see a request, and so the order in which prefixes are cached.
    let parts = || {
        request
            .tools()
            .iter()
            .chain(request.root.items_of("system"))
            .chain(messages.clone())
    };
    let total: u64 = parts().map(node_tokens).sum();
    if !parts().any(|part| part.has("cachePoint")) {
        return Usage {
            input: total,
            output,
            cache: None,
        };
    }
    let mut cache = CacheUsage::default();
    let (mut seen, mut prefix) = (0, request.model.base.clone());
    for part in parts() {
        if let Some(point) = part.get("cachePoint") {
            if shared.remember_prefix(hash_of(&prefix)) {
                cache.read = seen;
            }
            cache.written = seen - cache.read;
            cache.one_hour |= point.text_of("ttl") == Some("1h");
        } else {
            seen += node_tokens(part);
            prefix.push_str(&serde_json::to_string(part).unwrap_or_default());
        }
    }
    Usage {
        input: total - cache.read - cache.written,
        output,
        cache: Some(cache),
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
