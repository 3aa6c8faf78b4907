//! Reload: prepare, publish, report.
//!
//! *Prepare* does all that can fail, aside from what serves: read the files, resolve them, build the snapshot. *Publish* is one
//! store and cannot fail. *Report* says what changed. If prepare fails, what was in force stays, and the findings are
//! logged once per content of the file.
//!
//! One task does it, so there is one reload at a time; whoever asks while it is busy shares the next one. File events, the
//! signal and the endpoint all come through [`Reloader::reload`].

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::aside::aside;
use super::diff::{Difference, difference};
use super::{Live, Parts, Snapshot};
use crate::config::{
    Config, Environment, Finding, Findings, Fingerprints, Overrides, Severity, inspect_bytes,
};
use crate::telemetry::events::{ReloadRecord, config_rejected, config_reloaded};
use crate::telemetry::metrics::DeploymentMetrics;
use crate::upstream::CredentialStore;

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
    fn name(self) -> &'static str {
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
        let snapshot = live.load();
        let environment = &snapshot.config.environment;
        let (changed_files, files) = watch::channel(watched(&snapshot.config.files, environment));
        let worker = Arc::new(Worker {
            origins,
            parts,
            at_start: snapshot.config.settings.clone(),
            memory: Mutex::new(Memory {
                shared_files: read_shared_files(environment),
                rejected: None,
                retired: Vec::new(),
            }),
            files: changed_files,
            live,
        });
        tracker.spawn(serve(worker, asked, stop));
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

/// What reloads work with.
#[derive(Debug)]
struct Worker {
    origins: Origins,
    live: Arc<Live>,
    parts: Parts,
    at_start: Fingerprints,
    memory: Mutex<Memory>,
    files: watch::Sender<Vec<PathBuf>>,
}

/// What a reload must know of those before it.
#[derive(Debug)]
struct Memory {
    /// AWS's shared files, as they were when the snapshot in force was built.
    shared_files: SharedFiles,
    /// The content that was rejected last, and said to be.
    rejected: Option<[u8; 32]>,
    /// Series of deployments that the last reload removed: they stay until the next one, so that what was counted last is
    /// not lost between two scrapes.
    retired: Vec<Arc<DeploymentMetrics>>,
}

type SharedFiles = Vec<(PathBuf, Option<[u8; 32]>)>;

impl Worker {
    /// Prepares, publishes, reports. Blocks: files are read.
    fn reload(&self, trigger: Trigger) -> Outcome {
        let Origins {
            path,
            environment,
            overrides,
            amend,
        } = &self.origins;
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let finding = self.finding(&format!("the file cannot be read: {error}"));
                return self.reject(trigger, finding, "");
            }
        };
        // Whoever writes a file may empty it first; an empty one would take everything away.
        if bytes.trim_ascii().is_empty() {
            return self.reject(trigger, self.finding("the file is empty"), "");
        }
        let (config, findings) = inspect_bytes(path, &bytes, environment.clone(), overrides);
        self.watch_files(config.as_ref());
        let Some(mut config) = config.filter(|_| !findings.has_errors()) else {
            return self.reject(trigger, findings, &String::from_utf8_lossy(&bytes));
        };
        let hash = config.hash.clone();
        let reject = |findings: Findings| self.reject(trigger, findings, &hash);
        let previous = self.live.load();
        let shared_files = read_shared_files(&config.environment);
        let changed = changed_files(&self.memory().shared_files, &shared_files);
        if config.hash == previous.config.hash && changed.is_empty() {
            return self.unchanged(trigger, &previous);
        }
        config.warnings = findings.0;
        if let Err(findings) = amend(&mut config) {
            return reject(findings);
        }
        self.parts.credentials.forget(&changed);
        let simulated = previous.simulated.clone();
        let built = Snapshot::build(config, simulated, Some(&previous), &self.parts);
        match built {
            Ok(snapshot) => self.apply(trigger, &previous, snapshot, shared_files),
            Err(findings) => reject(findings),
        }
    }

    fn apply(
        &self,
        trigger: Trigger,
        previous: &Snapshot,
        snapshot: Snapshot,
        shared_files: SharedFiles,
    ) -> Outcome {
        let difference = difference(previous, &snapshot, &self.at_start);
        let report = report("applied", &snapshot, difference);
        let retired = previous
            .router
            .groups()
            .iter()
            .flat_map(|group| &group.deployments)
            .filter(|old| {
                let new = snapshot.router.deployment(&old.id);
                new.is_none_or(|new| !Arc::ptr_eq(&new.metrics, &old.metrics))
            })
            .map(|deployment| Arc::clone(&deployment.metrics))
            .collect();
        let fail_closed = snapshot.config.general.fail_closed;
        self.parts.limiter.set_fail_closed(fail_closed);
        self.live.publish(snapshot);
        let gone = {
            let mut memory = self.memory();
            memory.shared_files = shared_files;
            memory.rejected = None;
            std::mem::replace(&mut memory.retired, retired)
        };
        drop(gone);
        self.live.accept();
        self.say(trigger, &report);
        Outcome::Applied(Arc::new(report))
    }

    fn unchanged(&self, trigger: Trigger, current: &Snapshot) -> Outcome {
        let mut needs_restart = difference(current, current, &self.at_start).needs_restart;
        needs_restart.sort_unstable();
        let difference = Difference {
            needs_restart,
            ..Difference::default()
        };
        let report = report("unchanged", current, difference);
        self.memory().rejected = None;
        self.live.accept();
        self.say(trigger, &report);
        Outcome::Unchanged(Arc::new(report))
    }

    /// Keeps what is in force; `content` tells one rejected file from another.
    fn reject(&self, trigger: Trigger, findings: Findings, content: &str) -> Outcome {
        let mut hash = Sha256::new();
        hash.update(content.as_bytes());
        hash.update(findings.to_string().as_bytes());
        let rejected: [u8; 32] = hash.finalize().into();
        let is_new = self.memory().rejected.replace(rejected) != Some(rejected);
        let findings = Arc::new(findings);
        if is_new {
            let now = self.parts.clock.wall();
            self.live.reject(now, Arc::clone(&findings));
        }
        let lines = || findings.to_string().replace('\n', "; ");
        let said = is_new.then(lines);
        config_rejected(&self.parts.metrics, trigger.name(), said.as_deref());
        Outcome::Rejected(findings)
    }

    fn say(&self, trigger: Trigger, report: &Report) {
        let Difference {
            added,
            removed,
            changed,
            settings_changed,
            needs_restart,
        } = &report.difference;
        let changed: Vec<String> = changed
            .iter()
            .map(|changed| format!("{} ({})", changed.id, changed.keys.join(", ")))
            .collect();
        let added: Vec<&str> = added.iter().map(|named| named.id.as_str()).collect();
        let removed: Vec<&str> = removed.iter().map(|named| named.id.as_str()).collect();
        let record = ReloadRecord {
            trigger: trigger.name(),
            result: report.result,
            generation: report.generation,
            config_hash: &report.config_hash,
            added: &added,
            removed: &removed,
            changed: &changed,
            settings_changed,
            needs_restart,
            warnings: report.warnings.len(),
        };
        config_reloaded(&self.parts.metrics, &record);
    }

    /// Tells what a reload depends on: the files in force, and those of a file that was rejected, so that whichever is
    /// mended is noticed.
    fn watch_files(&self, config: Option<&Config>) {
        let current = self.live.load();
        let environment = config.map_or(&current.config.environment, |config| &config.environment);
        let mut files = current.config.files.clone();
        files.extend(config.into_iter().flat_map(|config| config.files.clone()));
        let files = watched(&files, environment);
        self.files.send_if_modified(|known| {
            let is_new = *known != files;
            *known = files;
            is_new
        });
    }

    fn finding(&self, message: &str) -> Findings {
        Findings(vec![Finding {
            file: self.origins.path.display().to_string(),
            line: 1,
            column: 1,
            severity: Severity::Error,
            key: String::new(),
            message: message.to_owned(),
            hint: None,
        }])
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report(result: &'static str, snapshot: &Snapshot, difference: Difference) -> Report {
    Report {
        result,
        generation: snapshot.generation,
        config_hash: snapshot.config.hash.clone(),
        difference,
        warnings: snapshot.warnings().0,
    }
}

/// The files that a reload depends on, each once.
fn watched(files: &[PathBuf], environment: &Environment) -> Vec<PathBuf> {
    let mut files = files.to_vec();
    files.extend(CredentialStore::shared_files(environment));
    files.sort_unstable();
    files.dedup();
    files
}

fn read_shared_files(environment: &Environment) -> SharedFiles {
    CredentialStore::shared_files(environment)
        .into_iter()
        .map(|path| {
            let hash = fs::read(&path)
                .ok()
                .map(|bytes| Sha256::digest(bytes).into());
            (path, hash)
        })
        .collect()
}

fn changed_files(old: &SharedFiles, new: &SharedFiles) -> Vec<PathBuf> {
    new.iter()
        .filter(|file| !old.contains(file))
        .map(|(path, _)| path.clone())
        .collect()
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
