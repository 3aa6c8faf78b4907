//! `DeepSeek` R1: a prompt that opens the reasoning, and an answer that closes it.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-deepseek.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::{garbled, parse};
use super::llama::Generation;
use super::said::{Reasoning, Said, stop, text};
use super::text_model::{Asked, TextModel, USUAL, Write, set_text};
use super::transcript::{Line, Speaker};
use crate::provider::TransformError;
use crate::provider::bedrock::chat::fields::Fields;

/// R1, imported or Bedrock's own.
pub(crate) const DEEPSEEK_R1: TextModel = TextModel {
    reasoning: Reasoning::Prompted,
    ..TextModel::new(&USUAL, Write::Always(write), read)
};

fn write(asked: &Asked<'_>, fields: &mut Fields) {
    set_text("prompt", &prompt(&asked.lines), fields);
    // Bedrock's own R1 has a name of its own for the limit.
    let model = &asked.target.model;
    let limit = if model.base.starts_with("deepseek.r1") && !model.is_imported() {
        "max_tokens"
    } else {
        "max_gen_len"
    };
    asked.set_sampling(
        &[
            ("max_tokens", limit),
            ("temperature", "temperature"),
            ("top_p", "top_p"),
            ("stop", "stop"),
        ],
        fields,
    );
}

fn prompt(lines: &[Line]) -> String {
    const CLOSE: &str = "</think>";
    let mut out = String::from("<｜begin▁of▁sentence｜>");
    for line in lines {
        let text = &line.text;
        match line.speaker {
            Speaker::System => out.push_str(text),
            Speaker::User | Speaker::Tool => out.extend(["<｜User｜>", text]),
            Speaker::Assistant => {
                let said = text
                    .rsplit_once(CLOSE)
                    .map_or(text.as_str(), |(_, said)| said);
                out.extend([
                    "<｜Assistant｜>",
                    said.trim_start(),
                    "<｜end▁of▁sentence｜>",
                ]);
            }
        }
    }
    out.push_str("<｜Assistant｜><think>\n");
    out
}

/// The shape of Bedrock's own R1.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    stop_reason: Option<String>,
}

fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    let imported: Generation<'_> = parse(body)?;
    if !imported.is_missing() {
        return Ok(imported.said(body));
    }
    let answer: Answer<'_> = parse(body)?;
    let Some(choice) = answer.choices.first() else {
        if is_whole {
            return Err(garbled("the answer is not what DeepSeek answers"));
        }
        return Ok(imported.said(body));
    };
    Ok(Said {
        text: text(body, choice.text),
        stop: choice.stop_reason.as_deref().map(|reason| match reason {
            "length" => stop("length", reason),
            _ => stop("stop", reason),
        }),
        ..Said::default()
    })
}
