//! Converse, but for a Claude whose client speaks Claude's own format: that is asked by `InvokeModel`, which loses nothing.

use super::converse::Converse;
use super::invoke::{Anthropic, is_asked_natively};
use crate::canonical::{Chat, ChatRequest};
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// Chooses between the two for each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct NativeFirst;

impl Transformer<Chat> for NativeFirst {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        if is_asked_natively(request, &target.model) {
            Anthropic.encode(request, target)
        } else {
            Converse.encode(request, target)
        }
    }
}
