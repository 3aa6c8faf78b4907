//! What a client sent and nobody read: a call may be refused before its body has come.
//!
//! The next request of an HTTP/1.1 connection stands behind that body. hyper throws away what is there already and closes
//! the connection otherwise, without a word, when the answer has left; a client that uses the connection again then gets
//! no answer at all. So a short rest is awaited and thrown away before the answer leaves, and an answer behind which the
//! connection will be closed says so.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tower::ServiceExt;

/// How much is thrown away.
const SHORT_BYTES: u64 = 64 * 1024;
/// How long the rest may take to come.
const PATIENCE: Duration = Duration::from_secs(1);

/// A body that is given back, if it was dropped before its end.
#[derive(Debug)]
struct Lent {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ended = || SizeHint::with_exact(0);
        self.body.as_ref().map_or_else(ended, HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take())
            && !body.is_end_stream()
        {
            // Nobody waits for it where the client has hung up.
            let _gone = back.send(body);
        }
    }
}

/// Answers a request, by a `refusal` where there is one, and sees to what it left unread.
pub(super) async fn answer(
    router: Router,
    request: Request<Incoming>,
    refusal: Option<Response<Body>>,
) -> Result<Response<Body>, Infallible> {
    // The requests of HTTP/2 do not stand behind each other.
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return match refusal {
            Some(refusal) => Ok(refusal),
            None => router.oneshot(request).await,
        };
    }
    // A client that asks first has not sent its body, and must not be asked for it.
    let has_asked = request.headers().contains_key(EXPECT);
    let (sender, mut receiver) = oneshot::channel();
    let lent = request.map(|body| Lent {
        body: Some(body),
        back: Some(sender),
    });
    let mut response = match refusal {
        Some(refusal) => {
            drop(lent);
            refusal
        }
        None => router.oneshot(lent).await?,
    };
    if let Ok(rest) = receiver.try_recv()
        && (has_asked || !is_spent(rest).await)
    {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response)
}

/// Throws away a rest; says whether it came to its end.
async fn is_spent(mut rest: Incoming) -> bool {
    if rest.size_hint().lower() > SHORT_BYTES {
        return false;
    }
    let reading = async {
        let mut read = 0;
        while let Some(frame) = rest.frame().await {
            let length = frame.ok()?.data_ref().map_or(0, Bytes::len);
            read += length as u64;
            if read > SHORT_BYTES {
                return None;
            }
        }
        Some(())
    };
    matches!(tokio::time::timeout(PATIENCE, reading).await, Ok(Some(())))
}
