//! What all connections of one simulator share.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;

use super::Options;
use super::auth::Authenticator;
use super::calls::{CallLog, Outcome};
use super::keys::KeyRing;

/// Prompt prefixes remembered for cache usage; the set starts again when it is full.
const MAX_CACHED_PREFIXES: usize = 10_000;
/// Fault counters kept; a test run uses a few dozen.
const MAX_FAULT_COUNTERS: usize = 10_000;

/// Asynchronous jobs remembered.
const MAX_JOBS: usize = 1000;

/// The simulator's memory.
pub(super) struct Shared {
    pub(super) auth: Authenticator,
    pub(super) calls: CallLog,
    pub(super) token_delay: Duration,
    pub(super) sts_lifetime: Option<Duration>,
    pub(super) calls_total: AtomicU64,
    pub(super) sts_calls_total: AtomicU64,
    pub(super) open_streams: AtomicUsize,
    pub(super) cancelled_streams: AtomicU64,
    fault_counts: Mutex<HashMap<String, u64>>,
    cached_prefixes: Mutex<HashSet<u64>>,
    /// What was started to be answered later, by its ARN.
    jobs: Mutex<HashMap<String, serde_json::Value>>,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let keys = KeyRing::new(options.keys);
        Self {
            auth: Authenticator::new(keys, options.bearer_keys, options.accept_any_bearer),
            calls: CallLog::new(options.record_calls),
            token_delay: options.token_delay,
            sts_lifetime: options.sts_lifetime,
            calls_total: AtomicU64::new(0),
            sts_calls_total: AtomicU64::new(0),
            open_streams: AtomicUsize::new(0),
            cancelled_streams: AtomicU64::new(0),
            fault_counts: Mutex::default(),
            cached_prefixes: Mutex::default(),
            jobs: Mutex::default(),
        }
    }

    /// Counts one use of a limited fault and says whether it still strikes.
    pub(super) fn strikes(&self, scope: &str, limit: u64) -> bool {
        let mut counts = lock(&self.fault_counts);
        if counts.len() > MAX_FAULT_COUNTERS {
            counts.clear();
        }
        let count = counts.entry(scope.to_owned()).or_default();
        *count += 1;
        *count <= limit
    }

    /// Forgets how often limited faults have struck.
    pub(super) fn reset_faults(&self) {
        lock(&self.fault_counts).clear();
    }

    /// Remembers what was started, by its ARN; starts again when there are too many.
    pub(super) fn keep_job(&self, arn: &str, job: serde_json::Value) {
        let mut jobs = lock(&self.jobs);
        if jobs.len() > MAX_JOBS {
            jobs.clear();
        }
        jobs.insert(arn.to_owned(), job);
    }

    /// Returns what was started under this ARN.
    pub(super) fn job(&self, arn: &str) -> Option<serde_json::Value> {
        lock(&self.jobs).get(arn).cloned()
    }

    /// Remembers a prompt prefix and says whether it was known before, that is, cached.
    pub(super) fn remember_prefix(&self, prefix: u64) -> bool {
        let mut prefixes = lock(&self.cached_prefixes);
        if prefixes.len() > MAX_CACHED_PREFIXES {
            prefixes.clear();
        }
        !prefixes.insert(prefix)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes an id shaped like AWS's request ids; the same calls in the same order get the same ids.
pub(super) fn request_id(call_number: u64) -> HeaderValue {
    let text = format!(
        "51300000-0000-4000-8000-{:012x}",
        call_number & 0xffff_ffff_ffff
    );
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// A deterministic 64-bit hash; the standard hasher with its fixed default keys.
pub(super) fn hash_of<T: Hash + ?Sized>(value: &T) -> u64 {
    // `new` has fixed keys, unlike the hasher of a map.
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// One response that is still being sent, counted from when it is made until it is dropped.
pub(super) struct OpenStream {
    shared: Arc<Shared>,
    outcome: Outcome,
    finished: bool,
}

impl OpenStream {
    pub(super) fn new(shared: Arc<Shared>, outcome: Outcome) -> Self {
        shared.open_streams.fetch_add(1, Ordering::AcqRel);
        Self {
            shared,
            outcome,
            finished: false,
        }
    }

    /// Notes that the simulator itself ended the stream, as scripted.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.cancelled_streams.fetch_add(1, Ordering::AcqRel);
        }
        self.outcome.close(self.finished);
        // Last, so that whoever sees no open stream also sees the other counts.
        self.shared.open_streams.fetch_sub(1, Ordering::AcqRel);
    }
}
