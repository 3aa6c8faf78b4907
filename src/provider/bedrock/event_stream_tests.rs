use proptest::prelude::*;

use super::*;

const EVENT: &str = "0000009800000057715b77ef0b3a6576656e742d747970650700\
    11636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e\
    0d3a6d6573736167652d74797065070005\
    6576656e747b22636f6e74656e74426c6f636b496e646578223a20302c202264656c7461223a207b2274657874223a20226869227d7d\
    e931077f";
const EXCEPTION: &str = "00000084000000611bf198f50f3a657863657074696f6e2d747970650700\
    137468726f74746c696e67457863657074696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e\
    0d3a6d6573736167652d74797065070009657863657074696f6e7b226d657373616765223a2022736c6f77227d2e9feb30";
const CHUNK: &str = "000000940000004ba0aac6a10b3a6576656e742d747970650700056368756e6b\
    0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e74\
    7b226279746573223a202265794a306558426c496a6f67496d316c63334e685a3256666333527663434a39222c202270223a2022616263227d\
    e8122cf9";

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A frame with these headers: name, type, value as it stands after the type.
fn frame(headers: &[(&str, u8, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, kind, value) in headers {
        block.push(u8::try_from(name.len()).unwrap());
        block.extend_from_slice(name.as_bytes());
        block.push(*kind);
        if matches!(kind, 6 | 7) {
            block.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        }
        block.extend_from_slice(value);
    }
    let total = u32::try_from(block.len() + payload.len() + 16).unwrap();
    let mut out = total.to_be_bytes().to_vec();
    out.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&block);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

type Seen = (FrameKind, String, String, Vec<u8>);

fn seen(frame: &Frame) -> Seen {
    let payload = frame.payload().to_vec();
    (
        frame.kind(),
        frame.name().into(),
        frame.message().into(),
        payload,
    )
}

fn drain(reader: &mut FrameReader, out: &mut Vec<Seen>) -> Result<(), FrameError> {
    while let Some(frame) = reader.next()? {
        out.push(seen(&frame));
    }
    Ok(())
}

fn read_all<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Seen>, FrameError> {
    let mut reader = FrameReader::new();
    let mut out = Vec::new();
    for read in reads {
        reader.push(Bytes::copy_from_slice(read));
        drain(&mut reader, &mut out)?;
    }
    reader.finish()?;
    Ok(out)
}

fn vectors() -> Vec<u8> {
    [EVENT, EXCEPTION, CHUNK]
        .iter()
        .flat_map(|text| hex(text))
        .collect()
}

#[test]
fn known_frames_are_read() {
    let frames = read_all([vectors().as_slice()]).unwrap();
    let name = |at: usize| (frames[at].0, frames[at].1.as_str());
    assert_eq!(name(0), (FrameKind::Event, "contentBlockDelta"));
    assert_eq!(
        frames[0].3,
        br#"{"contentBlockIndex": 0, "delta": {"text": "hi"}}"#
    );
    assert_eq!(name(1), (FrameKind::Exception, "throttlingException"));
    assert_eq!(frames[1].3, br#"{"message": "slow"}"#);
    assert_eq!(name(2), (FrameKind::Event, "chunk"));
    assert_eq!(frames.len(), 3);
}

#[test]
fn known_frames_are_read_byte_by_byte() {
    let bytes = vectors();
    assert_eq!(read_all(bytes.chunks(1)), read_all([bytes.as_slice()]));
}

#[test]
fn frames_that_are_no_events_are_faults() {
    let error = frame(
        &[
            (":message-type", 7, b"error"),
            (":error-code", 7, b"throttlingException"),
            (":error-message", 7, b"too fast"),
        ],
        b"",
    );
    let mut reader = FrameReader::new();
    reader.push(Bytes::from([vectors(), error].concat()));
    let mut faults = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        faults.extend(frame.fault());
    }
    let [exception, error] = faults.as_slice() else {
        panic!("{faults:?}")
    };
    assert_eq!(
        (exception.kind(), error.kind()),
        (ErrorKind::Throttled, ErrorKind::Throttled)
    );
    assert!(exception.message().contains("slow"), "{exception}");
    assert!(error.message().contains("too fast"), "{error}");
}

#[test]
fn frames_share_the_read_that_holds_them() {
    let read = Bytes::from(vectors());
    let mut reader = FrameReader::new();
    reader.push(read.clone());
    let payload = reader.next().unwrap().unwrap().payload().clone();
    assert!(read.as_ptr_range().contains(&payload.as_ptr()));
}

#[test]
fn reads_may_be_handed_over_without_taking_frames_in_between() {
    let mut reader = FrameReader::new();
    for read in vectors().chunks(50) {
        reader.push(Bytes::copy_from_slice(read));
    }
    let mut out = Vec::new();
    drain(&mut reader, &mut out).unwrap();
    assert_eq!(out.len(), 3);
    assert!(reader.is_empty());
}

#[test]
fn every_type_of_header_is_skipped() {
    let bytes = frame(
        &[
            ("a", 0, b""),
            ("b", 1, b""),
            ("c", 2, b"1"),
            ("d", 3, b"12"),
            ("e", 4, b"1234"),
            ("f", 5, b"12345678"),
            ("g", 6, b"bytes"),
            ("h", 8, b"12345678"),
            ("i", 9, b"1234567890123456"),
            (":message-type", 7, b"error"),
            (":error-code", 7, b"InternalError"),
            (":error-message", 7, b"it broke"),
        ],
        b"",
    );
    let frames = read_all([bytes.as_slice()]).unwrap();
    let expected = (
        FrameKind::Error,
        "InternalError".into(),
        "it broke".into(),
        Vec::new(),
    );
    assert_eq!(frames, [expected]);
}

#[test]
fn broken_frames_are_named() {
    let good = frame(
        &[(":message-type", 7, b"event"), (":event-type", 7, b"x")],
        b"{}",
    );
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        read_all([bytes.as_slice()])
    };
    assert_eq!(changed(3), Err(FrameError::PreludeChecksum));
    assert_eq!(changed(20), Err(FrameError::Checksum));
    assert_eq!(changed(good.len() - 1), Err(FrameError::Checksum));
    let read = |headers: &[(&str, u8, &[u8])]| read_all([frame(headers, b"").as_slice()]);
    assert_eq!(read(&[("x", 10, b"")]), Err(FrameError::Headers));
    assert_eq!(
        read(&[(":message-type", 6, b"event")]),
        Err(FrameError::Headers)
    );
    assert_eq!(
        read(&[(":message-type", 7, b"\xff")]),
        Err(FrameError::Headers)
    );
    assert_eq!(read(&[]), Err(FrameError::MessageType));
    assert_eq!(
        read(&[(":message-type", 7, b"event")]),
        Err(FrameError::MessageType)
    );
    assert_eq!(
        read(&[(":message-type", 7, b"news")]),
        Err(FrameError::MessageType)
    );
}

#[test]
fn impossible_lengths_are_refused_before_they_cost_memory() {
    for (total, headers) in [
        (15, 0),
        (16, 1),
        (17 << 20, 0),
        (1 << 20, 256 << 10),
        (u32::MAX, u32::MAX),
    ] {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        assert_eq!(
            read_all([bytes.as_slice()]),
            Err(FrameError::Length),
            "{total} {headers}"
        );
    }
}

#[test]
fn a_broken_stream_stays_broken() {
    let mut bytes = vectors();
    bytes[20] ^= 0xff;
    let mut reader = FrameReader::new();
    reader.push(Bytes::from(bytes));
    assert_eq!(reader.next().unwrap_err(), FrameError::Checksum);
    reader.push(Bytes::from(vectors()));
    assert_eq!(reader.next().unwrap_err(), FrameError::Checksum);
    assert_eq!(reader.finish(), Err(FrameError::Checksum));
}

#[test]
fn a_stream_cut_in_a_frame_is_seen() {
    let bytes = vectors();
    for cut in [1, 11, 12, 100, bytes.len() - 1] {
        let result = read_all([&bytes[..cut]]);
        assert_eq!(result, Err(FrameError::Cut), "{cut}");
    }
    assert_eq!(read_all([]), Ok(Vec::new()));
}

fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let one = ("[a-zA-Z]{1,40}", prop::collection::vec(any::<u8>(), 0..600)).prop_map(
        |(name, payload)| {
            frame(
                &[
                    (":event-type", 7, name.as_bytes()),
                    (":message-type", 7, b"event"),
                ],
                &payload,
            )
        },
    );
    prop::collection::vec(one, 0..8)
}

proptest! {
    #[test]
    fn cuts_do_not_change_what_is_read(
        frames in frames(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let bytes = frames.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
        let whole = read_all([bytes.as_slice()]).unwrap();
        prop_assert_eq!(whole.len(), frames.len());
        prop_assert_eq!(read_all(pieces).unwrap(), whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
        let read = read_all(reads.iter().map(Vec::as_slice));
        prop_assert!(read.is_err() || reads.concat().is_empty());
    }

    #[test]
    fn headers_of_arbitrary_bytes_never_panic(block in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = u32::try_from(block.len() + 16).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend_from_slice(&block);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        let read = read_all([bytes.as_slice()]);
        prop_assert!(read.is_err() || read.is_ok_and(|frames| frames.len() == 1));
    }

    #[test]
    fn flipped_bits_are_detected(bit in 0..(152 * 8_usize)) {
        let mut bytes = hex(EVENT);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(read_all([bytes.as_slice()]).is_err());
    }
}
