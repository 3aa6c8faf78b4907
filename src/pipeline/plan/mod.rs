//! Which deployments may serve a call.
//!
//! Most calls bring nothing of their own and take the group as it is. One that brings credentials, a place or a model id
//! gets a group of its own for as long as it lasts: [`caller`] says what it may bring, [`overlay`] what a deployment
//! becomes with it. Both are free of I/O, and keep one promise: nothing of the operator's is sent to a place that the
//! caller chose, and no caller uses the operator's identity for more than the operator allowed.

mod caller;
mod overlay;
pub(super) mod raw;

use std::borrow::Cow;
use std::sync::Arc;

use self::caller::Caller;
use super::admit::model_name;
use super::trip::Hop;
use super::{Call, CallOptions};
use crate::cache::RoutedBy;
use crate::canonical::Request;
use crate::config::{Affinity, AwsParams, DeploymentConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::keys::{Access, ModelName, VirtualKey};
use crate::provider::bedrock::model_id::ModelId;
use crate::router::{Asked, Builder, Deployment, ModelGroup, Sticky, StickyCaller};
use crate::state::{Parts, Simulated};

/// Finds what serves `call` when it asks for the model called `name`.
///
/// # Errors
///
/// [`ErrorKind::UnknownModel`]; [`ErrorKind::Forbidden`] for a model that the caller's key may not call;
/// [`ErrorKind::BadRequest`] for a credential member that the caller may not send; [`ErrorKind::Unauthenticated`] where the
/// caller must bring credentials of its own.
pub(super) fn hop<'a>(
    call: &Call,
    parts: &Parts,
    name: &str,
    request: Cow<'a, Request>,
) -> Result<Hop<'a>> {
    let key = call.identity.key();
    let name = key.map_or(name, |key| key.rename(name));
    let access_groups = match key {
        Some(key) if !call.options.direct => access(key, call, name)?,
        _ => None,
    };
    let (group, shown) = group(call, parts, name)?;
    let mut asked = asked(call, &group, &request);
    asked.access_groups = access_groups;
    Ok(Hop {
        asked,
        group,
        shown,
        request,
        tier: None,
        excluded: Vec::new(),
        retry: None,
        depth: 0,
    })
}

/// The access groups by which alone the key may call the model; `None`: it may by name.
fn access(key: &VirtualKey, call: &Call, name: &str) -> Result<Option<Vec<String>>> {
    let model = model_name(&call.snapshot.router, name, call.asker());
    match key.access(&model) {
        Access::ByName => Ok(None),
        Access::ByGroups(groups) => Ok(Some(groups)),
        Access::Denied => Err(Error::new(
            ErrorKind::Forbidden,
            "the key may not call this model",
        )),
    }
}

/// What decides who serves beside the group: tags where they are routed by, and the caller's team where deployments are a
/// team's.
pub(super) fn routed_by(call: &Call, hop: &Hop<'_>) -> RoutedBy {
    let settings = &call.snapshot.config.router.tags;
    let deployments = &hop.group.deployments;
    let of_deployment = || {
        let mut infos = deployments.iter().map(|deployment| &deployment.entry.info);
        infos.any(|info| info.tag_filtering == Some(true))
    };
    let mut owners = deployments.iter().map(|one| &one.entry.info.team_id);
    let is_a_teams = owners.any(Option::is_some);
    // Who may use a team's own name may use what it stands for.
    let team = (hop.asked.team.as_ref()).or(hop.group.team.as_ref());
    let team = team.filter(|_| is_a_teams).cloned();
    if !(settings.enabled || hop.asked.tag_filtering || of_deployment()) {
        return RoutedBy {
            team,
            ..RoutedBy::default()
        };
    }
    let agent = hop.asked.agent_header().map(|agent| {
        let fitting = (deployments.iter()).filter(|deployment| deployment.fits_agent(&agent));
        let ids: Vec<&str> = fitting.map(|deployment| deployment.id.as_str()).collect();
        ids.join("\n")
    });
    RoutedBy {
        tags: hop.asked.tags.clone(),
        agent,
        team,
    }
}

/// What selection looks at.
fn asked(call: &Call, group: &ModelGroup, request: &Request) -> Asked {
    let settings = &call.snapshot.config.router;
    let options = &call.options;
    let mut asked = Asked::of(request);
    asked.tags.clone_from(&options.tags);
    asked.tag_budgets = call.snapshot.router.budgets_of(&options.tags);
    // Only a deployment's `tag_regex` looks at it.
    let mut deployments = group.deployments.iter();
    if deployments.any(|deployment| !deployment.tag_patterns.is_empty()) {
        asked.user_agent.clone_from(&options.user_agent);
    }
    if let Some(key) = call.identity.key() {
        let own = &key.config.router;
        asked.tag_filtering = own.tag_filtering;
        asked.strategy = own.strategy;
        asked.team.clone_from(&key.config.team_id);
        asked.region.clone_from(&key.config.allowed_region);
        if let Some(weights) = own.weights.get(group.configured_name()) {
            asked.weights = weights.clone().into_iter().collect();
        }
    }
    if let Some(raw) = &call.raw {
        asked.unfit = super::raw::unfit(call, raw, group);
        asked.size = Some(raw.size);
        asked.cost.output_tokens = raw.output_tokens;
    }
    asked.measure(request, group, settings);
    let affinity = group.affinity(settings);
    if affinity != Affinity::default()
        && let Some(request) = request.chat()
    {
        let key = call.identity.key().map(|key| key.id.as_str());
        let caller = StickyCaller {
            caller: key.or(options.user.as_deref()),
            session: options.session.as_deref(),
        };
        let least = group.prompt_cache_min_tokens();
        asked.sticky = Sticky::of(request, caller, affinity, least);
    }
    asked
}

fn group(call: &Call, parts: &Parts, name: &str) -> Result<(Arc<ModelGroup>, String)> {
    if call.options.direct {
        return Ok((direct(call, parts)?, name.to_owned()));
    }
    let config = &call.snapshot.config;
    let status = config.general.unknown_model_status;
    let router = &call.snapshot.router;
    let resolved = router.admit(name, call.asker(), status, call.front.path())?;
    let group = if call.options.brought.is_empty() {
        resolved.group
    } else {
        as_the_caller_sees_it(call, &resolved.group, parts)?
    };
    Ok((group, resolved.shown))
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
    request: Cow<'a, Request>,
) -> Result<Hop<'a>> {
    // A configuration may have many targets, and only one of them is the first.
    match (at.credential, call.identity.key()) {
        (Some(name), _) if !may_use(call, &format!("@{name}/{}", at.model)) => {
            let message = "the key may not call this model";
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        (None, Some(key)) => drop(access(key, call, at.model)?),
        _ => {}
    }
    let group = described(call, parts, at)?;
    Ok(Hop {
        asked: asked(call, &group, &request),
        shown: group.name.clone(),
        group,
        request,
        tier: None,
        excluded: Vec::new(),
        retry: None,
        depth: 0,
    })
}

/// Says whether the caller's key may call a model with named credentials, by the name that has both.
fn may_use(call: &Call, name: &str) -> bool {
    let model = ModelName {
        asked: name,
        ..ModelName::default()
    };
    let key = call.identity.key();
    key.is_none_or(|key| key.access(&model) != Access::Denied)
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
    let deployment = build_for(call, &caller, &named, parts)?;
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
            let mut own = build_for(call, &caller, &deployment.entry, parts)?;
            own.metrics = Arc::clone(&deployment.metrics);
            if !caller.is_somebody() {
                // It goes with the operator's credentials, so it is taken from the operator's limits and budgets.
                own.meters = Arc::clone(&deployment.meters);
                own.pattern = Some(Arc::clone(
                    deployment.pattern.as_ref().unwrap_or(deployment),
                ));
            }
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

/// Builds a deployment with what the caller brings in the place of its own.
fn build_for(
    call: &Call,
    caller: &Caller<'_>,
    entry: &DeploymentConfig,
    parts: &Parts,
) -> Result<Deployment> {
    let mut own = build(call, overlay::overlay(entry, caller)?, parts)?;
    if let Some(profile) = &mut own.profile
        && caller.is_somebody()
    {
        profile.brought = Some(Box::new(caller.aws().clone()));
    }
    Ok(own)
}

/// Builds a deployment for one call.
///
/// # Errors
///
/// An entry that no deployment can be made of.
pub(super) fn build(call: &Call, mut entry: DeploymentConfig, parts: &Parts) -> Result<Deployment> {
    if let Some(simulated) = &call.snapshot.simulated {
        simulate(&mut entry, simulated);
    }
    let builder = Builder {
        config: &call.snapshot.config,
        credentials: &parts.credentials,
        provider: Arc::clone(call.snapshot.router.provider()),
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
