//! Anthropic's Messages by `InvokeModel`: Claude 3 and later; earlier ones speak the format of text completions.
//!
//! What a request means is settled as for Converse, which has the same blocks; here is how Anthropic writes them. A client
//! that speaks this format itself has its body edited ([`native`]) and reads the answer as it was written.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>.

mod blocks;
mod decode;
mod door;
mod encode;
mod keeper;
mod native;
mod native_conversation;
mod native_tools;
mod reply;
mod stream;
mod usage;

use super::claude_text::{self, CLAUDE_TEXT};
use crate::canonical::{Chat, ChatRequest};
use crate::error::Result;
use crate::provider::bedrock::chat::from_messages::is_from_messages;
use crate::provider::bedrock::model_id::{ModelId, Route};
use crate::provider::{Exchange, Target, TransformError, Transformer};
use door::Door;

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
        exchange(request, target, Door::Invoke)
    }
}

/// Claude on `bedrock-mantle`, which has Anthropic's own API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MantleMessages;

impl Transformer<Chat> for MantleMessages {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        exchange(request, target, Door::Mantle)
    }
}

fn exchange(
    request: &ChatRequest,
    target: &Target,
    door: Door,
) -> Result<Exchange<Chat>, TransformError> {
    Ok(if is_asked_natively(request, &target.model) {
        native::exchange(request, target, door)?
    } else {
        encode::exchange(request, target, door)?
    })
}

/// Says whether a request is in the format that the model itself speaks, by the API that speaks it.
///
/// A Claude that would be asked by Converse is asked by `InvokeModel` then, unless the operator asks for Converse.
pub(crate) fn is_asked_natively(request: &ChatRequest, model: &ModelId) -> bool {
    let is_served = match model.route {
        Route::Invoke | Route::Mantle => true,
        Route::Converse => !model.route_is_asked,
        _ => false,
    };
    is_from_messages(request)
        && is_served
        && model.is_claude()
        && (model.route == Route::Invoke || !model.is_opaque_arn())
        && !claude_text::speaks(model)
}

/// Writes the body of a request for Claude that is counted instead of being sent.
pub(crate) fn body_to_count(request: &ChatRequest, target: &Target) -> Result<Vec<u8>> {
    if is_from_messages(request) {
        native::body_to_count(request, target)
    } else {
        encode::body(request, target)
    }
}
