//! A client's own Messages body → what Bedrock takes of it.
//!
//! Bedrock refuses a top-level member that it does not know, so only those that it takes are kept; inside them, everything
//! that no rule names stays as the client wrote it. What the canonical parameters say (a deployment's defaults, a fallback's
//! overrides, what the operator drops) is laid over the body.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::super::envelope::Outgoing;
use super::VERSION;
use super::door::Door;
use super::native_conversation::Conversation;
use super::native_tools;
use crate::canonical::{
    Chat, ChatParams, ChatRequest, ObjectWriter, RawJson, RawObject, ToolChoice, write_value,
};
use crate::catalog::Flag;
use crate::error::Result;
use crate::provider::bedrock::chat::betas::{self, Betas};
use crate::provider::bedrock::chat::choice::Choice;
use crate::provider::bedrock::chat::context::DecodeContext;
use crate::provider::bedrock::chat::from_messages::require_limit;
use crate::provider::bedrock::chat::kind::Model;
use crate::provider::bedrock::chat::reasoning::{Question, Way};
use crate::provider::bedrock::chat::response_format::in_pythons_spacing;
use crate::provider::bedrock::chat::{
    Wire, context_management, drop_paths, history, metadata, warnings,
};
use crate::provider::{Exchange, Target};

/// The top-level members that Bedrock takes, in the order in which those are appended that the client did not write.
const KEPT: [&str; 16] = [
    "anthropic_version",
    "max_tokens",
    "messages",
    "anthropic_beta",
    "system",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "tool_choice",
    "thinking",
    "metadata",
    "output_config",
    "safeguards",
    "context_management",
];

/// The least that a request which thinks leaves for the answer, where it is only counted.
const ROOM_TO_COUNT: u64 = 1024;

/// Writes the request and makes the reader of its answer.
pub(super) fn exchange(
    request: &ChatRequest,
    target: &Target,
    door: Door,
) -> Result<Exchange<Chat>> {
    let mut plan = Plan::new(request, target, |_| {})?;
    let body = plan.write(request)?;
    let mut warnings = plan.warnings;
    let streamed = request.stream;
    let outgoing = Outgoing {
        request,
        params: &plan.params,
        target,
        streamed,
        body,
    };
    let wire = door.wire(outgoing, &mut warnings)?;
    Ok(Exchange {
        requests: vec![wire],
        decoder: Box::new(door.decoder(DecodeContext::default()).native()),
        warnings: warnings::fit(warnings),
    })
}

/// Writes the body that is counted instead of being sent; it needs no limit, but one that its thinking fits in.
pub(super) fn body_to_count(request: &ChatRequest, target: &Target) -> Result<Vec<u8>> {
    let mut plan = Plan::new(request, target, |params| {
        let thinking = params.thinking.as_ref().map(RawJson::to_value);
        let budget = thinking.and_then(|thinking| thinking.get("budget_tokens")?.as_u64());
        let least = budget.unwrap_or(0).saturating_add(ROOM_TO_COUNT);
        params.user = None;
        params.max_completion_tokens = None;
        params.max_tokens = Some(params.max_tokens.unwrap_or(0).max(least));
    })?;
    plan.write(request)
}

/// What is decided about one body.
struct Plan<'a> {
    model: Model<'a>,
    params: ChatParams,
    betas: Betas,
    thinking: Option<Value>,
    output_config: Option<Value>,
    context_management: Option<Value>,
    /// A schema that the model is only told of.
    told_schema: Option<String>,
    warnings: Vec<String>,
}

/// Where the value of a member comes from.
enum Source<'w> {
    Written(Cow<'w, str>),
    Made(Value),
    Conversation,
    System,
    Tools,
}

impl<'a> Plan<'a> {
    fn new(
        request: &ChatRequest,
        target: &'a Target,
        adjust: impl FnOnce(&mut ChatParams),
    ) -> Result<Self> {
        let model = Model::new(target, Wire::Messages);
        let mut warnings = Vec::new();
        let mut params = request.params.over(&target.defaults);
        metadata::leave_to_operator(&mut params, target, &mut warnings);
        let of_request = std::mem::take(&mut params.additional_drop_params);
        drop_paths::apply(
            &mut params,
            &target.repairs.additional_drop_params,
            &of_request,
        )?;
        adjust(&mut params);
        require_limit(request, &params)?;
        drop_sampling(&mut params, &model, &mut warnings);

        let mut betas = Betas::listed(may_search(&model));
        betas.ask_all(request, &params, target);
        native_tools::check(&params.tools, &model, &mut betas)?;
        if params.extra("safeguards").is_some() {
            betas.add(betas::DANGEROUS_TOOLS);
        }
        let clears = clears_thinking(&params);
        let context_management =
            context_management::edits(&params, &model, &mut betas, &mut warnings);
        if clears {
            think_to_be_cleared(&mut params, &model);
        }
        let format = take_format(&mut params, &model, &mut warnings);
        let reasoning = Question {
            model: &model,
            params: &params,
            portkey: false,
            broken_history: history::misses_thinking(&history::borrow(&request.messages)),
            drop: true,
        }
        .answer(&mut warnings)?;
        if reasoning.needs_effort_beta {
            betas.add(betas::EFFORT);
        }
        let mut out = Self {
            model,
            params,
            betas,
            thinking: None,
            output_config: None,
            context_management,
            told_schema: None,
            warnings,
        };
        for (name, value) in reasoning.fields {
            match name {
                "thinking" => out.thinking = Some(value),
                "output_config" => out.output_config = Some(value),
                _ => {}
            }
        }
        out.lay_format(format);
        Ok(out)
    }

    /// Holds the answer to a schema, or tells the model of it.
    fn lay_format(&mut self, format: Option<Value>) {
        let Some(format) = format else {
            return;
        };
        if self.model.takes_schema() || !self.model.facts.known {
            let config = self.output_config.get_or_insert_with(|| json!({}));
            if let Value::Object(config) = config {
                config.insert("format".to_owned(), format);
            }
        } else if let Some(schema) = format.get("schema") {
            self.told_schema = Some(in_pythons_spacing(schema));
            let warning = "output_config.format is told to the model, not enforced";
            self.warnings.push(warning.to_owned());
        }
    }

    /// Decides who is named as the user: whom `metadata` names, or what was laid over it. A `user` beside it is the gateway's.
    fn settle_user(&mut self, written: &RawObject<'_>) {
        let beside = written.get("user").map(serde_json::from_str::<String>);
        let beside = beside.and_then(Result::ok);
        if beside.is_some() && beside == self.params.user {
            let metadata = written.get("metadata").map(serde_json::from_str::<Value>);
            let metadata = metadata.and_then(Result::ok).unwrap_or_default();
            let id = metadata.get("user_id").and_then(Value::as_str);
            self.params.user = id.map(str::to_owned);
        }
    }

    fn write(&mut self, request: &ChatRequest) -> Result<Vec<u8>> {
        const FRAME: usize = 1024;
        let empty = RawJson::from_checked(bytes::Bytes::from_static(b"{}"));
        let body = request
            .native
            .as_ref()
            .map_or(&empty, |native| &native.body);
        let written = RawObject::parse(body.get()).unwrap_or_default();
        self.settle_user(&written);
        let mut conversation = Conversation::new(&written, request, self.model.facts);
        conversation.tell(self.told_schema.as_deref());
        let mut names: Vec<&'static str> = Vec::with_capacity(KEPT.len());
        let known = |name: &str| KEPT.iter().find(|known| **known == name).copied();
        names.extend(written.members().filter_map(|(name, _)| known(name)));
        names.extend(KEPT.into_iter().filter(|name| written.get(name).is_none()));
        let mut out = Vec::with_capacity(body.bytes().len() + FRAME);
        let mut object = ObjectWriter::open(&mut out);
        for name in names {
            let Some(source) = self.source(name, written.get(name), &conversation) else {
                continue;
            };
            let out = object.member(name);
            match source {
                Source::Written(json) => out.extend_from_slice(json.as_bytes()),
                Source::Made(value) => write_value(&value, out),
                Source::Conversation => conversation.write_messages(out)?,
                Source::System => conversation.write_system(out)?,
                Source::Tools => native_tools::write(&self.params.tools, &self.model, out),
            }
        }
        object.close();
        Ok(out)
    }

    /// Decides what a member is; `None` leaves it out.
    fn source<'w>(
        &self,
        name: &str,
        written: Option<&'w str>,
        conversation: &Conversation<'_>,
    ) -> Option<Source<'w>> {
        let params = &self.params;
        let made = |value: Value| Some(as_written(written, value));
        match name {
            "anthropic_version" => Some(Source::Made(json!(VERSION))),
            "messages" => Some(Source::Conversation),
            "system" => conversation.has_system().then_some(Source::System),
            "max_tokens" => made(json!(params.max_completion_tokens.or(params.max_tokens)?)),
            "temperature" => made(json!(params.temperature.as_ref()?)),
            "top_p" => made(json!(params.top_p.as_ref()?)),
            "top_k" => made(json!(params.top_k.as_ref()?)),
            "stop_sequences" => made(json!(params.stop.as_ref()?)),
            "tools" => (!params.tools.is_empty()).then_some(Source::Tools),
            "tool_choice" if params.tools.is_empty() => None,
            "tool_choice" => tool_choice(params, written),
            "thinking" => made(self.thinking.clone()?),
            // Whatever else stands there is the gateway's.
            "metadata" => {
                written?;
                made(json!({"user_id": params.user.as_ref()?}))
            }
            "output_config" => made(self.output_config.clone()?),
            "context_management" => made(self.context_management.clone()?),
            "anthropic_beta" => {
                let mut betas = self.betas.list().to_vec();
                betas.sort_unstable();
                (!betas.is_empty()).then(|| Source::Made(json!(betas)))
            }
            _ => {
                let json = params.extra(name)?.get().to_owned();
                Some(Source::Written(Cow::Owned(json)))
            }
        }
    }
}

/// Keeps what the client wrote where it says the same.
fn as_written(written: Option<&str>, value: Value) -> Source<'_> {
    let is_same = |written: &&str| serde_json::from_str::<Value>(written).is_ok_and(|v| v == value);
    match written.filter(is_same) {
        Some(written) => Source::Written(Cow::Borrowed(written)),
        None => Source::Made(value),
    }
}

fn tool_choice<'w>(params: &ChatParams, written: Option<&'w str>) -> Option<Source<'w>> {
    let (kind, choice) = match params.tool_choice.as_ref()? {
        ToolChoice::Auto
        | ToolChoice::Allowed {
            required: false, ..
        } => ("auto", Choice::Auto),
        ToolChoice::None => ("none", Choice::None),
        ToolChoice::Required | ToolChoice::Allowed { required: true, .. } => ("any", Choice::Any),
        ToolChoice::Named(name) => ("tool", Choice::Tool(name.clone())),
        // Nobody here knows it; Claude may.
        ToolChoice::Other(other) => {
            return Some(Source::Written(Cow::Owned(other.get().to_owned())));
        }
    };
    if let Some(written) = written
        && let Some(object) = RawObject::parse(written)
        && object.text("type").as_deref() == Some(kind)
        && match &choice {
            Choice::Tool(name) => object.text("name").as_deref() == Some(name),
            _ => true,
        }
    {
        return Some(Source::Written(Cow::Borrowed(written)));
    }
    super::encode::tool_choice(Some(&choice), params, false).map(Source::Made)
}

/// Says whether the model may find tools by searching.
pub(super) fn may_search(model: &Model<'_>) -> bool {
    !model.facts.known || model.facts.is(Flag::ToolSearch)
}

/// Leaves out what models refuse that sample in one way only: clients of this format send it all the same.
fn drop_sampling(params: &mut ChatParams, model: &Model<'_>, warnings: &mut Vec<String>) {
    if model.facts.flag(Flag::SamplingParams) != Some(false) {
        return;
    }
    let is_default = |value: &serde_json::Number| value.as_f64() == Some(1.0);
    let dropped = [
        (
            "temperature",
            params.temperature.take_if(|value| !is_default(value)),
        ),
        ("top_p", params.top_p.take()),
        ("top_k", params.top_k.take()),
    ];
    for (name, value) in dropped {
        if value.is_some() {
            warnings.push(format!("parameter {name} was left out: not supported"));
        }
    }
}

/// Takes `output_config.format` out of the parameters, and the effort of a model that knows none.
fn take_format(
    params: &mut ChatParams,
    model: &Model<'_>,
    warnings: &mut Vec<String>,
) -> Option<Value> {
    let Value::Object(mut config) = params.output_config.as_ref()?.to_value() else {
        return None;
    };
    let facts = model.facts;
    let takes_effort =
        !facts.known || facts.is(Flag::OutputConfig) || facts.is(Flag::AdaptiveThinking);
    if !takes_effort && config.shift_remove("effort").is_some() {
        warnings.push("output_config.effort was left out: not supported".to_owned());
    }
    let format = config.shift_remove("format");
    let rest = RawJson::from_value(&config);
    params.output_config = (!config.is_empty()).then_some(rest);
    format.filter(|format| !format.is_null())
}

/// Says whether old thinking is to be cleared from the context, which Bedrock has no edit for.
fn clears_thinking(params: &ChatParams) -> bool {
    let given = params.extra("context_management").map(RawJson::to_value);
    let edits = given
        .as_ref()
        .and_then(|given| given.get("edits")?.as_array());
    edits.into_iter().flatten().any(|edit| {
        let kind = edit.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.starts_with("clear_thinking_"))
    })
}

/// Makes a model think whose thinking is to be cleared, as the edit supposes it does; not where that would be refused.
fn think_to_be_cleared(params: &mut ChatParams, model: &Model<'_>) {
    const LEAST_BUDGET: u64 = 1024;
    let facts = model.facts;
    let is_adaptive = facts.is(Flag::AdaptiveThinking);
    let base = &model.id.base;
    let may_think = Way::of(model) == Way::Claude
        && (is_adaptive || base.contains("claude-opus-4") || base.contains("claude-sonnet-4"));
    let is_forced = matches!(
        params.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Other(_))
    );
    let temperature = params
        .temperature
        .as_ref()
        .and_then(serde_json::Number::as_f64);
    let samples = temperature.is_some_and(|value| (value - 1.0).abs() > f64::EPSILON)
        || params.top_p.is_some()
        || params.top_k.is_some();
    let is_said = params.thinking.is_some() || params.reasoning_effort.is_some();
    if !may_think || is_forced || samples || is_said {
        return;
    }
    let limit = params.max_completion_tokens.or(params.max_tokens);
    if is_adaptive {
        params.thinking = Some(RawJson::from_value(&json!({"type": "adaptive"})));
        let config = params.output_config.as_ref().map(RawJson::to_value);
        let mut config = match config {
            Some(Value::Object(config)) => config,
            _ => Map::new(),
        };
        config.entry("effort").or_insert_with(|| json!("low"));
        params.output_config = Some(RawJson::from_value(&config));
    } else if limit.is_some_and(|limit| limit > LEAST_BUDGET) {
        let thinking = json!({"type": "enabled", "budget_tokens": LEAST_BUDGET});
        params.thinking = Some(RawJson::from_value(&thinking));
    }
}
