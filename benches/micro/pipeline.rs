//! A whole call in one process: parse, plan, encode, sign, send over loopback, decode, render.
//!
//! The upstream is the load bench's fake Bedrock in a thread of its own. Left out: the HTTP front (connection, keys, body
//! limit, response headers), the log line, and everything around the process. These are times on the wall, so that the
//! kernel, the other thread and the way between them are in them; `send alone` is the same exchange without a gateway, and
//! what stands above it is ours.

use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use criterion::Criterion;
use switchyard::dialect::chat::ChatCompletions;
use switchyard::dialect::{Dialect as _, Front};
use switchyard::pipeline::{Progress, Reply, Settlement};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::gateway::{Gateway, envelope};
use crate::inputs;
use crate::upstream::Upstream;

pub(crate) fn group(criterion: &mut Criterion) {
    let port = start_upstream();
    let runtime = runtime();
    let gateway = runtime.block_on(async { Gateway::new(port) });
    let body = |is_stream| Bytes::from(inputs::chat_body(&inputs::small(), is_stream));
    let (whole, streamed) = (body(false), body(true));
    let long = Bytes::from(inputs::chat_body(&inputs::conversation(), false));
    let client = reqwest::Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .build()
        .expect("the client can be made");
    let url = format!(
        "http://127.0.0.1:{port}/model/{}/converse",
        inputs::MODEL_PATH
    );
    let mut group = criterion.benchmark_group("pipeline");
    group.bench_function("send alone", |bench| {
        bench.iter(|| runtime.block_on(send_alone(&client, &url, &whole)));
    });
    group.bench_function("small", |bench| {
        bench.iter(|| runtime.block_on(run(&gateway, &whole)));
    });
    group.bench_function("100 KB", |bench| {
        bench.iter(|| runtime.block_on(run(&gateway, &long)));
    });
    group.bench_function("burst of 100 deltas", |bench| {
        bench.iter(|| runtime.block_on(run(&gateway, &streamed)));
    });
    group.finish();
}

/// Starts the fake Bedrock; it ends with the process.
fn start_upstream() -> u16 {
    let (ports, port) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            ports
                .send(listener.local_addr()?.port())
                .expect("the bench waits for it");
            Upstream::new().serve(listener).await
        })
    });
    port.recv().expect("the upstream listens")
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the runtime starts")
}

async fn send_alone(client: &reqwest::Client, url: &str, body: &Bytes) -> Bytes {
    let sent = client.post(url).body(body.clone()).send().await;
    let answer = sent.expect("the upstream answers").bytes().await;
    answer.expect("the answer is whole")
}

/// Returns all bytes that the client would read.
async fn run(gateway: &Gateway, body: &Bytes) -> Bytes {
    let call = Arc::new(gateway.call(body));
    let mut books = Settlement::open(Arc::clone(&call), gateway.clock());
    let reply = gateway
        .pipeline
        .run(&call, &mut books)
        .await
        .expect("the call succeeds");
    let (first, mut source) = match reply {
        Reply::Whole(answer) => {
            let written = Front::CHAT.answer(&answer, &envelope());
            return written.expect("the answer is a chat's");
        }
        Reply::Stream(first, source) => (first, source),
        // Nothing is passed through here.
        Reply::Raw(_) => return Bytes::new(),
    };
    let mut writer = ChatCompletions.stream(envelope());
    let mut out = Vec::with_capacity(1024);
    let mut chunks = first;
    loop {
        for chunk in chunks.drain(..) {
            writer.chunk(&chunk, &mut out);
        }
        let read = std::future::poll_fn(|cx| source.poll_chunks(cx, &mut chunks)).await;
        if read.expect("the stream is good") == Progress::Done && chunks.is_empty() {
            writer.end(&mut out);
            return Bytes::from(out);
        }
    }
}
