//! `TwelveLabs` Marengo.
//!
//! Version 2 has its input at the top of the body, version 3 in an object that is named for the kind of input. Text and
//! images are embedded at once, videos and sounds only later.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-marengo.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-marengo-3.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::inline_media::{base64_of, mime_of, written};
use super::super::invoke_model::{garbled, parse};
use super::super::members::{Body, as_text, invalid, missing};
use super::answer::{Found, Piece, Read};
use super::asked::Asked;
use super::{OnePerInput, Way};
use crate::canonical::{EmbedInput, Media, MediaSource, ParamMap, RawJson, Text};
use crate::error::Result;
use crate::provider::TransformError;

/// Marengo's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marengo {
    /// 2.7.
    Two,
    /// 3.0.
    Three,
}

/// Members that only version 2 knows.
const ONLY_IN_TWO: [&str; 4] = [
    "textTruncate",
    "lengthSec",
    "useFixedLengthSec",
    "minClipSec",
];

/// Members of version 3 that stand beside a video's or sound's source.
const BESIDE_MEDIA: [&str; 6] = [
    "startSec",
    "endSec",
    "segmentation",
    "embeddingOption",
    "embeddingType",
    "embeddingScope",
];

/// Kinds of inputs that both versions know, and those that only version 3 does.
const KINDS: [&str; 4] = ["text", "image", "video", "audio"];
const KINDS_OF_THREE: [&str; 2] = ["text_image", "multi_input"];

/// What the client says of its inputs.
#[derive(Debug)]
struct Said {
    kind: Option<String>,
    bucket_owner: Option<String>,
    media_source: Option<RawJson>,
    media_sources: Option<RawJson>,
    beside_media: ParamMap,
}

impl OnePerInput for Marengo {
    fn bodies(&self, asked: &mut Asked<'_>, way: Way) -> Result<Vec<Body>> {
        let members = &mut asked.members;
        members.refuse("dimensions");
        if *self == Self::Three {
            for name in ONLY_IN_TWO {
                members.refuse(name);
            }
        }
        members.settle()?;
        let said = Said {
            kind: members
                .take_either("inputType", "input_type")
                .map(|kind| as_text("input_type", &kind))
                .transpose()?,
            bucket_owner: members
                .take_either("bucketOwner", "bucket_owner")
                .map(|owner| as_text("bucketOwner", &owner))
                .transpose()?,
            media_source: members.take_either("mediaSource", "media_source"),
            media_sources: members.take_either("mediaSources", "media_sources"),
            beside_media: if *self == Self::Three {
                let beside = BESIDE_MEDIA.iter();
                beside
                    .filter_map(|name| Some(((*name).to_owned(), members.take(name)?)))
                    .collect()
            } else {
                ParamMap::new()
            },
        };
        asked.find_images();
        asked.estimates = false;
        let (mut images, mut queries) = (Vec::new(), Vec::new());
        let mut bodies = Vec::with_capacity(asked.inputs.len());
        for (place, input) in asked.inputs.iter().enumerate() {
            let kind = self.kind_of(input, &said)?;
            if way == Way::Now && matches!(kind, "video" | "audio") {
                return Err(invalid(
                    "input",
                    "videos and sounds are embedded by a deployment with `async_invoke/` in its model only",
                ));
            }
            match kind {
                "text" => queries.push(place),
                "image" => images.push(place),
                _ => {}
            }
            let mut body = match self {
                Self::Two => of_two(kind, input, &said)?,
                Self::Three => of_three(kind, input, &said)?,
            };
            body.lay_over(asked.members.rest());
            bodies.push(body);
        }
        asked.images = (!images.is_empty()).then_some(images);
        asked.queries = (!queries.is_empty()).then_some(queries);
        Ok(bodies)
    }

    fn reader(&self) -> Read {
        read
    }
}

impl Marengo {
    /// Tells what an input is: as the client says, else by what it looks like.
    fn kind_of(self, input: &EmbedInput, said: &Said) -> Result<&'static str> {
        if let Some(kind) = &said.kind {
            let of_three: &[&'static str] = if self == Self::Three {
                &KINDS_OF_THREE
            } else {
                &[]
            };
            let known = KINDS.iter().chain(of_three).find(|known| *known == kind);
            return known.copied().ok_or_else(|| {
                let known: Vec<&str> = KINDS.iter().chain(of_three).copied().collect();
                invalid(
                    "input_type",
                    &format!("expected one of {}", known.join(", ")),
                )
            });
        }
        match (&input.text, &input.media) {
            (Some(_), Some(_)) if self == Self::Three => Ok("text_image"),
            (Some(_), Some(_)) => Err(invalid(
                "input",
                "this model embeds a text or an image, not both together",
            )),
            (_, Some(media)) => {
                let mime = mime_of(media).unwrap_or_default();
                let class = mime.split('/').next().unwrap_or_default();
                let kind = KINDS.iter().find(|kind| **kind == class && class != "text");
                kind.copied().ok_or_else(|| {
                    invalid(
                        "input_type",
                        "say whether the input is an image, a video or audio",
                    )
                })
            }
            _ => Ok("text"),
        }
    }
}

/// Returns the text of an input that the client calls a text.
fn text_of(input: &EmbedInput) -> Result<Text> {
    let of_media = || input.media.as_deref().and_then(written);
    (input.text.clone().or_else(of_media)).ok_or_else(|| invalid("input", "expected a text"))
}

fn of_two(kind: &'static str, input: &EmbedInput, said: &Said) -> Result<Body> {
    let mut body = Body::default();
    body.value("inputType", kind);
    if kind == "text" {
        body.text("inputText", &text_of(input)?);
        body.value("textTruncate", "end");
    } else {
        body.set("mediaSource", own_source(input, said, false)?);
    }
    Ok(body)
}

fn of_three(kind: &'static str, input: &EmbedInput, said: &Said) -> Result<Body> {
    let mut inner = Body::default();
    match kind {
        "text" => inner.text("inputText", &text_of(input)?),
        "image" => inner.set("mediaSource", own_source(input, said, true)?),
        "text_image" => {
            inner.text("inputText", &text_of(input)?);
            let source = match (&said.media_source, &input.media) {
                (Some(source), _) => stated_source(source, said)?,
                (None, Some(media)) => source_of(media, said, true)?,
                (None, None) => return Err(missing("/embeddings", "media_source")),
            };
            inner.set("mediaSource", source);
        }
        "multi_input" => {
            if let Some(text) = input.text.as_ref().filter(|text| !text.is_empty()) {
                inner.text("inputText", text);
            }
            inner.set("mediaSources", several_sources(said)?);
        }
        _ => {
            inner.set("mediaSource", own_source(input, said, true)?);
            inner.lay_over(&said.beside_media);
        }
    }
    let mut body = Body::default();
    body.value("inputType", kind);
    body.object(kind, &inner);
    if !matches!(kind, "video" | "audio") {
        body.lay_over(&said.beside_media);
    }
    Ok(body)
}

/// Writes the source of an input that is media: as the client states it, or the input itself.
fn own_source(input: &EmbedInput, said: &Said, needs_owner: bool) -> Result<Bytes> {
    if let Some(source) = &said.media_source {
        return stated_source(source, said);
    }
    match (&input.media, &input.text) {
        (Some(media), _) => source_of(media, said, needs_owner),
        // Base64 of a format that does not tell itself.
        (None, Some(text)) => Ok(wrapped("base64String", text.bytes().clone())),
        (None, None) => Err(invalid("input", "expected media")),
    }
}

fn source_of(media: &Media, said: &Said, needs_owner: bool) -> Result<Bytes> {
    match &media.source {
        MediaSource::S3 { uri, bucket_owner } => {
            let owner = bucket_owner.as_ref().or(said.bucket_owner.as_ref());
            s3_source(uri, owner, needs_owner)
        }
        _ => Ok(wrapped("base64String", base64_of(media, "input")?)),
    }
}

fn s3_source(uri: &str, owner: Option<&String>, needs_owner: bool) -> Result<Bytes> {
    let mut location = json!({ "uri": uri });
    match (owner, location.as_object_mut()) {
        (Some(owner), Some(location)) => {
            location.insert("bucketOwner".to_owned(), json!(owner));
        }
        (None, _) if needs_owner => return Err(missing("/embeddings", "bucketOwner")),
        _ => {}
    }
    Ok(wrapped(
        "s3Location",
        RawJson::from_value(&location).bytes().clone(),
    ))
}

/// Reads `media_source`: in the model's own words, or a string that says where the media are.
fn stated_source(source: &RawJson, said: &Said) -> Result<Bytes> {
    match source.to_value() {
        Value::Object(_) => Ok(source.bytes().clone()),
        Value::String(text) if text.starts_with("s3://") => {
            s3_source(&text, said.bucket_owner.as_ref(), true)
        }
        Value::String(text) => {
            let base64 = match text.split_once(',') {
                Some((head, base64)) if head.starts_with("data:") => base64,
                _ => &text,
            };
            Ok(wrapped("base64String", Text::new(base64).bytes().clone()))
        }
        _ => Err(invalid("media_source", "expected a string or an object")),
    }
}

fn several_sources(said: &Said) -> Result<Bytes> {
    let Some(sources) = &said.media_sources else {
        return Err(missing("/embeddings", "media_sources"));
    };
    let problem = || invalid("media_sources", "expected a list of objects");
    let Value::Array(mut sources) = sources.to_value() else {
        return Err(problem());
    };
    for source in &mut sources {
        let source = source.as_object_mut().ok_or_else(problem)?;
        source.entry("mediaType").or_insert_with(|| json!("image"));
    }
    Ok(RawJson::from_value(&sources).bytes().clone())
}

fn wrapped(name: &'static str, value: Bytes) -> Bytes {
    let mut body = Body::default();
    body.set(name, value);
    Bytes::from(body.write())
}

#[derive(Debug, Deserialize)]
struct WireAnswer<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
    #[serde(borrow)]
    embeddings: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireVector<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
    #[serde(borrow)]
    embedding_option: Option<&'a RawValue>,
    #[serde(borrow)]
    embedding_type: Option<&'a RawValue>,
    #[serde(borrow)]
    embedding_scope: Option<&'a RawValue>,
    #[serde(borrow)]
    start_sec: Option<&'a RawValue>,
    #[serde(borrow)]
    end_sec: Option<&'a RawValue>,
}

fn read(body: &Bytes) -> Result<Piece, TransformError> {
    let wire: WireAnswer<'_> = parse(body)?;
    let data = wire.data.map(|data| RawJson::from_raw(body, data));
    let vectors = match (&data, wire.embedding, wire.embeddings) {
        // A list, or the one object that would be in it.
        (Some(data), ..) if data.get().starts_with('[') => {
            let list: Vec<WireVector<'_>> = parse(data.bytes())?;
            list.iter().map(|vector| found(body, vector)).collect()
        }
        (Some(data), ..) => vec![found(body, &parse(data.bytes())?)],
        (None, Some(values), _) => vec![Found::plain(0, RawJson::from_raw(body, values))],
        (None, None, Some(list)) => list
            .into_iter()
            .map(|values| entry(body, values))
            .collect::<Result<_, _>>()?,
        (None, None, None) => return Err(garbled("the answer has no vector")),
    };
    Ok(Piece {
        vectors,
        ..Piece::default()
    })
}

/// Reads an element of `embeddings`: a vector, or an object that has one.
fn entry(body: &Bytes, value: &RawValue) -> Result<Found, TransformError> {
    let value = RawJson::from_raw(body, value);
    if value.get().starts_with('[') {
        return Ok(Found::plain(0, value));
    }
    Ok(found(body, &parse(value.bytes())?))
}

fn found(body: &Bytes, vector: &WireVector<'_>) -> Found {
    let mut found = Found::plain(0, RawJson::from_raw(body, vector.embedding));
    let fields = [
        ("embeddingOption", vector.embedding_option),
        ("embeddingType", vector.embedding_type),
        ("embeddingScope", vector.embedding_scope),
        ("startSec", vector.start_sec),
        ("endSec", vector.end_sec),
    ];
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| value.get() != "null") {
            found
                .fields
                .push((name.to_owned(), RawJson::from_raw(body, value)));
        }
    }
    found
}
