//! Metrics: what was counted, and how it is written for Prometheus.
//!
//! A [`Metrics`] lives as long as the process. Model groups and deployments hold handles to their own series
//! ([`GroupMetrics`], [`DeploymentMetrics`]), found once when a snapshot is built, so that counting in a call is an atomic
//! addition. A handle is the same in every snapshot that has its owner; with the last one go its series. Gauges are not
//! kept here: whoever is asked for metrics reads them from what is in force ([`Levels`]).
//!
//! Nothing outside this folder counts by hand: [`super::events`] has a function for each event.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};

use super::levels::Levels;
use super::names::{self, API_PROVIDER, METRICS, Metric, MetricKind, OTHER};
use super::series::{Counters, Durations};

/// What the text of an answer to a scrape is.
/// Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of a histogram's buckets, in seconds: LiteLLM's.
const BUCKETS: [f64; 17] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 420.0,
    600.0,
];

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    shared: Arc<Shared>,
    other: Arc<DeploymentMetrics>,
    pub(super) queue_wait: Histogram,
    pub(super) request_queue_time: Histogram,
    pub(super) shed: IntCounter,
    pub(super) limit_rejections: Counters,
    pub(super) reloads: Counters,
    pub(super) store_errors: Counters,
}

/// What handles need of the whole.
struct Shared {
    counters: HashMap<&'static str, IntCounterVec>,
    histograms: HashMap<&'static str, HistogramVec>,
    groups: Mutex<HashMap<String, Weak<GroupMetrics>>>,
    deployments: Mutex<HashMap<DeploymentKey, Weak<DeploymentMetrics>>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

/// Whose series they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeploymentKey {
    /// The model group's name.
    pub group: String,
    /// The deployment's id.
    pub id: String,
    /// `litellm_params.model`.
    pub model: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Makes metrics in which nothing is counted yet.
    pub fn new() -> Self {
        let registry = Registry::new();
        let (mut counters, mut histograms) = (HashMap::new(), HashMap::new());
        for &metric in METRICS {
            match metric.kind {
                MetricKind::Counter => {
                    counters.insert(metric.name, registered(&registry, counter(metric)));
                }
                MetricKind::Histogram => {
                    histograms.insert(metric.name, registered(&registry, histogram(metric)));
                }
                MetricKind::Gauge => {}
            }
        }
        let shared = Arc::new(Shared {
            counters,
            histograms,
            groups: Mutex::default(),
            deployments: Mutex::default(),
        });
        let alone: [&str; 0] = [];
        let single = |metric: Metric| shared.histogram(metric).with_label_values(&alone);
        Self {
            other: shared.deployment(&DeploymentKey {
                group: OTHER.to_owned(),
                id: OTHER.to_owned(),
                model: OTHER.to_owned(),
            }),
            queue_wait: single(names::QUEUE_WAIT),
            request_queue_time: single(names::REQUEST_QUEUE_TIME),
            shed: shared.counter(names::SHED).with_label_values(&alone),
            limit_rejections: Counters::new(shared.counter(names::LIMIT_REJECTIONS), &[]),
            reloads: Counters::new(shared.counter(names::CONFIG_RELOAD), &[]),
            store_errors: Counters::new(shared.counter(names::STORE_ERRORS), &[]),
            registry,
            shared,
        }
    }

    /// Returns the handle of a model group.
    pub fn group(&self, name: &str) -> Arc<GroupMetrics> {
        self.shared.group(name)
    }

    /// Returns the handle of a deployment.
    pub fn deployment(&self, key: &DeploymentKey) -> Arc<DeploymentMetrics> {
        self.shared.deployment(key)
    }

    /// Returns the handle of everything that is not configured: names that stand for nothing, and deployments that callers
    /// describe themselves.
    pub fn other(&self) -> &Arc<DeploymentMetrics> {
        &self.other
    }

    /// Writes everything in the text format of Prometheus. Metrics that have nothing yet are named all the same.
    pub fn text(&self, levels: &Levels) -> String {
        let gauges = Registry::new();
        levels.fill(&gauges);
        let mut families = self.registry.gather();
        families.extend(gauges.gather());
        families.sort_by(|one, other| one.name().cmp(other.name()));
        let mut text = String::with_capacity(16 * 1024);
        if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut text) {
            tracing::warn!(%error, "metrics could not be written");
        }
        for &metric in METRICS {
            if !families.iter().any(|family| family.name() == metric.name) {
                let Metric { name, help, .. } = metric;
                let kind = metric.kind.name();
                // Writing into a string cannot fail.
                let _written = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            }
        }
        text
    }
}

fn counter(metric: Metric) -> IntCounterVec {
    made(IntCounterVec::new(
        Opts::new(metric.name, metric.help),
        metric.labels,
    ))
}

fn histogram(metric: Metric) -> HistogramVec {
    let options = HistogramOpts::new(metric.name, metric.help).buckets(BUCKETS.to_vec());
    made(HistogramVec::new(options, metric.labels))
}

#[expect(
    clippy::expect_used,
    reason = "names, labels and buckets are constants; a test makes all of them"
)]
pub(super) fn made<T>(result: prometheus::Result<T>) -> T {
    result.expect("a metric of the table can be made")
}

pub(super) fn registered<T: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: T,
) -> T {
    made(registry.register(Box::new(metric.clone())));
    metric
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn group(self: &Arc<Self>, name: &str) -> Arc<GroupMetrics> {
        let mut groups = lock(&self.groups);
        if let Some(known) = groups.get(name).and_then(Weak::upgrade) {
            return known;
        }
        let made = Arc::new(GroupMetrics::new(name, self));
        groups.insert(name.to_owned(), Arc::downgrade(&made));
        made
    }

    fn deployment(self: &Arc<Self>, key: &DeploymentKey) -> Arc<DeploymentMetrics> {
        let group = self.group(&key.group);
        let mut deployments = lock(&self.deployments);
        if let Some(known) = deployments.get(key).and_then(Weak::upgrade) {
            return known;
        }
        let made = Arc::new(DeploymentMetrics::new(key.clone(), group, self));
        deployments.insert(key.clone(), Arc::downgrade(&made));
        made
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "every counter and histogram of the table is there; a test asks for each"
)]
impl Shared {
    fn counter(&self, metric: Metric) -> &IntCounterVec {
        &self.counters[metric.name]
    }

    fn histogram(&self, metric: Metric) -> &HistogramVec {
        &self.histograms[metric.name]
    }
}

/// The series of one model group.
#[derive(Debug)]
pub struct GroupMetrics {
    name: String,
    shared: Arc<Shared>,
    pub(super) retries: Counters,
    pub(super) fallbacks: Counters,
    pub(super) fallback_successes: Counters,
    pub(super) fallback_failures: Counters,
    pub(super) refused: Counters,
    pub(super) hedges: Counters,
    pub(super) resumes: Counters,
    pub(super) cache_lookups: Counters,
    pub(super) requests: Counters,
    pub(super) failures: Counters,
}

impl GroupMetrics {
    fn new(name: &str, shared: &Arc<Shared>) -> Self {
        let own = |metric| Counters::new(shared.counter(metric), &[name]);
        Self {
            retries: own(names::RETRIES),
            fallbacks: own(names::FALLBACKS),
            fallback_successes: own(names::FALLBACK_SUCCESSES),
            fallback_failures: own(names::FALLBACK_FAILURES),
            refused: own(names::RETRY_BUDGET_REFUSED),
            hedges: own(names::HEDGES),
            resumes: own(names::STREAM_RESUMES),
            cache_lookups: own(names::CACHE_LOOKUPS),
            requests: own(names::PROXY_REQUESTS),
            failures: own(names::PROXY_FAILURES),
            name: name.to_owned(),
            shared: Arc::clone(shared),
        }
    }

    /// Returns the model group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn counters(&self) -> [&Counters; 10] {
        [
            &self.retries,
            &self.fallbacks,
            &self.fallback_successes,
            &self.fallback_failures,
            &self.refused,
            &self.hedges,
            &self.resumes,
            &self.cache_lookups,
            &self.requests,
            &self.failures,
        ]
    }
}

impl Drop for GroupMetrics {
    fn drop(&mut self) {
        // Another handle of that name may have been made in between; then the series are that one's.
        let mut groups = lock(&self.shared.groups);
        if groups.get(&self.name).is_some_and(is_gone) {
            groups.remove(&self.name);
            self.counters().into_iter().for_each(Counters::forget);
        }
    }
}

fn is_gone<T>(handle: &Weak<T>) -> bool {
    handle.strong_count() == 0
}

/// The series of one deployment.
#[derive(Debug)]
pub struct DeploymentMetrics {
    key: DeploymentKey,
    /// Those of its model group.
    pub group: Arc<GroupMetrics>,
    shared: Arc<Shared>,
    pub(super) attempts: Counters,
    pub(super) cooldowns: Counters,
    pub(super) cooled_down: Counters,
    pub(super) health_checks: Counters,
    pub(super) totals: Counters,
    pub(super) successes: Counters,
    pub(super) failures: Counters,
    pub(super) requests: Counters,
    pub(super) tokens: TokenCounters,
    pub(super) request_latency: Durations,
    pub(super) api_latency: Durations,
    pub(super) first_token: Durations,
    pub(super) overhead: Durations,
    pub(super) per_token: Durations,
}

/// Tokens of one deployment.
#[derive(Debug)]
pub(super) struct TokenCounters {
    pub(super) total: Counters,
    pub(super) input: Counters,
    pub(super) output: Counters,
    pub(super) cached: Counters,
    pub(super) cache_creation: Counters,
    pub(super) reasoning: Counters,
}

impl DeploymentMetrics {
    fn new(key: DeploymentKey, group: Arc<GroupMetrics>, shared: &Arc<Shared>) -> Self {
        let ours = [key.group.as_str(), &key.id];
        let with_group = [key.group.as_str(), &key.model, &key.id, API_PROVIDER];
        let without_group = [key.model.as_str(), &key.id, API_PROVIDER];
        let counters = |metric, own: &[&str]| Counters::new(shared.counter(metric), own);
        let durations = |metric, own: &[&str]| Durations::new(shared.histogram(metric), own);
        Self {
            attempts: counters(names::ATTEMPTS, &ours),
            cooldowns: counters(names::COOLDOWNS, &ours),
            health_checks: counters(names::HEALTH_CHECKS, &ours),
            cooled_down: counters(names::DEPLOYMENT_COOLED_DOWN, &without_group),
            totals: counters(names::DEPLOYMENT_REQUESTS, &with_group),
            successes: counters(names::DEPLOYMENT_SUCCESSES, &with_group),
            failures: counters(names::DEPLOYMENT_FAILURES, &with_group),
            requests: counters(names::REQUESTS, &with_group),
            tokens: TokenCounters {
                total: counters(names::TOTAL_TOKENS, &with_group),
                input: counters(names::INPUT_TOKENS, &with_group),
                output: counters(names::OUTPUT_TOKENS, &with_group),
                cached: counters(names::INPUT_CACHED_TOKENS, &with_group),
                cache_creation: counters(names::CACHE_CREATION_TOKENS, &with_group),
                reasoning: counters(names::REASONING_TOKENS, &with_group),
            },
            request_latency: durations(names::REQUEST_LATENCY, &with_group),
            api_latency: durations(names::API_LATENCY, &with_group),
            first_token: durations(names::FIRST_TOKEN, &with_group),
            overhead: durations(names::OVERHEAD, &with_group),
            per_token: durations(names::LATENCY_PER_TOKEN, &without_group),
            shared: Arc::clone(shared),
            group,
            key,
        }
    }

    /// Returns whose series they are.
    pub fn key(&self) -> &DeploymentKey {
        &self.key
    }

    fn counters(&self) -> [&Counters; 14] {
        [
            &self.attempts,
            &self.cooldowns,
            &self.cooled_down,
            &self.health_checks,
            &self.totals,
            &self.successes,
            &self.failures,
            &self.requests,
            &self.tokens.total,
            &self.tokens.input,
            &self.tokens.output,
            &self.tokens.cached,
            &self.tokens.cache_creation,
            &self.tokens.reasoning,
        ]
    }

    fn durations(&self) -> [&Durations; 5] {
        [
            &self.request_latency,
            &self.api_latency,
            &self.first_token,
            &self.overhead,
            &self.per_token,
        ]
    }
}

impl Drop for DeploymentMetrics {
    fn drop(&mut self) {
        // As for groups.
        let mut deployments = lock(&self.shared.deployments);
        if deployments.get(&self.key).is_some_and(is_gone) {
            deployments.remove(&self.key);
            self.counters().into_iter().for_each(Counters::forget);
            self.durations().into_iter().for_each(Durations::forget);
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
