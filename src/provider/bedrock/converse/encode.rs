//! Canonical chat request → Converse request.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use super::decode::ConverseDecoder;
use super::prompt;
use super::request::Request;
use super::top_level::{self, write_member};
use crate::canonical::{Chat, ChatRequest};
use crate::error::{Error, Result};
use crate::provider::bedrock::chat::context::DecodeContext;
use crate::provider::bedrock::chat::{headers, metadata, warnings};
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
    let written = Request::new(request, target)?;
    let streamed = request.stream && !written.draft.must_come_whole();
    let body = written.write(streamed)?;
    let response_fields = written.asks_for_fields();
    let mut warnings = written.draft.warnings;
    let toolbox = written.draft.toolbox;
    let betas = &toolbox.header_betas;
    let headers = headers::collect(&request.params, target, betas, &mut warnings)?;
    let context = DecodeContext {
        is_llama: target.model.is_meta(),
        response_fields,
        ..toolbox.context()
    };
    let wire = wire_request(target, streamed, headers, body);
    Ok((wire, context, warnings::fit(warnings)))
}

/// A stored prompt brings everything itself but its variables and what is said after it.
fn encode_prompt(
    request: &ChatRequest,
    target: &Target,
) -> Result<(WireRequest, DecodeContext, Vec<String>)> {
    let mut warnings = Vec::new();
    let mut params = request.params.over(&target.defaults);
    metadata::leave_to_operator(&mut params, target, &mut warnings);
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
    let headers = headers::collect(&request.params, target, &[], &mut warnings)?;
    let context = DecodeContext {
        response_fields: top_level::asks_for_fields(&params),
        ..DecodeContext::default()
    };
    let wire = wire_request(target, streamed, headers, body);
    Ok((wire, context, warnings))
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
