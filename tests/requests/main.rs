//! Chat requests on their way to Bedrock's Converse API: read from a client, written for AWS, never sent.
//!
//! [`golden`] holds them to fixtures; the other files state one rule per test.

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

mod conversation;
mod golden;
mod hostile;
mod media;
mod native_responses;
mod parameters;
mod reasoning;
mod support;
mod tools;
