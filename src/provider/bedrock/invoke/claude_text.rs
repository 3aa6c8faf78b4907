//! Claude before 3: text completions, a prompt of `Human:` and `Assistant:`.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-text-completion.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::envelope::parse;
use super::said::{Said, stop, text};
use super::text_model::{Asked, TextModel, USUAL_AND_TOP_K, Write, set_text};
use super::transcript::{Line, Speaker, ends_with_answer};
use crate::provider::TransformError;
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::bedrock::model_id::ModelId;

/// Claude v1, v2 and instant.
pub(super) const CLAUDE_TEXT: TextModel =
    TextModel::new(&USUAL_AND_TOP_K, Write::Always(write), read);

/// What is generated at most where nobody says it.
const DEFAULT_LIMIT: u64 = 4096;

/// Says whether a model speaks this format.
pub(super) fn speaks(model: &ModelId) -> bool {
    ["claude-v1", "claude-v2", "claude-instant"]
        .iter()
        .any(|name| {
            model
                .base
                .strip_prefix("anthropic.")
                .is_some_and(|base| base.starts_with(name))
        })
}

fn write(asked: &Asked<'_>, fields: &mut Fields) {
    let says_system_plainly = asked.base().starts_with("anthropic.claude-v2:1");
    let prompt = prompt(&asked.lines, says_system_plainly);
    set_text("prompt", &prompt, fields);
    let default = asked
        .target
        .facts
        .max_output_tokens
        .unwrap_or(DEFAULT_LIMIT);
    fields.set_value("max_tokens_to_sample", &json!(default));
    asked.set_sampling(
        &[
            ("max_tokens", "max_tokens_to_sample"),
            ("temperature", "temperature"),
            ("top_p", "top_p"),
            ("top_k", "top_k"),
            ("stop", "stop_sequences"),
        ],
        fields,
    );
    fields.set_value("anthropic_version", &json!(super::anthropic::VERSION));
}

fn prompt(lines: &[Line], says_system_plainly: bool) -> String {
    let mut out = String::new();
    for line in lines {
        let text = &line.text;
        match line.speaker {
            Speaker::System if says_system_plainly => out.push_str(text),
            Speaker::System => out.extend(["\n\nHuman: <admin>", text, "</admin>"]),
            Speaker::User | Speaker::Tool => out.extend(["\n\nHuman: ", text]),
            Speaker::Assistant => out.extend(["\n\nAssistant: ", text]),
        }
    }
    if ends_with_answer(lines) {
        out.truncate(out.trim_end().len());
    } else {
        out.push_str("\n\nAssistant: ");
    }
    out
}

#[derive(Debug, Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    completion: Option<&'a RawValue>,
    stop_reason: Option<String>,
}

fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    let answer: Answer<'_> = parse(body)?;
    if is_whole && answer.completion.is_none() {
        return Err(super::envelope::garbled(
            "the answer is not what Claude answers",
        ));
    }
    Ok(Said {
        text: text(body, answer.completion),
        stop: answer.stop_reason.as_deref().map(|reason| match reason {
            "max_tokens" => stop("length", reason),
            _ => stop("stop", reason),
        }),
        ..Said::default()
    })
}
