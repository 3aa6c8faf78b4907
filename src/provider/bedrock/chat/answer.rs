//! A whole answer of blocks, put together as the client is to see it.
//!
//! What the request changed is changed back here: tools get the client's names, and the stand-in tool for a JSON schema
//! becomes text. Reasoning that stands in the text is taken out of it.

use serde_json::value::RawValue;

use super::context::{DecodeContext, JSON_TOOL, JsonTool};
use super::json_tool;
use super::thinking_tags::{Piece, TagReader};
use crate::canonical::{AnswerBlock, RawJson, StopReason, Text};

/// Which tools an answer called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// None, or some of the client's own.
    AsReported,
    /// Only the stand-in tool for a JSON schema, so that the client sees a plain answer.
    OnlyJson,
    /// A tool of the client's that the model called in text, so that Bedrock does not know of it.
    InText,
}

/// Says in OpenAI's words why the model stopped.
pub(crate) fn stop_reason(raw: String, calls: Calls) -> StopReason {
    let finish_reason = match (raw.as_str(), calls) {
        ("max_tokens" | "model_context_window_exceeded" | "compaction", _) => "length",
        ("guardrail_intervened" | "content_filtered" | "refusal", _) => "content_filter",
        ("tool_use", Calls::AsReported) | (_, Calls::InText) => "tool_calls",
        _ => "stop",
    };
    StopReason {
        finish_reason,
        raw,
        format: None,
    }
}

/// Collects the blocks of one answer.
#[derive(Debug)]
pub(crate) struct Blocks<'c> {
    context: &'c DecodeContext,
    /// What came so far.
    pub(crate) list: Vec<AnswerBlock>,
    /// Where in `list` the stand-in tool's answers are.
    json: Vec<usize>,
}

impl<'c> Blocks<'c> {
    /// Makes the collector of the answer to the request that left `context` behind.
    pub(crate) fn new(context: &'c DecodeContext) -> Self {
        Self {
            context,
            list: Vec::new(),
            json: Vec::new(),
        }
    }

    /// Appends text, with the reasoning that it may begin with.
    pub(crate) fn push_text(&mut self, text: Text, mut tags: TagReader) {
        let mut push = |piece| {
            self.list.push(match piece {
                Piece::Text(text) => AnswerBlock::Text(text),
                Piece::Thinking(text) => AnswerBlock::Thinking {
                    text,
                    signature: None,
                },
            });
        };
        tags.feed(text, &mut push);
        tags.finish(&mut push);
    }

    /// Appends a call of a tool; `input` is its arguments, if it has any.
    pub(crate) fn push_call(&mut self, id: Text, name: Text, input: Option<RawJson>) {
        let input = input.filter(|input| !input.is_null());
        let input = input.unwrap_or_else(|| RawJson::from_value(&serde_json::Map::new()));
        if let Some(tool) = json_tool_of(&name, self.context) {
            self.json.push(self.list.len());
            let answer = Text::new(json_tool::unwrap(input.get(), tool));
            self.list.push(AnswerBlock::Text(answer));
            return;
        }
        let name = clients_name(name, self.context);
        self.list.push(AnswerBlock::ToolUse { id, name, input });
    }

    /// Gives the stand-in tool's answer and calls in text their final form.
    pub(crate) fn finish(mut self) -> (Vec<AnswerBlock>, Calls) {
        let has_calls = self
            .list
            .iter()
            .any(|block| matches!(block, AnswerBlock::ToolUse { .. }));
        match self.json.first() {
            Some(_) if has_calls => return (self.list, Calls::AsReported),
            Some(&first) => {
                let mut at = 0;
                self.list.retain(|block| {
                    let is_answer = at == first;
                    at += 1;
                    is_answer
                        || !matches!(block, AnswerBlock::Text(_) | AnswerBlock::Citations { .. })
                });
                return (self.list, Calls::OnlyJson);
            }
            None => {}
        }
        if !has_calls
            && self.context.is_llama
            && let Some(call) = call_in_text(&self.list, self.context)
        {
            self.list
                .retain(|block| !matches!(block, AnswerBlock::Text(_)));
            self.list.push(call);
            return (self.list, Calls::InText);
        }
        (self.list, Calls::AsReported)
    }
}

/// Returns how the stand-in tool was made, if `name` is that tool.
pub(crate) fn json_tool_of(name: &Text, context: &DecodeContext) -> Option<JsonTool> {
    context.json_tool.filter(|_| name.decoded() == JSON_TOOL)
}

/// Gives a tool the name that the client knows it by.
pub(crate) fn clients_name(name: Text, context: &DecodeContext) -> Text {
    let sent = name.decoded();
    let original = context.tool_names.original(&sent);
    if original == sent {
        drop(sent);
        return name;
    }
    Text::new(original)
}

/// Makes up an id for a call that came without: equal answers give equal ids.
pub(crate) fn made_up_id(call: &[u8], place: usize) -> Text {
    let digest = crc32fast::hash(call);
    Text::new(&match place {
        0 => format!("call_{digest:08x}"),
        _ => format!("call_{digest:08x}_{place}"),
    })
}

/// Reads the tool call that a model of Meta's wrote as its text.
// quirk(bedrock): Llama answers `{"type":"function","name":…,"parameters":…}` as text now and then.
fn call_in_text(blocks: &[AnswerBlock], context: &DecodeContext) -> Option<AnswerBlock> {
    #[derive(serde::Deserialize)]
    struct Call<'a> {
        #[serde(rename = "type")]
        kind: String,
        name: String,
        #[serde(borrow)]
        parameters: Option<&'a RawValue>,
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
    }
    let texts = blocks.iter().filter_map(|block| match block {
        AnswerBlock::Text(text) => Some(text.decoded()),
        _ => None,
    });
    let whole: String = texts.collect();
    if !whole.trim_start().starts_with('{') {
        return None;
    }
    let call: Call<'_> = serde_json::from_str(&whole).ok()?;
    let name = context.tool_names.original(&call.name);
    if call.kind != "function" || !context.tools.iter().any(|tool| tool == name) {
        return None;
    }
    let arguments = call.parameters.or(call.arguments)?;
    Some(AnswerBlock::ToolUse {
        id: made_up_id(whole.as_bytes(), 0),
        name: Text::new(name),
        input: RawJson::from_value(arguments),
    })
}
