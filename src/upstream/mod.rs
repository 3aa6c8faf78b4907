//! The only outbound network: calls to AWS, AWS credentials, and media that a client named.
//!
//! [`Upstream`] signs and sends one request and hands back the head of the answer with an unread [`Body`]; it knows nothing
//! of models, retries or deployments. [`CredentialStore`] finds the credentials of a deployment and keeps them fresh.
//! `fetch` reads a URL that a stranger chose, and so trusts nothing about it.

mod address;
mod aws_clock;
mod body;
mod client;
mod credentials;
mod failure;
mod fetch;
mod headers;
mod media_type;
mod network;
mod profiles;
mod shared_config;
mod trust;

#[cfg(test)]
mod test_server;

pub use address::Addresses;
pub use body::Body;
pub use client::{Response, Upstream, UpstreamOptions};
pub use credentials::{CredentialStore, Credentials, Source};
pub use failure::{SendError, SendFailure};
pub use fetch::{FetchBudget, Fetched};
pub use profiles::{ProfileQuestion, Profiles};
pub use shared_config::region_of_profile;
pub use trust::Trust;
