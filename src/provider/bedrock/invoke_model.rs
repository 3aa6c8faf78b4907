//! What `InvokeModel` requests of embeddings, image and rerank models have around their bodies, and what Bedrock itself
//! says of their answers.
//!
//! Guardrails, latency, tiers and metadata travel in headers.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use super::chat::{headers, warnings};
use super::invoke::envelope;
pub(super) use super::invoke::envelope::{garbled, parse};
use super::members::Members;
use super::url::invoke_url;
use crate::canonical::{ChatParams, Options};
use crate::error::Result;
use crate::provider::{Target, TransformError, WireAnswer, WireRequest};

type Headers = Vec<(HeaderName, HeaderValue)>;

/// What all requests of one call have in common.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    target: &'a Target,
    headers: Headers,
}

impl<'a> Envelope<'a> {
    /// Takes out of the members what travels in headers.
    pub(super) fn new(options: &Options, members: &mut Members<'a>) -> Result<Self> {
        let mut own = Vec::new();
        if let Some(guardrail) = members.guardrail.take() {
            envelope::guardrail_headers(&guardrail, &mut own, &mut members.warnings)?;
        }
        service_headers(members, &mut own)?;
        let callers = ChatParams {
            extra_headers: options.extra_headers.clone(),
            ..ChatParams::default()
        };
        let target = members.target;
        let mut headers = headers::collect(&callers, target, &[], &mut members.warnings)?;
        headers.retain(|(name, _)| !own.iter().any(|(known, _)| known == name));
        headers.append(&mut own);
        Ok(Self { target, headers })
    }

    /// Makes the request that carries `body` to the model.
    pub(super) fn invoke(&self, body: Vec<u8>) -> WireRequest {
        let target = self.target;
        self.post(
            invoke_url(&target.endpoint, &target.model.wire, false),
            body,
        )
    }

    /// Makes a request to another address of the same endpoint.
    pub(super) fn post_to(&self, path: &str, body: Vec<u8>) -> WireRequest {
        self.post(format!("{}{path}", self.target.endpoint), body)
    }

    fn post(&self, url: String, body: Vec<u8>) -> WireRequest {
        WireRequest {
            method: Method::POST,
            url,
            headers: self.headers.clone(),
            body: Bytes::from(body),
            service: "bedrock",
        }
    }
}

/// Ends a call's warnings: few, short, and each said once.
pub(super) fn fit(members: &mut Members<'_>) -> Vec<String> {
    warnings::fit(std::mem::take(&mut members.warnings))
}

/// Latency, tier and metadata.
fn service_headers(members: &mut Members<'_>, out: &mut Headers) -> Result<()> {
    let mut params = ChatParams::default();
    for name in [
        "performanceConfig",
        "serviceTier",
        "service_tier",
        "requestMetadata",
    ] {
        let value = members.take(name).map(|value| (name.to_owned(), value));
        params.extra.extend(value);
    }
    envelope::service_headers(&params, out)
}

/// Returns the input tokens that Bedrock counted.
pub(super) fn input_tokens(answer: &WireAnswer<'_>) -> Option<u64> {
    let value = answer.headers.get("x-amzn-bedrock-input-token-count")?;
    value.to_str().ok()?.trim().parse().ok()
}

/// Says that an answer which was not asked for as a stream cannot be read as one.
pub(super) fn not_a_stream() -> TransformError {
    garbled("the answer came as a stream, which this operation has not")
}

/// Answers of operations without streams are read by [`crate::provider::Decoder::whole`] alone.
macro_rules! never_streams {
    ($operation:ty) => {
        fn event(
            &mut self,
            _event: $crate::provider::WireEvent<'_>,
            _out: &mut Vec<<$operation as $crate::canonical::Operation>::Chunk>,
        ) -> Result<(), $crate::provider::TransformError> {
            Err($crate::provider::bedrock::invoke_model::not_a_stream())
        }

        fn end(
            &mut self,
            _out: &mut Vec<<$operation as $crate::canonical::Operation>::Chunk>,
        ) -> Result<(), $crate::provider::TransformError> {
            Err($crate::provider::bedrock::invoke_model::not_a_stream())
        }

        fn chunks(
            &mut self,
            _answer: <$operation as $crate::canonical::Operation>::Answer,
        ) -> Vec<<$operation as $crate::canonical::Operation>::Chunk> {
            Vec::new()
        }
    };
}

pub(super) use never_streams;
