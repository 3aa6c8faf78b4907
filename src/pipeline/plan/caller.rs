//! What a call brings of its own, and whether it may.

use crate::config::{AwsParams, DeploymentConfig, WebIdentityToken};
use crate::error::{Error, Result};
use crate::pipeline::{Brought, CallOptions};
use crate::provider::bedrock::url::check_region;

/// The credentials that a caller may always bring: they are its own.
const OWN_IDENTITY: [&str; 4] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "api_key",
];

/// What one call brings, checked by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    options: &'a CallOptions,
    /// `general_settings.allow_client_side_credentials`.
    allows_all: bool,
}

impl<'a> Caller<'a> {
    /// Takes what a call brings.
    ///
    /// # Errors
    ///
    /// A value that cannot be used whatever deployment it is for.
    pub(super) fn new(options: &'a CallOptions, allows_all: bool) -> Result<Self> {
        let caller = Self {
            options,
            allows_all,
        };
        caller.check_region()?;
        caller.check_pair()?;
        caller.check_token()?;
        Ok(caller)
    }

    /// Its credentials and place.
    pub(super) fn aws(self) -> &'a AwsParams {
        &self.options.aws
    }

    /// The id that it wants in the URL.
    pub(super) fn model_id(self) -> Option<&'a str> {
        self.options.model_id.as_deref()
    }

    /// Says whether it brings a key pair.
    pub(super) fn has_pair(self) -> bool {
        self.aws().access_key_id.is_some() && self.aws().secret_access_key.is_some()
    }

    /// Says whether AWS can know it by what it brings: a key pair or a Bedrock key.
    pub(super) fn is_somebody(self) -> bool {
        self.has_pair() || self.aws().api_key.is_some()
    }

    /// Says whether it chooses who receives the call, or what proves an identity.
    pub(super) fn chooses_a_place(self) -> bool {
        self.aws().runtime_endpoint.is_some() || self.aws().sts_endpoint.is_some()
    }

    /// Refuses what it may not bring to a deployment.
    ///
    /// # Errors
    ///
    /// 400, with the member's name.
    pub(super) fn may_bring_to(self, entry: &DeploymentConfig) -> Result<()> {
        if self.allows_all {
            return Ok(());
        }
        let is_keyed = is_keyed(&entry.aws);
        for brought in &self.options.brought {
            let name = brought.name.as_str();
            let is_its_own = match name {
                // A deployment with keys and a region does not take the caller's.
                "aws_region_name" | "region_name" => self.is_somebody() || is_keyed,
                // It chooses what is paid for, so it goes with the caller's own credentials.
                "model_id" => self.is_somebody() && !is_keyed,
                _ => OWN_IDENTITY.contains(&name),
            };
            let value = brought.value.expose();
            let is_listed = || {
                let listed = &entry.clientside_params;
                listed.iter().any(|param| param.allows(name, value))
            };
            if !is_its_own && !is_listed() {
                return Err(refusal(name));
            }
        }
        Ok(())
    }

    /// A region becomes part of a host.
    fn check_region(self) -> Result<()> {
        match &self.aws().region {
            Some(region) => check_region(region)
                .map_err(|error| Error::bad_request("aws_region_name", error.to_string())),
            None => Ok(()),
        }
    }

    /// Half a pair must not be completed by the operator's half, or be forgotten while the operator's pair signs.
    fn check_pair(self) -> Result<()> {
        let aws = self.aws();
        if self.is_somebody() {
            return Ok(());
        }
        let halves = [
            ("aws_access_key_id", aws.access_key_id.is_some()),
            ("aws_secret_access_key", aws.secret_access_key.is_some()),
            ("aws_session_token", aws.session_token.is_some()),
        ];
        match halves.into_iter().find(|(_, is_brought)| *is_brought) {
            Some((name, _)) => Err(Error::bad_request(
                name,
                format!(
                    "{name}: `aws_access_key_id` and `aws_secret_access_key` must be sent together"
                ),
            )),
            None => Ok(()),
        }
    }

    /// A caller's token is the token itself: it is never looked up here, so what can only be meant as a reference is a
    /// mistake.
    fn check_token(self) -> Result<()> {
        let name = "aws_web_identity_token";
        let refers = |brought: &&Brought| {
            brought.name == name && WebIdentityToken::looks_like_a_reference(brought.value.expose())
        };
        match self.options.brought.iter().find(refers) {
            Some(_) => Err(Error::bad_request(
                name,
                format!(
                    "{name}: expected the token itself; a request cannot refer to a file or a variable of the server"
                ),
            )),
            None => Ok(()),
        }
    }
}

/// Says whether a deployment has an identity that no caller replaces: a key pair and a region.
pub(super) fn is_keyed(aws: &AwsParams) -> bool {
    aws.access_key_id.is_some() && aws.secret_access_key.is_some() && aws.region.is_some()
}

fn refusal(name: &str) -> Error {
    Error::bad_request(
        name,
        format!(
            "Rejected Request: {name} is not allowed in a request. The operator can allow it with \
             `general_settings.allow_client_side_credentials` or the deployment's `configurable_clientside_auth_params`."
        ),
    )
}

#[cfg(test)]
#[path = "caller_tests.rs"]
mod tests;
