//! Plays OpenAI's and Anthropic's own APIs, which the runtime and `bedrock-mantle` have beside Bedrock's.
//!
//! A body is checked, read as the Converse request that means the same, answered by the same simulated model, and written in
//! the format of its API, streams as server-sent events.

mod responses;
mod shape;

use super::check::check;
use super::converse::request::Request;
use super::converse::stream::{EventFrame, Style, send_as};
use super::converse::{Mode, Spoken, speak, whole};
use super::dispatch::{Answered, Call};
use super::error::AwsError;
use super::invoke::format::Format;
use super::invoke::{chunks, read, write};
use super::json::Node;
use super::model_id::{Family, Model};

/// One of the APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    ChatCompletions,
    Responses,
    Messages,
}

impl Api {
    /// Tells the API by its path.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/chat/completions" | "/openai/v1/chat/completions" => Self::ChatCompletions,
            "/v1/responses" | "/openai/v1/responses" => Self::Responses,
            "/anthropic/v1/messages" => Self::Messages,
            _ => return None,
        })
    }
}

/// Checks a body and answers it.
pub(super) async fn answer(api: Api, path: &str, call: &Call<'_>) -> Answered {
    let body = Node::parse(call.body)?;
    let shape = match api {
        Api::ChatCompletions => &shape::CHAT_COMPLETIONS,
        Api::Responses => &shape::RESPONSES,
        Api::Messages => &shape::MESSAGES,
    };
    check(&body, shape)?;
    if api == Api::Responses {
        responses::check(&body)?;
    }
    let model = Model::parse(body.text_of("model").unwrap_or_default())?;
    check_place(api, path, &model)?;
    let meant = match api {
        Api::ChatCompletions => read::as_converse(Format::OpenAi, &body),
        Api::Responses => responses::as_converse(&body),
        Api::Messages => read::as_converse(Format::Messages, &body),
    }
    .to_string();
    let root: Node<'_> = serde_json::from_str(&meant).unwrap_or(Node::Null);
    let mode = match body.get("stream") {
        Some(Node::Flag(true)) => Mode::Stream,
        _ => Mode::Whole,
    };
    let request = Request {
        root: &root,
        model: &model,
        mode,
    };
    let Spoken {
        answer,
        fault,
        directions,
    } = speak(&request, call).await?;
    let fault = fault.as_ref();
    let asked = responses::Asked::of(&body, call.body);
    if mode == Mode::Whole {
        let body = match api {
            Api::ChatCompletions => write::whole(Format::OpenAi, &answer),
            Api::Responses => responses::whole(&answer, &asked).to_string().into_bytes(),
            Api::Messages => write::whole(Format::Messages, &answer),
        };
        return whole::send(body.into(), fault, call);
    }
    let mut events = match api {
        Api::ChatCompletions => chunks::events(Format::OpenAi, &answer),
        Api::Responses => responses::events(&answer, &asked),
        Api::Messages => chunks::events(Format::Messages, &answer),
    };
    if api == Api::ChatCompletions {
        events.push(EventFrame {
            bytes: "data: [DONE]\n\n".into(),
            is_delta: false,
            is_ending: true,
        });
    }
    Ok(send_as(Style::Events, &events, fault, &directions, call))
}

/// Refuses a model that is not served at this path.
fn check_place(api: Api, path: &str, model: &Model) -> Result<(), AwsError> {
    let base = model.base.as_str();
    let is_claude = model.family == Family::Claude;
    if is_claude != (api == Api::Messages) {
        return Err(missing(base));
    }
    // The newer models are behind `/openai` only.
    let is_newer = model.family == Family::Gpt
        || base.starts_with("xai.")
        || base.starts_with("google.gemma-4");
    if is_newer && path.starts_with("/v1/") {
        return Err(missing(base));
    }
    let has_responses_only = base.contains("-cyber") || base.contains("-daybreak-");
    if has_responses_only && api == Api::ChatCompletions {
        return Err(AwsError::validation(format!(
            "The model '{base}' does not support the '/v1/chat/completions' API"
        )));
    }
    Ok(())
}

fn missing(model: &str) -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        404,
        format!("The model '{model}' does not exist"),
    )
}
