//! Amazon Nova's multimodal embeddings.
//!
//! <https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::inline_media::{base64_of, mime_of};
use super::super::invoke_model::parse;
use super::super::members::{Body, invalid};
use super::answer::{Found, Piece, Read};
use super::asked::Asked;
use super::{OnePerInput, Way};
use crate::canonical::{EmbedInput, Media, MediaSource, RawJson};
use crate::error::Result;
use crate::provider::TransformError;

/// What can be embedded, as the body names it.
const MODALITIES: [&str; 4] = ["text", "image", "video", "audio"];

/// The length of vectors that nobody chose.
const DIMENSION: u64 = 3072;

/// Speaks Nova's format.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nova;

impl OnePerInput for Nova {
    fn bodies(&self, asked: &mut Asked<'_>, way: Way) -> Result<Vec<Body>> {
        let members = &mut asked.members;
        let dimensions = members.whole("dimensions")?;
        members.settle()?;
        let mut settings = Body::default();
        settings.value("embeddingPurpose", "GENERIC_INDEX");
        settings.value("embeddingDimension", &dimensions.unwrap_or(DIMENSION));
        for name in ["embeddingPurpose", "embeddingDimension"] {
            if let Some(value) = members.take(name) {
                settings.set(name, value.bytes().clone());
            }
        }
        let mut given = Vec::new();
        for modality in MODALITIES {
            if let Some(object) = members.object(modality)? {
                given.push((modality, object));
            }
        }
        asked.find_images();
        let stands_alone = |(_, object): &(_, Map<String, Value>)| {
            object.contains_key("value") || object.contains_key("source")
        };
        let (task, params) = match way {
            Way::Now => ("SINGLE_EMBEDDING", "singleEmbeddingParams"),
            Way::Later => ("SEGMENTED_EMBEDDING", "segmentedEmbeddingParams"),
        };
        let mut whole = Body::default();
        whole.value("schemaVersion", "nova-multimodal-embed-v1");
        whole.value("taskType", task);
        let finish = |subject: (&'static str, Body)| {
            let mut inner = settings.clone();
            inner.object(subject.0, &subject.1);
            let mut body = whole.clone();
            body.object(params, &inner);
            body.lay_over(asked.members.rest());
            body
        };
        if let Some(place) = given.iter().position(stands_alone) {
            let (modality, object) = given.swap_remove(place);
            if asked.inputs.len() > 1 {
                return Err(invalid(modality, "it stands in place of the one input"));
            }
            let mut subject = Body::default();
            subject.lay_over_object(object);
            return Ok(vec![finish((modality, subject))]);
        }
        asked
            .inputs
            .iter()
            .map(|input| {
                let (modality, mut subject) = subject(input)?;
                let options = given.iter().find(|(known, _)| *known == modality);
                if let Some((_, options)) = options {
                    subject.lay_over_object(options.clone());
                }
                Ok(finish((modality, subject)))
            })
            .collect()
    }

    fn reader(&self) -> Read {
        read
    }
}

fn subject(input: &EmbedInput) -> Result<(&'static str, Body)> {
    let mut body = Body::default();
    let media = match (&input.text, &input.media) {
        (Some(text), None) => {
            body.text("value", text);
            body.value("truncationMode", "END");
            return Ok(("text", body));
        }
        (None, Some(media)) => media,
        _ => {
            return Err(invalid(
                "input",
                "this model embeds a text or an image, not both together",
            ));
        }
    };
    let mime = mime_of(media).unwrap_or_default();
    let (modality, format) = form(&mime);
    let is_in_s3 = matches!(media.source, MediaSource::S3 { .. });
    match modality {
        // A text may stand in S3, but nowhere else.
        "text" if is_in_s3 => body.value("truncationMode", "END"),
        "text" => return Err(invalid("input", "expected an image, a video or a sound")),
        _ => body.value("format", &format),
    }
    body.object("source", &source(media)?);
    Ok((modality, body))
}

/// Tells the modality and the format by the MIME type.
fn form(mime: &str) -> (&'static str, &str) {
    let (class, subtype) = mime.split_once('/').unwrap_or(("text", ""));
    let modality = match class {
        "image" => "image",
        "video" => "video",
        "audio" => "audio",
        _ => "text",
    };
    let format = match (class, subtype) {
        (_, "jpg") => "jpeg",
        (_, "quicktime") => "mov",
        (_, "x-matroska") => "mkv",
        (_, "x-flv") => "flv",
        (_, "x-ms-wmv") => "wmv",
        (_, "3gpp") => "3gp",
        ("audio", "mpeg") => "mp3",
        ("audio", "x-wav" | "wave" | "vnd.wave") => "wav",
        _ => subtype,
    };
    (modality, format)
}

fn source(media: &Media) -> Result<Body> {
    let mut source = Body::default();
    match &media.source {
        MediaSource::S3 { uri, bucket_owner } => {
            let mut location = json!({ "uri": uri });
            if let (Some(owner), Some(location)) = (bucket_owner, location.as_object_mut()) {
                location.insert("bucketOwner".to_owned(), json!(owner));
            }
            source.value("s3Location", &location);
        }
        _ => source.set("bytes", base64_of(media, "input")?),
    }
    Ok(source)
}

#[derive(Debug, Deserialize)]
struct WireAnswer<'a> {
    #[serde(borrow)]
    embeddings: Vec<WireVector<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireVector<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
    #[serde(borrow)]
    embedding_type: Option<&'a RawValue>,
    truncated_char_length: Option<u64>,
}

fn read(body: &Bytes) -> Result<Piece, TransformError> {
    let wire: WireAnswer<'_> = parse(body)?;
    let mut piece = Piece::default();
    for vector in wire.embeddings {
        let guess = vector
            .truncated_char_length
            .map(|length| length.div_ceil(4));
        piece.guess = guess.or(piece.guess);
        let mut found = Found::plain(0, RawJson::from_raw(body, vector.embedding));
        let kind = vector.embedding_type;
        let kind = kind.map(|kind| RawJson::from_raw(body, kind));
        found
            .fields
            .extend(kind.map(|kind| ("embeddingType".to_owned(), kind)));
        piece.vectors.push(found);
    }
    Ok(piece)
}
