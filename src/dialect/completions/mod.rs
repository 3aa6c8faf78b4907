//! OpenAI's older text completions: a prompt in, text out.
//!
//! A prompt is one user message, and then the request goes as chat does. Several prompts are a call each, and their answers
//! one `text_completion`. <https://platform.openai.com/docs/api-reference/completions>.

mod parse;
mod render;
mod stream;

use bytes::Bytes;
use http::HeaderMap;

pub(crate) use parse::message_of;
pub use parse::{MOST_PROMPTS, parse};
pub use render::joined;
pub(crate) use stream::CompletionStream;

use super::{Dialect, Envelope, Parsed, StreamWriter, openai_error};
use crate::canonical::ChatAnswer;
use crate::error::Error;

/// `POST /v1/completions`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Completions;

impl Dialect for Completions {
    fn path(&self) -> &'static str {
        "/completions"
    }

    fn id_prefix(&self) -> &'static str {
        "cmpl-"
    }

    fn call_type(&self) -> &'static str {
        "text_completion"
    }

    fn parse(&self, body: &Bytes, headers: &HeaderMap) -> Result<Parsed, Error> {
        parse(body, headers)
    }

    fn answer(&self, answer: &ChatAnswer, envelope: &Envelope) -> Bytes {
        joined(&[answer], envelope)
    }

    fn stream(&self, envelope: Envelope) -> Box<dyn StreamWriter> {
        Box::new(stream::CompletionStream::new(&envelope))
    }

    fn error(&self, error: &Error, call_id: Option<&str>) -> Bytes {
        let mut out = Vec::with_capacity(256);
        openai_error::write_error(error, call_id, &mut out);
        Bytes::from(out)
    }
}
