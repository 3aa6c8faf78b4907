//! Cohere: Command, whose request is one prompt, and Command R, which has a chat format of its own.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::command_r::COMMAND_R;
use super::envelope::{garbled, parse};
use super::said::{Said, stop, text};
use super::text_model::{Asked, TextModel, Write, has_tools, set_text};
use super::transcript::joined;
use crate::canonical::{Chat, ChatRequest, Role, StopReason};
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::bedrock::converse::Converse;
use crate::provider::{Exchange, Target, TransformError, Transformer};
use serde_json::json;

/// Cohere's models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cohere;

impl Transformer<Chat> for Cohere {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        if !target.model.base.starts_with("cohere.command-r") {
            return COMMAND.encode(request, target);
        }
        // Converse knows turns and tools of these models better than their own format does.
        let has_turns = || {
            let answers = request.messages.iter();
            answers
                .filter(|message| message.role == Role::Assistant)
                .count()
                > 0
        };
        if !target.model.route_is_asked && (has_tools(request, target) || has_turns()) {
            return Converse.encode(request, target);
        }
        COMMAND_R.encode(request, target)
    }
}

/// The parameters that Command R takes.
pub(super) const TAKEN: [&str; 13] = [
    "frequency_penalty",
    "logit_bias",
    "max_completion_tokens",
    "max_tokens",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

/// What Cohere calls them.
pub(super) const SAMPLING: [(&str, &str); 10] = [
    ("max_tokens", "max_tokens"),
    ("temperature", "temperature"),
    ("top_p", "p"),
    ("top_k", "k"),
    ("stop", "stop_sequences"),
    ("n", "num_generations"),
    ("seed", "seed"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("logit_bias", "logit_bias"),
];

/// Tools are taken without a refusal, as they always were, although the models know none.
const COMMAND: TextModel = TextModel::new(&TAKEN, Write::Always(write), read);

fn write(asked: &Asked<'_>, fields: &mut Fields) {
    set_text("prompt", &joined(&asked.lines, "\n\n"), fields);
    asked.set_sampling(&SAMPLING, fields);
    if asked.request.stream {
        fields.set_value("stream", &json!(true));
    }
}

/// Says in OpenAI's words why a model of Cohere's stopped.
pub(super) fn reason(raw: &str) -> StopReason {
    match raw {
        "MAX_TOKENS" => stop("length", raw),
        "ERROR_TOXIC" => stop("content_filter", raw),
        _ => stop("stop", raw),
    }
}

/// An answer, or a chunk of one: text stands beside the generations there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    generations: Vec<Generation<'a>>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Generation<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    finish_reason: Option<String>,
}

fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    let answer: Answer<'_> = parse(body)?;
    if is_whole {
        let first = answer.generations.first();
        let first = first.ok_or_else(|| garbled("the answer is not what Cohere answers"))?;
        return Ok(Said {
            text: text(body, first.text),
            stop: first.finish_reason.as_deref().map(reason),
            ..Said::default()
        });
    }
    Ok(Said {
        text: text(body, answer.text),
        stop: answer.finish_reason.as_deref().map(reason),
        ..Said::default()
    })
}
