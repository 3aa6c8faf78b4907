//! `tools` → `toolConfig.tools`, and the tools that only Claude itself knows.
//!
//! Clients write tools in OpenAI's, Anthropic's and Converse's own form; Claude's tools for using a computer travel in
//! `additionalModelRequestFields` instead.

use serde_json::{Map, Value, json};

use super::betas::{Betas, FINE_GRAINED_TOOLS};
use super::blocks::{CachePoint, write_cache_point};
use super::cache::CachePolicy;
use super::computer;
use super::kind::{Kind, Model};
use super::names::Namer;
use super::schema;
use crate::canonical::{CacheControl, RawJson, Tool, ToolChoice};
use crate::catalog::Flag;
use crate::error::{Error, Result};

/// The tools of one request.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// Entries of `toolConfig.tools`, as written.
    entries: Vec<Vec<u8>>,
    /// How many of the entries are tools; the others are cache points.
    count: usize,
    /// Claude's own tools, for `additionalModelRequestFields.tools`.
    pub(super) native: Vec<Value>,
    /// The names of the tools, as the client knows them.
    pub(super) names: Vec<String>,
}

impl Tools {
    /// Says whether `toolConfig` has no tool.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Says whether there is no tool at all, Claude's own included.
    pub(super) fn are_none(&self) -> bool {
        self.is_empty() && self.native.is_empty()
    }

    /// Puts a tool in front of the others.
    pub(super) fn push_front(&mut self, spec: &Value) {
        self.entries.insert(0, to_bytes(spec));
        self.count += 1;
    }

    /// Appends a tool that does nothing: Bedrock wants one where the conversation has calls.
    pub(super) fn push_inert(&mut self, name: &str, description: &str) {
        let schema = json!({"type": "object", "properties": {}});
        self.push(to_bytes(&spec(name, description, &schema, false)));
    }

    /// Appends Nova's web search.
    pub(super) fn push_grounding(&mut self) {
        self.push(br#"{"systemTool":{"name":"nova_grounding"}}"#.to_vec());
    }

    /// Appends a cache point after the last tool.
    pub(super) fn push_point(&mut self, point: Option<CachePoint>) {
        if let Some(point) = point {
            let mut entry = Vec::new();
            write_cache_point(point, &mut entry);
            self.entries.push(entry);
        }
    }

    /// Removes all tools.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn push(&mut self, entry: Vec<u8>) {
        self.entries.push(entry);
        self.count += 1;
    }

    /// Appends `toolConfig` as a JSON object; `choice` is the written `toolChoice`.
    pub(super) fn write(&self, choice: Option<&Value>, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"tools":["#);
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(entry);
        }
        out.push(b']');
        if let Some(choice) = choice {
            out.extend_from_slice(br#","toolChoice":"#);
            out.extend_from_slice(&to_bytes(choice));
        }
        out.push(b'}');
    }
}

fn to_bytes(value: &Value) -> Vec<u8> {
    RawJson::from_value(value).bytes().to_vec()
}

/// Makes a `toolSpec`.
pub(super) fn spec(name: &str, description: &str, schema: &Value, strict: bool) -> Value {
    let mut spec = json!({
        "name": name, "description": description, "inputSchema": {"json": schema},
    });
    if let (true, Value::Object(spec)) = (strict, &mut spec) {
        spec.insert("strict".to_owned(), json!(true));
    }
    json!({ "toolSpec": spec })
}

/// What the tools are read with.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    /// The model they are for.
    pub(super) model: &'a Model<'a>,
    /// Which cache points it takes.
    pub(super) cache: CachePolicy,
    /// The tools' names.
    pub(super) namer: &'a mut Namer,
    /// What the tools need.
    pub(super) betas: &'a mut Betas,
    /// What was left out.
    pub(super) warnings: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// Reads the tools, of which `choice` may allow only some.
    pub(super) fn read(&mut self, tools: &[Tool], choice: Option<&ToolChoice>) -> Result<Tools> {
        let allowed = match choice {
            Some(ToolChoice::Allowed { names, .. }) => Some(names.as_slice()),
            _ => None,
        };
        let mut out = Tools::default();
        for (index, tool) in tools.iter().enumerate() {
            let Value::Object(tool) = tool.0.to_value() else {
                let path = format!("tools[{index}]");
                let message = format!("Invalid value for '{path}': expected an object.");
                return Err(Error::bad_request(path, message));
            };
            self.tool(index, tool, allowed, &mut out);
        }
        Ok(out)
    }

    fn tool(
        &mut self,
        index: usize,
        tool: Map<String, Value>,
        allowed: Option<&[String]>,
        out: &mut Tools,
    ) {
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or("");
        if let Some(native) = computer::native(kind, &tool) {
            if !self.betas.has_prefix("computer-use-") {
                self.betas.add(computer::beta(&native, &self.model.id.base));
            }
            out.native.push(native);
        } else if is_converse(&tool) {
            self.converse(tool, out);
        } else if is_function(kind, &tool) {
            self.function(index, tool, allowed, out);
        } else {
            let name = if kind.is_empty() { "unknown" } else { kind };
            self.warnings
                .push(format!("tool of type {name} was left out"));
        }
    }

    /// A tool in Converse's own form goes as it is.
    fn converse(&mut self, tool: Map<String, Value>, out: &mut Tools) {
        if tool.contains_key("cachePoint") {
            // Left to Bedrock, as the client wrote it for Bedrock.
            out.entries.push(to_bytes(&Value::Object(tool)));
            return;
        }
        let name = tool.get("toolSpec").and_then(|spec| spec.get("name"));
        if let Some(name) = name.and_then(Value::as_str) {
            self.namer.keep(name);
            out.names.push(name.to_owned());
        }
        out.push(to_bytes(&Value::Object(tool)));
    }

    fn function(
        &mut self,
        index: usize,
        mut tool: Map<String, Value>,
        allowed: Option<&[String]>,
        out: &mut Tools,
    ) {
        let cache = tool.shift_remove("cache_control");
        let is_eager = |tool: &Map<String, Value>| {
            tool.get("eager_input_streaming") == Some(&Value::Bool(true))
        };
        let strict_outside = tool.get("strict") == Some(&Value::Bool(true));
        let eager_outside = is_eager(&tool);
        let mut function = match tool.shift_remove("function") {
            Some(Value::Object(function)) => function,
            _ => tool,
        };
        let original = match function.get("name").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("litellm_unnamed_tool_{index}"),
        };
        if allowed.is_some_and(|allowed| !allowed.contains(&original)) {
            return;
        }
        if self.model.is_claude() && (eager_outside || is_eager(&function)) {
            self.betas.add(FINE_GRAINED_TOOLS);
        }
        let name = self.namer.name(&original);
        let given = function.shift_remove("parameters");
        let given = given.or_else(|| function.shift_remove("input_schema"));
        let lookaround = self.model.facts.flag(Flag::RegexLookaround) != Some(false);
        let schema = schema::for_tool(given.unwrap_or(Value::Null), lookaround);
        let strict = strict_outside || function.get("strict") == Some(&Value::Bool(true));
        let strict = strict && self.model.takes_strict();
        let description = function.get("description").and_then(Value::as_str);
        let description = description.filter(|text| !text.is_empty()).unwrap_or(&name);
        out.push(to_bytes(&spec(&name, description, &schema, strict)));
        out.names.push(original);
        let cache = cache.or_else(|| function.get("cache_control").cloned());
        let control = cache.as_ref().and_then(control_of);
        out.push_point(self.cache.tool_point(control.as_ref()));
    }
}

fn is_converse(tool: &Map<String, Value>) -> bool {
    ["toolSpec", "systemTool", "cachePoint"]
        .iter()
        .any(|form| tool.contains_key(*form))
}

fn is_function(kind: &str, tool: &Map<String, Value>) -> bool {
    if kind.starts_with("tool_search_tool_") {
        return false;
    }
    tool.get("function").is_some_and(Value::is_object)
        || tool.contains_key("input_schema")
        || (kind == "function" && tool.contains_key("name"))
}

/// Reads `cache_control` of a tool, which must be of the one type there is.
fn control_of(value: &Value) -> Option<CacheControl> {
    let kind = value.get("type").and_then(Value::as_str)?;
    (kind == "ephemeral").then(|| CacheControl {
        kind: Some(kind.to_owned()),
        ttl: value.get("ttl").and_then(Value::as_str).map(str::to_owned),
    })
}

/// Says whether the model searches the web by a tool of Bedrock's.
pub(super) fn has_grounding(model: &Model<'_>) -> bool {
    match model.kind {
        Kind::Nova | Kind::Nova2 => true,
        Kind::Opaque => model.id.wire.contains("nova"),
        _ => false,
    }
}
