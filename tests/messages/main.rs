//! Anthropic's Messages on their way to Bedrock and back: read from a client, written for AWS, never sent; answered by AWS,
//! read, and written for the client.
//!
//! [`exchanges`] plays whole recorded calls; [`golden`] holds bodies and answers to fixtures; the other files state one rule
//! per test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[path = "../golden/entry.rs"]
mod entry;
#[path = "../golden/fixtures.rs"]
mod fixtures;

mod agents;
mod answers;
mod count;
mod exchanges;
mod golden;
mod native;
mod support;
mod translated;
