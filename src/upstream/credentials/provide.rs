//! Fetches credentials, by whatever method an identity has.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::Credentials;
use super::ambient::Chain;
use super::failures::{denied, nothing_found, unavailable};
use super::identity::{Identity, Method, Role, WebIdentity};
use super::refresh::Provider;
use super::sts::{Sts, StsFailure};
use super::{machine, shared_files};
use crate::error::Error;
use crate::upstream::Upstream;

/// Fetches the credentials of one identity.
#[derive(Debug)]
pub(super) struct Fetch {
    upstream: Arc<Upstream>,
    identity: Identity,
}

impl Provider for Fetch {
    fn fetch(self: Arc<Self>) -> BoxFuture<'static, Result<Credentials, Error>> {
        async move { self.by(&self.identity.method).await }.boxed()
    }
}

impl Fetch {
    pub(super) fn new(upstream: Arc<Upstream>, identity: Identity) -> Self {
        Self { upstream, identity }
    }

    fn by<'a>(&'a self, method: &'a Method) -> BoxFuture<'a, Result<Credentials, Error>> {
        async move {
            match method {
                Method::Bearer { key, .. } => Ok(Credentials::Bearer(key.clone())),
                Method::Pair { pair, .. } => Ok(pair.into()),
                Method::WebIdentity(web) => self.web_identity(web).await,
                Method::Role(role) => self.role(role).await,
                Method::Profile(profile) => match shared_files::read(profile).await? {
                    Some(credentials) => Ok(credentials),
                    None => Err(denied(format!(
                        "Unable to locate credentials: there is no profile `{}` with credentials",
                        profile.name
                    ))),
                },
                Method::Chain(chain) => self.chain(chain).await,
                Method::Unusable(message) => Err(denied(message)),
            }
        }
        .boxed()
    }

    async fn web_identity(&self, web: &WebIdentity) -> Result<Credentials, Error> {
        let token = web.token.read(&self.upstream).await?;
        let sts = Sts::new(&self.upstream, &self.identity.trust, &web.sts);
        Ok(sts.assume_role_with_web_identity(web, &token).await?)
    }

    async fn role(&self, role: &Role) -> Result<Credentials, Error> {
        let base = self.by(&role.base).await?;
        let sts = Sts::new(&self.upstream, &self.identity.trust, &role.sts);
        match sts.assume_role(role, &base).await {
            Ok(credentials) => Ok(credentials),
            // A role may often not assume itself; what already runs as it needs nothing more.
            Err(failure) if failure.is_denial() && self.is_role(&sts, role, &base).await => {
                Ok(base)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn is_role(&self, sts: &Sts<'_>, role: &Role, base: &Credentials) -> bool {
        match sts.caller(base).await {
            Ok(caller) => is_session_of(&caller, &role.arn),
            Err(_) => false,
        }
    }

    async fn chain(&self, chain: &Chain) -> Result<Credentials, Error> {
        if let Some(credentials) = shared_files::read(&chain.profile).await? {
            return Ok(credentials);
        }
        if let Some(web) = &chain.web_identity {
            return self.web_identity(web).await;
        }
        if let Some(container) = &chain.container {
            return machine::container(&self.upstream, container).await;
        }
        if let Some(instance) = &chain.instance
            && let Some(credentials) = machine::instance(instance).await?
        {
            return Ok(credentials);
        }
        Err(nothing_found())
    }
}

impl From<StsFailure> for Error {
    fn from(failure: StsFailure) -> Self {
        match failure {
            StsFailure::Unreachable(error) => {
                unavailable("the security token service could not be reached").with_source(error)
            }
            StsFailure::Garbled => {
                unavailable("the security token service's answer cannot be read")
            }
            StsFailure::Refused(refusal) => {
                if refusal.is_passing() {
                    unavailable(refusal.to_string())
                } else if refusal.status == http::StatusCode::FORBIDDEN
                    && !refusal.is_about_tokens()
                {
                    denied(refusal.to_string()).with_status(http::StatusCode::FORBIDDEN)
                } else {
                    denied(refusal.to_string())
                }
            }
        }
    }
}

/// Says whether `caller` (`arn:aws:sts::111122223333:assumed-role/name/session`) is a session of `role`
/// (`arn:aws:iam::111122223333:role/path/name`).
fn is_session_of(caller: &str, role: &str) -> bool {
    let parts = |arn: &str| -> Option<(String, String, String)> {
        let mut parts = arn.splitn(6, ':').skip(1);
        let partition = parts.next()?.to_owned();
        let account = parts.nth(2)?.to_owned();
        Some((partition, account, parts.next()?.to_owned()))
    };
    let (Some(caller), Some(role)) = (parts(caller), parts(role)) else {
        return false;
    };
    let running = caller
        .2
        .strip_prefix("assumed-role/")
        .and_then(|rest| rest.split('/').next());
    let wanted = role
        .2
        .strip_prefix("role/")
        .and_then(|rest| rest.rsplit('/').next());
    (caller.0, caller.1) == (role.0, role.1) && running.is_some() && running == wanted
}

#[cfg(test)]
#[path = "provide_tests.rs"]
mod tests;
