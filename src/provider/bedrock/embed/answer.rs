//! Answers with vectors → canonical, in the order of the inputs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::super::invoke_model::{garbled, input_tokens, never_streams};
use super::asked::{Asked, Encoding};
use crate::canonical::{Embed, EmbedAnswer, RawJson, Usage, Vector, VectorValues};
use crate::provider::{Decoded, Decoder, TransformError, WireAnswer};

/// Reads one answer in a family's own JSON.
pub(super) type Read = fn(&Bytes) -> Result<Piece, TransformError>;

/// What one answer holds.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Its vectors.
    pub(super) vectors: Vec<Found>,
    /// Input tokens, if the model counted them.
    pub(super) tokens: Option<u64>,
    /// A better guess at the input tokens than the length of the input.
    pub(super) guess: Option<u64>,
}

/// One vector of an answer.
#[derive(Debug)]
pub(super) struct Found {
    /// The position of its input among those of its request.
    pub(super) slot: usize,
    /// The numbers, a JSON list.
    pub(super) values: RawJson,
    /// What kind of numbers, where the model gives several.
    pub(super) kind: Option<String>,
    /// What else the model says of the vector.
    pub(super) fields: Vec<(String, RawJson)>,
}

impl Found {
    /// A vector of which nothing is said.
    pub(super) fn plain(slot: usize, values: RawJson) -> Self {
        Self {
            slot,
            values,
            kind: None,
            fields: Vec::new(),
        }
    }
}

/// Reads the answers of one call.
#[derive(Debug)]
pub(super) struct EmbedDecoder {
    /// Which inputs each request carried.
    batches: Vec<Vec<usize>>,
    /// Tokens of each request, estimated.
    estimates: Vec<u64>,
    read: Read,
    encoding: Encoding,
    images: Option<Vec<usize>>,
    queries: Option<Vec<usize>>,
}

impl EmbedDecoder {
    /// Reads the answers to requests that carried these inputs.
    pub(super) fn new(asked: &Asked<'_>, batches: Vec<Vec<usize>>, read: Read) -> Self {
        let estimates = batches
            .iter()
            .map(|batch| batch.iter().map(|index| asked.estimate(*index)).sum())
            .collect();
        Self {
            batches,
            estimates,
            read,
            encoding: asked.encoding,
            images: asked.images.clone(),
            queries: asked.queries.clone(),
        }
    }

    fn vectors(&self, batch: &[usize], found: Vec<Found>) -> Result<Vec<Vector>, TransformError> {
        let mut is_there = vec![false; batch.len()];
        let mut vectors = Vec::with_capacity(found.len());
        for found in found {
            let (Some(index), Some(there)) = (batch.get(found.slot), is_there.get_mut(found.slot))
            else {
                return Err(garbled(
                    "the answer has more vectors than there were inputs",
                ));
            };
            *there = true;
            vectors.push(Vector {
                index: *index,
                values: values(found.values, found.kind.as_deref(), self.encoding)?,
                kind: found.kind,
                provider_fields: found.fields,
            });
        }
        if is_there.contains(&false) {
            return Err(garbled(
                "the answer has fewer vectors than there were inputs",
            ));
        }
        Ok(vectors)
    }
}

fn count(places: Option<&Vec<usize>>) -> Option<u64> {
    places.map(|places| places.len() as u64)
}

/// Brings a vector into the form that the client wants. Kinds that are no floats have no other form than a list.
fn values(
    values: RawJson,
    kind: Option<&str>,
    encoding: Encoding,
) -> Result<VectorValues, TransformError> {
    let is_integers = matches!(kind, Some("int8" | "uint8" | "binary" | "ubinary"));
    if encoding != Encoding::Base64 || is_integers {
        if !values.get().starts_with('[') {
            return Err(garbled("a vector of the answer is no list"));
        }
        return Ok(VectorValues::Numbers(values));
    }
    let floats: Vec<f32> = values
        .parse()
        .map_err(|_| garbled("a vector of the answer is no list of numbers"))?;
    let bytes: Vec<u8> = floats
        .iter()
        .flat_map(|float| float.to_le_bytes())
        .collect();
    Ok(VectorValues::Base64(STANDARD.encode(bytes)))
}

impl Decoder<Embed> for EmbedDecoder {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Embed>, TransformError> {
        if answers.len() != self.batches.len() {
            return Err(garbled("some requests of the call have no answer"));
        }
        let mut vectors = Vec::new();
        let mut tokens = 0_u64;
        let requests = self.batches.iter().zip(&self.estimates);
        for ((batch, estimate), answer) in requests.zip(answers) {
            let piece = (self.read)(&answer.body)?;
            let counted = piece.tokens.or_else(|| input_tokens(answer));
            tokens = tokens.saturating_add(counted.or(piece.guess).unwrap_or(*estimate));
            vectors.append(&mut self.vectors(batch, piece.vectors)?);
        }
        Vector::put_in_order(&mut vectors);
        Ok(Decoded::Answer(EmbedAnswer {
            vectors,
            usage: Usage {
                input_tokens: tokens,
                ..Usage::default()
            },
            images: count(self.images.as_ref()),
            queries: count(self.queries.as_ref()),
            image_inputs: self.images.take().unwrap_or_default(),
            query_inputs: self.queries.take().unwrap_or_default(),
        }))
    }

    never_streams!(Embed);
}
