//! What clients speak ↔ canonical; pure.
//!
//! A [`Dialect`] parses a client's body into a canonical request and renders answers, chunks and errors in the same
//! format. [`chat`] is OpenAI's chat completions, [`completions`] and [`responses`] are its older and its newer format,
//! [`messages`] is Anthropic's; all stream. What is answered whole is a [`WholeDialect`]. What they have alike in a request (parts, media, parameters, members that steer the gateway) is read
//! here.

mod annotations;
mod body;
pub mod chat;
mod choice;
pub mod completions;
mod controls;
pub mod embeddings;
mod front;
mod guardrail;
mod headers;
pub mod images;
mod in_line;
mod lay_over;
mod media;
pub mod messages;
mod number;
mod openai_error;
mod params;
mod part;
mod read;
mod request;
pub mod rerank;
pub mod responses;
mod resumed;
mod tokens;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

pub use front::Front;
pub use lay_over::laid_over;

use crate::canonical::{ChatAnswer, ChatChunk, ChatRequest, Operation, RawJson, Text};
use crate::error::Error;

/// What the client's body says beside the canonical request.
#[derive(Debug, Clone, Default)]
pub struct Parsed<R = ChatRequest> {
    /// `model`, as written; `None` when the path names it.
    pub model: Option<String>,
    /// The request.
    pub request: R,
    /// Members that steer the gateway and never reach Bedrock.
    pub controls: Controls,
    /// What the answer needs to know of the request.
    pub asked: Asked,
    /// What a form says, as a JSON object: its fields, and which files came with it. `None` for a body that is JSON.
    pub form: Option<Bytes>,
}

/// What an answer needs to know of its request, in the formats whose answers speak of it.
#[derive(Debug, Clone, Default)]
pub enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// There are more prompts than the request's own: each is a call of its own, and all answers are one.
    Prompts(Arc<[Text]>),
    /// What a response repeats of its request.
    Response(Arc<responses::Asked>),
}

impl Asked {
    /// Says whether the answer will be kept for later calls, which know it by its id.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Response(asked) if asked.is_kept())
    }
}

impl<R> Parsed<R> {
    /// Turns the request into another form of it.
    pub fn map<S>(self, into: impl FnOnce(R) -> S) -> Parsed<S> {
        Parsed {
            model: self.model,
            request: into(self.request),
            controls: self.controls,
            asked: self.asked,
            form: self.form,
        }
    }
}

/// Members of the body that steer the gateway.
#[derive(Debug, Clone, Default)]
pub struct Controls {
    /// `timeout`, else `request_timeout`, in seconds.
    pub timeout_seconds: Option<f64>,
    /// `stream_timeout`, in seconds.
    pub stream_timeout_seconds: Option<f64>,
    /// `num_retries`.
    pub num_retries: Option<u32>,
    /// Credentials and endpoint that the client wrote into the body (`aws_*`, `api_key`, `api_base`, `model_id`, …):
    /// name and value. The pipeline decides which of them may be used.
    pub credentials: Vec<(String, String)>,
    /// Other gateway members (`fallbacks`, `metadata`, `tags`, `cache`, …), as JSON.
    pub other: crate::canonical::ParamMap,
}

/// What stays the same for every piece of one rendered answer.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// `chatcmpl-…`.
    pub id: String,
    /// Unix seconds.
    pub created: u64,
    /// The model name that the client used.
    pub model: String,
    /// Whether the client asked for a usage chunk.
    pub include_usage: bool,
    /// Portkey's non-strict mode: `content_blocks` beside the usual members, usage always.
    pub content_blocks: bool,
    /// What the answer needs to know of the request.
    pub asked: Asked,
}

/// A format that clients speak.
pub trait Dialect: std::fmt::Debug + Send + Sync {
    /// Returns what the ids of this format's answers begin with.
    fn id_prefix(&self) -> &'static str {
        "chatcmpl-"
    }
    /// Returns the path of its endpoint, without `/v1`.
    fn path(&self) -> &'static str;
    /// Returns what LiteLLM calls such calls (`supported_call_types` of the cache).
    fn call_type(&self) -> &'static str;
    /// Says whether it is OpenAI's chat completions, whose bodies may name prompt templates and several models.
    fn is_chat_completions(&self) -> bool {
        false
    }
    /// Says whether clients of the format wait for a sign of life in a silent stream.
    fn expects_pings(&self) -> bool {
        false
    }
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`crate::error::ErrorKind::BadRequest`] naming the member that is wrong.
    fn parse(&self, body: &Bytes, headers: &HeaderMap) -> Result<Parsed, Error>;
    /// Writes a whole answer.
    fn answer(&self, answer: &ChatAnswer, envelope: &Envelope) -> Bytes;
    /// Starts writing a stream.
    fn stream(&self, envelope: Envelope) -> Box<dyn StreamWriter>;
    /// Writes an error body.
    fn error(&self, error: &Error, call_id: Option<&str>) -> Bytes;
    /// Returns the id that clients know a whole answer by, where that is the model's own and not the envelope's.
    fn id_of(&self, _answer: &ChatAnswer) -> Option<String> {
        None
    }
    /// Returns the same id where a chunk of a stream says it.
    fn id_in(&self, _chunk: &ChatChunk) -> Option<String> {
        None
    }
    /// Says whether its calls may go on from earlier answers, where these are kept.
    fn keeps_answers(&self) -> bool {
        false
    }
    /// Returns what is to be kept of a whole answer for later calls; `None` in formats that keep nothing.
    fn kept(&self, _answer: &ChatAnswer, _envelope: &Envelope) -> Option<Kept> {
        None
    }
}

/// A format of an operation whose answers are never streamed. Its errors are OpenAI's.
pub trait WholeDialect<O: Operation>: std::fmt::Debug + Send + Sync {
    /// Returns the path of its endpoint, without `/v1`.
    fn path(&self) -> &'static str;
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`crate::error::ErrorKind::BadRequest`] naming the member that is wrong.
    fn parse(&self, body: &Bytes, headers: &HeaderMap) -> Result<Parsed<O::Request>, Error>;
    /// Writes an answer; of the envelope it takes `id`, `created` and `model`.
    fn answer(&self, answer: &O::Answer, envelope: &Envelope) -> Bytes;
    /// Writes an error body.
    fn error(&self, error: &Error, call_id: Option<&str>) -> Bytes {
        let mut out = Vec::with_capacity(256);
        openai_error::write_error(error, call_id, &mut out);
        Bytes::from(out)
    }
}

/// What is kept of an answer for later calls.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What the client calls the answer.
    pub id: String,
    /// What later calls need.
    pub record: RawJson,
    /// What the client calls the items of the answer, where these names do not say which answer they are of.
    pub items: Vec<String>,
}

/// Writes one stream, piece by piece; keeps what has to be said only once.
pub trait StreamWriter: std::fmt::Debug + Send {
    /// Appends the frames of `chunk` to `out`.
    fn chunk(&mut self, chunk: &ChatChunk, out: &mut Vec<u8>);
    /// Appends what keeps a silent stream alive: a comment, which clients pass over.
    fn ping(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b": ping\n\n");
    }
    /// Notes that the answer cannot be kept, whatever was to be; comes before [`StreamWriter::end`].
    fn cannot_be_kept(&mut self) {}
    /// Appends what ends a complete stream (`data: [DONE]`).
    fn end(&mut self, out: &mut Vec<u8>);
    /// Returns the whole answer of a stream that has ended, as it is kept for later calls; `None` in formats without any.
    fn kept(&mut self) -> Option<Kept> {
        None
    }
    /// Appends what ends a stream that failed: one error event, and nothing that pretends success.
    fn error(&mut self, error: &Error, out: &mut Vec<u8>);
}
