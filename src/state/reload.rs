//! Who asks for a reload, and what it comes to; the work is `worker.rs`'s.
//!
//! One task does it, so there is one reload at a time; whoever asks while it is busy shares the next one. File events, the
//! signal and the endpoint all come through [`Reloader::reload`].

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::aside::aside;
use super::diff::Difference;
use super::worker::Worker;
use super::{Live, Parts};
use crate::config::{Config, Environment, Finding, Findings, Overrides};

/// Most requests that wait for a reload; more than that wait for their turn to wait.
const MAX_WAITING: usize = 64;

/// Why a reload is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A file changed.
    File,
    /// SIGHUP.
    Signal,
    /// `POST /config/reload`.
    Endpoint,
}

impl Trigger {
    /// Returns its name in log lines.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Signal => "signal",
            Self::Endpoint => "endpoint",
        }
    }
}

/// What a reload came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The file is in force.
    Applied(Arc<Report>),
    /// It was before.
    Unchanged(Arc<Report>),
    /// It has errors; what was in force stays.
    Rejected(Arc<Findings>),
}

/// What a reload did, as `POST /config/reload` answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `applied` or `unchanged`.
    pub result: &'static str,
    /// The snapshot in force.
    pub generation: u64,
    /// The hash of its files.
    pub config_hash: String,
    /// What changed.
    #[serde(flatten)]
    pub difference: Difference,
    /// What is doubtful about the files.
    pub warnings: Vec<Finding>,
}

/// What the command line does to every configuration before it is built: the simulator's endpoints, the check that an open
/// server is not shown to the world.
pub type Amend = Arc<dyn Fn(&mut Config) -> Result<(), Findings> + Send + Sync>;

/// Where configurations come from.
#[derive(Clone)]
pub struct Origins {
    /// The first file.
    pub path: PathBuf,
    /// The process's environment, as it was at the start.
    pub environment: Environment,
    /// What the command line sets.
    pub overrides: Overrides,
    /// What is done to every configuration before it is built.
    pub amend: Amend,
}

impl Origins {
    /// Reads `path` with nothing laid over it and nothing done to it.
    pub fn of_file(path: impl Into<PathBuf>, environment: Environment) -> Self {
        Self {
            path: path.into(),
            environment,
            overrides: Overrides::default(),
            amend: Arc::new(|_| Ok(())),
        }
    }
}

impl std::fmt::Debug for Origins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origins")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Asks for reloads.
#[derive(Debug)]
pub struct Reloader {
    requests: mpsc::Sender<Request>,
    files: watch::Receiver<Vec<PathBuf>>,
}

#[derive(Debug)]
struct Request {
    trigger: Trigger,
    answer: oneshot::Sender<Outcome>,
}

impl Reloader {
    /// Starts the task that reloads; it ends when `stop` is cancelled.
    pub fn start(
        origins: Origins,
        live: Arc<Live>,
        parts: Parts,
        tracker: &TaskTracker,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let (requests, asked) = mpsc::channel(MAX_WAITING);
        let (worker, files) = Worker::new(origins, live, parts);
        tracker.spawn(serve(Arc::new(worker), asked, stop));
        Arc::new(Self { requests, files })
    }

    /// Reads the files again and puts them in force. `None`: the process is stopping.
    ///
    /// # Cancel safety
    ///
    /// The reload goes on without who asked for it.
    pub async fn reload(&self, trigger: Trigger) -> Option<Outcome> {
        let (answer, outcome) = oneshot::channel();
        let request = Request { trigger, answer };
        self.requests.send(request).await.ok()?;
        outcome.await.ok()
    }

    /// Returns the files that a reload depends on, and tells when there are others.
    pub fn files(&self) -> watch::Receiver<Vec<PathBuf>> {
        self.files.clone()
    }
}

async fn serve(worker: Arc<Worker>, mut asked: mpsc::Receiver<Request>, stop: CancellationToken) {
    loop {
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            request = asked.recv() => request,
        };
        let Some(first) = first else { return };
        let trigger = first.trigger;
        let mut answers = vec![first.answer];
        // Whoever has asked by now is served by this one: the files are read after that.
        while let Ok(next) = asked.try_recv() {
            answers.push(next.answer);
        }
        let working = Arc::clone(&worker);
        let outcome = match aside(move || working.reload(trigger)).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(%error, "a reload failed; the previous configuration stays in force");
                worker.reject(
                    trigger,
                    worker.finding("the reload failed for a reason of ours"),
                    "",
                )
            }
        };
        for answer in answers {
            // Who has gone needs no answer.
            let _gone = answer.send(outcome.clone());
        }
    }
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
