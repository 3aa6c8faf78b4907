//! Where an answer ends early: stop sequences and `maxTokens`.

use super::super::json::Node;
use super::answer::Content;
use super::request::Request;
use super::usage::{CHARS_PER_TOKEN, tokens};

/// Cuts the texts at the first stop sequence and returns it.
pub(super) fn stop_at_sequence(request: &Request<'_>, blocks: &mut Vec<Content>) -> Option<String> {
    let sequences = request.inference("stopSequences")?.items();
    for index in 0..blocks.len() {
        let Some(Content::Text(text)) = blocks.get_mut(index) else {
            continue;
        };
        let found = sequences
            .iter()
            .filter_map(Node::text)
            .filter_map(|stop| Some((text.find(stop)?, stop)))
            .min();
        if let Some((at, stop)) = found {
            text.truncate(at);
            blocks.truncate(index + 1);
            return Some(stop.to_owned());
        }
    }
    None
}

/// Cuts the answer at `max_tokens` and says whether something is missing.
pub(super) fn truncate(blocks: &mut Vec<Content>, max_tokens: u64) -> bool {
    let mut left = max_tokens;
    for index in 0..blocks.len() {
        let Some(block) = blocks.get_mut(index) else {
            break;
        };
        let needed = content_tokens(block);
        if needed <= left {
            left -= needed;
            continue;
        }
        let chars = usize::try_from(left.saturating_mul(CHARS_PER_TOKEN)).unwrap_or(usize::MAX);
        let kept = match block {
            Content::Text(text) | Content::Cited { text, .. } => {
                *text = text.chars().take(chars).collect();
                chars > 0
            }
            // Half a thought has no signature.
            Content::Thought { text, signature } => {
                *text = text.chars().take(chars).collect();
                *signature = None;
                chars > 0
            }
            Content::Redacted(_) | Content::ToolUse { .. } => false,
        };
        blocks.truncate(index + usize::from(kept));
        return true;
    }
    false
}

/// Counts what a block costs.
pub(super) fn content_tokens(content: &Content) -> u64 {
    match content {
        Content::Text(text) | Content::Cited { text, .. } | Content::Thought { text, .. } => {
            tokens(text)
        }
        Content::Redacted(data) => tokens(data),
        Content::ToolUse { name, input, .. } => tokens(name) + tokens(&input.to_string()),
    }
}
