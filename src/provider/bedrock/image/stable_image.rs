//! Stability's Stable Diffusion 3 and 3.5, Stable Image Core and Ultra.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html>.

use super::super::invoke_model::{self, Envelope};
use super::super::members::{Body, Members};
use super::answer::Images;
use super::params::{
    aspect_ratio, leave_to_model, refuse_all, refuse_several, required_prompt, settle_alike,
};
use super::unknown::only_generates;
use crate::canonical::{Image, ImageRequest};
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// Speaks the format of Stability's newer models.
#[derive(Debug, Clone, Copy, Default)]
pub struct StableImage;

impl Transformer<Image> for StableImage {
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
        refuse_all(&mut members, &["quality", "style"]);
        leave_to_model(&mut members, "output_format");
        let ratio = aspect_ratio(&mut members)?;
        members.settle()?;
        let mut body = Body::default();
        body.text("prompt", &prompt);
        if let Some(ratio) = ratio {
            body.value("aspect_ratio", ratio);
        }
        body.lay_over(members.rest());
        Ok(Exchange {
            requests: vec![envelope.invoke(body.write())],
            decoder: Box::new(Images),
            warnings: invoke_model::fit(&mut members),
        })
    }
}
