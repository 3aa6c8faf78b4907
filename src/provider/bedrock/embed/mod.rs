//! Embeddings by `InvokeModel`, and by `StartAsyncInvoke` where a model takes media that are too large to wait for.
//!
//! One file for each family. Families that embed one input at a time implement `OnePerInput` and are spoken at once
//! ([`Now`]) or later ([`Later`]); Cohere takes many inputs in one request and has a transformer of its own.

mod answer;
mod asked;
mod cohere;
mod later;
mod marengo;
mod nova;
mod titan;
mod unknown;

use super::family::Family;
use super::invoke_model::{self, Envelope};
use super::members::Body;
use super::model_id::{ModelId, names_a_model};
use crate::canonical::{Embed, EmbedRequest};
use crate::error::Result;
use crate::provider::{Exchange, Target, TransformError, Transformer};
use answer::{EmbedDecoder, Read};
use asked::Asked;

pub use cohere::Cohere;
pub use later::{INVOCATION_ARN, Later};
pub use marengo::Marengo;
pub use nova::Nova;
pub use titan::Titan;
pub use unknown::{NotAsync, Unknown};

/// Whose format an embeddings body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbedFamily {
    /// Amazon Titan text, first generation.
    TitanText1,
    /// Amazon Titan text, second generation.
    TitanText2,
    /// Amazon Titan, text and images.
    TitanImage,
    /// Cohere Embed.
    Cohere,
    /// Amazon Nova, text and media.
    Nova,
    /// `TwelveLabs` Marengo 2.
    Marengo2,
    /// `TwelveLabs` Marengo 3.
    Marengo3,
}

impl EmbedFamily {
    /// Tells the family by the base model; of a name that tells nothing, by the vendor that stands in front of it.
    pub fn of(model: &ModelId) -> Option<Self> {
        const BASES: [(&str, EmbedFamily); 8] = [
            ("amazon.titan-embed-image", EmbedFamily::TitanImage),
            ("amazon.titan-embed-text-v2", EmbedFamily::TitanText2),
            ("amazon.titan-embed", EmbedFamily::TitanText1),
            ("cohere.embed", EmbedFamily::Cohere),
            ("amazon.nova-2-multimodal-embeddings", EmbedFamily::Nova),
            ("amazon.nova", EmbedFamily::Nova),
            ("twelvelabs.marengo-embed-2", EmbedFamily::Marengo2),
            ("twelvelabs.marengo", EmbedFamily::Marengo3),
        ];
        let base = model.base.as_str();
        if let Some((_, family)) = BASES.iter().find(|(start, _)| base.starts_with(start)) {
            return Some(*family);
        }
        if names_a_model(base) {
            return None;
        }
        match model.family? {
            Family::Titan => Some(Self::TitanText2),
            Family::Cohere => Some(Self::Cohere),
            Family::Nova => Some(Self::Nova),
            Family::Pegasus => Some(Self::Marengo3),
            _ => None,
        }
    }
}

/// When a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// At once, by `InvokeModel`.
    Now,
    /// Later, into S3, by `StartAsyncInvoke`.
    Later,
}

/// A family that embeds one input at a time.
trait OnePerInput: std::fmt::Debug + Send + Sync {
    /// Writes the bodies, one for each input.
    fn bodies(&self, asked: &mut Asked<'_>, way: Way) -> Result<Vec<Body>>;
    /// Returns what reads one answer.
    fn reader(&self) -> Read;
}

/// Speaks a family by `InvokeModel`: one request for each input, all of them at once.
#[derive(Debug, Clone, Copy)]
pub struct Now<F>(pub F);

impl<F: OnePerInput> Transformer<Embed> for Now<F> {
    fn encode(
        &self,
        request: &EmbedRequest,
        target: &Target,
    ) -> Result<Exchange<Embed>, TransformError> {
        let mut asked = Asked::new(request, target)?;
        let envelope = Envelope::new(&request.options, &mut asked.members)?;
        asked.check_repeated(asked.inputs.len())?;
        let bodies = self.0.bodies(&mut asked, Way::Now)?;
        let batches = (0..bodies.len()).map(|index| vec![index]).collect();
        Ok(Exchange {
            requests: bodies
                .iter()
                .map(|body| envelope.invoke(body.write()))
                .collect(),
            decoder: Box::new(EmbedDecoder::new(&asked, batches, self.0.reader())),
            warnings: invoke_model::fit(&mut asked.members),
        })
    }
}

/// Titan text, first generation.
pub static TITAN_TEXT_1: Now<Titan> = Now(Titan::Text1);
/// Titan text, second generation.
pub static TITAN_TEXT_2: Now<Titan> = Now(Titan::Text2);
/// Titan, text and images.
pub static TITAN_IMAGE: Now<Titan> = Now(Titan::Image);
/// Nova.
pub static NOVA: Now<Nova> = Now(Nova);
/// Nova, later.
pub static NOVA_LATER: Later<Nova> = Later(Nova);
/// Marengo 2.
pub static MARENGO_2: Now<Marengo> = Now(Marengo::Two);
/// Marengo 2, later.
pub static MARENGO_2_LATER: Later<Marengo> = Later(Marengo::Two);
/// Marengo 3.
pub static MARENGO_3: Now<Marengo> = Now(Marengo::Three);
/// Marengo 3, later.
pub static MARENGO_3_LATER: Later<Marengo> = Later(Marengo::Three);

#[cfg(test)]
#[path = "embed_tests.rs"]
mod tests;
