//! Server-sent events, taken apart event by event: how Bedrock's OpenAI- and Anthropic-shaped APIs stream.
//!
//! Network reads cut the stream anywhere. [`EventReader`] takes reads as they come and gives out events whose data share the
//! memory of what was read, unless an event lies in several reads or has several lines of data.
//!
//! Format: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, ErrorKind};

/// The longest event that is read; AWS's own frames are no longer.
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEvent {
    name: Bytes,
    data: Bytes,
}

impl ServerEvent {
    /// Returns its name; `""` where it has none.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.name).unwrap_or("")
    }

    /// Returns its data.
    pub fn data(&self) -> &Bytes {
        &self.data
    }
}

/// Takes reads and gives events.
#[derive(Debug, Default)]
pub struct EventReader {
    rest: BytesMut,
    /// How far `rest` is known to have no end of a line.
    seen: usize,
    name: Bytes,
    data: Data,
    bytes: usize,
}

/// The lines of data of the event that is being read.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Several(BytesMut),
}

impl EventReader {
    /// Makes a reader at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what one read brought.
    pub fn push(&mut self, read: Bytes) {
        if self.rest.is_empty() {
            // Most reads are handed over whole, and nobody else holds them.
            self.rest = read.try_into_mut().unwrap_or_else(BytesMut::from);
            self.seen = 0;
        } else {
            self.rest.extend_from_slice(&read);
        }
    }

    /// Returns the next event, or `None` when more must be read first.
    ///
    /// # Errors
    ///
    /// An event that is too long to be one.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator ends for good, a reader goes on after the next read"
    )]
    pub fn next(&mut self) -> Result<Option<ServerEvent>, Error> {
        while let Some(line) = self.line() {
            self.bytes = self.bytes.saturating_add(line.len());
            self.check_length(0)?;
            if !line.is_empty() {
                self.field(&line);
                continue;
            }
            self.bytes = 0;
            let name = std::mem::take(&mut self.name);
            let data = match std::mem::take(&mut self.data) {
                // An event without data is none.
                Data::None => continue,
                Data::One(data) => data,
                Data::Several(lines) => lines.freeze(),
            };
            return Ok(Some(ServerEvent { name, data }));
        }
        self.check_length(self.rest.len())?;
        Ok(None)
    }

    fn check_length(&self, more: usize) -> Result<(), Error> {
        if self.bytes.saturating_add(more) <= MAX_EVENT_BYTES {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Garbled,
            "an event of the stream is too long",
        ))
    }

    /// Takes one line, without its end.
    fn line(&mut self) -> Option<Bytes> {
        let unseen = self.rest.get(self.seen..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', unseen) else {
            self.seen = self.rest.len();
            return None;
        };
        let mut line = self.rest.split_to(self.seen + end).freeze();
        self.rest.advance(1);
        self.seen = 0;
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Some(line)
    }

    /// Reads `name: value`; comments and members that mean nothing here are passed over.
    fn field(&mut self, line: &Bytes) {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let from = (colon + 1).min(line.len());
        let from = from + usize::from(line.get(from) == Some(&b' '));
        let value = line.slice(from..);
        match line.get(..colon) {
            Some(b"event") => self.name = value,
            Some(b"data") => {
                self.data = match std::mem::take(&mut self.data) {
                    Data::None => Data::One(value),
                    Data::One(first) => {
                        let mut lines = BytesMut::from(first);
                        lines.extend_from_slice(b"\n");
                        lines.extend_from_slice(&value);
                        Data::Several(lines)
                    }
                    Data::Several(mut lines) => {
                        lines.extend_from_slice(b"\n");
                        lines.extend_from_slice(&value);
                        Data::Several(lines)
                    }
                };
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\r\nevent: a\r\ndata: {\"x\":1}\r\n\r\ndata:one\ndata: two\n\nevent: none\n\nid: 3\ndata: [DONE]\n\n";

    fn read(size: usize) -> Vec<(String, String)> {
        let mut reader = EventReader::new();
        let mut events = Vec::new();
        for piece in STREAM.as_bytes().chunks(size) {
            reader.push(Bytes::copy_from_slice(piece));
            while let Some(event) = reader.next().unwrap() {
                let data = String::from_utf8(event.data().to_vec()).unwrap();
                events.push((event.name().to_owned(), data));
            }
        }
        events
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let expected = [("a", "{\"x\":1}"), ("", "one\ntwo"), ("", "[DONE]")]
            .map(|(name, data)| (name.to_owned(), data.to_owned()));
        for size in 1..=STREAM.len() {
            assert_eq!(read(size), expected, "{size}");
        }
    }

    #[test]
    fn an_event_that_never_ends_is_an_error() {
        let mut reader = EventReader::new();
        let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
        let mut pushed = 0;
        while reader.next().is_ok() {
            reader.push(piece.clone());
            pushed += 1;
            assert!(pushed <= 17);
        }
        let mut reader = EventReader::new();
        let line = Bytes::from([b"data: ".as_slice(), &piece[..], b"\n"].concat());
        let mut pushed = 0;
        while reader.next().is_ok() {
            reader.push(line.clone());
            pushed += 1;
            assert!(pushed <= 17);
        }
    }
}
