//! `TwelveLabs` Pegasus: a question about a video.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-pegasus.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::envelope::{garbled, parse};
use super::said::{Said, stop, text};
use super::text_model::{Asked, TextModel, Write, set_text};
use super::transcript::{Speaker, Words};
use crate::canonical::{Content, Media, MediaSource, PartKind, RawJson, ResponseFormat};
use crate::error::{Error, Result};
use crate::provider::TransformError;
use crate::provider::bedrock::chat::Wire;
use crate::provider::bedrock::chat::blocks::BlockSource;
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::bedrock::chat::media;

/// Pegasus.
pub(crate) const PEGASUS: TextModel = TextModel {
    words: Words {
        media: true,
        ..Words::TEXT
    },
    not_sent: &NOT_SENT,
    ..TextModel::new(
        &[
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "response_format",
        ],
        Write::MayRefuse(write),
        read,
    )
};

/// Members that say where the video is, in the order in which they count.
const OBJECTS: [&str; 2] = ["mediaSource", "media_source"];
const BASE64: [&str; 2] = ["video_base64", "base64_string"];
const URIS: [&str; 2] = ["video_s3_uri", "s3_uri"];
const OWNERS: [&str; 3] = ["video_s3_bucket_owner", "s3_bucket_owner", "bucket_owner"];

/// Members that are read here and are no part of the body.
const NOT_SENT: [&str; 8] = [
    "media_source",
    "video_base64",
    "base64_string",
    "video_s3_uri",
    "s3_uri",
    "video_s3_bucket_owner",
    "s3_bucket_owner",
    "bucket_owner",
];

fn write(asked: &Asked<'_>, fields: &mut Fields) -> Result<()> {
    set_text("inputPrompt", &prompt(asked), fields);
    asked.set_sampling(
        &[
            ("max_tokens", "maxOutputTokens"),
            ("temperature", "temperature"),
        ],
        fields,
    );
    if let Some(ResponseFormat::JsonSchema(format)) = &asked.params.response_format {
        fields.set_value(
            "responseFormat",
            &json!({"jsonSchema": format.schema.to_value()}),
        );
    }
    if let Some(source) = source(asked)? {
        fields.set("mediaSource", source);
    }
    Ok(())
}

/// Lines of who says what; a single question goes as it is.
fn prompt(asked: &Asked<'_>) -> String {
    if let [only] = asked.lines.as_slice()
        && only.speaker == Speaker::User
    {
        return only.text.clone();
    }
    let lines: Vec<String> = asked
        .lines
        .iter()
        .map(|line| {
            let role = match line.speaker {
                Speaker::System => "system",
                Speaker::Assistant => "assistant",
                Speaker::User | Speaker::Tool => "user",
            };
            format!("{role}: {}", line.text)
        })
        .collect();
    lines.join("\n")
}

/// Finds the video: in members of the request, else in the last message that has one.
fn source(asked: &Asked<'_>) -> Result<Option<RawJson>> {
    let params = asked.params;
    let first = |names: &[&str]| names.iter().find_map(|name| params.extra(name)).cloned();
    if let Some(object) = first(&OBJECTS) {
        return Ok(Some(object));
    }
    if let Some(data) = first(&BASE64) {
        return Ok(Some(RawJson::from_value(
            &json!({"base64String": data.to_value()}),
        )));
    }
    if let Some(uri) = first(&URIS) {
        let owner = first(&OWNERS).map(|owner| owner.to_value());
        return Ok(Some(in_s3(&uri.to_value(), owner)));
    }
    let parts = asked
        .request
        .messages
        .iter()
        .rev()
        .filter_map(|message| match &message.content {
            Content::Parts(parts) => Some(parts.iter().rev()),
            Content::Absent | Content::Text(_) => None,
        });
    let mut videos = parts.flatten().filter_map(|part| match &part.kind {
        PartKind::Media(media) => Some(media),
        _ => None,
    });
    videos.next().map(|media| of_part(media)).transpose()
}

fn in_s3(uri: &Value, owner: Option<Value>) -> RawJson {
    let mut location = json!({ "uri": uri });
    if let (Some(owner), Value::Object(location)) = (owner, &mut location) {
        location.insert("bucketOwner".to_owned(), owner);
    }
    RawJson::from_value(&json!({ "s3Location": location }))
}

fn of_part(given: &Media) -> Result<RawJson> {
    if let MediaSource::S3 { uri, bucket_owner } = &given.source {
        return Ok(in_s3(
            &json!(uri),
            bucket_owner.as_ref().map(|owner| json!(owner)),
        ));
    }
    let block = media::block(given, Wire::Converse)?;
    match (&block.source, block.member) {
        (BlockSource::Bytes { text, from }, "video") => {
            let written = text.escaped().get(*from..).unwrap_or_default();
            let data: String = serde_json::from_str(&format!("\"{written}\""))
                .unwrap_or_else(|_| written.to_owned());
            Ok(RawJson::from_value(&json!({ "base64String": data })))
        }
        _ => Err(Error::bad_request(
            "messages",
            "Invalid Message: this model is sent one video: its bytes, or its place in S3.",
        )),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    finish_reason: Option<String>,
}

fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    let answer: Answer<'_> = parse(body)?;
    if is_whole && answer.message.is_none() {
        return Err(garbled("the answer is not what Pegasus answers"));
    }
    Ok(Said {
        text: text(body, answer.message),
        stop: answer.finish_reason.as_deref().map(|reason| match reason {
            "length" => stop("length", reason),
            _ => stop("stop", reason),
        }),
        ..Said::default()
    })
}
