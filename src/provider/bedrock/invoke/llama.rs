//! Meta's Llama: a prompt in the template that its generation was trained on.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html>; templates:
//! <https://www.llama.com/docs/model-cards-and-prompt-formats/>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::{Counts, parse};
use super::said::{Said, stop, text};
use super::text_model::{Asked, TextModel, Write, set_text};
use super::transcript::{Line, Speaker, Words, ends_with_answer, images};
use crate::canonical::RawJson;
use crate::provider::TransformError;
use crate::provider::bedrock::chat::fields::Fields;

/// Llama, imported or Bedrock's own.
pub(crate) const LLAMA: TextModel = TextModel {
    words: Words {
        images: true,
        ..Words::TEXT
    },
    not_sent: &["prompt_template"],
    ..TextModel::new(
        &[
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
        ],
        Write::Always(write),
        read,
    )
};

/// The names that Llama and those that follow it give to parameters.
pub(super) const SAMPLING: [(&str, &str); 3] = [
    ("max_tokens", "max_gen_len"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
];

fn write(asked: &Asked<'_>, fields: &mut Fields) {
    let stated = asked.params.extra("prompt_template").map(RawJson::to_value);
    let is_second = match stated.as_ref().and_then(|template| template.as_str()) {
        Some(template) => template == "llama2",
        None => asked.base().starts_with("meta.llama2"),
    };
    let prompt = if is_second {
        second(&asked.lines)
    } else {
        third(&asked.lines)
    };
    set_text("prompt", &prompt, fields);
    asked.set_sampling(&SAMPLING, fields);
    let images = images(&asked.lines);
    if !images.is_empty() {
        fields.set("images", RawJson::from_value(&images));
    }
}

/// The template of Llama 2.
fn second(lines: &[Line]) -> String {
    let mut out = String::from("<s>");
    for (index, line) in lines.iter().enumerate() {
        let text = &line.text;
        let is_last = index + 1 == lines.len();
        match line.speaker {
            Speaker::System => {
                out.extend(["[INST] <<SYS>>\n", text, "\n<</SYS>>\n [/INST]\n"]);
            }
            Speaker::User | Speaker::Tool => out.extend(["[INST] ", text, " [/INST]\n"]),
            Speaker::Assistant if is_last => out.push_str(text.trim_end()),
            Speaker::Assistant => out.extend([text, "\n</s>"]),
        }
    }
    out
}

/// The template of Llama 3 and 4.
fn third(lines: &[Line]) -> String {
    let mut out = String::from("<|begin_of_text|>");
    let mut say = |role: &str, images: usize, text: &str, is_open: bool| {
        out.extend(["<|start_header_id|>", role, "<|end_header_id|>\n\n"]);
        (0..images).for_each(|_| out.push_str("<|image|>"));
        out.push_str(text.trim());
        if !is_open {
            out.push_str("<|eot_id|>");
        }
    };
    for (index, line) in lines.iter().enumerate() {
        let role = match line.speaker {
            Speaker::System => "system",
            Speaker::User | Speaker::Tool => "user",
            Speaker::Assistant => "assistant",
        };
        let is_open = index + 1 == lines.len() && line.speaker == Speaker::Assistant;
        say(role, line.images.len(), &line.text, is_open);
    }
    if !ends_with_answer(lines) {
        out.push_str("<|start_header_id|>assistant<|end_header_id|>\n\n");
    }
    out
}

/// An answer of Llama's, or a chunk of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Generation<'a> {
    #[serde(borrow, rename = "generation")]
    said: Option<&'a RawValue>,
    /// Where an imported Qwen 2 writes its text.
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    prompt_token_count: Option<u64>,
    #[serde(rename = "generation_token_count")]
    output_token_count: Option<u64>,
    stop_reason: Option<String>,
}

impl Generation<'_> {
    /// Says it in the words of all families.
    pub(super) fn said(&self, body: &Bytes) -> Said {
        Said {
            text: text(body, self.said).or_else(|| text(body, self.text)),
            stop: self.stop_reason.as_deref().map(|reason| match reason {
                "length" | "max_tokens" => stop("length", reason),
                _ => stop("stop", reason),
            }),
            counts: Counts {
                input: self.prompt_token_count,
                output: self.output_token_count,
                ..Counts::default()
            },
            ..Said::default()
        }
    }

    /// Says whether nothing of the shape is there.
    pub(super) fn is_missing(&self) -> bool {
        self.said.is_none() && self.text.is_none() && self.stop_reason.is_none()
    }
}

fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    let answer: Generation<'_> = parse(body)?;
    if is_whole && answer.is_missing() {
        return Err(super::envelope::garbled(
            "the answer is not what Llama answers",
        ));
    }
    Ok(answer.said(body))
}
