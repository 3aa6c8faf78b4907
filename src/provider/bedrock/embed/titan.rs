//! Amazon Titan's embeddings: one input for each request.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::super::inline_media::base64_of;
use super::super::invoke_model::{garbled, parse};
use super::super::members::{Body, invalid};
use super::answer::{Found, Piece, Read};
use super::asked::{Asked, plain_text};
use super::{OnePerInput, Way};
use crate::canonical::{EmbedInput, RawJson};
use crate::error::Result;
use crate::provider::TransformError;

/// Titan's models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Titan {
    /// Text, first generation.
    Text1,
    /// Text, second generation.
    Text2,
    /// Text and images.
    Image,
}

impl OnePerInput for Titan {
    fn bodies(&self, asked: &mut Asked<'_>, _way: Way) -> Result<Vec<Body>> {
        if *self == Self::Text1 {
            asked.members.refuse("dimensions");
        }
        let dimensions = asked.members.whole("dimensions")?;
        asked.members.settle()?;
        if *self == Self::Image {
            asked.find_images();
            let inputs = asked.inputs.iter().enumerate();
            let images = inputs.filter(|(_, input)| input.media.is_some());
            asked.images = Some(images.map(|(place, _)| place).collect());
        }
        let mut settings = Body::default();
        match (self, dimensions) {
            (Self::Text2, Some(dimensions)) => settings.value("dimensions", &dimensions),
            (Self::Image, Some(dimensions)) => settings.value(
                "embeddingConfig",
                &json!({ "outputEmbeddingLength": dimensions }),
            ),
            _ => {}
        }
        if *self == Self::Text2 && asked.encoding.is_said() {
            settings.value("embeddingTypes", &["float"]);
        }
        settings.lay_over(asked.members.rest());
        asked
            .inputs
            .iter()
            .map(|input| self.body(input, &settings))
            .collect()
    }

    fn reader(&self) -> Read {
        read
    }
}

impl Titan {
    fn body(self, input: &EmbedInput, settings: &Body) -> Result<Body> {
        let mut body = Body::default();
        if self == Self::Image {
            if let Some(text) = &input.text {
                body.text("inputText", text);
            }
            if let Some(media) = &input.media {
                body.set("inputImage", base64_of(media, "input")?);
            }
        } else {
            body.text("inputText", &plain_text(input)?);
        }
        body.join(settings);
        Ok(body)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAnswer<'a> {
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
    #[serde(borrow)]
    embeddings_by_type: Option<ByType<'a>>,
    input_text_token_count: Option<u64>,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ByType<'a> {
    #[serde(borrow)]
    binary: Option<&'a RawValue>,
    #[serde(borrow)]
    float: Option<&'a RawValue>,
}

fn read(body: &Bytes) -> Result<Piece, TransformError> {
    let wire: WireAnswer<'_> = parse(body)?;
    let by_type = wire.embeddings_by_type;
    let binary = by_type.as_ref().and_then(|by_type| by_type.binary);
    let float = by_type.as_ref().and_then(|by_type| by_type.float);
    let Some(values) = binary.or(float).or(wire.embedding) else {
        // A model that could not embed an input says why in place of the vector.
        return Err(match wire.message {
            Some(message) if !message.is_empty() => invalid("input", &message).into(),
            _ => garbled("the answer has no vector"),
        });
    };
    let mut found = Found::plain(0, RawJson::from_raw(body, values));
    found.kind = binary.map(|_| "binary".to_owned());
    Ok(Piece {
        vectors: vec![found],
        tokens: wire.input_text_token_count,
        guess: None,
    })
}
