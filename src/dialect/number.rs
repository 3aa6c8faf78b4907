//! Numbers of an answer.

/// Appends a number behind what stands before it.
pub(super) fn number(out: &mut Vec<u8>, before: &str, value: impl itoa::Integer) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
