//! A whole Converse answer → canonical answer → `chat.completion`.
//!
//! Left out: reading the answer from the connection, and the headers of both sides.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use http::HeaderMap;
use switchyard::dialect::Dialect as _;
use switchyard::dialect::chat::ChatCompletions;
use switchyard::provider::bedrock::converse::{ConverseDecoder, DecodeContext};
use switchyard::provider::{Decoded, Decoder as _, WireAnswer};

use crate::gateway::envelope;
use crate::upstream::answers::WHOLE;

pub(crate) fn group(criterion: &mut Criterion) {
    let headers = HeaderMap::new();
    let answers = [WireAnswer {
        headers: &headers,
        body: Bytes::from_static(WHOLE.as_bytes()),
    }];
    let envelope = envelope();
    let mut group = criterion.benchmark_group("decode");
    group.bench_function("whole answer", |bench| {
        bench.iter_batched(
            || ConverseDecoder::new(DecodeContext::default()),
            |mut decoder| match decoder.whole(black_box(&answers)) {
                Ok(Decoded::Answer(answer)) => ChatCompletions.answer(&answer, &envelope),
                other => unexpected(other),
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

#[expect(clippy::panic, reason = "a bench of a wrong answer says nothing")]
fn unexpected(what: impl std::fmt::Debug) -> Bytes {
    panic!("not a whole answer: {what:?}")
}
