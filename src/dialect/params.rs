//! The members of a chat request beside its messages → canonical; also those of a deployment's defaults.
//!
//! Each member goes one of four ways: it is a parameter that we know, one that Converse has no place for, one that steers
//! the gateway, or it is carried to the model as it is written.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::chat::{WireMessage, message};
use super::choice::{ToolChoiceRead, response_format, tool_choice};
use super::controls::{self, set};
use super::guardrail::guardrail;
use super::part::required;
use super::read::{Members, Node, Path};
use crate::canonical::{ChatParams, ChatRequest, RawJson, Tool};
use crate::dialect::Controls;
use crate::error::{Error, Result};

/// OpenAI's parameters that Converse has no place for.
const NOT_IN_CONVERSE: [&str; 16] = [
    "n",
    "seed",
    "logprobs",
    "top_logprobs",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "modalities",
    "audio",
    "store",
    "prediction",
    "verbosity",
    "prompt_cache_key",
    "safety_identifier",
    "functions",
    "function_call",
];

/// Members of Converse's own that are objects.
const OBJECTS: [&str; 6] = [
    "additionalModelRequestFields",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
];

/// Other spellings of members that are carried by name, and the name they are carried by.
const ALIASES: [(&str, &str); 5] = [
    (
        "additional_model_request_fields",
        "additionalModelRequestFields",
    ),
    (
        "additional_model_response_field_paths",
        "additionalModelResponseFieldPaths",
    ),
    ("performance_config", "performanceConfig"),
    ("request_metadata", "requestMetadata"),
    ("prompt_variables", "promptVariables"),
];

/// How many tools a request may have.
const MOST_TOOLS: usize = 10_000;

/// Reads the request defaults of a deployment: what its `litellm_params` say beside what the gateway itself uses.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] naming the key that is wrong.
pub fn params(entries: &[(String, RawJson)]) -> Result<ChatParams> {
    let mut reader = Reader::default();
    for (name, value) in entries {
        let raw: &RawValue = value
            .parse()
            .map_err(|error| Error::bad_request(name, error.to_string()))?;
        if !value.is_null() {
            reader.member_of(value.bytes(), name, raw)?;
        }
    }
    Ok(reader.request.params)
}

/// Collects the members of one request.
#[derive(Debug, Default)]
pub(super) struct Reader<'a> {
    body: Option<&'a Bytes>,
    model: Option<String>,
    request: ChatRequest,
    controls: Controls,
}

impl<'a> Reader<'a> {
    /// Starts reading members that are slices of `body`.
    pub(super) fn new(body: &'a Bytes) -> Self {
        Self {
            body: Some(body),
            ..Self::default()
        }
    }

    /// Returns what the members said.
    pub(super) fn finish(self) -> (ChatRequest, Option<String>, Controls) {
        (self.request, self.model, self.controls)
    }

    /// Reads one member; of two with the same name the later counts.
    pub(super) fn member(&mut self, name: &str, raw: &'a RawValue) -> Result<()> {
        let empty = Bytes::new();
        self.member_of(self.body.unwrap_or(&empty), name, raw)
    }

    fn member_of(&mut self, body: &Bytes, name: &str, raw: &RawValue) -> Result<()> {
        let path = Path::ROOT.member(name);
        let node = Node {
            body,
            raw,
            path: &path,
        };
        if self.body.is_some() && controls::is_for_tests(name) {
            return Err(path.error("requests cannot make the gateway pretend failures"));
        }
        self.user(name, &node);
        if self.envelope(name, &node)?
            || self.sampling(name, &node)?
            || self.tools(name, &node)?
            || self.reasoning(name, &node)?
            || self.policy(name, &node)?
            || controls::read(name, &node, &mut self.controls)?
        {
            return Ok(());
        }
        let params = &mut self.request.params;
        if NOT_IN_CONVERSE.contains(&name) {
            set(&mut params.openai, name, node.json());
            return Ok(());
        }
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
        let name = alias.map_or(name, |(_, carried)| carried);
        let value = match name {
            _ if OBJECTS.contains(&name) => object(&node)?,
            "additionalModelResponseFieldPaths" if !node.is_list() => {
                return Err(node.expected("a list"));
            }
            "service_tier" if !node.is_string() => return Err(node.expected("a string")),
            _ => node.json(),
        };
        set(&mut params.extra, name, value);
        Ok(())
    }

    /// Notes who the caller acts for, where the words are fit for a model's provider; the members steer the gateway too.
    fn user(&mut self, name: &str, node: &Node<'_, '_>) {
        let user = &mut self.request.params.user;
        match name {
            "user" if node.is_string() => {
                *user = node.owned().ok().or_else(|| user.take());
            }
            "metadata" if user.is_none() => {
                #[derive(Deserialize)]
                struct Metadata {
                    user_id: Option<String>,
                }
                let metadata = serde_json::from_str::<Metadata>(node.raw.get());
                *user = metadata.ok().and_then(|metadata| metadata.user_id);
            }
            _ => {}
        }
    }

    /// What says how the request is served.
    fn envelope(&mut self, name: &str, node: &Node<'_, '_>) -> Result<bool> {
        match name {
            "model" => {
                let wrong = |_| {
                    let error = Error::bad_request("model", "'model' must be a string.");
                    error.with_type("bad_request_error")
                };
                self.model = Some(node.owned().map_err(wrong)?);
            }
            "stream" => self.request.stream = node.boolean()?,
            "stream_options" => {
                let options: WireStreamOptions<'_> = node.object()?;
                let include = node.member("include_usage", options.include_usage, |node| {
                    node.boolean()
                })?;
                self.request.include_usage = include.unwrap_or(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What shapes the text.
    fn sampling(&mut self, name: &str, node: &Node<'_, '_>) -> Result<bool> {
        let params = &mut self.request.params;
        match name {
            "max_tokens" | "maxTokens" => params.max_tokens = Some(node.whole()?),
            "max_completion_tokens" => params.max_completion_tokens = Some(node.whole()?),
            "temperature" => params.temperature = Some(node.number()?),
            "top_p" | "topP" => params.top_p = Some(node.number()?),
            "top_k" | "topK" => params.top_k = Some(node.number()?),
            "stop" | "stopSequences" => params.stop = Some(stop(node)?),
            "response_format" => params.response_format = Some(response_format(node)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn tools(&mut self, name: &str, node: &Node<'_, '_>) -> Result<bool> {
        let params = &mut self.request.params;
        match name {
            "tools" => {
                params.tools = node.list_up_to(MOST_TOOLS, tool)?;
            }
            "tool_choice" => {
                let ToolChoiceRead { choice, parallel } = tool_choice(node)?;
                params.tool_choice = Some(choice);
                params.parallel_tool_calls = params.parallel_tool_calls.or(parallel);
            }
            "parallel_tool_calls" => params.parallel_tool_calls = Some(node.boolean()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn reasoning(&mut self, name: &str, node: &Node<'_, '_>) -> Result<bool> {
        let params = &mut self.request.params;
        match name {
            "reasoning_effort" if node.is_string() || node.is_object() => {
                params.reasoning_effort = Some(node.json());
            }
            "reasoning_effort" => return Err(node.expected("a string")),
            "thinking" => params.thinking = Some(object(node)?),
            "output_config" => params.output_config = Some(object(node)?),
            "guardrailConfig" | "guardrail_config" => params.guardrail = Some(guardrail(node)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What says how parameters and messages are to be mended, and what else is sent.
    fn policy(&mut self, name: &str, node: &Node<'_, '_>) -> Result<bool> {
        let params = &mut self.request.params;
        match name {
            "drop_params" => params.drop_params = Some(node.boolean()?),
            "additional_drop_params" => {
                params.additional_drop_params = node.list(|name| name.owned())?;
            }
            "allowed_openai_params" => {
                params.allowed_openai_params = node.list(|name| name.owned())?;
            }
            "user_continue_message" => {
                let wire: WireMessage<'_> = node.object()?;
                params.user_continue_message =
                    Some(Box::new(message(node.body, &wire, node.path)?));
            }
            "assistant_continue_message" => {
                params.assistant_continue_message = Some(continue_text(node)?);
            }
            "extra_headers" => {
                let Members(members) = node.members()?;
                params.extra_headers = members
                    .into_iter()
                    .map(|(name, raw)| {
                        let value = node.member(&name, Some(raw), |value| value.owned())?;
                        Ok((name.into_owned(), value.unwrap_or_default()))
                    })
                    .collect::<Result<_>>()?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What says whether a tool has what its type promises.
#[derive(Debug, Default, Deserialize)]
struct WireTool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
}

/// Takes a tool as it is written. One of the type `function` must have a function, in OpenAI's place or flat; what else
/// there is, each route knows.
fn tool(node: Node<'_, '_>) -> Result<Tool> {
    let wire: WireTool<'_> = node.object()?;
    let is_function = wire.kind.is_some_and(|kind| kind.get() == "\"function\"");
    if is_function && wire.name.is_none() && wire.input_schema.is_none() {
        required(&node, "function", wire.function, |function| {
            if function.is_object() {
                Ok(())
            } else {
                Err(function.expected("an object"))
            }
        })?;
    }
    Ok(Tool(node.json()))
}

#[derive(Debug, Default, Deserialize)]
struct WireStreamOptions<'a> {
    #[serde(borrow)]
    include_usage: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct WireContinue<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// Reads the assistant's continue message: its text, or a message that has it.
fn continue_text(node: &Node<'_, '_>) -> Result<String> {
    if node.is_string() {
        return node.owned();
    }
    let wire: WireContinue<'_> = node.object()?;
    node.member("content", wire.content, |node| node.owned())?
        .ok_or_else(|| node.path.member("content").error("it is required"))
}

fn stop(node: &Node<'_, '_>) -> Result<Vec<String>> {
    if node.is_string() {
        let stop = node.owned()?;
        return Ok(if stop.is_empty() {
            Vec::new()
        } else {
            vec![stop]
        });
    }
    if node.is_list() {
        return node.list(|stop| stop.owned());
    }
    Err(node.expected("a string or a list of strings"))
}

fn object(node: &Node<'_, '_>) -> Result<RawJson> {
    if node.is_object() {
        Ok(node.json())
    } else {
        Err(node.expected("an object"))
    }
}
