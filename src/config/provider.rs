//! Which provider an entry of `model_list` is for.

/// A provider.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Provider {
    Bedrock,
    /// Its name, as far as it can be told.
    Other(String),
}

/// Vendors whose ids begin with their name.
const VENDORS: &[&str] = &[
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
    "zai",
];

/// Prefixes of ids that name where inference may run.
const REGION_GROUPS: &[&str] = &["us", "us-gov", "eu", "apac", "au", "ca", "jp", "global"];

/// Tells the provider from `litellm_params.model` and `custom_llm_provider`.
///
/// Without a prefix, only what looks like one of Bedrock's ids is Bedrock's.
pub(super) fn of(model: &str, forced: Option<&str>) -> Provider {
    if let Some(forced) = forced.filter(|forced| !forced.is_empty()) {
        return if is_bedrock(forced) {
            Provider::Bedrock
        } else {
            Provider::Other(forced.to_owned())
        };
    }
    // A reference that could not be resolved, a pattern, or nothing: judged elsewhere.
    if model.is_empty() || model == "*" || model.starts_with("os.environ/") || is_arn(model) {
        return Provider::Bedrock;
    }
    match model.split_once('/') {
        Some((prefix, _)) if is_bedrock(prefix) => Provider::Bedrock,
        Some((prefix, _)) => Provider::Other(format!("{prefix}/…")),
        None if is_bedrock_id(model) => Provider::Bedrock,
        None => Provider::Other(model.to_owned()),
    }
}

fn is_bedrock(provider: &str) -> bool {
    matches!(provider, "bedrock" | "bedrock_converse" | "bedrock_mantle")
}

fn is_arn(model: &str) -> bool {
    let mut parts = model.split(':');
    parts.next() == Some("arn")
        && parts
            .next()
            .is_some_and(|partition| partition.starts_with("aws"))
        && parts.next() == Some("bedrock")
}

/// Says whether a bare name is one of Bedrock's ids: `vendor.model`, perhaps after a region group.
fn is_bedrock_id(model: &str) -> bool {
    let (first, rest) = model.split_once('.').unwrap_or((model, ""));
    let vendor = if REGION_GROUPS.contains(&first) {
        rest.split_once('.').unwrap_or((rest, "")).0
    } else {
        first
    };
    !rest.is_empty() && VENDORS.contains(&vendor)
}
