//! Server-sent events: frames, keep-alives, and the end of a stream.
//!
//! One read from AWS becomes one write to the client, however many events it held, and leaves at once. Dropping the body
//! (the client hung up) drops the upstream answer with it, which ends the call there.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::App;
use super::admission::Admission;
use crate::canonical::ChatChunk;
use crate::dialect::StreamWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{ChunkSource, Progress, Reply, Settlement};

/// Room for the frames of one ordinary read.
const FRAME_BYTES: usize = 1024;
/// What is gathered leaves at the latest when it is this long.
pub(super) const GATHERED_BYTES: usize = 16 * 1024;
/// How many polls must find nothing new before what was gathered leaves.
///
/// The HTTP client hands over one piece of an answer, and must be scheduled before it hands over the next, even when the
/// next has long been read. Going round through the scheduler costs about a microsecond, and a burst of a hundred events
/// becomes a few writes instead of a hundred. No timer is involved: where nothing else has come, the piece leaves at once.
/// Three, because the server's side polls a body twice in a turn of its own.
const PATIENCE: u8 = 3;

/// A call that still runs, and keeps its own books until it is over.
pub(super) type Running = Pin<Box<dyn Future<Output = (Result<Reply>, Settlement)> + Send>>;

/// The body of a streamed answer.
pub(super) struct EventStream {
    chunks: Vec<ChatChunk>,
    source: Source,
    writer: Box<dyn StreamWriter>,
    /// `None` while the call keeps its own.
    settlement: Option<Settlement>,
    keepalive: Option<Interval>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_total: Arc<AtomicUsize>,
    state: State,
    /// What was gathered and has not left.
    out: Vec<u8>,
    /// Polls since then that found nothing new.
    waited: u8,
    _admission: Admission,
}

/// Where chunks come from.
enum Source {
    /// A keep-alive was due before the call had an answer; what comes of it is said inside the stream.
    Running(Running),
    /// The answer.
    Chunks(Box<ChunkSource>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The chunks that committed the stream were not written yet.
    First,
    /// More may come.
    Open,
    /// The last frame was written.
    Ended,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

impl EventStream {
    /// Makes the body of a stream whose `first` chunks have come.
    pub(super) fn new(
        first: Vec<ChatChunk>,
        source: Box<ChunkSource>,
        writer: Box<dyn StreamWriter>,
        settlement: Settlement,
        app: &App,
        admission: Admission,
    ) -> Self {
        Self::with(
            first,
            Source::Chunks(source),
            writer,
            Some(settlement),
            app,
            admission,
        )
    }

    /// Makes the body of a stream that begins with a keep-alive, because `running` takes long.
    pub(super) fn before_content(
        running: Running,
        writer: Box<dyn StreamWriter>,
        app: &App,
        admission: Admission,
    ) -> Self {
        Self::with(
            Vec::new(),
            Source::Running(running),
            writer,
            None,
            app,
            admission,
        )
    }

    fn with(
        chunks: Vec<ChatChunk>,
        source: Source,
        writer: Box<dyn StreamWriter>,
        settlement: Option<Settlement>,
        app: &App,
        admission: Admission,
    ) -> Self {
        Self {
            chunks,
            source,
            writer,
            settlement,
            keepalive: None,
            cut: Box::pin(app.shutdown.cut.clone().cancelled_owned()),
            cut_total: Arc::clone(&app.shutdown.cut_total),
            state: State::First,
            out: Vec::new(),
            waited: 0,
            _admission: admission,
        }
    }

    /// Sends a comment whenever AWS has been silent for `period`.
    pub(super) fn keep_alive(mut self, period: Option<Duration>) -> Self {
        self.keepalive = interval(period);
        // The first tick of an interval is at once; where content has come, silence begins now.
        if let Some(interval) = &mut self.keepalive
            && matches!(self.source, Source::Chunks(_))
        {
            interval.reset();
        }
        self
    }

    /// Reads once from the answer; a call that still ran becomes one.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<Progress>> {
        let running = match &mut self.source {
            Source::Chunks(chunks) => return chunks.poll_chunks(cx, &mut self.chunks),
            Source::Running(running) => running,
        };
        let (outcome, settlement) = ready!(running.as_mut().poll(cx));
        self.settlement = Some(settlement);
        match outcome {
            Ok(Reply::Stream(first, chunks)) => {
                self.chunks.extend(first);
                self.source = Source::Chunks(chunks);
                Poll::Ready(Ok(Progress::More))
            }
            Ok(Reply::Whole(_) | Reply::Raw(_)) => {
                let message = "a streamed call had a whole answer";
                Poll::Ready(Err(Error::new(ErrorKind::Internal, message)))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Writes the chunks that have come.
    fn write_chunks(&mut self) {
        if !self.chunks.is_empty() {
            self.out.reserve(FRAME_BYTES);
        }
        for chunk in self.chunks.drain(..) {
            if let Some(settlement) = &mut self.settlement {
                settlement.saw(&chunk);
            }
            self.writer.chunk(&chunk, &mut self.out);
        }
        self.waited = 0;
    }

    fn fail(&mut self, error: &Error) {
        if let Some(settlement) = &mut self.settlement {
            settlement.failed(error, 200);
        }
        self.writer.error(error, &mut self.out);
        self.state = State::Ended;
    }

    /// Reads until what there is to write should leave, or nothing more is to be read.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state == State::First {
            self.state = State::Open;
            self.write_chunks();
            // The first content is what people wait for.
            if !self.out.is_empty() {
                return Poll::Ready(());
            }
        }
        while self.state == State::Open && self.out.len() < GATHERED_BYTES {
            match self.poll_source(cx) {
                Poll::Ready(Ok(Progress::More)) => self.write_chunks(),
                Poll::Ready(Ok(Progress::Done)) => {
                    self.write_chunks();
                    if let Some(settlement) = &mut self.settlement {
                        settlement.completed();
                    }
                    self.writer.end(&mut self.out);
                    self.state = State::Ended;
                }
                Poll::Ready(Err(error)) => {
                    self.write_chunks();
                    self.fail(&error);
                }
                Poll::Pending if self.out.is_empty() => ready!(self.poll_waiting(cx)),
                Poll::Pending if self.waited < PATIENCE => {
                    self.waited += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }

    /// While AWS is silent: the end of the process, and keep-alives.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.cut.as_mut().poll(cx).is_ready() {
            self.cut_total.fetch_add(1, Ordering::Relaxed);
            self.fail(&Error::new(
                ErrorKind::Overloaded,
                "the gateway is shutting down",
            ));
            return Poll::Ready(());
        }
        if let Some(interval) = &mut self.keepalive {
            ready!(interval.poll_tick(cx));
            self.writer.ping(&mut self.out);
            self.waited = PATIENCE;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Ticks once in a `period`, if there is one; at once for the first time.
pub(super) fn interval(period: Option<Duration>) -> Option<Interval> {
    let period = period.filter(|period| !period.is_zero())?;
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(interval)
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.state != State::Ended {
            ready!(this.poll_gather(cx));
        }
        if this.out.is_empty() {
            return Poll::Ready(None);
        }
        this.waited = 0;
        let out = std::mem::take(&mut this.out);
        if let Some(interval) = &mut this.keepalive {
            interval.reset();
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(out)))))
    }
}
