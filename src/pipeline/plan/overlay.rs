//! A deployment with what a caller brings in the place of its own.

use super::caller::{Caller, is_keyed};
use crate::config::{AwsParams, DeploymentConfig, Secret};
use crate::error::{Error, ErrorKind, Result};

/// Says whether a deployment becomes another one by what the caller brings.
pub(super) fn changes(entry: &DeploymentConfig, caller: &Caller<'_>) -> bool {
    !is_keyed(&entry.aws) || caller.model_id().is_some()
}

/// Returns the deployment as the caller uses it. What the caller may not bring has been refused before.
///
/// # Errors
///
/// 401 for a caller that chooses the place and brings no credentials for it.
pub(super) fn overlay(entry: &DeploymentConfig, caller: &Caller<'_>) -> Result<DeploymentConfig> {
    let mut entry = entry.clone();
    if let Some(id) = caller.model_id() {
        entry.model_id = Some(id.to_owned());
    }
    // Keys and a region of its own are authoritative: whatever identity the caller brings is left aside.
    if is_keyed(&entry.aws) {
        return Ok(entry);
    }
    if caller.chooses_a_place() && !caller.is_somebody() {
        return Err(Error::new(
            ErrorKind::Unauthenticated,
            "a request that chooses where it is sent must bring credentials of its own, `aws_access_key_id` and \
             `aws_secret_access_key` or a Bedrock key in `api_key`: the server's are not sent there",
        ));
    }
    if caller.aws().runtime_endpoint.is_some() {
        // They may hold what is for the operator's place only.
        entry.extra_headers.clear();
        entry.api_base = None;
    }
    entry.aws = if caller.is_somebody() {
        as_itself(caller, entry.aws)
    } else {
        as_allowed(caller.aws(), entry.aws)
    };
    Ok(entry)
}

/// The caller signs with its own credentials. Of the operator's only the place is left, unless the caller chose that too;
/// an empty value keeps the environment's out. A profile would be one of this machine's, so there is none.
fn as_itself(caller: &Caller<'_>, operators: AwsParams) -> AwsParams {
    let own = caller.aws();
    let none = || Some(Secret::new(""));
    AwsParams {
        region: own.region.clone().or(operators.region),
        runtime_endpoint: own.runtime_endpoint.clone().or(operators.runtime_endpoint),
        sts_endpoint: own.sts_endpoint.clone().or(operators.sts_endpoint),
        ssl_verify: operators.ssl_verify,
        profile: None,
        api_key: own.api_key.clone().or_else(none),
        external_id: own.external_id.clone().or_else(|| Some(String::new())),
        ..own.clone()
    }
}

/// The operator's credentials, with what it allowed the caller to choose. The place is the operator's.
fn as_allowed(own: &AwsParams, operators: AwsParams) -> AwsParams {
    AwsParams {
        region: own.region.clone().or(operators.region),
        session_name: own.session_name.clone().or(operators.session_name),
        profile: own.profile.clone().or(operators.profile),
        role: own.role.clone().or(operators.role),
        web_identity_token: own
            .web_identity_token
            .clone()
            .or(operators.web_identity_token),
        external_id: own.external_id.clone().or(operators.external_id),
        ..operators
    }
}

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
