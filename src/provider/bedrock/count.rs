//! Bedrock's `CountTokens`, and the estimate that stands in for it.
//!
//! Claude is counted by the body that `InvokeModel` would get, which is exact for tools, images and thinking; other models by
//! Converse's. Only foundation models can be counted, whatever the deployment's own id.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use super::chat::{headers, warnings};
use super::converse::Request;
use super::invoke::body_to_count;
use super::model_id::names_a_model;
use super::url::model_url;
use crate::canonical::{ChatRequest, Count, CountAnswer, CountSource, Media, MediaSource};
use crate::catalog::{Tokenizer, estimate};
use crate::error::{Error, ErrorKind};
use crate::provider::{
    Decoded, Decoder, Exchange, Target, TransformError, Transformer, WireAnswer, WireEvent,
    WireRequest,
};

/// Counts the tokens of chat requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountTokens;

/// Returns the gateway's own estimate, for where Bedrock cannot be asked or does not answer.
pub fn estimated(request: &ChatRequest, target: &Target) -> CountAnswer {
    CountAnswer {
        input_tokens: estimate(request, Tokenizer::of(&target.model.base)),
        source: CountSource::Estimate,
    }
}

impl Transformer<Count> for CountTokens {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Count>, TransformError> {
        let model = &target.model;
        if !names_a_model(&model.base) {
            let what = "Bedrock counts the tokens of foundation models only".to_owned();
            return Err(TransformError::Unsupported(what));
        }
        let is_remote = |media: &Media| matches!(media.source, MediaSource::Url(_));
        if request.media().any(is_remote) {
            let what = "media that was not fetched cannot be counted by Bedrock".to_owned();
            return Err(TransformError::Unsupported(what));
        }
        let mut warnings = Vec::new();
        let body = if model.is_claude() {
            let counted = STANDARD.encode(body_to_count(request, target)?);
            format!(r#"{{"input":{{"invokeModel":{{"body":"{counted}"}}}}}}"#).into_bytes()
        } else {
            by_converse(request, target, &mut warnings)?
        };
        let headers = headers::collect(&request.params, target, &[], &mut warnings)?;
        Ok(Exchange {
            requests: vec![WireRequest {
                method: Method::POST,
                url: model_url(&target.endpoint, &model.base, "count-tokens"),
                headers,
                body: Bytes::from(body),
                service: "bedrock",
            }],
            decoder: Box::new(CountDecoder),
            warnings: warnings::fit(warnings),
        })
    }
}

fn by_converse(
    request: &ChatRequest,
    target: &Target,
    warnings: &mut Vec<String>,
) -> Result<Vec<u8>, Error> {
    let mut request = request.clone();
    // A limit is not counted, but some formats want one.
    request.params.max_tokens.get_or_insert(1024);
    let written = Request::new(&request, target)?;
    let mut out = br#"{"input":{"converse":"#.to_vec();
    out.append(&mut written.write_counted());
    out.extend_from_slice(b"}}");
    warnings.extend(written.draft.warnings);
    Ok(out)
}

/// Reads the count.
#[derive(Debug)]
struct CountDecoder;

impl Decoder<Count> for CountDecoder {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Count>, TransformError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Reply {
            input_tokens: u64,
        }
        let body = answers.first().map(|answer| &answer.body);
        let reply: Reply = serde_json::from_slice(body.map_or(&[], |body| body.as_ref()))
            .map_err(|error| garbled().with_source(error))?;
        Ok(Decoded::Answer(CountAnswer {
            input_tokens: reply.input_tokens,
            source: CountSource::Provider,
        }))
    }

    fn event(
        &mut self,
        _event: WireEvent<'_>,
        _out: &mut Vec<std::convert::Infallible>,
    ) -> Result<(), TransformError> {
        Err(garbled().into())
    }

    fn end(&mut self, _out: &mut Vec<std::convert::Infallible>) -> Result<(), TransformError> {
        Err(garbled().into())
    }

    fn chunks(&mut self, _answer: CountAnswer) -> Vec<std::convert::Infallible> {
        Vec::new()
    }
}

fn garbled() -> Error {
    Error::new(ErrorKind::Garbled, "the answer is not a count of tokens")
}
