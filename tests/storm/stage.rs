//! The gateway of the storm, wired as the program does it: with a store, a limiter and sharing through a real Redis.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchyard::clock::{SharedClock, SystemClock};
use switchyard::config::{Environment, load};
use switchyard::http::{App, Shutdown};
use switchyard::limit::{LimitName, Limiter};
use switchyard::pipeline::Pipeline;
use switchyard::router::{Deployment, ModelGroup};
use switchyard::server::Server;
use switchyard::simulator::{Options, Simulator};
use switchyard::state::{Exchange, Live, Origins, Parts, Reloader, Sharing, Snapshot};
use switchyard::store;
use switchyard::telemetry::metrics::Metrics;
use switchyard::upstream::{CredentialStore, Upstream, UpstreamOptions};
use tokio_util::task::TaskTracker;

use crate::redis_server;
use crate::weather::Weather;

/// How long what calls held may take to come back.
const REST: Duration = Duration::from_secs(30);

/// Everything that stands while the storm goes on.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) url: String,
    pub(crate) path: PathBuf,
    pub(crate) client: reqwest::Client,
    pub(crate) simulator: Simulator,
    pub(crate) redis: tokio::sync::Mutex<redis_server::Server>,
    app: Arc<App>,
    /// Every deployment and group that was ever served, those that a reload removed too.
    seen: Mutex<Seen>,
    _folder: tempfile::TempDir,
    _exchange: Exchange,
    _serving: tokio::task::JoinHandle<usize>,
}

#[derive(Debug, Default)]
struct Seen {
    deployments: Vec<Arc<Deployment>>,
    groups: Vec<Arc<ModelGroup>>,
}

/// What the gateway counted itself.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) retries: usize,
    pub(crate) fallbacks: usize,
    pub(crate) refused: usize,
}

impl Stage {
    pub(crate) async fn set(weather: &mut Weather) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        let redis = redis_server::Server::start(&[]);
        let options = Options {
            record_calls: false,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        std::fs::write(&path, weather.file(&simulator.url(), redis.port).0).unwrap();
        let config = load(&path, Environment::default()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let tracker = TaskTracker::new();
        let clock: SharedClock = Arc::new(SystemClock);
        let upstream =
            UpstreamOptions::from_environment(config.router.connect_timeout, &config.environment);
        let upstream = Arc::new(Upstream::new(upstream, Arc::clone(&clock)).unwrap());
        let credentials = CredentialStore::new(Arc::clone(&upstream), tracker.clone());
        let metrics = Arc::<Metrics>::default();
        let shared = config.router.redis.as_ref().unwrap();
        let shared = store::connect(shared, Arc::clone(&clock), &tracker);
        let shared = store::counted(shared, Arc::clone(&metrics));
        let fail_closed = config.general.fail_closed;
        let limiter = Limiter::new(Some(Arc::clone(&shared)), "storm", fail_closed, &tracker);
        let parts = Parts {
            limiter: Arc::new(limiter),
            sharing: Arc::new(Sharing::through(Arc::clone(&shared), &tracker)),
            store: Some(shared),
            metrics,
            tracker: tracker.clone(),
            ..Parts::new(upstream, Arc::new(credentials), Arc::clone(&clock))
        };
        let snapshot = Snapshot::build(config, None, None, &parts).unwrap();
        let live = Arc::new(Live::new(snapshot));
        let shutdown = Shutdown::default();
        let exchange = parts.sharing.start(&live, &parts.limiter, &clock);
        let stop = shutdown.draining.clone();
        let origins = Origins::of_file(&path, Environment::default());
        let reloader = Reloader::start(origins, Arc::clone(&live), parts.clone(), &tracker, stop);
        let app = Arc::new(App {
            live,
            pipeline: Pipeline::new(parts),
            clock,
            tracker,
            shutdown,
            running: Arc::default(),
            waiting: Arc::default(),
            reloader: Some(reloader),
        });
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), None, Arc::clone(&app));
        let server = server.await.unwrap();
        let stage = Self {
            url: format!("http://{}", server.address()),
            path,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            simulator,
            redis: tokio::sync::Mutex::new(redis),
            app,
            seen: Mutex::default(),
            _folder: folder,
            _exchange: exchange,
            _serving: tokio::task::spawn(server.run()),
        };
        stage.remember_deployments();
        stage
    }

    pub(crate) fn reloader(&self) -> &Arc<Reloader> {
        self.app.reloader.as_ref().unwrap()
    }

    /// Keeps what is served now, so that it can be looked at when a reload has removed it.
    pub(crate) fn remember_deployments(&self) {
        let snapshot = self.app.live.load();
        let mut seen = self.seen.lock().unwrap();
        for group in snapshot.router.groups() {
            seen.deployments.extend(group.deployments.iter().cloned());
            seen.groups.push(Arc::clone(group));
        }
    }

    /// Waits until no call holds anything any more.
    pub(crate) async fn comes_to_rest(&self) {
        let rest = async {
            while !self.held().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(REST, rest).await;
        assert!(in_time.is_ok(), "held still: {:?}", self.held());
    }

    /// What calls hold, by whom.
    fn held(&self) -> BTreeMap<String, u64> {
        let count = |total: usize| u64::try_from(total).unwrap();
        let app = &self.app;
        let mut held = BTreeMap::from([
            (
                "running".to_owned(),
                count(app.running.load(Ordering::SeqCst)),
            ),
            ("waiting".to_owned(), count(app.waiting.len())),
            ("streams".to_owned(), count(self.simulator.open_streams())),
        ]);
        let seen = self.seen.lock().unwrap();
        for group in &seen.groups {
            let runtime = &group.runtime;
            let in_flight = runtime.in_flight.load(Ordering::SeqCst);
            held.insert(format!("{}: calls", group.name), in_flight);
            held.insert(format!("{}: queue", group.name), count(runtime.queue.len()));
        }
        for deployment in &seen.deployments {
            let id = &deployment.id;
            let calls = held.entry(format!("{id}: calls")).or_default();
            *calls = deployment.runtime.in_flight().max(*calls);
            for level in deployment.meters.levels(app.clock.now()) {
                if level.limit == LimitName::Parallel {
                    let permits = held.entry(format!("{id}: permits")).or_default();
                    *permits = level.used.max(*permits);
                }
            }
        }
        held.retain(|_, total| *total > 0);
        held
    }

    /// Reads the gateway's own counts.
    pub(crate) async fn counted(&self) -> Counted {
        let text = self.client.get(format!("{}/metrics", self.url)).send();
        let text = text.await.unwrap().text().await.unwrap();
        let sum = |name: &str| {
            let series = text.lines().filter(|line| line.starts_with(name));
            let values = series.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
            values.sum()
        };
        Counted {
            retries: sum("switchyard_retries_total{"),
            fallbacks: sum("switchyard_fallbacks_total{"),
            refused: sum("switchyard_retry_budget_refused_total"),
        }
    }
}
