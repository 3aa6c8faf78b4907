//! How much reasoning an answer had, where the model does not say it itself.
//!
//! Models count reasoning within the generated tokens, mostly without saying how much of it was reasoning. What came is
//! measured then.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{AnswerBlock, Text};

/// How many bytes of written text make a token, roughly; only used where nobody knows better.
pub(crate) const BYTES_PER_TOKEN: u64 = 4;

/// How much reasoning an answer had.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Thought {
    bytes: u64,
    redacted: bool,
    /// What the model itself said, in `additionalModelResponseFields`.
    reported: Option<u64>,
}

impl Thought {
    /// Measures the reasoning among `blocks`.
    pub(crate) fn of(blocks: &[AnswerBlock]) -> Self {
        let mut thought = Self::default();
        for block in blocks {
            match block {
                AnswerBlock::Thinking { text, .. } if !text.is_empty() => thought.add(text),
                // Models that keep their reasoning to themselves sign an empty text.
                AnswerBlock::Thinking { .. } | AnswerBlock::Redacted(_) => thought.add_redacted(),
                _ => {}
            }
        }
        thought
    }

    /// Counts reasoning that can be read.
    pub(crate) fn add(&mut self, text: &Text) {
        self.bytes += text.bytes().len().saturating_sub(2) as u64;
    }

    /// Notes that there was reasoning that cannot be read.
    pub(crate) fn add_redacted(&mut self) {
        self.redacted = true;
    }

    /// Takes the number that the model reports among its own fields, if it does.
    pub(crate) fn report(&mut self, fields: Option<&RawValue>) {
        if let Some(fields) = fields {
            self.reported = thinking_tokens(fields).or(self.reported);
        }
    }

    /// Returns the tokens of reasoning among `output` generated ones; `None` when there was some that cannot be measured.
    pub(crate) fn tokens(self, output: u64) -> Option<u64> {
        match self {
            Self {
                reported: Some(tokens),
                ..
            } => Some(tokens.min(output)),
            Self {
                bytes: 0,
                redacted: true,
                ..
            } => None,
            Self { bytes, .. } => Some(bytes.div_ceil(BYTES_PER_TOKEN).min(output)),
        }
    }
}

/// Finds `usage.output_tokens_details.thinking_tokens`.
fn thinking_tokens(fields: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Fields {
        usage: Option<Inner>,
    }
    #[derive(Deserialize)]
    struct Inner {
        output_tokens_details: Option<Details>,
    }
    #[derive(Deserialize)]
    struct Details {
        thinking_tokens: Option<i64>,
    }
    let fields: Fields = serde_json::from_str(fields.get()).ok()?;
    let tokens = fields.usage?.output_tokens_details?.thinking_tokens?;
    Some(u64::try_from(tokens).unwrap_or(0))
}
