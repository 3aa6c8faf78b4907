//! A target that is called: whose credentials, which model, and what is laid over the request.
//!
//! What a request brings is the caller's and goes through the same checks as everywhere (`plan/caller.rs`). Credentials that
//! a target names are the operator's: they go to the operator's places only.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{GatewayCall, Provider};
use crate::canonical::Request;
use crate::config::{AwsParams, GatewayConfig, GatewayRetry, Secret};
use crate::dialect;
use crate::error::{Error, Result};
use crate::pipeline::plan::{self, At};
use crate::pipeline::trip::{Hop, RetryWish};
use crate::pipeline::{Brought, Call, CallOptions};
use crate::router::{Match, ModelGroup};
use crate::state::Parts;

/// What a target takes over from those above it.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited<'a> {
    retry: Option<&'a GatewayRetry>,
    timeout: Option<Duration>,
    forward_headers: &'a [String],
    pub(super) overrides: Map<String, Value>,
}

impl<'a> Inherited<'a> {
    /// Returns what holds for a target: its own words, else those above it; parameters are laid over each other.
    pub(super) fn with(&self, config: &'a GatewayConfig) -> Self {
        let mut overrides = self.overrides.clone();
        overrides.extend(config.overrides.clone());
        Self {
            retry: config.retry.as_ref().or(self.retry),
            timeout: config.timeout.or(self.timeout),
            forward_headers: if config.forward_headers.is_empty() {
                self.forward_headers
            } else {
                &config.forward_headers
            },
            overrides,
        }
    }

    /// What it says of attempts: none but the first where nothing is said of retries.
    fn wish(&self) -> RetryWish {
        let retry = self.retry;
        RetryWish {
            attempts: retry.map_or(0, |retry| retry.attempts),
            on_status: retry.map_or_else(Vec::new, |retry| retry.on_status.clone()),
            honours_retry_after: retry.is_some_and(|retry| retry.honours_retry_after),
            timeout: self.timeout,
        }
    }
}

/// Who serves a target.
enum Place<'a> {
    /// A set of `credential_list`, by its name.
    Credentials(&'a str, &'a AwsParams),
    /// A model group of the file.
    Group(&'a str),
    /// What the target or the caller brings.
    Brought,
}

/// Makes the hop to a target.
///
/// # Errors
///
/// A name that nobody knows; what the caller may not bring; parameters that cannot be laid over the request.
pub(super) fn hop<'r>(
    call: &Call,
    parts: &Parts,
    asked: &GatewayCall,
    (config, inherited): (&GatewayConfig, &Inherited<'_>),
    request: &'r Request,
) -> Result<Hop<'r>> {
    let written = (inherited.overrides.get("model").and_then(Value::as_str)).unwrap_or(&call.model);
    let (slug, model) = match split(written) {
        Some((slug, model)) => (Some(slug), model),
        None => (None, written),
    };
    let place = place(call, asked, config, slug, model)?;
    let request = laid_over(asked, inherited, request)?;
    let mut hop = match place {
        Place::Group(name) => grouped(call, parts, name, model, request)?,
        Place::Credentials(name, set) => {
            let mut aws = set.clone();
            if let Some(token) = &asked.session_token
                && aws.access_key_id.is_some()
            {
                aws.session_token = Some(token.clone());
            }
            let theirs = laid_options(call, asked, config);
            if asked.is_operators {
                lay_place(&mut aws, config);
            }
            let at = At {
                model: bare(model),
                aws,
                credential: Some(name),
                options: &theirs,
            };
            plan::hop_at(call, parts, at, request)?
        }
        Place::Brought => {
            let theirs = laid_options(call, asked, config);
            let at = At {
                model: bare(model),
                aws: if asked.is_operators {
                    config.aws.clone()
                } else {
                    AwsParams::default()
                },
                credential: None,
                options: &theirs,
            };
            plan::hop_at(call, parts, at, request)?
        }
    };
    if asked.config.is_some() {
        hop.retry = Some(inherited.wish());
    }
    Ok(hop)
}

/// Takes `@name/model` apart; a model's id may have slashes.
pub(super) fn split(model: &str) -> Option<(&str, &str)> {
    let rest = model.strip_prefix('@')?;
    Some(rest.split_once('/').unwrap_or((rest, rest)))
}

/// The id without the provider's name, which is put in front of it again.
fn bare(model: &str) -> &str {
    model.strip_prefix("bedrock/").unwrap_or(model)
}

/// Finds who serves: the target's own word, else the model's, else that of the request.
fn place<'a>(
    call: &'a Call,
    asked: &'a GatewayCall,
    config: &'a GatewayConfig,
    slug: Option<&'a str>,
    model: &'a str,
) -> Result<Place<'a>> {
    let source = asked.source;
    if let Some(name) = &config.virtual_key {
        return credentials(call, name, source);
    }
    match config.provider.as_deref() {
        Some(provider) => match provider.strip_prefix('@') {
            Some(name) => return named(call, name, source),
            None if provider.eq_ignore_ascii_case("bedrock") => return Ok(Place::Brought),
            None => return Err(super::unknown_provider(source)),
        },
        None if config.has_identity() => return Ok(Place::Brought),
        None => {}
    }
    if let Some(name) = slug {
        return named(call, name, "model");
    }
    match &asked.provider {
        Some((Provider::Slug(name), header)) => named(call, name, header),
        Some((Provider::VirtualKey(name), header)) => credentials(call, name, header),
        None if call.snapshot.router.resolve(model, call.asker()).is_some() => {
            Ok(Place::Group(model))
        }
        Some((Provider::Bedrock, _)) | None => Ok(Place::Brought),
    }
}

fn credentials<'a>(call: &'a Call, name: &'a str, source: &str) -> Result<Place<'a>> {
    match call.snapshot.config.credentials.get(name) {
        Some(set) => Ok(Place::Credentials(name, set)),
        None => Err(unknown(source, name)),
    }
}

/// What a slug names: credentials, else a model group.
fn named<'a>(call: &'a Call, name: &'a str, source: &str) -> Result<Place<'a>> {
    if let Some(set) = call.snapshot.config.credentials.get(name) {
        return Ok(Place::Credentials(name, set));
    }
    let is_group = |matched| {
        matches!(
            matched,
            Match::Group | Match::Team | Match::Alias | Match::RoutingGroup
        )
    };
    match call.snapshot.router.resolve(name, call.asker()) {
        Some(resolved) if is_group(resolved.matched) => Ok(Place::Group(name)),
        _ => Err(unknown(source, name)),
    }
}

fn unknown(source: &str, name: &str) -> Error {
    let name: String = name.chars().take(64).collect();
    Error::bad_request(
        source,
        format!(
            "{source}: there are no credentials and no model group called `{}`",
            name.escape_debug()
        ),
    )
}

/// The hop to a model group: to those of its deployments that serve the model, where some do.
fn grouped<'r>(
    call: &Call,
    parts: &Parts,
    name: &str,
    model: &str,
    request: Cow<'r, Request>,
) -> Result<Hop<'r>> {
    let mut hop = plan::hop(call, parts, name, request)?;
    if name == model {
        return Ok(hop);
    }
    let model = bare(model);
    let serving: Vec<_> = (hop.group.deployments.iter())
        .filter(|deployment| {
            let id = &deployment.target.model;
            id.wire == model || id.base == model || bare(&deployment.model) == model
        })
        .cloned()
        .collect();
    if !serving.is_empty() && serving.len() < hop.group.deployments.len() {
        let narrowed: ModelGroup = hop.group.serving(serving);
        hop.group = Arc::new(narrowed);
    }
    Ok(hop)
}

/// What the caller brings to a target: its own words there, where the configuration is the caller's, beside those of the
/// request. A target with credentials of its own takes nothing else.
fn laid_options(call: &Call, asked: &GatewayCall, config: &GatewayConfig) -> CallOptions {
    let only_own = config.has_identity();
    let mut options = CallOptions::default();
    if !only_own {
        options.aws.clone_from(&call.options.aws);
        options.brought.clone_from(&call.options.brought);
        options.model_id.clone_from(&call.options.model_id);
    }
    if !asked.is_operators {
        bring_all(&mut options, &config.aws);
    }
    options
}

/// Lays the credentials and the place of a caller's target over what the caller brings.
fn bring_all(options: &mut CallOptions, own: &AwsParams) {
    let secret = |value: &Option<Secret>| value.as_ref().map(|value| value.expose().to_owned());
    let members = [
        ("aws_access_key_id", own.access_key_id.clone()),
        ("aws_secret_access_key", secret(&own.secret_access_key)),
        ("aws_session_token", secret(&own.session_token)),
        ("aws_region_name", own.region.clone()),
        ("aws_role_name", own.role.clone()),
        ("aws_external_id", own.external_id.clone()),
        ("aws_bedrock_runtime_endpoint", own.runtime_endpoint.clone()),
        ("api_key", secret(&own.api_key)),
    ];
    let aws = &mut options.aws;
    let place = |known: &mut Option<String>, own: &Option<String>| {
        if own.is_some() {
            known.clone_from(own);
        }
    };
    let secret_place = |known: &mut Option<Secret>, own: &Option<Secret>| {
        if own.is_some() {
            known.clone_from(own);
        }
    };
    place(&mut aws.access_key_id, &own.access_key_id);
    secret_place(&mut aws.secret_access_key, &own.secret_access_key);
    secret_place(&mut aws.session_token, &own.session_token);
    place(&mut aws.region, &own.region);
    place(&mut aws.role, &own.role);
    place(&mut aws.external_id, &own.external_id);
    place(&mut aws.runtime_endpoint, &own.runtime_endpoint);
    secret_place(&mut aws.api_key, &own.api_key);
    for (name, value) in members {
        let Some(value) = value else { continue };
        options.brought.retain(|brought| brought.name != name);
        options.brought.push(Brought {
            name: name.to_owned(),
            value: Secret::new(value),
        });
    }
}

/// Lays the place that the operator wrote at a target over named credentials.
fn lay_place(aws: &mut AwsParams, config: &GatewayConfig) {
    let own = &config.aws;
    if own.region.is_some() {
        aws.region.clone_from(&own.region);
    }
    if own.runtime_endpoint.is_some() {
        aws.runtime_endpoint.clone_from(&own.runtime_endpoint);
    }
}

/// Refuses a target of a caller's configuration that brings what no caller may bring, or that names what nobody knows.
///
/// # Errors
///
/// 400, with the place where it was said.
pub(super) fn check(call: &Call, asked: &GatewayCall, config: &GatewayConfig) -> Result<()> {
    let mut own = CallOptions::default();
    bring_all(&mut own, &config.aws);
    // A region alone is refused or taken where it is known whose credentials it is for.
    own.brought
        .retain(|brought| brought.name != "aws_region_name");
    plan::check_brought(call, &own)
        .map_err(|error| Error::bad_request(asked.source, error.message().to_owned()))?;
    check_overrides(asked, config)?;
    if config.mode.is_none() {
        place(call, asked, config, None, "").map(drop)?;
    }
    Ok(())
}

/// Refuses credentials among the parameters that are laid over a request.
fn check_overrides(asked: &GatewayCall, config: &GatewayConfig) -> Result<()> {
    if config.overrides.is_empty() {
        return Ok(());
    }
    let laid = overrides(asked, &config.overrides)?;
    match laid.first() {
        None => Ok(()),
        Some(banned) => Err(Error::bad_request(
            asked.source,
            format!("Rejected Request: {banned} is not allowed in override_params."),
        )),
    }
}

/// The names of the credentials among parameters.
fn overrides(asked: &GatewayCall, members: &Map<String, Value>) -> Result<Vec<String>> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::bad_request(asked.source, format!("override_params: {error}"))
    };
    let body = serde_json::to_vec(members).map_err(|error| wrong(&error))?;
    let parsed = crate::dialect::chat::parse(&bytes::Bytes::from(body), &http::HeaderMap::new())
        .map_err(|error| wrong(&error.message()))?;
    let names = parsed.controls.credentials.into_iter();
    Ok(names.map(|(name, _)| name).collect())
}

/// The request with the target's parameters and forwarded headers.
fn laid_over<'r>(
    asked: &GatewayCall,
    inherited: &Inherited<'_>,
    request: &'r Request,
) -> Result<Cow<'r, Request>> {
    let mut laid = Cow::Borrowed(request);
    if inherited.overrides.keys().any(|name| name != "model") {
        laid = Cow::Owned(
            dialect::laid_over(request, &inherited.overrides).map_err(|error| {
                Error::bad_request(
                    asked.source,
                    format!("override_params: {}", error.message()),
                )
            })?,
        );
    }
    let names = if inherited.forward_headers.is_empty() {
        &asked.forward_headers
    } else {
        inherited.forward_headers
    };
    for (name, value) in &asked.forwardable {
        if names.contains(name) {
            let headers = laid.to_mut().extra_headers_mut();
            if !headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                headers.push((name.clone(), value.clone()));
            }
        }
    }
    Ok(laid)
}
