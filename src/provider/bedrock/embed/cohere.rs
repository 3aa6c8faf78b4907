//! Cohere Embed: many inputs in one request, texts and images apart.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::inline_media::data_url_of;
use super::super::invoke_model::{self, Envelope, parse};
use super::super::members::{Body, invalid};
use super::super::model_id::names_a_model;
use super::answer::{EmbedDecoder, Found, Piece};
use super::asked::Asked;
use crate::canonical::{Embed, EmbedInput, EmbedRequest, RawJson};
use crate::error::Result;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// How many texts one request may have.
const MOST_TEXTS: usize = 96;

/// Speaks Cohere's format.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cohere;

/// What a request is made of; AWS takes one kind at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Texts,
    Images,
    /// Texts with their images, which only version 4 knows.
    Mixed,
}

impl Kind {
    fn of(input: &EmbedInput) -> Self {
        match (&input.text, &input.media) {
            (Some(_), Some(_)) => Self::Mixed,
            (None, Some(_)) => Self::Images,
            _ => Self::Texts,
        }
    }
}

impl Transformer<Embed> for Cohere {
    fn encode(
        &self,
        request: &EmbedRequest,
        target: &Target,
    ) -> Result<Exchange<Embed>, TransformError> {
        let mut asked = Asked::new(request, target)?;
        let envelope = Envelope::new(&request.options, &mut asked.members)?;
        let base = target.model.base.as_str();
        let is_old = names_a_model(base) && !base.starts_with("cohere.embed-v4");
        if is_old {
            asked.members.refuse("dimensions");
        }
        let dimensions = asked.members.whole("dimensions")?;
        asked.members.settle()?;
        asked.find_images();
        let mut settings = Body::default();
        settings.value("input_type", "search_document");
        if let Some(dimensions) = dimensions {
            settings.value("output_dimension", &dimensions);
        }
        if asked.encoding.is_said() {
            settings.value("embedding_types", &["float"]);
        }
        settings.lay_over(asked.members.rest());

        let mut batches = Vec::new();
        let mut requests = Vec::new();
        let divided = batches_of(&asked.inputs, is_old);
        asked.check_repeated(divided.len())?;
        for (kind, batch) in divided {
            let body = body(kind, &batch, &asked.inputs, &settings, is_old)?;
            requests.push(envelope.invoke(body.write()));
            batches.push(batch);
        }
        Ok(Exchange {
            requests,
            decoder: Box::new(EmbedDecoder::new(&asked, batches, read)),
            warnings: invoke_model::fit(&mut asked.members),
        })
    }
}

/// Divides the inputs by kind, and into as many as a request may have: of images, older models take one.
fn batches_of(inputs: &[EmbedInput], is_old: bool) -> Vec<(Kind, Vec<usize>)> {
    let mut out = Vec::new();
    for kind in [Kind::Texts, Kind::Images, Kind::Mixed] {
        let of_kind: Vec<usize> = (inputs.iter().enumerate())
            .filter(|(_, input)| Kind::of(input) == kind)
            .map(|(index, _)| index)
            .collect();
        let most = match kind {
            Kind::Images if is_old => 1,
            _ => MOST_TEXTS,
        };
        out.extend(of_kind.chunks(most).map(|batch| (kind, batch.to_vec())));
    }
    out
}

fn body(
    kind: Kind,
    batch: &[usize],
    inputs: &[EmbedInput],
    settings: &Body,
    is_old: bool,
) -> Result<Body> {
    let mut body = Body::default();
    let of_batch = batch.iter().filter_map(|index| inputs.get(*index));
    let (name, values): (_, Vec<Bytes>) = match kind {
        Kind::Texts => (
            "texts",
            of_batch
                .filter_map(|input| Some(input.text.as_ref()?.bytes().clone()))
                .collect(),
        ),
        Kind::Images => (
            "images",
            of_batch
                .filter_map(|input| input.media.as_ref())
                .map(|media| data_url_of(media, "input"))
                .collect::<Result<_>>()?,
        ),
        Kind::Mixed if is_old => {
            return Err(invalid(
                "input",
                "this model embeds a text or an image, not both together",
            ));
        }
        Kind::Mixed => ("inputs", of_batch.map(mixed).collect::<Result<_>>()?),
    };
    body.set(name, list(&values));
    body.join(settings);
    if kind == Kind::Images {
        body.value("input_type", "image");
    }
    Ok(body)
}

/// Writes a text with its image as the parts of one input.
fn mixed(input: &EmbedInput) -> Result<Bytes> {
    let mut parts = Vec::new();
    if let Some(text) = &input.text {
        let mut part = Body::default();
        part.value("type", "text");
        part.text("text", text);
        parts.push(Bytes::from(part.write()));
    }
    if let Some(media) = &input.media {
        let mut part = Body::default();
        part.value("type", "image_url");
        part.set("image_url", data_url_of(media, "input")?);
        parts.push(Bytes::from(part.write()));
    }
    let mut content = Body::default();
    content.set("content", list(&parts));
    Ok(Bytes::from(content.write()))
}

fn list(values: &[Bytes]) -> Bytes {
    let size: usize = values.iter().map(|value| value.len() + 1).sum();
    let mut out = Vec::with_capacity(size + 2);
    out.push(b'[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value);
    }
    out.push(b']');
    Bytes::from(out)
}

#[derive(Debug, Deserialize)]
struct WireAnswer<'a> {
    #[serde(borrow)]
    embeddings: &'a RawValue,
}

/// Kinds of vectors, in the order in which they are given back.
#[derive(Debug, Deserialize)]
struct ByType<'a> {
    #[serde(borrow)]
    float: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    int8: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    uint8: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    binary: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    ubinary: Option<Vec<&'a RawValue>>,
}

fn read(body: &Bytes) -> Result<Piece, TransformError> {
    let wire: WireAnswer<'_> = parse(body)?;
    let embeddings = RawJson::from_raw(body, wire.embeddings);
    let found = |list: Vec<&RawValue>, kind: Option<&str>| {
        list.into_iter()
            .enumerate()
            .map(|(slot, values)| {
                let mut found = Found::plain(slot, RawJson::from_raw(body, values));
                found.kind = kind.map(str::to_owned);
                found
            })
            .collect::<Vec<_>>()
    };
    let vectors = if embeddings.get().starts_with('[') {
        found(parse(embeddings.bytes())?, None)
    } else {
        let by_type: ByType<'_> = parse(embeddings.bytes())?;
        let kinds = [
            ("float", by_type.float),
            ("int8", by_type.int8),
            ("uint8", by_type.uint8),
            ("binary", by_type.binary),
            ("ubinary", by_type.ubinary),
        ];
        kinds
            .into_iter()
            .flat_map(|(kind, list)| found(list.unwrap_or_default(), Some(kind)))
            .collect()
    };
    Ok(Piece {
        vectors,
        ..Piece::default()
    })
}
