//! Rerank: a question and documents in, the documents' positions by relevance out.

use std::convert::Infallible;

use super::{Operation, Options, RawJson, Text};

/// The rerank operation.
#[derive(Debug, Clone, Copy)]
pub struct Rerank;

impl Operation for Rerank {
    type Request = RerankRequest;
    type Answer = RerankAnswer;
    /// Results are never streamed.
    type Chunk = Infallible;
}

/// One rerank request.
#[derive(Debug, Clone, Default)]
pub struct RerankRequest {
    /// The question; `None` when the client sent none, which a deployment's defaults may bring.
    pub query: Option<Text>,
    /// The documents, in order; `None` as above.
    pub documents: Option<Vec<Document>>,
    /// Everything else the client asked for: `top_n`, `return_documents`, and what is for the model.
    pub options: Options,
}

/// One document.
#[derive(Debug, Clone)]
pub enum Document {
    /// A text: a string, or an object with nothing but `text`.
    Text(Text),
    /// An object, as written.
    Json(RawJson),
}

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct RerankAnswer {
    /// The results, the most relevant first.
    pub results: Vec<Ranked>,
    /// How many searches are charged.
    pub search_units: u64,
}

/// One document's place.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// The document's position in the request.
    pub index: u64,
    /// How relevant it is, as the model wrote the number.
    pub score: RawJson,
    /// The document, where the client wants it back.
    pub document: Option<Document>,
}
