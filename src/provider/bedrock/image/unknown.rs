//! Models that are asked for images in vain.

use crate::canonical::{Image, ImageRequest};
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// A model whose format nobody knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unknown;

impl Transformer<Image> for Unknown {
    fn encode(&self, _: &ImageRequest, _: &Target) -> Result<Exchange<Image>, TransformError> {
        Err(TransformError::Unsupported(
            "nothing tells how this model takes image requests: name a model that does in `model_info.base_model`"
                .to_owned(),
        ))
    }
}

/// Refuses to edit by a model that only generates.
pub(super) fn only_generates() -> TransformError {
    TransformError::Unsupported(
        "this model generates images and edits none: ask /images/generations".to_owned(),
    )
}

/// Refuses to generate by a model that only edits.
pub(super) fn only_edits() -> TransformError {
    TransformError::Unsupported(
        "this model edits images and generates none: ask /images/edits".to_owned(),
    )
}
