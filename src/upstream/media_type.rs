//! What a fetched file is: its server's word, else its name.

use http::{HeaderMap, header};

/// The server's content type, unless it says nothing.
pub(super) fn declared(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mime = value.split(';').next()?.trim().to_ascii_lowercase();
    let says_nothing =
        mime.is_empty() || mime == "application/octet-stream" || mime == "binary/octet-stream";
    (!says_nothing).then_some(mime)
}

/// The MIME type of a file name's extension, for what Bedrock takes.
pub(super) fn by_extension(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "csv" => "text/csv",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "mkv" => "video/x-matroska",
        "webm" => "video/webm",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn type_is_declared_or_follows_from_the_name() {
        for (written, expected) in [
            ("Image/PNG; q=1", Some("image/png")),
            ("application/octet-stream", None),
            (" ;x", None),
        ] {
            let value = HeaderValue::from_str(written).unwrap();
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value)]);
            assert_eq!(declared(&headers).as_deref(), expected, "{written}");
        }
        assert_eq!(by_extension("/a.b/c.PDF"), Some("application/pdf"));
        assert_eq!(by_extension("/a.pdf/c"), None);
    }
}
