//! The body of an answer: read piece by piece, or whole within a bound.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;

use super::failure::{SendError, SendFailure};

/// The body of an answer, not yet read. Dropping it closes the connection unless it was read to its end.
pub struct Body(reqwest::Body);

impl Body {
    pub(super) fn new(body: reqwest::Body) -> Self {
        Self(body)
    }

    /// Reads the next piece, as it came from the connection; `None` at the end.
    ///
    /// # Errors
    ///
    /// The connection ended before the body did.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SendError>>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                    // Trailers: nothing in them is of use.
                }
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(SendError::from_reqwest(error))));
                }
                None => return Poll::Ready(None),
            }
        }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    ///
    /// As [`Body::poll_data`].
    pub async fn data(&mut self) -> Option<Result<Bytes, SendError>> {
        std::future::poll_fn(|cx| self.poll_data(cx)).await
    }

    /// Returns how many bytes are still to come at least, as far as the headers say.
    pub(super) fn announced(&self) -> usize {
        usize::try_from(self.0.size_hint().lower()).unwrap_or(usize::MAX)
    }

    /// Reads the whole body.
    ///
    /// # Errors
    ///
    /// The connection ended too early, or the body is larger than `max_bytes`.
    pub async fn collect(mut self, max_bytes: usize) -> Result<Bytes, SendError> {
        let announced = self.announced();
        if announced > max_bytes {
            return Err(SendError::new(SendFailure::TooLarge));
        }
        let Some(first) = self.data().await.transpose()? else {
            return Ok(Bytes::new());
        };
        if first.len() > max_bytes {
            return Err(SendError::new(SendFailure::TooLarge));
        }
        // Most answers come in one piece, which is handed on as it is.
        let Some(second) = self.data().await.transpose()? else {
            return Ok(first);
        };
        let mut whole = BytesMut::with_capacity(announced.max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(piece) = next {
            if whole.len() + piece.len() > max_bytes {
                return Err(SendError::new(SendFailure::TooLarge));
            }
            whole.extend_from_slice(&piece);
            next = self.data().await.transpose()?;
        }
        Ok(whole.freeze())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(reqwest::Body::from(bytes))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    fn pieces(pieces: &'static [&'static str]) -> Body {
        let stream = stream::iter(pieces.iter().map(Ok::<_, Infallible>));
        Body(reqwest::Body::wrap_stream(futures_util::StreamExt::map(
            stream,
            |piece| piece.map(|piece| Bytes::from_static(piece.as_bytes())),
        )))
    }

    #[tokio::test]
    async fn pieces_are_joined() {
        assert_eq!(
            pieces(&["ab", "c", "def"]).collect(6).await.unwrap(),
            "abcdef"
        );
        assert_eq!(pieces(&[]).collect(0).await.unwrap(), "");
    }

    #[tokio::test]
    async fn large_body_is_refused() {
        for body in [
            pieces(&["ab", "c"]),
            pieces(&["abc"]),
            Body::from(Bytes::from("abc")),
        ] {
            let error = body.collect(2).await.unwrap_err();
            assert_eq!(error.failure(), SendFailure::TooLarge);
        }
    }
}
