//! Anthropic's Messages by `InvokeModel`: Claude 3 and later; earlier ones speak the format of text completions.
//!
//! What a request means is settled as for Converse, which has the same blocks; here is how Anthropic writes them.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>.

mod blocks;
mod decode;
mod encode;
mod reply;
mod stream;
mod usage;

use super::claude_text::{self, CLAUDE_TEXT};
use crate::canonical::{Chat, ChatRequest};
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// The version of the API that Bedrock wants to be named.
pub(super) const VERSION: &str = "bedrock-2023-05-31";

/// Claude, of any generation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anthropic;

impl Transformer<Chat> for Anthropic {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        if claude_text::speaks(&target.model) {
            return CLAUDE_TEXT.encode(request, target);
        }
        Ok(encode::exchange(request, target)?)
    }
}
