//! A streamed answer as its client sees it: one stream, even where several deployments wrote it.

use std::task::{Context, Poll, ready};

use super::relay::{Progress, Relay};
use super::resume::Recovery;
use crate::canonical::ChatChunk;
use crate::error::Result;

/// Where the chunks of a streamed answer come from.
#[derive(Debug)]
pub struct ChunkSource {
    relay: Relay,
    recovery: Option<Box<Recovery>>,
}

impl ChunkSource {
    /// Makes the source of an answer that ends with its first fault.
    pub(super) fn new(relay: Relay) -> Self {
        Self {
            relay,
            recovery: None,
        }
    }

    /// Lets the answer continue elsewhere when it breaks.
    pub(super) fn recover(&mut self, recovery: Recovery) {
        self.recovery = Some(Box::new(recovery));
    }

    /// Returns what reads the present deployment's answer.
    pub(super) fn into_relay(self) -> Relay {
        self.relay
    }

    /// Says whether the answer may continue elsewhere when it breaks.
    pub fn may_resume(&self) -> bool {
        self.recovery.is_some()
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
        let Some(recovery) = &mut self.recovery else {
            return self.relay.poll_chunks(cx, out);
        };
        loop {
            let before = out.len();
            if recovery.is_resuming() {
                let relay = ready!(recovery.poll_resume(cx, out))?;
                self.relay = relay;
                recovery.look_at(before, out);
                return Poll::Ready(Ok(Progress::More));
            }
            let result = ready!(self.relay.poll_chunks(cx, out));
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
