//! Response bodies: whole, or a script of frames, pauses and accidents.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::state::OpenStream;

/// One step of a scripted body.
#[derive(Debug)]
pub(super) enum Step {
    /// Sends these bytes as one chunk.
    Send(Bytes),
    /// Waits before the next step.
    Pause(Duration),
    /// Sends nothing more and never ends.
    Stall,
    /// Flushes, then drops the connection without ending the body.
    Cut,
    /// Like `Cut`, but with a TCP reset.
    Reset,
}

/// What the server sends after the head of a response.
pub(super) enum ReplyBody {
    Whole(Option<Bytes>),
    Script(Box<Script>),
}

impl ReplyBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        ReplyBody::Whole(Some(bytes))
    }

    pub(super) fn script(steps: Vec<Step>, open: OpenStream, reset: Arc<AtomicBool>) -> Self {
        let steps = steps.into();
        ReplyBody::Script(Box::new(Script {
            steps,
            sleep: None,
            flushed: false,
            open,
            reset,
        }))
    }
}

/// A body that plays its steps. Dropping it before the last one counts as a cancelled stream.
pub(super) struct Script {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the server had a chance to write out what was sent before a cut.
    flushed: bool,
    open: OpenStream,
    reset: Arc<AtomicBool>,
}

impl Script {
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match self.steps.front() {
                None => {
                    self.open.finish();
                    return Poll::Ready(None);
                }
                Some(Step::Stall) => return Poll::Pending,
                Some(Step::Pause(duration)) => {
                    let duration = *duration;
                    let sleep = self
                        .sleep
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(duration)));
                    std::task::ready!(sleep.as_mut().poll(context));
                    self.sleep = None;
                    self.steps.pop_front();
                }
                Some(Step::Cut | Step::Reset) if !self.flushed => {
                    // The server flushes when a body is not ready, and not when it fails.
                    self.flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(step @ (Step::Cut | Step::Reset)) => {
                    self.reset
                        .store(matches!(step, Step::Reset), Ordering::Release);
                    self.open.finish();
                    return Poll::Ready(Some(Err(io::Error::other(
                        "the simulator drops this connection",
                    ))));
                }
                Some(Step::Send(_)) => {
                    if let Some(Step::Send(bytes)) = self.steps.pop_front() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
            }
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            ReplyBody::Whole(bytes) => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            ReplyBody::Script(script) => script
                .poll_step(context)
                .map(|step| step.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ReplyBody::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            ReplyBody::Script(_) => SizeHint::default(),
        }
    }
}
