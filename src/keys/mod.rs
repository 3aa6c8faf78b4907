//! Who is calling: the key that came with a request, and whether it may call.

mod authenticate;

pub use authenticate::{Identity, KeyPolicy, presented_key};
