//! Tokens used by a call.

/// How many tokens a call used, as the model reported them.
///
/// `input_tokens` leaves cached ones out, as Bedrock counts: what OpenAI calls `prompt_tokens` is
/// [`Usage::prompt_tokens`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens that were neither read from nor written to the prompt cache.
    pub input_tokens: u64,
    /// Generated tokens, reasoning included.
    pub output_tokens: u64,
    /// The total that the model reported, if it did.
    pub total_tokens: Option<u64>,
    /// Tokens read from the prompt cache.
    pub cache_read_tokens: u64,
    /// Tokens written to the prompt cache.
    pub cache_write_tokens: u64,
    /// Of the written ones, those kept for five minutes; known only when the model says so.
    pub cache_write_5m_tokens: Option<u64>,
    /// Of the written ones, those kept for one hour; known only when the model says so.
    pub cache_write_1h_tokens: Option<u64>,
    /// Tokens spent on reasoning. `Some(0)` when there was none, `None` when there was some and nobody knows how much.
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Returns all input tokens, cached ones included.
    pub fn prompt_tokens(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cache_read_tokens)
            .saturating_add(self.cache_write_tokens)
    }

    /// Returns the reported total, else the sum of input and output.
    pub fn total_tokens(&self) -> u64 {
        self.total_tokens
            .unwrap_or_else(|| self.prompt_tokens().saturating_add(self.output_tokens))
    }

    /// Returns the tokens of both together; what one of them does not know, nobody knows of the sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let both = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            total_tokens: Some(self.total_tokens().saturating_add(other.total_tokens())),
            cache_read_tokens: self
                .cache_read_tokens
                .saturating_add(other.cache_read_tokens),
            cache_write_tokens: self
                .cache_write_tokens
                .saturating_add(other.cache_write_tokens),
            cache_write_5m_tokens: both(self.cache_write_5m_tokens, other.cache_write_5m_tokens),
            cache_write_1h_tokens: both(self.cache_write_1h_tokens, other.cache_write_1h_tokens),
            reasoning_tokens: both(self.reasoning_tokens, other.reasoning_tokens),
        }
    }
}
