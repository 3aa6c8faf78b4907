//! A burst of 100 deltas, as one read brings it: binary frames → chunks → server-sent events.
//!
//! Left out: HTTP's own chunks on both sides, reads that end inside a frame (the tests have them), and waiting. `frames`
//! checks both checksums of each frame and finds its name and payload; `sse` goes on to the bytes for the client.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use switchyard::dialect::Dialect as _;
use switchyard::dialect::chat::ChatCompletions;
use switchyard::provider::bedrock::converse::{ConverseDecoder, DecodeContext};
use switchyard::provider::bedrock::event_stream::FrameReader;
use switchyard::provider::{Decoder as _, WireEvent};

use crate::gateway::envelope;
use crate::upstream::answers::stream_frames;

pub(crate) fn group(criterion: &mut Criterion) {
    let frames = stream_frames();
    let events = frames.len();
    let burst = Bytes::from(frames.concat());
    let mut group = criterion.benchmark_group("event_stream");
    group.throughput(Throughput::Elements(events as u64));
    group.bench_function("frames", |bench| {
        bench.iter(|| {
            let seen = count_payload(black_box(burst.clone()));
            assert!(seen > 0, "there are payloads");
            seen
        });
    });
    group.bench_function("sse", |bench| {
        bench.iter_batched(
            || ConverseDecoder::new(DecodeContext::default()),
            |decoder| translate(black_box(burst.clone()), decoder),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn count_payload(read: Bytes) -> usize {
    let mut reader = FrameReader::new();
    reader.push(read);
    let mut bytes = 0;
    while let Some(frame) = reader.next().expect("the frames are whole") {
        bytes += frame.name().len() + frame.payload().len();
    }
    bytes
}

/// What the gateway does with one read: every frame's chunks, then one buffer for all of them.
fn translate(read: Bytes, mut decoder: ConverseDecoder) -> Vec<u8> {
    let mut reader = FrameReader::new();
    let mut writer = ChatCompletions.stream(envelope());
    let mut chunks = Vec::new();
    let mut out = Vec::with_capacity(1024);
    reader.push(read);
    while let Some(frame) = reader.next().expect("the frames are whole") {
        let event = WireEvent {
            kind: frame.name(),
            payload: frame.payload(),
        };
        decoder
            .event(event, &mut chunks)
            .expect("the events are good");
    }
    for chunk in chunks.drain(..) {
        writer.chunk(&chunk, &mut out);
    }
    decoder.end(&mut chunks).expect("the stream is complete");
    writer.end(&mut out);
    out
}
