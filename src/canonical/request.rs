//! A chat request, and the operations that can be asked of a model.

use super::{ChatAnswer, ChatChunk, ChatParams, Content, Loss, Media, Message, Native, PartKind};

/// What can be asked of a model.
///
/// Chat, embeddings, images and rerank are implementations.
pub trait Operation: 'static {
    /// What the client asks.
    type Request: Send + Sync;
    /// A whole answer.
    type Answer: Send;
    /// A piece of a streamed answer.
    type Chunk: Send;
}

/// The chat operation: messages in, an answer or a stream of chunks out.
#[derive(Debug, Clone, Copy)]
pub struct Chat;

impl Operation for Chat {
    type Request = ChatRequest;
    type Answer = ChatAnswer;
    type Chunk = ChatChunk;
}

/// One chat request, independent of the format it came in.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    /// The conversation, in the order the client sent it; system messages included.
    pub messages: Vec<Message>,
    /// Whether the client sent `messages` at all; only a stored prompt goes without.
    pub messages_present: bool,
    /// Everything else the client asked for.
    pub params: ChatParams,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// Whether the client wants a usage chunk at the end of a stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// Values of `anthropic-beta` that came as a header or in `extra_headers`, in order.
    pub betas: Vec<String>,
    /// Portkey's `strict-open-ai-compliance: false`: `content_blocks` are wanted beside the usual members.
    pub content_blocks: bool,
    /// Whether the request came in Portkey's or Obiguard's style, whose `reasoning_effort` means a share of `max_tokens`.
    pub portkey: bool,
    /// A name that no other call has, for APIs that keep a conversation under one.
    pub session: Option<String>,
    /// The client's body, where its format is one that models speak too. Whoever changes the conversation takes it out.
    pub native: Option<Native>,
    /// What it loses where the model is asked in another format.
    pub loss: Loss,
}

/// Takes a list of betas apart: separated by commas, or a JSON list.
pub fn split_betas(value: &str) -> Vec<String> {
    if value.trim_start().starts_with('[')
        && let Ok(list) = serde_json::from_str::<Vec<String>>(value)
    {
        return list;
    }
    value
        .split(',')
        .map(str::trim)
        .filter(|beta| !beta.is_empty())
        .map(str::to_owned)
        .collect()
}

impl ChatRequest {
    /// Returns all media of the conversation, in order.
    pub fn media(&self) -> impl Iterator<Item = &Media> {
        let parts = self
            .messages
            .iter()
            .flat_map(|message| match &message.content {
                Content::Parts(parts) => parts.as_slice(),
                Content::Absent | Content::Text(_) => &[],
            });
        parts.filter_map(|part| match &part.kind {
            PartKind::Media(media) => Some(&**media),
            _ => None,
        })
    }

    /// Returns the media that must be fetched before the request can be encoded, in order.
    pub fn remote_media(&mut self) -> Vec<&mut Media> {
        self.messages
            .iter_mut()
            .filter_map(|message| match &mut message.content {
                Content::Parts(parts) => Some(parts),
                Content::Absent | Content::Text(_) => None,
            })
            .flatten()
            .filter_map(|part| match &mut part.kind {
                PartKind::Media(media) if media.is_remote() => Some(&mut **media),
                _ => None,
            })
            .collect()
    }
}
