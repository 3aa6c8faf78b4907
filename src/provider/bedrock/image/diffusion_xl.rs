//! Stability's Stable Diffusion XL.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-diffusion-1-0-text-image.html>.

use serde_json::json;

use super::super::invoke_model::{self, Envelope};
use super::super::members::{Body, Members};
use super::answer::Artifacts;
use super::params::{refuse_all, refuse_several, required_prompt, settle_alike, size};
use super::unknown::only_generates;
use crate::canonical::{Image, ImageRequest};
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// Speaks Stable Diffusion XL's format.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiffusionXl;

impl Transformer<Image> for DiffusionXl {
    fn encode(
        &self,
        request: &ImageRequest,
        target: &Target,
    ) -> Result<Exchange<Image>, TransformError> {
        if request.edit.is_some() {
            return Err(only_generates());
        }
        let mut members = Members::new(&request.options, target)?;
        let envelope = Envelope::new(&request.options, &mut members)?;
        let prompt = required_prompt(request, &mut members)?;
        settle_alike(&mut members)?;
        refuse_several(&mut members)?;
        refuse_all(&mut members, &["quality", "style", "output_format"]);
        let size = size(&mut members)?;
        members.settle()?;
        let mut body = Body::default();
        let text = prompt.decoded().replace("\r\n", "\n").replace('\n', " ");
        body.value("text_prompts", &json!([{"text": text, "weight": 1}]));
        if let Some((width, height)) = size {
            body.value("width", &width);
            body.value("height", &height);
        }
        body.lay_over(members.rest());
        Ok(Exchange {
            requests: vec![envelope.invoke(body.write())],
            decoder: Box::new(Artifacts),
            warnings: invoke_model::fit(&mut members),
        })
    }
}
