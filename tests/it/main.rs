//! Whole calls over real sockets: a gateway in this process, and the simulator behind it. One file per behaviour.
#![expect(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail at once, and nobody reads its documentation"
)]

mod cache_endpoints;
mod clientside;
mod connections;
mod cuts;
mod faults;
mod gaps;
mod headers;
mod invoke;
mod keepalive;
mod media;
mod metrics;
mod models;
mod panics;
mod prompts;
mod properties;
mod reload;
mod retries;
mod scripted;
mod support;
mod throttling;
mod timeouts;
