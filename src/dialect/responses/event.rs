//! One event of a streamed response.

use crate::canonical::{ObjectWriter, write_escaped};

/// Writes one event, member by member.
pub(super) struct Event<'o> {
    object: ObjectWriter<'o>,
}

impl<'o> Event<'o> {
    /// Begins an event of this type.
    pub(super) fn open(kind: &str, sequence_number: u64, out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let mut event = Self {
            object: ObjectWriter::open(out),
        };
        event.text("type", kind);
        event.number("sequence_number", sequence_number);
        event
    }

    /// Writes a number.
    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.object.raw(name, itoa::Buffer::new().format(value));
    }

    /// Writes a string.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        write_escaped(value, self.object.member(name));
    }

    /// Writes a string whose written form, without its quotes, is known.
    pub(super) fn escaped(&mut self, name: &str, escaped: &[u8]) {
        let out = self.object.member(name);
        out.push(b'"');
        out.extend_from_slice(escaped);
        out.push(b'"');
    }

    /// Writes JSON.
    pub(super) fn raw(&mut self, name: &str, json: &str) {
        self.object.raw(name, json);
    }

    /// Writes what `write` makes.
    pub(super) fn with(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.object.member(name));
    }

    /// Appends further members, which `write` puts behind a comma.
    pub(super) fn behind(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.object.behind(write);
    }

    /// Ends the event.
    pub(super) fn close(self) {
        self.object.close().extend_from_slice(b"\n\n");
    }
}
