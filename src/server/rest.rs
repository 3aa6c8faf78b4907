//! When a connection has rested long enough, and when its client is gone.
//!
//! hyper bounds the rest of an HTTP/1.1 connection, and of an HTTP/2 one nothing: a client that was killed leaves one behind
//! for good, and anybody may leave as many as there are file handles. So a client of HTTP/2 is asked now and then whether it is
//! there, and a connection without a request under way ends after the same rest as the others. It is told so first (`GOAWAY`):
//! a request that is on its way just then is still answered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};

/// How long a connection may rest: longer than the 60 s of common load balancers and the 90 s of the connection pools of Go and
/// reqwest, so that they close first. A request that is sent just when we close has no answer, and may not be sent again.
const KEPT_ALIVE: Duration = Duration::from_secs(100);
/// How often a client of HTTP/2 is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long it has to say so.
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// How often it is looked at within a rest.
const LOOKS: u32 = 10;

/// How long connections may rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rests {
    /// Without a request under way.
    pub(super) rest: Duration,
    /// Between two questions whether a client of HTTP/2 is there.
    pub(super) ping: Duration,
    /// Until such a question is answered.
    pub(super) pong: Duration,
}

impl Rests {
    /// Returns those that hold where a request's head may take `header_read_timeout`.
    pub(super) fn of(header_read_timeout: Duration) -> Self {
        Self {
            rest: header_read_timeout.max(KEPT_ALIVE),
            ping: PING_EVERY,
            pong: PONG_WITHIN,
        }
    }
}

/// Counts the requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Uses {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Uses {
    /// Counts a request until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Use {
        self.begun.fetch_add(1, Ordering::AcqRel);
        Use(Arc::clone(self))
    }

    /// Waits until no request has been under way for `rest`, or somewhat longer: nothing is woken for a request.
    pub(super) async fn have_rested(&self, rest: Duration) {
        let mut seen = 0;
        let mut quiet = 0;
        // The first look that finds nothing may come just after the last request ended.
        while quiet <= LOOKS {
            tokio::time::sleep(rest / LOOKS).await;
            let ended = self.ended.load(Ordering::Acquire);
            let begun = self.begun.load(Ordering::Acquire);
            quiet = if begun == ended && begun == seen {
                quiet + 1
            } else {
                0
            };
            seen = begun;
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Use(Arc<Uses>);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}

/// The body of an answer, with which its request ends.
#[derive(Debug)]
pub(super) struct Used<B> {
    body: B,
    _use: Use,
}

impl<B> Used<B> {
    /// Ends `request` with `body`.
    pub(super) fn new(body: B, request: Use) -> Self {
        Self {
            body,
            _use: request,
        }
    }
}

impl<B: Body + Unpin> Body for Used<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
