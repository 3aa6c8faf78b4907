//! AWS's binary event stream, taken apart frame by frame.
//!
//! A frame is a prelude (total length, length of the headers, CRC of both), headers, a payload and a CRC of everything
//! before it, all big-endian. Network reads cut the stream anywhere. [`FrameReader`] takes reads as they come and gives
//! frames out as slices of them; only a frame that lies in two reads is copied together. Both checksums are verified,
//! and a stream that broke once stays broken, because nothing after a wrong length can be trusted.
//!
//! Format: <https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream>.

use std::ops::Range;

use bytes::{Buf, Bytes};

use super::fault::classify_stream_exception;
use crate::error::{Error, ErrorKind};

/// The longest frame that AWS sends.
const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
/// The most that the headers of one frame may take.
const MAX_HEADERS_BYTES: usize = 128 * 1024;
/// Total length, length of the headers, checksum of both.
const PRELUDE_BYTES: usize = 12;
/// The checksum at the end.
const TRAILER_BYTES: usize = 4;
/// How much room a frame that lies in several reads gets at a time; a long one must come before it costs memory.
const FIRST_JOIN_BYTES: usize = 64 * 1024;

/// Why a stream of frames cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length is impossible: too long, or the headers are longer than the frame.
    #[error("event stream frame with impossible lengths")]
    Length,
    /// The checksum of the lengths is wrong.
    #[error("event stream frame with a wrong prelude checksum")]
    PreludeChecksum,
    /// The checksum of the frame is wrong.
    #[error("event stream frame with a wrong checksum")]
    Checksum,
    /// The headers cannot be read.
    #[error("event stream frame with unreadable headers")]
    Headers,
    /// `:message-type` is missing or nobody knows it, or the name that belongs to it is missing.
    #[error("event stream frame without a known message type")]
    MessageType,
    /// The stream ended inside a frame.
    #[error("stream ended inside an event stream frame")]
    Cut,
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::new(ErrorKind::Garbled, error.to_string())
    }
}

/// What a frame is, by its `:message-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// An event; [`Frame::name`] is its `:event-type`.
    Event,
    /// A modelled exception; the name is its `:exception-type`, the payload JSON with a `message`.
    Exception,
    /// Any other failure; the name is its `:error-code`, the message its `:error-message`.
    Error,
}

/// One frame, as slices of what was read.
#[derive(Debug, Clone)]
pub struct Frame {
    kind: FrameKind,
    whole: Bytes,
    name: Range<usize>,
    message: Range<usize>,
    payload: Bytes,
}

impl Frame {
    /// Returns what the frame is.
    pub fn kind(&self) -> FrameKind {
        self.kind
    }

    /// Returns the event's type, the exception's type or the error's code.
    pub fn name(&self) -> &str {
        self.header(&self.name)
    }

    /// Returns `:error-message`; `""` for events and exceptions.
    pub fn message(&self) -> &str {
        self.header(&self.message)
    }

    /// Returns the payload, which shares the memory of the read.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Returns the error that the frame says the stream failed with; `None` for an event.
    pub fn fault(&self) -> Option<Error> {
        match self.kind {
            FrameKind::Event => None,
            FrameKind::Exception => Some(classify_stream_exception(self.name(), &self.payload)),
            FrameKind::Error => Some(classify_stream_exception(
                self.name(),
                self.message().as_bytes(),
            )),
        }
    }

    fn header(&self, range: &Range<usize>) -> &str {
        self.whole
            .get(range.clone())
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or("")
    }
}

/// Takes reads and gives frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// What was read and not given out yet; begins with a frame unless `joined` holds the frame's beginning.
    rest: Bytes,
    /// The beginning of a frame that lies in several reads.
    joined: Vec<u8>,
    broken: Option<FrameError>,
}

impl FrameReader {
    /// Makes a reader at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what one read brought.
    ///
    /// Take all frames out with [`FrameReader::next`] before the next read is handed over; what is left then is copied.
    pub fn push(&mut self, read: Bytes) {
        if self.rest.is_empty() {
            self.rest = read;
        } else {
            let mut both = Vec::with_capacity(self.rest.len() + read.len());
            both.extend_from_slice(&self.rest);
            both.extend_from_slice(&read);
            self.rest = Bytes::from(both);
        }
    }

    /// Returns the next frame, or `None` when more must be read first.
    ///
    /// # Errors
    ///
    /// When the stream cannot be read any further; every later call gives the same error.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator ends for good, a reader goes on after the next read"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.take().inspect_err(|error| self.broken = Some(*error))
    }

    /// Says whether everything that was read has been given out.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.joined.is_empty()
    }

    /// Says that the stream has ended.
    ///
    /// # Errors
    ///
    /// [`FrameError::Cut`] when it ended inside a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.broken {
            Some(error) => Err(error),
            None if self.is_empty() => Ok(()),
            None => Err(FrameError::Cut),
        }
    }

    fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        if !self.joined.is_empty() {
            return self.take_joined();
        }
        if let Some(prelude) = Prelude::parse(&self.rest)?
            && self.rest.len() >= prelude.total
        {
            return read_frame(self.rest.split_to(prelude.total), &prelude).map(Some);
        }
        self.join_rest(usize::MAX);
        Ok(None)
    }

    /// Goes on with a frame whose beginning came with an earlier read.
    fn take_joined(&mut self) -> Result<Option<Frame>, FrameError> {
        self.join_rest(PRELUDE_BYTES);
        let Some(prelude) = Prelude::parse(&self.joined)? else {
            return Ok(None);
        };
        let missing = prelude.total.saturating_sub(self.joined.len());
        self.joined.reserve(missing.min(FIRST_JOIN_BYTES));
        self.join_rest(prelude.total);
        if self.joined.len() < prelude.total {
            return Ok(None);
        }
        let frame = Bytes::from(std::mem::take(&mut self.joined));
        read_frame(frame, &prelude).map(Some)
    }

    /// Moves bytes over until `joined` has `wanted` of them.
    fn join_rest(&mut self, wanted: usize) {
        let count = wanted
            .saturating_sub(self.joined.len())
            .min(self.rest.len());
        self.joined.extend_from_slice(&self.rest.split_to(count));
    }
}

/// The lengths at the beginning of a frame.
#[derive(Debug, Clone, Copy)]
struct Prelude {
    total: usize,
    headers: usize,
}

impl Prelude {
    /// Reads the prelude that `bytes` begins with; `None` when there is less than a whole one.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some((mut prelude, _)) = bytes.split_at_checked(PRELUDE_BYTES) else {
            return Ok(None);
        };
        let checksum = crc32fast::hash(prelude.get(..8).unwrap_or_default());
        let total = prelude.get_u32() as usize;
        let headers = prelude.get_u32() as usize;
        if prelude.get_u32() != checksum {
            return Err(FrameError::PreludeChecksum);
        }
        let overhead = PRELUDE_BYTES + TRAILER_BYTES;
        if total > MAX_FRAME_BYTES
            || headers > MAX_HEADERS_BYTES
            || total < overhead.saturating_add(headers)
        {
            return Err(FrameError::Length);
        }
        Ok(Some(Self { total, headers }))
    }
}

/// Checks and takes apart one whole frame.
fn read_frame(whole: Bytes, prelude: &Prelude) -> Result<Frame, FrameError> {
    let body_end = prelude.total - TRAILER_BYTES;
    let headers_end = PRELUDE_BYTES + prelude.headers;
    let (body, mut trailer) = whole.split_at_checked(body_end).ok_or(FrameError::Length)?;
    if trailer.try_get_u32() != Ok(crc32fast::hash(body)) {
        return Err(FrameError::Checksum);
    }
    let headers = read_headers(&whole, PRELUDE_BYTES..headers_end)?;
    let text = |range: &Range<usize>| whole.get(range.clone()).unwrap_or_default();
    let (kind, name) = match headers.message_type.as_ref().map(text) {
        Some(b"event") => (FrameKind::Event, headers.event_type),
        Some(b"exception") => (FrameKind::Exception, headers.exception_type),
        Some(b"error") => (FrameKind::Error, headers.error_code),
        _ => return Err(FrameError::MessageType),
    };
    Ok(Frame {
        kind,
        name: name.ok_or(FrameError::MessageType)?,
        message: headers.error_message.unwrap_or_default(),
        payload: whole.slice(headers_end..body_end),
        whole,
    })
}

/// Where the headers' values lie that say what a frame is.
#[derive(Debug, Default)]
struct Headers {
    message_type: Option<Range<usize>>,
    event_type: Option<Range<usize>>,
    exception_type: Option<Range<usize>>,
    error_code: Option<Range<usize>>,
    error_message: Option<Range<usize>>,
}

/// Reads the headers that lie at `range` of the frame.
fn read_headers(whole: &[u8], range: Range<usize>) -> Result<Headers, FrameError> {
    let mut found = Headers::default();
    let mut left = whole.get(range.clone()).ok_or(FrameError::Headers)?;
    while !left.is_empty() {
        let name_len = left.try_get_u8().map_err(|_| FrameError::Headers)? as usize;
        let (name, after) = left.split_at_checked(name_len).ok_or(FrameError::Headers)?;
        left = after;
        let kind = left.try_get_u8().map_err(|_| FrameError::Headers)?;
        let value_len = value_len(kind, &mut left)?;
        let start = range.end - left.len();
        let (value, after) = left
            .split_at_checked(value_len)
            .ok_or(FrameError::Headers)?;
        left = after;
        let slot = match name {
            b":message-type" => &mut found.message_type,
            b":event-type" => &mut found.event_type,
            b":exception-type" => &mut found.exception_type,
            b":error-code" => &mut found.error_code,
            b":error-message" => &mut found.error_message,
            _ => continue,
        };
        if kind != STRING || std::str::from_utf8(value).is_err() {
            return Err(FrameError::Headers);
        }
        *slot = Some(start..start + value_len);
    }
    Ok(found)
}

/// The type of a header whose value is a string.
const STRING: u8 = 7;

/// Returns how long a header's value is, taking the length itself off `left` where it is written.
fn value_len(kind: u8, left: &mut &[u8]) -> Result<usize, FrameError> {
    Ok(match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | STRING => left.try_get_u16().map_err(|_| FrameError::Headers)? as usize,
        _ => return Err(FrameError::Headers),
    })
}

#[cfg(test)]
#[path = "event_stream_tests.rs"]
mod tests;
