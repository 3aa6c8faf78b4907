//! `bedrock-mantle`: chat completions, responses and Anthropic's messages at one host.
//!
//! A Claude speaks its own format there. Other models speak chat completions, unless they are known to have nothing but
//! responses, or the client speaks those itself; some have both behind `/openai/v1`, the others behind `/v1`.

use super::{chat_completions, native, responses};
use crate::canonical::{Chat, ChatRequest};
use crate::catalog::Flag;
use crate::provider::bedrock::invoke::MantleMessages;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// The APIs of `bedrock-mantle`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mantle;

impl Transformer<Chat> for Mantle {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        let facts = &target.facts;
        if target.model.base.contains("claude") {
            return MantleMessages.encode(request, target);
        }
        let segment = if facts.is(Flag::UseOpenaiResponsesPath) {
            "openai/v1"
        } else {
            "v1"
        };
        let base = format!("{}/{segment}", target.endpoint);
        if native::is_asked_natively(request, target) {
            return Ok(native::exchange(
                request,
                target,
                format!("{base}/responses"),
            )?);
        }
        let has_responses_only =
            facts.serves("/v1/responses") && !facts.serves("/v1/chat/completions");
        Ok(if has_responses_only {
            responses::exchange(request, target, format!("{base}/responses"))?
        } else {
            chat_completions::exchange(request, target, format!("{base}/chat/completions"))?
        })
    }
}
