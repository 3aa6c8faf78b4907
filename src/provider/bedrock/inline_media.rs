//! Media that stand in a request as base64: their bytes, as JSON, and what they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::members::invalid;
use crate::canonical::{Media, MediaKind, MediaSource, Text, write_escaped};
use crate::error::{Error, ErrorKind, Result};

/// How much base64 is looked at to tell what it is: enough for every format's first bytes.
const HEAD_BASE64: usize = 24;

/// Returns the base64 text of media, as a JSON string.
///
/// # Errors
///
/// Media that are somewhere else, such as in S3.
pub(super) fn base64_of(media: &Media, param: &str) -> Result<Bytes> {
    match &media.source {
        MediaSource::Base64(text) => Ok(text.bytes().clone()),
        MediaSource::DataUrl { url, payload } => {
            let base64 = url.escaped().get(*payload..).unwrap_or_default();
            let mut out = Vec::with_capacity(base64.len() + 2);
            out.push(b'"');
            out.extend_from_slice(base64.as_bytes());
            out.push(b'"');
            Ok(Bytes::from(out))
        }
        MediaSource::Url(_) => Err(Error::new(
            ErrorKind::Internal,
            "remote media was not fetched before the request was encoded",
        )),
        MediaSource::S3 { .. } => Err(invalid(
            param,
            "this model takes base64, no address in S3, here",
        )),
        MediaSource::PlainText(_) | MediaSource::TextParts(_) | MediaSource::Invalid(_) => {
            Err(invalid(param, "expected base64 or a data: URL"))
        }
    }
}

/// Returns media as a data URL, as a JSON string.
pub(super) fn data_url_of(media: &Media, param: &str) -> Result<Bytes> {
    if let MediaSource::DataUrl { url, .. } = &media.source {
        return Ok(url.bytes().clone());
    }
    let base64 = base64_of(media, param)?;
    let mime = mime_of(media).unwrap_or_else(|| "image/jpeg".to_owned());
    let mut out = Vec::with_capacity(base64.len() + mime.len() + 16);
    write_escaped(&format!("data:{mime};base64,"), &mut out);
    out.pop();
    out.extend_from_slice(base64.get(1..).unwrap_or_default());
    Ok(Bytes::from(out))
}

/// Returns the text that a string was before it was taken for media.
pub(super) fn written(media: &Media) -> Option<Text> {
    match &media.source {
        MediaSource::DataUrl { url, .. } => Some(url.clone()),
        MediaSource::S3 { uri, .. } => Some(Text::new(uri)),
        MediaSource::Base64(text) => Some(text.clone()),
        _ => None,
    }
}

/// Returns the MIME type of media: as stated, else by their first bytes or, in S3, by the extension.
pub(super) fn mime_of(media: &Media) -> Option<String> {
    let stated = media.format.as_deref().or(media.mime.as_deref());
    if let Some(stated) = stated.filter(|stated| *stated != "application/octet-stream") {
        let plain = stated.split(';').next().unwrap_or(stated).trim();
        let plain = plain.to_ascii_lowercase();
        return if plain.contains('/') {
            Some(plain)
        } else {
            mime_of_extension(plain.trim_start_matches('.')).map(str::to_owned)
        };
    }
    match &media.source {
        MediaSource::Base64(text) => sniff(&text.decoded()).map(str::to_owned),
        MediaSource::DataUrl { url, payload } => {
            let base64 = url.escaped().get(*payload..).unwrap_or_default();
            sniff(base64).map(str::to_owned)
        }
        MediaSource::S3 { uri, .. } => {
            let extension = uri.rsplit_once('.')?.1.to_ascii_lowercase();
            mime_of_extension(&extension).map(str::to_owned)
        }
        _ => None,
    }
}

fn mime_of_extension(extension: &str) -> Option<&'static str> {
    const MIMES: [(&str, &str); 20] = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("mp4", "video/mp4"),
        ("mov", "video/quicktime"),
        ("mkv", "video/x-matroska"),
        ("webm", "video/webm"),
        ("flv", "video/x-flv"),
        ("mpeg", "video/mpeg"),
        ("mpg", "video/mpeg"),
        ("wmv", "video/x-ms-wmv"),
        ("3gp", "video/3gpp"),
        ("mp3", "audio/mpeg"),
        ("wav", "audio/wav"),
        ("ogg", "audio/ogg"),
        ("flac", "audio/flac"),
        ("m4a", "audio/mp4"),
        ("txt", "text/plain"),
    ];
    MIMES
        .iter()
        .find(|(known, _)| *known == extension)
        .map(|(_, mime)| *mime)
}

/// Tells an image by the first bytes that its base64 stands for.
fn sniff(base64: &str) -> Option<&'static str> {
    let head = base64.get(..HEAD_BASE64)?;
    let bytes = STANDARD.decode(head).ok()?;
    let at = |place: usize, magic: &[u8]| {
        bytes
            .get(place..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    if at(0, b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if at(0, b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
        Some("image/gif")
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

/// Takes a text for an image if it is the base64 of one: it begins as an image does, and has nothing but base64.
pub(super) fn image_in(text: &Text) -> Option<Media> {
    let decoded = text.decoded();
    let mime = sniff(&decoded)?;
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    decoded.bytes().all(is_base64).then(|| Media {
        kind: MediaKind::Image,
        source: MediaSource::Base64(text.clone()),
        format: None,
        mime: Some(mime.to_owned()),
        filename: None,
        title: None,
        context: None,
        citations: false,
        detail: None,
        fetched_from: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    #[test]
    fn an_image_is_told_from_a_text() {
        assert!(image_in(&Text::new(PNG)).is_some());
        assert!(image_in(&Text::new(&format!("{PNG} and more"))).is_none());
        assert!(image_in(&Text::new("iVBORw0KGgo")).is_none());
        assert!(image_in(&Text::new("good morning, this is a text")).is_none());
    }

    #[test]
    fn base64_becomes_a_data_url() {
        let media = image_in(&Text::new(PNG)).unwrap();
        let url = data_url_of(&media, "input").unwrap();
        assert_eq!(url, format!("\"data:image/png;base64,{PNG}\""));
        assert_eq!(base64_of(&media, "input").unwrap(), format!("\"{PNG}\""));
    }
}
