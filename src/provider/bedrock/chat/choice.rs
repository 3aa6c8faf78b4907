//! `tool_choice`: which tool the model must call.
//!
//! Converse has no "none", Claude cannot be forced while it thinks, and some models cannot be forced at all.

use super::Wire;
use super::context::JSON_TOOL;
use super::kind::Model;
use super::names::Namer;
use crate::canonical::ToolChoice;
use crate::catalog::Flag;
use crate::error::{Error, Result};

/// Which tool the model must call, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The model decides.
    Auto,
    /// Some tool.
    Any,
    /// This tool, by the name that Bedrock knows.
    Tool(String),
    /// None: only Anthropic's format can say it.
    None,
}

/// What the choice is made by.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The model.
    pub(crate) model: &'a Model<'a>,
    /// What the client says.
    pub(crate) choice: Option<&'a ToolChoice>,
    /// Whether the client brought tools of its own.
    pub(crate) has_tools: bool,
    /// Whether a tool stands in for a schema.
    pub(crate) json_tool: bool,
    /// Whether the model will think.
    pub(crate) thinks: bool,
    /// Whether what the model does not take is left out.
    pub(crate) drop: bool,
}

impl Question<'_> {
    /// Returns the choice, if one is sent.
    pub(crate) fn answer(&self, namer: &mut Namer) -> Result<Option<Choice>> {
        let forced = match (self.json_tool, self.choice) {
            (true, Some(ToolChoice::Named(name))) if self.has_tools => named(name, namer),
            (true, Some(ToolChoice::None)) => named(JSON_TOOL, namer),
            // Forcing the stand-in would put the client's own tools out of reach.
            (true, _) if self.has_tools => Choice::Any,
            (true, _) => named(JSON_TOOL, namer),
            (false, Some(ToolChoice::Named(name))) => named(name, namer),
            (false, Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. })) => {
                Choice::Any
            }
            (false, Some(ToolChoice::Auto)) => return Ok(Some(Choice::Auto)),
            (false, Some(ToolChoice::None)) if self.model.wire == Wire::Messages => {
                return Ok(Some(Choice::None));
            }
            (false, Some(ToolChoice::Allowed { .. })) => {
                return Ok(self.model.takes_tool_choice().then_some(Choice::Auto));
            }
            (false, Some(ToolChoice::None | ToolChoice::Other(_)) | None) => return Ok(None),
        };
        let may_force = self.model.facts.flag(Flag::ForcedToolUse) != Some(false);
        if self.json_tool {
            let is_sent = self.model.takes_tool_choice() && !self.thinks && may_force;
            return Ok(is_sent.then_some(forced));
        }
        if self.thinks {
            return Ok(Some(Choice::Auto));
        }
        match (may_force, self.drop) {
            (true, _) => Ok(Some(forced)),
            (false, true) => Ok(Some(Choice::Auto)),
            (false, false) => Err(Error::bad_request(
                "tool_choice",
                "litellm.UnsupportedParamsError: the model cannot be forced to use a tool. To relax the choice to \
                 auto, send `drop_params: true`, or set `litellm_settings.drop_params: true`.",
            )),
        }
    }
}

fn named(name: &str, namer: &mut Namer) -> Choice {
    Choice::Tool(namer.name(name))
}
