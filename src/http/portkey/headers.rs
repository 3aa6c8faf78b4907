//! The headers of a request in this style, one by one.

use http::HeaderMap;
use serde_json::{Map, Value};

use super::{PREFIXES, Received};
use crate::canonical::split_betas;
use crate::error::{Error, Result};
use crate::pipeline::{GatewayCall, Provider};

/// Longest `-trace-id` and `_user` that are taken.
const LONGEST_TEXT: usize = 256;

const PROVIDER: [&str; 2] = ["x-portkey-provider", "x-obiguard-provider"];
const VIRTUAL_KEY: [&str; 2] = ["x-portkey-virtual-key", "x-obiguard-virtual-key"];

/// Which header stands for which of LiteLLM's parameters.
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

/// Headers that are never sent on: keys, and what only a connection sets.
const NEVER_FORWARDED: [&str; 13] = [
    "api-key",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "litellm_user_api_key",
    "ocp-apim-subscription-key",
    "proxy-authorization",
    "transfer-encoding",
    "x-api-key",
    "x-goog-api-key",
];

/// Beginnings of headers that are for this gateway.
const NEVER_FORWARDED_PREFIXES: [&str; 4] =
    ["x-portkey-", "x-obiguard-", "x-litellm-", "x-switchyard-"];

/// What the headers say.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// `-provider`, else `-virtual-key`, with the header's name.
    pub(super) provider: Option<(Provider, &'static str)>,
    /// Credentials and endpoint, under LiteLLM's names.
    pub(super) credentials: Vec<(String, String)>,
    /// `-aws-auth-type`.
    auth_type: Option<String>,
    /// `-strict-open-ai-compliance`: `Some(false)` asks for `content_blocks`.
    pub(super) strict: Option<bool>,
    /// Values of `-anthropic-beta`.
    pub(super) betas: Vec<String>,
    /// `-request-timeout`, in milliseconds.
    pub(super) timeout_ms: Option<u64>,
    /// `-retry-count`.
    pub(super) retries: Option<u32>,
    /// `-metadata`.
    pub(super) metadata: Map<String, Value>,
    /// `_user` of that.
    pub(super) user: Option<String>,
    /// `-trace-id`.
    pub(super) trace_id: Option<String>,
    /// `-forward-headers`, in lower case.
    pub(super) forward: Vec<String>,
    /// Whether they are Obiguard's.
    pub(super) is_obiguard: bool,
}

impl Headers {
    /// Reads them; what `x-portkey-` says comes before what `x-obiguard-` says.
    ///
    /// # Errors
    ///
    /// The header that cannot be used.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self> {
        let mut read = Self {
            provider: provider(headers)?,
            ..Self::default()
        };
        for prefix in PREFIXES {
            let get = |suffix: &str| text(headers, &format!("{prefix}{suffix}"));
            for (suffix, name) in CREDENTIALS {
                if let Some(value) = get(suffix) {
                    let pair = (name.to_owned(), value.to_owned());
                    read.credentials.push(pair);
                }
            }
            let first = |known: &mut Option<String>, suffix: &str| {
                if known.is_none() {
                    *known = get(suffix).map(str::to_owned);
                }
            };
            first(&mut read.auth_type, "aws-auth-type");
            first(&mut read.trace_id, "trace-id");
            let strict =
                get("strict-open-ai-compliance").or_else(|| get("strict-openai-compliance"));
            read.strict = read
                .strict
                .or(strict.map(|value| !value.eq_ignore_ascii_case("false")));
            let whole = |suffix: &str| match get(suffix) {
                None => Ok(None),
                Some(value) => number(value, &format!("{prefix}{suffix}")).map(Some),
            };
            read.timeout_ms = read.timeout_ms.or(whole("request-timeout")?);
            let retries = whole("retry-count")?;
            let retries = retries.map(|retries| u32::try_from(retries).unwrap_or(u32::MAX));
            read.retries = read.retries.or(retries);
            read.betas
                .extend(get("anthropic-beta").map(split_betas).unwrap_or_default());
            if let Some(written) = get("metadata") {
                read.read_metadata(written, &format!("{prefix}metadata"))?;
            }
            let forward = get("forward-headers").unwrap_or_default().split(',');
            let forward = forward.map(str::trim).filter(|name| !name.is_empty());
            read.forward.extend(forward.map(str::to_ascii_lowercase));
        }
        read.trace_id = read.trace_id.filter(|id| id.len() <= LONGEST_TEXT);
        read.is_obiguard = (headers.keys()).any(|name| name.as_str().starts_with(PREFIXES[1]));
        Ok(read)
    }

    fn read_metadata(&mut self, written: &str, header: &str) -> Result<()> {
        let Ok(Value::Object(members)) = serde_json::from_str(written) else {
            let message = format!("{header}: expected a JSON object");
            return Err(Error::bad_request(header, message));
        };
        let user = members.get("_user").and_then(Value::as_str);
        let user = user.filter(|user| (1..=LONGEST_TEXT).contains(&user.len()));
        if self.user.is_none() {
            self.user = user.map(str::to_owned);
        }
        for (name, value) in members {
            self.metadata.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// With the gateway's key in `-api-key`, `Authorization` or `x-api-key` is the Bedrock API key.
    pub(super) fn take_provider_key(&mut self, headers: &HeaderMap) {
        let has_gateway_key = PREFIXES
            .iter()
            .any(|prefix| text(headers, &format!("{prefix}api-key")).is_some())
            || text(headers, "x-litellm-api-key").is_some();
        if !has_gateway_key {
            return;
        }
        let bearer = text(headers, "authorization").and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
        });
        let key = text(headers, "x-api-key").or(bearer);
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            let pair = ("api_key".to_owned(), key.to_owned());
            self.credentials.push(pair);
        }
    }

    /// A session token without a pair: for the keys that a slug or a virtual key names.
    pub(super) fn session_token_alone(&self) -> Option<String> {
        let is_there = |name| self.credential(name).is_some();
        let halves = is_there("aws_access_key_id") || is_there("aws_secret_access_key");
        let token = self.credential("aws_session_token")?;
        (!halves).then(|| token.to_owned())
    }

    /// AWS keys in headers are what the caller means to sign with, unless `aws-auth-type` says otherwise.
    pub(super) fn keep_one_identity(&mut self) {
        let has = |name| self.credential(name).is_some();
        let pair = has("aws_access_key_id") && has("aws_secret_access_key");
        let by_key = has("api_key");
        let signs = match &self.auth_type {
            Some(kind) if kind.eq_ignore_ascii_case("apiKey") => false,
            Some(_) => true,
            None => pair || has("aws_role_name"),
        };
        if !pair {
            // Half of a pair signs nothing.
            self.credentials.retain(|(name, _)| !is_of_pair(name));
        }
        if signs {
            self.credentials.retain(|(name, _)| name != "api_key");
        } else if by_key {
            self.credentials.retain(|(name, _)| !is_of_pair(name));
        }
    }

    /// Returns a credential by LiteLLM's name.
    pub(super) fn credential(&self, name: &str) -> Option<&str> {
        let found = self.credentials.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Whose credentials are asked for.
fn provider(headers: &HeaderMap) -> Result<Option<(Provider, &'static str)>> {
    let said = |names: [&'static str; 2]| {
        (names.into_iter()).find_map(|name| Some((name, text(headers, name)?)))
    };
    let virtual_key =
        said(VIRTUAL_KEY).map(|(header, name)| (Provider::VirtualKey(name.to_owned()), header));
    let Some((header, provider)) = said(PROVIDER) else {
        return Ok(virtual_key);
    };
    if let Some(slug) = provider.strip_prefix('@') {
        return Ok(Some((Provider::Slug(slug.to_owned()), header)));
    }
    if provider.eq_ignore_ascii_case("bedrock") {
        return Ok(virtual_key.or(Some((Provider::Bedrock, header))));
    }
    let message = format!(
        "{header}: unknown provider; this gateway serves `bedrock`, and `@name` for credentials or a model group"
    );
    Err(Error::bad_request(header, message))
}

/// The headers that may be sent on: those that the request or its configuration names, without any that is a key.
pub(super) fn forwardable(received: &Received<'_>, gateway: &GatewayCall) -> Vec<(String, String)> {
    let mut names: Vec<&String> = gateway.forward_headers.iter().collect();
    if let Some(config) = &gateway.config {
        config.visit(&mut |config| names.extend(&config.forward_headers));
    }
    names.sort_unstable();
    names.dedup();
    let own_key = received.config.general.key_header_name.as_deref();
    let is_kept = |name: &str| {
        NEVER_FORWARDED.contains(&name)
            || own_key.is_some_and(|own| own.eq_ignore_ascii_case(name))
            || NEVER_FORWARDED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
    };
    (names.into_iter())
        .filter(|name| !is_kept(name))
        .filter_map(|name| Some((name.clone(), text(received.headers, name)?.to_owned())))
        .collect()
}

fn is_of_pair(name: &str) -> bool {
    matches!(
        name,
        "aws_access_key_id" | "aws_secret_access_key" | "aws_session_token"
    )
}

/// Returns a header's text; an empty one is none.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

fn number(value: &str, header: &str) -> Result<u64> {
    let is_whole = value.bytes().all(|byte| byte.is_ascii_digit());
    if !is_whole {
        let message = format!("{header}: expected a whole number, 0 or more");
        return Err(Error::bad_request(header, message));
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}
