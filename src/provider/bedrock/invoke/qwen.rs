//! Qwen 2 and 3, imported: a prompt in `ChatML`. Bedrock's own Qwen models speak OpenAI's format.
//!
//! <https://qwen.readthedocs.io/en/latest/getting_started/concepts.html#control-tokens-chat-template>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::envelope::{garbled, parse};
use super::llama::{Generation, SAMPLING};
use super::openai::{self, FOUNDATION};
use super::said::Said;
use super::text_model::{Asked, TextModel, USUAL_AND_TOP_K, Write, set_text};
use super::transcript::{Line, Speaker, Words, ends_with_answer, images};
use crate::canonical::{Chat, ChatRequest, RawJson, Text, ToolCall};
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// Qwen, imported or Bedrock's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Qwen;

impl Transformer<Chat> for Qwen {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        let model = &target.model;
        if model.base.starts_with("qwen.") && !model.is_imported() {
            FOUNDATION.encode(request, target)
        } else {
            IMPORTED.encode(request, target)
        }
    }
}

const IMPORTED: TextModel = TextModel {
    words: Words {
        images: true,
        tools: true,
        ..Words::TEXT
    },
    ..TextModel::new(&USUAL_AND_TOP_K, Write::Always(write), read)
};

const OPEN: &str = "<|im_start|>";
const CLOSE: &str = "<|im_end|>";

fn write(asked: &Asked<'_>, fields: &mut Fields) {
    set_text("prompt", &prompt(&asked.lines), fields);
    asked.set_sampling(&SAMPLING, fields);
    asked.set_sampling(&[("top_k", "top_k"), ("stop", "stop")], fields);
    let images = images(&asked.lines);
    if !images.is_empty() {
        fields.set("images", RawJson::from_value(&images));
    }
}

fn prompt(lines: &[Line]) -> String {
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let role = match line.speaker {
            Speaker::System => "system",
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
            Speaker::Tool => "tool",
        };
        out.extend([OPEN, role, "\n"]);
        for _ in &line.images {
            out.push_str("<|vision_start|><|image_pad|><|vision_end|>");
        }
        out.push_str(&line.text);
        for call in &line.calls {
            if !out.ends_with('\n') {
                out.push('\n');
            }
            out.extend(["<tool_call>\n", &written(call), "\n</tool_call>"]);
        }
        let is_open = index + 1 == lines.len() && line.speaker == Speaker::Assistant;
        if !is_open {
            out.extend([CLOSE, "\n"]);
        }
    }
    if !ends_with_answer(lines) {
        out.extend([OPEN, "assistant\n"]);
    }
    out
}

/// Writes a call as the model wrote it; arguments that are no JSON become an empty object.
fn written(call: &ToolCall) -> String {
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
    json!({"name": call.name, "arguments": arguments}).to_string()
}

fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    let answer: Generation<'_> = parse(body)?;
    if is_whole && answer.is_missing() {
        if memchr::memmem::find(body, b"\"choices\"").is_some() {
            return openai::read(body, is_whole);
        }
        return Err(garbled("the answer is not what Qwen answers"));
    }
    let mut said = answer.said(body);
    said.text = said.text.and_then(|text| without_marks(text, is_whole));
    said.usage = usage(body);
    Ok(said)
}

/// Takes the template's own marks off an answer. A mark is one token, so that it never lies in two chunks.
fn without_marks(text: Text, is_whole: bool) -> Option<Text> {
    let said = text.decoded();
    let head = [OPEN, "assistant\n"].concat();
    let bare = said.strip_prefix(&head).unwrap_or(&said);
    let bare = if is_whole {
        bare.trim_end_matches('\n')
    } else {
        bare
    };
    let bare = bare.strip_suffix(CLOSE).map_or(bare, |bare| {
        if is_whole {
            bare.trim_end_matches('\n')
        } else {
            bare
        }
    });
    if bare.len() == said.len() {
        drop(said);
        return Some(text);
    }
    (!bare.is_empty()).then(|| Text::new(bare))
}

/// Reads `usage`, which newer imports report in OpenAI's shape.
fn usage(body: &Bytes) -> Option<crate::canonical::Usage> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        usage: Option<&'a RawValue>,
    }
    memchr::memmem::find(body, b"\"usage\"")?;
    let answer: Answer<'_> = parse(body).ok()?;
    openai::usage(answer.usage?)
}
