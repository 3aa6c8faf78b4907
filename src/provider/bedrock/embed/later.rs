//! `StartAsyncInvoke`: the vectors are written to S3, the answer only names the job.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_StartAsyncInvoke.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::super::invoke_model::{self, Envelope, parse};
use super::super::members::{Body, Members, as_text, invalid, missing};
use super::answer::{EmbedDecoder, Found, Piece};
use super::asked::{Asked, Encoding};
use super::{OnePerInput, Way};
use crate::canonical::{Embed, EmbedRequest, RawJson};
use crate::error::Result;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// The member of a vector's `provider_specific_fields` that names the job.
pub const INVOCATION_ARN: &str = "invocation_arn";

/// Speaks a family by `StartAsyncInvoke`: one job for each input.
#[derive(Debug, Clone, Copy)]
pub struct Later<F>(pub F);

impl<F: OnePerInput> Transformer<Embed> for Later<F> {
    fn encode(
        &self,
        request: &EmbedRequest,
        target: &Target,
    ) -> Result<Exchange<Embed>, TransformError> {
        let mut asked = Asked::new(request, target)?;
        // The one vector of the answer is empty, in whatever form.
        asked.encoding = Encoding::Unsaid;
        asked.check_repeated(asked.inputs.len())?;
        let output = output(&mut asked.members)?;
        let token = asked
            .members
            .take_either("clientRequestToken", "client_request_token")
            .map(|token| as_text("clientRequestToken", &token))
            .transpose()?;
        let envelope = Envelope::new(&request.options, &mut asked.members)?;
        let bodies = self.0.bodies(&mut asked, Way::Later)?;
        if token.is_some() && bodies.len() > 1 {
            return Err(invalid("clientRequestToken", "it stands for one input only").into());
        }
        asked.estimates = false;
        let batches = (0..bodies.len()).map(|index| vec![index]).collect();
        let requests = bodies.iter().map(|input| {
            let mut body = Body::default();
            body.value("modelId", target.model.wire.as_str());
            body.object("modelInput", input);
            body.set("outputDataConfig", output.bytes().clone());
            if let Some(token) = &token {
                body.value("clientRequestToken", token.as_str());
            }
            envelope.post_to("/async-invoke", body.write())
        });
        Ok(Exchange {
            requests: requests.collect(),
            decoder: Box::new(EmbedDecoder::new(&asked, batches, read)),
            warnings: invoke_model::fit(&mut asked.members),
        })
    }
}

/// Returns `outputDataConfig`: in AWS's words, or made of `output_s3_uri`.
fn output(members: &mut Members<'_>) -> Result<RawJson> {
    let uri = members.text("output_s3_uri")?;
    if let Some(config) = members.take("outputDataConfig") {
        return Ok(config);
    }
    let uri = uri.ok_or_else(|| missing("/embeddings", "output_s3_uri"))?;
    if !uri.starts_with("s3://") {
        return Err(invalid("output_s3_uri", "expected an s3:// URI"));
    }
    Ok(RawJson::from_value(
        &json!({"s3OutputDataConfig": {"s3Uri": uri}}),
    ))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAnswer {
    invocation_arn: String,
}

fn read(body: &Bytes) -> Result<Piece, TransformError> {
    let wire: WireAnswer = parse(body)?;
    let arn = RawJson::from_value(&wire.invocation_arn);
    let mut found = Found::plain(0, RawJson::from_value(&json!([])));
    found.fields.push((INVOCATION_ARN.to_owned(), arn));
    Ok(Piece {
        vectors: vec![found],
        ..Piece::default()
    })
}
