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
//! | `[[sim:guardrail]]` | the guardrail's message, if the request names a guardrail |

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::json::Node;
use super::super::misbehave::{Directions, Marker};
use super::super::model_id::Family;
use super::super::sigv4::{hmac, push_hex};
use super::super::state::Shared;
use super::request::{Request, text_of};
use super::usage::{Usage, tokens};
use super::{reasoning, sample, usage};

/// How much of the question an answer quotes, in characters.
const QUOTE_CHARS: usize = 60;
const BLOCKED: &str = "Sorry, the model cannot answer this question. (simulated guardrail)";

/// One block of the answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
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
pub(super) struct Answer {
    pub(super) blocks: Vec<Content>,
    pub(super) stop_reason: String,
    pub(super) usage: Usage,
    /// `additionalModelResponseFields`.
    pub(super) fields: Option<Value>,
    pub(super) trace: Option<Value>,
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
    let blocked = guardrail_strikes || guardrail_blocks(request);
    let (mut blocks, mut stop_reason) = if blocked {
        (
            vec![Content::Text(BLOCKED.to_owned())],
            "guardrail_intervened".to_owned(),
        )
    } else {
        speak(request, &turn, directions)
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
        trace: trace(request, blocked),
        echoed: echo(request),
        blocks,
        stop_reason,
    }
}

/// What stands in the last message.
struct Turn {
    text: String,
    tool_results: Option<String>,
}

impl Turn {
    fn of(request: &Request<'_>) -> Self {
        let blocks = request
            .last_message()
            .map_or(&[][..], |message| message.items_of("content"));
        let texts: Vec<&str> = blocks.iter().filter_map(text_of).collect();
        let results = blocks.iter().filter_map(|block| block.get("toolResult"));
        let results: Vec<String> = results.map(describe_result).collect();
        Self {
            text: texts.join("\n"),
            tool_results: Some(results.join("; ")).filter(|_| !results.is_empty()),
        }
    }

    fn marker(&self, name: &str) -> Option<Marker<'_>> {
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

fn call_tools(request: &Request<'_>, turn: &Turn) -> Vec<Content> {
    let specs: Vec<_> = request.tool_specs().collect();
    let named = |name: &str| {
        specs
            .iter()
            .copied()
            .find(|spec| spec.text_of("name") == Some(name))
    };
    let call = |index: usize, spec: &Node<'_>, input: Option<Value>| Content::ToolUse {
        id: tool_use_id(request, turn, index),
        name: spec.text_of("name").unwrap_or_default().to_owned(),
        input: input.unwrap_or_else(|| {
            sample::fitting(spec.at(&["inputSchema", "json"]).unwrap_or(&Node::Null))
        }),
    };
    let Some(first) = specs.first().copied() else {
        return Vec::new();
    };
    if let Some(marker) = turn.marker("tool") {
        let (name, arguments) = marker
            .argument
            .split_once(' ')
            .unwrap_or((marker.argument, ""));
        let input = serde_json::from_str(arguments)
            .ok()
            .filter(Value::is_object);
        return vec![call(0, named(name).unwrap_or(first), input)];
    }
    if turn.marker("tools").is_some() {
        let second = specs.get(1).copied().unwrap_or(first);
        return vec![call(0, first, None), call(1, second, None)];
    }
    match request.tool_choice() {
        Some(("any", _)) => vec![call(0, first, None)],
        Some(("tool", choice)) => {
            let spec = choice.text_of("name").and_then(named).unwrap_or(first);
            vec![call(0, spec, None)]
        }
        _ => Vec::new(),
    }
}

fn tool_use_id(request: &Request<'_>, turn: &Turn, index: usize) -> String {
    let mut id = String::from("tooluse_");
    let seed = format!("{}\n{index}\n{}", request.messages().len(), turn.text);
    push_hex(
        hmac(b"tool use", seed.as_bytes())
            .get(..11)
            .unwrap_or_default(),
        &mut id,
    );
    id
}

/// Cuts the texts at the first stop sequence and returns it.
fn stop_at_sequence(request: &Request<'_>, blocks: &mut Vec<Content>) -> Option<String> {
    let sequences = request.inference("stopSequences")?.items();
    for index in 0..blocks.len() {
        let Some(Content::Text(text)) = blocks.get_mut(index) else {
            continue;
        };
        let found = sequences
            .iter()
            .filter_map(Node::text)
            .filter_map(|stop| Some((text.find(stop)?, stop)))
            .min();
        if let Some((at, stop)) = found {
            text.truncate(at);
            blocks.truncate(index + 1);
            return Some(stop.to_owned());
        }
    }
    None
}

/// Cuts the answer at `max_tokens` and says whether something is missing.
fn truncate(blocks: &mut Vec<Content>, max_tokens: u64) -> bool {
    let mut left = max_tokens;
    for index in 0..blocks.len() {
        let Some(block) = blocks.get_mut(index) else {
            break;
        };
        let needed = content_tokens(block);
        if needed <= left {
            left -= needed;
            continue;
        }
        let chars =
            usize::try_from(left.saturating_mul(usage::CHARS_PER_TOKEN)).unwrap_or(usize::MAX);
        let kept = match block {
            Content::Text(text) | Content::Cited { text, .. } => {
                *text = text.chars().take(chars).collect();
                chars > 0
            }
            // Half a thought has no signature.
            Content::Thought { text, signature } => {
                *text = text.chars().take(chars).collect();
                *signature = None;
                chars > 0
            }
            Content::Redacted(_) | Content::ToolUse { .. } => false,
        };
        blocks.truncate(index + usize::from(kept));
        return true;
    }
    false
}

fn content_tokens(content: &Content) -> u64 {
    match content {
        Content::Text(text) | Content::Cited { text, .. } | Content::Thought { text, .. } => {
            tokens(text)
        }
        Content::Redacted(data) => tokens(data),
        Content::ToolUse { name, input, .. } => tokens(name) + tokens(&input.to_string()),
    }
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

/// Whether the guardrail that the request names stops it; guarded blocks alone are looked at where there are any.
fn guardrail_blocks(request: &Request<'_>) -> bool {
    let configured = request
        .root
        .at(&["guardrailConfig", "guardrailIdentifier"])
        .is_some();
    let guarded = request.blocks().any(|block| block.node.has("guardContent"));
    let looked_at =
        |text: &&str| !guarded || request.blocks().any(|block| is_guarded(block.node, text));
    let marked = |text: &str| Marker::all(text).any(|marker| marker.name == "guardrail");
    configured && request.user_texts().filter(looked_at).any(marked)
}

fn is_guarded(block: &Node<'_>, text: &str) -> bool {
    block
        .at(&["guardContent", "text", "text"])
        .and_then(Node::text)
        == Some(text)
}

fn trace(request: &Request<'_>, blocked: bool) -> Option<Value> {
    let guardrail = request.root.get("guardrailConfig")?;
    let wanted = guardrail
        .text_of("trace")
        .is_some_and(|trace| trace != "disabled");
    let id = guardrail
        .text_of("guardrailIdentifier")
        .filter(|_| wanted)?;
    let units = json!({
        "topicPolicyUnits": 1, "contentPolicyUnits": 1, "wordPolicyUnits": 0, "sensitiveInformationPolicyUnits": 0,
        "sensitiveInformationPolicyFreeUnits": 0, "contextualGroundingPolicyUnits": 0,
    });
    let metrics = json!({"guardrailProcessingLatency": 7, "usage": units});
    let trace = if blocked {
        let topics = json!([{"name": "simulated-topic", "type": "DENY", "action": "BLOCKED"}]);
        let assessment = json!({"topicPolicy": {"topics": topics}, "invocationMetrics": metrics});
        json!({"inputAssessment": {id: assessment}, "actionReason": "Guardrail blocked."})
    } else {
        json!({"inputAssessment": {id: {"invocationMetrics": metrics}}})
    };
    Some(json!({ "guardrail": trace }))
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
