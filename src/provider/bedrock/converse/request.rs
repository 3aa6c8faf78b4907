//! One Converse request while it is put together.
//!
//! The parts depend on each other: tools decide what becomes of tool calls in the history, the history whether the model
//! may think, thinking whether a tool can be forced. [`Draft::new`] settles them in that order; [`Draft::write`] writes
//! the body in one go.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::betas::{self, Betas};
use super::blocks::{Block, Turn, turns_size, write_blocks, write_turns};
use super::cache::{CachePolicy, Injections};
use super::choice;
use super::content::is_replayed;
use super::context::{JSON_TOOL, JsonTool};
use super::fields::Fields;
use super::history::{self, Mending, Messages};
use super::kind::{Kind, Model};
use super::messages;
use super::names::Namer;
use super::params::{Inference, Screen};
use super::reasoning::{self, Reasoning};
use super::response_format::{self, Format};
use super::tools::{self, Tools, has_grounding};
use super::top_level::{self, write_member};
use crate::canonical::{
    ChatParams, ChatRequest, Content, Message, PartKind, RawJson, Role, ToolChoice,
};
use crate::catalog::Flag;
use crate::error::{Error, ErrorKind, Result};
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
    output_config: Option<RawJson>,
    thinks: bool,
    /// The tools that are sent.
    pub(super) tools: Tools,
    /// The names they are sent under.
    pub(super) namer: Namer,
    /// Set when a tool stands in for a schema.
    pub(super) json_tool: Option<JsonTool>,
    /// Whether the caller asks for members of the model's own answer.
    pub(super) asks_for_fields: bool,
    /// Betas that came by a header, for a header.
    pub(super) header_betas: Vec<String>,
    /// What was left out or changed.
    pub(super) warnings: Vec<String>,
}

impl<'a> Draft<'a> {
    /// Decides everything about a request.
    pub(super) fn new(request: &ChatRequest, target: &'a Target) -> Result<Self> {
        let model = Model::new(target);
        let mut warnings = Vec::new();
        let merged = request.params.over(&target.defaults);
        let screen = Screen::new(merged, &model, &target.repairs);
        let drop = screen.drop;
        let params = screen.run(&mut warnings)?;
        let cache = CachePolicy::of(&model);
        let injections = Injections::read(params.extra(Injections::NAME))?;

        let mut namer = Namer::default();
        let mut betas = Betas::default();
        let header_betas = ask_betas(request, &params, target, &model, &mut betas);
        let format = held_to_schema(&params, &model, &mut warnings)?;
        let mut output_config = None;
        let mut json_tool = None;
        let mut json_spec = None;
        match format {
            Format::Free => {}
            Format::Native(config) => output_config = Some(RawJson::from_value(&config)),
            Format::Tool { spec, tool } => {
                namer.keep(JSON_TOOL);
                json_tool = Some(tool);
                json_spec = Some(spec);
            }
        }
        let mut tools = tools::Reader {
            model: &model,
            cache,
            namer: &mut namer,
            betas: &mut betas,
            warnings: &mut warnings,
        }
        .read(&params.tools, params.tool_choice.as_ref())?;
        let has_own_tools = !tools.is_empty();

        let mut list = borrow(&request.messages);
        injections.apply(&mut list);
        let system = history::split_system(&mut list, cache);
        history::turn_later_system_into_notes(&mut list);
        if params.tool_choice == Some(ToolChoice::None) && !history::has_tool_blocks(&list) {
            tools.clear();
        }
        if let Some(spec) = json_spec {
            tools.push_front(&spec);
        }
        if params.extra("web_search_options").is_some() && has_grounding(&model) {
            tools.push_grounding();
        }
        if !tools.is_empty() {
            tools.push_point(cache.tool_point(injections.tools.as_ref()));
        }
        let mending = Mending::new(
            &target.repairs,
            params.user_continue_message.as_deref(),
            params.assistant_continue_message.as_deref(),
            params.guardrail.is_some(),
        );
        settle_tool_blocks(&mut list, &mut tools, target, &mending)?;
        if mending.guardrail {
            history::guard_last_user_turn(&mut list);
        }
        history::ensure_user_speaks(&mut list, &mending)?;
        let reasoning = reasoning::Question {
            model: &model,
            params: &params,
            portkey: request.portkey,
            broken_history: model.is_claude() && is_broken(&list),
            drop,
        }
        .answer(&mut warnings)?;
        let choice = choice::Question {
            model: &model,
            choice: params.tool_choice.as_ref(),
            has_tools: has_own_tools,
            json_tool: json_tool.is_some(),
            thinks: reasoning.thinks,
            drop,
        }
        .answer(&mut namer)?
        .filter(|_| !tools.is_empty());
        let turns = messages::turns(&list, &model, cache, &mending, &mut namer)?;
        if turns.is_empty() {
            return Err(messages::nothing_said());
        }
        let inference = Inference::new(
            &params,
            &model,
            reasoning.max_tokens,
            reasoning.without_sampling,
        );
        let given_output = params.extra("outputConfig").cloned();
        let mut draft = Self {
            asks_for_fields: top_level::asks_for_fields(&params),
            model,
            params,
            system,
            turns,
            inference,
            choice,
            fields: Fields::default(),
            output_config: given_output.or(output_config),
            thinks: false,
            tools,
            namer,
            json_tool,
            header_betas,
            warnings,
        };
        draft.gather_fields(reasoning, betas);
        Ok(draft)
    }

    /// Gathers what only the model understands; what the caller writes itself wins.
    fn gather_fields(&mut self, reasoning: Reasoning, mut betas: Betas) {
        for (name, value) in top_level::for_the_model(&self.params) {
            self.fields.set(name, value.clone());
        }
        self.top_k();
        self.parallel_calls();
        if !self.tools.native.is_empty() {
            let native = std::mem::take(&mut self.tools.native);
            self.fields.append("tools", native);
        }
        if reasoning.needs_effort_beta {
            betas.add(betas::EFFORT);
        }
        for (name, value) in reasoning.fields {
            self.thinks |= name == "thinking";
            self.fields.set_value(name, &value);
        }
        self.context_management(&mut betas);
        if self.model.may_be_claude() {
            let list = betas.list().iter().map(|beta| json!(beta)).collect();
            self.fields.append("anthropic_beta", list);
        }
        for (name, given) in &self.params.extra {
            if name == "additionalModelRequestFields" {
                self.fields.merge(given);
            }
        }
    }

    fn top_k(&mut self) {
        let Some(top_k) = &self.params.top_k else {
            return;
        };
        match self.model.kind {
            Kind::Nova | Kind::Nova2 => {
                let config = json!({ "topK": top_k });
                self.fields.set_value("inferenceConfig", &config);
            }
            Kind::Claude | Kind::Opaque => self.fields.set_value("top_k", &json!(top_k)),
            _ if self.model.permissive => self.fields.set_value("top_k", &json!(top_k)),
            _ => self
                .warnings
                .push("parameter top_k was left out: not supported".to_owned()),
        }
    }

    /// Claude is told by a field of its own whether several tools may be called at once.
    fn parallel_calls(&mut self) {
        let Some(parallel) = self.params.parallel_tool_calls else {
            return;
        };
        if self.tools.is_empty() || !self.model.facts.is(Flag::ParallelToolUseConfig) {
            return;
        }
        // quirk(bedrock): a type here beside `toolConfig.toolChoice` is refused.
        let value = if self.choice.is_some() {
            json!({"disable_parallel_tool_use": !parallel})
        } else {
            json!({"type": "auto", "disable_parallel_tool_use": !parallel})
        };
        self.fields.set_value("tool_choice", &value);
    }

    /// Converse takes compaction only, of all that Claude does to long contexts.
    fn context_management(&mut self, betas: &mut Betas) {
        const COMPACTION: &str = "compact_20260112";
        let given = self.params.extra("context_management");
        let Some(given) = given.filter(|_| self.model.may_be_claude()) else {
            return;
        };
        let edits: Vec<Value> = match given.to_value() {
            Value::Array(list) => list.into_iter().filter_map(from_openai).collect(),
            Value::Object(mut members) => match members.shift_remove("edits") {
                Some(Value::Array(edits)) => edits,
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        let edits: Vec<Value> = edits
            .into_iter()
            .filter(|edit| edit.get("type").is_some_and(|kind| kind == COMPACTION))
            .collect();
        if edits.is_empty() {
            self.warnings
                .push("context_management was left out: Converse takes compaction only".to_owned());
            return;
        }
        betas.add(betas::COMPACT);
        self.fields
            .set_value("context_management", &json!({ "edits": edits }));
    }

    /// Says whether the answer can only come whole.
    pub(super) fn must_come_whole(&self) -> bool {
        self.model.id.cannot_stream(!self.tools.is_empty())
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
        if !self.tools.is_empty() {
            out.extend_from_slice(br#","toolConfig":"#);
            self.tools.write(self.choice.as_ref(), &mut out);
        }
        top_level::write(&self.params, streamed, &mut out)?;
        if let Some(config) = &self.output_config {
            write_member("outputConfig", config.bytes(), &mut out);
        }
        if !self.fields.is_empty() {
            out.extend_from_slice(br#","additionalModelRequestFields":"#);
            self.fields.write(&mut out);
        }
        let paths = top_level::response_paths(&self.params, self.thinks)?;
        if !paths.is_empty() {
            let paths = RawJson::from_value(&paths);
            write_member("additionalModelResponseFieldPaths", paths.bytes(), &mut out);
        }
        out.push(b'}');
        Ok(out)
    }
}

/// Borrows the conversation, so that only what is mended is copied.
pub(super) fn borrow(messages: &[Message]) -> Messages<'_> {
    messages.iter().map(Cow::Borrowed).collect()
}

/// Decides how the answer is held to a schema: by `response_format`, else by Anthropic's `output_config.format`.
fn held_to_schema(
    params: &ChatParams,
    model: &Model<'_>,
    warnings: &mut Vec<String>,
) -> Result<Format> {
    let format = response_format::plan(params.response_format.as_ref(), model)?;
    let config = params.output_config.as_ref().map(RawJson::to_value);
    let asked = config.as_ref().and_then(|config| config.get("format"));
    if let (Format::Free, Some(asked)) = (&format, asked.filter(|asked| !asked.is_null())) {
        match response_format::of_output_config(asked) {
            Some(asked) if model.takes_schema() => {
                return Ok(Format::Native(response_format::native(&asked)));
            }
            _ => warnings.push("output_config.format was left out: not supported".to_owned()),
        }
    }
    Ok(format)
}

/// Collects the betas that are asked for; returns those that came by a header.
fn ask_betas(
    request: &ChatRequest,
    params: &ChatParams,
    target: &Target,
    model: &Model<'_>,
    betas: &mut Betas,
) -> Vec<String> {
    if !model.may_be_claude() {
        return Vec::new();
    }
    let allowed = &target.repairs.allowed_betas;
    let headers = params.extra_headers.iter().chain(&target.extra_headers);
    let by_header = headers
        .filter(|(name, _)| name.eq_ignore_ascii_case("anthropic-beta"))
        .flat_map(|(_, value)| betas::split(value));
    for beta in request.betas.iter().cloned().chain(by_header) {
        betas.ask(&beta, allowed);
    }
    let by_header = betas.list().to_vec();
    match params.extra("anthropic_beta").map(RawJson::to_value) {
        Some(Value::Array(list)) => {
            for beta in list.iter().filter_map(Value::as_str) {
                betas.ask(beta, allowed);
            }
        }
        Some(Value::String(list)) => {
            for beta in betas::split(&list) {
                betas.ask(&beta, allowed);
            }
        }
        _ => {}
    }
    if let Some(beta) = model.id.context_beta() {
        betas.add(beta);
    }
    by_header
}

/// Bedrock refuses calls of tools in a conversation without tools: they become text, or a tool is made up.
fn settle_tool_blocks(
    list: &mut Messages<'_>,
    tools: &mut Tools,
    target: &Target,
    mending: &Mending,
) -> Result<()> {
    if !tools.is_empty() || !history::has_tool_blocks(list) {
        return Ok(());
    }
    if !tools.are_none() {
        tools.push_inert("unused", "Not to be called.");
    } else if !target.repairs.keep_orphaned_tool_blocks {
        history::turn_tool_blocks_into_text(list, mending.guardrail);
    } else if mending.modify {
        tools.push_inert("dummy_tool", "This is a dummy tool call");
    } else {
        return Err(Error::new(
            ErrorKind::BadRequest,
            "litellm.UnsupportedParamsError: Bedrock doesn't support tool calling without `tools=` param specified. \
             Pass `tools=` param OR set `litellm.modify_params = True` to add a dummy tool to the request.",
        )
        .with_param("tools"));
    }
    Ok(())
}

/// Says whether Claude, which must see what it thought before a call, would miss it in this conversation.
fn is_broken(list: &Messages<'_>) -> bool {
    let answers = || {
        list.iter()
            .filter(|message| message.role == Role::Assistant)
    };
    let has_thinking = |message: &Cow<'_, Message>| {
        let in_parts = match &message.content {
            Content::Parts(parts) => parts.iter().any(|part| {
                matches!(&part.kind, PartKind::Thinking(thinking) if is_replayed(Kind::Claude, thinking))
            }),
            Content::Absent | Content::Text(_) => false,
        };
        in_parts
            || message
                .thinking
                .iter()
                .any(|thinking| is_replayed(Kind::Claude, thinking))
    };
    let last_calls = answers()
        .next_back()
        .is_some_and(|message| !message.tool_calls.is_empty());
    last_calls && !answers().any(has_thinking)
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

/// Appends the messages that follow a stored prompt's own; there may be none.
pub(super) fn write_prompt_messages(
    request: &ChatRequest,
    target: &Target,
    params: &ChatParams,
    out: &mut Vec<u8>,
) -> Result<()> {
    let model = Model::new(target);
    let mending = Mending::new(
        &target.repairs,
        params.user_continue_message.as_deref(),
        params.assistant_continue_message.as_deref(),
        params.guardrail.is_some(),
    );
    let mut list = borrow(&request.messages);
    let mut tools = Tools::default();
    settle_tool_blocks(&mut list, &mut tools, target, &mending)?;
    let cache = CachePolicy::of(&model);
    let turns = messages::turns(&list, &model, cache, &mending, &mut Namer::default())?;
    write_turns(&turns, out);
    Ok(())
}
