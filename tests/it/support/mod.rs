//! A gateway on a free port, with a simulator behind it.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use switchyard::clock::SystemClock;
use switchyard::config::{Environment, Overrides, load_bytes};
use switchyard::http::{App, Shutdown};
use switchyard::pipeline::Pipeline;
use switchyard::server::Server;
use switchyard::simulator::{ACCESS_KEY_ID, Options, SECRET_ACCESS_KEY, Simulator};
use switchyard::state::{Live, Parts, Snapshot};
use switchyard::upstream::{CredentialStore, Upstream, UpstreamOptions};
use tokio_util::task::TaskTracker;

/// A running gateway; dropping it ends it and its simulator.
pub struct Gateway {
    pub url: String,
    pub simulator: Simulator,
    pub client: reqwest::Client,
    task: tokio::task::JoinHandle<usize>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
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

impl Gateway {
    /// Starts a gateway with one deployment `m`; `params` are further `litellm_params` and `rest` further sections, both
    /// indented as they stand in the file.
    pub async fn start(params: &str, rest: &str) -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let url = simulator.url();
        let yaml = format!(
            "model_list:\n  - model_name: m\n    litellm_params:\n      model: bedrock/converse/anthropic.claude-3-5-sonnet-20240620-v1:0\n      \
             aws_access_key_id: {ACCESS_KEY_ID}\n      aws_secret_access_key: {SECRET_ACCESS_KEY}\n      aws_region_name: us-west-2\n      \
             aws_bedrock_runtime_endpoint: {url}\n{params}\n{rest}"
        );
        let config = load_bytes(
            Path::new("config.yaml"),
            yaml.as_bytes(),
            Environment::default(),
            &Overrides::default(),
        )
        .unwrap_or_else(|findings| panic!("{findings}"));
        let clock: switchyard::clock::SharedClock = Arc::new(SystemClock);
        let tracker = TaskTracker::new();
        let options =
            UpstreamOptions::from_environment(config.router.connect_timeout, &config.environment);
        let upstream = Arc::new(Upstream::new(options, Arc::clone(&clock)).unwrap());
        let credentials = CredentialStore::new(Arc::clone(&upstream), tracker.clone());
        let parts = Parts::new(upstream, Arc::new(credentials), Arc::clone(&clock));
        let snapshot = Snapshot::build(config, None, None, &parts).unwrap();
        let general = snapshot.config.general.clone();
        let app = Arc::new(App {
            live: Arc::new(Live::new(snapshot)),
            pipeline: Pipeline::new(parts),
            clock,
            tracker,
            shutdown: Shutdown::default(),
            running: Arc::default(),
        });
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), None, &general, app)
            .await
            .unwrap();
        Self {
            url: format!("http://{}", server.address()),
            simulator,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            task: tokio::task::spawn(server.run()),
        }
    }

    /// Asks `m` something.
    pub async fn ask(&self, text: &str, stream: bool) -> Answer {
        let body = json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]});
        self.post(&body, &[]).await
    }

    /// Posts a chat request with further headers.
    pub async fn post(&self, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = self
            .client
            .post(format!("{}/v1/chat/completions", self.url))
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
