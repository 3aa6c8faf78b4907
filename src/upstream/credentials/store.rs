//! Finds the source of a deployment's credentials, and keeps one per identity.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::task::TaskTracker;

use super::Credentials;
use super::failures::denied;
use super::identity::{Identity, Method, Pair, Profile};
use super::provide::Fetch;
use super::refresh::{Refresher, Surroundings};
use super::source::Source;
use crate::config::{AwsParams, Environment, Secret};
use crate::provider::bedrock::sign::Keys;
use crate::random;
use crate::upstream::Upstream;

/// How many identities are kept. More than that can only come from clients that bring their own; the one that was asked for
/// longest ago then makes room.
const MAX_IDENTITIES: usize = 1000;

/// All sources of credentials, one per identity.
#[derive(Debug)]
pub struct CredentialStore {
    upstream: Arc<Upstream>,
    around: Surroundings,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    sources: HashMap<Identity, (Arc<Source>, u64)>,
    /// Counts up with every question, to tell which was asked longest ago.
    asked: u64,
}

impl CredentialStore {
    /// Makes a store that fetches through `upstream`; fetches are tasks of `tracker`.
    pub fn new(upstream: Arc<Upstream>, tracker: TaskTracker) -> Self {
        let clock = Arc::clone(upstream.clock().own());
        Self {
            upstream,
            around: Surroundings {
                clock,
                tracker,
                draw: random::draw,
            },
            known: Mutex::default(),
        }
    }

    /// Finds where the credentials of a deployment come from. Asks nobody yet.
    pub fn resolve(&self, aws: &AwsParams, environment: &Environment) -> Arc<Source> {
        let identity = Identity::of(aws, environment);
        let name = identity.method.describe();
        match &identity.method {
            Method::Bearer { key, .. } => {
                Arc::new(Source::fixed(name, Credentials::Bearer(key.clone())))
            }
            Method::Pair { pair, .. } => Arc::new(Source::fixed(name, pair.into())),
            _ => self.fetched(identity),
        }
    }

    /// Finds the API key of a deployment whose upstream is not AWS (`converse_like`): `api_key`, or nothing at all.
    pub fn resolve_key_only(&self, aws: &AwsParams) -> Arc<Source> {
        Arc::new(match aws.api_key.clone().filter(|key| !key.is_empty()) {
            Some(key) => Source::fixed("api_key", Credentials::Bearer(key)),
            None => Source::fixed("none", Credentials::None),
        })
    }

    /// Finds where the credentials of a deployment on `bedrock-mantle` come from, which has an API key of its own in the
    /// environment.
    pub fn resolve_mantle(&self, aws: &AwsParams, environment: &Environment) -> Arc<Source> {
        let key = environment.get("BEDROCK_MANTLE_API_KEY").map(Secret::new);
        match (&aws.api_key, key) {
            (None, Some(key)) => Arc::new(Source::fixed(
                "BEDROCK_MANTLE_API_KEY",
                Credentials::Bearer(key),
            )),
            _ => self.resolve(aws, environment),
        }
    }

    /// Finds where the credentials of a deployment come from whose API takes no Bedrock API keys, whatever keys there are.
    pub fn resolve_to_sign(&self, aws: &AwsParams, environment: &Environment) -> Arc<Source> {
        let aws = AwsParams {
            api_key: Some(Secret::new("")),
            ..aws.clone()
        };
        self.resolve(&aws, environment)
    }

    /// Returns AWS's shared files, whether they are there or not: configuration and credentials.
    pub fn shared_files(environment: &Environment) -> Vec<PathBuf> {
        let Profile {
            config_file,
            credentials_file,
            ..
        } = Profile::new("", &AwsParams::default(), environment);
        config_file.into_iter().chain(credentials_file).collect()
    }

    /// Forgets what was read from `files`, which have changed. Who asks again gets a new source; deployments that hold the
    /// old one keep it.
    pub fn forget(&self, files: &[PathBuf]) {
        self.known()
            .sources
            .retain(|identity, _| !identity.method.reads_any(files));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetched(&self, identity: Identity) -> Arc<Source> {
        let name = identity.method.describe();
        if let Method::Unusable(message) = &identity.method {
            let message = format!("Unable to locate credentials: {message}");
            return Arc::new(Source::broken(name, denied(message)));
        }
        self.known().find(identity, |identity| {
            let fetch = Arc::new(Fetch::new(Arc::clone(&self.upstream), identity));
            Source::fetched(name, Refresher::new(fetch, self.around.clone()))
        })
    }
}

impl Known {
    fn find(&mut self, identity: Identity, make: impl FnOnce(Identity) -> Source) -> Arc<Source> {
        self.asked += 1;
        let asked = self.asked;
        if let Some((source, last)) = self.sources.get_mut(&identity) {
            *last = asked;
            return Arc::clone(source);
        }
        if self.sources.len() >= MAX_IDENTITIES {
            let oldest = self.sources.iter().min_by_key(|(_, (_, last))| *last);
            if let Some(oldest) = oldest.map(|(identity, _)| identity.clone()) {
                self.sources.remove(&oldest);
            }
        }
        let source = Arc::new(make(identity.clone()));
        self.sources.insert(identity, (Arc::clone(&source), asked));
        source
    }
}

impl From<&Pair> for Credentials {
    fn from(pair: &Pair) -> Self {
        let Pair {
            access_key_id,
            secret,
            session_token,
        } = pair.clone();
        Self::Keys(Arc::new(Keys::new(
            access_key_id,
            secret,
            session_token,
            None,
        )))
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
