//! What one call asks, and what it is answered, whatever the operation.
//!
//! The router chooses deployments, retries and falls back the same way for all of them; only who writes and who reads a
//! request has to know which it is.

use super::{
    ChatAnswer, ChatRequest, CountAnswer, EmbedAnswer, EmbedRequest, ImageAnswer, ImageRequest,
    Media, Pieces, RerankAnswer, RerankRequest, Usage,
};

/// Which operation a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OperationKind {
    /// Chat.
    #[default]
    Chat,
    /// Counting the tokens of a chat.
    Count,
    /// Embeddings.
    Embed,
    /// Images, made or edited.
    Image,
    /// Rerank.
    Rerank,
}

impl OperationKind {
    /// Returns the word for spans (`gen_ai.operation.name`); OpenTelemetry's conventions have it where they know the
    /// operation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Count => "count_tokens",
            Self::Embed => "embeddings",
            Self::Image => "image_generation",
            Self::Rerank => "rerank",
        }
    }

    /// Says whether models tell how many tokens it took.
    pub fn tells_tokens(self) -> bool {
        matches!(self, Self::Chat | Self::Count | Self::Embed)
    }

    /// Returns what clients know it by, for errors: `chat completions`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Chat => "chat completions",
            Self::Count => "counting tokens",
            Self::Embed => "embeddings",
            Self::Image => "images",
            Self::Rerank => "rerank",
        }
    }
}

/// What one call asks of a model.
#[derive(Debug, Clone)]
pub enum Request {
    /// A chat.
    Chat(ChatRequest),
    /// How many tokens a chat has.
    Count(ChatRequest),
    /// Vectors.
    Embed(EmbedRequest),
    /// Images.
    Image(ImageRequest),
    /// Documents in order.
    Rerank(RerankRequest),
}

impl Request {
    /// Returns the conversation; `None` for operations that have none.
    pub fn chat(&self) -> Option<&ChatRequest> {
        match self {
            Self::Chat(request) | Self::Count(request) => Some(request),
            Self::Embed(_) | Self::Image(_) | Self::Rerank(_) => None,
        }
    }

    /// As [`Request::chat`], to be changed.
    pub fn chat_mut(&mut self) -> Option<&mut ChatRequest> {
        match self {
            Self::Chat(request) | Self::Count(request) => Some(request),
            Self::Embed(_) | Self::Image(_) | Self::Rerank(_) => None,
        }
    }

    /// Says whether the client wants a stream.
    pub fn is_streamed(&self) -> bool {
        self.chat().is_some_and(|request| request.stream)
    }

    /// Returns the operation that is asked for.
    pub fn operation(&self) -> OperationKind {
        match self {
            Self::Chat(_) => OperationKind::Chat,
            Self::Count(_) => OperationKind::Count,
            Self::Embed(_) => OperationKind::Embed,
            Self::Image(_) => OperationKind::Image,
            Self::Rerank(_) => OperationKind::Rerank,
        }
    }

    /// Returns the member that has what is asked about, for errors about all of it.
    pub fn subject(&self) -> &'static str {
        match self {
            Self::Chat(_) | Self::Count(_) => "messages",
            Self::Embed(_) => "input",
            Self::Image(_) => "image",
            Self::Rerank(_) => "documents",
        }
    }

    /// Returns the headers that the request adds to those of its deployment.
    pub fn extra_headers_mut(&mut self) -> &mut Vec<(String, String)> {
        match self {
            Self::Chat(request) | Self::Count(request) => &mut request.params.extra_headers,
            Self::Embed(request) => &mut request.options.extra_headers,
            Self::Image(request) => &mut request.options.extra_headers,
            Self::Rerank(request) => &mut request.options.extra_headers,
        }
    }

    /// Returns the media that must be fetched before the request can be encoded, in order.
    pub fn remote_media(&mut self) -> Vec<&mut Media> {
        match self {
            Self::Chat(request) | Self::Count(request) => request.remote_media(),
            Self::Embed(request) => request.remote_media(),
            Self::Image(request) => request.remote_media(),
            Self::Rerank(_) => Vec::new(),
        }
    }

    /// Says whether any media must be fetched, without changing anything.
    pub fn has_remote_media(&self) -> bool {
        match self {
            Self::Chat(request) | Self::Count(request) => request.media().any(Media::is_remote),
            Self::Embed(request) => request.media().any(Media::is_remote),
            Self::Image(request) => request.media().any(Media::is_remote),
            Self::Rerank(_) => false,
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To a chat.
    Chat(ChatAnswer),
    /// A number of tokens.
    Count(CountAnswer),
    /// Vectors.
    Embed(EmbedAnswer),
    /// Images.
    Image(ImageAnswer),
    /// Documents in order.
    Rerank(RerankAnswer),
}

impl Answer {
    /// Returns the tokens that it took, as far as the model said so.
    pub fn usage(&self) -> Usage {
        match self {
            Self::Chat(answer) => answer.usage.unwrap_or_default(),
            Self::Embed(answer) => answer.usage,
            Self::Count(_) | Self::Image(_) | Self::Rerank(_) => Usage::default(),
        }
    }
}

impl Answer {
    /// Returns what of it is charged by the piece, as far as the model or the answer says so.
    pub fn pieces(&self) -> Pieces {
        match self {
            Self::Chat(_) | Self::Count(_) => Pieces::default(),
            Self::Embed(answer) => Pieces {
                input_images: answer.images.unwrap_or(0),
                queries: answer.queries.unwrap_or(0),
                ..Pieces::default()
            },
            Self::Image(answer) => Pieces {
                output_images: answer.images.len() as u64,
                ..Pieces::default()
            },
            Self::Rerank(answer) => Pieces {
                queries: answer.search_units,
                ..Pieces::default()
            },
        }
    }
}

impl From<ChatAnswer> for Answer {
    fn from(answer: ChatAnswer) -> Self {
        Self::Chat(answer)
    }
}

impl From<CountAnswer> for Answer {
    fn from(answer: CountAnswer) -> Self {
        Self::Count(answer)
    }
}

impl From<EmbedAnswer> for Answer {
    fn from(answer: EmbedAnswer) -> Self {
        Self::Embed(answer)
    }
}

impl From<ImageAnswer> for Answer {
    fn from(answer: ImageAnswer) -> Self {
        Self::Image(answer)
    }
}

impl From<RerankAnswer> for Answer {
    fn from(answer: RerankAnswer) -> Self {
        Self::Rerank(answer)
    }
}
