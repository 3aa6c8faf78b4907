//! Who is calling: the key that came with a request, whether it may call, and what it may use.

mod access;
mod authenticate;
mod checks;
mod routes;
mod spend;
mod virtual_key;

pub use access::{Access, ModelName};
pub use authenticate::{Identity, KeyPolicy, presented_key};
pub use checks::{Wanted, admin, administrates};
#[cfg(test)]
pub(crate) use routes::is_model_call;
pub use routes::{allows_path, guards_path};
pub use spend::{GatewaySpend, KeyRuntime, OverBudget, Reservation};
pub use virtual_key::VirtualKey;
