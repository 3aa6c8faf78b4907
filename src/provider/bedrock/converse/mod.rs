//! Bedrock's Converse API: one wire format for every text model.
//!
//! Encoding goes from [`crate::canonical::ChatRequest`] to the body of `/model/{id}/converse[-stream]`; what it leaves
//! behind for the answer is a [`DecodeContext`].

mod betas;
mod blocks;
mod cache;
mod choice;
mod chunks;
mod computer;
mod content;
mod context;
mod decode;
mod definitions;
mod drop_paths;
mod encode;
mod fields;
mod headers;
mod history;
mod json_tool;
mod kind;
mod media;
mod messages;
mod metadata;
mod model_fields;
mod names;
mod params;
mod prompt;
mod reasoning;
mod reply;
mod request;
mod response_format;
mod schema;
mod stream;
mod thinking_tags;
mod toolbox;
mod tools;
mod top_level;
mod usage;
mod warnings;

pub use context::{DecodeContext, JsonTool, ToolNames};
pub use decode::ConverseDecoder;
pub use encode::Converse;
