//! Model strings: `bedrock/[route/][region/]id`, inference profiles, ARNs.

/// The Bedrock API that a deployment speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/model/{id}/converse`.
    Converse,
    /// Converse's format at an address of the operator's.
    ConverseLike,
    /// `/model/{id}/invoke`, in the family's own format.
    Invoke,
}

/// A deployment's model, taken apart.
#[derive(Debug, Clone)]
pub struct ModelId {
    /// The Bedrock API it is reached by.
    pub route: Route,
    /// The id as the URL names it, not yet percent-encoded: cross-region prefix, ARN and throughput suffix kept;
    /// provider, route, region path and `[1m]` removed. `model_id` of the deployment replaces it.
    pub wire: String,
    /// The id that capabilities are looked up by.
    pub base: String,
    /// The region written in front of the id (`bedrock/us-west-2/…`), or that of an ARN.
    pub region: Option<String>,
}
