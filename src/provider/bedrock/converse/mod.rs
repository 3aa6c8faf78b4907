//! Bedrock's Converse API: one wire format for every text model.
//!
//! Encoding goes from [`crate::canonical::ChatRequest`] to the body of `/model/{id}/converse[-stream]`; what it leaves
//! behind for the answer is a [`DecodeContext`]. What a request means is settled in `chat/`; here is how it is written.

pub(super) mod blocks;
pub(super) mod decode;
mod encode;
mod model_fields;
mod prompt;
mod reply;
pub(super) mod request;
pub(super) mod stream;
mod tools;
pub(super) mod top_level;
mod usage;

pub use super::chat::context::{DecodeContext, JsonTool, ToolNames};
pub use decode::ConverseDecoder;
pub use encode::Converse;
pub(super) use request::Request;
