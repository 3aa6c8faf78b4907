//! Event-stream frames in, server-sent events out.
//!
//! A frame is `total length, headers length, CRC of both, headers, payload, CRC of all before`, numbers big-endian:
//! <https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html>.

use bytes::{Buf as _, BytesMut};
use serde::Serialize as _;

use super::{
    BoxError,
    converse::{ContentBlockDelta, MessageStop},
    openai::{self, Chunk, ChunkChoice, Delta},
};

const PRELUDE_BYTES: usize = 12;
const CRC_BYTES: usize = 4;
const MAX_FRAME_BYTES: usize = 16 << 20;
const STRING_VALUE: u8 = 7;

/// Translates one stream; what is incomplete waits for the next part.
pub(super) struct SseTranslator {
    pending: BytesMut,
    id: String,
    created: u64,
    model: String,
}

impl SseTranslator {
    pub(super) fn new(model: String) -> Self {
        Self {
            pending: BytesMut::new(),
            id: openai::completion_id(),
            created: openai::unix_seconds(),
            model,
        }
    }

    /// Takes what one read brought in and returns the events of all frames that are complete now.
    pub(super) fn translate(&mut self, part: &[u8]) -> Result<bytes::Bytes, BoxError> {
        self.pending.extend_from_slice(part);
        let mut out = Vec::with_capacity(part.len() * 2);
        while let Some(frame_bytes) = complete_frame(&self.pending)? {
            let frame = self.pending.split_to(frame_bytes);
            let (event, payload) = open_frame(&frame)?;
            self.write_event(event, payload, &mut out)?;
        }
        Ok(out.into())
    }

    fn write_event(&self, event: &str, payload: &[u8], out: &mut Vec<u8>) -> Result<(), BoxError> {
        match event {
            "messageStart" => {
                let delta = Delta {
                    role: Some("assistant"),
                    content: Some(""),
                };
                self.write_chunk(delta, None, out)
            }
            "contentBlockDelta" => {
                let event: ContentBlockDelta<'_> = serde_json::from_slice(payload)?;
                let delta = Delta {
                    role: None,
                    content: Some(&event.delta.text),
                };
                self.write_chunk(delta, None, out)
            }
            "messageStop" => {
                let event: MessageStop<'_> = serde_json::from_slice(payload)?;
                let reason = openai::finish_reason(&event.stop_reason);
                self.write_chunk(Delta::default(), Some(reason), out)
            }
            "contentBlockStart" | "contentBlockStop" | "metadata" => Ok(()),
            other => Err(format!("unexpected event {other}").into()),
        }
    }

    fn write_chunk(
        &self,
        delta: Delta<'_>,
        finish_reason: Option<&'static str>,
        out: &mut Vec<u8>,
    ) -> Result<(), BoxError> {
        out.extend_from_slice(b"data: ");
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices: [ChunkChoice {
                index: 0,
                delta,
                finish_reason,
            }],
        };
        chunk.serialize(&mut serde_json::Serializer::new(&mut *out))?;
        out.extend_from_slice(b"\n\n");
        Ok(())
    }
}

/// The length of the first frame if all of it is here; its prelude is checked before it is believed.
fn complete_frame(pending: &[u8]) -> Result<Option<usize>, BoxError> {
    let Some((mut prelude, _)) = pending.split_at_checked(PRELUDE_BYTES) else {
        return Ok(None);
    };
    let computed = crc32fast::hash(prelude.get(..PRELUDE_BYTES - CRC_BYTES).unwrap_or_default());
    let total = usize::try_from(prelude.get_u32())?;
    prelude.advance(4);
    if prelude.get_u32() != computed {
        return Err("prelude CRC does not match".into());
    }
    if !(PRELUDE_BYTES + CRC_BYTES..=MAX_FRAME_BYTES).contains(&total) {
        return Err("impossible frame length".into());
    }
    Ok((pending.len() >= total).then_some(total))
}

/// Checks a frame and returns its event type and payload.
fn open_frame(frame: &[u8]) -> Result<(&str, &[u8]), BoxError> {
    let (message, mut crc) = frame
        .split_last_chunk::<CRC_BYTES>()
        .map(|(message, crc)| (message, crc.as_slice()))
        .ok_or("short frame")?;
    if crc.get_u32() != crc32fast::hash(message) {
        return Err("message CRC does not match".into());
    }
    let (mut prelude, rest) = message
        .split_at_checked(PRELUDE_BYTES)
        .ok_or("short frame")?;
    prelude.advance(4);
    let headers_bytes = usize::try_from(prelude.get_u32())?;
    let (headers, payload) = rest
        .split_at_checked(headers_bytes)
        .ok_or("short headers")?;
    let (mut event, mut message_type) = ("", "");
    let mut headers = headers;
    while !headers.is_empty() {
        let (name, value) = next_header(&mut headers)?;
        match name {
            ":event-type" => event = value,
            ":message-type" => message_type = value,
            _ => {}
        }
    }
    if message_type != "event" {
        return Err(format!("upstream sent {message_type}").into());
    }
    Ok((event, payload))
}

fn next_header<'a>(headers: &mut &'a [u8]) -> Result<(&'a str, &'a str), BoxError> {
    let name_bytes = take(headers, 1)?.get_u8();
    let name = std::str::from_utf8(take(headers, usize::from(name_bytes))?)?;
    if take(headers, 1)?.get_u8() != STRING_VALUE {
        return Err("only string headers are expected".into());
    }
    let value_bytes = take(headers, 2)?.get_u16();
    let value = std::str::from_utf8(take(headers, usize::from(value_bytes))?)?;
    Ok((name, value))
}

fn take<'a>(from: &mut &'a [u8], count: usize) -> Result<&'a [u8], BoxError> {
    let (taken, rest) = from.split_at_checked(count).ok_or("short headers")?;
    *from = rest;
    Ok(taken)
}
