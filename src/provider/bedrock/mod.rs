//! AWS Bedrock: which wire format a deployment's model needs, and how it is written and read.

pub mod arn;
mod base_model;
pub mod converse;
pub mod event_stream;
pub mod family;
pub mod fault;
pub mod model_id;
mod route;
pub mod sign;
mod timestamp;
pub mod url;
