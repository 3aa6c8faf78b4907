//! A kept answer as a stream: reasoning and tool calls first, then the text word by word, then the finish and usage.
//!
//! Clients that show words as they come keep doing so. Joined together the pieces are the text exactly. Source: LiteLLM's
//! replay of cached streams.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{AnswerBlock, ChatAnswer, ChatChunk, RawJson, Text};

/// Most pieces that the text of one block is cut into; words of a longer one come several at a time.
const MOST_PIECES: usize = 4096;

/// Takes an answer apart into the chunks of a stream.
pub fn replay(answer: ChatAnswer) -> Vec<ChatChunk> {
    let ChatAnswer {
        blocks,
        stop,
        usage,
        trace,
        service_tier,
        mut provider_fields,
        details,
        native: _,
    } = answer;
    let mut chunks = Vec::new();
    let mut said = Vec::new();
    let mut calls = 0;
    for (block, content) in (0..).zip(blocks) {
        match content {
            AnswerBlock::Text(text) => push_words(block, &text, &mut said),
            AnswerBlock::Citations { text, raw } => {
                push_words(block, &text, &mut said);
                push_citations(block, &raw, &mut said);
            }
            other => push_block(block, other, &mut calls, &mut chunks),
        }
    }
    chunks.append(&mut said);
    // A stream has said its reasoning already, piece by piece.
    provider_fields.retain(|(name, _)| name != "reasoningContentBlocks");
    chunks.push(ChatChunk::Finish {
        stop,
        provider_fields,
    });
    chunks.extend(trace.map(ChatChunk::Trace));
    if !details.is_empty() {
        chunks.push(ChatChunk::Details(details));
    }
    chunks.extend(usage.map(|usage| ChatChunk::Usage {
        usage,
        service_tier,
    }));
    chunks
}

/// Appends everything that is not text.
fn push_block(block: u32, content: AnswerBlock, calls: &mut u32, out: &mut Vec<ChatChunk>) {
    match content {
        AnswerBlock::Thinking { text, signature } => {
            out.push(ChatChunk::Thinking { block, text });
            out.extend(signature.map(|signature| ChatChunk::Signature { block, signature }));
        }
        AnswerBlock::Redacted(data) => out.push(ChatChunk::Redacted { block, data }),
        AnswerBlock::ToolUse { id, name, input } => {
            let index = *calls;
            *calls += 1;
            let fragment = Text::new(input.get());
            out.push(ChatChunk::ToolStart {
                block,
                index,
                id,
                name,
            });
            out.push(ChatChunk::ToolInput {
                block,
                index,
                fragment,
            });
        }
        AnswerBlock::Image { format, base64 } => out.push(ChatChunk::Image {
            block,
            format,
            base64,
        }),
        AnswerBlock::Text(text) | AnswerBlock::Citations { text, .. } => {
            out.push(ChatChunk::Text { block, text });
        }
    }
}

fn push_citations(block: u32, raw: &RawJson, out: &mut Vec<ChatChunk>) {
    #[derive(Default, Deserialize)]
    struct Cited<'a> {
        #[serde(borrow, default)]
        citations: Option<Vec<&'a RawValue>>,
    }
    let cited: Cited<'_> = raw.parse().unwrap_or_default();
    let citations = cited.citations.into_iter().flatten();
    out.extend(citations.map(|citation| ChatChunk::Citation {
        block,
        raw: RawJson::from_raw(raw.bytes(), citation),
    }));
}

/// Appends a text word by word; one that has no words is one piece.
fn push_words(block: u32, text: &Text, out: &mut Vec<ChatChunk>) {
    if text.is_blank() {
        let text = text.clone();
        out.push(ChatChunk::Text { block, text });
        return;
    }
    let decoded = text.decoded();
    let pieces = words(&decoded, decoded.len().div_ceil(MOST_PIECES));
    out.extend(pieces.map(|piece| ChatChunk::Text {
        block,
        text: Text::new(piece),
    }));
}

/// Cuts a text before each word, so that white space stays with the word before it; no piece is shorter than `least`
/// bytes but the last.
fn words(text: &str, least: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut seen_word = false;
        let mut seen_gap = false;
        let cut = rest.char_indices().find_map(|(at, letter)| {
            let is_gap = letter.is_whitespace();
            if !is_gap && seen_gap && at >= least {
                return Some(at);
            }
            seen_word |= !is_gap;
            seen_gap = seen_word && is_gap;
            None
        });
        let (piece, after) = rest.split_at_checked(cut.unwrap_or(rest.len()))?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
