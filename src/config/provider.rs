//! Which provider an entry of `model_list` is for.

/// Vendors whose ids begin with their name, as in `anthropic.claude-3-haiku-20240307-v1:0`.
#[rustfmt::skip]
const VENDORS: &[&str] = &[
    "ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax", "mistral", "moonshot",
    "moonshotai", "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer", "xai", "zai",
];

/// Beginnings of ids that say where inference may run.
const REGION_GROUPS: &[&str] = &[
    "us", "us-gov", "eu", "apac", "au", "ca", "in", "jp", "global",
];

/// A provider.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Provider {
    Bedrock,
    /// Its name, as far as it can be told.
    Other(String),
}

/// Tells the provider from `litellm_params.model` and `custom_llm_provider`.
///
/// Without a prefix, only what has the form of one of Bedrock's ids is Bedrock's: new models are not in the catalog yet.
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
    let Some((first, rest)) = model.split_once('.') else {
        return false;
    };
    let vendor = if REGION_GROUPS.contains(&first) {
        rest.split_once('.').map_or("", |(vendor, _)| vendor)
    } else {
        first
    };
    VENDORS.contains(&vendor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bare_id_of_the_catalog_is_bedrocks() {
        let bare = crate::catalog::ids().filter(|id| !id.contains('/') && id.contains('.'));
        for id in bare {
            assert_eq!(of(id, None), Provider::Bedrock, "{id}");
        }
    }

    #[test]
    fn bedrock_is_told_by_prefix_by_arn_and_by_known_id() {
        for model in [
            "bedrock/anything",
            "bedrock/converse/anything",
            "bedrock_converse/anything",
            "arn:aws-us-gov:bedrock:us-gov-west-1:1:inference-profile/a",
            "anthropic.claude-3-sonnet-20240229-v1:0",
            "us.amazon.nova-pro-v1:0",
            "*",
        ] {
            assert_eq!(of(model, None), Provider::Bedrock, "{model}");
        }
        for model in [
            "gpt-4o",
            "openai/gpt-4o",
            "arn:aws:sagemaker:x",
            "anthropic/claude-3",
        ] {
            assert_ne!(of(model, None), Provider::Bedrock, "{model}");
        }
        assert_eq!(of("mine", Some("bedrock")), Provider::Bedrock);
        assert_ne!(of("bedrock/x", Some("azure")), Provider::Bedrock);
    }
}
