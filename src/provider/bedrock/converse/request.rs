//! One Converse request while it is put together.
//!
//! The parts depend on each other: tools decide what becomes of tool calls in the conversation, the conversation whether
//! the model may think, thinking whether a tool can be forced. [`Draft::new`] settles them in that order; [`Draft::write`]
//! writes the body in one go.

use serde_json::Value;

use super::blocks::{Block, Turn, turns_size, write_blocks, write_turns};
use super::cache::{CachePolicy, Injections};
use super::choice;
use super::fields::Fields;
use super::history::{self, Mending, Messages};
use super::kind::Model;
use super::messages;
use super::metadata;
use super::model_fields;
use super::params::{Inference, Screen};
use super::reasoning::{self, Reasoning};
use super::toolbox::{OrphanRules, Toolbox};
use super::top_level::{self, write_member};
use crate::canonical::{ChatParams, ChatRequest, RawJson};
use crate::error::Result;
use crate::provider::Target;

/// Everything that is decided about one request.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    model: Model<'a>,
    params: ChatParams,
    system: Vec<Block>,
    turns: Vec<Turn>,
    inference: Inference,
    choice: Option<Value>,
    fields: Fields,
    /// What the request brings beside its messages.
    pub(super) toolbox: Toolbox,
    /// What was left out or changed.
    pub(super) warnings: Vec<String>,
}

impl<'a> Draft<'a> {
    /// Decides everything about a request.
    pub(super) fn new(request: &ChatRequest, target: &'a Target) -> Result<Self> {
        let model = Model::new(target);
        let mut warnings = Vec::new();
        let mut merged = request.params.over(&target.defaults);
        metadata::leave_to_operator(&mut merged, target, &mut warnings);
        let screen = Screen::new(merged, &model, &target.repairs)?;
        let drop = screen.drop;
        let params = screen.run(&mut warnings)?;
        let mending = mending(&params, target);

        let mut toolbox = Toolbox::new(request, &params, &model, target, &mut warnings)?;
        let (system, list) =
            conversation(request, &params, &model, target, &mut toolbox, &mending)?;
        let reasoning = reasoning::Question {
            model: &model,
            params: &params,
            portkey: request.portkey,
            broken_history: model.is_claude() && history::misses_thinking(&list),
            drop,
        }
        .answer(&mut warnings)?;
        let choice = choice::Question {
            model: &model,
            choice: params.tool_choice.as_ref(),
            has_tools: toolbox.has_own_tools,
            json_tool: toolbox.json_tool.is_some(),
            thinks: reasoning.thinks,
            drop,
        }
        .answer(&mut toolbox.namer)?
        .filter(|_| !toolbox.tools.is_empty());
        let cache = CachePolicy::of(&model);
        let turns = messages::turns(&list, &model, cache, &mending, &mut toolbox.namer)?;
        if turns.is_empty() {
            return Err(messages::nothing_said());
        }
        Ok(Self {
            inference: inference(&params, &model, &reasoning),
            fields: model_fields::gather(
                &params,
                &model,
                reasoning,
                &mut toolbox,
                choice.is_some(),
                &mut warnings,
            ),
            model,
            params,
            system,
            turns,
            choice,
            toolbox,
            warnings,
        })
    }

    /// Says whether the answer can only come whole.
    pub(super) fn must_come_whole(&self) -> bool {
        let has_tools = !self.toolbox.tools.is_empty();
        self.model.id.cannot_stream(has_tools)
    }

    /// Says whether the caller asks for members of the model's own answer.
    pub(super) fn asks_for_fields(&self) -> bool {
        top_level::asks_for_fields(&self.params)
    }

    /// Writes the body; `streamed` says which of the two APIs it is for.
    pub(super) fn write(&self, streamed: bool) -> Result<Vec<u8>> {
        const FRAME: usize = 1024;
        let mut out = Vec::with_capacity(FRAME + turns_size(&self.turns));
        out.extend_from_slice(br#"{"messages":"#);
        write_turns(&self.turns, &mut out);
        if !self.system.is_empty() {
            out.extend_from_slice(br#","system":"#);
            write_blocks(&self.system, &mut out);
        }
        out.extend_from_slice(br#","inferenceConfig":"#);
        self.inference.write(&mut out);
        if !self.toolbox.tools.is_empty() {
            out.extend_from_slice(br#","toolConfig":"#);
            self.toolbox.tools.write(self.choice.as_ref(), &mut out);
        }
        top_level::write(&self.params, streamed, &mut out)?;
        let given = self.params.extra("outputConfig");
        if let Some(config) = given.or(self.toolbox.output_config.as_ref()) {
            write_member("outputConfig", config.bytes(), &mut out);
        }
        if !self.fields.is_empty() {
            out.extend_from_slice(br#","additionalModelRequestFields":"#);
            self.fields.write(&mut out);
        }
        let thinks = self.fields.get("thinking").is_some();
        let paths = top_level::response_paths(&self.params, thinks)?;
        if !paths.is_empty() {
            let paths = RawJson::from_value(&paths);
            write_member("additionalModelResponseFieldPaths", paths.bytes(), &mut out);
        }
        out.push(b'}');
        Ok(out)
    }
}

/// Takes together how messages are mended.
pub(super) fn mending(params: &ChatParams, target: &Target) -> Mending {
    Mending::new(
        &target.repairs,
        params.user_continue_message.as_deref(),
        params.assistant_continue_message.as_deref(),
        params.guardrail.is_some(),
    )
}

/// Returns what becomes of tool calls without tools.
pub(super) fn orphan_rules(target: &Target, mending: &Mending) -> OrphanRules {
    OrphanRules {
        keep: target.repairs.keep_orphaned_tool_blocks,
        modify: mending.modify,
        guardrail: mending.guardrail,
    }
}

/// Mends the conversation: instructions apart, tool calls only beside tools, the user first and last.
fn conversation<'r>(
    request: &'r ChatRequest,
    params: &ChatParams,
    model: &Model<'_>,
    target: &Target,
    toolbox: &mut Toolbox,
    mending: &Mending,
) -> Result<(Vec<Block>, Messages<'r>)> {
    let injections = Injections::read(params.extra(Injections::NAME))?;
    let mut list = history::borrow(&request.messages);
    injections.apply(&mut list);
    let system = history::split_system(&mut list, CachePolicy::of(model));
    history::turn_later_system_into_notes(&mut list);
    let rules = orphan_rules(target, mending);
    toolbox.settle(&mut list, params, model, &injections, rules)?;
    if mending.guardrail {
        history::guard_last_user_turn(&mut list);
    }
    history::ensure_user_speaks(&mut list, mending)?;
    Ok((system, list))
}

fn inference(params: &ChatParams, model: &Model<'_>, reasoning: &Reasoning) -> Inference {
    let default_limit = reasoning.max_tokens;
    Inference::new(params, model, default_limit, reasoning.without_sampling)
}
