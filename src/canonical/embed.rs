//! Embeddings: inputs in, one vector (or several kinds of vectors) for each out.

use std::convert::Infallible;

use super::{Media, Operation, Options, RawJson, Text, Usage};

/// The embeddings operation.
#[derive(Debug, Clone, Copy)]
pub struct Embed;

impl Operation for Embed {
    type Request = EmbedRequest;
    type Answer = EmbedAnswer;
    /// Vectors are never streamed.
    type Chunk = Infallible;
}

/// One embeddings request.
#[derive(Debug, Clone, Default)]
pub struct EmbedRequest {
    /// What is embedded, in order; `None` when the client sent no `input`, which a deployment's defaults may bring.
    pub input: Option<Vec<EmbedInput>>,
    /// Everything else the client asked for.
    pub options: Options,
}

/// One thing that becomes a vector: a text, or media, or both together.
#[derive(Debug, Clone, Default)]
pub struct EmbedInput {
    /// Its text.
    pub text: Option<Text>,
    /// Its image, video or sound.
    pub media: Option<Box<Media>>,
}

impl From<Text> for EmbedInput {
    fn from(text: Text) -> Self {
        Self {
            text: Some(text),
            media: None,
        }
    }
}

impl EmbedRequest {
    /// Returns all media, in order.
    pub fn media(&self) -> impl Iterator<Item = &Media> {
        (self.input.iter().flatten()).filter_map(|input| input.media.as_deref())
    }

    /// Returns the media that must be fetched before the request can be encoded, in order.
    pub fn remote_media(&mut self) -> Vec<&mut Media> {
        self.input
            .iter_mut()
            .flatten()
            .filter_map(|input| input.media.as_deref_mut())
            .filter(|media| media.is_remote())
            .collect()
    }
}

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct EmbedAnswer {
    /// The vectors, in the order of the inputs.
    pub vectors: Vec<Vector>,
    /// Input tokens.
    pub usage: Usage,
    /// How many images were embedded; counted only by models that charge for them.
    pub images: Option<u64>,
    /// How many queries were embedded; counted only by models that charge by the query.
    pub queries: Option<u64>,
    /// The positions of the inputs that were counted as images, in ascending order.
    pub image_inputs: Vec<usize>,
    /// The positions of those that were counted as queries, in ascending order.
    pub query_inputs: Vec<usize>,
}

/// One vector.
#[derive(Debug, Clone)]
pub struct Vector {
    /// The position of its input.
    pub index: usize,
    /// Its numbers.
    pub values: VectorValues,
    /// What kind of vector it is (`float`, `int8`, …), where the model gives several.
    pub kind: Option<String>,
    /// Members that have no place in OpenAI's shape, for `provider_specific_fields`, as written.
    pub provider_fields: Vec<(String, RawJson)>,
}

impl Vector {
    /// Puts vectors in the order of their inputs; where there are several kinds, each kind is a list of its own.
    pub fn put_in_order(vectors: &mut [Self]) {
        let mut kinds: Vec<Option<String>> = Vec::new();
        for vector in vectors.iter() {
            if !kinds.contains(&vector.kind) {
                kinds.push(vector.kind.clone());
            }
        }
        vectors.sort_by_key(|vector| {
            let kind = kinds.iter().position(|kind| *kind == vector.kind);
            (kind, vector.index)
        });
    }
}

/// The numbers of a vector.
#[derive(Debug, Clone)]
pub enum VectorValues {
    /// A JSON list, as the model wrote it.
    Numbers(RawJson),
    /// Little-endian 32-bit floats, as base64.
    Base64(String),
}
