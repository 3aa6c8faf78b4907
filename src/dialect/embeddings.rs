//! OpenAI's embeddings.
//!
//! An input is a string, a list of strings, the numbers of tokens in OpenAI's encoding, or Portkey's objects with a text
//! and an image. Strings that are base64 data URLs or addresses in S3 are media; what a model makes of them is decided
//! where its request is written.

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::media::{find, inline, located};
use super::read::Node;
use super::request::{Reader, check_count, each_member};
use super::tokens::list_of;
use super::{Envelope, Parsed, WholeDialect};
use crate::canonical::{
    Embed, EmbedAnswer, EmbedInput, EmbedRequest, Media, MediaKind, ObjectWriter, Vector,
    VectorValues, write_escaped,
};
use crate::error::Result;

/// How many inputs a request may have.
///
/// Source: <https://platform.openai.com/docs/api-reference/embeddings/create>.
const MOST_INPUTS: usize = 2048;

/// `POST /v1/embeddings`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Embeddings;

impl WholeDialect<Embed> for Embeddings {
    fn path(&self) -> &'static str {
        "/embeddings"
    }

    fn parse(&self, body: &Bytes, _headers: &HeaderMap) -> Result<Parsed<EmbedRequest>> {
        let mut reader = Reader::default();
        let mut input = None;
        each_member(body, |name, node| {
            match name {
                "input" => {
                    input = Some(inputs(node)?);
                    return Ok(());
                }
                "dimensions" => check_count(node)?,
                "encoding_format" => check_encoding(node)?,
                // Elsewhere it only steers the gateway; embeddings models are known to refuse it.
                "user" => {
                    reader.options.set(name, node.json());
                    return Ok(());
                }
                _ => {}
            }
            reader.member(name, node)
        })?;
        Ok(reader.finish(|options| EmbedRequest { input, options }))
    }

    fn answer(&self, answer: &EmbedAnswer, envelope: &Envelope) -> Bytes {
        render(answer, envelope)
    }
}

fn check_encoding(node: &Node<'_, '_>) -> Result<()> {
    match &*node.string()? {
        "float" | "base64" => Ok(()),
        _ => Err(node.error("expected 'float' or 'base64'")),
    }
}

fn inputs(node: &Node<'_, '_>) -> Result<Vec<EmbedInput>> {
    if !node.is_list() {
        return Ok(vec![one(node)?]);
    }
    list_of(node, MOST_INPUTS, one)
}

fn one(node: &Node<'_, '_>) -> Result<EmbedInput> {
    if node.is_object() {
        return with_image(node);
    }
    let text = node
        .text()
        .map_err(|_| node.expected("a string, the numbers of tokens, or an object"))?;
    let is_media = ["data:", "s3:"]
        .iter()
        .any(|scheme| text.escaped().starts_with(scheme));
    match is_media.then(|| find(node, MediaKind::File)).transpose()? {
        Some(Some(media)) => Ok(EmbedInput {
            text: None,
            media: Some(Box::new(media)),
        }),
        _ => Ok(text.into()),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireInput<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    image: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct WireImage<'a> {
    #[serde(borrow)]
    base64: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
}

/// Reads Portkey's `{"text", "image": {"base64"} or {"url"}}`.
fn with_image(node: &Node<'_, '_>) -> Result<EmbedInput> {
    let wire: WireInput<'_> = node.object()?;
    let text = node.member("text", wire.text, |node| node.text())?;
    let media = node.member("image", wire.image, |node| image(&node))?;
    if text.is_none() && media.is_none() {
        return Err(node.error("it must have a text or an image"));
    }
    Ok(EmbedInput {
        text,
        media: media.map(Box::new),
    })
}

fn image(node: &Node<'_, '_>) -> Result<Media> {
    let kind = MediaKind::Image;
    if node.is_string() {
        return inline(node, kind);
    }
    let wire: WireImage<'_> = node.object()?;
    if let Some(media) = node.member("base64", wire.base64, |node| inline(&node, kind))? {
        return Ok(media);
    }
    node.member("url", wire.url, |node| located(&node, kind))?
        .ok_or_else(|| node.error("it must have base64 or url"))
}

fn render(answer: &EmbedAnswer, envelope: &Envelope) -> Bytes {
    let numbers: usize = answer.vectors.iter().map(|vector| size(vector) + 64).sum();
    let mut out = Vec::with_capacity(numbers + 256);
    out.extend_from_slice(br#"{"object":"list","data":["#);
    for (index, vector) in answer.vectors.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_vector(vector, &mut out);
    }
    out.extend_from_slice(br#"],"model":"#);
    write_escaped(&envelope.model, &mut out);
    let (prompt, total) = (answer.usage.prompt_tokens(), answer.usage.total_tokens());
    let usage = format!(r#","usage":{{"prompt_tokens":{prompt},"total_tokens":{total}"#);
    out.extend_from_slice(usage.as_bytes());
    let counts = [
        ("image_count", answer.images),
        ("query_count", answer.queries),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter_map(|(name, count)| count.map(|count| format!(r#""{name}":{count}"#)))
        .collect();
    if !counts.is_empty() {
        let details = format!(r#","prompt_tokens_details":{{{}}}"#, counts.join(","));
        out.extend_from_slice(details.as_bytes());
    }
    out.extend_from_slice(b"}}");
    Bytes::from(out)
}

fn size(vector: &Vector) -> usize {
    match &vector.values {
        VectorValues::Numbers(numbers) => numbers.bytes().len(),
        VectorValues::Base64(text) => text.len(),
    }
}

fn write_vector(vector: &Vector, out: &mut Vec<u8>) {
    let head = format!(
        r#"{{"object":"embedding","index":{},"embedding":"#,
        vector.index
    );
    out.extend_from_slice(head.as_bytes());
    match &vector.values {
        VectorValues::Numbers(numbers) => out.extend_from_slice(numbers.bytes()),
        VectorValues::Base64(text) => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
    }
    if let Some(kind) = &vector.kind {
        out.extend_from_slice(br#","type":"#);
        write_escaped(kind, out);
    }
    if !vector.provider_fields.is_empty() {
        out.extend_from_slice(br#","provider_specific_fields":"#);
        let mut object = ObjectWriter::open(out);
        for (name, value) in &vector.provider_fields {
            object.member(name).extend_from_slice(value.bytes());
        }
        object.close();
    }
    out.push(b'}');
}

#[cfg(test)]
#[path = "embeddings_tests.rs"]
mod tests;
