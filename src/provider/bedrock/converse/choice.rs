//! `tool_choice` → `toolConfig.toolChoice`.
//!
//! Converse has no "none", Claude cannot be forced while it thinks, and some models cannot be forced at all.

use serde_json::{Value, json};

use super::context::JSON_TOOL;
use super::kind::Model;
use super::names::Namer;
use crate::canonical::ToolChoice;
use crate::catalog::Flag;
use crate::error::{Error, Result};

/// What the choice is made by.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// The model.
    pub(super) model: &'a Model<'a>,
    /// What the client says.
    pub(super) choice: Option<&'a ToolChoice>,
    /// Whether the client brought tools of its own.
    pub(super) has_tools: bool,
    /// Whether a tool stands in for a schema.
    pub(super) json_tool: bool,
    /// Whether the model will think.
    pub(super) thinks: bool,
    /// Whether what the model does not take is left out.
    pub(super) drop: bool,
}

impl Question<'_> {
    /// Returns `toolChoice`, if one is sent.
    pub(super) fn answer(&self, namer: &mut Namer) -> Result<Option<Value>> {
        let forced = match (self.json_tool, self.choice) {
            (true, Some(ToolChoice::Named(name))) if self.has_tools => named(name, namer),
            (true, Some(ToolChoice::None)) => named(JSON_TOOL, namer),
            // Forcing the stand-in would put the client's own tools out of reach.
            (true, _) if self.has_tools => json!({"any": {}}),
            (true, _) => named(JSON_TOOL, namer),
            (false, Some(ToolChoice::Named(name))) => named(name, namer),
            (false, Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. })) => {
                json!({"any": {}})
            }
            (false, Some(ToolChoice::Auto)) => return Ok(Some(auto())),
            (false, Some(ToolChoice::Allowed { .. })) => {
                return Ok(self.model.takes_tool_choice().then(auto));
            }
            (false, Some(ToolChoice::None | ToolChoice::Other(_)) | None) => return Ok(None),
        };
        let may_force = self.model.facts.flag(Flag::ForcedToolUse) != Some(false);
        if self.json_tool {
            let is_sent = self.model.takes_tool_choice() && !self.thinks && may_force;
            return Ok(is_sent.then_some(forced));
        }
        if self.thinks {
            return Ok(Some(auto()));
        }
        match (may_force, self.drop) {
            (true, _) => Ok(Some(forced)),
            (false, true) => Ok(Some(auto())),
            (false, false) => Err(Error::bad_request(
                "tool_choice",
                "litellm.UnsupportedParamsError: the model cannot be forced to use a tool. To relax the choice to \
                 auto, set `litellm.drop_params=True`.",
            )),
        }
    }
}

fn auto() -> Value {
    json!({"auto": {}})
}

fn named(name: &str, namer: &mut Namer) -> Value {
    json!({"tool": {"name": namer.name(name)}})
}
