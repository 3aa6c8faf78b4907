//! The answer to a call that is passed through, on its way to the client.
//!
//! Pieces leave as they came. A copy of each goes past the [`Tap`], so that the tokens are known when the answer ends,
//! breaks, or is given up.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::attempt::{Attempt, Partial};
use super::silence::Silence;
use crate::canonical::Usage;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::bedrock::raw::Tap;
use crate::upstream::{Body, SendFailure};

/// How much of a stream is held back at most until its first event is whole.
const MOST_HELD_BYTES: usize = 256 * 1024;

/// Where the pieces of an answer come from.
pub struct RawSource {
    /// What was read before the answer was opened.
    first: VecDeque<Bytes>,
    /// `None` once it has ended.
    body: Option<Body>,
    tap: Tap,
    silence: Silence,
    /// The attempt whose answer it is, until that is over.
    attempt: Option<Attempt>,
}

impl std::fmt::Debug for RawSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSource").finish_non_exhaustive()
    }
}

impl RawSource {
    /// Reads `body`, and shows it to `tap`.
    pub(super) fn new(body: Body, tap: Tap, silence: Silence) -> Self {
        Self {
            first: VecDeque::new(),
            body: Some(body),
            tap,
            silence,
            attempt: None,
        }
    }

    /// Reads until something may be shown: anything of a whole answer, the first event of a stream.
    ///
    /// # Errors
    ///
    /// What went wrong before that, also where the stream says so in its first event.
    pub(super) async fn open(&mut self) -> Result<()> {
        let mut held = 0;
        while let Some(piece) = std::future::poll_fn(|cx| self.poll_read(cx)).await? {
            held += piece.len();
            self.first.push_back(piece);
            if let Some(fault) = self.tap.failed_at_once() {
                return Err(fault.clone());
            }
            if self.tap.has_begun() || held >= MOST_HELD_BYTES {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes the attempt along, so that it lasts as long as its answer.
    pub(super) fn carry(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
    }

    /// Says whether the caller's deadline ended it.
    pub(super) fn is_past_end(&self) -> bool {
        self.silence.is_past_end()
    }

    /// Returns the tokens that were reported so far.
    pub fn usage(&self) -> Usage {
        self.tap.usage().unwrap_or_default()
    }

    /// Returns the failure that the answer told of in itself, after it had begun.
    pub fn fault(&self) -> Option<&Error> {
        self.tap.fault()
    }

    /// Says whether nothing more comes of it.
    pub fn is_over(&self) -> bool {
        self.first.is_empty() && self.body.is_none()
    }

    /// Ends it well: it is whole, whatever is left of it.
    pub fn close(&mut self) {
        self.first.clear();
        self.body = None;
        self.ended();
    }

    /// Returns the next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// What ends the answer before its end: the client's connection is to be ended too.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if let Some(piece) = self.first.pop_front() {
            return Poll::Ready(Ok(Some(piece)));
        }
        let result = ready!(self.poll_read(cx));
        match &result {
            Ok(Some(_)) => {}
            Ok(None) => self.ended(),
            Err(error) => self.broke(error),
        }
        Poll::Ready(result)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(None));
        };
        match body.poll_data(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                self.silence.broken();
                self.tap.see(&piece);
                Poll::Ready(Ok(Some(piece)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.body = None;
                Poll::Ready(Err(match error.failure() {
                    SendFailure::Reset => {
                        let message = "the answer ended before its end";
                        Error::new(ErrorKind::Garbled, message).with_source(error)
                    }
                    _ => Error::from(error),
                }))
            }
            Poll::Ready(None) => {
                self.body = None;
                Poll::Ready(Ok(None))
            }
            Poll::Pending => {
                let error = ready!(self.silence.poll_over(cx));
                self.body = None;
                Poll::Ready(Err(error))
            }
        }
    }

    /// The answer has come to its end, which may be an exception of its own.
    fn ended(&mut self) {
        let Some(mut attempt) = self.attempt.take() else {
            return;
        };
        match self.tap.fault() {
            Some(fault) => attempt.broke(fault, &self.partial()),
            None => attempt.succeeded(self.usage()),
        }
    }

    fn broke(&mut self, error: &Error) {
        let partial = self.partial();
        let is_past_end = self.is_past_end();
        if let Some(mut attempt) = self.attempt.take() {
            if is_past_end {
                attempt.bound_by_caller();
            }
            attempt.broke(error, &partial);
        }
    }

    fn partial(&self) -> Partial {
        Partial::read(self.tap.usage(), self.tap.written())
    }
}

impl Drop for RawSource {
    /// An attempt that is still here has no end that anybody will read: the client hung up.
    fn drop(&mut self) {
        let partial = self.partial();
        if let Some(attempt) = self.attempt.take() {
            attempt.given_up(&partial);
        }
    }
}
