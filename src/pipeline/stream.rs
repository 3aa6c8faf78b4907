//! A streamed answer as its client sees it: one stream, whoever writes it, and kept on its way if it is to be.

use std::task::{Context, Poll, ready};

use super::Call;
use super::relay::{Progress, Relay};
use super::resume::Recovery;
use super::share::Share;
use crate::cache::{Assembler, Slot};
use crate::canonical::ChatChunk;
use crate::dialect::Front;
use crate::error::Result;

/// Where the chunks of a streamed answer come from.
#[derive(Debug)]
pub struct ChunkSource {
    inner: Inner,
    recovery: Option<Box<Recovery>>,
    recorder: Option<Box<Recorder>>,
}

/// Who writes the answer.
#[derive(Debug)]
enum Inner {
    /// A deployment.
    Relay(Box<Relay>),
    /// A call that this one shares.
    Shared(Box<Share>),
    /// Nobody: all of it is there.
    Ended,
}

impl ChunkSource {
    fn of(inner: Inner) -> Self {
        Self {
            inner,
            recovery: None,
            recorder: None,
        }
    }

    /// Makes the source of an answer that a deployment writes.
    pub(super) fn new(relay: Relay) -> Self {
        Self::of(Inner::Relay(Box::new(relay)))
    }

    /// Makes the source of an answer that has come to its end.
    pub(super) fn ended() -> Self {
        Self::of(Inner::Ended)
    }

    /// Makes the source of an answer that others share.
    pub(super) fn shared(share: Share) -> Self {
        Self::of(Inner::Shared(Box::new(share)))
    }

    /// Lets the answer continue elsewhere when it breaks.
    pub(super) fn recover(&mut self, recovery: Recovery) {
        self.recovery = Some(Box::new(recovery));
    }

    /// Has the answer kept when it has come to its end.
    pub(super) fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(Box::new(recorder));
    }

    /// Returns what reads the present deployment's answer.
    pub(super) fn into_relay(self) -> Option<Relay> {
        match self.inner {
            Inner::Relay(relay) => Some(*relay),
            Inner::Shared(..) | Inner::Ended => None,
        }
    }

    /// Reads once, and appends the chunks of every whole frame to `out`.
    ///
    /// # Errors
    ///
    /// What ends the stream; chunks already appended are still good.
    pub fn poll_chunks(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Poll<Result<Progress>> {
        let before = out.len();
        let result = ready!(self.poll_recovering(cx, out));
        if let Some(recorder) = &mut self.recorder {
            recorder.saw(out.get(before..).unwrap_or_default());
            match &result {
                Ok(Progress::More) => {}
                Ok(Progress::Done) => {
                    if let Some(recorder) = self.recorder.take() {
                        recorder.keep();
                    }
                }
                Err(_) => self.recorder = None,
            }
        }
        Poll::Ready(result)
    }

    fn poll_recovering(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Poll<Result<Progress>> {
        let Some(recovery) = &mut self.recovery else {
            return self.inner.poll_chunks(cx, out);
        };
        loop {
            let before = out.len();
            if recovery.is_resuming() {
                let relay = ready!(recovery.poll_resume(cx, out))?;
                self.inner = Inner::Relay(Box::new(relay));
                recovery.look_at(before, out);
                return Poll::Ready(Ok(Progress::More));
            }
            let result = ready!(self.inner.poll_chunks(cx, out));
            recovery.look_at(before, out);
            match result {
                Ok(progress) => return Poll::Ready(Ok(progress)),
                Err(error) if recovery.can_continue() => recovery.start(error),
                Err(error) => return Poll::Ready(Err(error)),
            }
            if out.len() > before {
                cx.waker().wake_by_ref();
                return Poll::Ready(Ok(Progress::More));
            }
        }
    }
}

impl Inner {
    fn poll_chunks(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Poll<Result<Progress>> {
        match self {
            Self::Relay(relay) => relay.poll_chunks(cx, out),
            Self::Ended => Poll::Ready(Ok(Progress::Done)),
            Self::Shared(share) => share.poll_chunks(cx, out),
        }
    }
}

/// Puts a stream together on its way, to be kept.
#[derive(Debug)]
pub(super) struct Recorder {
    assembler: Assembler,
    slot: Slot,
    front: Front,
    id: String,
    created: u64,
}

impl Recorder {
    /// Makes one; `None` where the answer is not to be kept.
    pub(super) fn new(slot: Slot, call: &Call) -> Option<Self> {
        Some(Self {
            assembler: slot.assembler()?,
            slot,
            front: call.front,
            id: call.answer_id.clone(),
            created: call.created,
        })
    }

    /// Looks at chunks that have come.
    pub(super) fn saw(&mut self, chunks: &[ChatChunk]) {
        for chunk in chunks {
            self.assembler.saw(chunk);
            if let Some(id) = self.front.id_in(chunk) {
                self.id = id;
            }
        }
    }

    fn keep(self) {
        self.slot
            .fill_stream(self.assembler, &self.id, self.created);
    }
}
