//! A function that the model may call, as clients write it: in OpenAI's form, Anthropic's, or as a `toolSpec`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::canonical::{CacheControl, RawJson, Text};

/// The members of a tool, as they are written.
pub(super) type Members<'t> = BTreeMap<String, &'t RawValue>;

/// A tool in OpenAI's or Anthropic's form.
#[derive(Debug, Default)]
pub(super) struct Function {
    pub(super) name: Option<String>,
    pub(super) description: Option<Text>,
    pub(super) schema: Option<RawJson>,
    pub(super) cache: Option<CacheControl>,
    pub(super) strict: bool,
    /// Whether the arguments are to be streamed as the model writes them.
    pub(super) eager: bool,
    /// Whether the model finds the tool by searching only.
    pub(super) deferred: bool,
}

impl Function {
    /// Reads a `toolSpec` of Converse's.
    pub(super) fn of_spec(body: &Bytes, spec: &Members<'_>) -> Self {
        let schema = spec
            .get("inputSchema")
            .and_then(|schema| members_of(schema));
        let schema = schema.and_then(|schema| schema.get("json").copied());
        Self {
            name: text_of(spec, "name"),
            description: spec
                .get("description")
                .and_then(|raw| Text::from_raw(body, raw)),
            schema: schema.map(|raw| RawJson::from_raw(body, raw)),
            ..Self::default()
        }
    }

    /// Reads the members of a tool: what says what it does stands in `function` or beside the type.
    pub(super) fn read(body: &Bytes, tool: &Members<'_>) -> Self {
        let nested = tool
            .get("function")
            .and_then(|function| members_of(function));
        let function = nested.as_ref().unwrap_or(tool);
        let says = |name: &str| {
            [tool, function]
                .iter()
                .any(|members| members.get(name).is_some_and(|v| v.get() == "true"))
        };
        let schema = ["parameters", "input_schema"]
            .iter()
            .find_map(|name| function.get(*name));
        let control = [tool, function]
            .iter()
            .find_map(|members| members.get("cache_control"));
        Self {
            name: text_of(function, "name"),
            description: function
                .get("description")
                .and_then(|raw| Text::from_raw(body, raw)),
            schema: schema.map(|raw| RawJson::from_raw(body, raw)),
            cache: control.and_then(|control| control_of(control)),
            strict: says("strict"),
            eager: says("eager_input_streaming"),
            deferred: says("defer_loading") || custom_defers(tool),
        }
    }
}

/// Some clients say `defer_loading` inside a member `custom`.
fn custom_defers(tool: &Members<'_>) -> bool {
    let custom = tool.get("custom").and_then(|custom| members_of(custom));
    custom.is_some_and(|custom| {
        custom
            .get("defer_loading")
            .is_some_and(|v| v.get() == "true")
    })
}

/// Reads an object's members.
pub(super) fn members_of(raw: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// Reads a member that is a string.
pub(super) fn text_of(members: &Members<'_>, name: &str) -> Option<String> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

/// Reads `cache_control` of a tool, which must be of the one type there is.
fn control_of(raw: &RawValue) -> Option<CacheControl> {
    let control = members_of(raw)?;
    let kind = text_of(&control, "type").filter(|kind| kind == "ephemeral")?;
    Some(CacheControl {
        kind: Some(kind),
        ttl: text_of(&control, "ttl"),
    })
}
