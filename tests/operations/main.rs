//! Embeddings, images and rerank without a network: read from a client, written for AWS, answered, written for the client.
//!
//! [`golden`] holds them to fixtures, [`conformance`] to recorded exchanges.

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

mod conformance;
mod golden;
mod hostile;
mod support;
