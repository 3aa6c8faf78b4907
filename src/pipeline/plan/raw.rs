//! Who serves a call that is passed through.
//!
//! A path that names a model of the file goes to its group. Any other goes by the gateway's own identity: that of the first
//! deployment with `use_in_pass_through`, else whatever the machine has. Which models a key may call holds for both, and for
//! models that only the body names.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderValue;

use super::super::admit::model_name;
use super::super::raw::{RawCall, base};
use super::super::trip::{Hop, RetryWish};
use super::super::{Call, gate};
use crate::config::{AwsParams, DeploymentConfig, Secret};
use crate::error::Result;
use crate::keys::{Access, ModelName, VirtualKey};
use crate::provider::bedrock::model_id::is_region;
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
    if let Some(model) = raw.request.path.model() {
        return gate::check_key(call, &permitted(call, key, model), parts);
    }
    if !key.config.models.is_empty() {
        for model in raw.request.models_in_body() {
            gate::check_key(call, &permitted(call, key, &model), parts)?;
        }
    }
    gate::check_standing(call, key, parts)
}

/// The name by which the key may call a model, if there is one: as it was asked for, as the id in an ARN of AWS's own, or
/// behind the provider's name, under which files list Bedrock's ids.
fn permitted<'m>(call: &Call, key: &VirtualKey, asked: &'m str) -> Cow<'m, str> {
    let may = |name: &str| {
        let name = key.rename(name);
        let model = model_name(&call.snapshot.router, name);
        let known = ModelName {
            asked: name,
            ..ModelName::default()
        };
        let model = if model.group.is_some() { model } else { known };
        key.access(&model) != Access::Denied
    };
    if may(asked) {
        return Cow::Borrowed(asked);
    }
    let kinds = [":foundation-model/", ":inference-profile/"];
    let of_aws = kinds.iter().find_map(|kind| asked.split_once(kind));
    let id = of_aws
        .filter(|_| asked.starts_with("arn:"))
        .map_or(asked, |(_, id)| id);
    if may(id) {
        return Cow::Borrowed(id);
    }
    let listed = format!("bedrock/{id}");
    if call.snapshot.router.resolve(asked).is_none() && may(&listed) {
        return Cow::Owned(listed);
    }
    Cow::Borrowed(asked)
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
    let path = &raw.request.path;
    if let Some(model) = path.model() {
        let renamed = (call.identity.key()).map_or(model, |key| key.rename(model));
        if call.snapshot.router.resolve(renamed).is_some() {
            return super::hop(call, parts, model, Cow::Borrowed(&call.request));
        }
    }
    let shown = raw.name();
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
