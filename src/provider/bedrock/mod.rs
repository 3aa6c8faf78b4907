//! AWS Bedrock: which wire format a deployment's model needs, and how it is written and read.

pub mod arn;
mod base_model;
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

/// Returns what writes chat requests for a route; `None` where the route does not serve chat.
pub fn chat_transformer(route: Route) -> Option<&'static dyn Transformer<Chat>> {
    match route {
        Route::Converse | Route::ConverseLike => Some(&converse::Converse),
        _ => None,
    }
}
