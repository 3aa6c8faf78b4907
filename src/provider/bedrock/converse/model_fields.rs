//! What only the model understands: gathered into `additionalModelRequestFields`.

use serde_json::{Value, json};

use crate::canonical::ChatParams;
use crate::catalog::Flag;
use crate::provider::bedrock::chat::draft::Draft;
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::bedrock::chat::kind::{Kind, Model};
use crate::provider::bedrock::chat::{betas, context_management, extras};

/// Gathers the members; what the caller writes into `additionalModelRequestFields` itself wins.
pub(super) fn gather(draft: &mut Draft<'_>) -> Fields {
    let Draft {
        model,
        params,
        reasoning,
        toolbox,
        warnings,
        choice,
        ..
    } = draft;
    let mut fields = Fields::default();
    for (name, value) in extras::for_the_model(params) {
        fields.set(name, value.clone());
    }
    top_k(params, model, &mut fields, warnings);
    if !toolbox.tools.is_empty()
        && let Some(value) = parallel_calls(params, model, choice.is_some())
    {
        fields.set_value("tool_choice", &value);
    }
    fields.append("tools", std::mem::take(&mut toolbox.tools.native));
    if reasoning.needs_effort_beta {
        toolbox.betas.add(betas::EFFORT);
    }
    for (name, value) in &reasoning.fields {
        fields.set_value(name, value);
    }
    if let Some(edits) = context_management::edits(params, model, &mut toolbox.betas, warnings) {
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
