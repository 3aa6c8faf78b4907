//! The bytes that the upstream sends, computed once.

use super::frames;

/// Deltas in a stream.
pub(crate) const DELTAS: usize = 100;
/// The text of the first delta and of no other, by which the driver knows that the first token is there.
pub(crate) const FIRST_DELTA: &str = "Certainly";

/// What Bedrock pads its deltas with, so that lengths tell an eavesdropper nothing.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ";
const WORDS: [&str; 8] = [
    " the",
    " switch",
    " yard",
    " sorts",
    " each",
    " wagon",
    " by",
    " its \\\"goal\\\",\\n",
];

pub(super) struct Answers {
    pub(super) whole: Vec<u8>,
    pub(super) burst: Vec<u8>,
    pub(super) opening: Vec<u8>,
    pub(super) deltas: Vec<Vec<u8>>,
    pub(super) closing: Vec<u8>,
}

impl Answers {
    pub(super) fn new() -> Self {
        let mut events: Vec<_> = stream_frames().iter().map(|frame| chunk(frame)).collect();
        let closing = [events.split_off(1 + DELTAS).concat(), b"0\r\n\r\n".to_vec()].concat();
        let deltas = events.split_off(1);
        let opening = [stream_head(), events.concat()].concat();
        let burst = [opening.clone(), deltas.concat(), closing.clone()].concat();
        Self {
            whole: whole(),
            burst,
            opening,
            deltas,
            closing,
        }
    }
}

const REQUEST_ID: &str = "x-amzn-RequestId: 6f2d3c0e-5a0b-4f57-9a43-3f0a8c1d2e4b\r\n";
const DATE: &str = "Date: Thu, 20 Nov 2025 10:00:00 GMT\r\n";

/// The body of a whole answer.
pub(crate) const WHOLE: &str = concat!(
    r#"{"metrics":{"latencyMs":412},"output":{"message":{"content":[{"text":"Certainly. A switchyard "#,
    r#"sorts wagons:\n\n1. each arrives on one track,\n2. each leaves on the track to its \"goal\"."}],"#,
    r#""role":"assistant"}},"stopReason":"end_turn","#,
    r#""usage":{"inputTokens":24,"outputTokens":31,"totalTokens":55}}"#
);

/// The frames of a stream, without HTTP.
pub(crate) fn stream_frames() -> Vec<Vec<u8>> {
    let mut frames = vec![opening_frame()];
    frames.extend((0..DELTAS).map(delta_frame));
    frames.extend(closing_frames());
    frames
}

fn whole() -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\n{DATE}Content-Type: application/json\r\nContent-Length: {}\r\n{REQUEST_ID}\r\n{WHOLE}",
        WHOLE.len()
    )
    .into_bytes()
}

fn stream_head() -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\n{DATE}Content-Type: application/vnd.amazon.eventstream\r\n\
         Transfer-Encoding: chunked\r\n{REQUEST_ID}\r\n"
    )
    .into_bytes()
}

fn opening_frame() -> Vec<u8> {
    let start = format!(r#"{{"p":"{PADDING}","role":"assistant"}}"#);
    frames::event("messageStart", &start)
}

fn delta_frame(index: usize) -> Vec<u8> {
    let text = match index {
        0 => FIRST_DELTA,
        _ => WORDS.iter().cycle().nth(index).copied().unwrap_or_default(),
    };
    let padding = PADDING.get(..4 + index % 32).unwrap_or(PADDING);
    let payload =
        format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}},"p":"{padding}"}}"#);
    frames::event("contentBlockDelta", &payload)
}

fn closing_frames() -> [Vec<u8>; 3] {
    let usage = concat!(
        r#"{"metrics":{"latencyMs":812},"p":"abcdefgh","#,
        r#""usage":{"inputTokens":24,"outputTokens":100,"totalTokens":124}}"#
    );
    [
        frames::event(
            "contentBlockStop",
            r#"{"contentBlockIndex":0,"p":"abcdefghijk"}"#,
        ),
        frames::event("messageStop", r#"{"p":"abcdefg","stopReason":"end_turn"}"#),
        frames::event("metadata", usage),
    ]
}

/// One frame in an HTTP chunk of its own.
fn chunk(frame: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", frame.len());
    [size.as_bytes(), frame, b"\r\n"].concat()
}
