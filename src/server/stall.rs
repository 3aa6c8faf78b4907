//! Ends connections whose client does not get to the point, or has stopped reading.
//!
//! An answer that nobody reads holds its call, and the call upstream, for as long as the connection lives; hyper waits for
//! such a client without a bound. It also waits without one for the first bytes, which tell HTTP/1.1 from HTTP/2, and its
//! bound on heads counts the rest between two requests as well. [`StallGuard`] fails a write that makes no progress for
//! [`WRITE_STALL`], and a connection whose first head is not complete in time.
//!
//! A connection that has said nothing at all is not slow, but spare: pools of clients open one while another becomes free.
//! It may rest as long as one that was used; were it closed earlier, that would be just when its client turns to it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long a client may leave what was sent unread once all buffers are full.
const WRITE_STALL: Duration = Duration::from_secs(120);

/// Looks for the end of the first head: an empty line, which HTTP/2's preface has too.
#[derive(Debug, Default)]
struct FirstHead {
    has_begun: bool,
    line_ends: u8,
    is_complete: bool,
}

impl FirstHead {
    fn see(&mut self, bytes: &[u8]) {
        self.has_begun = true;
        for byte in bytes {
            match byte {
                b'\n' => self.line_ends += 1,
                b'\r' => {}
                _ => self.line_ends = 0,
            }
            if self.line_ends == 2 {
                self.is_complete = true;
                return;
            }
        }
    }
}

/// A connection that may not stall.
#[derive(Debug)]
pub(super) struct StallGuard<S> {
    inner: S,
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    head: FirstHead,
    /// How long the first head may take from its first byte to its last.
    first_head: Duration,
    /// Ends the rest of a connection that was never used, then the patience with its first head.
    is_late: Pin<Box<Sleep>>,
}

impl<S> StallGuard<S> {
    /// Guards a connection that must begin within `rest`, and whose first head must be complete `first_head` later.
    pub(super) fn new(inner: S, rest: Duration, first_head: Duration) -> Self {
        Self::with_limits(inner, rest, first_head, WRITE_STALL)
    }

    fn with_limits(inner: S, rest: Duration, first_head: Duration, limit: Duration) -> Self {
        Self {
            inner,
            limit,
            stalled: None,
            head: FirstHead::default(),
            first_head,
            is_late: Box::pin(tokio::time::sleep(rest)),
        }
    }

    /// Passes on what a write came to; one that waits is given until the limit.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.limit;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client has stopped reading",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if self.head.is_complete {
            return result;
        }
        if result.is_ready() {
            let is_first = !self.head.has_begun;
            self.head
                .see(buffer.filled().get(before..).unwrap_or_default());
            if is_first {
                let late = tokio::time::sleep(self.first_head);
                self.is_late.set(late);
            }
            return result;
        }
        match self.is_late.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client's first request did not come in time",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.judge(cx, closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn client_that_says_nothing_may_rest_and_no_longer() {
        let (ours, theirs) = tokio::io::duplex(64);
        let mut guarded = StallGuard::with_limits(ours, SHORT, LONG, LONG);
        let error = guarded.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test]
    async fn first_head_has_its_time_from_its_first_byte() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut guarded = StallGuard::with_limits(ours, LONG, SHORT, LONG);
        let unused = tokio::time::timeout(3 * SHORT, guarded.read_u8()).await;
        assert!(unused.is_err(), "a spare connection rests");
        theirs.write_all(b"G").await.unwrap();
        guarded.read_u8().await.unwrap();
        let error = guarded.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test]
    async fn head_that_comes_in_drops_is_late_and_a_complete_one_is_not() {
        for (sent, is_late) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n", true),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(64);
            let mut guarded = StallGuard::with_limits(ours, LONG, SHORT, LONG);
            theirs.write_all(sent.as_bytes()).await.unwrap();
            let mut head = vec![0; sent.len()];
            guarded.read_exact(&mut head).await.unwrap();
            let more = tokio::time::timeout(3 * SHORT, guarded.read_u8()).await;
            assert_eq!(more.is_ok(), is_late, "{sent}");
            drop(theirs);
        }
    }

    #[tokio::test]
    async fn write_that_nobody_reads_fails() {
        let (ours, theirs) = tokio::io::duplex(16);
        let mut guarded = StallGuard::with_limits(ours, LONG, LONG, SHORT);
        let error = guarded.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test]
    async fn write_that_is_read_passes() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut guarded = StallGuard::with_limits(ours, LONG, LONG, LONG);
        let mut read = Vec::new();
        let writing = async {
            guarded.write_all(&[7; 64]).await.unwrap();
            guarded.shutdown().await.unwrap();
        };
        let reading = theirs.read_to_end(&mut read);
        let ((), length) = tokio::join!(writing, reading);
        assert_eq!(length.unwrap(), 64);
    }
}
