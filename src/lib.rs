//! Switchyard: a model router for AWS Bedrock.
//!
//! OpenAI clients send chat requests to one address; Switchyard finds the deployment that the operator configured for
//! the model they name, speaks Bedrock's Converse API to it, and answers in the client's own format. `ARCHITECTURE.md`
//! tells the path of a request through these modules.

pub mod cache;
pub mod canonical;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dialect;
pub mod error;
mod hex;
pub mod http;
pub mod keys;
pub mod limit;
pub mod pipeline;
pub mod provider;
pub mod random;
pub mod router;
pub mod server;
pub mod simulator;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod upstream;
