//! AWS Bedrock: which wire format a deployment's model needs, and how it is written and read.

pub mod converse;
pub mod model_id;
