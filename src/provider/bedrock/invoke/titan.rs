//! Amazon Titan text: a prompt of `User:` and `Bot:`.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::{Counts, garbled, parse};
use super::said::{Said, stop, text};
use super::text_model::{Asked, TextModel, USUAL, Write, raw, set_text};
use super::transcript::{Line, Speaker, ends_with_answer};
use crate::canonical::StopReason;
use crate::provider::TransformError;
use crate::provider::bedrock::chat::fields::Fields;

const CONFIG: &str = "textGenerationConfig";

/// Titan text.
pub(crate) const TITAN: TextModel = TextModel {
    inside: Some(CONFIG),
    ..TextModel::new(&USUAL, Write::Always(write), read)
};

fn write(asked: &Asked<'_>, fields: &mut Fields) {
    set_text("inputText", &prompt(&asked.lines), fields);
    let mut config = Fields::default();
    asked.set_sampling(
        &[
            ("max_tokens", "maxTokenCount"),
            ("temperature", "temperature"),
            ("top_p", "topP"),
            ("stop", "stopSequences"),
        ],
        &mut config,
    );
    if !config.is_empty() {
        let mut written = Vec::new();
        config.write(&mut written);
        fields.set(CONFIG, raw(&written));
    }
}

fn prompt(lines: &[Line]) -> String {
    let mut out = String::new();
    for line in lines {
        let text = &line.text;
        match line.speaker {
            Speaker::System => out.extend(["\n\nUser: <admin>", text, "</admin>"]),
            Speaker::User | Speaker::Tool => out.extend(["\n\nUser: ", text]),
            Speaker::Assistant => out.extend(["\n\nBot: ", text]),
        }
    }
    if ends_with_answer(lines) {
        out.truncate(out.trim_end().len());
    } else {
        out.push_str("\n\nBot: ");
    }
    out
}

/// An answer, or a chunk of one: the members of `results` stand beside each other there.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer<'a> {
    input_text_token_count: Option<u64>,
    #[serde(borrow)]
    results: Vec<Output<'a>>,
    #[serde(borrow)]
    output_text: Option<&'a RawValue>,
    completion_reason: Option<String>,
    total_output_text_token_count: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Output<'a> {
    token_count: Option<u64>,
    #[serde(borrow, rename = "outputText")]
    text: Option<&'a RawValue>,
    completion_reason: Option<String>,
}

fn reason(raw: &str) -> StopReason {
    match raw {
        "LENGTH" => stop("length", raw),
        "CONTENT_FILTERED" => stop("content_filter", raw),
        _ => stop("stop", raw),
    }
}

fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    let answer: Answer<'_> = parse(body)?;
    let counts = |output| Counts {
        input: answer.input_text_token_count,
        output,
        ..Counts::default()
    };
    if is_whole {
        let result = answer.results.first();
        let result = result.ok_or_else(|| garbled("the answer is not what Titan answers"))?;
        return Ok(Said {
            text: text(body, result.text),
            stop: result.completion_reason.as_deref().map(reason),
            counts: counts(result.token_count),
            ..Said::default()
        });
    }
    Ok(Said {
        text: text(body, answer.output_text),
        stop: answer.completion_reason.as_deref().map(reason),
        counts: counts(answer.total_output_text_token_count),
        ..Said::default()
    })
}
