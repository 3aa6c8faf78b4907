//! AWS Bedrock: which wire format a deployment's model needs, and how it is written and read.

pub mod arn;
mod base_model;
mod chat;
pub mod converse;
pub mod event_stream;
pub mod family;
pub mod fault;
pub mod model_id;
mod route;
pub mod sign;
mod timestamp;
pub mod url;

use model_id::Route;

use super::Transformer;
use crate::canonical::Chat;

/// Returns what writes chat requests for a route; `None` where chat is not served on it.
///
/// Models whose own OpenAI-shaped API would be asked first are asked by Converse, which serves them too.
pub fn chat_transformer(route: Route) -> Option<&'static dyn Transformer<Chat>> {
    match route {
        Route::Converse | Route::ConverseLike | Route::ChatCompletions => Some(&converse::Converse),
        Route::Invoke
        | Route::AsyncInvoke
        | Route::Mantle
        | Route::Agent
        | Route::AgentCore
        | Route::ClaudePlatform => None,
    }
}
