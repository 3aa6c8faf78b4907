//! Tools, their names, the betas they need and the schema that the answer is held to: settled before the messages are
//! looked at, because they decide what becomes of tool calls in the conversation.

use super::Wire;
use super::betas::{Betas, STRUCTURED_OUTPUTS};
use super::cache::{CachePolicy, Injections};
use super::context::{DecodeContext, JSON_TOOL, JsonTool};
use super::definitions::Budget;
use super::history::{self, Messages};
use super::kind::Model;
use super::names::Namer;
use super::response_format::{self, Format};
use super::tools::{Reader, Spec, Tools, has_grounding};
use crate::canonical::{ChatParams, ChatRequest, RawJson, ToolChoice};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Target;
use crate::provider::bedrock::model_id::ModelId;

/// What a request brings beside its messages.
#[derive(Debug, Default)]
pub(crate) struct Toolbox {
    /// The tools that are sent.
    pub(crate) tools: Tools,
    /// The names they are sent under.
    pub(crate) namer: Namer,
    /// The betas that are asked for and needed.
    pub(crate) betas: Betas,
    /// Betas that came by a header, for a header.
    pub(crate) header_betas: Vec<String>,
    /// Set when a tool stands in for a schema.
    pub(crate) json_tool: Option<JsonTool>,
    /// What holds the answer to a schema: `outputConfig` of Converse, `output_config.format` of Messages.
    pub(crate) output_config: Option<RawJson>,
    /// Whether the client brought tools of its own.
    pub(crate) has_own_tools: bool,
    json_spec: Option<Spec>,
}

impl Toolbox {
    /// Reads the tools, the schema and the betas of a request.
    pub(crate) fn new(
        request: &ChatRequest,
        params: &ChatParams,
        model: &Model<'_>,
        target: &Target,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let mut out = Self {
            namer: Namer::new(model.wire),
            betas: Betas::new(model.wire),
            ..Self::default()
        };
        if model.may_be_claude() {
            out.header_betas = out.betas.ask_all(request, params, target);
        }
        let mut budget = Budget::default();
        match held_to_schema(params, model, &mut budget, warnings)? {
            Format::Free => {}
            Format::Native(config) => {
                if model.wire == Wire::Messages {
                    out.betas.add(STRUCTURED_OUTPUTS);
                }
                out.output_config = Some(RawJson::from_value(&config));
            }
            Format::Tool { spec, tool } => {
                out.namer.keep(JSON_TOOL);
                out.json_tool = Some(tool);
                out.json_spec = Some(spec);
            }
        }
        out.tools = Reader {
            model,
            cache: CachePolicy::of(model),
            namer: &mut out.namer,
            betas: &mut out.betas,
            budget: &mut budget,
            of_deployment: params
                .tools
                .len()
                .saturating_sub(request.params.tools.len()),
        }
        .read(&params.tools, params.tool_choice.as_ref(), warnings)?;
        out.has_own_tools = !out.tools.is_empty();
        Ok(out)
    }

    /// Returns what the reader of the answer must know.
    pub(crate) fn context(self, model: &ModelId, streamed: bool) -> DecodeContext {
        DecodeContext {
            tool_names: self.namer.renamed(),
            json_tool: self.json_tool,
            base: model.base.clone(),
            tools: self.tools.names,
            streamed,
            ..DecodeContext::default()
        }
    }

    /// Adds the tools that nobody wrote into `tools`, and makes the conversation and the tools fit each other.
    pub(crate) fn settle(
        &mut self,
        list: &mut Messages<'_>,
        params: &ChatParams,
        model: &Model<'_>,
        injections: &Injections,
        rules: OrphanRules,
    ) -> Result<()> {
        let is_none = params.tool_choice == Some(ToolChoice::None) && model.wire == Wire::Converse;
        if is_none && !history::has_tool_blocks(list) {
            self.tools.clear();
        }
        if let Some(spec) = self.json_spec.take() {
            self.tools.push_front(spec);
        }
        if params.extra("web_search_options").is_some() && has_grounding(model) {
            self.tools.push_grounding();
        }
        if !self.tools.is_empty() {
            let point = CachePolicy::of(model).tool_point(injections.tools.as_ref());
            self.tools.push_point(point);
        }
        rules.apply(list, &mut self.tools)
    }
}

/// What becomes of tool calls in a conversation without tools, which Bedrock refuses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrphanRules {
    /// They stay, and need a tool; else they become text.
    pub(crate) keep: bool,
    /// A tool may be made up for them.
    pub(crate) modify: bool,
    /// Text of a tool is shown to the guardrail.
    pub(crate) guardrail: bool,
}

impl OrphanRules {
    /// Makes the conversation and the tools fit each other.
    pub(crate) fn apply(self, list: &mut Messages<'_>, tools: &mut Tools) -> Result<()> {
        if !tools.is_empty() || !history::has_tool_blocks(list) {
            return Ok(());
        }
        if !tools.are_none() {
            // Claude's own tools travel elsewhere; Bedrock wants to see one here.
            tools.push_inert("unused", "Not to be called.");
        } else if !self.keep {
            history::turn_tool_blocks_into_text(list, self.guardrail);
        } else if self.modify {
            tools.push_inert("dummy_tool", "This is a dummy tool call");
        } else {
            return Err(Error::new(
                ErrorKind::BadRequest,
                "litellm.UnsupportedParamsError: Bedrock doesn't support tool calling without `tools=` param \
                 specified. Send `tools`, or set `litellm_settings.modify_params: true` to add a dummy tool to the request.",
            )
            .with_param("tools"));
        }
        Ok(())
    }
}

/// Decides how the answer is held to a schema: by `response_format`, else by Anthropic's `output_config.format`.
fn held_to_schema(
    params: &ChatParams,
    model: &Model<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<String>,
) -> Result<Format> {
    let format = response_format::plan(params.response_format.as_ref(), model, budget)?;
    let config = params.output_config.as_ref().map(RawJson::to_value);
    let asked = config.as_ref().and_then(|config| config.get("format"));
    // A model that nobody knows gets the format as it is written.
    let asked = asked.filter(|asked| !asked.is_null() && model.facts.known);
    if let (Format::Free, Some(asked)) = (&format, asked) {
        match response_format::of_output_config(asked) {
            Some(asked) if model.takes_schema() => {
                return Ok(Format::Native(response_format::native(&asked, model.wire)));
            }
            _ => warnings.push("output_config.format was left out: not supported".to_owned()),
        }
    }
    Ok(format)
}
