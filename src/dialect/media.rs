//! Images, documents, videos and sounds in a message → canonical.
//!
//! Clients write them as data URLs, addresses, bare base64 or Anthropic sources. Base64 text stays where it is in the
//! body; whether it is base64 at all is Bedrock's to say.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::part::{WirePart, required};
use super::read::Node;
use crate::canonical::{Media, MediaKind, MediaSource, Text};
use crate::error::Result;

/// Reads the media of a part whose type is `kind`; `None` when that is not a type of media.
pub(super) fn media(node: &Node<'_, '_>, kind: &str, wire: &WirePart<'_>) -> Result<Option<Media>> {
    Ok(Some(match kind {
        "image_url" => required(node, "image_url", wire.image_url, |node| {
            reference(&node, MediaKind::Image)
        })?,
        // The Responses' parts: an address, and a file that stands flat.
        "input_image" => {
            let mut media = required(node, "image_url", wire.image_url, |node| {
                reference(&node, MediaKind::Image)
            })?;
            let detail = node.member("detail", words(wire.detail), |node| node.owned())?;
            media.detail = detail.or(media.detail);
            media
        }
        "input_file" => file(node)?,
        "video_url" => required(node, "video_url", wire.video_url, |node| {
            reference(&node, MediaKind::Video)
        })?,
        "file" => required(node, "file", wire.file, |node| file(&node))?,
        "input_audio" => required(node, "input_audio", wire.input_audio, |node| audio(&node))?,
        "image" => anthropic(node, MediaKind::Image, wire)?,
        "document" => anthropic(node, MediaKind::Document, wire)?,
        _ => return Ok(None),
    }))
}

/// Leaves out what is no string: most models cannot be told it anyway.
fn words(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get().starts_with('"'))
}

fn blank(kind: MediaKind, source: MediaSource) -> Media {
    Media {
        kind,
        source,
        format: None,
        mime: None,
        filename: None,
        title: None,
        context: None,
        citations: false,
        detail: None,
        fetched_from: None,
    }
}

/// The members of `image_url`, `video_url`, `file` and `input_audio` together.
#[derive(Debug, Default, Deserialize)]
struct WireReference<'a> {
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    file_id: Option<&'a RawValue>,
    #[serde(borrow)]
    file_data: Option<&'a RawValue>,
    #[serde(borrow)]
    file_url: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
    #[serde(borrow)]
    mime_type: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    filename: Option<&'a RawValue>,
    #[serde(borrow)]
    file_name: Option<&'a RawValue>,
    #[serde(borrow, rename = "bucketOwner")]
    bucket_owner: Option<&'a RawValue>,
    #[serde(borrow, rename = "bucket_owner")]
    bucket_owner_snake: Option<&'a RawValue>,
}

fn reference(node: &Node<'_, '_>, kind: MediaKind) -> Result<Media> {
    if node.is_string() {
        return located(node, kind);
    }
    let wire: WireReference<'_> = node.object()?;
    let mut media = required(node, "url", wire.url, |node| located(&node, kind))?;
    describe(node, &wire, &mut media)?;
    Ok(media)
}

fn file(node: &Node<'_, '_>) -> Result<Media> {
    let wire: WireReference<'_> = node.object()?;
    let kind = MediaKind::File;
    let mut media = if wire.file_id.is_some() {
        required(node, "file_id", wire.file_id, |node| located(&node, kind))?
    } else if wire.file_data.is_some() {
        required(node, "file_data", wire.file_data, |node| {
            inline(&node, kind)
        })?
    } else {
        required(node, "file_url", wire.file_url, |node| located(&node, kind))
            .map_err(|_| node.error("it must have file_data, file_id or file_url"))?
    };
    describe(node, &wire, &mut media)?;
    Ok(media)
}

fn audio(node: &Node<'_, '_>) -> Result<Media> {
    let wire: WireReference<'_> = node.object()?;
    let mut media = required(node, "data", wire.data, |node| {
        inline(&node, MediaKind::Audio)
    })?;
    describe(node, &wire, &mut media)?;
    Ok(media)
}

/// Notes what the client says of the media's format, name and owner.
fn describe(node: &Node<'_, '_>, wire: &WireReference<'_>, media: &mut Media) -> Result<()> {
    let format = node.member("format", wire.format, |node| node.owned())?;
    let mime = node.member("mime_type", wire.mime_type, |node| node.owned())?;
    media.format = format.or(mime).filter(|format| !format.is_empty());
    media.detail = node.member("detail", words(wire.detail), |node| node.owned())?;
    media.filename = match node.member("filename", wire.filename, |node| node.owned())? {
        Some(name) => Some(name),
        None => node.member("file_name", wire.file_name, |node| node.owned())?,
    };
    if let MediaSource::S3 { bucket_owner, .. } = &mut media.source {
        let raw = wire.bucket_owner.or(wire.bucket_owner_snake);
        *bucket_owner = node.member("bucketOwner", raw, |node| node.owned())?;
    }
    Ok(())
}

/// Reads a string that says where media is: `data:`, `http(s)://` or `s3://`.
pub(super) fn located(node: &Node<'_, '_>, kind: MediaKind) -> Result<Media> {
    find(node, kind)?.ok_or_else(|| {
        node.error("expected a data: URL with base64, an http(s):// address or an s3:// URI")
    })
}

/// Reads a string that holds media: base64, or any of the ways to say where it is.
pub(super) fn inline(node: &Node<'_, '_>, kind: MediaKind) -> Result<Media> {
    if let Some(media) = find(node, kind)? {
        return Ok(media);
    }
    let data = node.text()?;
    let head = data.escaped().as_bytes();
    if head.is_empty() || head.starts_with(b"data:") {
        return Err(node.error("expected base64"));
    }
    Ok(blank(kind, MediaSource::Base64(data)))
}

/// Reads a string that says where media is; `None` for any other string.
pub(super) fn find(node: &Node<'_, '_>, kind: MediaKind) -> Result<Option<Media>> {
    let text = node.text()?;
    let written = text.escaped();
    if starts_with(written, "http") {
        let url = text.decoded().into_owned();
        let is_address = starts_with(&url, "http://") || starts_with(&url, "https://");
        return Ok(is_address.then(|| blank(kind, MediaSource::Url(url))));
    }
    if starts_with(written, "s3:") {
        let uri = text.decoded().into_owned();
        let bucket_owner = None;
        return Ok(
            starts_with(&uri, "s3://").then(|| blank(kind, MediaSource::S3 { uri, bucket_owner }))
        );
    }
    Ok(data_url(text).map(|(source, mime)| {
        let mut media = blank(kind, source);
        media.mime = Some(mime);
        media
    }))
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The longest head of a data URL that is looked at: a MIME type and its parameters.
const HEAD_LIMIT: usize = 512;

/// Takes a data URL apart: where its base64 is, and its MIME type.
fn data_url(url: Text) -> Option<(MediaSource, String)> {
    let written = url.escaped();
    let window = written.as_bytes().get(..HEAD_LIMIT);
    let comma = memchr::memchr(b',', window.unwrap_or(written.as_bytes()))?;
    let head = written.get(..comma)?.replace("\\/", "/");
    if !head.contains("base64") {
        return None;
    }
    let mime = head
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64"))
        .map(|(mime, _)| mime.split(';').next().unwrap_or(mime))
        .filter(|mime| !mime.is_empty())
        .unwrap_or("image/jpeg")
        .to_owned();
    let payload = comma + 1;
    Some((MediaSource::DataUrl { url, payload }, mime))
}

#[derive(Debug, Default, Deserialize)]
struct WireSource<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    media_type: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct WireCitations<'a> {
    #[serde(borrow)]
    enabled: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct WireText<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

fn anthropic(node: &Node<'_, '_>, kind: MediaKind, wire: &WirePart<'_>) -> Result<Media> {
    let mut media = required(node, "source", wire.source, |node| source(&node, kind))?;
    media.title = node.member("title", wire.title, |node| node.owned())?;
    media.context = node.member("context", wire.context, |node| node.text())?;
    media.citations = node
        .member("citations", wire.citations, |node| {
            let wire: WireCitations<'_> = node.object()?;
            node.member("enabled", wire.enabled, |node| node.boolean())
        })?
        .flatten()
        .unwrap_or(false);
    Ok(media)
}

fn source(node: &Node<'_, '_>, kind: MediaKind) -> Result<Media> {
    let wire: WireSource<'_> = node.object()?;
    let form = required(node, "type", wire.kind, |node| node.string())?;
    let mime = node.member("media_type", wire.media_type, |node| node.owned())?;
    let mut media = match &*form {
        "base64" => {
            let data = required(node, "data", wire.data, |node| node.text())?;
            blank(kind, MediaSource::Base64(data))
        }
        "url" => required(node, "url", wire.url, |node| located(&node, kind))?,
        "text" if kind == MediaKind::Document => {
            let data = required(node, "data", wire.data, |node| node.text())?;
            blank(kind, MediaSource::PlainText(data))
        }
        "content" if kind == MediaKind::Document => {
            let texts = required(node, "content", wire.content, |node| texts(&node))?;
            blank(kind, MediaSource::TextParts(texts))
        }
        other => {
            let problem = format!("there is no source of type '{other}' here");
            return Err(node.path.member("type").error(&problem));
        }
    };
    media.mime = mime.or(media.mime);
    Ok(media)
}

fn texts(node: &Node<'_, '_>) -> Result<Vec<Text>> {
    if node.is_string() {
        return Ok(vec![node.text()?]);
    }
    node.list(|node| {
        let wire: WireText<'_> = node.object()?;
        required(&node, "text", wire.text, |node| node.text())
    })
}
