//! Plays Converse and `ConverseStream`.
//!
//! A body passes `shape.rs` (what the service model says), `rules.rs` (what Bedrock and the models demand beyond it),
//! then `answer.rs` decides what the model says and `whole.rs` or `stream.rs` writes it down.

pub(super) mod answer;
pub(super) mod blocks;
mod content;
mod guardrail;
mod limits;
mod model_rules;
mod reasoning;
pub(super) mod request;
mod rules;
mod sample;
pub(super) mod shape;
pub(super) mod stream;
mod tool_calls;
mod tools;
mod usage;
pub(super) mod whole;

use super::check::check;
use super::dispatch::{Answered, Call, Failure};
use super::error::AwsError;
use super::faults::FaultKind;
use super::follow::follow;
use super::json::Node;
use super::misbehave::{Directions, Fault};
use super::model_id::Model;
use request::Request;

/// The context window of every simulated model, as large as the largest at Bedrock.
const CONTEXT_WINDOW_TOKENS: u64 = 1_000_000;
/// Smaller bodies need not be counted: a token has four characters, and a character at least one byte.
const CONTEXT_WINDOW_BYTES: usize = 4_000_000;

/// How the client wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Whole,
    Stream,
}

/// Checks a Converse body and answers it.
pub(super) async fn answer(mode: Mode, model: &Model, call: &Call<'_>) -> Answered {
    let root = Node::parse(call.body)?;
    let shape = match mode {
        Mode::Whole => &shape::CONVERSE,
        Mode::Stream => &shape::CONVERSE_STREAM,
    };
    check(&root, shape)?;
    let request = Request {
        root: &root,
        model,
        mode,
    };
    rules::check(&request)?;
    if call.body.len() > CONTEXT_WINDOW_BYTES
        && usage::input_tokens(&request) > CONTEXT_WINDOW_TOKENS
    {
        return Err(AwsError::validation("Input is too long for requested model.").into());
    }

    let Spoken {
        answer,
        fault,
        directions,
    } = speak(&request, call).await?;
    match mode {
        Mode::Whole => whole::respond(&answer, fault.as_ref(), call),
        Mode::Stream => Ok(stream::respond(&answer, fault.as_ref(), &directions, call)),
    }
}

/// What the model says to a request, and how its answer is spoilt.
pub(super) struct Spoken {
    pub(super) answer: answer::Answer,
    pub(super) fault: Option<Fault>,
    pub(super) directions: Directions,
}

/// Follows the directions in a checked request, and has the model answer it.
pub(super) async fn speak(request: &Request<'_>, call: &Call<'_>) -> Result<Spoken, Failure> {
    let (directions, fault) = follow(request.user_texts(), call).await?;

    let guardrail = fault
        .as_ref()
        .is_some_and(|fault| fault.kind == FaultKind::Guardrail);
    let answer = answer::compose(request, &directions, guardrail, call.shared);
    Ok(Spoken {
        answer,
        fault,
        directions,
    })
}

/// Follows the directions in a checked request, and counts its tokens.
pub(super) async fn count(
    request: &Request<'_>,
    call: &Call<'_>,
) -> Result<(u64, Option<Fault>), Failure> {
    let (_, fault) = follow(request.user_texts(), call).await?;
    Ok((usage::input_tokens(request), fault))
}
