//! Which deployments may serve a call.
//!
//! Most calls bring nothing of their own and take the group as it is. One that brings credentials, a place or a model id
//! gets a group of its own for as long as it lasts: [`caller`] says what it may bring, [`overlay`] what a deployment
//! becomes with it. Both are free of I/O, and keep one promise: nothing of the operator's is sent to a place that the
//! caller chose, and no caller uses the operator's identity for more than the operator allowed.

mod caller;
mod overlay;

use std::borrow::Cow;
use std::sync::Arc;

use self::caller::Caller;
use super::trip::Hop;
use super::{Call, CallOptions};
use crate::canonical::ChatRequest;
use crate::config::{AwsParams, DeploymentConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::limit::Cost;
use crate::provider::bedrock::model_id::ModelId;
use crate::router::{Asked, Builder, Deployment, Match, ModelGroup};
use crate::state::{Parts, Simulated};

/// Finds what serves `call` when it asks for the model called `name`.
///
/// # Errors
///
/// [`ErrorKind::UnknownModel`]; [`ErrorKind::BadRequest`] for a credential member that the caller may not send;
/// [`ErrorKind::Unauthenticated`] where the caller must bring credentials of its own.
pub(super) fn hop<'a>(
    call: &Call,
    parts: &Parts,
    name: &str,
    request: Cow<'a, ChatRequest>,
) -> Result<Hop<'a>> {
    let (group, by_id) = group(call, parts, name)?;
    Ok(Hop {
        asked: asked(call, &group, &request),
        group,
        shown: name.to_owned(),
        request,
        by_id,
        tier: None,
        excluded: Vec::new(),
        retry: None,
    })
}

/// Says whether the caller's key may call the model.
pub(super) fn may_call(call: &Call, name: &str) -> bool {
    let _ = (call, name);
    true
}

/// What selection looks at.
fn asked(call: &Call, group: &ModelGroup, request: &ChatRequest) -> Asked {
    let _ = group;
    Asked {
        stream: request.stream,
        cost: Cost {
            requests: 1,
            ..Cost::default()
        },
        tags: call.options.tags.clone(),
        user_agent: call.options.user_agent.clone(),
        ..Asked::default()
    }
}

fn group(call: &Call, parts: &Parts, name: &str) -> Result<(Arc<ModelGroup>, bool)> {
    if call.options.direct {
        return Ok((direct(call, parts)?, false));
    }
    let config = &call.snapshot.config;
    let resolved = call
        .snapshot
        .router
        .admit(name, config.general.unknown_model_status)?;
    let by_id = resolved.matched == Match::DeploymentId;
    if call.options.brought.is_empty() {
        return Ok((resolved.group, by_id));
    }
    Ok((as_the_caller_sees_it(call, &resolved.group, parts)?, by_id))
}

/// A request that names a Bedrock id and brings its own credentials.
fn direct(call: &Call, parts: &Parts) -> Result<Arc<ModelGroup>> {
    let at = At {
        model: &call.model,
        aws: AwsParams::default(),
        credential: None,
        options: &call.options,
    };
    described(call, parts, at)
}

/// A Bedrock model at a place that no deployment of the file describes.
#[derive(Debug)]
pub(super) struct At<'a> {
    /// The Bedrock id.
    pub model: &'a str,
    /// What of its credentials and place is the operator's.
    pub aws: AwsParams,
    /// The name of those credentials in the file.
    pub credential: Option<&'a str>,
    /// What the caller brings.
    pub options: &'a CallOptions,
}

/// Makes the hop to a Bedrock model at a place that no deployment of the file describes.
///
/// # Errors
///
/// As [`hop`].
pub(super) fn hop_at<'a>(
    call: &Call,
    parts: &Parts,
    at: At<'_>,
    request: Cow<'a, ChatRequest>,
) -> Result<Hop<'a>> {
    let group = match at.credential {
        Some(name) if !may_call(call, &format!("@{name}/{}", at.model)) => {
            let message = "the key may not call this model";
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        _ => described(call, parts, at)?,
    };
    Ok(Hop {
        asked: asked(call, &group, &request),
        shown: group.name.clone(),
        group,
        request,
        by_id: false,
        tier: None,
        excluded: Vec::new(),
        retry: None,
    })
}

/// Refuses what a caller may bring to no place of its own.
///
/// # Errors
///
/// 400, with the member's name.
pub(super) fn check_brought(call: &Call, options: &CallOptions) -> Result<()> {
    let allows_all = call.snapshot.config.general.allow_client_side_credentials;
    Caller::new(options, allows_all)?.may_bring_to(&DeploymentConfig::default())
}

fn described(call: &Call, parts: &Parts, at: At<'_>) -> Result<Arc<ModelGroup>> {
    let allows_all = call.snapshot.config.general.allow_client_side_credentials;
    let caller = Caller::new(at.options, allows_all)?;
    let is_operators = at.credential.is_some() || is_identity(&at.aws);
    let mut named = DeploymentConfig {
        model_name: at.model.to_owned(),
        model: format!("bedrock/{}", at.model),
        aws: at.aws,
        credential_name: at.credential.map(str::to_owned),
        ..DeploymentConfig::default()
    };
    caller.may_bring_to(&named)?;
    if !caller.is_somebody() && !is_operators {
        return Err(Error::new(
            ErrorKind::Unauthenticated,
            "a request that names a Bedrock model id must bring credentials of its own: `x-portkey-aws-access-key-id` and \
             `x-portkey-aws-secret-access-key`, or a Bedrock API key",
        ));
    }
    if named.aws.region.is_none() && !(is_operators && has_region(call, &named.aws)) {
        named.aws.region = portkey_region(at.model);
    }
    let deployment = build(call, overlay::overlay(&named, &caller)?, parts)?;
    Ok(Arc::new(ModelGroup::new(
        at.model,
        vec![Arc::new(deployment)],
    )))
}

/// Says whether the operator's credentials say who asks.
fn is_identity(aws: &AwsParams) -> bool {
    aws.access_key_id.is_some() || aws.api_key.is_some() || aws.role.is_some()
}

/// Says whether the region is known without Portkey's default: by the environment or a profile.
fn has_region(call: &Call, aws: &AwsParams) -> bool {
    let environment = &call.snapshot.config.environment;
    let names = ["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"];
    aws.profile.is_some() || names.iter().any(|name| environment.get(name).is_some())
}

/// Portkey's default region, for a model that names none itself.
fn portkey_region(model: &str) -> Option<String> {
    let named = ModelId::parse(model, None, None).is_ok_and(|model| model.region.is_some());
    (!named).then(|| "us-east-1".to_owned())
}

/// The group with what the caller brings; deployments that do not allow it are left out.
fn as_the_caller_sees_it(
    call: &Call,
    group: &ModelGroup,
    parts: &Parts,
) -> Result<Arc<ModelGroup>> {
    let caller = caller(call)?;
    let mut refusal = None;
    let mut deployments = Vec::with_capacity(group.deployments.len());
    for deployment in &group.deployments {
        if let Err(error) = caller.may_bring_to(&deployment.entry) {
            refusal.get_or_insert(error);
        } else if overlay::changes(&deployment.entry, &caller) {
            let entry = overlay::overlay(&deployment.entry, &caller)?;
            let mut own = build(call, entry, parts)?;
            own.metrics = Arc::clone(&deployment.metrics);
            deployments.push(Arc::new(own));
        } else {
            deployments.push(Arc::clone(deployment));
        }
    }
    match refusal {
        Some(refusal) if deployments.is_empty() => Err(refusal),
        _ => Ok(Arc::new(group.serving(deployments))),
    }
}

fn caller(call: &Call) -> Result<Caller<'_>> {
    let allows_all = call.snapshot.config.general.allow_client_side_credentials;
    Caller::new(&call.options, allows_all)
}

fn build(call: &Call, mut entry: DeploymentConfig, parts: &Parts) -> Result<Deployment> {
    if let Some(simulated) = &call.snapshot.simulated {
        simulate(&mut entry, simulated);
    }
    let builder = Builder {
        config: &call.snapshot.config,
        credentials: &parts.credentials,
        metrics: &parts.metrics,
    };
    builder.build(&entry)
}

/// Under `--simulate` a caller's own keys are made known to the simulator; what would need the outside world is replaced.
fn simulate(entry: &mut DeploymentConfig, simulated: &Simulated) {
    let aws = &mut entry.aws;
    aws.runtime_endpoint = Some(simulated.endpoint.clone());
    if aws.api_key.as_ref().is_some_and(|key| !key.is_empty()) {
        return;
    }
    if aws.access_key_id.is_some() && aws.secret_access_key.is_some() && aws.role.is_none() {
        (simulated.admit.0)(aws);
        return;
    }
    entry.aws = AwsParams {
        region: aws.region.clone(),
        runtime_endpoint: aws.runtime_endpoint.clone(),
        ..simulated.credentials.clone()
    };
}
