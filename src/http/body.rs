//! Reads request bodies: within a size, and without waiting forever for a client that went silent.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::{Error, Result};

/// Longest silence while a request body is read.
const BODY_SILENCE: Duration = Duration::from_secs(30);

/// Refuses a body that is compressed: nobody here would know how large it is before it is spread out.
///
/// # Errors
///
/// 415, with the header's name.
pub(super) fn plain(headers: &HeaderMap) -> Result<()> {
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut encodings = encodings
        .filter_map(|value| value.to_str().ok())
        .map(str::trim);
    let is_none = |name: &str| name.is_empty() || name.eq_ignore_ascii_case("identity");
    let Some(encoding) = encodings.find(|name| !is_none(name)) else {
        return Ok(());
    };
    let shown: String = encoding.chars().take(32).collect();
    let message = format!(
        "the request body is compressed (`content-encoding: {shown}`): bodies are read only as they are, so send it without"
    );
    let error = Error::bad_request("content-encoding", message);
    Err(error.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// Reads the whole body, within the limit.
pub(super) async fn read_body(body: Body, headers: &HeaderMap, most: usize) -> Result<Bytes> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let mut body = Limited::new(body, most);
    let mut whole = Joined::default();
    while let Some(frame) = tokio::time::timeout(BODY_SILENCE, body.frame())
        .await
        .map_err(|_| body_stalled())?
    {
        match frame {
            Ok(frame) => whole.push(frame.into_data().unwrap_or_default()),
            Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
                return Err(too_large(most));
            }
            Err(error) => {
                let message = format!("the request body could not be read: {error}");
                return Err(Error::bad_request("request_body", message));
            }
        }
    }
    Ok(whole.into_bytes())
}

/// The pieces of a body; one that came in a single piece is not copied.
#[derive(Debug, Default)]
struct Joined {
    first: Bytes,
    rest: Vec<u8>,
}

impl Joined {
    fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = piece;
            return;
        }
        if self.rest.is_empty() {
            self.rest.reserve((self.first.len() + piece.len()) * 2);
            self.rest.extend_from_slice(&self.first);
        }
        self.rest.extend_from_slice(&piece);
    }

    fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            Bytes::from(self.rest)
        }
    }
}

fn body_stalled() -> Error {
    let message = format!(
        "no more of the request body came for {} s",
        BODY_SILENCE.as_secs()
    );
    Error::bad_request("request_body", message).with_status(StatusCode::REQUEST_TIMEOUT)
}

fn too_large(most: usize) -> Error {
    Error::bad_request(
        "request_body",
        format!(
            "the request body is larger than {} MB (`general_settings.max_request_size_mb`)",
            most / 1024 / 1024
        ),
    )
    .with_status(StatusCode::PAYLOAD_TOO_LARGE)
}
