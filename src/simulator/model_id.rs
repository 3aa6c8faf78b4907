//! What a model id says about the model that would answer.

use super::error::AwsError;

/// Vendors whose name opens a Bedrock model id.
const VENDORS: [&str; 21] = [
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
    "us-gov",
    "writer",
    "xai",
    "zai",
];

/// Whose manner the simulated model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Claude,
    Nova,
    Llama,
    Mistral,
    DeepSeek,
    Qwen,
    GptOss,
    Gpt,
    Kimi,
    Cohere,
    Ai21,
    Other,
}

impl Family {
    /// Returns the name that stands in the answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Family::Claude => "claude",
            Family::Nova => "nova",
            Family::Llama => "llama",
            Family::Mistral => "mistral",
            Family::DeepSeek => "deepseek",
            Family::Qwen => "qwen",
            Family::GptOss => "gpt-oss",
            Family::Gpt => "gpt",
            Family::Kimi => "kimi",
            Family::Cohere => "cohere",
            Family::Ai21 => "ai21",
            Family::Other => "other",
        }
    }
}

/// A model that a request names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    /// The id without cross-region prefix and ARN, in lower case.
    pub(super) base: String,
    pub(super) family: Family,
    /// Major and minor version of a Claude model.
    pub(super) claude_version: (u32, u32),
    /// Whether the id names a stored prompt instead of a model.
    pub(super) is_prompt: bool,
}

impl Model {
    /// Reads a decoded model id and refuses what Bedrock would not know.
    pub(super) fn parse(id: &str) -> Result<Self, AwsError> {
        let invalid = || AwsError::validation("The provided model identifier is invalid.");
        if id.starts_with("arn:") {
            return Self::parse_arn(id).unwrap_or_else(|| Err(invalid()));
        }
        let plain = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
        if !plain || !id.contains('.') || id.len() > 2048 || id.contains("nonexistent") {
            return Err(invalid());
        }
        Ok(Self::from_base(id))
    }

    /// Makes a model that has no Bedrock id, such as the one behind another Converse-shaped API.
    pub(super) fn unnamed() -> Self {
        Self {
            base: String::new(),
            family: Family::Other,
            claude_version: (0, 0),
            is_prompt: false,
        }
    }

    fn parse_arn(id: &str) -> Option<Result<Self, AwsError>> {
        let mut fields = id.splitn(6, ':');
        let (partition, service) = (fields.nth(1)?, fields.next()?);
        let (region, _account, resource) = (fields.next()?, fields.next()?, fields.next()?);
        let known = partition.starts_with("aws") && ["bedrock", "sagemaker"].contains(&service);
        if !known || region.is_empty() {
            return None;
        }
        let (kind, name) = resource.split_once('/')?;
        if name.is_empty() {
            return None;
        }
        if name.contains("nonexistent") {
            let message =
                "Could not resolve the foundation model from the provided model identifier.";
            return Some(Err(AwsError::new(
                "ResourceNotFoundException",
                404,
                message,
            )));
        }
        let mut model = match kind {
            "foundation-model" | "inference-profile" | "custom-model" => Self::from_base(name),
            "application-inference-profile"
            | "provisioned-model"
            | "imported-model"
            | "custom-model-deployment"
            | "prompt"
            | "prompt-router"
            | "default-prompt-router"
            | "endpoint" => Self {
                base: name.to_owned(),
                ..Self::unnamed()
            },
            _ => return None,
        };
        model.is_prompt = kind == "prompt";
        Some(Ok(model))
    }

    fn from_base(id: &str) -> Self {
        let id = id.to_ascii_lowercase();
        let base = match id.split_once('.') {
            Some((first, rest)) if first == "us-gov" || !VENDORS.contains(&first) => {
                rest.to_owned()
            }
            _ => id,
        };
        let (vendor, name) = base.split_once('.').unwrap_or(("", base.as_str()));
        let family = match vendor {
            "anthropic" => Family::Claude,
            "amazon" if name.starts_with("nova") => Family::Nova,
            "meta" => Family::Llama,
            "mistral" => Family::Mistral,
            "deepseek" => Family::DeepSeek,
            "qwen" => Family::Qwen,
            "openai" if name.starts_with("gpt-oss") => Family::GptOss,
            "openai" => Family::Gpt,
            "moonshot" | "moonshotai" => Family::Kimi,
            "cohere" => Family::Cohere,
            "ai21" => Family::Ai21,
            _ => Family::Other,
        };
        let claude_version = if family == Family::Claude {
            claude_version(name)
        } else {
            (0, 0)
        };
        Self {
            base,
            family,
            claude_version,
            is_prompt: false,
        }
    }

    /// Whether this is a Claude of at least this version.
    pub(super) fn is_claude_from(&self, major: u32, minor: u32) -> bool {
        self.family == Family::Claude && self.claude_version >= (major, minor)
    }
}

/// Reads `3.7` out of `claude-3-7-sonnet-…` and `4.5` out of `claude-sonnet-4-5-…`.
fn claude_version(name: &str) -> (u32, u32) {
    // Longer numbers are dates.
    let mut parts = name
        .split(['-', '.', ':'])
        .skip_while(|part| !is_version_part(part));
    let major = parts.next().and_then(|part| part.parse().ok()).unwrap_or(2);
    let minor = parts
        .next()
        .filter(|part| is_version_part(part))
        .and_then(|part| part.parse().ok());
    (major, minor.unwrap_or(0))
}

fn is_version_part(part: &str) -> bool {
    (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_their_family() {
        let cases = [
            ("anthropic.claude-3-haiku-20240307-v1:0", Family::Claude),
            (
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                Family::Claude,
            ),
            ("global.amazon.nova-2-lite-v1:0", Family::Nova),
            ("amazon.titan-text-express-v1", Family::Other),
            ("us-gov.meta.llama3-1-8b-instruct-v1:0", Family::Llama),
            ("openai.gpt-oss-120b-1:0", Family::GptOss),
            ("openai.gpt-5.6", Family::Gpt),
            ("moonshotai.kimi-k2.5", Family::Kimi),
            (
                "arn:aws:bedrock:us-east-1:1:inference-profile/us.deepseek.r1-v1:0",
                Family::DeepSeek,
            ),
            (
                "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12",
                Family::Other,
            ),
        ];
        for (id, family) in cases {
            assert_eq!(Model::parse(id).unwrap().family, family, "{id}");
        }
    }

    #[test]
    fn claude_versions_are_read_in_both_orders() {
        let version = |id: &str| Model::parse(id).unwrap().claude_version;
        assert_eq!(version("anthropic.claude-3-7-sonnet-20250219-v1:0"), (3, 7));
        assert_eq!(version("anthropic.claude-3-haiku-20240307-v1:0"), (3, 0));
        assert_eq!(version("anthropic.claude-sonnet-4-20250514-v1:0"), (4, 0));
        assert_eq!(version("eu.anthropic.claude-opus-4-6-v1"), (4, 6));
    }

    #[test]
    fn implausible_ids_are_refused() {
        for id in [
            "gpt-4",
            "",
            "us.anthropic.claude[1m]",
            "anthropic.nonexistent-v1",
            "arn:aws:s3:::x/y",
            "a/b.c",
        ] {
            assert_eq!(Model::parse(id).unwrap_err().status, 400, "{id}");
        }
        let missing =
            Model::parse("arn:aws:bedrock:us-east-1:1:provisioned-model/nonexistent").unwrap_err();
        assert_eq!(
            (missing.name, missing.status),
            ("ResourceNotFoundException", 404)
        );
    }

    #[test]
    fn prompts_are_told_apart() {
        assert!(
            Model::parse("arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1")
                .unwrap()
                .is_prompt
        );
    }
}
