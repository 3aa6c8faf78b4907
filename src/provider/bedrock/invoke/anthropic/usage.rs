//! Tokens, as Anthropic reports them: cached ones apart, in a stream some at the start and some at the end.

use serde::Deserialize;

use super::super::envelope::Counts;
use crate::canonical::Usage;
use crate::provider::bedrock::chat::thought::Thought;

/// `usage`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<Creation>,
    output_tokens_details: Option<Details>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Creation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Details {
    thinking_tokens: Option<u64>,
}

impl WireUsage {
    /// Takes what a later report says; what it does not say stays.
    pub(super) fn update(&mut self, later: Self) {
        *self = Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            output_tokens: later.output_tokens.or(self.output_tokens),
            cache_creation_input_tokens: later
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            cache_read_input_tokens: later
                .cache_read_input_tokens
                .or(self.cache_read_input_tokens),
            cache_creation: later.cache_creation.or(self.cache_creation),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
        };
    }

    /// Returns the tokens of an answer that had this much reasoning; `counts` fill in what the model does not say.
    pub(super) fn read(&self, counts: Counts, thought: Thought) -> Usage {
        let output = self.output_tokens.or(counts.output).unwrap_or(0);
        let written = self.cache_creation_input_tokens.or(counts.cache_write);
        let written = written.unwrap_or(0);
        let kept = self.cache_creation.filter(|kept| {
            kept.ephemeral_5m_input_tokens
                .saturating_add(kept.ephemeral_1h_input_tokens)
                == written
        });
        let reported = self
            .output_tokens_details
            .and_then(|details| details.thinking_tokens);
        Usage {
            input_tokens: self.input_tokens.or(counts.input).unwrap_or(0),
            output_tokens: output,
            total_tokens: None,
            cache_read_tokens: self
                .cache_read_input_tokens
                .or(counts.cache_read)
                .unwrap_or(0),
            cache_write_tokens: written,
            cache_write_5m_tokens: kept.map(|kept| kept.ephemeral_5m_input_tokens),
            cache_write_1h_tokens: kept.map(|kept| kept.ephemeral_1h_input_tokens),
            reasoning_tokens: match reported {
                Some(tokens) => Some(tokens.min(output)),
                None => thought.tokens(output),
            },
        }
    }
}
