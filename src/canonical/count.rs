//! Counting the tokens of a request without asking the model for an answer.

use std::convert::Infallible;

use super::{ChatRequest, Operation};

/// The counting operation: a chat request in, a number out.
#[derive(Debug, Clone, Copy)]
pub struct Count;

impl Operation for Count {
    type Request = ChatRequest;
    type Answer = CountAnswer;
    /// A number does not come in pieces.
    type Chunk = Infallible;
}

/// How many tokens a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountAnswer {
    /// Input tokens.
    pub input_tokens: u64,
    /// Who counted.
    pub source: CountSource,
}

/// Who counted the tokens of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountSource {
    /// Bedrock: exact.
    Provider,
    /// The gateway: an estimate.
    Estimate,
}

impl CountSource {
    /// Returns the word that LiteLLM's clients know (`litellm_count_source`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Estimate => "local_estimate",
        }
    }
}
