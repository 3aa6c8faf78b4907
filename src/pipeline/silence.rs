//! How long an answer may be silent, and when its caller stops reading.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind};

/// The bounds on the reading of one answer.
pub(super) struct Silence {
    idle: Duration,
    last_read: Instant,
    end: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
    clock: SharedClock,
    is_past_end: bool,
}

impl Silence {
    /// Begins now: a silence longer than `idle` is an error, and so is going on past `end`.
    pub(super) fn new(idle: Duration, end: Option<Instant>, clock: &SharedClock) -> Self {
        let now = clock.now();
        let left = end.map(|end| end.saturating_duration_since(now));
        let first = left.map_or(idle, |left| left.min(idle));
        Self {
            idle,
            last_read: now,
            end,
            sleep: Box::pin(tokio::time::sleep(first)),
            clock: Arc::clone(clock),
            is_past_end: false,
        }
    }

    /// Notes that something came.
    pub(super) fn broken(&mut self) {
        self.last_read = self.clock.now();
    }

    /// Says whether the caller's deadline ended it.
    pub(super) fn is_past_end(&self) -> bool {
        self.is_past_end
    }

    /// Waits for the end of what is allowed. The timer is not moved on every read: it looks at the last one when it fires.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let now = self.clock.now();
            if self.end.is_some_and(|end| now >= end) {
                self.is_past_end = true;
                let message = "the deadline of the call has passed";
                return Poll::Ready(Error::new(ErrorKind::Timeout, message));
            }
            let silent = now.saturating_duration_since(self.last_read);
            if silent >= self.idle {
                let message = format!("no event came from the model for {} s", self.idle.as_secs());
                return Poll::Ready(Error::new(ErrorKind::Timeout, message));
            }
            let mut wait = self.idle.saturating_sub(silent);
            if let Some(end) = self.end {
                wait = wait.min(end.saturating_duration_since(now));
            }
            self.sleep.as_mut().set(tokio::time::sleep(wait));
        }
    }
}
