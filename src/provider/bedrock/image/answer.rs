//! Answers with images → canonical.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::invoke_model::{garbled, never_streams, parse};
use crate::canonical::{Image, ImageAnswer, Text};
use crate::error::{Error, ErrorKind};
use crate::provider::{Decoded, Decoder, TransformError, WireAnswer};

/// Reads the answer of every family but Stable Diffusion XL.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Images;

/// Reads the answer of Stable Diffusion XL.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Artifacts;

#[derive(Debug, Deserialize)]
struct WireImages<'a> {
    #[serde(borrow, default)]
    images: Vec<&'a RawValue>,
    /// Stability: why an image was not made, one for each.
    #[serde(default)]
    finish_reasons: Option<Vec<Option<String>>>,
    /// Stability's services that change images.
    #[serde(default)]
    errors: Option<Vec<String>>,
    /// Amazon: why some or all images are missing.
    #[serde(default)]
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WireArtifacts<'a> {
    #[serde(borrow)]
    artifacts: Vec<Artifact<'a>>,
}

#[derive(Debug, Deserialize)]
struct Artifact<'a> {
    #[serde(borrow)]
    base64: Option<&'a RawValue>,
    #[serde(rename = "finishReason")]
    finish_reason: Option<String>,
}

/// Beginnings and words of what models say when they refuse a prompt or an image for its content.
const FILTERED: [&str; 4] = [
    "filter reason",
    "content filter",
    "responsible ai",
    "this request has been blocked",
];

/// Makes the error of an image that was not made.
fn refused(reason: &str) -> TransformError {
    let lower = reason.to_ascii_lowercase();
    let kind = if FILTERED.iter().any(|words| lower.contains(words)) {
        ErrorKind::ContentPolicy
    } else {
        ErrorKind::BadRequest
    };
    Error::new(kind, reason).into()
}

fn picture(body: &Bytes, raw: &RawValue) -> Result<Text, TransformError> {
    Text::from_raw(body, raw).ok_or_else(|| garbled("an image of the answer is no base64"))
}

fn only<'a, 'b>(answers: &'b [WireAnswer<'a>]) -> Result<&'b WireAnswer<'a>, TransformError> {
    match answers {
        [answer] => Ok(answer),
        _ => Err(garbled("the request has no answer")),
    }
}

impl Decoder<Image> for Images {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Image>, TransformError> {
        let body = &only(answers)?.body;
        let wire: WireImages<'_> = parse(body)?;
        let reasons: Vec<String> = wire
            .finish_reasons
            .into_iter()
            .flatten()
            .flatten()
            .chain(wire.errors.into_iter().flatten())
            .collect();
        if !reasons.is_empty() {
            return Err(refused(&reasons.join("; ")));
        }
        if wire.images.is_empty() {
            return Err(match wire.error {
                Some(error) if !error.is_empty() => refused(&error),
                _ => garbled("the answer has no images"),
            });
        }
        let images = wire.images.iter().map(|image| picture(body, image));
        Ok(Decoded::Answer(ImageAnswer {
            images: images.collect::<Result<_, _>>()?,
        }))
    }

    never_streams!(Image);
}

impl Decoder<Image> for Artifacts {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Image>, TransformError> {
        let body = &only(answers)?.body;
        let wire: WireArtifacts<'_> = parse(body)?;
        let mut images = Vec::with_capacity(wire.artifacts.len());
        for artifact in &wire.artifacts {
            match artifact.finish_reason.as_deref() {
                Some("CONTENT_FILTERED") => {
                    return Err(refused("Filter reason: CONTENT_FILTERED"));
                }
                Some("ERROR") => {
                    return Err(Error::new(
                        ErrorKind::ModelFault,
                        "the model failed while it made the image",
                    )
                    .into());
                }
                _ => {}
            }
            let image = artifact
                .base64
                .ok_or_else(|| garbled("an image of the answer is missing"))?;
            images.push(picture(body, image)?);
        }
        if images.is_empty() {
            return Err(garbled("the answer has no images"));
        }
        Ok(Decoded::Answer(ImageAnswer { images }))
    }

    never_streams!(Image);
}
