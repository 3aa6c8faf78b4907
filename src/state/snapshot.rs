//! Everything a request reads, immutable and built whole.

use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::task::TaskTracker;

use super::Sharing;
use crate::cache::{ResponseCache, Surroundings};
use crate::clock::SharedClock;
use crate::config::{AwsParams, Config, Findings};
use crate::keys::KeyPolicy;
use crate::limit::Limiter;
use crate::random::Dice;
use crate::router::Router;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use crate::upstream::{CredentialStore, Profiles, Upstream};

/// What lives longer than a snapshot and is handed on from one to the next.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The outbound client.
    pub upstream: Arc<Upstream>,
    /// AWS credentials, one provider per identity.
    pub credentials: Arc<CredentialStore>,
    /// What models inference profiles are of.
    pub profiles: Arc<Profiles>,
    /// Time.
    pub clock: SharedClock,
    /// Chance.
    pub dice: Arc<Dice>,
    /// Takes from limits.
    pub limiter: Arc<Limiter>,
    /// What several instances share, where Redis is configured.
    pub store: Option<Arc<dyn Store>>,
    /// Where the response cache keeps answers, where that is not the same.
    pub cache_store: Option<Arc<dyn Store>>,
    /// Tells other instances news.
    pub sharing: Arc<Sharing>,
    /// Tasks that shutdown waits for.
    pub tracker: TaskTracker,
    /// Everything that is counted.
    pub metrics: Arc<Metrics>,
}

impl Parts {
    /// Puts the parts together that nothing can do without: alone, by the process's own chance.
    pub fn new(
        upstream: Arc<Upstream>,
        credentials: Arc<CredentialStore>,
        clock: SharedClock,
    ) -> Self {
        Self {
            upstream,
            credentials,
            profiles: Arc::default(),
            clock,
            dice: Arc::default(),
            limiter: Arc::default(),
            store: None,
            cache_store: None,
            sharing: Arc::default(),
            tracker: TaskTracker::new(),
            metrics: Arc::default(),
        }
    }
}

/// One configuration, ready to serve.
#[derive(Debug)]
pub struct Snapshot {
    /// The configuration it was built from.
    pub config: Config,
    /// Names and deployments.
    pub router: Router,
    /// What keys are checked against.
    pub keys: KeyPolicy,
    /// Answers that are kept, where that is configured.
    pub cache: Option<Arc<ResponseCache>>,
    /// 1 for the first, counting up with every one that was published.
    pub generation: u64,
    /// Where its calls are counted.
    pub metrics: Arc<Metrics>,
    /// When it was built.
    pub loaded_at: SystemTime,
    /// Under `--simulate`: the credentials and endpoint that every call uses instead of its own.
    pub simulated: Option<Simulated>,
}

/// Where every call goes under `--simulate`.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// The simulator's base URL.
    pub endpoint: String,
    /// The simulator's own keys.
    pub credentials: AwsParams,
    /// Makes keys that a caller brought known to the simulator.
    pub admit: AdmitKeys,
}

/// Makes keys that a caller brought known to the simulator, so that it can check their signatures.
#[derive(Clone)]
pub struct AdmitKeys(pub Arc<dyn Fn(&AwsParams) + Send + Sync>);

impl std::fmt::Debug for AdmitKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdmitKeys")
    }
}

impl Snapshot {
    /// Builds a snapshot; what was learned is taken over from `previous`.
    ///
    /// # Errors
    ///
    /// Every deployment that cannot be built.
    pub fn build(
        config: Config,
        simulated: Option<Simulated>,
        previous: Option<&Self>,
        parts: &Parts,
    ) -> Result<Self, Findings> {
        let router = Router::build(
            &config,
            &parts.credentials,
            &parts.metrics,
            previous.map(|previous| &previous.router),
        )?;
        let surroundings = Surroundings {
            store: parts.cache_store.as_ref().or(parts.store.as_ref()),
            clock: &parts.clock,
            tracker: &parts.tracker,
        };
        let cache = previous.and_then(|previous| previous.cache.as_ref());
        Ok(Self {
            cache: ResponseCache::build(&config, surroundings, cache),
            keys: KeyPolicy::build(&config, previous.map(|previous| &previous.keys)),
            router,
            generation: previous.map_or(1, |previous| previous.generation + 1),
            metrics: Arc::clone(&parts.metrics),
            loaded_at: parts.clock.wall(),
            simulated,
            config,
        })
    }

    /// Returns what is doubtful about the files and the deployments, in the order of the files.
    pub fn warnings(&self) -> Findings {
        let mut findings = Findings(self.config.warnings.clone());
        let later = self.router.warnings().iter().cloned();
        findings.merge(later, &self.config.files);
        findings
    }
}
