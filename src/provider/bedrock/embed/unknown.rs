//! Models that are asked for embeddings in vain.

use crate::canonical::{Embed, EmbedRequest};
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// A model whose format nobody knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unknown;

impl Transformer<Embed> for Unknown {
    fn encode(&self, _: &EmbedRequest, _: &Target) -> Result<Exchange<Embed>, TransformError> {
        Err(TransformError::Unsupported(
            "nothing tells how this model takes embeddings requests: name a model that does in `model_info.base_model`, \
             or write `amazon/`, `cohere/`, `nova/` or `twelvelabs/` in front of the ARN"
                .to_owned(),
        ))
    }
}

/// A model that answers at once only.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotAsync;

impl Transformer<Embed> for NotAsync {
    fn encode(&self, _: &EmbedRequest, _: &Target) -> Result<Exchange<Embed>, TransformError> {
        Err(TransformError::Unsupported(
            "this model cannot be asked by `async_invoke/`: Amazon Nova and TwelveLabs Marengo can"
                .to_owned(),
        ))
    }
}
