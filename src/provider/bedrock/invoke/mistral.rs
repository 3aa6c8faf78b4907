//! Mistral and Mixtral: a prompt in `[INST]` brackets.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::{garbled, parse};
use super::openai;
use super::said::{Said, stop, text};
use super::text_model::{Asked, TextModel, USUAL_AND_TOP_K, Write, set_text};
use super::transcript::{Line, Speaker};
use crate::provider::TransformError;
use crate::provider::bedrock::chat::fields::Fields;

/// Mistral's text format.
pub(crate) const MISTRAL: TextModel = TextModel {
    tools_by_converse: true,
    ..TextModel::new(&USUAL_AND_TOP_K, Write::Always(write), read)
};

fn write(asked: &Asked<'_>, fields: &mut Fields) {
    set_text("prompt", &prompt(&asked.lines), fields);
    asked.set_sampling(
        &[
            ("max_tokens", "max_tokens"),
            ("temperature", "temperature"),
            ("top_p", "top_p"),
            ("top_k", "top_k"),
            ("stop", "stop"),
        ],
        fields,
    );
}

fn prompt(lines: &[Line]) -> String {
    let mut out = String::from("<s>");
    for (index, line) in lines.iter().enumerate() {
        let text = &line.text;
        let is_last = index + 1 == lines.len();
        match line.speaker {
            Speaker::System => out.extend(["[INST] \n", text, " [/INST]\n"]),
            Speaker::User | Speaker::Tool => out.extend(["[INST] ", text, " [/INST]\n"]),
            Speaker::Assistant if is_last => out.extend([" ", text.trim_end()]),
            Speaker::Assistant => out.extend([" ", text, "</s> "]),
        }
    }
    out
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    outputs: Vec<Output<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Output<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    stop_reason: Option<String>,
}

/// Mistral Large 2407 and Pixtral answer in OpenAI's shape.
fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    let answer: Answer<'_> = parse(body)?;
    let Some(output) = answer.outputs.first() else {
        if memchr::memmem::find(body, b"\"choices\"").is_some() {
            return openai::read(body, is_whole);
        }
        if is_whole {
            return Err(garbled("the answer is not what Mistral answers"));
        }
        return Ok(Said::default());
    };
    Ok(Said {
        text: text(body, output.text),
        stop: output.stop_reason.as_deref().map(|reason| match reason {
            "length" => stop("length", reason),
            "tool_calls" => stop("tool_calls", reason),
            _ => stop("stop", reason),
        }),
        ..Said::default()
    })
}
