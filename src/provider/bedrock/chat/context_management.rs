//! `context_management`: what Claude is to do when a conversation gets long.

use serde_json::{Value, json};

use super::Wire;
use super::betas::{self, Betas};
use super::kind::Model;
use crate::canonical::{ChatParams, RawJson};

/// What Bedrock takes of all that Claude does to long contexts, with the beta of each: compaction, and by `InvokeModel`
/// also the clearing of tool calls.
fn taken(wire: Wire) -> &'static [(&'static str, &'static str)] {
    const EDITS: [(&str, &str); 2] = [
        ("compact_20260112", betas::COMPACT),
        ("clear_tool_uses_20250919", betas::CONTEXT_MANAGEMENT),
    ];
    match wire {
        Wire::Converse => EDITS.split_at(1).0,
        Wire::Messages => EDITS.as_slice(),
    }
}

/// Returns `context_management` with the edits that the model takes, and asks for their betas.
pub(crate) fn edits(
    params: &ChatParams,
    model: &Model<'_>,
    needed: &mut Betas,
    warnings: &mut Vec<String>,
) -> Option<Value> {
    let given = params.extra("context_management").map(RawJson::to_value)?;
    let edits = match given {
        Value::Array(list) => list.into_iter().filter_map(from_openai).collect(),
        Value::Object(mut members) => match members.shift_remove("edits") {
            Some(Value::Array(edits)) => edits,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let taken = taken(model.wire);
    let beta_of = |edit: &Value| {
        let kind = edit.get("type").and_then(Value::as_str)?;
        taken.iter().find(|(known, _)| *known == kind)
    };
    let edits: Vec<Value> = edits
        .into_iter()
        .filter(|edit| beta_of(edit).is_some())
        .collect();
    if edits.is_empty() || !model.may_be_claude() {
        warnings.push("context_management was left out: not supported".to_owned());
        return None;
    }
    for (_, beta) in edits.iter().filter_map(beta_of) {
        needed.add(beta);
    }
    Some(json!({ "edits": edits }))
}

/// Turns OpenAI's `{"type": "compaction", …}` into Anthropic's edit.
fn from_openai(edit: Value) -> Option<Value> {
    let Value::Object(mut edit) = edit else {
        return None;
    };
    if edit.get("type").is_some_and(|kind| kind == "compaction") {
        edit.insert("type".to_owned(), json!("compact_20260112"));
    }
    Some(Value::Object(edit))
}
