//! Cohere's rerank.

use bytes::Bytes;
use http::HeaderMap;

use super::read::{Members, Node};
use super::request::{Reader, check_count, each_member};
use super::{Envelope, Parsed, WholeDialect};
use crate::canonical::{Document, Ranked, RerankAnswer, RerankRequest, write_escaped};
use crate::error::Result;

/// How many documents a request may have; Bedrock takes 1000 and says so itself.
const MOST_DOCUMENTS: usize = 10_000;

/// `POST /v1/rerank`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rerank;

impl WholeDialect<crate::canonical::Rerank> for Rerank {
    fn path(&self) -> &'static str {
        "/rerank"
    }

    fn parse(&self, body: &Bytes, _headers: &HeaderMap) -> Result<Parsed<RerankRequest>> {
        let mut reader = Reader::default();
        let (mut query, mut documents) = (None, None);
        each_member(body, |name, node| {
            match name {
                "query" => {
                    query = Some(node.text()?);
                    return Ok(());
                }
                "documents" => {
                    let list = node.list_up_to(MOST_DOCUMENTS, |node| document(&node))?;
                    if list.is_empty() {
                        return Err(node.error("it must not be empty"));
                    }
                    documents = Some(list);
                    return Ok(());
                }
                "top_n" => check_count(node)?,
                "return_documents" => {
                    node.boolean()?;
                }
                _ => {}
            }
            reader.member(name, node)
        })?;
        Ok(reader.finish(|options| RerankRequest {
            query,
            documents,
            options,
        }))
    }

    fn answer(&self, answer: &RerankAnswer, envelope: &Envelope) -> Bytes {
        render(answer, envelope)
    }
}

/// Reads a string or an object; one that has nothing but a text is that text.
fn document(node: &Node<'_, '_>) -> Result<Document> {
    if node.is_string() {
        return Ok(Document::Text(node.text()?));
    }
    if !node.is_object() {
        return Err(node.expected("a string or an object"));
    }
    let Members(members) = node.members()?;
    if let [(name, raw)] = members.as_slice()
        && name == "text"
        && raw.get().starts_with('"')
    {
        let text = node.member("text", Some(raw), |node| node.text())?;
        if let Some(text) = text {
            return Ok(Document::Text(text));
        }
    }
    Ok(Document::Json(node.json()))
}

fn render(answer: &RerankAnswer, envelope: &Envelope) -> Bytes {
    let mut out = Vec::with_capacity(128 + answer.results.len() * 64);
    out.extend_from_slice(br#"{"id":"#);
    write_escaped(&envelope.id, &mut out);
    out.extend_from_slice(br#","results":["#);
    for (index, result) in answer.results.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_result(result, &mut out);
    }
    let meta = format!(
        r#"],"meta":{{"billed_units":{{"search_units":{}}},"tokens":{{}}}}}}"#,
        answer.search_units
    );
    out.extend_from_slice(meta.as_bytes());
    Bytes::from(out)
}

fn write_result(result: &Ranked, out: &mut Vec<u8>) {
    let head = format!(r#"{{"index":{},"relevance_score":"#, result.index);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(result.score.bytes());
    match &result.document {
        None => {}
        Some(Document::Text(text)) => {
            out.extend_from_slice(br#","document":{"text":"#);
            out.extend_from_slice(text.bytes());
            out.push(b'}');
        }
        Some(Document::Json(object)) => {
            out.extend_from_slice(br#","document":"#);
            out.extend_from_slice(object.bytes());
        }
    }
    out.push(b'}');
}

#[cfg(test)]
#[path = "rerank_tests.rs"]
mod tests;
