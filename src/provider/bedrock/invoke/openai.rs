//! OpenAI's chat format: imported models that speak it, and Bedrock's own `gpt-oss` and Qwen 3.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/invoke-imported-model.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::envelope::{Outgoing, garbled, parse};
use super::openai_request::{Form, response_format, tool_choice, tools, write_messages};
use super::said::{CallPiece, Reasoning, Said, SaidDecoder, stop, text};
use super::screen;
use super::text_model::{add_callers_members, must_have_messages};
use crate::canonical::{
    Chat, ChatParams, ChatRequest, Content, Message, RawJson, Role, Text, Usage,
};
use crate::error::Result;
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::bedrock::chat::messages::nothing_said;
use crate::provider::bedrock::chat::warnings;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// Parameters that all models of this format take.
const TAKEN: [&str; 25] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "stop",
    "store",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
];

/// How a model speaks OpenAI's format.
#[derive(Debug)]
pub(crate) struct OpenAiChat {
    /// Parameters that it does not take although others do.
    pub(in crate::provider::bedrock) refused: &'static [&'static str],
    /// What the limit of generated tokens is called, where only one name is known.
    pub(in crate::provider::bedrock) limit: Option<&'static str>,
    /// Whether the body names the model.
    pub(in crate::provider::bedrock) names_model: bool,
    /// Whether a message may consist of parts.
    pub(in crate::provider::bedrock) form: Form,
    /// What else is changed.
    pub(in crate::provider::bedrock) adjust:
        fn(&mut Vec<Message>, &mut ChatParams, bool, &mut Fields),
}

/// An imported model.
pub(crate) const IMPORTED: OpenAiChat = OpenAiChat {
    refused: &[],
    limit: None,
    names_model: true,
    form: Form::Parts,
    adjust: |_, params, _, fields| {
        if let Some(user) = &params.user {
            fields.set_value("user", &json!(user));
        }
    },
};

/// A model of Bedrock's own.
pub(crate) const FOUNDATION: OpenAiChat = OpenAiChat {
    refused: &[],
    limit: Some("max_completion_tokens"),
    names_model: false,
    form: Form::Parts,
    adjust: |_, _, _, _| {},
};

/// OpenAI's format, whoever's model it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenAi;

impl Transformer<Chat> for OpenAi {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        if target.model.is_imported() || target.model.is_opaque_arn() {
            IMPORTED.encode(request, target)
        } else {
            FOUNDATION.encode(request, target)
        }
    }
}

impl Transformer<Chat> for OpenAiChat {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        Ok(self.exchange(request, target)?)
    }
}

impl OpenAiChat {
    fn exchange(&self, request: &ChatRequest, target: &Target) -> Result<Exchange<Chat>> {
        must_have_messages(request)?;
        let mut warnings = Vec::new();
        let params = self.screened(request, target, &mut warnings)?;
        let (params, body) = self.write(request, target, params)?;
        let decoder = SaidDecoder::new(read, Reasoning::Marked, body.len());
        let wire = Outgoing {
            request,
            params: &params,
            target,
            streamed: request.stream,
            body,
        }
        .wire(&mut warnings)?;
        Ok(Exchange {
            requests: vec![wire],
            decoder: Box::new(decoder),
            warnings: warnings::fit(warnings),
        })
    }

    /// Returns the parameters that the model takes; refuses the others, or leaves them out where that is wanted.
    pub(in crate::provider::bedrock) fn screened(
        &self,
        request: &ChatRequest,
        target: &Target,
        warnings: &mut Vec<String>,
    ) -> Result<ChatParams> {
        let taken: Vec<&str> = TAKEN
            .iter()
            .chain(&["top_p", "verbosity"])
            .copied()
            .filter(|name| !self.refused.contains(name))
            .collect();
        screen::screen(request, target, &taken, warnings)
    }

    /// Writes the body; the parameters come back as they were sent.
    pub(in crate::provider::bedrock) fn write(
        &self,
        request: &ChatRequest,
        target: &Target,
        mut params: ChatParams,
    ) -> Result<(ChatParams, Vec<u8>)> {
        let mut messages = request.messages.clone();
        let says_something = |message: &Message| match &message.content {
            Content::Absent => !message.tool_calls.is_empty(),
            Content::Text(text) => !text.is_blank(),
            Content::Parts(parts) => !parts.is_empty(),
        };
        if !messages
            .iter()
            .any(|message| message.role != Role::System && says_something(message))
        {
            return Err(nothing_said(&request.messages));
        }
        let mut fields = Fields::default();
        (self.adjust)(&mut messages, &mut params, request.stream, &mut fields);
        self.set_params(&params, target, &mut fields);
        add_callers_members(&params, None, &[], &mut fields);
        let mut body = br#"{"messages":"#.to_vec();
        write_messages(&messages, self.form, &mut body)?;
        fields.write_after("messages", &mut body);
        body.push(b'}');
        Ok((params, body))
    }

    fn set_params(&self, params: &ChatParams, target: &Target, fields: &mut Fields) {
        if self.names_model {
            fields.set_value("model", &json!(target.model.wire));
        }
        let whole = |value: u64| RawJson::from_value(&value);
        let (older, newer) = match self.limit {
            None => (params.max_tokens, params.max_completion_tokens),
            Some(name) => {
                let limit = params.max_completion_tokens.or(params.max_tokens);
                let is_newer = name == "max_completion_tokens";
                (limit.filter(|_| !is_newer), limit.filter(|_| is_newer))
            }
        };
        let number = |value: &serde_json::Number| RawJson::from_value(value);
        let set = [
            ("max_tokens", older.map(whole)),
            ("max_completion_tokens", newer.map(whole)),
            ("temperature", params.temperature.as_ref().map(number)),
            ("top_p", params.top_p.as_ref().map(number)),
            ("top_k", params.top_k.as_ref().map(number)),
            ("stop", params.stop.as_ref().map(RawJson::from_value)),
            ("tools", (!params.tools.is_empty()).then(|| tools(params))),
            ("tool_choice", params.tool_choice.as_ref().map(tool_choice)),
            (
                "parallel_tool_calls",
                params
                    .parallel_tool_calls
                    .map(|value| RawJson::from_value(&value)),
            ),
            (
                "response_format",
                params.response_format.as_ref().map(response_format),
            ),
            ("reasoning_effort", params.reasoning_effort.clone()),
        ];
        for (name, value) in set {
            if let Some(value) = value {
                fields.set(name, value);
            }
        }
        for (name, value) in &params.openai {
            fields.set(name, value.clone());
        }
    }
}

/// An answer, or a chunk of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    index: u32,
    #[serde(borrow)]
    message: Option<Words<'a>>,
    #[serde(borrow)]
    delta: Option<Words<'a>>,
    #[serde(alias = "stop_reason")]
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Words<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// Reads an answer (`true`) or a chunk (`false`) in OpenAI's shape; the first choice counts.
pub(in crate::provider::bedrock) fn read(
    body: &Bytes,
    is_whole: bool,
) -> Result<Said, TransformError> {
    let answer: Answer<'_> = parse(body)?;
    let usage = answer.usage.and_then(usage);
    let Some(choice) = answer.choices.into_iter().find(|choice| choice.index == 0) else {
        if is_whole {
            return Err(garbled("the answer has no choices"));
        }
        return Ok(Said {
            usage,
            ..Said::default()
        });
    };
    let words = choice.message.or(choice.delta).unwrap_or_default();
    let calls = words.tool_calls.unwrap_or_default();
    let calls = (0..)
        .zip(calls)
        .map(|(place, call)| piece(body, place, &call));
    Ok(Said {
        thinking: text(body, words.reasoning_content).or_else(|| text(body, words.reasoning)),
        text: text(body, words.content).or_else(|| text(body, words.refusal)),
        calls: calls.collect(),
        stop: choice.finish_reason.as_deref().map(|reason| match reason {
            "length" | "max_tokens" => stop("length", reason),
            "tool_calls" | "function_call" => stop("tool_calls", reason),
            "content_filter" => stop("content_filter", reason),
            _ => stop("stop", reason),
        }),
        usage,
        ..Said::default()
    })
}

fn piece(body: &Bytes, place: u32, call: &Call<'_>) -> CallPiece {
    let function = call.function.as_ref();
    let arguments = function.and_then(|function| function.arguments);
    CallPiece {
        index: call.index.unwrap_or(place),
        id: text(body, call.id),
        name: function.and_then(|function| text(body, function.name)),
        arguments: arguments.and_then(|raw| {
            // Some models write the object itself where OpenAI writes its text.
            Text::from_raw(body, raw)
                .or_else(|| Some(Text::new(raw.get())).filter(|_| raw.get() != "null"))
        }),
    }
}

/// Reads `usage` in OpenAI's shape.
pub(in crate::provider::bedrock) fn usage(raw: &RawValue) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Wire {
        prompt_tokens: Option<u64>,
        completion_tokens: Option<u64>,
        total_tokens: Option<u64>,
        prompt_tokens_details: Option<Prompt>,
        completion_tokens_details: Option<Completion>,
    }
    #[derive(Deserialize)]
    struct Prompt {
        cached_tokens: Option<u64>,
        cache_write_tokens: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Completion {
        reasoning_tokens: Option<u64>,
    }
    let wire: Wire = serde_json::from_str(raw.get()).ok()?;
    let prompt = wire.prompt_tokens?;
    let details = wire.prompt_tokens_details.as_ref();
    let cached = details.and_then(|details| details.cached_tokens);
    let cached = cached.unwrap_or(0).min(prompt);
    let written = details.and_then(|details| details.cache_write_tokens);
    let written = written.unwrap_or(0).min(prompt - cached);
    let details = wire.completion_tokens_details;
    Some(Usage {
        input_tokens: prompt - cached - written,
        output_tokens: wire.completion_tokens.unwrap_or(0),
        total_tokens: wire.total_tokens,
        cache_read_tokens: cached,
        cache_write_tokens: written,
        reasoning_tokens: details.and_then(|details| details.reasoning_tokens),
        ..Usage::default()
    })
}
