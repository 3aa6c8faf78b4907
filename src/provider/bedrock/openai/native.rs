//! A client's own Responses body → what a model takes of it that speaks this format itself.
//!
//! What is for the gateway is left out; inside the other members everything stays as the client wrote it. What the canonical
//! parameters say (a deployment's defaults, a fallback's overrides, what the operator drops) is laid over the body.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::native_answer::NativeDecoder;
use super::responses_request::flat;
use super::{WITHOUT_REASONING, reasons};
use super::{native_input, native_screen};
use crate::canonical::{
    Chat, ChatParams, ChatRequest, NativeFormat, ObjectWriter, RawJson, RawObject, ToolChoice,
    hosted_tool, write_value,
};
use crate::catalog::Mode;
use crate::error::Result;
use crate::provider::bedrock::chat::{drop_paths, extras, metadata};
use crate::provider::bedrock::invoke::envelope::Outgoing;
use crate::provider::bedrock::invoke::openai_request::response_format;
use crate::provider::bedrock::model_id::Route;
use crate::provider::{Exchange, Target};

/// What stands behind the runtime's address.
const PATH: &str = "/openai/v1";

/// The members that are the model's, in the order in which those are appended that the client did not write.
pub(super) const KEPT: [&str; 28] = [
    "model",
    "input",
    "instructions",
    "stream",
    "stream_options",
    "store",
    "include",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "moderation",
    "parallel_tool_calls",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "context_management",
];

/// The types of tools that models know there.
///
/// Source: LiteLLM's native Responses for Bedrock.
const TOOLS: [&str; 7] = [
    "function",
    "mcp",
    "custom",
    "apply_patch",
    "namespace",
    "tool_search",
    "computer",
];

/// Members of the body that only Converse takes.
const OF_CONVERSE: [&str; 5] = [
    "additionalModelRequestFields",
    "outputConfig",
    "performanceConfig",
    "requestMetadata",
    "serviceTier",
];

/// Says whether a request is in this format, for a model that speaks it, and asks for nothing that only Converse can do.
pub(in crate::provider::bedrock) fn is_asked_natively(
    request: &ChatRequest,
    target: &Target,
) -> bool {
    let route = target.model.route;
    let is_served = match route {
        Route::Mantle | Route::ChatCompletions => true,
        Route::Converse => !target.model.route_is_asked,
        _ => false,
    };
    let native = request.native.as_ref();
    is_served
        && native.is_some_and(|native| native.format == NativeFormat::Responses)
        && (target.facts.serves("/v1/responses")
            || route == Route::Mantle && target.facts.mode == Some(Mode::Responses))
        // Tools of the operator's are written for chats.
        && target.defaults.tools.is_empty()
        && (route == Route::Mantle || !is_for_converse(request, target))
        && !native_screen::is_in_another_form(request)
}

fn is_for_converse(request: &ChatRequest, target: &Target) -> bool {
    let params = request.params.over(&target.defaults);
    let is_set = |value: Option<&RawJson>| value.is_some_and(|value| !value.is_null());
    target.model.is_replaced
        || target.repairs.operators_request_metadata
        || is_set(params.guardrail.as_ref())
        || is_set(params.thinking.as_ref())
        || is_set(params.output_config.as_ref())
        || params.top_k.is_some()
        || params.stop.as_ref().is_some_and(|stop| !stop.is_empty())
        || OF_CONVERSE.iter().any(|name| is_set(params.extra(name)))
}

/// The address of the runtime's, of which an operator may have written any part.
pub(in crate::provider::bedrock) fn url(endpoint: &str) -> String {
    let base = endpoint
        .strip_suffix("/chat/completions")
        .or_else(|| endpoint.strip_suffix("/responses"))
        .unwrap_or(endpoint);
    let base = base.strip_suffix(PATH).unwrap_or(base);
    format!("{base}{PATH}/responses")
}

/// Writes the request to `url` and makes the reader of its answer.
pub(in crate::provider::bedrock) fn exchange(
    request: &ChatRequest,
    target: &Target,
    url: String,
) -> Result<Exchange<Chat>> {
    let mut warnings = Vec::new();
    let mut params = request.params.over(&target.defaults);
    metadata::leave_to_operator(&mut params, target, &mut warnings);
    let of_request = std::mem::take(&mut params.additional_drop_params);
    let of_operator = &target.repairs.additional_drop_params;
    drop_paths::apply(&mut params, of_operator, &of_request)?;
    // A member of the body here, not a header as everywhere else.
    let is_tier = |(name, _): &(String, RawJson)| name == "service_tier";
    let tier = params.extra.extract_if(.., |it| is_tier(it));
    params.openai.extend(tier);
    let mut dropped: Vec<&str> = of_operator
        .iter()
        .chain(&of_request)
        .map(String::as_str)
        .collect();
    let drops = params.drop_params.unwrap_or(target.repairs.drop_params);
    if drops && target.model.is_openai_gpt() && reasons(&params) {
        drop_sampling(request, &mut dropped, &mut warnings);
    }
    native_screen::tell_left_out(&params, &mut warnings);
    let mut plan = Plan {
        request,
        target,
        params: &params,
        dropped,
        warnings,
    };
    let body = plan.write();
    let warnings = plan.warnings;
    let decoder = NativeDecoder::new(body.len());
    let outgoing = Outgoing {
        request,
        params: &params,
        target,
        streamed: request.stream,
        body,
    };
    outgoing.exchange_with(url, decoder, warnings)
}

/// Leaves out what a GPT takes only while it does not reason.
fn drop_sampling(request: &ChatRequest, dropped: &mut Vec<&str>, warnings: &mut Vec<String>) {
    let body = request.native.as_ref().map_or("{}", |it| it.body.get());
    let written = RawObject::parse(body).unwrap_or_default();
    for name in WITHOUT_REASONING {
        if written.get(name).is_some_and(|value| value != "null") {
            warnings.push(format!("parameter {name} was left out: not supported"));
        }
    }
    dropped.extend(WITHOUT_REASONING);
}

/// What is decided about one body.
struct Plan<'a> {
    request: &'a ChatRequest,
    target: &'a Target,
    params: &'a ChatParams,
    /// What the operator and the request want to be left out.
    dropped: Vec<&'a str>,
    warnings: Vec<String>,
}

impl Plan<'_> {
    fn write(&mut self) -> Vec<u8> {
        const FRAME: usize = 512;
        let native = self.request.native.as_ref();
        let body = native.map_or("{}", |native| native.body.get());
        let written = RawObject::parse(body).unwrap_or_default();
        let mut names: Vec<&str> = Vec::with_capacity(KEPT.len());
        let of_client = written.members().map(|(name, _)| name);
        names.extend(of_client.filter(|name| KEPT.contains(name)));
        names.extend(KEPT.into_iter().filter(|name| written.get(name).is_none()));
        if written.get("background") == Some("true") {
            let warning = "background was left out: the answer is waited for";
            self.warnings.push(warning.to_owned());
        }
        let mut out = Vec::with_capacity(body.len() + FRAME);
        let mut object = ObjectWriter::open(&mut out);
        for name in names {
            if let Some(value) = self.value(name, written.get(name)) {
                object.raw(name, &value);
            }
        }
        for (name, value) in extras::for_the_model(self.params) {
            if !KEPT.contains(&name.as_str()) {
                object.raw(name, value.get());
            }
        }
        object.close();
        out
    }

    /// Decides what a member is; `None` leaves it out.
    fn value<'w>(&mut self, name: &str, written: Option<&'w str>) -> Option<Cow<'w, str>> {
        if self.dropped.contains(&name) {
            return None;
        }
        let params = self.params;
        let limit = params.max_completion_tokens.or(params.max_tokens);
        match name {
            "model" => Some(made(None, &json!(self.target.model.wire))),
            "stream" if self.request.stream => Some(made(written, &json!(true))),
            "stream" => written.map(Cow::Borrowed),
            "input" => Some(native_input::inlined(written?, self.request)),
            "max_output_tokens" => Some(made(written, &json!(limit?))),
            "temperature" => Some(made(written, &json!(params.temperature.as_ref()?))),
            "top_p" => Some(made(written, &json!(params.top_p.as_ref()?))),
            "parallel_tool_calls" => Some(made(written, &json!(params.parallel_tool_calls?))),
            "reasoning" => self.reasoning(written),
            "text" => self.text(written),
            "tools" if params.tools.is_empty() && !self.request.params.tools.is_empty() => None,
            "tools" => self.tools(written?),
            "tool_choice" => self.tool_choice(written),
            "metadata" => written
                .filter(|it| is_map_of_strings(it))
                .map(Cow::Borrowed),
            "user" if written.is_none() => {
                Some(made(None, &json!(self.target.defaults.user.as_ref()?)))
            }
            _ => written.map(Cow::Borrowed).or_else(|| {
                let own = params.openai.iter().find(|(known, _)| known == name);
                own.map(|(_, value)| Cow::Owned(value.get().to_owned()))
            }),
        }
    }

    fn reasoning<'w>(&self, written: Option<&'w str>) -> Option<Cow<'w, str>> {
        let effort = self.params.reasoning_effort.as_ref();
        let effort = effort
            .filter(|effort| !effort.is_null())
            .map(RawJson::to_value);
        laid_in(written, "effort", effort.as_ref())
    }

    fn text<'w>(&self, written: Option<&'w str>) -> Option<Cow<'w, str>> {
        let object = RawObject::parse(written.unwrap_or("{}")).unwrap_or_default();
        let format = object.get("format").filter(|format| *format != "null");
        let text = match (&self.params.response_format, format) {
            (None, None) | (Some(_), Some(_)) => written.map(Cow::Borrowed),
            (None, Some(_)) => laid_in(written, "format", None),
            (Some(format), None) => {
                let format = flat(response_format(format).to_value(), "json_schema");
                laid_in(written, "format", Some(&format))
            }
        };
        let mut all = self.params.openai.iter();
        match all.find(|(name, _)| name == "verbosity") {
            Some((_, verbosity)) if object.get("verbosity").is_none() => {
                let text = text.as_deref();
                laid_in(text, "verbosity", Some(&verbosity.to_value()))
                    .map(|text| Cow::Owned(text.into_owned()))
            }
            _ => text,
        }
    }

    /// The tools that models know; the others are run by nobody here.
    fn tools<'w>(&mut self, written: &'w str) -> Option<Cow<'w, str>> {
        let list: Vec<RawJson> = serde_json::from_str(written).unwrap_or_default();
        let is_known = |tool: &RawJson| {
            let tool = RawObject::parse(tool.get()).unwrap_or_default();
            let kind = tool.text("type");
            // What has none the model says what it thinks of.
            kind.is_none_or(|kind| TOOLS.contains(&&*kind))
        };
        if list.iter().all(is_known) {
            return Some(Cow::Borrowed(written));
        }
        let (kept, others): (Vec<&RawJson>, Vec<&RawJson>) =
            list.iter().partition(|tool| is_known(tool));
        for other in others {
            let other = RawObject::parse(other.get()).unwrap_or_default();
            let kind = hosted_tool(&other.text("type").unwrap_or_default());
            let warning = format!("tools that nobody runs here were left out: {kind}");
            self.warnings.push(warning);
        }
        (!kept.is_empty()).then(|| Cow::Owned(RawJson::from_value(&kept).get().to_owned()))
    }

    fn tool_choice<'w>(&self, written: Option<&'w str>) -> Option<Cow<'w, str>> {
        let (now, asked) = (&self.params.tool_choice, &self.request.params.tool_choice);
        if now.is_none() && asked.is_some() {
            return None;
        }
        if let Some(written) = written {
            return Some(Cow::Borrowed(written));
        }
        let choice = match now.as_ref()? {
            ToolChoice::Named(name) => json!({"type": "function", "name": name}),
            ToolChoice::Auto => json!("auto"),
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Allowed { .. } | ToolChoice::Other(_) => return None,
        };
        Some(made(None, &choice))
    }
}

/// Keeps what the client wrote where it says the same.
fn made<'w>(written: Option<&'w str>, value: &Value) -> Cow<'w, str> {
    let is_same =
        |written: &&str| serde_json::from_str::<Value>(written).is_ok_and(|it| it == *value);
    match written.filter(is_same) {
        Some(written) => Cow::Borrowed(written),
        None => Cow::Owned(RawJson::from_value(value).get().to_owned()),
    }
}

/// Sees to it that a member of an object is this, or is not there; an object that would say nothing is none.
fn laid_in<'w>(
    written: Option<&'w str>,
    name: &str,
    value: Option<&Value>,
) -> Option<Cow<'w, str>> {
    let object = RawObject::parse(written.unwrap_or("{}"))?;
    let said = object
        .get(name)
        .and_then(|it| serde_json::from_str::<Value>(it).ok());
    if said.as_ref().filter(|said| !said.is_null()) == value {
        return written.map(Cow::Borrowed);
    }
    let mut out = Vec::new();
    let mut writer = ObjectWriter::open(&mut out);
    for (other, value) in object.members().filter(|(other, _)| *other != name) {
        writer.raw(other, value);
    }
    if let Some(value) = value {
        write_value(value, writer.member(name));
    }
    writer.close();
    let out = String::from_utf8(out).ok()?;
    (out != "{}").then_some(Cow::Owned(out))
}

/// Says whether metadata are OpenAI's: the gateway's own have lists and objects in them, too.
fn is_map_of_strings(written: &str) -> bool {
    RawObject::parse(written)
        .is_some_and(|object| object.members().all(|(_, value)| value.starts_with('"')))
}

#[cfg(test)]
#[path = "native_tests.rs"]
mod tests;
