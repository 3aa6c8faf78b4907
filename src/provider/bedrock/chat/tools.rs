//! `tools`, read from OpenAI's, Anthropic's and Converse's own form.
//!
//! Claude's own tools, such as those for using a computer, stand among the others in Anthropic's format; to Converse they
//! travel in `additionalModelRequestFields`.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Wire;
use super::betas::{Betas, FINE_GRAINED_TOOLS, TOOL_SEARCH};
use super::blocks::CachePoint;
use super::cache::CachePolicy;
use super::computer;
use super::definitions::{self, Budget, Excess};
use super::function::{Function, Members, members_of, text_of};
use super::kind::{Kind, Model};
use super::names::Namer;
use super::schema;
use crate::canonical::{RawJson, Text, Tool, ToolChoice};
use crate::catalog::Flag;
use crate::error::{Error, Result};

/// The tools of one request.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// The tools, with cache points between them.
    pub(crate) entries: Vec<Entry>,
    /// How many of the entries are tools; the others are cache points.
    count: usize,
    /// Claude's own tools, which Converse takes in `additionalModelRequestFields.tools`.
    pub(crate) native: Vec<Value>,
    /// The names of the tools, as the client knows them.
    pub(crate) names: Vec<String>,
}

/// One entry of the list of tools.
#[derive(Debug)]
pub(crate) enum Entry {
    /// As the client wrote it for Bedrock, or as it is always written.
    Written(RawJson),
    /// A function of the client's, or one that was made up.
    Spec(Box<Spec>),
    /// A mark that everything up to here may be cached.
    Point(CachePoint),
}

/// A function that the model may call.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The name that Bedrock knows.
    pub(crate) name: String,
    /// What the tool is for; the name where nobody says it.
    pub(crate) description: Option<Text>,
    /// The schema of its arguments.
    pub(crate) schema: Schema,
    /// Whether arguments must fit the schema.
    pub(crate) strict: bool,
    /// Whether the model finds the tool by searching only; Anthropic's format alone can say it.
    pub(crate) deferred: bool,
}

/// A schema that is ready to be sent.
#[derive(Debug)]
pub(crate) enum Schema {
    /// The client's own text.
    Written(RawJson),
    /// What was made of it.
    Mended(Value),
}

impl Tools {
    /// Says whether the list has no tool.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Says whether there is no tool at all, Claude's own included.
    pub(crate) fn are_none(&self) -> bool {
        self.is_empty() && self.native.is_empty()
    }

    /// Puts a tool in front of the others.
    pub(crate) fn push_front(&mut self, spec: Spec) {
        self.entries.insert(0, Entry::Spec(Box::new(spec)));
        self.count += 1;
    }

    /// Appends a tool that does nothing: Bedrock wants one where the conversation has calls.
    pub(crate) fn push_inert(&mut self, name: &str, description: &str) {
        self.push(Entry::Spec(Box::new(Spec {
            name: name.to_owned(),
            description: Some(Text::new(description)),
            schema: Schema::Mended(json!({"type": "object", "properties": {}})),
            strict: false,
            deferred: false,
        })));
    }

    /// Appends Nova's web search.
    pub(crate) fn push_grounding(&mut self) {
        let tool = json!({"systemTool": {"name": "nova_grounding"}});
        self.push(Entry::Written(RawJson::from_value(&tool)));
    }

    /// Appends a cache point after the last tool.
    pub(crate) fn push_point(&mut self, point: Option<CachePoint>) {
        self.entries.extend(point.map(Entry::Point));
    }

    /// Removes all tools.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.count += 1;
    }
}

/// What the tools are read with.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    /// The model they are for.
    pub(crate) model: &'a Model<'a>,
    /// Which cache points it takes.
    pub(crate) cache: CachePolicy,
    /// The tools' names.
    pub(crate) namer: &'a mut Namer,
    /// What the tools need.
    pub(crate) betas: &'a mut Betas,
    /// What schemas may still cost.
    pub(crate) budget: &'a mut Budget,
    /// How many of the tools are the deployment's; the client's follow them.
    pub(crate) of_deployment: usize,
}

impl Reader<'_> {
    /// Reads the tools, of which `choice` may allow only some.
    pub(crate) fn read(
        &mut self,
        tools: &[Tool],
        choice: Option<&ToolChoice>,
        warnings: &mut Vec<String>,
    ) -> Result<Tools> {
        let allowed: Option<HashSet<&str>> = match choice {
            Some(ToolChoice::Allowed { names, .. }) => {
                Some(names.iter().map(String::as_str).collect())
            }
            _ => None,
        };
        let mut out = Tools::default();
        let mut unknown = 0_usize;
        for (index, tool) in tools.iter().enumerate() {
            let read = self.tool(index, &tool.0, allowed.as_ref(), &mut out);
            if !read.map_err(|problem| self.error(index, problem))? {
                unknown += 1;
            }
        }
        if unknown > 0 {
            warnings.push(format!(
                "tools that bedrock does not know were left out: {unknown} of {}",
                tools.len()
            ));
        }
        Ok(out)
    }

    /// Makes the error of a tool; the client counts only its own.
    fn error(&self, index: usize, problem: &str) -> Error {
        let path = match index.checked_sub(self.of_deployment) {
            Some(index) => format!("tools[{index}]"),
            None => "tools".to_owned(),
        };
        let message = format!("Invalid value for '{path}': {problem}.");
        Error::bad_request(path, message)
    }

    /// Reads a tool; says whether it is of a kind that is known.
    fn tool(
        &mut self,
        index: usize,
        tool: &RawJson,
        allowed: Option<&HashSet<&str>>,
        out: &mut Tools,
    ) -> Result<bool, &'static str> {
        let members: Members<'_> = tool.parse().map_err(|_| "expected an object")?;
        let kind = text_of(&members, "type").unwrap_or_default();
        if computer::is_native(&kind)
            && let Value::Object(whole) = tool.to_value()
            && let Some(native) = computer::native(&kind, &whole)
        {
            if !self.betas.has_prefix("computer-use-") {
                self.betas.add(computer::beta(&native, &self.model.id.base));
            }
            match self.model.wire {
                Wire::Converse => out.native.push(native),
                Wire::Messages => out.push(Entry::Written(RawJson::from_value(&native))),
            }
        } else if kind.starts_with(TOOL_SEARCH_TYPE) && self.model.wire == Wire::Messages {
            self.betas.add(TOOL_SEARCH);
            out.push(Entry::Written(tool.clone()));
        } else if is_converse(&members) {
            return self.converse(index, tool, &members, allowed, out);
        } else if is_function(&kind, &members) {
            let tool = Function::read(tool.bytes(), &members);
            self.function(index, tool, allowed, out)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// A tool in Converse's own form goes to Converse as it is.
    fn converse(
        &mut self,
        index: usize,
        tool: &RawJson,
        members: &Members<'_>,
        allowed: Option<&HashSet<&str>>,
        out: &mut Tools,
    ) -> Result<bool, &'static str> {
        let spec = members.get("toolSpec").and_then(|spec| members_of(spec));
        if self.model.wire == Wire::Messages {
            let Some(spec) = spec else {
                return Ok(members.contains_key("cachePoint"));
            };
            let tool = Function::of_spec(tool.bytes(), &spec);
            return self.function(index, tool, allowed, out).map(|()| true);
        }
        if members.contains_key("cachePoint") {
            // Left to Bedrock, as the client wrote it for Bedrock.
            out.entries.push(Entry::Written(tool.clone()));
            return Ok(true);
        }
        if let Some(name) = spec.and_then(|spec| text_of(&spec, "name")) {
            self.namer.keep(&name);
            out.names.push(name);
        }
        out.push(Entry::Written(tool.clone()));
        Ok(true)
    }

    fn function(
        &mut self,
        index: usize,
        tool: Function,
        allowed: Option<&HashSet<&str>>,
        out: &mut Tools,
    ) -> Result<(), &'static str> {
        let original = match tool.name {
            Some(name) if !name.is_empty() => name,
            _ => format!("litellm_unnamed_tool_{index}"),
        };
        if allowed.is_some_and(|allowed| !allowed.contains(original.as_str())) {
            return Ok(());
        }
        if self.model.is_claude() && tool.eager {
            self.betas.add(FINE_GRAINED_TOOLS);
        }
        let spec = Spec {
            name: self.namer.name(&original),
            description: tool.description.filter(|text| !text.is_empty()),
            schema: self.schema(tool.schema)?,
            strict: tool.strict && self.model.takes_strict(),
            deferred: tool.deferred,
        };
        out.push(Entry::Spec(Box::new(spec)));
        out.names.push(original);
        out.push_point(self.cache.tool_point(tool.cache.as_ref()));
        Ok(())
    }

    fn schema(&mut self, given: Option<RawJson>) -> Result<Schema, &'static str> {
        let lookaround = self.model.facts.flag(Flag::RegexLookaround) != Some(false);
        if self.model.wire == Wire::Messages {
            return self.native_schema(given, lookaround);
        }
        let Some(given) = given else {
            return Ok(Schema::Mended(schema::for_tool(Value::Null, lookaround)));
        };
        if let Some(written) = schema::as_written(&given, lookaround) {
            return Ok(Schema::Written(written));
        }
        let schema = definitions::inline(given.to_value(), self.budget).map_err(Excess::problem)?;
        Ok(Schema::Mended(schema::for_tool(schema, lookaround)))
    }

    /// Makes a schema fit for Anthropic's own format, which follows references and refuses only unions at the root.
    fn native_schema(
        &mut self,
        given: Option<RawJson>,
        lookaround: bool,
    ) -> Result<Schema, &'static str> {
        let Some(given) = given else {
            return Ok(Schema::Mended(json!({"type": "object", "properties": {}})));
        };
        if schema::is_native(&given, lookaround) {
            return Ok(Schema::Written(given));
        }
        let mut schema = given.to_value();
        if schema::has_union(&schema) {
            schema = definitions::inline(schema, self.budget).map_err(Excess::problem)?;
        }
        Ok(Schema::Mended(schema::for_messages(schema, lookaround)))
    }
}

/// How the types of Anthropic's tools that search for tools begin.
const TOOL_SEARCH_TYPE: &str = "tool_search_tool_";

fn is_converse(tool: &Members<'_>) -> bool {
    ["toolSpec", "systemTool", "cachePoint"]
        .iter()
        .any(|form| tool.contains_key(*form))
}

fn is_function(kind: &str, tool: &Members<'_>) -> bool {
    if kind.starts_with(TOOL_SEARCH_TYPE) {
        return false;
    }
    tool.get("function")
        .is_some_and(|function| function.get().starts_with('{'))
        || tool.contains_key("input_schema")
        || (kind == "function" && tool.contains_key("name"))
}

/// Says whether the model searches the web by a tool of Bedrock's.
pub(crate) fn has_grounding(model: &Model<'_>) -> bool {
    match model.kind {
        Kind::Nova | Kind::Nova2 => true,
        Kind::Opaque => model.id.wire.contains("nova"),
        _ => false,
    }
}
