//! Writes `application/vnd.amazon.eventstream` frames.
//!
//! Format: <https://smithy.io/2.0/aws/amazon-eventstream.html>. Written apart from the router's decoder on purpose:
//! each is a check on the other.

use bytes::{BufMut, BytesMut};

/// Header value type 7: a string with a two-byte length.
const STRING: u8 = 7;
/// Lengths and checksum at the start, checksum at the end.
const PRELUDE_AND_CHECKSUMS: usize = 16;

/// Appends an event frame.
pub(super) fn push_event(event_type: &str, payload: &[u8], out: &mut BytesMut) {
    let headers = [
        (":event-type", event_type),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    push_frame(&headers, payload, out);
}

/// Appends an exception frame with AWS's `{"message": …}` payload.
pub(super) fn push_exception(exception_type: &str, payload: &[u8], out: &mut BytesMut) {
    let headers = [
        (":exception-type", exception_type),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    push_frame(&headers, payload, out);
}

/// Appends one frame: prelude, headers, payload, each part under a CRC-32.
pub(super) fn push_frame(headers: &[(&str, &str)], payload: &[u8], out: &mut BytesMut) {
    let start = out.len();
    let headers_len: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    let total_len = PRELUDE_AND_CHECKSUMS + headers_len + payload.len();
    out.reserve(total_len);
    out.put_u32(as_u32(total_len));
    out.put_u32(as_u32(headers_len));
    let prelude_checksum = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.put_u32(prelude_checksum);
    for (name, value) in headers {
        out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.put_slice(name.as_bytes());
        out.put_u8(STRING);
        out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        out.put_slice(value.as_bytes());
    }
    out.put_slice(payload);
    let checksum = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.put_u32(checksum);
}

fn as_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::sigv4::push_hex;

    fn hex(bytes: &[u8]) -> String {
        let mut text = String::new();
        push_hex(bytes, &mut text);
        text
    }

    #[test]
    fn events_are_written_as_aws_writes_them() {
        let mut out = BytesMut::new();
        push_event(
            "contentBlockDelta",
            br#"{"contentBlockIndex": 0, "delta": {"text": "hi"}}"#,
            &mut out,
        );
        assert_eq!(
            hex(&out),
            "0000009800000057715b77ef0b3a6576656e742d747970650700\
             11636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e\
             0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74426c6f636b496e646578223a20302c202264656c\
             7461223a207b2274657874223a20226869227d7de931077f"
        );
    }

    #[test]
    fn exceptions_are_written_as_aws_writes_them() {
        let mut out = BytesMut::new();
        push_exception("throttlingException", br#"{"message": "slow"}"#, &mut out);
        assert_eq!(
            hex(&out),
            "00000084000000611bf198f50f3a657863657074696f6e2d747970650700137468726f74746c696e67457863657074696f6e0d3a\
             636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700096578636570\
             74696f6e7b226d657373616765223a2022736c6f77227d2e9feb30"
        );
    }

    #[test]
    fn frames_follow_one_another_in_one_buffer() {
        let (mut one, mut two) = (BytesMut::new(), BytesMut::new());
        push_event("chunk", b"{}", &mut one);
        push_event("chunk", b"{}", &mut two);
        push_event("chunk", b"{}", &mut two);
        assert_eq!([one.as_ref(), one.as_ref()].concat(), two);
    }
}
