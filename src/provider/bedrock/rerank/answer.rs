//! Results → canonical, with the documents that the client wants back.

use serde_json::value::RawValue;

use super::super::invoke_model::garbled;
use super::asked::Asked;
use crate::canonical::{Document, Ranked, RawJson};
use crate::provider::TransformError;

/// The documents of a request, kept if the client wants them back, and how many there are.
#[derive(Debug)]
pub(super) struct Documents {
    count: u64,
    kept: Option<Vec<Document>>,
}

impl Documents {
    /// Keeps what the answer needs of a request.
    pub(super) fn of(asked: &Asked<'_>) -> Self {
        Self {
            count: asked.documents.len() as u64,
            kept: asked.returns_documents.then(|| asked.documents.clone()),
        }
    }

    /// Makes a result of what the model says of one document.
    pub(super) fn ranked(&self, index: u64, score: &RawValue) -> Result<Ranked, TransformError> {
        if index >= self.count {
            return Err(garbled("a result names a document that was not sent"));
        }
        let kept = self.kept.as_ref();
        Ok(Ranked {
            index,
            score: RawJson::from_value(score),
            document: kept
                .zip(usize::try_from(index).ok())
                .and_then(|(kept, index)| kept.get(index).cloned()),
        })
    }
}
