//! OpenAI's Responses, bridged to chat.
//!
//! A request's items become messages, and the answer's blocks become items again: reasoning, messages, calls. Some models speak
//! the format themselves: the body is kept beside, and such an answer is passed on as it was written (`passed.rs`). What the model
//! signed of its reasoning goes to the client and comes back packed (`encrypted_content`), so that nothing has to be kept
//! here; what is kept all the same ([`Dialect::kept`]) is the whole conversation of a response, for a request that continues
//! it. <https://platform.openai.com/docs/api-reference/responses>.

mod asked;
mod event;
mod failure;
mod input;
mod item;
mod native;
mod packed;
mod parse;
mod passed;
mod record;
mod references;
mod response;
mod stream;
mod stream_call;
mod stream_text;
mod stream_thought;
mod tool_choice;
mod tools;

use bytes::Bytes;
use http::HeaderMap;

pub use asked::{Asked, NotKept};
pub use parse::{parse, parse_count};
pub use record::{Order, Page, input_items, response_of};
pub use references::{Found, References, place_of_item, references};

use super::{Dialect, Envelope, Kept, Parsed, StreamWriter, openai_error};
use crate::canonical::{ChatAnswer, ChatChunk, CountAnswer, Loss};
use crate::error::Error;

/// `POST /v1/responses`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Responses;

impl Dialect for Responses {
    fn path(&self) -> &'static str {
        "/responses"
    }

    fn id_prefix(&self) -> &'static str {
        "resp_"
    }

    fn call_type(&self) -> &'static str {
        "responses"
    }

    fn parse(&self, body: &Bytes, headers: &HeaderMap) -> Result<Parsed, Error> {
        parse(body, headers)
    }

    fn answer(&self, answer: &ChatAnswer, envelope: &Envelope) -> Bytes {
        response::answer(answer, envelope)
    }

    fn id_of(&self, answer: &ChatAnswer) -> Option<String> {
        passed::id_of(passed::own(answer)?.get())
    }

    fn id_in(&self, chunk: &ChatChunk) -> Option<String> {
        passed::id_in(chunk)
    }

    fn stream(&self, envelope: Envelope) -> Box<dyn StreamWriter> {
        Box::new(stream::ResponseStream::new(&envelope))
    }

    fn error(&self, error: &Error, call_id: Option<&str>) -> Bytes {
        let mut out = Vec::with_capacity(256);
        openai_error::write_error(error, call_id, &mut out);
        Bytes::from(out)
    }

    fn keeps_answers(&self) -> bool {
        true
    }

    fn kept(&self, answer: &ChatAnswer, envelope: &Envelope) -> Option<Kept> {
        response::kept(answer, envelope)
    }
}

/// Writes how many tokens a request is, and who counted them.
pub fn count(answer: &CountAnswer) -> Bytes {
    Bytes::from(format!(
        r#"{{"object":"response.input_tokens","input_tokens":{},"litellm_count_source":"{}"}}"#,
        answer.input_tokens,
        answer.source.name()
    ))
}

/// Puts off a refusal until it is known that the model does not speak this format: what cannot be bridged it may know.
fn put_off(refusal: &Error, loss: &mut Loss) {
    loss.refuse(refusal.param().unwrap_or_default(), refusal.message());
}

/// Returns how a tool of a namespace is called where there are no namespaces.
fn joined(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{namespace}__{name}"),
        None => name.to_owned(),
    }
}
