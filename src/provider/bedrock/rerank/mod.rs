//! Rerank: by the agent runtime's own API, or by `InvokeModel` in the model's format.

mod agent;
mod answer;
mod asked;
mod invoke;

use super::model_id::{ModelId, Route};
use super::url::Service;

pub use agent::AgentRuntime;
pub use invoke::Invoke;

/// Which of Bedrock's APIs reranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RerankApi {
    /// `POST /rerank` of the agent runtime, which takes signatures only.
    AgentRuntime,
    /// `InvokeModel`.
    Invoke,
}

impl RerankApi {
    /// Chooses the API for a deployment's model: `InvokeModel` where the model string asks for it (`invoke/…`), and where a
    /// Bedrock API key is the only credential, because the agent runtime takes none.
    pub fn of(model: &ModelId, has_only_api_key: bool) -> Self {
        if has_only_api_key || model.token == Some(Route::Invoke) {
            Self::Invoke
        } else {
            Self::AgentRuntime
        }
    }

    /// Returns the service whose endpoint the target must have.
    pub fn service(self) -> Service {
        match self {
            Self::AgentRuntime => Service::AgentRuntime,
            Self::Invoke => Service::Runtime,
        }
    }
}

#[cfg(test)]
#[path = "rerank_tests.rs"]
mod tests;
