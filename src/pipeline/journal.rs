//! What is learned of a call on its way: who was tried, how often, and who serves it.
//!
//! One journal per call, shared by everything that works on it: the attempts, a hedge beside them, a stream that continues
//! elsewhere, and the settlement that reads it at the end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::gateway::OptionUsed;
use super::trip::Hop;
use crate::canonical::Usage;
use crate::error::Error;
use crate::router::{Deployment, ModelGroup};

/// The journal of one call.
#[derive(Debug, Default)]
pub struct Journal {
    sends: AtomicU32,
    attempts: AtomicU32,
    entries: Mutex<Entries>,
}

/// What stands in a journal.
#[derive(Debug, Default)]
pub struct Entries {
    /// Who serves the call, or failed it last.
    pub served: Option<Served>,
    /// The group whose answer or error it is, as the client knows it.
    pub group: Option<String>,
    /// The same as the router knows it.
    pub serving: Option<Arc<ModelGroup>>,
    /// Retries in that group.
    pub retries: u32,
    /// How many retries that group may make; known once one was made.
    pub max_retries: Option<u32>,
    /// Fallback targets and order tiers tried.
    pub fallbacks: u32,
    /// The target of a gateway configuration that was tried last.
    pub option: Option<OptionUsed>,
    /// Whether a hedge was sent.
    pub hedged: bool,
    /// Whether the stream may continue elsewhere when it breaks.
    pub may_resume: bool,
    /// How often the stream continued elsewhere.
    pub resumed: u32,
    /// The errors of attempts that were followed by another, oldest first; kept only where the caller may ask for them.
    pub errors: Vec<Error>,
    /// Whether something that acts was sent and may have acted although it failed: then nothing else is tried.
    pub may_have_acted: bool,
    /// Tokens of parts of an answer that broke or that nobody read to its end, reported or by estimate.
    pub partial: Option<Usage>,
}

/// Who served a call, or failed it last.
#[derive(Debug, Clone)]
pub struct Served {
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// The headers of AWS's answer.
    pub upstream_headers: HeaderMap,
    /// Time spent waiting for AWS until its answer, or the first content of a stream.
    pub upstream: Duration,
    /// Since when an attempt has been under way.
    pub waiting_since: Option<Instant>,
    /// The bound on the last attempt: the operator's, or the caller's where that was smaller.
    pub timeout: Duration,
    /// What was left out or changed in the request.
    pub warnings: Vec<String>,
}

impl Served {
    /// Opens an entry for a deployment that was chosen.
    pub(super) fn by(deployment: &Arc<Deployment>) -> Self {
        Self {
            deployment: Arc::clone(deployment),
            upstream_headers: HeaderMap::new(),
            upstream: Duration::ZERO,
            waiting_since: None,
            timeout: Duration::ZERO,
            warnings: Vec::new(),
        }
    }

    /// Returns AWS's id of the last attempt.
    pub fn aws_request_id(&self) -> Option<&str> {
        self.upstream_headers.get("x-amzn-requestid")?.to_str().ok()
    }
}

/// A group's part of a journal, put aside while its fallbacks are tried.
#[derive(Debug)]
pub(super) struct Leg {
    served: Option<Served>,
    group: Option<String>,
    serving: Option<Arc<ModelGroup>>,
    retries: u32,
    max_retries: Option<u32>,
}

impl Journal {
    /// Returns how often something was sent upstream.
    pub fn sends(&self) -> u32 {
        self.sends.load(Ordering::Relaxed)
    }

    /// Returns how many attempts have begun, each of one send or more.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Counts a send.
    pub(super) fn sent(&self) {
        self.sends.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that something that acts may have acted, although it failed.
    pub(super) fn acted(&self) {
        self.entries().may_have_acted = true;
    }

    /// Notes what a part of an answer took, beside what other parts did.
    pub(super) fn took(&self, usage: &Usage) {
        let mut entries = self.entries();
        let sum = entries.partial.get_or_insert_default();
        sum.input_tokens = sum.input_tokens.saturating_add(usage.prompt_tokens());
        sum.output_tokens = sum.output_tokens.saturating_add(usage.output_tokens);
    }

    /// Reads, or writes, what stands in it; short, and never across a wait.
    pub fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with a group.
    pub(super) fn enter(&self, hop: &Hop<'_>) {
        let mut entries = self.entries();
        if entries.group.as_ref() != Some(&hop.shown) {
            // Who failed in another group says nothing of this one.
            entries.served = None;
            entries.group = Some(hop.shown.clone());
        }
        entries.serving = Some(Arc::clone(&hop.group));
        entries.retries = 0;
        entries.max_retries = None;
        entries.may_resume = false;
    }

    /// Notes that an attempt on a deployment begins.
    pub(super) fn begins(&self, deployment: &Arc<Deployment>, now: Instant) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let mut served = Served::by(deployment);
        served.waiting_since = Some(now);
        self.entries().served = Some(served);
    }

    /// Notes how an attempt ended, or that its stream has begun.
    pub(super) fn ended(&self, served: Served) {
        self.entries().served = Some(served);
    }

    /// Says whether an agent serves the call.
    pub(super) fn is_served_by_agent(&self) -> bool {
        let entries = self.entries();
        let served = entries.served.as_ref();
        served.is_some_and(|served| served.deployment.is_agent())
    }

    /// Says whether a deployment that is a team's serves the call.
    pub(super) fn is_served_by_team(&self) -> bool {
        let entries = self.entries();
        let served = entries.served.as_ref();
        served.is_some_and(|served| served.deployment.entry.info.team_id.is_some())
    }

    /// Takes over who serves and what it took, from the journal of a call that this one shares.
    pub(super) fn copy_from(&self, other: &Self) {
        self.back_to(other.leg());
        self.sends.store(other.sends(), Ordering::Relaxed);
        let theirs = other.entries();
        let mut entries = self.entries();
        entries.fallbacks = theirs.fallbacks;
        entries.hedged = theirs.hedged;
        entries.may_resume = theirs.may_resume;
        entries.resumed = theirs.resumed;
        entries.option.clone_from(&theirs.option);
        entries.errors.clone_from(&theirs.errors);
    }

    /// Returns the journal of calls that are one request: the first one's, and what all of them took.
    pub fn sum<'a>(journals: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut journals = journals.into_iter();
        let sum = Self::default();
        if let Some(first) = journals.next() {
            sum.copy_from(first);
        }
        for other in journals {
            sum.sends.fetch_add(other.sends(), Ordering::Relaxed);
            let theirs = other.entries();
            let mut entries = sum.entries();
            entries.retries = entries.retries.saturating_add(theirs.retries);
            entries.max_retries = entries.max_retries.max(theirs.max_retries);
            entries.fallbacks = entries.fallbacks.saturating_add(theirs.fallbacks);
            entries.hedged |= theirs.hedged;
            entries.errors.extend_from_slice(&theirs.errors);
        }
        sum
    }

    /// Puts the failed group's part aside.
    pub(super) fn leg(&self) -> Leg {
        let entries = self.entries();
        Leg {
            served: entries.served.clone(),
            group: entries.group.clone(),
            serving: entries.serving.clone(),
            retries: entries.retries,
            max_retries: entries.max_retries,
        }
    }

    /// Puts a group's part back: it is its error that the client gets.
    pub(super) fn back_to(&self, leg: Leg) {
        let mut entries = self.entries();
        entries.served = leg.served;
        entries.group = leg.group;
        entries.serving = leg.serving;
        entries.retries = leg.retries;
        entries.max_retries = leg.max_retries;
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::clock::{ManualClock, SharedClock};
    use crate::config::{Config, DeploymentConfig, Environment};
    use crate::state::{Parts, Snapshot};
    use crate::upstream::{CredentialStore, Upstream, UpstreamOptions};

    fn deployment() -> (Arc<Deployment>, Instant) {
        let clock: SharedClock = Arc::new(ManualClock::at(UNIX_EPOCH));
        let options =
            UpstreamOptions::from_environment(Duration::from_secs(1), &Environment::default());
        let upstream = Arc::new(Upstream::new(options, Arc::clone(&clock)).unwrap());
        let credentials = CredentialStore::new(Arc::clone(&upstream), TaskTracker::new());
        let now = clock.now();
        let parts = Parts::new(upstream, Arc::new(credentials), clock);
        let mut entry = DeploymentConfig {
            model_name: "m".to_owned(),
            model: "bedrock/us.amazon.nova-pro-v1:0".to_owned(),
            ..DeploymentConfig::default()
        };
        entry.aws.region = Some("us-east-1".to_owned());
        let config = Config {
            deployments: vec![entry],
            ..Config::default()
        };
        let snapshot = Snapshot::build(config, None, None, &parts).unwrap();
        let group = snapshot.router.group("m").unwrap();
        (Arc::clone(&group.deployments[0]), now)
    }

    #[tokio::test]
    async fn an_attempt_of_several_sends_is_one_attempt() {
        let (deployment, now) = deployment();
        let journal = Journal::default();
        journal.begins(&deployment, now);
        for _ in 0..5 {
            journal.sent();
        }
        assert_eq!(journal.attempts(), 1);
        journal.begins(&deployment, now);
        assert_eq!((journal.attempts(), journal.sends()), (2, 5));
    }

    #[test]
    fn calls_of_one_request_are_told_together() {
        let journals = [2, 3].map(|retries| {
            let journal = Journal::default();
            journal.sent();
            journal.entries().retries = retries;
            journal
        });
        let sum = Journal::sum(&journals);
        assert_eq!((sum.sends(), sum.entries().retries), (2, 5));
        assert_eq!(journals[0].sends(), 1, "each keeps its own");
    }
}
