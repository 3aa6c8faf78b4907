//! `/chat/completions`, as OpenAI writes it: on the runtime (`/openai/v1/chat/completions`) and on `bedrock-mantle`.
//!
//! The runtime's knows less than Converse, which serves the same models; a request that it could not answer goes there.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{fault, native, reasons, settle};
use crate::canonical::{Chat, ChatParams, ChatRequest, Message, RawJson, ResponseFormat};
use crate::catalog::Flag;
use crate::error::Result;
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::bedrock::converse::Converse;
use crate::provider::bedrock::invoke::envelope::{Outgoing, parse};
use crate::provider::bedrock::invoke::openai::{self, OpenAiChat};
use crate::provider::bedrock::invoke::openai_request::Form;
use crate::provider::bedrock::invoke::said::{Reasoning, Said, SaidDecoder};
use crate::provider::bedrock::invoke::text_model::must_have_messages;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// What stands behind the runtime's address.
const PATH: &str = "/openai/v1/chat/completions";

/// Members that only Converse takes.
const OF_CONVERSE: [&str; 5] = [
    "additionalModelRequestFields",
    "outputConfig",
    "performanceConfig",
    "requestMetadata",
    "serviceTier",
];

/// How most models speak the format.
const PLAIN: OpenAiChat = OpenAiChat {
    refused: &["n"],
    limit: Some("max_completion_tokens"),
    names_model: true,
    form: Form::Parts,
    adjust: stream,
};

/// OpenAI's open weights.
const GPT_OSS: OpenAiChat = OpenAiChat {
    refused: &["logit_bias", "n"],
    ..PLAIN
};

/// xAI's Grok.
const GROK: OpenAiChat = OpenAiChat {
    refused: &["frequency_penalty", "n", "presence_penalty"],
    adjust: |messages, params, streams, fields| {
        if !reasons(params) {
            params.reasoning_effort = None;
        }
        stream(messages, params, streams, fields);
    },
    ..PLAIN
};

fn stream(_: &mut Vec<Message>, params: &mut ChatParams, streams: bool, fields: &mut Fields) {
    if let Some(user) = &params.user {
        fields.set_value("user", &json!(user));
    }
    if streams {
        fields.set_value("stream", &json!(true));
        fields.set_value("stream_options", &json!({"include_usage": true}));
    }
}

/// The runtime's own chat completions, its responses for clients that speak those, and Converse for what neither can do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChatCompletions;

impl Transformer<Chat> for ChatCompletions {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        if native::is_asked_natively(request, target) {
            return Ok(native::exchange(
                request,
                target,
                native::url(&target.endpoint),
            )?);
        }
        if is_for_converse(request, target) {
            return Converse.encode(request, &for_converse(target));
        }
        Ok(exchange(request, target, url(&target.endpoint))?)
    }
}

/// The address under an endpoint, of which an operator may have written any part.
fn url(endpoint: &str) -> String {
    if endpoint.contains("chat/completions") {
        return endpoint.to_owned();
    }
    let base = endpoint.strip_suffix("/openai/v1").unwrap_or(endpoint);
    format!("{base}{PATH}")
}

/// The target as Converse knows it: its address has nothing of OpenAI's behind it.
fn for_converse(target: &Target) -> Cow<'_, Target> {
    let endpoint = target.endpoint.as_str();
    let base = endpoint
        .strip_suffix("/chat/completions")
        .unwrap_or(endpoint);
    let base = base.strip_suffix("/openai/v1").unwrap_or(base);
    if base.len() == endpoint.len() {
        return Cow::Borrowed(target);
    }
    Cow::Owned(Target {
        endpoint: base.to_owned(),
        ..target.clone()
    })
}

/// Says whether a request asks for what only Converse can do.
fn is_for_converse(request: &ChatRequest, target: &Target) -> bool {
    let (facts, repairs) = (&target.facts, &target.repairs);
    let params = request.params.over(&target.defaults);
    let is_set = |value: Option<&RawJson>| value.is_some_and(|value| !value.is_null());
    let is_format_for_converse = match &params.response_format {
        None | Some(ResponseFormat::Text) => false,
        Some(ResponseFormat::JsonSchema(_)) => !facts.is(Flag::NativeChatResponseFormat),
        Some(_) => true,
    };
    let has_functions = params.openai.iter().any(|(name, value)| {
        name == "functions" && !value.is_null() && value.to_value() != json!([])
    });
    let has_tools = !params.tools.is_empty() || has_functions;
    target.model.is_replaced
        || repairs.operators_request_metadata
        || is_set(params.guardrail.as_ref())
        || is_set(params.thinking.as_ref())
        || is_set(params.output_config.as_ref())
        || params.top_k.is_some()
        || params.stop.as_ref().is_some_and(|stop| !stop.is_empty())
        || OF_CONVERSE.iter().any(|name| is_set(params.extra(name)))
        || is_format_for_converse
        || has_tools && !facts.is(Flag::NativeChatToolsWithReasoning) && reasons(&params)
}

/// Writes the request to `url` and makes the reader of its answer.
pub(super) fn exchange(
    request: &ChatRequest,
    target: &Target,
    url: String,
) -> Result<Exchange<Chat>> {
    must_have_messages(request)?;
    let model = &target.model;
    let manner = if model.is_gpt_oss() {
        GPT_OSS
    } else if model.is_xai() {
        GROK
    } else {
        PLAIN
    };
    let mut warnings = Vec::new();
    let mut params = manner.screened(request, target, &mut warnings)?;
    settle(&mut params, target, &mut warnings)?;
    let (params, body) = manner.write(request, target, params)?;
    let decoder = SaidDecoder::new(read, Reasoning::Marked, body.len()).bare();
    let outgoing = Outgoing {
        request,
        params: &params,
        target,
        streamed: request.stream,
        body,
    };
    outgoing.exchange_with(url, decoder, warnings)
}

/// Reads an answer or a chunk, which may be an error.
fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    #[derive(Deserialize)]
    struct Failed<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    if memchr::memmem::find(body, b"\"error\"").is_some() {
        let failed: Failed<'_> = parse(body)?;
        if let Some(error) = failed.error.filter(|error| error.get() != "null") {
            return Err(fault(error).into());
        }
    }
    openai::read(body, is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_may_write_any_part_of_the_address() {
        for endpoint in [
            "https://h",
            "https://h/openai/v1",
            "https://h/openai/v1/chat/completions",
        ] {
            assert_eq!(url(endpoint), "https://h/openai/v1/chat/completions");
        }
        assert_eq!(url("https://h/p"), "https://h/p/openai/v1/chat/completions");
    }
}
