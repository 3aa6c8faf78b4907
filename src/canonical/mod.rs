//! What a call means, whoever asked and whoever answers.
//!
//! A dialect turns a client's body into these types, a transformer turns them into Bedrock's wire format, and the answer
//! comes back the same way. The shapes are OpenAI's, plus what Anthropic's and Converse's formats can say beyond it.
//! Everything is owned and cheap to clone, because a retry or a fallback encodes the same request again.

mod answer;
mod any;
mod chunk;
mod count;
mod embed;
mod image;
mod message;
mod native;
mod object;
mod options;
mod params;
mod pieces;
mod request;
mod rerank;
mod text;
mod tool;
mod usage;

pub use answer::{AnswerBlock, ChatAnswer, StopReason};
pub use any::{Answer, OperationKind, Request};
pub use chunk::ChatChunk;
pub use count::{Count, CountAnswer, CountSource};
pub use embed::{Embed, EmbedAnswer, EmbedInput, EmbedRequest, Vector, VectorValues};
pub use image::{Image, ImageAnswer, ImageEdit, ImageRequest};
pub use message::{
    CacheControl, Content, Media, MediaKind, MediaSource, Message, Part, PartKind, Role, Thinking,
    ToolCall,
};
pub use native::{Loss, Native, NativeEvent, NativeFormat};
pub use object::{ObjectWriter, RawObject};
pub use options::Options;
pub use params::{ChatParams, JsonSchemaFormat, ParamMap, ResponseFormat};
pub use pieces::{Pieces, part};
pub use request::{Chat, ChatRequest, Operation, split_betas};
pub use rerank::{Document, Ranked, Rerank, RerankAnswer, RerankRequest};
pub use text::{RawJson, Text, write_escaped, write_value};
pub use tool::{Tool, ToolChoice, hosted_tool};
pub use usage::Usage;
