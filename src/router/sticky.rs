//! What a call sticks by: hashes of its caller, its session, and the prefixes of its prompt.
//!
//! A prompt's prefixes are chained digests, one after each part, so that two prompts with the same beginning have the same
//! digests there. A client moves its cache points forward from turn to turn, so the places shortly before one are looked up
//! too, as Anthropic's own cache does.

use sha2::{Digest, Sha256};

use super::Sticky;
use crate::canonical::{
    ChatRequest, Content, Media, MediaSource, Message, Part, PartKind, Text, Thinking,
};
use crate::catalog::{Size, Tokenizer};
use crate::config::Affinity;

/// Places before a cache point that are looked up.
///
/// Source: <https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching>, "20 block lookback".
const LOOK_BACK: usize = 20;
/// Cache points that count, from the end; a request has at most four.
const POINTS: usize = 4;
/// Of longer pieces only both ends are hashed: where a prompt goes is no secret and no proof.
const SAMPLED_BYTES: usize = 32 * 1024;

/// Who calls, as far as stickiness goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct StickyCaller<'a> {
    /// The key's hash, else `user_id:` and the request's `user`.
    pub caller: Option<&'a str>,
    /// `x-litellm-session-id`, `x-litellm-trace-id` or `metadata.session_id`.
    pub session: Option<&'a str>,
}

impl Sticky {
    /// Works out what a call sticks by. What `affinity` does not use is not worked out; prefixes of fewer than `min_tokens`
    /// (`ModelGroup::prompt_cache_min_tokens`) are not kept by Bedrock, and so not here.
    pub fn of(
        request: &ChatRequest,
        who: StickyCaller<'_>,
        affinity: Affinity,
        min_tokens: u64,
    ) -> Self {
        let mut sticky = Self::default();
        if affinity.deployment {
            sticky.caller = who.caller.map(|caller| hashed(&[caller]));
        }
        if affinity.session {
            let caller = who.caller.unwrap_or("");
            sticky.session = who.session.map(|session| hashed(&[caller, session]));
        }
        if affinity.prompt_caching && has_cache_point(request) {
            let prefixes = prefixes(request, min_tokens);
            sticky.cache_points = points(&prefixes);
            sticky.prompt_prefixes = looked_up(&prefixes);
        }
        sticky
    }
}

fn hashed(pieces: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece.len().to_le_bytes());
        hash.update(piece.as_bytes());
    }
    number(hash)
}

/// The first bytes of a digest as a number that is not 0.
fn number(hash: Sha256) -> u64 {
    let digest = hash.finalize();
    let bytes = digest.iter().take(8);
    bytes
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        .max(1)
}

/// A prefix of the prompt.
#[derive(Debug, Clone, Copy)]
struct Prefix {
    digest: u64,
    /// Whether it ends at a cache point.
    is_point: bool,
    /// Whether it is long enough to be kept.
    is_kept: bool,
}

fn has_cache_point(request: &ChatRequest) -> bool {
    request.messages.iter().any(|message| {
        let of_part = || match &message.content {
            Content::Parts(parts) => parts.iter().any(|part| part.cache.is_some()),
            Content::Absent | Content::Text(_) => false,
        };
        let mut calls = message.tool_calls.iter();
        message.cache.is_some() || calls.any(|call| call.cache.is_some()) || of_part()
    }) || request
        .params
        .tools
        .iter()
        .any(|tool| is_cached(tool.0.get()))
}

fn is_cached(json: &str) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(json.as_bytes(), word).is_some();
    has(b"\"cache_control\"") || has(b"\"cachePoint\"")
}

/// The prefixes of a prompt, shortest first: after each tool, each part, each message.
fn prefixes(request: &ChatRequest, min_tokens: u64) -> Vec<Prefix> {
    let mut chain = Chain {
        hash: Sha256::new(),
        found: Vec::new(),
    };
    let mut size = Size::default();
    // Only Claude and Nova cache prompts, and of the two Claude has the more tokens.
    let is_enough = |size: &Size| size.tokens(Tokenizer::Claude) >= min_tokens;
    for tool in &request.params.tools {
        chain.add("tool", tool.0.get().as_bytes());
        size.add_json(tool.0.get());
        chain.end(is_cached(tool.0.get()), is_enough(&size));
    }
    for message in &request.messages {
        size.add_message(message);
        chain.add_message(message, is_enough(&size));
    }
    chain.found
}

struct Chain {
    hash: Sha256,
    found: Vec<Prefix>,
}

impl Chain {
    fn add(&mut self, kind: &str, bytes: &[u8]) {
        self.hash.update(kind.as_bytes());
        self.hash.update(bytes.len().to_le_bytes());
        if bytes.len() <= 2 * SAMPLED_BYTES {
            self.hash.update(bytes);
            return;
        }
        let (first, last) = (
            bytes.get(..SAMPLED_BYTES),
            bytes.get(bytes.len() - SAMPLED_BYTES..),
        );
        self.hash.update(first.unwrap_or_default());
        self.hash.update(last.unwrap_or_default());
    }

    fn add_text(&mut self, kind: &str, text: &Text) {
        self.add(kind, text.bytes());
    }

    fn end(&mut self, is_point: bool, is_kept: bool) {
        self.found.push(Prefix {
            digest: number(self.hash.clone()),
            is_point,
            is_kept,
        });
    }

    fn add_message(&mut self, message: &Message, is_kept: bool) {
        self.add("role", format!("{:?}", message.role).as_bytes());
        for thinking in &message.thinking {
            self.add_thinking(thinking);
        }
        match &message.content {
            Content::Absent => {}
            // A client may write the same text as a string or as a list of one part.
            Content::Text(text) => self.add_text("text", text),
            Content::Parts(parts) => {
                for part in parts {
                    self.add_part(part);
                    self.end(part.cache.is_some(), is_kept);
                }
            }
        }
        let mut is_point = message.cache.is_some();
        for call in &message.tool_calls {
            self.add("call", call.name.as_bytes());
            self.add("arguments", call.arguments.as_bytes());
            is_point |= call.cache.is_some();
        }
        if let Some(results) = &message.search_results {
            self.add("results", results.get().as_bytes());
        }
        self.end(is_point, is_kept);
    }

    fn add_part(&mut self, part: &Part) {
        match &part.kind {
            PartKind::Text(text)
            | PartKind::GuardedText(text)
            | PartKind::GroundingSource(text)
            | PartKind::GroundingQuery(text) => self.add_text("text", text),
            PartKind::Media(media) => self.add_media(media),
            PartKind::Thinking(thinking) => self.add_thinking(thinking),
            PartKind::Json(json) | PartKind::SearchResult(json) => {
                self.add("json", json.get().as_bytes());
            }
            PartKind::Unknown(kind) => self.add("unknown", kind.as_bytes()),
        }
    }

    fn add_thinking(&mut self, thinking: &Thinking) {
        match thinking {
            Thinking::Shown { text, .. } => self.add_text("thinking", text),
            Thinking::Redacted(data) => self.add_text("redacted", data),
        }
    }

    fn add_media(&mut self, media: &Media) {
        match &media.source {
            MediaSource::Base64(text)
            | MediaSource::DataUrl { url: text, .. }
            | MediaSource::PlainText(text) => self.add_text("media", text),
            MediaSource::Url(url) | MediaSource::Invalid(url) => self.add("url", url.as_bytes()),
            MediaSource::S3 { uri, .. } => self.add("s3", uri.as_bytes()),
            MediaSource::TextParts(parts) => {
                for part in parts {
                    self.add_text("media", part);
                }
            }
        }
    }
}

/// The digests at the last cache points, longest first.
fn points(prefixes: &[Prefix]) -> Vec<u64> {
    let points = prefixes.iter().rev();
    points
        .filter(|prefix| prefix.is_point && prefix.is_kept)
        .take(POINTS)
        .map(|prefix| prefix.digest)
        .collect()
}

/// The digests at the last cache points and shortly before the last one, longest first.
fn looked_up(prefixes: &[Prefix]) -> Vec<u64> {
    let Some(last) = prefixes.iter().rposition(|prefix| prefix.is_point) else {
        return Vec::new();
    };
    let nearest = last.saturating_sub(LOOK_BACK);
    let mut points = 0;
    let mut found = Vec::with_capacity(LOOK_BACK + POINTS);
    for (place, prefix) in prefixes.iter().enumerate().take(last + 1).rev() {
        points += usize::from(prefix.is_point);
        let is_wanted = place >= nearest || (prefix.is_point && points <= POINTS);
        if prefix.is_kept && is_wanted {
            found.push(prefix.digest);
        }
    }
    found
}

#[cfg(test)]
#[path = "sticky_tests.rs"]
mod tests;
