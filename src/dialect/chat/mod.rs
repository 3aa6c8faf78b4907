//! OpenAI's chat completions.
//!
//! A request is read into canonical types that share the client's body. Answers and chunks are written by hand into a byte
//! vector, because their text is JSON already and only has to be copied in. Beyond OpenAI's shape they carry what LiteLLM's
//! clients know (`reasoning_content`, `thinking_blocks`, `provider_specific_fields`) and, for clients that ask for it,
//! Portkey's `content_blocks`.

mod parse;
mod parse_message;
mod render;
mod stream;
mod template;
mod usage;

use bytes::Bytes;
use http::HeaderMap;

pub use super::params::params;
pub use parse::parse;
pub(super) use parse_message::{WireMessage, message};
pub use template::expand;
pub(super) use usage::write_usage;

use super::openai_error as error;
use super::{Dialect, Envelope, Parsed, StreamWriter};
use crate::canonical::ChatAnswer;
use crate::error::Error;

/// `POST /v1/chat/completions`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChatCompletions;

impl Dialect for ChatCompletions {
    fn path(&self) -> &'static str {
        "/chat/completions"
    }

    fn call_type(&self) -> &'static str {
        "completion"
    }

    fn is_chat_completions(&self) -> bool {
        true
    }

    fn parse(&self, body: &Bytes, headers: &HeaderMap) -> Result<Parsed, Error> {
        parse(body, headers)
    }

    fn answer(&self, answer: &ChatAnswer, envelope: &Envelope) -> Bytes {
        render::answer(answer, envelope)
    }

    fn stream(&self, envelope: Envelope) -> Box<dyn StreamWriter> {
        Box::new(stream::ChatStream::new(&envelope))
    }

    fn error(&self, error: &Error, call_id: Option<&str>) -> Bytes {
        let mut out = Vec::with_capacity(256);
        error::write_error(error, call_id, &mut out);
        Bytes::from(out)
    }
}
