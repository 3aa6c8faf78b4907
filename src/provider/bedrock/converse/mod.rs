//! Bedrock's Converse API: one wire format for every text model.
//!
//! Encoding goes from [`crate::canonical::ChatRequest`] to the body of `/model/{id}/converse[-stream]`; what it leaves
//! behind for the answer is a [`DecodeContext`].

mod context;

pub use context::{DecodeContext, JsonTool, ToolNames};
