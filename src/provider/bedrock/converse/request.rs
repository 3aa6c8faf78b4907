//! The body of a Converse request, from what was decided about it.

use serde_json::Value;

use super::blocks::{write_blocks, write_turns};
use super::model_fields;
use super::tools::write_tools;
use super::top_level::{self, write_member};
use crate::canonical::{ChatRequest, RawJson};
use crate::error::Result;
use crate::provider::Target;
use crate::provider::bedrock::chat::Wire;
use crate::provider::bedrock::chat::blocks::turns_size;
use crate::provider::bedrock::chat::draft::Draft;
use crate::provider::bedrock::chat::fields::Fields;

/// One request that is ready to be written.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// What was decided about it.
    pub(crate) draft: Draft<'a>,
    /// What only the model understands.
    pub(crate) fields: Fields,
}

impl<'a> Request<'a> {
    /// Decides everything about a request.
    pub(crate) fn new(request: &ChatRequest, target: &'a Target) -> Result<Self> {
        let mut draft = Draft::new(request, target, Wire::Converse)?;
        let fields = model_fields::gather(&mut draft);
        Ok(Self { draft, fields })
    }

    /// Says whether the caller asks for members of the model's own answer.
    pub(super) fn asks_for_fields(&self) -> bool {
        top_level::asks_for_fields(&self.draft.params)
    }

    /// Appends what Converse and Nova's own format have alike: messages, system, `inferenceConfig`, `toolConfig`; the
    /// object stays open.
    pub(crate) fn write_conversation(&self, inference: &[(&str, Value)], out: &mut Vec<u8>) {
        let draft = &self.draft;
        out.extend_from_slice(br#"{"messages":"#);
        write_turns(&draft.turns, out);
        if !draft.system.is_empty() {
            out.extend_from_slice(br#","system":"#);
            write_blocks(&draft.system, out);
        }
        out.extend_from_slice(br#","inferenceConfig":"#);
        draft.inference.write(inference, out);
        let tools = &draft.toolbox.tools;
        if !tools.is_empty() {
            out.extend_from_slice(br#","toolConfig":"#);
            write_tools(tools, draft.choice.as_ref(), out);
        }
    }

    /// Writes what is counted of the request, which is what the model would read.
    pub(crate) fn write_counted(&self) -> Vec<u8> {
        let draft = &self.draft;
        let mut out = self.buffer();
        out.extend_from_slice(br#"{"messages":"#);
        write_turns(&draft.turns, &mut out);
        if !draft.system.is_empty() {
            out.extend_from_slice(br#","system":"#);
            write_blocks(&draft.system, &mut out);
        }
        let tools = &draft.toolbox.tools;
        if !tools.is_empty() {
            out.extend_from_slice(br#","toolConfig":"#);
            write_tools(tools, draft.choice.as_ref(), &mut out);
        }
        if !self.fields.is_empty() {
            out.extend_from_slice(br#","additionalModelRequestFields":"#);
            self.fields.write(&mut out);
        }
        out.push(b'}');
        out
    }

    /// Returns room for the body.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        const FRAME: usize = 1024;
        Vec::with_capacity(FRAME + turns_size(&self.draft.turns))
    }

    /// Writes the body; `streamed` says which of the two APIs it is for.
    pub(super) fn write(&self, streamed: bool) -> Result<Vec<u8>> {
        let params = &self.draft.params;
        let mut out = self.buffer();
        self.write_conversation(&[], &mut out);
        top_level::write(params, streamed, &mut out)?;
        let given = params.extra("outputConfig");
        if let Some(config) = given.or(self.draft.toolbox.output_config.as_ref()) {
            write_member("outputConfig", config.bytes(), &mut out);
        }
        if !self.fields.is_empty() {
            out.extend_from_slice(br#","additionalModelRequestFields":"#);
            self.fields.write(&mut out);
        }
        let thinks = self.fields.get("thinking").is_some();
        let paths = top_level::response_paths(params, thinks)?;
        if !paths.is_empty() {
            let paths = RawJson::from_value(&paths);
            write_member("additionalModelResponseFieldPaths", paths.bytes(), &mut out);
        }
        out.push(b'}');
        Ok(out)
    }
}
