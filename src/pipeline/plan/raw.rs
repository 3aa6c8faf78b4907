//! Who serves a call that is passed through.
//!
//! A path that names a model of the file goes to its group. Any other goes by the gateway's own identity: that of the first
//! deployment with `use_in_pass_through`, else whatever the machine has. Which models a key may call holds for both, and for
//! models that only the body names.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderValue, Method};

use super::super::raw::{RawCall, base};
use super::super::trip::{Hop, RetryWish};
use super::super::{Call, gate};
use crate::config::{AwsParams, DeploymentConfig, Secret};
use crate::error::{Error, ErrorKind, Result};
use crate::keys::{Access, ModelName, VirtualKey};
use crate::provider::bedrock::model_id::is_region;
use crate::provider::bedrock::raw::Operation;
use crate::provider::bedrock::url::Service;
use crate::router::ModelGroup;
use crate::state::Parts;

/// The model group of what no deployment of the file serves.
pub(in crate::pipeline) const NOBODYS: &str = "";

/// Checks the caller's key: the model that the path names, those that the body does, its expiry and its budget.
///
/// # Errors
///
/// What the client is told.
pub(in crate::pipeline) fn check_key(call: &Call, raw: &RawCall, parts: &Parts) -> Result<()> {
    let Some(key) = call.identity.key() else {
        return Ok(());
    };
    match raw.request.path.model() {
        Some(model) if is_of_the_file(call, model) => return gate::check_key(call, model, parts),
        Some(model) => check_id(key, key.rename(model))?,
        None if key.config.models.is_empty() => {}
        // The body goes on as it is, so what it names is what is called, whatever the key's aliases say.
        None => {
            check_unnamed(key, raw)?;
            for model in &raw.models {
                check_id(key, model)?;
            }
        }
    }
    gate::check_standing(call, key, parts)
}

/// Refuses a key of some models where the body has to say which is meant and does not.
fn check_unnamed(key: &VirtualKey, raw: &RawCall) -> Result<()> {
    let operation = raw.request.path.operation();
    let has_to = matches!(operation, Operation::OpenAi | Operation::AsyncInvoke)
        && raw.request.method == Method::POST;
    if !has_to || !raw.models.is_empty() || key.access(&ModelName::default()) != Access::Denied {
        return Ok(());
    }
    let message = "the body names no model, and the key may call some models only";
    Err(Error::new(ErrorKind::Forbidden, message))
}

/// Whether a name stands for a group of the file.
fn is_of_the_file(call: &Call, model: &str) -> bool {
    let renamed = (call.identity.key()).map_or(model, |key| key.rename(model));
    call.snapshot
        .router
        .resolve(renamed, call.asker())
        .is_some()
}

/// Checks that the key lists an id of Bedrock's: as it is, as the id in an ARN of AWS's own, or behind the provider's name.
fn check_id(key: &VirtualKey, asked: &str) -> Result<()> {
    let kinds = [":foundation-model/", ":inference-profile/"];
    let of_aws = kinds.iter().find_map(|kind| asked.split_once(kind));
    let id = of_aws
        .filter(|_| asked.starts_with("arn:"))
        .map_or(asked, |(_, id)| id);
    key.check_id(asked, &[asked, id, &format!("bedrock/{id}")])
}

/// Finds who serves the call.
///
/// # Errors
///
/// A model that may not be called, or an identity that cannot be used.
pub(in crate::pipeline) fn hop<'a>(
    call: &'a Call,
    raw: &RawCall,
    parts: &Parts,
) -> Result<Hop<'a>> {
    let named = raw.request.path.model();
    if let Some(model) = named
        && is_of_the_file(call, model)
    {
        return super::hop(call, parts, model, Cow::Borrowed(&call.request));
    }
    let shown = match (named, call.identity.key()) {
        (Some(model), Some(key)) => key.rename(model),
        _ => raw.name(),
    };
    let mut deployment = super::build(call, entry(call, raw, shown), parts)?;
    let base = base(call, raw, &deployment)?;
    if let Ok(base) = HeaderValue::try_from(&base) {
        deployment.headers.api_base = base;
    }
    let group = Arc::new(ModelGroup::new(shown, vec![Arc::new(deployment)]));
    Ok(Hop {
        asked: super::asked(call, &group, &call.request),
        shown: shown.to_owned(),
        group,
        request: Cow::Borrowed(&call.request),
        tier: None,
        excluded: Vec::new(),
        retry: changes_something(raw).then(RetryWish::default),
        depth: 0,
    })
}

/// Whether the call changes what the operator has at AWS: then it is sent once, because AWS may have done it although its
/// answer was lost.
fn changes_something(raw: &RawCall) -> bool {
    let is_administration = matches!(
        raw.request.path.service(),
        Service::ControlPlane | Service::AgentBuildTime
    );
    is_administration && !raw.request.method.is_safe()
}

/// The entry of the gateway's own identity for this call.
fn entry(call: &Call, raw: &RawCall, shown: &str) -> DeploymentConfig {
    let config = &call.snapshot.config;
    let chosen =
        (config.deployments.iter()).find(|entry| entry.use_in_pass_through && !entry.blocked);
    let mut entry = match chosen {
        Some(chosen) => DeploymentConfig {
            aws: chosen.aws.clone(),
            credential_name: chosen.credential_name.clone(),
            api_base: chosen.api_base.clone(),
            extra_headers: chosen.extra_headers.clone(),
            ..DeploymentConfig::default()
        },
        None => DeploymentConfig::default(),
    };
    NOBODYS.clone_into(&mut entry.model_name);
    entry.model = format!("bedrock/{shown}");
    entry.timeout = Some(config.general.pass_through.timeout);
    let AwsParams {
        region, api_key, ..
    } = &mut entry.aws;
    if region.is_none() {
        *region = raw.region.clone().filter(|region| is_region(region));
    }
    // Bedrock API keys are for models only: <https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html>.
    if matches!(
        raw.request.path.service(),
        Service::AgentRuntime | Service::AgentBuildTime
    ) {
        *api_key = Some(Secret::new(""));
    }
    entry
}
