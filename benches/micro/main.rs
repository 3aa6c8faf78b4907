//! What each step costs by itself, in one process: `make bench-micro`.
//!
//! The comparison with a bare proxy (`benches/load/`) says what a request costs; these figures say where in our own code
//! it went. One program for all groups, because each one more would be linked for minutes. `docs/performance.md` tells
//! how to read them; what a group leaves out stands at the head of its file.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measuring program of its own may stop at once, and spawns what it ends with"
)]

#[path = "../inputs/mod.rs"]
mod inputs;
#[expect(
    dead_code,
    unused_imports,
    reason = "only the load bench sets a pace and looks for the first delta"
)]
#[path = "../upstream/mod.rs"]
mod upstream;

mod decode;
mod encode;
mod event_stream;
mod gateway;
mod pipeline;

use std::time::Duration;

use criterion::Criterion;

/// Switchyard's allocator too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // Short, so that all of them end within two minutes: enough to see a tenth, too little to argue about a hundredth.
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    encode::group(&mut criterion);
    decode::group(&mut criterion);
    event_stream::group(&mut criterion);
    pipeline::group(&mut criterion);
    criterion.final_summary();
}
