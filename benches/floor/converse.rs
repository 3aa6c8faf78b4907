//! What Bedrock gets and sends: the Converse API, as far as plain text goes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::openai::{ChatRequest, Content, Message, Role};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConverseRequest<'a> {
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<TextBlock<'a>>,
    inference_config: InferenceConfig<'a>,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<TextBlock<'a>>,
}

#[derive(Serialize)]
struct TextBlock<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InferenceConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_sequences: Option<&'a [String]>,
}

/// Converts a chat request; neighbours of one role become one turn, as Converse demands.
pub(super) fn request<'a>(chat: &'a ChatRequest<'a>) -> ConverseRequest<'a> {
    let mut system = Vec::new();
    let mut messages: Vec<Turn<'a>> = Vec::with_capacity(chat.messages.len());
    for message in &chat.messages {
        let role = match message.role {
            Role::System => {
                push_blocks(&mut system, message);
                continue;
            }
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        match messages.last_mut() {
            Some(turn) if turn.role == role => push_blocks(&mut turn.content, message),
            _ => {
                let mut content = Vec::with_capacity(1);
                push_blocks(&mut content, message);
                messages.push(Turn { role, content });
            }
        }
    }
    ConverseRequest {
        messages,
        system,
        inference_config: InferenceConfig {
            max_tokens: chat.max_tokens,
            temperature: chat.temperature,
            top_p: chat.top_p,
            stop_sequences: chat.stop.as_deref(),
        },
    }
}

fn push_blocks<'a>(blocks: &mut Vec<TextBlock<'a>>, message: &'a Message<'a>) {
    match &message.content {
        Content::Text(text) => blocks.push(TextBlock { text }),
        Content::Parts(parts) => {
            blocks.extend(parts.iter().map(|part| TextBlock { text: &part.text }));
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConverseAnswer<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    #[serde(borrow)]
    pub(super) stop_reason: Cow<'a, str>,
    pub(super) usage: Usage,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: AnswerMessage<'a>,
}

#[derive(Deserialize)]
struct AnswerMessage<'a> {
    #[serde(borrow)]
    content: Vec<AnswerBlock<'a>>,
}

#[derive(Deserialize)]
struct AnswerBlock<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[expect(clippy::struct_field_names, reason = "the wire calls them so")]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) total_tokens: u64,
}

impl ConverseAnswer<'_> {
    /// The text of all blocks; borrowed when there is only one.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self.output.message.content.as_slice() {
            [block] => Cow::Borrowed(&block.text),
            blocks => blocks.iter().map(|block| &*block.text).collect(),
        }
    }
}

/// The payload of a `contentBlockDelta` event.
#[derive(Deserialize)]
pub(super) struct ContentBlockDelta<'a> {
    #[serde(borrow)]
    pub(super) delta: TextDelta<'a>,
}

#[derive(Deserialize)]
pub(super) struct TextDelta<'a> {
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
}

/// The payload of a `messageStop` event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageStop<'a> {
    #[serde(borrow)]
    pub(super) stop_reason: Cow<'a, str>,
}
