//! Reads request bodies: within a size, and without waiting forever for a client that went silent or that trickles.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::{Error, Result};

/// How fast a body has to come.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Longest silence.
    silence: Duration,
    /// How long it may come at any speed.
    beginning: Duration,
    /// Time that each byte buys after that.
    per_byte: Duration,
}

/// At least 1 KB in a second, once it has come for half a minute.
const PACE: Pace = Pace {
    silence: Duration::from_secs(30),
    beginning: Duration::from_secs(30),
    per_byte: Duration::from_millis(1),
};

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
    read_at(PACE, body, most).await
}

async fn read_at(pace: Pace, body: Body, most: usize) -> Result<Bytes> {
    let mut body = Limited::new(body, most);
    let mut whole = Joined::default();
    let mut end = pin!(tokio::time::sleep(pace.beginning));
    loop {
        let next = tokio::time::timeout(pace.silence, body.frame());
        let frame = tokio::select! {
            biased;
            frame = next => frame.map_err(|_| stalled(pace))?,
            () = &mut end => return Err(trickled(pace)),
        };
        match frame {
            None => return Ok(whole.into_bytes()),
            Some(Ok(frame)) => {
                let piece = frame.into_data().unwrap_or_default();
                let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
                let later = end.deadline() + pace.per_byte * bytes;
                end.as_mut().reset(later);
                whole.push(piece);
            }
            Some(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
                return Err(too_large(most));
            }
            Some(Err(error)) => {
                let message = format!("the request body could not be read: {error}");
                return Err(Error::bad_request("request_body", message));
            }
        }
    }
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

fn stalled(pace: Pace) -> Error {
    let silence = pace.silence.as_secs();
    late(format!("no more of the request body came for {silence} s"))
}

fn trickled(pace: Pace) -> Error {
    let beginning = pace.beginning.as_secs();
    late(format!(
        "the request body came at less than 1 KB/s for longer than {beginning} s"
    ))
}

fn late(message: String) -> Error {
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};

    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(60);
    /// One byte may come, and then nothing more.
    const IMPATIENT: Pace = Pace {
        silence: LONG,
        beginning: SHORT,
        per_byte: Duration::ZERO,
    };

    /// Reads a body of one byte that ends after a `pause`.
    async fn read(pace: Pace, pause: Duration) -> Result<Bytes> {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"x"))]);
        let end = stream::once(tokio::time::sleep(pause)).map(|()| Ok(Bytes::new()));
        read_at(pace, Body::from_stream(first.chain(end)), 1024).await
    }

    #[tokio::test]
    async fn body_that_stops_or_trickles_is_a_408() {
        let silent = Pace {
            silence: SHORT,
            beginning: LONG,
            ..IMPATIENT
        };
        for (pace, problem) in [(silent, "no more of"), (IMPATIENT, "at less than 1 KB/s")] {
            let error = read(pace, LONG).await.unwrap_err();
            assert_eq!(error.status(), StatusCode::REQUEST_TIMEOUT);
            assert!(error.message().contains(problem), "{error}");
        }
    }

    #[tokio::test]
    async fn bytes_that_came_buy_time_for_more() {
        let generous = Pace {
            per_byte: LONG,
            ..IMPATIENT
        };
        assert_eq!(read(generous, 3 * SHORT).await.unwrap(), "x");
    }
}
