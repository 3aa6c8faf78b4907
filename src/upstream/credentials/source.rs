//! Where one identity's credentials come from.

use std::sync::Arc;

use super::Credentials;
use super::refresh::Refresher;
use crate::error::Error;

/// Where the credentials of a deployment come from. Deployments with the same identity share one.
#[derive(Debug)]
pub struct Source {
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Known from the start, and never anything else.
    Fixed(Arc<Credentials>),
    /// Cannot work, whatever happens.
    Broken(Error),
    /// Fetched, and fetched again before they expire.
    Fetched(Arc<Refresher>),
}

impl Source {
    pub(super) fn fixed(name: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Fixed(Arc::new(credentials)),
        }
    }

    /// Says whether it is a Bedrock API key, which some of Bedrock's services do not take.
    pub fn is_api_key(&self) -> bool {
        matches!(&self.kind, Kind::Fixed(known) if matches!(**known, Credentials::Bearer(_)))
    }

    pub(super) fn broken(name: impl Into<String>, error: Error) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Broken(error),
        }
    }

    pub(super) fn fetched(name: impl Into<String>, refresher: Arc<Refresher>) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Fetched(refresher),
        }
    }

    /// Returns credentials that are still good; fetches them if there are none.
    ///
    /// # Errors
    ///
    /// There are none: not configured, or refused (401, 403), or their source is away (503).
    pub async fn credentials(&self) -> Result<Arc<Credentials>, Error> {
        match &self.kind {
            Kind::Fixed(credentials) => Ok(Arc::clone(credentials)),
            Kind::Broken(error) => Err(error.clone()),
            Kind::Fetched(refresher) => refresher.credentials().await,
        }
    }

    /// Returns credentials after AWS said that `stale` have expired: fetches new ones, unless that has already happened.
    ///
    /// What cannot be fetched anew comes back as it is, so [`Arc::ptr_eq`] tells whether sending again can help.
    ///
    /// # Errors
    ///
    /// As [`Source::credentials`].
    pub async fn force_refresh(&self, stale: &Credentials) -> Result<Arc<Credentials>, Error> {
        match &self.kind {
            Kind::Fixed(credentials) => Ok(Arc::clone(credentials)),
            Kind::Broken(error) => Err(error.clone()),
            Kind::Fetched(refresher) => refresher.force(stale).await,
        }
    }

    /// Names the source, never a secret: for `explain` and logs.
    pub fn describe(&self) -> String {
        self.name.clone()
    }
}
