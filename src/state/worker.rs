//! One reload: prepare, publish, report.
//!
//! *Prepare* does all that can fail, aside from what serves: read the files, resolve them, build the snapshot. *Publish* is one
//! store and cannot fail. *Report* says what changed. If prepare fails, what was in force stays, and the findings are
//! logged once per content of the file.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::diff::{Difference, difference};
use super::reload::{Origins, Outcome, Report, Trigger};
use super::{Live, Parts, Snapshot};
use crate::config::{
    Config, Environment, Finding, Findings, Fingerprints, Severity, inspect_bytes,
};
use crate::telemetry::events::{ReloadRecord, config_rejected, config_reloaded};
use crate::telemetry::metrics::DeploymentMetrics;
use crate::upstream::CredentialStore;

/// What reloads work with.
#[derive(Debug)]
pub(super) struct Worker {
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
    /// Makes the worker, and what tells the files that a reload depends on.
    pub(super) fn new(
        origins: Origins,
        live: Arc<Live>,
        parts: Parts,
    ) -> (Self, watch::Receiver<Vec<PathBuf>>) {
        let snapshot = live.load();
        let environment = &snapshot.config.environment;
        let (files, known) = watch::channel(watched(&snapshot.config.files, environment));
        let worker = Self {
            origins,
            parts,
            at_start: snapshot.config.settings.clone(),
            memory: Mutex::new(Memory {
                shared_files: read_shared_files(environment),
                rejected: None,
                retired: Vec::new(),
            }),
            files,
            live,
        };
        (worker, known)
    }

    /// Prepares, publishes, reports. Blocks: files are read.
    pub(super) fn reload(&self, trigger: Trigger) -> Outcome {
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
    pub(super) fn reject(&self, trigger: Trigger, findings: Findings, content: &str) -> Outcome {
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

    /// Makes the finding of what is wrong with the file as a whole.
    pub(super) fn finding(&self, message: &str) -> Findings {
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
