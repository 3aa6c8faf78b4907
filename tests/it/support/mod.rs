//! A gateway on a free port, with a simulator behind it.

pub mod entry;
pub mod exchange;
pub mod scenes;
pub mod upstream;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchyard::clock::{SharedClock, SystemClock};
use switchyard::config::{Config, Environment, Overrides, load, load_bytes};
use switchyard::http::{App, Shutdown};
use switchyard::limit::LimitName;
use switchyard::pipeline::Pipeline;
use switchyard::random::Dice;
use switchyard::server::Server;
use switchyard::simulator::{ACCESS_KEY_ID, Options, SECRET_ACCESS_KEY, Simulator};
use switchyard::state::{Live, Origins, Parts, Reloader, Snapshot, watch};
use switchyard::upstream::{CredentialStore, Upstream, UpstreamOptions};
use tokio_util::task::TaskTracker;

use self::entry::Entry;

/// Settings under which every call is one attempt.
pub const ONCE: &str = "router_settings: {num_retries: 0, disable_cooldowns: true}";

/// A running gateway; dropping it ends it and its simulator.
pub struct Gateway {
    pub url: String,
    pub simulator: Simulator,
    pub client: reqwest::Client,
    /// What serves; its configuration is in `app.live`.
    pub app: Arc<App>,
    task: tokio::task::JoinHandle<usize>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.app.shutdown.draining.cancel();
        self.task.abort();
    }
}

/// Writes an entry of `model_list`.
pub fn entry(name: &str, id: &str, fault: &str, params: &str) -> String {
    Entry::of(name, id).fault(fault).params(params).yaml()
}

/// Writes an entry of `model_list` for `model` at `url`, with further `litellm_params` in flow style.
pub fn entry_at(model: &str, id: &str, url: &str, params: &str) -> String {
    entry(model, id, "", params).replace("$URL", url)
}

/// Random numbers that a seed fixes: printed, and taken from the variable `SEED` where that is set.
pub fn dice() -> fastrand::Rng {
    let set = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = set.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// An answer with its body read.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The `data:` lines of a stream.
    pub fn events(&self) -> Vec<&str> {
        self.body
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .collect()
    }

    /// The error of a stream that broke: its last event, after which and before which nothing says that it is over.
    pub fn error_event(&self, case: &str) -> Value {
        assert_eq!(self.status, 200, "{case}: {}", self.body);
        let events = self.events();
        let (last, others) = events.split_last().unwrap();
        let is_error = |event: &&str| event.contains("\"error\"");
        assert!(!others.iter().any(is_error), "{case}: {}", self.body);
        for end in ["[DONE]", "finish_reason\":\""] {
            assert!(!self.body.contains(end), "{case}: {}", self.body);
        }
        let mut last: Value = serde_json::from_str(last).unwrap();
        assert!(last["error"]["message"].is_string(), "{case}: {last}");
        last["error"].take()
    }

    /// The text of a stream.
    pub fn text(&self) -> String {
        self.events()
            .into_iter()
            .filter_map(|event| serde_json::from_str::<Value>(event).ok())
            .filter_map(|chunk| {
                chunk["choices"][0]["delta"]["content"]
                    .as_str()
                    .map(str::to_owned)
            })
            .collect()
    }
}

fn count(total: u64) -> usize {
    usize::try_from(total).unwrap()
}

impl Gateway {
    /// Starts a gateway with one deployment `m`; `params` are further `litellm_params` and `rest` further sections, both
    /// indented as they stand in the file.
    pub async fn start(params: &str, rest: &str) -> Self {
        Self::start_with(params, rest, |_| ()).await
    }

    /// Like [`Gateway::start`]; `change` is made to what was read.
    pub async fn start_with(params: &str, rest: &str, change: impl FnOnce(&mut Config)) -> Self {
        let yaml = format!(
            "model_list:\n  - model_name: m\n    litellm_params:\n      model: bedrock/converse/anthropic.claude-3-5-sonnet-20240620-v1:0\n      \
             aws_access_key_id: {ACCESS_KEY_ID}\n      aws_secret_access_key: {SECRET_ACCESS_KEY}\n      aws_region_name: us-west-2\n      \
             aws_bedrock_runtime_endpoint: $URL\n{params}\n{rest}"
        );
        Self::changed(&yaml, Arc::new(SystemClock), change).await
    }

    /// Starts a gateway with these deployments and further sections. A deployment is its model name, its id, what the
    /// simulator does wrong at its endpoint (empty: nothing), and further `litellm_params` in flow style (`, rpm: 1`).
    pub async fn of(deployments: &[(&str, &str, &str, &str)], rest: &str) -> Self {
        Self::at(deployments, rest, Arc::new(SystemClock)).await
    }

    /// Like [`Gateway::of`], by another clock.
    pub async fn at(
        deployments: &[(&str, &str, &str, &str)],
        rest: &str,
        clock: SharedClock,
    ) -> Self {
        let mut yaml = String::from("model_list:\n");
        for (name, id, fault, params) in deployments {
            yaml.push_str(&entry(name, id, fault, params));
        }
        yaml.push_str(rest);
        Self::with(&yaml, clock).await
    }

    /// Starts a gateway with this file, in which `$URL` stands for the simulator.
    pub async fn with(yaml: &str, clock: SharedClock) -> Self {
        Self::changed(yaml, clock, |_| ()).await
    }

    async fn changed(yaml: &str, clock: SharedClock, change: impl FnOnce(&mut Config)) -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let yaml = yaml.replace("$URL", &simulator.url());
        let mut config = load_bytes(
            Path::new("config.yaml"),
            yaml.as_bytes(),
            Environment::default(),
            &Overrides::default(),
        )
        .unwrap_or_else(|findings| panic!("{findings}"));
        change(&mut config);
        Self::serving(config, simulator, None, clock).await
    }

    /// Starts a gateway that serves a file and watches it. `text` writes the file, given the simulator's address.
    pub async fn from_file(path: impl Into<PathBuf>, text: impl FnOnce(&str) -> String) -> Self {
        let path = path.into();
        let simulator = Simulator::start(Options::default()).await.unwrap();
        std::fs::write(&path, text(&simulator.url())).unwrap();
        Self::from_file_as_it_is(&path, simulator).await
    }

    /// Starts a gateway that serves a file which is there, and watches it.
    pub async fn from_file_as_it_is(path: &Path, simulator: Simulator) -> Self {
        let gateway = Self::from_file_unwatched(path, simulator).await;
        let reloader = gateway.app.reloader.clone().unwrap();
        let stop = gateway.app.shutdown.draining.clone();
        watch(
            reloader,
            Duration::from_millis(20),
            &gateway.app.tracker,
            stop,
        );
        gateway
    }

    /// Starts a gateway that serves a file which is there, and reads it again only when it is asked to.
    pub async fn from_file_unwatched(path: &Path, simulator: Simulator) -> Self {
        let config =
            load(path, Environment::default()).unwrap_or_else(|findings| panic!("{findings}"));
        Self::serving(config, simulator, Some(path), Arc::new(SystemClock)).await
    }

    async fn serving(
        config: Config,
        simulator: Simulator,
        file: Option<&Path>,
        clock: SharedClock,
    ) -> Self {
        let tracker = TaskTracker::new();
        let options =
            UpstreamOptions::from_environment(config.router.connect_timeout, &config.environment);
        // The simulator checks the time of signatures, so that is the machine's.
        let upstream = Arc::new(Upstream::new(options, Arc::new(SystemClock)).unwrap());
        let credentials = CredentialStore::new(Arc::clone(&upstream), tracker.clone());
        let mut parts = Parts::new(upstream, Arc::new(credentials), Arc::clone(&clock));
        parts.dice = Arc::new(Dice::seeded(1));
        let snapshot = Snapshot::build(config, None, None, &parts).unwrap();
        let live = Arc::new(Live::new(snapshot));
        let shutdown = Shutdown::default();
        let reloader = file.map(|file| {
            let origins = Origins::of_file(file, Environment::default());
            let stop = shutdown.draining.clone();
            Reloader::start(origins, Arc::clone(&live), parts.clone(), &tracker, stop)
        });
        let app = Arc::new(App {
            live,
            pipeline: Pipeline::new(parts),
            clock,
            tracker,
            shutdown,
            running: Arc::default(),
            waiting: Arc::default(),
            reloader,
        });
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), None, Arc::clone(&app))
            .await
            .unwrap();
        Self {
            url: format!("http://{}", server.address()),
            simulator,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            app,
            task: tokio::task::spawn(server.run()),
        }
    }

    /// Asks `model` something; members of `more` are laid over the request.
    pub async fn chat(&self, model: &str, more: Value) -> Answer {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.post(&body, &[]).await
    }

    /// Waits until nothing is under way any more, here and at the simulator. What is still there after a while is a leak.
    pub async fn comes_to_rest(&self) {
        let rest = async {
            while !self.held().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), rest).await;
        assert!(in_time.is_ok(), "held still: {}", self.held().join(", "));
    }

    /// Waits until no call is under way.
    pub async fn is_idle(&self) {
        entry::until(|| self.app.running.load(Ordering::Acquire) == 0).await;
    }

    /// What the first key has spent so far.
    pub fn spent_so_far(&self) -> f64 {
        let snapshot = self.app.live.load();
        let mut keys = snapshot.keys.virtual_keys();
        keys.next().unwrap().runtime.spent(Instant::now())
    }

    /// What the first key has spent when no call is under way.
    pub async fn spent(&self) -> f64 {
        self.is_idle().await;
        self.spent_so_far()
    }

    /// What calls hold: places, permits, streams.
    fn held(&self) -> Vec<String> {
        let app = &self.app;
        let mut counts = vec![
            ("running".to_owned(), app.running.load(Ordering::SeqCst)),
            ("waiting".to_owned(), app.waiting.len()),
            ("streams".to_owned(), self.simulator.open_streams()),
        ];
        for group in app.live.load().router.groups() {
            let name = &group.name;
            let in_flight = group.runtime.in_flight.load(Ordering::SeqCst);
            counts.push((format!("{name}: calls"), count(in_flight)));
            counts.push((format!("{name}: queue"), group.runtime.queue.len()));
            for deployment in &group.deployments {
                let id = &deployment.id;
                let in_flight = deployment.runtime.in_flight();
                counts.push((format!("{id}: calls"), count(in_flight)));
                for level in deployment.meters.levels(app.clock.now()) {
                    if level.limit == LimitName::Parallel {
                        counts.push((format!("{id}: permits"), count(level.used)));
                    }
                }
            }
        }
        let held = counts.into_iter().filter(|(_, total)| *total > 0);
        held.map(|(what, total)| format!("{what} {total}"))
            .collect()
    }

    /// How often the deployment with this id was called; it must have been made by [`Gateway::of`].
    pub fn calls_of(&self, id: &str) -> usize {
        let calls = self.simulator.calls();
        let is_its = |value: &reqwest::header::HeaderValue| value.as_bytes() == id.as_bytes();
        (calls.iter())
            .filter(|call| call.headers.get("x-deployment").is_some_and(is_its))
            .count()
    }

    /// Sends a request without a body.
    pub async fn call(&self, method: reqwest::Method, path: &str, key: Option<&str>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    /// Asks `m` something.
    pub async fn ask(&self, text: &str, stream: bool) -> Answer {
        let body = json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]});
        self.post(&body, &[]).await
    }

    /// Posts a chat request with further headers.
    pub async fn post(&self, body: &Value, headers: &[(&str, &str)]) -> Answer {
        self.post_to("/v1/chat/completions", body, headers).await
    }

    /// Posts a request to a path.
    pub async fn post_to(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = self
            .client
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }
}
