//! One chat request while it is put together.
//!
//! The parts depend on each other: tools decide what becomes of tool calls in the conversation, the conversation whether
//! the model may think, thinking whether a tool can be forced. [`Draft::new`] settles them in that order; each format then
//! writes its body in one go.

use super::Wire;
use super::blocks::{Block, Turn};
use super::cache::{CachePolicy, Injections};
use super::choice::{self, Choice};
use super::from_messages;
use super::history::{self, Mending, Messages};
use super::kind::Model;
use super::messages;
use super::metadata;
use super::params::{Inference, Screen};
use super::reasoning::{self, Reasoning};
use super::toolbox::{OrphanRules, Toolbox};
use crate::canonical::{ChatParams, ChatRequest};
use crate::catalog::Flag;
use crate::error::Result;
use crate::provider::Target;

/// Everything that is decided about one request.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    /// The model.
    pub(crate) model: Model<'a>,
    /// The parameters that it takes.
    pub(crate) params: ChatParams,
    /// The instructions in front of the conversation.
    pub(crate) system: Vec<Block>,
    /// The conversation.
    pub(crate) turns: Vec<Turn>,
    /// Limit and sampling.
    pub(crate) inference: Inference,
    /// Which tool must be called.
    pub(crate) choice: Option<Choice>,
    /// What is said of thinking.
    pub(crate) reasoning: Reasoning,
    /// What the request brings beside its messages.
    pub(crate) toolbox: Toolbox,
    /// Whether what the model does not take is left out.
    pub(crate) drop: bool,
    /// What was left out or changed.
    pub(crate) warnings: Vec<String>,
}

impl<'a> Draft<'a> {
    /// Decides everything about a request.
    pub(crate) fn new(request: &ChatRequest, target: &'a Target, wire: Wire) -> Result<Self> {
        let model = Model::new(target, wire);
        let mut warnings = Vec::new();
        let mut merged = request.params.over(&target.defaults);
        metadata::leave_to_operator(&mut merged, target, &mut warnings);
        let from_messages = from_messages::is_from_messages(request);
        if from_messages {
            from_messages::require_limit(request, &merged)?;
            from_messages::translate(&mut merged, &model, &mut warnings);
        }
        let screen = Screen::new(merged, &model, &target.repairs)?.lenient(from_messages);
        let drop = screen.drop;
        let params = screen.run(&mut warnings)?;
        let mending = mending(&params, target, wire);

        let mut toolbox = Toolbox::new(request, &params, &model, target, &mut warnings)?;
        let (system, list) =
            conversation(request, &params, &model, target, &mut toolbox, &mending)?;
        let reasoning = reasoning::Question {
            model: &model,
            params: &params,
            portkey: request.portkey,
            broken_history: model.is_claude() && history::misses_thinking(&list),
            drop: drop || from_messages,
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
        let written = &request.messages;
        let turns = messages::turns(&list, written, &model, cache, &mending, &mut toolbox.namer)?;
        if turns.is_empty() {
            return Err(messages::nothing_said(written));
        }
        Ok(Self {
            inference: Inference::new(
                &params,
                &model,
                reasoning.max_tokens,
                reasoning.without_sampling,
            ),
            model,
            params,
            system,
            turns,
            choice,
            reasoning,
            toolbox,
            drop,
            warnings,
        })
    }

    /// Says whether the answer can only come whole.
    pub(crate) fn must_come_whole(&self) -> bool {
        let has_tools = !self.toolbox.tools.is_empty();
        self.model.id.cannot_stream(has_tools)
    }
}

/// Takes together how messages are mended.
pub(crate) fn mending(params: &ChatParams, target: &Target, wire: Wire) -> Mending {
    Mending::new(
        &target.repairs,
        params.user_continue_message.as_deref(),
        params.assistant_continue_message.as_deref(),
        // Elsewhere a guardrail is named in headers and looks at everything.
        params.guardrail.is_some() && wire == Wire::Converse,
    )
    .for_wire(wire)
}

/// Returns what becomes of tool calls without tools.
pub(crate) fn orphan_rules(target: &Target, mending: &Mending) -> OrphanRules {
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
    if from_messages::is_from_messages(request) {
        from_messages::drop_thinking(&mut list, model);
    }
    let system = history::split_system(&mut list, CachePolicy::of(model));
    if model.wire == Wire::Messages && model.facts.is(Flag::MidConversationSystem) {
        history::keep_later_system(&mut list);
    } else {
        history::turn_later_system_into_notes(&mut list);
    }
    let rules = match model.wire {
        Wire::Converse => orphan_rules(target, mending),
        // Anthropic's format takes calls only beside tools, too, and there a tool has always been made up for them.
        Wire::Messages => OrphanRules {
            keep: true,
            modify: true,
            guardrail: false,
        },
    };
    toolbox.settle(&mut list, params, model, &injections, rules)?;
    if mending.guardrail {
        history::guard_last_user_turn(&mut list);
    }
    history::ensure_user_speaks(&mut list, mending)?;
    Ok((system, list))
}
