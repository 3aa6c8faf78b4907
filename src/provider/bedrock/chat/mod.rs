//! What Bedrock's chat formats have in common: how a conversation is mended, which tools, parameters and words of thinking
//! a model takes, and what the reader of the answer must know.
//!
//! Nothing here writes a body. [`draft::Draft`] settles a request for the two formats that have content blocks, Converse
//! and Anthropic's Messages ([`Wire`]); formats that are one text, or OpenAI's, take the parts that they need.

pub(crate) mod answer;
pub(crate) mod betas;
pub(crate) mod blocks;
pub(crate) mod cache;
pub(crate) mod choice;
pub(crate) mod chunker;
pub(crate) mod chunks;
pub(crate) mod computer;
pub(crate) mod content;
pub(crate) mod context;
pub(crate) mod context_management;
pub(crate) mod definitions;
pub(crate) mod draft;
pub(crate) mod drop_paths;
pub(crate) mod extras;
pub(crate) mod fields;
pub(crate) mod from_messages;
mod function;
pub(crate) mod headers;
pub(crate) mod history;
pub(crate) mod inference;
pub(crate) mod json_tool;
pub(crate) mod kind;
pub(crate) mod media;
mod media_form;
pub(crate) mod messages;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod params;
pub(crate) mod reasoning;
pub(crate) mod response_format;
pub(crate) mod schema;
pub(crate) mod thinking_tags;
pub(crate) mod thought;
pub(crate) mod toolbox;
pub(crate) mod tools;
pub(crate) mod warnings;

/// In whose format a conversation of blocks is written, as far as that decides what is put into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Converse's, which Nova's own format follows.
    #[default]
    Converse,
    /// Anthropic's Messages.
    Messages,
}
