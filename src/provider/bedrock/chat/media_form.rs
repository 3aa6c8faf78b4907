//! Which block media becomes, and its format: told by MIME type, extension or the first bytes.
//!
//! Formats: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::blocks::BlockSource;
use crate::canonical::{Media, MediaKind};
use crate::error::{Error, Result};

/// Documents: MIME type and format.
const DOCUMENTS: [(&str, &str); 9] = [
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    ("application/vnd.ms-excel", "xls"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
    ),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
];

/// Images: subtype and format.
const IMAGES: [(&str, &str); 5] = [
    ("png", "png"),
    ("jpeg", "jpeg"),
    ("jpg", "jpeg"),
    ("gif", "gif"),
    ("webp", "webp"),
];

/// Videos: subtype and format.
const VIDEOS: [(&str, &str); 15] = [
    ("mp4", "mp4"),
    ("mov", "mov"),
    ("quicktime", "mov"),
    ("mkv", "mkv"),
    ("x-matroska", "mkv"),
    ("webm", "webm"),
    ("flv", "flv"),
    ("x-flv", "flv"),
    ("mpeg", "mpeg"),
    ("mpg", "mpg"),
    ("wmv", "wmv"),
    ("x-ms-wmv", "wmv"),
    ("3gp", "three_gp"),
    ("3gpp", "three_gp"),
    ("three_gp", "three_gp"),
];

/// Sounds: subtype and format.
const SOUNDS: [(&str, &str); 21] = [
    ("mp3", "mp3"),
    ("mpeg", "mp3"),
    ("opus", "opus"),
    ("wav", "wav"),
    ("wave", "wav"),
    ("x-wav", "wav"),
    ("vnd.wave", "wav"),
    ("aac", "aac"),
    ("x-aac", "x-aac"),
    ("flac", "flac"),
    ("x-flac", "flac"),
    ("mp4", "m4a"),
    ("m4a", "m4a"),
    ("x-m4a", "m4a"),
    ("ogg", "ogg"),
    ("mkv", "mkv"),
    ("x-matroska", "mka"),
    ("mka", "mka"),
    ("mpga", "mpga"),
    ("pcm", "pcm"),
    ("webm", "webm"),
];

/// Which block media becomes, and its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) member: &'static str,
    pub(super) format: &'static str,
}

fn find(table: &'static [(&str, &str)], name: &str) -> Option<&'static str> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, format)| *format)
}

impl Form {
    /// Reads a MIME type, or a bare extension.
    pub(super) fn of(mime: &str, kind: MediaKind) -> Option<Self> {
        let mime = mime.split(';').next().unwrap_or(mime).trim();
        let mime = mime.to_ascii_lowercase();
        let form =
            |member, format: Option<&'static str>| format.map(|format| Self { member, format });
        let Some((class, subtype)) = mime.split_once('/') else {
            return Self::of_extension(mime.trim_start_matches('.'), kind);
        };
        match class {
            "application" | "text" => form("document", find(&DOCUMENTS, &mime)),
            "audio" => form("audio", find(&SOUNDS, subtype)),
            _ => form("video", find(&VIDEOS, subtype))
                .or_else(|| form("image", find(&IMAGES, subtype))),
        }
    }

    fn of_extension(extension: &str, kind: MediaKind) -> Option<Self> {
        let form =
            |member, format: Option<&'static str>| format.map(|format| Self { member, format });
        let sound = || form("audio", find(&SOUNDS, extension));
        let video = || form("video", find(&VIDEOS, extension));
        let document = DOCUMENTS
            .iter()
            .find(|(_, format)| *format == extension || (extension == "htm" && *format == "html"))
            .map(|(_, format)| *format);
        if kind == MediaKind::Audio {
            return sound();
        }
        form("document", document)
            .or_else(|| form("image", find(&IMAGES, extension)))
            .or_else(video)
            .or_else(sound)
    }
}

/// Tells the form of media: by what the client says, else by the name of the file, else by the first bytes.
pub(super) fn form_of(media: &Media, source: &BlockSource) -> Result<Form> {
    if let Some(given) = media.format.as_deref() {
        return Form::of(given, media.kind).ok_or_else(|| unsupported(given));
    }
    if let Some(mime) = media.mime.as_deref() {
        if let Some(form) = Form::of(mime, media.kind) {
            return Ok(form);
        }
        if mime != "application/octet-stream" {
            return Err(unsupported(mime));
        }
    }
    let extension = media.filename.as_deref().and_then(|name| {
        let (_, extension) = name.rsplit_once('.')?;
        Form::of_extension(&extension.to_ascii_lowercase(), media.kind)
    });
    extension
        .or_else(|| sniff(source))
        .ok_or_else(|| unsupported("unknown"))
}

pub(super) fn unsupported(what: &str) -> Error {
    Error::bad_request(
        "messages",
        format!(
            "Invalid Message: bedrock cannot be sent media of type '{what}'. It takes documents (pdf csv doc docx \
             xls xlsx html txt md), images (png jpeg gif webp), videos (mp4 mov mkv webm flv mpeg mpg wmv 3gp) and \
             sounds."
        ),
    )
}

/// Tells a format by the first bytes.
fn sniff(source: &BlockSource) -> Option<Form> {
    const HEAD: usize = 32;
    let (text, from) = match source {
        BlockSource::Bytes { text, from } => (text, *from),
        BlockSource::Text(_) | BlockSource::Content(_) => {
            return Form::of_extension("txt", MediaKind::Document);
        }
        BlockSource::S3 { .. } => return None,
    };
    let head: String = text
        .escaped()
        .get(from..)?
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\\')
        .take(HEAD)
        .collect();
    let whole = head.get(..head.len() - head.len() % 4)?;
    let bytes = STANDARD
        .decode(whole)
        .or_else(|_| base64::engine::general_purpose::STANDARD_NO_PAD.decode(&head))
        .ok()?;
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let extension = if starts(b"%PDF") {
        "pdf"
    } else if starts(b"\x89PNG") {
        "png"
    } else if starts(b"\xff\xd8\xff") {
        "jpeg"
    } else if starts(b"GIF8") {
        "gif"
    } else if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        "webp"
    } else if starts(b"RIFF") && bytes.get(8..12) == Some(b"WAVE") {
        "wav"
    } else if bytes.get(4..8) == Some(b"ftyp") {
        "mp4"
    } else if starts(b"ID3") || starts(b"\xff\xfb") {
        "mp3"
    } else if starts(b"OggS") {
        "ogg"
    } else if starts(b"fLaC") {
        "flac"
    } else {
        return None;
    };
    Form::of_extension(extension, MediaKind::File)
}
