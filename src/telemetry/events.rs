//! What is said when something happens: one function per event, which counts it, adds it to the trace and writes the line.
//!
//! What is added to a trace belongs to the span that is entered: call these within the call's or the attempt's. What
//! happens for many calls at once (retries, refusals by limits) is logged at debug level; its numbers are in the metrics.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::metrics::{DeploymentMetrics, GroupMetrics, Metrics};
use super::names::{CALL_TARGET, TRACE_TARGET};
use crate::canonical::Usage;
use crate::error::{Error, ErrorKind};

/// What is said of one call when it is over.
#[derive(Debug, Default)]
pub struct CallRecord<'a> {
    /// The call's id.
    pub call_id: &'a str,
    /// The model name that the client asked for, once it is known to stand for something.
    pub model_group: &'a str,
    /// The deployment that served, or failed last.
    pub model_id: &'a str,
    /// The HTTP status that the client got.
    pub status: u16,
    /// `ok`, `given_up`, or the kind of error.
    pub outcome: &'a str,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// Of that, spent waiting for AWS.
    pub upstream: Duration,
    /// Until the first content, for streams.
    pub first_content: Option<Duration>,
    /// Tokens, as the model reported them.
    pub usage: Usage,
    /// Sends upstream.
    pub attempts: u32,
    /// Retries in the group that answered.
    pub retries: u32,
    /// Fallback targets and tiers tried.
    pub fallbacks: u32,
    /// Whether the answer came out of the response cache; `None` where the cache did not look.
    pub cache_hit: Option<bool>,
    /// AWS's request id.
    pub aws_request_id: &'a str,
}

/// Says that a call was refused before it began: its key, its body, or no room for it.
pub fn call_refused(metrics: &Metrics, call_id: &str, error: &Error, duration: Duration) {
    let (status, kind) = (error.status(), error.kind().name());
    let group = &metrics.other().group;
    group.requests.count(&[status.as_str()]);
    group.failures.count(&[status.as_str(), kind]);
    tracing::info!(
        target: CALL_TARGET,
        call_id,
        status = status.as_u16(),
        outcome = kind,
        duration_ms = millis(duration),
        "call refused"
    );
}

/// Says that a call is over. `group` is the one that was asked for, or that of everything unknown; `deployment` the one that
/// answered, or failed last.
pub fn call_finished(
    group: &GroupMetrics,
    deployment: Option<&DeploymentMetrics>,
    record: &CallRecord<'_>,
) {
    count_call(group, deployment, record);
    tracing::info!(
        target: CALL_TARGET,
        call_id = record.call_id,
        model_group = record.model_group,
        model_id = record.model_id,
        status = record.status,
        outcome = record.outcome,
        stream = record.stream,
        duration_ms = millis(record.duration),
        upstream_ms = millis(record.upstream),
        first_content_ms = record.first_content.map(millis),
        prompt_tokens = record.usage.prompt_tokens(),
        completion_tokens = record.usage.output_tokens,
        attempts = record.attempts,
        retries = record.retries,
        fallbacks = record.fallbacks,
        cache_hit = record.cache_hit,
        aws_request_id = record.aws_request_id,
        "call finished"
    );
}

fn count_call(
    group: &GroupMetrics,
    deployment: Option<&DeploymentMetrics>,
    record: &CallRecord<'_>,
) {
    let status = StatusCode::from_u16(record.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let is_ok = record.outcome == "ok";
    group.requests.count(&[status.as_str()]);
    if !is_ok {
        group.failures.count(&[status.as_str(), record.outcome]);
    }
    if let Some(hit) = record.cache_hit {
        let outcome = if hit { "hit" } else { "miss" };
        group.cache_lookups.count(&[outcome]);
    }
    let Some(deployment) = deployment else { return };
    // A call that was cut has used tokens too.
    let usage = &record.usage;
    let tokens = &deployment.tokens;
    for (counter, amount) in [
        (&tokens.total, usage.total_tokens()),
        (&tokens.input, usage.prompt_tokens()),
        (&tokens.output, usage.output_tokens),
        (&tokens.cached, usage.cache_read_tokens),
        (&tokens.cache_creation, usage.cache_write_tokens),
        (&tokens.reasoning, usage.reasoning_tokens.unwrap_or(0)),
    ] {
        if amount > 0 {
            counter.add(&[], amount);
        }
    }
    if let Some(first_content) = record.first_content.filter(|_| record.stream) {
        deployment.first_token.observe(first_content);
    }
    if !is_ok {
        return;
    }
    deployment.requests.count(&[]);
    deployment.request_latency.observe(record.duration);
    if !record.stream {
        let overhead = record.duration.saturating_sub(record.upstream);
        deployment.overhead.observe(overhead);
    }
    let generated = u32::try_from(usage.output_tokens).unwrap_or(u32::MAX);
    if let Some(each) = record.duration.checked_div(generated) {
        deployment.per_token.observe(each);
    }
}

/// Says that a send to a deployment is over: answered to its end, or failed. One that its client gave up is neither.
pub fn attempt_finished(
    deployment: &DeploymentMetrics,
    outcome: Result<(), &Error>,
    elapsed: Duration,
) {
    deployment.totals.count(&[]);
    match outcome {
        Ok(()) => {
            deployment.attempts.count(&["ok"]);
            deployment.successes.count(&[]);
            deployment.api_latency.observe(elapsed);
        }
        Err(error) => {
            let (kind, status) = (error.kind().name(), error.status());
            deployment.attempts.count(&[kind]);
            deployment.failures.count(&[status.as_str(), kind]);
            tracing::debug!(
                model_id = deployment.key().id,
                kind,
                status = status.as_u16(),
                elapsed_ms = millis(elapsed),
                "attempt failed"
            );
        }
    }
}

/// Says that a call is tried again in its group.
pub fn retry_made(group: &GroupMetrics, reason: ErrorKind) {
    let (model_group, reason) = (group.name(), reason.name());
    group.retries.count(&[reason]);
    tracing::info!(target: TRACE_TARGET, model_group, reason, "switchyard.retry");
    tracing::debug!(model_group, reason, "retrying");
}

/// Says that a retry was not made because the group's retry budget is empty.
pub fn retry_refused(group: &GroupMetrics) {
    let model_group = group.name();
    group.refused.count(&[]);
    tracing::info!(target: TRACE_TARGET, model_group, "switchyard.retry_refused");
    tracing::debug!(model_group, "the retry budget is empty");
}

/// Says that a call goes on in another group, `target`, after `group` failed.
pub fn fallback_made(group: &GroupMetrics, target: &str, reason: ErrorKind) {
    let (model_group, reason) = (group.name(), reason.name());
    group.fallbacks.count(&[target, reason]);
    tracing::info!(target: TRACE_TARGET, model_group, fallback = target, reason, "switchyard.fallback");
    tracing::debug!(model_group, fallback = target, reason, "falling back");
}

/// Says what became of a fallback.
pub fn fallback_finished(group: &GroupMetrics, target: &str, outcome: Result<(), ErrorKind>) {
    match outcome {
        Ok(()) => group.fallback_successes.count(&[target]),
        Err(_) => group.fallback_failures.count(&[target]),
    }
}

/// What became of a hedge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeOutcome {
    /// It answered first.
    Won,
    /// The first attempt did, or both failed.
    Lost,
}

impl HedgeOutcome {
    /// Returns the name as the metric has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

/// Says what became of a hedge.
pub fn hedge_finished(group: &GroupMetrics, outcome: HedgeOutcome) {
    let (model_group, outcome) = (group.name(), outcome.name());
    group.hedges.count(&[outcome]);
    tracing::info!(target: TRACE_TARGET, model_group, outcome, "switchyard.hedge");
    tracing::debug!(model_group, outcome, "hedge finished");
}

/// Says what became of the attempt to continue a broken stream elsewhere.
pub fn stream_resumed(group: &GroupMetrics, outcome: Result<(), ErrorKind>) {
    let outcome = outcome.map_or_else(ErrorKind::name, |()| "ok");
    let model_group = group.name();
    group.resumes.count(&[outcome]);
    tracing::info!(target: TRACE_TARGET, model_group, outcome, "switchyard.stream_resume");
    tracing::debug!(model_group, outcome, "stream resumed");
}

/// Says that a limit had no room for a call: whose (`deployment`, `key`, `team`, …) and which (`rpm`, `tpm`, …).
pub fn limit_rejected(metrics: &Metrics, scope: &'static str, limit: &'static str) {
    metrics.limit_rejections.count(&[scope, limit]);
    tracing::info!(target: TRACE_TARGET, scope, limit, "switchyard.limit");
    tracing::debug!(scope, limit, "a limit has no room");
}

/// Says that a call was turned away because the process serves as many as it may.
pub fn call_shed(metrics: &Metrics) {
    metrics.shed.inc();
    tracing::debug!("call shed");
}

/// Says what a health check came to.
pub fn health_checked(deployment: &DeploymentMetrics, outcome: Result<(), ErrorKind>) {
    let outcome = outcome.map_or_else(ErrorKind::name, |()| "ok");
    deployment.health_checks.count(&[outcome]);
}

/// Says that a deployment is unhealthy now, or healthy again.
pub fn health_changed(deployment: &DeploymentMetrics, failure: Option<&Error>) {
    let (model_group, model_id) = (&deployment.key().group, &deployment.key().id);
    let Some(error) = failure else {
        tracing::info!(model_group, model_id, "deployment is healthy again");
        return;
    };
    tracing::warn!(
        model_group,
        model_id,
        error = error.kind().name(),
        status = error.status().as_u16(),
        "deployment failed its health check"
    );
}

/// Says that a deployment is left out for `duration` after `error`, for the `step`th time in a row.
pub fn cooled_down(deployment: &DeploymentMetrics, error: &Error, duration: Duration, step: u32) {
    let (reason, status) = (error.kind().name(), error.status());
    let key = deployment.key();
    deployment.cooldowns.count(&[reason]);
    deployment.cooled_down.count(&[status.as_str()]);
    tracing::info!(target: TRACE_TARGET, model_id = key.id, reason, step, "switchyard.cooldown");
    tracing::info!(
        model_group = key.group,
        model_id = key.id,
        reason,
        status = status.as_u16(),
        duration_ms = millis(duration),
        step,
        "deployment cools down"
    );
}

/// Says how long a call waited for a free slot, whether it got one or not.
pub fn queue_waited(metrics: &Metrics, duration: Duration) {
    metrics.queue_wait.observe(duration.as_secs_f64());
    metrics.request_queue_time.observe(duration.as_secs_f64());
    let waited_ms = millis(duration);
    tracing::info!(target: TRACE_TARGET, waited_ms, "switchyard.queued");
}

/// What is said of a reload. Names of keys and ids only; never a value.
#[derive(Debug, Default)]
pub struct ReloadRecord<'a> {
    /// Who asked for it: `file`, `signal`, `endpoint`.
    pub trigger: &'a str,
    /// `applied` or `unchanged`.
    pub result: &'a str,
    /// The snapshot in force.
    pub generation: u64,
    /// The hash of its files.
    pub config_hash: &'a str,
    /// Ids of deployments that came.
    pub added: &'a [&'a str],
    /// Ids of deployments that went.
    pub removed: &'a [&'a str],
    /// Ids of deployments that changed, each with its keys.
    pub changed: &'a [String],
    /// Keys that changed elsewhere.
    pub settings_changed: &'a [String],
    /// Keys whose change takes effect at the next start.
    pub needs_restart: &'a [String],
    /// How many warnings the files have.
    pub warnings: usize,
}

/// Says that a reload is over and the file, as it is now, is in force.
pub fn config_reloaded(metrics: &Metrics, record: &ReloadRecord<'_>) {
    metrics.reloads.count(&[record.result]);
    tracing::info!(
        trigger = record.trigger,
        result = record.result,
        generation = record.generation,
        config_hash = record.config_hash,
        added = %Listed(record.added),
        removed = %Listed(record.removed),
        changed = %Listed(record.changed),
        settings_changed = %Listed(record.settings_changed),
        needs_restart = %Listed(record.needs_restart),
        warnings = record.warnings,
        "configuration reloaded"
    );
    if !record.needs_restart.is_empty() {
        tracing::warn!(keys = %Listed(record.needs_restart), "a changed setting requires restart");
    }
}

/// Says that a reload was rejected; what was in force stays. `findings` is said once per content of the files, so the
/// second time it is `None`; all of them are one line.
pub fn config_rejected(metrics: &Metrics, trigger: &str, findings: Option<&str>) {
    metrics.reloads.count(&["rejected"]);
    if let Some(findings) = findings {
        tracing::error!(
            trigger,
            result = "rejected",
            findings,
            "configuration rejected, the previous one stays in force"
        );
    } else {
        tracing::debug!(trigger, "configuration rejected again");
    }
}

/// Says that an operation of the shared store failed. What follows from it is up to who asked for it.
pub fn store_error(metrics: &Metrics, operation: &'static str, error: &dyn fmt::Display) {
    metrics.store_errors.count(&[operation]);
    tracing::debug!(operation, %error, "the shared store failed");
}

/// Says that the shared store cannot be used; once, until it can be again.
pub fn store_away(reason: &str) {
    tracing::warn!(reason, "shared store away, carrying on alone");
}

/// Says that the shared store can be used again.
pub fn store_back() {
    tracing::info!("shared store back");
}

/// A list in one line, for a field of the log.
struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}

/// Milliseconds, rounded to three decimals.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
