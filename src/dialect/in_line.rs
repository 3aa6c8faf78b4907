//! JSON within an event of a stream, which a line break would end.

use crate::canonical::RawJson;

/// Appends a value without the line breaks between its tokens, which would end an event of a stream.
pub(super) fn write_in_line(value: &RawJson, out: &mut Vec<u8>) {
    let written = value.bytes();
    if memchr::memchr2(b'\n', b'\r', written).is_none() {
        out.extend_from_slice(written);
    } else {
        // Within a string they are always escaped.
        let rest = written.iter().filter(|byte| !matches!(byte, b'\n' | b'\r'));
        out.extend(rest);
    }
}
