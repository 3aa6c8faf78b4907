//! The path of a request that is passed through: taken as it was written, or refused.
//!
//! AWS's host is followed by this path, so nothing in it may be read as anything but a path: not by us, not by the library
//! that sends it, not by AWS. What two readers could understand differently (dot segments in any spelling, backslashes,
//! empty segments, characters that have to be encoded) is refused instead of being mended, because what was signed would no
//! longer be what is sent.

use std::borrow::Cow;
use std::ops::Range;

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::place::{Operation, place};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::bedrock::url::{Service, encode_segment};

/// Longest path: an id of 2048 characters, each of them encoded, and what stands around it.
const MOST_BYTES: usize = 8192;
/// How often an encoding may be encoded again. More is nobody's honest spelling.
const MOST_ENCODINGS: usize = 3;

/// A path that leads to one of Bedrock's services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPath {
    /// As it was written, behind what is ours; it begins with a slash.
    text: String,
    service: Service,
    operation: Operation,
    model: Option<Model>,
}

/// The model that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    /// Its id, decoded.
    id: String,
    /// Where it stands in the path.
    at: Range<usize>,
}

impl RawPath {
    /// Reads the path of a request; what stands before Bedrock's own (`/bedrock`, `/bedrock/v2`) is taken off.
    ///
    /// # Errors
    ///
    /// 404 for a path that Bedrock does not have, 400 for one that could be misread, 501 for a stream in both directions.
    pub fn parse(method: &Method, path: &str) -> Result<Self> {
        let text = path
            .strip_prefix("/bedrock")
            .filter(|rest| rest.starts_with('/') && rest.len() > 1)
            .ok_or_else(|| unknown(method, path))?;
        let text = match text.strip_prefix("/v2") {
            Some(rest) if rest.starts_with('/') => rest,
            _ => text,
        };
        check(text)?;
        let segments: Vec<&str> = text.split('/').skip(1).collect();
        let (service, operation) = place(method, &segments).ok_or_else(|| unknown(method, path))?;
        if operation == Operation::Bidirectional {
            let message = "a stream in both directions cannot be passed through: it needs HTTP/2 up to the model";
            return Err(
                Error::new(ErrorKind::BadRequest, message).with_status(StatusCode::NOT_IMPLEMENTED)
            );
        }
        Ok(Self {
            model: model_of(text)?,
            text: text.to_owned(),
            service,
            operation,
        })
    }

    /// Returns the service that it belongs to.
    pub fn service(&self) -> Service {
        self.service
    }

    /// Returns what it asks for.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Says whether a `POST` to it only looks something up: of knowledge bases the runtime has nothing else.
    pub(super) fn is_a_reading(&self) -> bool {
        let first = self.text.split('/').nth(1);
        first.is_some_and(|first| ["knowledgebases", "rerank", "generateQuery"].contains(&first))
    }

    /// Returns the id of the model that it names, decoded.
    pub fn model(&self) -> Option<&str> {
        self.model.as_ref().map(|model| model.id.as_str())
    }

    /// Returns the path as it is sent, which is as it was written, unless another model is to be named.
    ///
    /// An id whose slashes were not encoded gets them encoded: AWS takes an ARN as one segment only.
    pub fn naming(&self, id: Option<&str>) -> Cow<'_, str> {
        let (Some(model), Some(id)) = (&self.model, id) else {
            return Cow::Borrowed(&self.text);
        };
        let written = self.text.get(model.at.clone()).unwrap_or_default();
        if id == model.id && !written.contains('/') {
            return Cow::Borrowed(&self.text);
        }
        let before = self.text.get(..model.at.start).unwrap_or_default();
        let after = self.text.get(model.at.end..).unwrap_or_default();
        Cow::Owned(format!("{before}{}{after}", encode_segment(id)))
    }
}

/// Finds the model in `/model/{id}/{action}`; the slashes of an id need not be encoded.
fn model_of(text: &str) -> Result<Option<Model>> {
    const BEFORE: &str = "/model/";
    let Some(rest) = text.strip_prefix(BEFORE) else {
        return Ok(None);
    };
    let Some((written, _)) = rest.rsplit_once('/') else {
        return Ok(None);
    };
    let id = percent_decode_str(written)
        .decode_utf8()
        .map_err(|_| misread())?;
    Ok(Some(Model {
        id: id.into_owned(),
        at: BEFORE.len()..BEFORE.len() + written.len(),
    }))
}

/// Refuses what somebody on the way could understand in another way than we do.
fn check(text: &str) -> Result<()> {
    if text.len() > MOST_BYTES {
        let message = "the path is longer than any of Bedrock's";
        return Err(
            Error::new(ErrorKind::BadRequest, message).with_status(StatusCode::URI_TOO_LONG)
        );
    }
    if !text.bytes().all(is_of_path) || !is_encoded_well(text) {
        return Err(misread());
    }
    let mut decoded = Cow::Borrowed(text);
    for _ in 0..=MOST_ENCODINGS {
        if !is_plain(&decoded) {
            return Err(misread());
        }
        let next = percent_decode_str(&decoded)
            .decode_utf8()
            .map_err(|_| misread())?;
        if *next == *decoded {
            return Ok(());
        }
        decoded = Cow::Owned(next.into_owned());
    }
    Err(misread())
}

/// The characters of a path, `%` among them: <https://www.rfc-editor.org/rfc/rfc3986#section-3.3>.
fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte)
}

/// Says whether each `%` is followed by two digits.
fn is_encoded_well(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        rest.as_bytes()
            .get(..2)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Says whether a path has no segment that means a step elsewhere, and nothing that is no text.
fn is_plain(text: &str) -> bool {
    let inner = text.strip_prefix('/').unwrap_or(text);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    !text.contains(|letter: char| letter == '\\' || letter.is_control())
        && !inner
            .split('/')
            .any(|segment| matches!(segment.trim(), "" | "." | ".."))
}

fn misread() -> Error {
    let message = "the path has segments or characters that no path of Bedrock's has: `.`, `..`, empty segments, \
                   backslashes, control characters, or characters that have to be percent-encoded";
    Error::new(ErrorKind::BadRequest, message)
}

fn unknown(method: &Method, path: &str) -> Error {
    let shown: String = path.chars().take(200).collect();
    let message = format!("{method} {shown} is no operation of Bedrock's that is passed through");
    Error::new(ErrorKind::BadRequest, message).with_status(StatusCode::NOT_FOUND)
}
