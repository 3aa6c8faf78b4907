//! Writes event-stream frames.

/// One event as Bedrock frames it: three string headers, a JSON payload, both CRCs.
pub(super) fn event(event_type: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    string_header(&mut headers, ":event-type", event_type);
    string_header(&mut headers, ":content-type", "application/json");
    string_header(&mut headers, ":message-type", "event");
    let mut frame = Vec::new();
    let total = 12 + headers.len() + payload.len() + 4;
    frame.extend_from_slice(&length(total).to_be_bytes());
    frame.extend_from_slice(&length(headers.len()).to_be_bytes());
    let prelude_crc = crc32fast::hash(&frame);
    frame.extend_from_slice(&prelude_crc.to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    let message_crc = crc32fast::hash(&frame);
    frame.extend_from_slice(&message_crc.to_be_bytes());
    frame
}

fn string_header(headers: &mut Vec<u8>, name: &str, value: &str) {
    const STRING: u8 = 7;
    headers.push(u8::try_from(name.len()).expect("header names here are short"));
    headers.extend_from_slice(name.as_bytes());
    headers.push(STRING);
    let value_bytes = u16::try_from(value.len()).expect("header values here are short");
    headers.extend_from_slice(&value_bytes.to_be_bytes());
    headers.extend_from_slice(value.as_bytes());
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("frames here are short")
}
