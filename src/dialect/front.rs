//! The format of one endpoint, whatever it asks of a model: what `http` and `pipeline` handle without looking inside.

use bytes::Bytes;
use http::HeaderMap;

use super::{
    Dialect, Envelope, Kept, Parsed, StreamWriter, WholeDialect, chat, completions, embeddings,
    images, messages, rerank, responses,
};
use crate::canonical::{Answer, ChatAnswer, ChatChunk, Embed, Image, Request, Rerank};
use crate::error::{Error, ErrorKind};

/// The format of one endpoint.
#[derive(Debug, Clone, Copy)]
pub enum Front {
    /// Chat, in one of its formats.
    Chat(&'static dyn Dialect),
    /// Anthropic's count of a chat's tokens.
    Count,
    /// The same of OpenAI's Responses.
    InputTokens,
    /// Embeddings.
    Embed(&'static dyn WholeDialect<Embed>),
    /// Images, made or edited.
    Image(&'static dyn WholeDialect<Image>),
    /// Rerank.
    Rerank(&'static dyn WholeDialect<Rerank>),
}

impl Front {
    /// OpenAI's chat completions.
    pub const CHAT: Self = Self::Chat(&chat::ChatCompletions);
    /// Anthropic's Messages.
    pub const MESSAGES: Self = Self::Chat(&messages::Messages);
    /// OpenAI's text completions.
    pub const COMPLETIONS: Self = Self::Chat(&completions::Completions);
    /// OpenAI's Responses.
    pub const RESPONSES: Self = Self::Chat(&responses::Responses);
    /// OpenAI's embeddings.
    pub const EMBEDDINGS: Self = Self::Embed(&embeddings::Embeddings);
    /// OpenAI's images, made.
    pub const IMAGES: Self = Self::Image(&images::ImageGenerations);
    /// OpenAI's images, edited.
    pub const IMAGE_EDITS: Self = Self::Image(&images::ImageEdits);
    /// Cohere's rerank.
    pub const RERANK: Self = Self::Rerank(&rerank::Rerank);

    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadRequest`] naming the member that is wrong.
    pub fn parse(self, body: &Bytes, headers: &HeaderMap) -> Result<Parsed<Request>, Error> {
        Ok(match self {
            Self::Chat(dialect) => dialect.parse(body, headers)?.map(Request::Chat),
            Self::Count => messages::parse_count(body, headers)?.map(Request::Count),
            Self::InputTokens => responses::parse_count(body, headers)?.map(Request::Count),
            Self::Embed(dialect) => dialect.parse(body, headers)?.map(Request::Embed),
            Self::Image(dialect) => dialect.parse(body, headers)?.map(Request::Image),
            Self::Rerank(dialect) => dialect.parse(body, headers)?.map(Request::Rerank),
        })
    }

    /// Writes a whole answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] for an answer to another operation.
    pub fn answer(self, answer: &Answer, envelope: &Envelope) -> Result<Bytes, Error> {
        Ok(match (self, answer) {
            (Self::Chat(dialect), Answer::Chat(answer)) => dialect.answer(answer, envelope),
            (Self::Count, Answer::Count(answer)) => messages::count(answer),
            (Self::InputTokens, Answer::Count(answer)) => responses::count(answer),
            (Self::Embed(dialect), Answer::Embed(answer)) => dialect.answer(answer, envelope),
            (Self::Image(dialect), Answer::Image(answer)) => dialect.answer(answer, envelope),
            (Self::Rerank(dialect), Answer::Rerank(answer)) => dialect.answer(answer, envelope),
            _ => {
                let message = "the answer is to another operation than was asked for";
                return Err(Error::new(ErrorKind::Internal, message));
            }
        })
    }

    /// Returns what is to be kept of a whole answer for later calls.
    pub fn kept(self, answer: &Answer, envelope: &Envelope) -> Option<Kept> {
        match (self, answer) {
            (Self::Chat(dialect), Answer::Chat(answer)) => dialect.kept(answer, envelope),
            _ => None,
        }
    }

    /// Starts writing a stream; `None` where the operation has none.
    pub fn stream(self, envelope: Envelope) -> Option<Box<dyn StreamWriter>> {
        match self {
            Self::Chat(dialect) => Some(dialect.stream(envelope)),
            Self::Count | Self::InputTokens | Self::Embed(_) | Self::Image(_) | Self::Rerank(_) => {
                None
            }
        }
    }

    /// Writes an error body.
    pub fn error(self, error: &Error, call_id: Option<&str>) -> Bytes {
        match self {
            Self::Chat(dialect) => dialect.error(error, call_id),
            Self::Count => messages::Messages.error(error, call_id),
            Self::InputTokens => responses::Responses.error(error, call_id),
            Self::Embed(dialect) => dialect.error(error, call_id),
            Self::Image(dialect) => dialect.error(error, call_id),
            Self::Rerank(dialect) => dialect.error(error, call_id),
        }
    }

    /// Returns what the ids of its answers begin with.
    pub fn id_prefix(self) -> &'static str {
        match self {
            Self::Chat(dialect) => dialect.id_prefix(),
            Self::Rerank(_) => "rerank-",
            Self::Count | Self::InputTokens | Self::Embed(_) | Self::Image(_) => "",
        }
    }

    /// Returns the id that clients know a whole answer by, where that is the model's own.
    pub fn id_of(self, answer: &ChatAnswer) -> Option<String> {
        match self {
            Self::Chat(dialect) => dialect.id_of(answer),
            _ => None,
        }
    }

    /// Returns the same id where a chunk of a stream says it.
    pub fn id_in(self, chunk: &ChatChunk) -> Option<String> {
        match self {
            Self::Chat(dialect) => dialect.id_in(chunk),
            _ => None,
        }
    }

    /// Returns the id of an answer out of the cache, which may have got its own in another format.
    pub fn id_from(self, kept: &str) -> String {
        let prefix = self.id_prefix();
        if kept.starts_with(prefix) {
            return kept.to_owned();
        }
        let rest = kept.split_once(['-', '_']).map_or(kept, |(_, rest)| rest);
        format!("{prefix}{rest}")
    }

    /// Returns the path of its endpoint, without `/v1`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat(dialect) => dialect.path(),
            Self::Count => "/messages/count_tokens",
            Self::InputTokens => "/responses/input_tokens",
            Self::Embed(dialect) => dialect.path(),
            Self::Image(dialect) => dialect.path(),
            Self::Rerank(dialect) => dialect.path(),
        }
    }

    /// Says whether clients of the format wait for a sign of life in a silent stream.
    pub fn expects_pings(self) -> bool {
        matches!(self, Self::Chat(dialect) if dialect.expects_pings())
    }

    /// Returns what LiteLLM calls such calls (`supported_call_types` of the cache).
    pub fn call_type(self) -> &'static str {
        match self {
            Self::Chat(dialect) => dialect.call_type(),
            Self::Count | Self::InputTokens => "count_tokens",
            Self::Embed(_) => "embedding",
            Self::Image(_) => "image_generation",
            Self::Rerank(_) => "rerank",
        }
    }

    /// Says whether its calls take from the caller's limits: counting is free.
    pub fn takes_from_limits(self) -> bool {
        !matches!(self, Self::InputTokens | Self::Count)
    }

    /// Says whether its calls may go on from earlier answers, where these are kept.
    pub fn keeps_answers(self) -> bool {
        match self {
            Self::Chat(dialect) => dialect.keeps_answers(),
            Self::InputTokens => true,
            Self::Count | Self::Embed(_) | Self::Image(_) | Self::Rerank(_) => false,
        }
    }

    /// Says whether it is OpenAI's chat completions, whose bodies may name prompt templates and several models.
    pub fn is_chat_completions(self) -> bool {
        matches!(self, Self::Chat(dialect) if dialect.is_chat_completions())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_format_is_taken_for_chat_completions() {
        assert!(Front::CHAT.is_chat_completions());
        let others = [Front::MESSAGES, Front::COMPLETIONS, Front::RESPONSES];
        let mut names = vec![Front::CHAT.call_type()];
        for front in others {
            assert!(!front.is_chat_completions(), "{front:?}");
            names.push(front.call_type());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 4, "each has a name of its own: {names:?}");
    }
}
