//! One caller's part of a streamed answer that several share.
//!
//! The call that they share has books of its own. A caller's limits are settled by what the caller was handed, as they would
//! be by a call of its own: also where the answer breaks, or the caller leaves before its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::time::Sleep;

use super::attempt::Partial;
use super::cached::Piece;
use super::relay::Progress;
use super::{Call, Journal};
use crate::cache::Waiter;
use crate::canonical::ChatChunk;
use crate::catalog::Size;
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};

/// Reads a shared answer for one caller.
#[derive(Debug)]
pub(super) struct Share {
    waiter: Waiter<Piece>,
    /// When the caller stops waiting.
    end: Option<Pin<Box<Sleep>>>,
    /// What the caller asked.
    call: Arc<Call>,
    /// The caller's journal.
    journal: Arc<Journal>,
    /// What the caller was handed.
    partial: Partial,
    is_booked: bool,
}

impl Share {
    /// Reads on from `first` for `call`; going on past `end` is an error.
    pub(super) fn new(
        waiter: Waiter<Piece>,
        first: &[ChatChunk],
        call: &Arc<Call>,
        journal: &Arc<Journal>,
        end: Option<Instant>,
        clock: &SharedClock,
    ) -> Self {
        let end = end.map(|end| {
            let left = end.saturating_duration_since(clock.now());
            Box::pin(tokio::time::sleep(left))
        });
        let mut share = Self {
            waiter,
            end,
            call: Arc::clone(call),
            journal: Arc::clone(journal),
            partial: Partial::default(),
            is_booked: false,
        };
        share.saw(first);
        share
    }

    /// Reads once, and appends the chunks that came to `out`.
    pub(super) fn poll_chunks(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Poll<Result<Progress>> {
        let Poll::Ready(next) = self.waiter.poll_next(cx) else {
            ready!(self.poll_end(cx));
            let message = "the deadline of the call has passed";
            return Poll::Ready(Err(Error::new(ErrorKind::Timeout, message)));
        };
        Poll::Ready(match next {
            Some(Ok(Piece::Chunks(chunks))) => {
                self.saw(&chunks);
                out.extend(chunks);
                Ok(Progress::More)
            }
            Some(Ok(Piece::Began(_) | Piece::Whole(_))) => Ok(Progress::More),
            Some(Err(error)) => {
                self.book();
                Err(error)
            }
            None => {
                self.book();
                Ok(Progress::Done)
            }
        })
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.end {
            None => Poll::Pending,
            Some(end) => end.as_mut().poll(cx),
        }
    }

    fn saw(&mut self, chunks: &[ChatChunk]) {
        for chunk in chunks {
            self.partial.saw(chunk);
        }
    }

    /// Notes once what the caller was handed. The books go by it only where the answer itself did not say.
    fn book(&mut self) {
        if std::mem::replace(&mut self.is_booked, true) {
            return;
        }
        let tokenizer = {
            let entries = self.journal.entries();
            let served = entries.served.as_ref();
            served.map_or_else(Default::default, |served| served.deployment.tokenizer)
        };
        let asked = || Size::of_request(&self.call.request);
        self.journal.took(&self.partial.usage(asked, tokenizer));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.book();
    }
}
