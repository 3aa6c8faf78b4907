//! Ends an answer that its client has stopped reading.
//!
//! What bounds an answer (silence, the caller's deadline) is looked at when the body is polled, and a body is polled when
//! there is room for what it says. Over HTTP/1.1 a client that does not read blocks its connection, which ends
//! (`src/server/stall.rs`). Over HTTP/2 it blocks its own stream only, for as long as the connection lives, and with it the
//! call's permits and the call to AWS. So somebody else looks at the time there: a task beside the body, which drops what
//! the body holds. The books say that the client gave up.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http::Version;
use http_body::Frame;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::App;
use crate::clock::SharedClock;
use crate::pipeline::Call;

/// How long a piece may wait to be read, as on a connection that is blocked.
const LONGEST: Duration = Duration::from_secs(120);

/// Makes the body of a call's response, watched where only its own stream would be blocked.
pub(super) fn body<B>(inner: B, call: &Call, app: &App) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    if call.version < Version::HTTP_2 {
        return Body::new(inner);
    }
    let end = call.deadline().and_then(|deadline| deadline.end);
    let (watched, watch) = Watched::new(inner, end, Arc::clone(&app.clock));
    app.tracker.spawn(watch);
    Body::new(watched)
}

/// A body that may be taken away from who does not read it.
struct Watched<B> {
    held: Arc<Held<B>>,
    clock: SharedClock,
    /// Ends the watch with the body.
    _is_read: DropGuard,
}

/// What the body and its watch share.
struct Held<B>(Mutex<State<B>>);

struct State<B> {
    /// `None` once it has ended or was taken away.
    inner: Option<B>,
    /// Since when a piece has been out and no further one was asked for.
    unread_since: Option<Instant>,
    is_taken: bool,
}

impl<B> Held<B> {
    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Watched<B> {
    /// Makes the body, and the future that watches it.
    fn new(
        inner: B,
        end: Option<Instant>,
        clock: SharedClock,
    ) -> (Self, impl Future<Output = ()> + use<B>) {
        let held = Arc::new(Held(Mutex::new(State {
            inner: Some(inner),
            unread_since: Some(clock.now()),
            is_taken: false,
        })));
        let is_over = CancellationToken::new();
        let watch = watch(Arc::clone(&held), end, Arc::clone(&clock), is_over.clone());
        let watched = Self {
            held,
            clock,
            _is_read: is_over.drop_guard(),
        };
        (watched, watch)
    }
}

impl<B> Drop for Watched<B> {
    /// What it holds ends with it, and not when its watch has noticed.
    fn drop(&mut self) {
        let inner = self.held.state().inner.take();
        drop(inner);
    }
}

/// Takes the body away when a piece has waited too long, or past `end`.
async fn watch<B>(
    held: Arc<Held<B>>,
    end: Option<Instant>,
    clock: SharedClock,
    is_over: CancellationToken,
) {
    loop {
        let now = clock.now();
        let mut until = now + LONGEST;
        {
            let mut state = held.state();
            if state.inner.is_none() {
                return;
            }
            if let Some(since) = state.unread_since {
                until = since + LONGEST;
                if now >= until || end.is_some_and(|end| now >= end) {
                    state.is_taken = true;
                    let inner = state.inner.take();
                    drop(state);
                    drop(inner);
                    return;
                }
            }
        }
        let until = end
            .filter(|end| *end > now)
            .map_or(until, |end| until.min(end));
        tokio::select! {
            () = clock.sleep(until.saturating_duration_since(now)) => {}
            () = is_over.cancelled() => return,
        }
    }
}

impl<B> http_body::Body for Watched<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.held.state();
        if state.is_taken {
            return Poll::Ready(Some(Err("the client has stopped reading".into())));
        }
        let Some(inner) = &mut state.inner else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(inner).poll_frame(cx);
        // While it waits for AWS nobody has to read.
        state.unread_since = None;
        let frame = ready!(polled);
        if matches!(frame, Some(Ok(_))) {
            state.unread_since = Some(self.clock.now());
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let inner = state.inner.take();
        drop(state);
        drop(inner);
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http_body_util::BodyExt as _;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::clock::{Clock as _, ManualClock};

    /// A body without an end, and what ends with it.
    struct Endless {
        _held: Arc<()>,
        waits: bool,
    }

    impl http_body::Body for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            if self.waits {
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    struct Scene {
        clock: Arc<ManualClock>,
        held: Arc<()>,
        body: Watched<Endless>,
        watch: tokio::task::JoinHandle<()>,
    }

    fn scene(waits: bool, end: Option<Duration>) -> Scene {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
        let held = Arc::new(());
        let inner = Endless {
            _held: Arc::clone(&held),
            waits,
        };
        let end = end.map(|end| clock.now() + end);
        let (body, watch) = Watched::new(inner, end, clock.clone());
        let tracker = TaskTracker::new();
        Scene {
            watch: tracker.spawn(watch),
            clock,
            held,
            body,
        }
    }

    #[tokio::test]
    async fn what_nobody_reads_is_let_go() {
        for (end, after) in [
            (None, LONGEST),
            (Some(Duration::from_secs(7)), Duration::from_secs(7)),
        ] {
            let mut scene = scene(false, end);
            assert!(scene.body.frame().await.unwrap().is_ok());
            scene.clock.until_asleep(1).await;
            scene.clock.advance(after);
            scene.watch.await.unwrap();
            assert_eq!(Arc::strong_count(&scene.held), 1, "the call is over");
            assert!(scene.body.frame().await.unwrap().is_err());
        }
    }

    #[tokio::test]
    async fn reader_gets_everything_however_long_that_takes() {
        let mut scene = scene(false, None);
        for _ in 0..5 {
            assert!(scene.body.frame().await.unwrap().is_ok());
            scene.clock.until_asleep(1).await;
            scene.clock.advance(LONGEST / 2);
        }
        assert_eq!(Arc::strong_count(&scene.held), 2);
    }

    #[tokio::test]
    async fn what_waits_for_aws_is_not_taken_for_unread() {
        let mut scene = scene(true, None);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let polled = http_body::Body::poll_frame(Pin::new(&mut scene.body), &mut cx);
        assert!(polled.is_pending());
        for _ in 0..3 {
            scene.clock.until_asleep(1).await;
            scene.clock.advance(LONGEST);
            tokio::task::yield_now().await;
        }
        assert_eq!(Arc::strong_count(&scene.held), 2);
        drop(scene.body);
        assert_eq!(Arc::strong_count(&scene.held), 1, "it ends with its body");
        scene.watch.await.unwrap();
    }
}
