//! Converse, but for a model whose client speaks its own format: a Claude is asked by `InvokeModel` then, one of OpenAI's by the
//! runtime's responses. Nothing is lost so.

use super::converse::Converse;
use super::invoke::{Anthropic, is_asked_natively};
use super::openai;
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
        } else if openai::is_asked_natively(request, target) {
            let url = openai::native_url(&target.endpoint);
            Ok(openai::native_exchange(request, target, url)?)
        } else {
            Converse.encode(request, target)
        }
    }
}
