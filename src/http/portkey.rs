//! `x-portkey-*` and `x-obiguard-*`: the headers of two other gateways, whose clients may be pointed here.
//!
//! A request is in this style when it names a provider or a config in such a header; its `model` is then a Bedrock id,
//! and credentials may come as headers. Strict compliance is honoured in any request.

use axum::http::HeaderMap;
use serde_json::Value;

use crate::error::{Error, Result};

const PREFIXES: [&str; 2] = ["x-portkey-", "x-obiguard-"];

/// What the headers ask for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Portkey {
    /// The body's `model` is a Bedrock id.
    pub(super) active: bool,
    /// Credentials and endpoint, under LiteLLM's names.
    pub(super) credentials: Vec<(String, String)>,
    /// `strict-open-ai-compliance`: `Some(false)` asks for `content_blocks`.
    pub(super) strict: Option<bool>,
    /// Values of `-anthropic-beta`.
    pub(super) betas: Vec<String>,
    /// `-request-timeout`, in milliseconds.
    pub(super) timeout_ms: Option<u64>,
}

/// Which header or config key stands for which of LiteLLM's parameters.
const CREDENTIALS: [(&str, &str); 10] = [
    ("aws-access-key-id", "aws_access_key_id"),
    ("aws-secret-access-key", "aws_secret_access_key"),
    ("aws-session-token", "aws_session_token"),
    ("aws-region", "aws_region_name"),
    ("aws-region-name", "aws_region_name"),
    ("aws-role-arn", "aws_role_name"),
    ("aws-external-id", "aws_external_id"),
    ("custom-host", "aws_bedrock_runtime_endpoint"),
    ("aws-sts-endpoint", "aws_sts_endpoint"),
    ("aws-model-id", "model_id"),
];

/// Reads the headers.
///
/// # Errors
///
/// A provider that is not Bedrock, or a config that is not JSON.
pub(super) fn read(headers: &HeaderMap) -> Result<Portkey> {
    let mut portkey = Portkey::default();
    if !headers.keys().any(|name| has_prefix(name.as_str())) {
        return Ok(portkey);
    }
    let mut auth_type = None;
    for prefix in PREFIXES {
        let get = |suffix: &str| text(headers, &format!("{prefix}{suffix}"));
        if let Some(provider) = get("provider") {
            check_provider(provider, &format!("{prefix}provider"))?;
            portkey.active = true;
        }
        for (suffix, name) in CREDENTIALS {
            if let Some(value) = get(suffix) {
                portkey
                    .credentials
                    .push((name.to_owned(), value.to_owned()));
            }
        }
        auth_type = auth_type.or(get("aws-auth-type"));
        let strict = get("strict-open-ai-compliance").or_else(|| get("strict-openai-compliance"));
        portkey.strict = portkey
            .strict
            .or(strict.map(|value| !value.eq_ignore_ascii_case("false")));
        if let Some(betas) = get("anthropic-beta") {
            portkey
                .betas
                .extend(betas.split(',').map(|beta| beta.trim().to_owned()));
        }
        portkey.timeout_ms = portkey
            .timeout_ms
            .or(get("request-timeout").and_then(|value| value.parse().ok()));
        if let Some(config) = get("config") {
            portkey.read_config(config, &format!("{prefix}config"))?;
        }
    }
    portkey.take_provider_key(headers);
    portkey.keep_one_identity(auth_type);
    Ok(portkey)
}

impl Portkey {
    /// Reads the credential keys of a config object; its routing part is not served yet.
    fn read_config(&mut self, config: &str, header: &str) -> Result<()> {
        let Ok(Value::Object(config)) = serde_json::from_str::<Value>(config) else {
            return Err(Error::bad_request(
                header,
                format!(
                    "{header}: expected a JSON object; stored config ids are not supported yet"
                ),
            ));
        };
        self.active = true;
        for (key, value) in &config {
            let Some(value) = value.as_str() else {
                if key == "strict_open_ai_compliance" || key == "strictOpenAiCompliance" {
                    self.strict = self.strict.or(value.as_bool());
                }
                continue;
            };
            let key = kebab(key);
            match key.as_str() {
                "provider" => check_provider(value, header)?,
                "api-key" => self
                    .credentials
                    .push(("api_key".to_owned(), value.to_owned())),
                "anthropic-beta" => self
                    .betas
                    .extend(value.split(',').map(|beta| beta.trim().to_owned())),
                _ => {
                    if let Some((_, name)) = CREDENTIALS.iter().find(|(suffix, _)| *suffix == key) {
                        self.credentials
                            .push(((*name).to_owned(), value.to_owned()));
                    }
                }
            }
        }
        Ok(())
    }

    /// With the gateway's key in `-api-key`, `Authorization` or `x-api-key` is the Bedrock API key.
    fn take_provider_key(&mut self, headers: &HeaderMap) {
        let has_gateway_key = PREFIXES
            .iter()
            .any(|prefix| text(headers, &format!("{prefix}api-key")).is_some())
            || text(headers, "x-litellm-api-key").is_some();
        if !self.active || !has_gateway_key || self.has("api_key") {
            return;
        }
        let bearer = text(headers, "authorization").and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
        });
        if let Some(key) = text(headers, "x-api-key")
            .or(bearer)
            .filter(|key| !key.is_empty())
        {
            self.credentials
                .push(("api_key".to_owned(), key.to_owned()));
        }
    }

    /// AWS keys in headers are what the caller means to sign with, unless `aws-auth-type` says otherwise.
    fn keep_one_identity(&mut self, auth_type: Option<&str>) {
        let pair = self.has("aws_access_key_id") && self.has("aws_secret_access_key");
        let signs = match auth_type {
            Some(kind) if kind.eq_ignore_ascii_case("apiKey") => false,
            Some(_) => true,
            None => pair || self.has("aws_role_name"),
        };
        if !pair {
            // Half of a pair signs nothing.
            self.credentials.retain(|(name, _)| !is_of_pair(name));
        }
        if signs {
            self.credentials.retain(|(name, _)| name != "api_key");
        } else if self.has("api_key") {
            self.credentials.retain(|(name, _)| !is_of_pair(name));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.credentials.iter().any(|(known, _)| known == name)
    }
}

fn is_of_pair(name: &str) -> bool {
    matches!(
        name,
        "aws_access_key_id" | "aws_secret_access_key" | "aws_session_token"
    )
}

fn has_prefix(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

fn check_provider(provider: &str, header: &str) -> Result<()> {
    if provider.eq_ignore_ascii_case("bedrock") {
        return Ok(());
    }
    let hint = if provider.starts_with('@') {
        "named providers are not supported yet"
    } else {
        "this gateway serves `bedrock`"
    };
    Err(Error::bad_request(
        header,
        format!("{header}: unknown provider; {hint}"),
    ))
}

/// `awsAccessKeyId` and `aws_access_key_id` to `aws-access-key-id`.
fn kebab(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            out.push('-');
            out.push(letter.to_ascii_lowercase());
        } else {
            out.push(if letter == '_' { '-' } else { letter });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_pairs(pairs: &[(&'static str, &str)]) -> Result<Portkey> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        read(&headers)
    }

    fn credential<'a>(portkey: &'a Portkey, name: &str) -> Option<&'a str> {
        portkey
            .credentials
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn plain_requests_are_not_in_this_style() {
        assert_eq!(
            read_pairs(&[("authorization", "Bearer sk-1")]).unwrap(),
            Portkey::default()
        );
    }

    #[test]
    fn provider_and_aws_headers_bring_credentials() {
        let portkey = read_pairs(&[
            ("x-portkey-provider", "bedrock"),
            ("x-portkey-aws-access-key-id", "AKIA"),
            ("x-portkey-aws-secret-access-key", "secret"),
            ("x-portkey-aws-region", "eu-west-1"),
        ])
        .unwrap();
        assert!(portkey.active);
        assert_eq!(credential(&portkey, "aws_region_name"), Some("eu-west-1"));
        assert_eq!(credential(&portkey, "aws_access_key_id"), Some("AKIA"));
    }

    #[test]
    fn half_of_a_pair_of_keys_is_no_credential() {
        for half in [
            "x-portkey-aws-access-key-id",
            "x-portkey-aws-secret-access-key",
        ] {
            let portkey = read_pairs(&[
                (half, "half"),
                ("x-portkey-aws-session-token", "token"),
                ("x-portkey-aws-region", "eu-west-1"),
            ])
            .unwrap();
            let names: Vec<_> = portkey.credentials.iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["aws_region_name"], "{half}");
        }
    }

    #[test]
    fn authorization_is_the_bedrock_key_beside_a_gateway_key() {
        let portkey = read_pairs(&[
            ("x-obiguard-provider", "bedrock"),
            ("x-obiguard-api-key", "sk-gateway"),
            ("authorization", "Bearer ABSK"),
            ("x-obiguard-strict-openai-compliance", "false"),
        ])
        .unwrap();
        assert_eq!(credential(&portkey, "api_key"), Some("ABSK"));
        assert_eq!(portkey.strict, Some(false));
        let alone = read_pairs(&[
            ("x-obiguard-provider", "bedrock"),
            ("authorization", "Bearer sk-gateway"),
        ])
        .unwrap();
        assert_eq!(credential(&alone, "api_key"), None);
    }

    #[test]
    fn config_brings_credentials_in_either_case() {
        for config in [
            r#"{"provider":"bedrock","aws_access_key_id":"A","aws_secret_access_key":"S","aws_region":"us-west-2"}"#,
            r#"{"provider":"bedrock","awsAccessKeyId":"A","awsSecretAccessKey":"S","awsRegion":"us-west-2"}"#,
        ] {
            let portkey = read_pairs(&[("x-portkey-config", config)]).unwrap();
            assert!(portkey.active);
            assert_eq!(credential(&portkey, "aws_secret_access_key"), Some("S"));
            assert_eq!(credential(&portkey, "aws_region_name"), Some("us-west-2"));
        }
    }

    #[test]
    fn other_providers_are_refused() {
        assert!(read_pairs(&[("x-portkey-provider", "openai")]).is_err());
        assert!(read_pairs(&[("x-portkey-config", "pc-123")]).is_err());
    }
}
