//! Plays `InvokeModel` and `InvokeModelWithResponseStream` for chat models.
//!
//! The body is checked against what AWS documents for the model's family ([`shape`]), read as the Converse request that
//! means the same ([`read`]), answered by the same simulated model, and written in the family's format ([`write`]).

pub(super) mod chunks;
pub(super) mod format;
pub(super) mod read;
mod shape;
pub(super) mod write;

use http::HeaderValue;

use super::check::check;
use super::converse::request::Request;
use super::converse::{Mode, Spoken, speak, stream, whole};
use super::dispatch::{Answered, Call};
use super::error::AwsError;
use super::json::Node;
use super::model_id::Model;
use format::Format;

/// Checks a body and answers it.
pub(super) async fn answer(mode: Mode, model_id: &str, call: &Call<'_>) -> Answered {
    let model = Model::parse(model_id)?;
    let body = Node::parse(call.body)?;
    let format = format(&model, &body)?;
    if format == Format::Jurassic && mode == Mode::Stream {
        return Err(AwsError::validation(
            "The model is unsupported for streaming. Use a different model.",
        )
        .into());
    }
    let meant = read::as_converse(format, &body).to_string();
    let root: Node<'_> = serde_json::from_str(&meant).unwrap_or(Node::Null);
    let request = Request {
        root: &root,
        model: &model,
        mode,
    };
    if request.messages().is_empty() {
        return Err(AwsError::validation("The prompt or the messages are empty.").into());
    }
    let Spoken {
        answer,
        fault,
        directions,
    } = speak(&request, call).await?;
    let fault = fault.as_ref();
    if mode == Mode::Stream {
        let frames = chunks::stream(format, &answer);
        let mut response = stream::send(&frames, fault, &directions, call);
        let json = HeaderValue::from_static("application/json");
        response
            .headers_mut()
            .insert("x-amzn-bedrock-content-type", json);
        return Ok(response);
    }
    let body = write::whole(format, &answer);
    let mut response = whole::send(body.into(), fault, call)?;
    let (read, written) = answer.usage.cached();
    let counts = [
        ("x-amzn-bedrock-input-token-count", answer.usage.input()),
        ("x-amzn-bedrock-output-token-count", answer.usage.output()),
        ("x-amzn-bedrock-cache-read-input-token-count", read),
        ("x-amzn-bedrock-cache-write-input-token-count", written),
        (
            "x-amzn-bedrock-invocation-latency",
            answer.usage.latency_ms(),
        ),
    ];
    for (name, count) in counts {
        response.headers_mut().insert(name, count.into());
    }
    Ok(response)
}

/// Tells the format of a body, and checks it.
fn format(model: &Model, body: &Node<'_>) -> Result<Format, AwsError> {
    let Some(format) = Format::of(model, body) else {
        return Err(AwsError::validation(
            "The model does not take chat requests.",
        ));
    };
    check(body, shape::of(format))?;
    Ok(format)
}

/// Returns the Converse body that means the same as a model's own.
pub(super) fn meant(model: &Model, body: &Node<'_>) -> Result<String, AwsError> {
    Ok(read::as_converse(format(model, body)?, body).to_string())
}
