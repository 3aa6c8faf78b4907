//! The answer, whole or streamed, and what is held back while nothing has been shown to the client.
//!
//! A stream is opened by reading until the first content, or the finish of an empty answer: only then is the client told
//! that the call succeeded. Until then every failure is an ordinary error with its true status.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;

use super::attempt::{Attempt, Partial};
use super::silence::Silence;
use crate::canonical::{Chat, ChatChunk};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::bedrock::event_stream::FrameReader;
use crate::provider::bedrock::server_events::EventReader;
use crate::provider::{Decoder, WireEvent};
use crate::upstream::{Body, SendFailure};

/// Whether a stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More may come.
    More,
    /// It was complete.
    Done,
}

/// How the events of a stream are written.
#[derive(Debug)]
pub(super) enum Framing {
    /// AWS's binary frames.
    Frames(FrameReader),
    /// Server-sent events.
    Events(EventReader),
}

impl Framing {
    /// Tells by the content type; `None` for what is no stream.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let written = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
        let is = |kind: &str| {
            let begins = written.get(..kind.len());
            begins.is_some_and(|begins| begins.eq_ignore_ascii_case(kind))
        };
        if is("application/vnd.amazon.eventstream") {
            Some(Self::Frames(FrameReader::new()))
        } else if is("text/event-stream") {
            Some(Self::Events(EventReader::new()))
        } else {
            None
        }
    }

    fn push(&mut self, read: Bytes) {
        match self {
            Self::Frames(frames) => frames.push(read),
            Self::Events(events) => events.push(read),
        }
    }

    /// Decodes every whole event.
    fn drain(&mut self, decoder: &mut dyn Decoder<Chat>, out: &mut Vec<ChatChunk>) -> Result<()> {
        match self {
            Self::Frames(frames) => {
                while let Some(frame) = frames.next()? {
                    if let Some(error) = frame.fault() {
                        return Err(error);
                    }
                    let (kind, payload) = (frame.name(), frame.payload());
                    decoder.event(WireEvent { kind, payload }, out)?;
                }
            }
            Self::Events(events) => {
                while let Some(event) = events.next()? {
                    let (kind, payload) = (event.name(), event.data());
                    decoder.event(WireEvent { kind, payload }, out)?;
                }
            }
        }
        Ok(())
    }

    /// Says that the stream has ended. What a server-sent event lacks, the decoder misses.
    fn finish(&self) -> Result<()> {
        match self {
            Self::Frames(frames) => Ok(frames.finish()?),
            Self::Events(_) => Ok(()),
        }
    }
}

/// Reads a stream as chunks.
pub(super) struct Relay {
    body: Option<Body>,
    framing: Framing,
    decoder: Box<dyn Decoder<Chat>>,
    silence: Silence,
    /// A fault that was read together with the first content: the content is shown first.
    fault: Option<Error>,
    /// The attempt whose answer it is, until that is over.
    attempt: Option<Attempt>,
    /// What has come so far.
    partial: Partial,
    /// Whether the answer has come to its end: what is missing is only what is said about it.
    is_finished: bool,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

impl Relay {
    /// Reads `body` with `decoder`; a silence longer than `idle` is an error, and so is going on past `end`.
    pub(super) fn new(
        framing: Framing,
        body: Body,
        decoder: Box<dyn Decoder<Chat>>,
        idle: Duration,
        end: Option<Instant>,
        clock: &SharedClock,
    ) -> Self {
        Self {
            body: Some(body),
            framing,
            decoder,
            silence: Silence::new(idle, end, clock),
            fault: None,
            attempt: None,
            partial: Partial::default(),
            is_finished: false,
        }
    }

    /// Takes the attempt along, so that it lasts as long as its answer.
    pub(super) fn carry(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
    }

    /// Notes that it goes on from so many tokens that others wrote.
    pub(super) fn continues(&mut self, tokens: u64) {
        self.partial.continues(tokens);
    }

    /// Says whether the caller's deadline ended it.
    pub(super) fn is_past_end(&self) -> bool {
        self.silence.is_past_end()
    }

    /// Reads once, and appends the chunks of every whole frame to `out`.
    ///
    /// # Errors
    ///
    /// What ends the stream; chunks already appended are still good.
    pub(super) fn poll_chunks(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Poll<Result<Progress>> {
        let before = out.len();
        let result = ready!(self.poll_read(cx, out));
        for chunk in out.get(before..).unwrap_or_default() {
            self.partial.saw(chunk);
            self.is_finished |= matches!(chunk, ChatChunk::Finish { .. });
        }
        Poll::Ready(match result {
            Ok(Progress::More) => Ok(Progress::More),
            Ok(Progress::Done) => {
                if let Some(mut attempt) = self.attempt.take() {
                    attempt.succeeded(self.partial.reported().unwrap_or_default());
                }
                Ok(Progress::Done)
            }
            // The client has the whole answer, and was told so. It is not to hear that it is broken.
            Err(_) if self.is_finished => {
                self.body = None;
                if let Some(mut attempt) = self.attempt.take() {
                    attempt.finished(&self.partial);
                }
                Ok(Progress::Done)
            }
            Err(error) => {
                if let Some(mut attempt) = self.attempt.take() {
                    if self.silence.is_past_end() {
                        attempt.bound_by_caller();
                    }
                    attempt.broke(&error, &self.partial);
                }
                Err(error)
            }
        })
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Poll<Result<Progress>> {
        if let Some(fault) = self.fault.take() {
            self.body = None;
            return Poll::Ready(Err(fault));
        }
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(Progress::Done));
        };
        match body.poll_data(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.silence.broken();
                self.framing.push(bytes);
                let drained = self.framing.drain(&mut *self.decoder, out);
                Poll::Ready(drained.map(|()| Progress::More))
            }
            Poll::Ready(Some(Err(error))) => {
                self.body = None;
                Poll::Ready(Err(match error.failure() {
                    SendFailure::Reset => {
                        garbled("stream ended before messageStop").with_source(error)
                    }
                    _ => Error::from(error),
                }))
            }
            Poll::Ready(None) => {
                self.body = None;
                Poll::Ready(self.finish(out))
            }
            Poll::Pending => self.poll_silence(cx),
        }
    }

    fn finish(&mut self, out: &mut Vec<ChatChunk>) -> Result<Progress> {
        self.framing.finish()?;
        self.decoder.end(out)?;
        Ok(Progress::Done)
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Result<Progress>> {
        let error = ready!(self.silence.poll_over(cx));
        self.body = None;
        Poll::Ready(Err(error))
    }

    /// Reads until the first content, or the finish of an empty answer.
    ///
    /// # Errors
    ///
    /// Any fault before that.
    pub(super) async fn open(&mut self) -> Result<Vec<ChatChunk>> {
        let mut chunks = Vec::new();
        loop {
            let progress = std::future::poll_fn(|cx| self.poll_chunks(cx, &mut chunks)).await;
            let committed = chunks
                .iter()
                .any(|chunk| chunk.is_content() || matches!(chunk, ChatChunk::Finish { .. }));
            match progress {
                Ok(_) if committed => return Ok(chunks),
                Err(fault) if committed => {
                    self.fault = Some(fault);
                    return Ok(chunks);
                }
                Ok(Progress::Done) => return Err(garbled("the stream ended before it began")),
                Ok(Progress::More) => {}
                Err(fault) => return Err(fault),
            }
        }
    }
}

impl Drop for Relay {
    /// An attempt that is still here has no end that anybody will read: the client hung up.
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.given_up(&self.partial);
        }
    }
}

fn garbled(message: &str) -> Error {
    Error::new(ErrorKind::Garbled, message)
}
