//! What both APIs are asked alike.

use super::super::members::{Members, as_text, invalid, missing};
use crate::canonical::{Document, RawJson, RerankRequest, Text};
use crate::error::Result;
use crate::provider::Target;

const ROUTE: &str = "/rerank";

/// A request, read as far as both APIs agree.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// The question.
    pub(super) query: Text,
    /// The documents.
    pub(super) documents: Vec<Document>,
    /// How many results are wanted.
    pub(super) top_n: u64,
    /// Whether the documents are wanted back.
    pub(super) returns_documents: bool,
    /// Everything else.
    pub(super) members: Members<'a>,
}

impl<'a> Asked<'a> {
    /// Reads a request for a target.
    pub(super) fn new(request: &RerankRequest, target: &'a Target) -> Result<Self> {
        let mut members = Members::new(&request.options, target)?;
        members.take("stream");
        let (query, documents) = (members.take("query"), members.take("documents"));
        let query = match (&request.query, query) {
            (Some(query), _) => query.clone(),
            (None, Some(query)) => Text::new(&as_text("query", &query)?),
            (None, None) => return Err(missing(ROUTE, "query")),
        };
        let documents = match (&request.documents, documents) {
            (Some(documents), _) => documents.clone(),
            (None, Some(documents)) => of_deployment(&documents)?,
            (None, None) => return Err(missing(ROUTE, "documents")),
        };
        let top_n = members.whole("top_n")?;
        if top_n == Some(0) {
            return Err(invalid("top_n", "it must be at least 1"));
        }
        let returns_documents = members.switch("return_documents")?.unwrap_or(false);
        members.settle()?;
        Ok(Self {
            query,
            top_n: top_n.unwrap_or(documents.len() as u64),
            documents,
            returns_documents,
            members,
        })
    }
}

/// Reads the documents that a deployment's defaults bring.
fn of_deployment(documents: &RawJson) -> Result<Vec<Document>> {
    let documents: Vec<RawJson> = documents
        .parse()
        .map_err(|_| invalid("documents", "expected a list"))?;
    Ok(documents
        .into_iter()
        .map(|document| match document.parse::<Text>() {
            Ok(text) => Document::Text(text),
            Err(_) => Document::Json(document),
        })
        .collect())
}
