//! Several prompts as one stream: their answers come as they are written, each piece with the place of its prompt.
//!
//! The prompts run as those of a whole answer do, a few at a time. The first content of any of them commits the stream; until
//! then a failure is an ordinary error, from then on it ends the stream with one error event, and all other prompts with it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, Stream as _};
use http_body::{Body, Frame};
use tokio::time::Interval;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::App;
use super::admission::Admission;
use super::inference::{as_event_stream, envelope, failed, silence, stream_headers};
use super::prompts::{AT_ONCE, Due, Failed, Prompt, found_no_room, one, other_answer};
use super::sse::{GATHERED_BYTES, interval};
use crate::canonical::{ChatChunk, Usage};
use crate::dialect::completions::CompletionStream;
use crate::dialect::{Envelope, StreamWriter as _};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{Call, ChunkSource, Progress, Reply, Settlement};

/// A prompt whose answer has not begun.
type Opening = Pin<Box<dyn Future<Output = (Prompt, Result<Reply>)> + Send>>;

/// Answers all prompts of a request as one stream.
pub(super) async fn answer(
    app: &Arc<App>,
    call: &Arc<Call>,
    due: Due,
    admission: Admission,
) -> Response {
    let mut body = PromptStream {
        app: Arc::clone(app),
        envelope: envelope(call),
        due,
        opening: FuturesUnordered::new(),
        open: Vec::new(),
        room: AT_ONCE,
        usage: None,
        keepalive: None,
        cut: Box::pin(app.shutdown.cut.clone().cancelled_owned()),
        cut_total: Arc::clone(&app.shutdown.cut_total),
        out: Vec::new(),
        is_over: false,
        _admission: admission,
    };
    let begun = std::future::poll_fn(|cx| body.poll_begin(cx)).await;
    let headers = match (begun, body.open.first()) {
        (Ok(()), Some(first)) => {
            body.keepalive = interval(silence(call, &first.books));
            if let Some(interval) = &mut body.keepalive {
                interval.reset();
            }
            stream_headers(&first.books)
        }
        (Ok(()), None) => {
            let books = Settlement::open(Arc::clone(call), Arc::clone(&app.clock));
            return failed(&other_answer(), call, books);
        }
        (Err(refused), _) => {
            let Failed { prompt, error } = *refused;
            return failed(&error, call, prompt.books);
        }
    };
    let mut response = as_event_stream(app, body, call);
    response.headers_mut().extend(headers);
    response
}

/// The answer to one prompt, under way.
struct Open {
    source: Box<ChunkSource>,
    /// What has come and was not written yet.
    chunks: Vec<ChatChunk>,
    writer: CompletionStream,
    books: Settlement,
}

/// The body of the stream.
struct PromptStream {
    app: Arc<App>,
    envelope: Envelope,
    due: Due,
    opening: FuturesUnordered<Opening>,
    open: Vec<Open>,
    /// How many prompts may be under way.
    room: usize,
    /// The tokens of those that have ended.
    usage: Option<Usage>,
    keepalive: Option<Interval>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_total: Arc<AtomicUsize>,
    out: Vec<u8>,
    is_over: bool,
    _admission: Admission,
}

impl PromptStream {
    /// Waits for the first content of any prompt.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Box<Failed>>> {
        loop {
            self.start();
            match Pin::new(&mut self.opening).poll_next(cx) {
                Poll::Ready(Some((prompt, reply))) => match self.began(prompt, reply) {
                    Ok(()) if self.open.is_empty() => {}
                    other => return Poll::Ready(other),
                },
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Starts as many prompts as there is room for.
    fn start(&mut self) {
        while self.opening.len() + self.open.len() < self.room
            && let Some(mut prompt) = self.due.next()
        {
            prompt.has_company = self.opening.len() + self.open.len() > 0;
            let app = Arc::clone(&self.app);
            let opening = async move { one(&app, prompt).await };
            self.opening.push(Box::pin(opening));
        }
    }

    /// Takes a prompt whose answer has begun, or failed.
    fn began(&mut self, prompt: Prompt, reply: Result<Reply>) -> Result<(), Box<Failed>> {
        match reply {
            Ok(Reply::Stream(chunks, source)) => {
                let writer = CompletionStream::of_prompt(&self.envelope, prompt.place);
                self.open.push(Open {
                    source,
                    chunks,
                    writer,
                    books: prompt.books,
                });
                Ok(())
            }
            Ok(Reply::Whole(_) | Reply::Raw(_)) => Err(Box::new(Failed {
                prompt,
                error: other_answer(),
            })),
            // It was one of those under way, so there is less room each time, until each is alone.
            Err(error) if found_no_room(&prompt, &error) => {
                self.room = (self.opening.len() + self.open.len()).max(1);
                self.due.again(prompt);
                Ok(())
            }
            Err(error) => Err(Box::new(Failed { prompt, error })),
        }
    }

    /// Takes whatever has come of any prompt; says whether anything has.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let mut has_come = false;
        self.start();
        while let Poll::Ready(Some((prompt, reply))) = Pin::new(&mut self.opening).poll_next(cx) {
            has_come = true;
            if let Err(refused) = self.began(prompt, reply) {
                let Failed { mut prompt, error } = *refused;
                prompt.books.failed(&error, 200);
                return Err(error);
            }
            self.start();
        }
        let mut place = 0;
        while let Some(open) = self.open.get_mut(place) {
            has_come |= !open.chunks.is_empty();
            open.write(&mut self.out);
            match open.source.poll_chunks(cx, &mut open.chunks) {
                Poll::Pending => place += 1,
                Poll::Ready(Ok(Progress::More)) => {
                    has_come = true;
                    open.write(&mut self.out);
                    place += 1;
                }
                Poll::Ready(Ok(Progress::Done)) => {
                    has_come = true;
                    open.write(&mut self.out);
                    let mut ended = self.open.swap_remove(place);
                    ended.books.completed();
                    ended.books.make_room();
                    let sum = |used: Usage| self.usage.map_or(used, |sum| sum.plus(&used));
                    self.usage = ended.writer.used().map(sum).or(self.usage);
                }
                Poll::Ready(Err(error)) => {
                    open.write(&mut self.out);
                    open.books.failed(&error, 200);
                    return Err(error);
                }
            }
        }
        Ok(has_come)
    }

    /// Ends the stream, and whatever is still under way.
    fn end(&mut self, error: Option<&Error>) {
        self.is_over = true;
        self.due.clear();
        self.opening.clear();
        self.open.clear();
        let mut writer = CompletionStream::new(&self.envelope);
        if let Some(error) = error {
            return writer.error(error, &mut self.out);
        }
        if let Some(usage) = self.usage {
            let usage = ChatChunk::Usage {
                usage,
                service_tier: None,
            };
            writer.chunk(&usage, &mut self.out);
        }
        writer.end(&mut self.out);
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_over && self.out.len() < GATHERED_BYTES {
            match self.read(cx) {
                Err(error) => self.end(Some(&error)),
                Ok(_) if self.open.is_empty() && self.opening.is_empty() && self.due.is_empty() => {
                    self.end(None);
                }
                Ok(true) => {}
                Ok(false) if self.out.is_empty() => return self.poll_waiting(cx),
                Ok(false) => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }

    /// While nobody writes: the end of the process, and keep-alives.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.cut.as_mut().poll(cx).is_ready() {
            self.cut_total.fetch_add(1, Ordering::Relaxed);
            let error = Error::new(ErrorKind::Overloaded, "the gateway is shutting down");
            for open in &mut self.open {
                open.books.failed(&error, 200);
            }
            self.end(Some(&error));
            return Poll::Ready(());
        }
        if let Some(interval) = &mut self.keepalive
            && interval.poll_tick(cx).is_ready()
        {
            CompletionStream::new(&self.envelope).ping(&mut self.out);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Open {
    /// Writes what has come.
    fn write(&mut self, out: &mut Vec<u8>) {
        for chunk in self.chunks.drain(..) {
            self.books.saw(&chunk);
            self.writer.chunk(&chunk, out);
        }
    }
}

impl Body for PromptStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        std::task::ready!(this.poll_gather(cx));
        if this.out.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(interval) = &mut this.keepalive {
            interval.reset();
        }
        let out = std::mem::take(&mut this.out);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(out)))))
    }
}
