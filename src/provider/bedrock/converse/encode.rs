//! Canonical chat request → Converse request.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use super::context::DecodeContext;
use super::decode::ConverseDecoder;
use super::prompt;
use super::request::Draft;
use super::top_level::{self, write_member};
use crate::canonical::{Chat, ChatParams, ChatRequest};
use crate::error::{Error, Result};
use crate::provider::bedrock::model_id::Route;
use crate::provider::bedrock::url::converse_url;
use crate::provider::{Exchange, Target, TransformError, Transformer, WireRequest};

/// Speaks the Converse API.
#[derive(Debug, Clone, Copy, Default)]
pub struct Converse;

impl Transformer<Chat> for Converse {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        let (wire, context, warnings) = encode(request, target)?;
        Ok(Exchange {
            requests: vec![wire],
            decoder: Box::new(ConverseDecoder::new(context)),
            warnings,
        })
    }
}

fn encode(
    request: &ChatRequest,
    target: &Target,
) -> Result<(WireRequest, DecodeContext, Vec<String>)> {
    if target.model.is_prompt() {
        return encode_prompt(request, target);
    }
    if request.messages.is_empty() && !request.messages_present {
        return Err(Error::bad_request(
            "messages",
            "/chat/completions: Missing required parameter: 'messages'.",
        ));
    }
    let draft = Draft::new(request, target)?;
    let streamed = request.stream && !draft.must_come_whole();
    let body = draft.write(streamed)?;
    let headers = headers(&request.params, target, &draft.toolbox.header_betas)?;
    let response_fields = draft.asks_for_fields();
    let toolbox = draft.toolbox;
    let context = DecodeContext {
        tool_names: toolbox.namer.renamed(),
        json_tool: toolbox.json_tool,
        base: target.model.base.clone(),
        is_llama: target.model.is_meta(),
        tools: toolbox.tools.names,
        streamed,
        response_fields,
    };
    let wire = wire_request(target, streamed, headers, body);
    Ok((wire, context, draft.warnings))
}

/// A stored prompt brings everything itself but its variables and what is said after it.
fn encode_prompt(
    request: &ChatRequest,
    target: &Target,
) -> Result<(WireRequest, DecodeContext, Vec<String>)> {
    let params = request.params.over(&target.defaults);
    let drop = params.drop_params.unwrap_or(target.repairs.drop_params);
    prompt::check(request, drop)?;
    let streamed = request.stream;
    let mut body = br#"{"messages":"#.to_vec();
    prompt::write_messages(request, target, &params, &mut body)?;
    if let Some(variables) = prompt::variables(&params)? {
        write_member("promptVariables", variables.bytes(), &mut body);
    }
    top_level::write(&params, streamed, &mut body)?;
    body.push(b'}');
    let headers = headers(&request.params, target, &[])?;
    let context = DecodeContext {
        base: target.model.base.clone(),
        streamed,
        response_fields: top_level::asks_for_fields(&params),
        ..DecodeContext::default()
    };
    let wire = wire_request(target, streamed, headers, body);
    Ok((wire, context, Vec::new()))
}

fn wire_request(
    target: &Target,
    streamed: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
) -> WireRequest {
    let url = if target.model.route == Route::ConverseLike {
        target.endpoint.clone()
    } else {
        converse_url(&target.endpoint, &target.model.wire, streamed)
    };
    WireRequest {
        method: Method::POST,
        url,
        headers,
        body: Bytes::from(body),
        service: "bedrock",
    }
}

/// Headers that only the connection itself sets.
const NOT_FORWARDED: [&str; 7] = [
    "anthropic-beta",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];

/// Collects the headers that the caller and the operator chose, and the betas.
fn headers(
    params: &ChatParams,
    target: &Target,
    betas: &[String],
) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let mut out: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let of_target = target.extra_headers.iter();
    let of_defaults = target.defaults.extra_headers.iter();
    for (name, value) in params
        .extra_headers
        .iter()
        .chain(of_defaults)
        .chain(of_target)
    {
        let lower = name.to_ascii_lowercase();
        if NOT_FORWARDED.contains(&lower.as_str()) {
            continue;
        }
        let (Ok(name), Ok(value)) = (
            HeaderName::try_from(lower.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) else {
            return Err(Error::bad_request(
                "extra_headers",
                format!("Invalid value for 'extra_headers': '{lower}' cannot be sent."),
            ));
        };
        if !out.iter().any(|(known, _)| *known == name) {
            out.push((name, value));
        }
    }
    if let (false, Ok(value)) = (betas.is_empty(), HeaderValue::try_from(betas.join(","))) {
        out.push((HeaderName::from_static("anthropic-beta"), value));
    }
    Ok(out)
}
