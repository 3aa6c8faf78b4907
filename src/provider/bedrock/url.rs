//! Where a call goes: region, host, path.
//!
//! Everything here is decided when a configuration is loaded; only [`model_url`] runs per request, and it too is a
//! function of a deployment's endpoint and id.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::model_id::{ModelId, Route, is_region};
use crate::config::Environment;

/// The region of calls that name none anywhere.
pub const DEFAULT_REGION: &str = "us-west-2";

/// What stays as it is in a path segment; `SigV4` calls these characters unreserved.
const SEGMENT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Why no address can be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// A region is lower-case letters, digits and hyphens.
    #[error("`{0}` is no AWS region")]
    BadRegion(String),
    /// An endpoint is an absolute http or https URL.
    #[error("`{0}` is no endpoint: an http or https URL without query is needed")]
    BadEndpoint(String),
}

/// A service of Bedrock's, or one that its credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Converse, invoke, count-tokens, guardrails, async invoke.
    Runtime,
    /// Rerank, retrieve, agents, flows.
    AgentRuntime,
    /// Model lists, inference profiles, batch jobs.
    ControlPlane,
    /// Build-time API of agents.
    AgentBuildTime,
    /// The OpenAI- and Anthropic-shaped APIs of `bedrock-mantle`.
    Mantle,
    /// Agent core.
    AgentCore,
    /// Security tokens.
    Sts,
}

/// Which override of a deployment wins when it has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// `aws_bedrock_runtime_endpoint`, environment, `api_base`: Converse, images, rerank, the OpenAI surface, guardrails.
    RuntimeEndpoint,
    /// `api_base`, `aws_bedrock_runtime_endpoint`, environment: invoke, embeddings, pass-through, count-tokens, agents.
    ApiBase,
    /// `api_base`, environment: `bedrock_mantle/`, which is a provider of its own and no part of the runtime.
    ApiBaseAlone,
}

impl Precedence {
    /// Returns which override wins for chat with a model.
    pub fn of(model: &ModelId) -> Self {
        match model.route {
            Route::Mantle if model.is_of_mantle => Self::ApiBaseAlone,
            Route::Invoke | Route::Agent | Route::Mantle => Self::ApiBase,
            _ => Self::RuntimeEndpoint,
        }
    }
}

/// The addresses that an operator wrote into a deployment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overrides<'a> {
    /// `aws_bedrock_runtime_endpoint`.
    pub runtime_endpoint: Option<&'a str>,
    /// `api_base`.
    pub api_base: Option<&'a str>,
}

impl Service {
    /// Returns the first label of the service's host.
    pub fn label(self) -> &'static str {
        match self {
            Self::Runtime => "bedrock-runtime",
            Self::AgentRuntime => "bedrock-agent-runtime",
            Self::ControlPlane => "bedrock",
            Self::AgentBuildTime => "bedrock-agent",
            Self::Mantle => "bedrock-mantle",
            Self::AgentCore => "bedrock-agentcore",
            Self::Sts => "sts",
        }
    }

    /// Returns the service name that signatures are scoped to.
    pub fn signing_name(self) -> &'static str {
        match self {
            Self::AgentCore => "bedrock-agentcore",
            Self::Sts => "sts",
            Self::Runtime
            | Self::AgentRuntime
            | Self::ControlPlane
            | Self::AgentBuildTime
            | Self::Mantle => "bedrock",
        }
    }

    /// The environment variables that move the service, the strongest first.
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Runtime => &[
                "AWS_BEDROCK_RUNTIME_ENDPOINT",
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            ],
            Self::AgentRuntime => &[
                "AWS_BEDROCK_AGENT_RUNTIME_ENDPOINT",
                "AWS_BEDROCK_RUNTIME_ENDPOINT",
                "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME",
            ],
            Self::ControlPlane => &["AWS_ENDPOINT_URL_BEDROCK"],
            Self::AgentBuildTime => &["AWS_ENDPOINT_URL_BEDROCK_AGENT"],
            Self::Mantle => &["BEDROCK_MANTLE_API_BASE"],
            Self::AgentCore => &["AWS_ENDPOINT_URL_BEDROCK_AGENTCORE"],
            Self::Sts => &["AWS_STS_ENDPOINT", "AWS_ENDPOINT_URL_STS"],
        }
    }
}

/// Finds the region of a call.
///
/// `configured` is `aws_region_name`, `of_model` the region in the model string or its ARNs, `of_profile` that of the
/// shared configuration, `endpoint` an override whose host is the last resort.
///
/// # Errors
///
/// [`UrlError::BadRegion`] for a region that could not be one.
pub fn region(
    configured: Option<&str>,
    of_model: Option<&str>,
    environment: &Environment,
    of_profile: Option<&str>,
    endpoint: Option<&str>,
) -> Result<String, UrlError> {
    let of_environment = ["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find_map(|name| environment.get(name));
    let region = configured
        .filter(|region| !region.is_empty())
        .or(of_model)
        .or(of_environment)
        .or(of_profile)
        .or_else(|| endpoint.and_then(region_of_host))
        .unwrap_or(DEFAULT_REGION);
    check_region(region)?;
    Ok(region.to_owned())
}

/// Checks that a region is made of the characters regions have.
///
/// # Errors
///
/// [`UrlError::BadRegion`] otherwise; a region becomes part of a host.
pub fn check_region(region: &str) -> Result<(), UrlError> {
    let is_ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !region.is_empty() && region.bytes().all(is_ok) {
        Ok(())
    } else {
        Err(UrlError::BadRegion(region.chars().take(40).collect()))
    }
}

/// Returns a service's base URL, without a trailing slash.
///
/// # Errors
///
/// [`UrlError::BadEndpoint`] for an override that is no URL.
pub fn endpoint(
    service: Service,
    region: &str,
    overrides: Overrides<'_>,
    precedence: Precedence,
    environment: &Environment,
) -> Result<String, UrlError> {
    let (own, other) = match precedence {
        Precedence::RuntimeEndpoint => (overrides.runtime_endpoint, overrides.api_base),
        Precedence::ApiBase => (overrides.api_base.or(overrides.runtime_endpoint), None),
        Precedence::ApiBaseAlone => (overrides.api_base, None),
    };
    let is_of_deployment = matches!(
        service,
        Service::Runtime | Service::AgentRuntime | Service::Mantle
    );
    let (own, other) = if is_of_deployment {
        (own, other)
    } else {
        (None, None)
    };
    // `AWS_ENDPOINT_URL_…` is the SDK's own and comes last; what precedes it in the list is stronger than `api_base`.
    let variable = |is_sdk: bool| {
        service
            .variables()
            .iter()
            .filter(move |name| name.starts_with("AWS_ENDPOINT_URL_") == is_sdk)
            .find_map(|name| environment.get(name))
    };
    let chosen = own
        .or_else(|| variable(false))
        .or(other)
        .or_else(|| variable(true));
    match chosen {
        Some(written) => normalize(written, service),
        None => Ok(default_endpoint(service, region, environment)),
    }
}

/// Returns AWS's own address of a service, in the variant that the environment asks for.
pub fn default_endpoint(service: Service, region: &str, environment: &Environment) -> String {
    let is_on = |name| {
        environment
            .get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    if service == Service::Mantle {
        return format!("https://bedrock-mantle.{region}.api.aws");
    }
    let fips = match service {
        Service::AgentCore => "",
        _ if is_on("AWS_USE_FIPS_ENDPOINT") => "-fips",
        _ => "",
    };
    let suffix = if is_on("AWS_USE_DUALSTACK_ENDPOINT") {
        dual_stack_suffix(region)
    } else {
        dns_suffix(region)
    };
    format!("https://{}{fips}.{region}.{suffix}", service.label())
}

/// Returns the address of a call on a model: `{endpoint}/model/{id}/{operation}`.
///
/// The id is percent-encoded whole: AWS takes `:` and `%3A` alike, and the signature encodes once more.
pub fn model_url(endpoint: &str, wire_id: &str, operation: &str) -> String {
    let mut url = String::with_capacity(endpoint.len() + wire_id.len() + operation.len() + 24);
    url.push_str(endpoint);
    url.push_str("/model/");
    url.extend(utf8_percent_encode(wire_id, &SEGMENT));
    url.push('/');
    url.push_str(operation);
    url
}

/// Returns the Converse address of a model.
pub fn converse_url(endpoint: &str, wire_id: &str, is_stream: bool) -> String {
    let operation = if is_stream {
        "converse-stream"
    } else {
        "converse"
    };
    model_url(endpoint, wire_id, operation)
}

/// Returns the `InvokeModel` address of a model.
pub fn invoke_url(endpoint: &str, wire_id: &str, is_stream: bool) -> String {
    let operation = if is_stream {
        "invoke-with-response-stream"
    } else {
        "invoke"
    };
    model_url(endpoint, wire_id, operation)
}

/// Percent-encodes one path segment.
pub fn encode_segment(segment: &str) -> String {
    utf8_percent_encode(segment, &SEGMENT).to_string()
}

/// Returns the domain that a region's hosts end with.
pub fn dns_suffix(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-f" => "csp.hci.ic.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        _ => "amazonaws.com",
    }
}

/// Returns the partition of a region, as ARNs write it.
pub fn partition(region: &str) -> &'static str {
    let starts = |prefix| region.starts_with(prefix);
    if starts("cn-") {
        "aws-cn"
    } else if starts("us-gov-") {
        "aws-us-gov"
    } else if starts("us-iso-") {
        "aws-iso"
    } else if starts("us-isob-") {
        "aws-iso-b"
    } else if starts("us-isof-") {
        "aws-iso-f"
    } else if starts("eu-isoe-") {
        "aws-iso-e"
    } else {
        "aws"
    }
}

/// Returns the domain of dual-stack hosts; the isolated partitions have none and keep theirs.
fn dual_stack_suffix(region: &str) -> &'static str {
    match partition(region) {
        "aws" | "aws-us-gov" => "api.aws",
        "aws-cn" => "api.amazonwebservices.com.cn",
        _ => dns_suffix(region),
    }
}

/// Brings an override into the form that paths are appended to, and mends hosts of a neighbouring service.
fn normalize(written: &str, service: Service) -> Result<String, UrlError> {
    let bad = || UrlError::BadEndpoint(without_userinfo(written));
    let text = written.trim();
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let mut url = Url::parse(&text).map_err(|_| bad())?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_plain {
        return Err(bad());
    }
    let host = url.host_str().ok_or_else(bad)?.to_owned();
    if let Some(mended) = mend_host(&host, service) {
        url.set_host(Some(&mended)).map_err(|_| bad())?;
    }
    let written = url.as_str().trim_end_matches('/');
    Ok(match service {
        Service::Mantle => without_version(written),
        _ => written,
    }
    .to_owned())
}

/// Removes what OpenAI's clients write behind the host: `/openai/v1` or `/v1`.
fn without_version(written: &str) -> &str {
    ["/openai/v1", "/v1"]
        .into_iter()
        .find_map(|end| written.strip_suffix(end))
        .unwrap_or(written)
}

/// Replaces the host of a neighbouring service: the control plane's for a runtime call, the runtime's for an agent
/// runtime call.
fn mend_host(host: &str, service: Service) -> Option<String> {
    match service {
        Service::Runtime => {
            let (label, rest) = host.split_once('.')?;
            let (region, suffix) = rest.split_once('.')?;
            let fips = label.strip_prefix("bedrock")?;
            let is_control_plane = matches!(fips, "" | "-fips")
                && is_region(region)
                && (suffix == dns_suffix(region) || suffix == dual_stack_suffix(region));
            is_control_plane.then(|| format!("bedrock-runtime{fips}.{rest}"))
        }
        Service::AgentRuntime => host
            .contains("bedrock-runtime")
            .then(|| host.replace("bedrock-runtime", "bedrock-agent-runtime")),
        _ => None,
    }
}

/// Returns the region that a host names in one of its labels.
pub fn region_of_host(endpoint: &str) -> Option<&str> {
    let host = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    host.split(['/', ':', '?'])
        .next()?
        .split('.')
        .find(|label| is_region(label))
}

/// What is shown of an address that could not be read: never a password.
fn without_userinfo(written: &str) -> String {
    match written.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => written.to_owned(),
    }
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
