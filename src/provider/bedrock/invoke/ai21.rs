//! AI21: Jurassic 2, whose request is one prompt, and Jamba, which speaks OpenAI's format.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jurassic2.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jamba.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::{garbled, parse};
use super::openai::OpenAiChat;
use super::openai_request::Form;
use super::said::{Said, stop, text};
use super::text_model::{Asked, TextModel, USUAL, Write, set_text};
use super::transcript::joined;
use crate::canonical::{Chat, ChatRequest};
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// AI21's models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ai21;

impl Transformer<Chat> for Ai21 {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        if target.model.base.starts_with("ai21.j2-") {
            JURASSIC.encode(request, target)
        } else {
            JAMBA.encode(request, target)
        }
    }
}

const JURASSIC: TextModel = TextModel::new(&USUAL, Write::Always(write), read);

const JAMBA: OpenAiChat = OpenAiChat {
    refused: &[
        "audio",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "modalities",
        "parallel_tool_calls",
        "prediction",
        "prompt_cache_key",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "store",
        "top_k",
        "top_logprobs",
        "verbosity",
    ],
    limit: Some("max_tokens"),
    names_model: false,
    form: Form::Flat,
    adjust: |_, _, _, _| {},
};

fn write(asked: &Asked<'_>, fields: &mut Fields) {
    set_text("prompt", &joined(&asked.lines, "\n"), fields);
    asked.set_sampling(
        &[
            ("max_tokens", "maxTokens"),
            ("temperature", "temperature"),
            ("top_p", "topP"),
            ("stop", "stopSequences"),
        ],
        fields,
    );
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    completions: Vec<Completion<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Completion<'a> {
    #[serde(borrow)]
    data: Data<'a>,
    finish_reason: Option<Finish>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Finish {
    reason: String,
}

fn read(body: &Bytes, _is_whole: bool) -> Result<Said, TransformError> {
    let answer: Answer<'_> = parse(body)?;
    let completion = answer.completions.first();
    let completion = completion.ok_or_else(|| garbled("the answer is not what AI21 answers"))?;
    Ok(Said {
        text: text(body, completion.data.text),
        stop: completion
            .finish_reason
            .as_ref()
            .map(|finish| match finish.reason.as_str() {
                "length" => stop("length", "length"),
                reason => stop("stop", reason),
            }),
        ..Said::default()
    })
}
