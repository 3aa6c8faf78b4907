//! What is booked at the end of a call, on every exit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::admit::{Header, caller_headers, group_headers};
use super::{CacheFacts, Call, Journal, Lookup, Served};
use crate::canonical::{ChatChunk, Usage};
use crate::clock::SharedClock;
use crate::error::Error;
use crate::keys::Reservation;
use crate::limit::{Meters, Permit};
use crate::telemetry::events::{CallRecord, call_finished};

/// Books a call when it is dropped, whatever ended it: the end of the answer, an error, or the client's hang-up.
#[derive(Debug)]
pub struct Settlement {
    call: Arc<Call>,
    clock: SharedClock,
    journal: Arc<Journal>,
    /// The caller's right to make the call.
    permit: Permit,
    /// What the call may cost, kept free in the budgets of the caller's key and of the whole gateway.
    reserved: Vec<Reservation>,
    is_settled: bool,
    /// The caller's limits.
    meters: Vec<Arc<Meters>>,
    cache: Option<CacheFacts>,
    /// The same in Portkey's words.
    cache_status: &'static str,
    /// `id` and `created` of an answer that was kept.
    kept: Option<(String, u64)>,
    usage: Usage,
    status: u16,
    outcome: &'static str,
    first_content: Option<Instant>,
}

impl Settlement {
    /// Opens the books of `call`. Until something is said of it, it counts as given up: the client
    /// hung up, or the process ended.
    pub fn open(call: Arc<Call>, clock: SharedClock) -> Self {
        Self {
            call,
            clock,
            journal: Arc::default(),
            permit: Permit::default(),
            reserved: Vec::new(),
            is_settled: false,
            meters: Vec::new(),
            cache: None,
            cache_status: "DISABLED",
            kept: None,
            usage: Usage::default(),
            status: 499,
            outcome: "given_up",
            first_content: None,
        }
    }

    /// Returns the call.
    pub fn call(&self) -> &Arc<Call> {
        &self.call
    }

    /// Holds the caller's permit, and knows the limits that it is of, until the call is over.
    pub(super) fn hold(&mut self, permit: Permit, meters: Vec<Arc<Meters>>) {
        self.permit = permit;
        self.meters = meters;
    }

    /// Keeps what the call may cost free in its budgets, until the call is over.
    pub(super) fn reserve(&mut self, reserved: Vec<Reservation>) {
        self.reserved = reserved;
    }

    /// Notes what looking into the cache came to.
    pub(super) fn looked_up(&mut self, lookup: &Lookup) {
        self.cache = lookup.facts();
        self.cache_status = lookup.portkey_status();
    }

    /// Notes that the answer was kept, with its first `id` and `created`.
    pub(super) fn kept(&mut self, id: String, created: u64) {
        self.kept = Some((id, created));
    }

    /// Returns `id` and `created` of an answer that was kept.
    pub fn kept_as(&self) -> Option<(&str, u64)> {
        self.kept
            .as_ref()
            .map(|(id, created)| (id.as_str(), *created))
    }

    /// Returns the word of Portkey's `-cache-status`.
    pub fn cache_status(&self) -> &'static str {
        self.cache_status
    }

    /// Returns what the client is told of the cache.
    pub fn cache_facts(&self) -> Option<&CacheFacts> {
        self.cache.as_ref()
    }

    /// Returns the headers about limits: the group's and the caller's.
    pub fn limit_headers(&self) -> Vec<Header> {
        let now = self.clock.now();
        let entries = self.journal.entries();
        let deployments = entries.serving.iter().flat_map(|group| &group.deployments);
        let mut headers = group_headers(deployments.map(|deployment| &deployment.meters), now);
        let group = entries.group.as_deref().unwrap_or_default();
        headers.extend(caller_headers(&self.meters, group, now));
        headers
    }

    /// Returns what is learned of the call.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Notes that the client got a complete answer.
    pub fn completed(&mut self) {
        self.status = 200;
        self.outcome = "ok";
    }

    /// Notes that the client got a complete answer with a status of AWS's.
    pub fn completed_as(&mut self, status: u16) {
        self.completed();
        self.status = status;
    }

    /// Notes that the client got an error; `status` is what the status line said.
    pub fn failed(&mut self, error: &Error, status: u16) {
        self.status = status;
        self.outcome = error.kind().name();
    }

    /// Notes the tokens of a whole answer. What came of attempts before it counts too: it was billed.
    pub fn used(&mut self, usage: Usage) {
        if self.call.request.operation().tells_tokens() {
            let before = self.journal.entries().partial.unwrap_or_default();
            self.permit.settle_usage(&usage.plus(&before));
        } else {
            self.permit.settle_at_estimate();
        }
        self.is_settled = true;
        self.usage = usage;
    }

    /// Takes what the call used from its limits: what its answer said, or the part of it that came.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        if self.usage == Usage::default() {
            self.usage = self.journal.entries().partial.unwrap_or_default();
        }
        self.permit.settle_usage(&self.usage);
    }

    /// Gives back what the call holds, because it is over although its books are still needed.
    pub fn make_room(&mut self) {
        self.settle();
        self.permit = Permit::default();
        self.reserved = Vec::new();
    }

    /// Notes that something of the answer has come.
    pub fn saw_content(&mut self) {
        self.first_content.get_or_insert_with(|| self.clock.now());
    }

    /// Notes what a chunk says: tokens, and that content has begun.
    pub fn saw(&mut self, chunk: &ChatChunk) {
        if let ChatChunk::Usage { usage, .. } = chunk {
            self.usage = *usage;
        } else if self.first_content.is_none() && chunk.is_content() {
            self.first_content = Some(self.clock.now());
        }
    }

    /// Returns how long the call has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.clock
            .now()
            .saturating_duration_since(self.call.received)
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        self.settle();
        let entries = self.journal.entries();
        let served = entries.served.as_ref();
        let span = &self.call.span;
        span.record("http.response.status_code", self.status);
        span.record("gen_ai.usage.input_tokens", self.usage.prompt_tokens());
        span.record("gen_ai.usage.output_tokens", self.usage.output_tokens);
        if self.outcome != "ok" {
            span.record("error.type", self.outcome);
        }
        let snapshot = &self.call.snapshot;
        let deployment = served.map(|served| &served.deployment.metrics);
        let asked = || snapshot.router.group(&self.call.model)?.metrics();
        let group = deployment.map(|deployment| &deployment.group);
        let group = group
            .or_else(asked)
            .unwrap_or(&snapshot.metrics.other().group);
        // A call that was refused before its group says which it asked for, if there is one.
        let refused = if entries.group.is_none() {
            let key = self.call.identity.key();
            let name = key.map_or(self.call.model.as_str(), |key| key.rename(&self.call.model));
            let resolved = snapshot.router.resolve(name, self.call.asker());
            resolved.map(|resolved| resolved.shown)
        } else {
            None
        };
        let record = CallRecord {
            call_id: &self.call.id,
            model_group: (entries.group.as_deref().or(refused.as_deref())).unwrap_or_default(),
            model_id: served.map_or("", |served| served.deployment.id.as_str()),
            status: self.status,
            outcome: self.outcome,
            stream: self.call.request.is_streamed(),
            duration: self.elapsed(),
            upstream: served.map_or(Duration::ZERO, |served| {
                let waiting = served
                    .waiting_since
                    .map(|since| self.clock.now().saturating_duration_since(since));
                waiting.unwrap_or(served.upstream)
            }),
            first_content: self
                .first_content
                .map(|at| at.saturating_duration_since(self.call.received)),
            usage: self.usage,
            attempts: self.journal.sends(),
            retries: entries.retries,
            fallbacks: entries.fallbacks,
            cache_hit: self.cache.as_ref().map(|facts| facts.hit),
            aws_request_id: served.and_then(Served::aws_request_id).unwrap_or(""),
        };
        call_finished(group, deployment.map(Arc::as_ref), &record);
    }
}
