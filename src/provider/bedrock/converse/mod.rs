//! Bedrock's Converse API: one wire format for every text model.
//!
//! Encoding goes from [`crate::canonical::ChatRequest`] to the body of `/model/{id}/converse[-stream]`; what it leaves
//! behind for the answer is a [`DecodeContext`].

mod chunks;
mod context;
mod decode;
mod json_tool;
mod reply;
mod stream;
mod thinking_tags;
mod usage;

pub use context::{DecodeContext, JsonTool, ToolNames};
pub use decode::ConverseDecoder;
