//! Stability's services that change images: upscale, inpaint, erase, recolour, restyle, …
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/stable-image-services.html>.

use super::super::inline_media::base64_of;
use super::super::invoke_model::{self, Envelope};
use super::super::members::{Body, Members, missing};
use super::answer::Images;
use super::params::{
    aspect_ratio, leave_to_model, prompt, refuse_all, refuse_several, settle_alike,
};
use super::unknown::only_edits;
use crate::canonical::{Image, ImageEdit, ImageRequest};
use crate::error::Result;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// Parameters that are whole numbers; a form writes them as text.
const WHOLE: [&str; 5] = ["left", "right", "up", "down", "seed"];

/// Parameters that are numbers.
const NUMBERS: [&str; 8] = [
    "strength",
    "creativity",
    "control_strength",
    "grow_mask",
    "fidelity",
    "composition_fidelity",
    "style_strength",
    "change_strength",
];

/// Speaks the format of Stability's services.
#[derive(Debug, Clone, Copy, Default)]
pub struct StabilityEdits;

impl Transformer<Image> for StabilityEdits {
    fn encode(
        &self,
        request: &ImageRequest,
        target: &Target,
    ) -> Result<Exchange<Image>, TransformError> {
        let Some(edit) = &request.edit else {
            return Err(only_edits());
        };
        let mut members = Members::new(&request.options, target)?;
        let envelope = Envelope::new(&request.options, &mut members)?;
        let prompt = prompt(request, &mut members)?;
        settle_alike(&mut members)?;
        refuse_several(&mut members)?;
        refuse_all(&mut members, &["quality", "style"]);
        leave_to_model(&mut members, "output_format");
        let ratio = aspect_ratio(&mut members)?;
        members.settle()?;
        let mut body = Body::default();
        body.value("output_format", "png");
        if let Some(prompt) = prompt {
            body.text("prompt", &prompt);
        }
        put_images(edit, target, &mut body)?;
        if let Some(ratio) = ratio {
            body.value("aspect_ratio", ratio);
        }
        for name in WHOLE {
            if let Some(number) = members.whole(name)? {
                body.value(name, &number);
            }
        }
        for name in NUMBERS {
            if let Some(number) = members.number(name)? {
                body.value(name, &number);
            }
        }
        body.lay_over(members.rest());
        Ok(Exchange {
            requests: vec![envelope.invoke(body.write())],
            decoder: Box::new(Images),
            warnings: invoke_model::fit(&mut members),
        })
    }
}

/// Puts in the image, the mask, and the image whose style is taken over (the second one where it has no name).
fn put_images(edit: &ImageEdit, target: &Target, body: &mut Body) -> Result<()> {
    let transfers_style = target.model.base.contains("style-transfer");
    let name = if transfers_style {
        "init_image"
    } else {
        "image"
    };
    let mut images = edit.images.iter();
    let first = images
        .next()
        .ok_or_else(|| missing("/images/edits", "image"))?;
    body.set(name, base64_of(first, "image")?);
    if let Some(mask) = &edit.mask {
        body.set("mask", base64_of(mask, "mask")?);
    }
    let second = images.next().filter(|_| transfers_style);
    if let Some(style) = edit.style.as_deref().or(second) {
        body.set("style_image", base64_of(style, "style_image")?);
    }
    Ok(())
}
