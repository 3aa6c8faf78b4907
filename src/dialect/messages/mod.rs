//! Anthropic's Messages.
//!
//! A request is read into canonical types, and kept as it came beside them: Claude on Bedrock speaks the same format, so its
//! body is edited instead of being built anew. Answers and events of a Claude come back as they were written, too; those of
//! every other model are written here. <https://docs.anthropic.com/en/api/messages>.

mod block;
mod citations;
mod error;
mod parse;
mod render;
mod stream;
mod turn;
mod usage;

use bytes::Bytes;
use http::HeaderMap;

pub use parse::{parse, parse_count};
pub use render::count;

use super::{Dialect, Envelope, Parsed, StreamWriter};
use crate::canonical::{ChatAnswer, ChatChunk, NativeFormat, RawObject};
use crate::error::Error;

/// `POST /v1/messages`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Messages;

impl Dialect for Messages {
    fn path(&self) -> &'static str {
        "/messages"
    }

    fn id_prefix(&self) -> &'static str {
        "msg_"
    }

    fn call_type(&self) -> &'static str {
        "anthropic_messages"
    }

    /// Anthropic's API says `ping` now and then, and its clients wait for that.
    fn expects_pings(&self) -> bool {
        true
    }

    fn parse(&self, body: &Bytes, headers: &HeaderMap) -> Result<Parsed, Error> {
        parse(body, headers)
    }

    fn answer(&self, answer: &ChatAnswer, envelope: &Envelope) -> Bytes {
        render::answer(answer, envelope)
    }

    fn id_of(&self, answer: &ChatAnswer) -> Option<String> {
        let native = answer.native.as_ref()?;
        let is_own = native.format == NativeFormat::Messages;
        is_own.then(|| render::id_of(native.body.get())).flatten()
    }

    fn id_in(&self, chunk: &ChatChunk) -> Option<String> {
        match chunk {
            ChatChunk::Native(event) if event.name == "message_start" => {
                render::id_of(RawObject::parse(event.json.get())?.get("message")?)
            }
            _ => None,
        }
    }

    fn stream(&self, envelope: Envelope) -> Box<dyn StreamWriter> {
        Box::new(stream::MessageStream::new(&envelope))
    }

    fn error(&self, error: &Error, call_id: Option<&str>) -> Bytes {
        let mut out = Vec::with_capacity(256);
        error::write_error(error, call_id, &mut out);
        Bytes::from(out)
    }
}
