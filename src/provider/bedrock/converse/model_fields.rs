//! What only the model understands: gathered into `additionalModelRequestFields`.

use serde_json::{Value, json};

use super::betas::{self, Betas};
use super::fields::Fields;
use super::kind::{Kind, Model};
use super::reasoning::Reasoning;
use super::toolbox::Toolbox;
use super::top_level;
use crate::canonical::{ChatParams, RawJson};
use crate::catalog::Flag;

/// Gathers the members; what the caller writes into `additionalModelRequestFields` itself wins.
pub(super) fn gather(
    params: &ChatParams,
    model: &Model<'_>,
    reasoning: Reasoning,
    toolbox: &mut Toolbox,
    is_choice_sent: bool,
    warnings: &mut Vec<String>,
) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in top_level::for_the_model(params) {
        fields.set(name, value.clone());
    }
    top_k(params, model, &mut fields, warnings);
    if !toolbox.tools.is_empty()
        && let Some(value) = parallel_calls(params, model, is_choice_sent)
    {
        fields.set_value("tool_choice", &value);
    }
    fields.append("tools", std::mem::take(&mut toolbox.tools.native));
    if reasoning.needs_effort_beta {
        toolbox.betas.add(betas::EFFORT);
    }
    for (name, value) in reasoning.fields {
        fields.set_value(name, &value);
    }
    if let Some(edits) = context_management(params, model, &mut toolbox.betas, warnings) {
        fields.set_value("context_management", &edits);
    }
    if model.may_be_claude() {
        let list = toolbox.betas.list().iter().map(|beta| json!(beta));
        fields.append("anthropic_beta", list.collect());
    }
    if let Some(given) = params.extra("additionalModelRequestFields") {
        fields.merge(given);
    }
    fields
}

fn top_k(params: &ChatParams, model: &Model<'_>, fields: &mut Fields, warnings: &mut Vec<String>) {
    let Some(top_k) = &params.top_k else {
        return;
    };
    match model.kind {
        Kind::Nova | Kind::Nova2 => fields.set_value("inferenceConfig", &json!({ "topK": top_k })),
        Kind::Claude | Kind::Opaque => fields.set_value("top_k", &json!(top_k)),
        _ if model.permissive => fields.set_value("top_k", &json!(top_k)),
        _ => warnings.push("parameter top_k was left out: not supported".to_owned()),
    }
}

/// Claude is told by a field of its own whether several tools may be called at once.
fn parallel_calls(params: &ChatParams, model: &Model<'_>, is_choice_sent: bool) -> Option<Value> {
    let disable = !params.parallel_tool_calls?;
    if !model.facts.is(Flag::ParallelToolUseConfig) {
        return None;
    }
    // quirk(bedrock): a type here beside `toolConfig.toolChoice` is refused.
    Some(if is_choice_sent {
        json!({ "disable_parallel_tool_use": disable })
    } else {
        json!({"type": "auto", "disable_parallel_tool_use": disable})
    })
}

/// Converse takes compaction only, of all that Claude does to long contexts.
fn context_management(
    params: &ChatParams,
    model: &Model<'_>,
    betas: &mut Betas,
    warnings: &mut Vec<String>,
) -> Option<Value> {
    const COMPACTION: &str = "compact_20260112";
    let given = params.extra("context_management").map(RawJson::to_value)?;
    let edits = match given {
        Value::Array(list) => list.into_iter().filter_map(from_openai).collect(),
        Value::Object(mut members) => match members.shift_remove("edits") {
            Some(Value::Array(edits)) => edits,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let is_compaction = |edit: &Value| edit.get("type").is_some_and(|kind| kind == COMPACTION);
    let edits: Vec<Value> = edits.into_iter().filter(is_compaction).collect();
    if edits.is_empty() || !model.may_be_claude() {
        warnings.push("context_management was left out: not supported".to_owned());
        return None;
    }
    betas.add(betas::COMPACT);
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
