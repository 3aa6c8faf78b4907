//! What the simulated model says.
//!
//! The answer depends on the request alone. Markers in the last message shape it:
//!
//! | marker | answer |
//! | --- | --- |
//! | `[[sim:tool]]`, `[[sim:tool=NAME {…}]]` | a call of that tool, or of the first |
//! | `[[sim:tools]]` | two calls at once |
//! | `[[sim:json {…}]]`, `[[sim:say TEXT]]` | exactly this text |
//! | `[[sim:long=500]]` | so many words |
//! | `[[sim:unicode]]` | letters of several scripts and an emoji |
//! | `[[sim:citations]]` | a text with a citation |
//! | `[[sim:redacted]]` | reasoning that may not be read, where reasoning is wanted |
//! | `[[sim:empty]]` | nothing |
//! | `[[sim:stop-reason=REASON]]` | the usual text, ended for this reason |
//! | `[[sim:guardrail]]` | the guardrail's message, whether the request names a guardrail or not |

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::json::Node;
use super::super::marker::Marker;
use super::super::misbehave::Directions;
use super::super::model_id::Family;
use super::super::state::Shared;
use super::limits::{content_tokens, stop_at_sequence, truncate};
use super::request::{Request, text_of};
use super::tool_calls::call_tools;
use super::usage::Usage;
use super::{guardrail, reasoning, sample, usage};

/// How much of the question an answer quotes, in characters.
const QUOTE_CHARS: usize = 60;
const BLOCKED: &str = "Sorry, the model cannot answer this question. (simulated guardrail)";

/// One block of the answer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) enum Content {
    Text(String),
    Cited {
        text: String,
        citation: Value,
    },
    Thought {
        text: String,
        signature: Option<String>,
    },
    Redacted(String),
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
}

/// A complete answer, ready to be written whole or as a stream.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Answer {
    pub(in crate::simulator) blocks: Vec<Content>,
    pub(in crate::simulator) stop_reason: String,
    pub(in crate::simulator) usage: Usage,
    /// `additionalModelResponseFields`.
    pub(super) fields: Option<Value>,
    pub(in crate::simulator) trace: Option<Value>,
    /// `performanceConfig` and `serviceTier`, given back as they came.
    pub(super) echoed: Map<String, Value>,
}

/// Decides what the model answers.
pub(super) fn compose(
    request: &Request<'_>,
    directions: &Directions,
    guardrail_strikes: bool,
    shared: &Arc<Shared>,
) -> Answer {
    let turn = Turn::of(request);
    let blocked = guardrail_strikes || guardrail::blocks(request);
    let (mut blocks, mut stop_reason) = if blocked {
        (
            vec![Content::Text(BLOCKED.to_owned())],
            "guardrail_intervened".to_owned(),
        )
    } else {
        let (mut blocks, reason) = speak(request, &turn, directions);
        continue_prefill(request, &mut blocks);
        (blocks, reason)
    };
    let mut stop_sequence = None;
    if !blocked {
        stop_sequence = stop_at_sequence(request, &mut blocks);
        if stop_sequence.is_some() {
            "stop_sequence".clone_into(&mut stop_reason);
        }
        let max_tokens = request
            .inference("maxTokens")
            .and_then(Node::integer)
            .unwrap_or(u64::MAX);
        if truncate(&mut blocks, max_tokens) {
            stop_sequence = None;
            "max_tokens".clone_into(&mut stop_reason);
        }
    }
    let output_tokens = blocks.iter().map(content_tokens).sum();
    Answer {
        usage: usage::count(request, output_tokens, shared),
        fields: response_fields(request, stop_sequence.as_deref(), &blocks),
        trace: guardrail::trace(request, blocked),
        echoed: echo(request),
        blocks,
        stop_reason,
    }
}

/// A conversation that ends with the assistant is written on from there: what it begins with is not said again.
fn continue_prefill(request: &Request<'_>, blocks: &mut [Content]) {
    let Some(prefill) = request.prefill() else {
        return;
    };
    if let Some(Content::Text(text)) = blocks.first_mut()
        && let Some(rest) = text.strip_prefix(prefill.as_str())
    {
        *text = rest.to_owned();
    }
}

/// What stands in the last message that is not the assistant's.
pub(super) struct Turn {
    pub(super) text: String,
    tool_results: Option<String>,
}

impl Turn {
    fn of(request: &Request<'_>) -> Self {
        let blocks = request
            .last_turn()
            .map_or(&[][..], |message| message.items_of("content"));
        let texts: Vec<&str> = blocks.iter().filter_map(text_of).collect();
        let results = blocks.iter().filter_map(|block| block.get("toolResult"));
        let results: Vec<String> = results.map(describe_result).collect();
        Self {
            text: texts.join("\n"),
            tool_results: Some(results.join("; ")).filter(|_| !results.is_empty()),
        }
    }

    /// Returns the first marker of this name.
    pub(super) fn marker(&self, name: &str) -> Option<Marker<'_>> {
        Marker::all(&self.text).find(|marker| marker.name == name)
    }
}

fn describe_result(result: &Node<'_>) -> String {
    let describe = |block: &Node<'_>| match (block.text_of("text"), block.get("json")) {
        (Some(text), _) => text.to_owned(),
        (None, Some(json)) => serde_json::to_string(json).unwrap_or_default(),
        (None, None) => block
            .members()
            .first()
            .map_or_else(String::new, |(kind, _)| format!("[{kind}]")),
    };
    result
        .items_of("content")
        .iter()
        .map(describe)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns blocks and stop reason before limits are applied.
fn speak(request: &Request<'_>, turn: &Turn, directions: &Directions) -> (Vec<Content>, String) {
    let mut blocks = Vec::new();
    if turn.marker("empty").is_some() {
        return (blocks, "end_turn".to_owned());
    }
    if reasoning::is_wanted(request) {
        think(request, turn, &mut blocks);
    }
    let calls = call_tools(request, turn);
    if !calls.is_empty() {
        if !request.forces_tool() {
            blocks.push(Content::Text("Let me look that up.".to_owned()));
        }
        blocks.extend(calls);
        return (blocks, "tool_use".to_owned());
    }
    blocks.push(say(request, turn, directions));
    let reason = turn
        .marker("stop-reason")
        .map(|marker| marker.argument)
        .filter(|reason| !reason.is_empty());
    (blocks, reason.unwrap_or("end_turn").to_owned())
}

fn think(request: &Request<'_>, turn: &Turn, blocks: &mut Vec<Content>) {
    let text = format!(
        "The user said \"{}\". A short answer that quotes it will do.",
        quote(&turn.text)
    );
    if turn.marker("redacted").is_some() {
        blocks.push(Content::Redacted(reasoning::redact(&text)));
        return;
    }
    let signature = reasoning::is_signed(request).then(|| reasoning::sign(&text));
    blocks.push(Content::Thought { text, signature });
}

fn say(request: &Request<'_>, turn: &Turn, directions: &Directions) -> Content {
    let exact = turn.marker("json").or_else(|| turn.marker("say"));
    if let Some(marker) = exact.filter(|marker| !marker.argument.is_empty()) {
        return Content::Text(marker.argument.to_owned());
    }
    let path = [
        "outputConfig",
        "textFormat",
        "structure",
        "jsonSchema",
        "schema",
    ];
    if let Some(schema) = request.root.at(&path).and_then(Node::text) {
        let schema: Node<'_> = serde_json::from_str(schema).unwrap_or(Node::Null);
        return Content::Text(sample::fitting(&schema).to_string());
    }
    if let Some(count) = directions.long {
        let words: Vec<String> = (1..=count).map(|number| format!("word{number}")).collect();
        return Content::Text(words.join(" "));
    }
    let name = request.model.family.name();
    let said = match &turn.tool_results {
        Some(results) => format!("the tool answered \"{}\".", quote(results)),
        None => format!("you said \"{}\".", quote(&turn.text)),
    };
    let text = format!("This is a simulated reply from {name}: {said}");
    if turn.marker("unicode").is_some() {
        return Content::Text(format!(
            "{text} Grüße, 你好, привет, 👩\u{200d}👩\u{200d}👧 \u{1d11e}"
        ));
    }
    if turn.marker("citations").is_some() {
        let citation = cite(request, &text);
        return Content::Cited { text, citation };
    }
    Content::Text(text)
}

fn cite(request: &Request<'_>, text: &str) -> Value {
    let location = if request.model.family == Family::Nova {
        json!({"web": {"url": "https://example.com/simulated", "domain": "example.com"}})
    } else {
        json!({"documentChar": {"documentIndex": 0, "start": 0, "end": text.chars().count()}})
    };
    json!({"title": "Simulated source", "source": "simulated", "sourceContent": [{"text": quote(text)}], "location": location})
}

/// Returns the first characters of a text, without markers.
fn quote(text: &str) -> String {
    Marker::strip(text)
        .trim()
        .chars()
        .take(QUOTE_CHARS)
        .collect()
}

fn response_fields(
    request: &Request<'_>,
    stop_sequence: Option<&str>,
    blocks: &[Content],
) -> Option<Value> {
    let mut fields = Map::new();
    for path in request
        .root
        .items_of("additionalModelResponseFieldPaths")
        .iter()
        .filter_map(Node::text)
    {
        let thought = blocks
            .iter()
            .filter(|block| matches!(block, Content::Thought { .. } | Content::Redacted(_)));
        match path {
            "/stop_sequence" => {
                fields.insert("stop_sequence".into(), stop_sequence.into());
            }
            "/usage/output_tokens_details" => {
                let thinking_tokens: u64 = thought.map(content_tokens).sum();
                if thinking_tokens > 0 {
                    let details =
                        json!({"output_tokens_details": {"thinking_tokens": thinking_tokens}});
                    fields.insert("usage".into(), details);
                }
            }
            _ => {}
        }
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}

fn echo(request: &Request<'_>) -> Map<String, Value> {
    let mut echoed = Map::new();
    for name in ["performanceConfig", "serviceTier"] {
        if let Some(value) = request
            .root
            .get(name)
            .and_then(|node| serde_json::to_value(node).ok())
        {
            echoed.insert(name.to_owned(), value);
        }
    }
    echoed
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
