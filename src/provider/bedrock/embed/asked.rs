//! What every family is asked alike: inputs, length and form of the vectors.

use std::borrow::Cow;

use super::super::inline_media::{image_in, written};
use super::super::members::{Members, invalid, missing};
use crate::canonical::{EmbedInput, EmbedRequest, RawJson, Text};
use crate::error::Result;
use crate::provider::Target;

/// How many bytes the members that inputs share may come to in all the requests that repeat them.
const MOST_REPEATED_BYTES: usize = 64 * 1024 * 1024;

/// How the client wants its vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Nothing was said: lists of numbers.
    Unsaid,
    /// Lists of numbers.
    Float,
    /// Little-endian 32-bit floats, as base64.
    Base64,
}

impl Encoding {
    /// Says whether the client named a form at all; both forms are made of floats.
    pub(super) fn is_said(self) -> bool {
        self != Self::Unsaid
    }
}

/// A request, read as far as all families agree.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// What is embedded.
    pub(super) inputs: Cow<'a, [EmbedInput]>,
    /// How the vectors are wanted.
    pub(super) encoding: Encoding,
    /// Everything else.
    pub(super) members: Members<'a>,
    /// Whether tokens that nobody counted are estimated.
    pub(super) estimates: bool,
    /// The positions of images, where the family counts them.
    pub(super) images: Option<Vec<usize>>,
    /// The positions of queries, where the family counts them.
    pub(super) queries: Option<Vec<usize>>,
}

impl<'a> Asked<'a> {
    /// Reads a request for a target.
    pub(super) fn new(request: &'a EmbedRequest, target: &'a Target) -> Result<Self> {
        let mut members = Members::new(&request.options, target)?;
        members.refuse("user");
        // Vectors come whole, whatever the client asks for.
        members.take("stream");
        let encoding = match members.text("encoding_format")?.as_deref() {
            None => Encoding::Unsaid,
            Some("float") => Encoding::Float,
            Some("base64") => Encoding::Base64,
            Some(_) => return Err(invalid("encoding_format", "expected 'float' or 'base64'")),
        };
        let of_deployment = members.take("input");
        let inputs = match (&request.input, of_deployment) {
            (Some(inputs), _) => Cow::Borrowed(inputs.as_slice()),
            (None, Some(input)) => Cow::Owned(texts(&input)?),
            (None, None) => return Err(missing("/embeddings", "input")),
        };
        Ok(Self {
            inputs,
            encoding,
            members,
            estimates: true,
            images: None,
            queries: None,
        })
    }

    /// Refuses members that so many requests would repeat too often: a body of a megabyte must not become gigabytes.
    ///
    /// # Errors
    ///
    /// The request has too many inputs for what stands beside them.
    pub(super) fn check_repeated(&self, requests: usize) -> Result<()> {
        let bytes = self.members.bytes();
        let repeated = bytes.saturating_mul(requests.saturating_sub(1));
        if repeated <= MOST_REPEATED_BYTES {
            return Ok(());
        }
        let problem = format!(
            "it makes {requests} requests, and each would repeat {bytes} bytes of other parameters; send fewer inputs \
             at a time"
        );
        Err(invalid("input", &problem))
    }

    /// Takes base64 of images for what it is, in families that embed images.
    pub(super) fn find_images(&mut self) {
        let found: Vec<_> = self
            .inputs
            .iter()
            .enumerate()
            .filter(|(_, input)| input.media.is_none())
            .filter_map(|(index, input)| Some((index, image_in(input.text.as_ref()?)?)))
            .collect();
        for (index, media) in found {
            if let Some(input) = self.inputs.to_mut().get_mut(index) {
                input.text = None;
                input.media = Some(Box::new(media));
            }
        }
    }

    /// Estimates the tokens of one input: four bytes make one.
    pub(super) fn estimate(&self, index: usize) -> u64 {
        let text = self.inputs.get(index).and_then(|input| input.text.as_ref());
        match text {
            Some(text) if self.estimates => (text.escaped().len() as u64).div_ceil(4),
            _ => 0,
        }
    }
}

/// Returns the text of an input, in families that take nothing else: what looks like media was meant as text.
pub(super) fn plain_text(input: &EmbedInput) -> Result<Text> {
    match (&input.text, &input.media) {
        (Some(text), None) => Ok(text.clone()),
        (None, Some(media)) => {
            written(media).ok_or_else(|| invalid("input", "this model embeds texts only"))
        }
        _ => Err(invalid("input", "this model embeds texts only")),
    }
}

/// Reads the input that a deployment's defaults bring: a text or several.
fn texts(input: &RawJson) -> Result<Vec<EmbedInput>> {
    if let Ok(text) = input.parse::<Text>() {
        return Ok(vec![text.into()]);
    }
    let texts: Vec<Text> = input
        .parse()
        .map_err(|_| invalid("input", "expected a string or a list of strings"))?;
    Ok(texts.into_iter().map(EmbedInput::from).collect())
}
