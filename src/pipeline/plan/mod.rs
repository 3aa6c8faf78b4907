//! Which deployments may serve a call.

use std::sync::Arc;

use super::Call;
use crate::config::{AwsParams, ClientsideParam, DeploymentConfig, Secret};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::bedrock::model_id::ModelId;
use crate::router::{Builder, Deployment, ModelGroup, unknown_model};
use crate::state::{Parts, Simulated};

/// What a caller may bring for itself without the operator's permission: its own identity, and where it is.
const OWN_IDENTITY: [&str; 6] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region_name",
    "region_name",
    "api_key",
];

/// Finds the model group that serves `call`.
///
/// # Errors
///
/// [`ErrorKind::UnknownModel`], or [`ErrorKind::BadRequest`] for a credential member that the caller may not send.
pub(super) fn plan(call: &Call, parts: &Parts) -> Result<Arc<ModelGroup>> {
    if call.options.direct {
        return direct(call, parts);
    }
    let config = &call.snapshot.config;
    let name = config
        .litellm
        .model_alias_map
        .get(&call.model)
        .map_or(call.model.as_str(), String::as_str);
    let resolved = call
        .snapshot
        .router
        .resolve(name)
        .ok_or_else(|| unknown_model(&call.model, config.general.unknown_model_status))?;
    if call.options.brought.is_empty() {
        return Ok(resolved.group);
    }
    with_callers_credentials(call, &resolved.group, parts)
}

/// A request that names a Bedrock id and brings its own credentials.
fn direct(call: &Call, parts: &Parts) -> Result<Arc<ModelGroup>> {
    refuse_unless_allowed(call, &[])?;
    let aws = &call.options.aws;
    let own_pair = aws.access_key_id.is_some() && aws.secret_access_key.is_some();
    let own_key = aws.api_key.as_ref().is_some_and(|key| !key.is_empty());
    let own_role = aws.role.is_some() || aws.profile.is_some();
    if !own_pair && !own_key && !own_role {
        return Err(Error::new(
            ErrorKind::Unauthenticated,
            "a request that names a Bedrock model id must bring credentials of its own: `x-portkey-aws-access-key-id` and \
             `x-portkey-aws-secret-access-key`, or a Bedrock API key",
        ));
    }
    let entry = DeploymentConfig {
        model_name: call.model.clone(),
        model: format!("bedrock/{}", call.model),
        model_id: call.options.model_id.clone(),
        aws: AwsParams {
            region: aws.region.clone().or_else(|| portkey_region(&call.model)),
            // The server's own Bedrock key is not for this caller.
            api_key: aws.api_key.clone().or_else(|| Some(Secret::new(""))),
            ..aws.clone()
        },
        ..DeploymentConfig::default()
    };
    one_deployment(call, &entry, parts)
}

/// Portkey's default region, for a model that names none itself.
fn portkey_region(model: &str) -> Option<String> {
    let named = ModelId::parse(model, None, None).is_ok_and(|model| model.region.is_some());
    (!named).then(|| "us-east-1".to_owned())
}

/// The group as this caller sees it: its deployments with the caller's credentials where they have none of their own.
fn with_callers_credentials(
    call: &Call,
    group: &ModelGroup,
    parts: &Parts,
) -> Result<Arc<ModelGroup>> {
    let [first, ..] = group.deployments.as_slice() else {
        return Ok(Arc::new(group.clone()));
    };
    refuse_unless_allowed(call, &first.entry.clientside_params)?;
    let mut deployments = Vec::with_capacity(group.deployments.len());
    for deployment in &group.deployments {
        deployments.push(if has_own_identity(deployment) {
            Arc::clone(deployment)
        } else {
            Arc::new(overlaid(call, deployment, parts)?)
        });
    }
    Ok(Arc::new(ModelGroup::new(&group.name, deployments)))
}

fn has_own_identity(deployment: &Deployment) -> bool {
    let aws = &deployment.entry.aws;
    aws.access_key_id.is_some() && aws.secret_access_key.is_some() && aws.region.is_some()
}

/// The deployment with the caller's values in the place of its own.
fn overlaid(call: &Call, deployment: &Deployment, parts: &Parts) -> Result<Deployment> {
    let caller = &call.options.aws;
    let mut entry = deployment.entry.clone();
    let own = entry.aws.clone();
    // The server's credentials never go to an address that the caller chose.
    let base = if caller.runtime_endpoint.is_some() {
        AwsParams {
            region: own.region.clone(),
            ..AwsParams::default()
        }
    } else {
        own
    };
    let pair = caller.access_key_id.is_some() && caller.secret_access_key.is_some();
    entry.aws = AwsParams {
        access_key_id: if pair {
            caller.access_key_id.clone()
        } else {
            base.access_key_id
        },
        secret_access_key: if pair {
            caller.secret_access_key.clone()
        } else {
            base.secret_access_key
        },
        session_token: if pair {
            caller.session_token.clone()
        } else {
            base.session_token
        },
        region: caller.region.clone().or(base.region),
        session_name: caller.session_name.clone().or(base.session_name),
        profile: caller.profile.clone().or(base.profile),
        role: caller.role.clone().or(base.role),
        web_identity_token: caller
            .web_identity_token
            .clone()
            .or(base.web_identity_token),
        sts_endpoint: caller.sts_endpoint.clone().or(base.sts_endpoint),
        external_id: caller.external_id.clone().or(base.external_id),
        session_tags: if caller.session_tags.is_empty() {
            base.session_tags
        } else {
            caller.session_tags.clone()
        },
        runtime_endpoint: caller.runtime_endpoint.clone().or(base.runtime_endpoint),
        api_key: caller.api_key.clone().or_else(|| {
            if pair {
                Some(Secret::new(""))
            } else {
                base.api_key
            }
        }),
        ssl_verify: base.ssl_verify,
    };
    entry.model_id = call.options.model_id.clone().or(entry.model_id);
    build(call, &entry, parts)
}

fn one_deployment(call: &Call, entry: &DeploymentConfig, parts: &Parts) -> Result<Arc<ModelGroup>> {
    let deployment = build(call, entry, parts)?;
    Ok(Arc::new(ModelGroup::new(
        &entry.model_name,
        vec![Arc::new(deployment)],
    )))
}

fn build(call: &Call, entry: &DeploymentConfig, parts: &Parts) -> Result<Deployment> {
    let mut entry = entry.clone();
    if let Some(simulated) = &call.snapshot.simulated {
        simulate(&mut entry, simulated);
    }
    let builder = Builder {
        config: &call.snapshot.config,
        credentials: &parts.credentials,
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

/// Refuses members that would let a caller reach another host or identity, unless the operator allows them.
fn refuse_unless_allowed(call: &Call, allowed: &[ClientsideParam]) -> Result<()> {
    if call.snapshot.config.general.allow_client_side_credentials {
        return Ok(());
    }
    for name in &call.options.brought {
        let own = OWN_IDENTITY.contains(&name.as_str()) || name == "model_id";
        if !own && !allowed.iter().any(|param| param.name() == name) {
            return Err(Error::bad_request(
                name.clone(),
                format!(
                    "Rejected Request: {name} is not allowed in a request. The operator can allow it with \
                     `general_settings.allow_client_side_credentials` or the deployment's `configurable_clientside_auth_params`."
                ),
            ));
        }
    }
    Ok(())
}
