//! Routes: which of Bedrock's APIs serves a deployment's chat requests.

use super::arn::Arn;
use super::base_model::gpt_version;
use super::family::Family;
use crate::catalog::{CatalogProvider, Facts, Mode};

/// The Bedrock API that a deployment speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/model/{id}/converse`.
    Converse,
    /// Converse's format at an address of the operator's.
    ConverseLike,
    /// `/model/{id}/invoke`, in the family's own format.
    Invoke,
    /// `/openai/v1/chat/completions` of the runtime; what it cannot do goes to Converse.
    ChatCompletions,
    /// `/async-invoke`: embeddings only.
    AsyncInvoke,
    /// The OpenAI-shaped API on `bedrock-mantle`.
    Mantle,
    /// `InvokeAgent` of the agent runtime.
    Agent,
    /// A runtime of `bedrock-agentcore`.
    AgentCore,
    /// Anthropic's own gateway on AWS.
    ClaudePlatform,
}

impl Route {
    /// Every route token, in the order in which they win over each other.
    const TOKENS: [(&str, Self); 9] = [
        ("invoke", Self::Invoke),
        ("claude_platform", Self::ClaudePlatform),
        ("converse_like", Self::ConverseLike),
        ("converse", Self::Converse),
        ("agent", Self::Agent),
        ("agentcore", Self::AgentCore),
        ("async_invoke", Self::AsyncInvoke),
        ("mantle", Self::Mantle),
        ("chat_completions", Self::ChatCompletions),
    ];

    /// Returns the route's name.
    pub fn name(self) -> &'static str {
        Self::TOKENS
            .iter()
            .find(|(_, route)| *route == self)
            .map_or("converse", |(token, _)| token)
    }

    pub(super) fn of_token(token: &str) -> Option<Self> {
        Self::TOKENS
            .iter()
            .find(|(known, _)| *known == token)
            .map(|(_, route)| *route)
    }

    /// Lower wins when a string has several tokens.
    pub(super) fn rank(self) -> usize {
        Self::TOKENS
            .iter()
            .position(|(_, route)| *route == self)
            .unwrap_or(usize::MAX)
    }

    /// Says whether what follows the token is a name of the operator's, in which nothing is a token or a region.
    pub(super) fn is_followed_by_free_text(self) -> bool {
        matches!(self, Self::ConverseLike | Self::Agent | Self::AgentCore)
    }
}

/// Text models that `InvokeModel` serves unless Converse is asked for, if the table lists them.
const INVOKE_IF_LISTED: [&str; 6] = [
    "amazon.titan-text-",
    "cohere.command",
    "ai21.j2-",
    "meta.llama2-",
    "mistral.mistral-7b",
    "mistral.mixtral",
];

/// Models that only `InvokeModel` serves.
const INVOKE_ONLY: [&str; 5] = [
    "cohere.command-text-v14",
    "cohere.command-light-text-v14",
    "ai21.j2-",
    "twelvelabs.pegasus-",
    "stability.",
];

/// What a model string says that decides the route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hints<'a> {
    /// The route token.
    pub(super) token: Option<Route>,
    /// The family token.
    pub(super) spec: Option<&'a str>,
    /// The id or ARN.
    pub(super) id: &'a str,
    /// The base model.
    pub(super) base: &'a str,
    /// Whether the operator stated the base model.
    pub(super) is_base_stated: bool,
    /// Whose format an `InvokeModel` body would have.
    pub(super) family: Option<Family>,
}

/// Chooses the API for a chat request.
pub(super) fn choose(hints: &Hints<'_>, facts: &Facts) -> Route {
    if let Some(route) = hints.token {
        return route;
    }
    let base = hints.base;
    let kind = Arn::parse(hints.id).map(|arn| arn.kind);
    match hints.spec {
        Some("nova" | "nova-2") => return Route::Converse,
        Some(spec) if kind.is_some() || Family::token_means_invoke(spec) => return Route::Invoke,
        _ => {}
    }
    match kind {
        Some("application-inference-profile") => return Route::Converse,
        // Converse takes no imported models.
        Some("imported-model") if hints.is_base_stated && hints.family.is_some() => {
            return Route::Invoke;
        }
        _ => {}
    }
    let is_native_gpt = gpt_version(base).is_some_and(|version| version >= (5, 6))
        && facts.serves("/v1/chat/completions");
    if is_native_gpt {
        return Route::ChatCompletions;
    }
    let starts_with = |prefixes: &[&str]| prefixes.iter().any(|prefix| base.starts_with(prefix));
    let is_chat = matches!(facts.mode, None | Some(Mode::Chat | Mode::Responses));
    let is_listed = facts.provider == Some(CatalogProvider::Bedrock);
    if starts_with(&INVOKE_ONLY) || is_listed && (!is_chat || starts_with(&INVOKE_IF_LISTED)) {
        Route::Invoke
    } else {
        Route::Converse
    }
}
