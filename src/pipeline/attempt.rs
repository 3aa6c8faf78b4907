//! One attempt, from the pick of its deployment to the end of its answer.
//!
//! The guard travels with the answer, into the stream if it is one. Whatever ends it, the books are right: a success or a
//! failure is told to the deployment before the next pick, a probe that came to nothing is due again, and the permit and the
//! count of calls under way go with the guard.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::canonical::Usage;
use crate::clock::SharedClock;
use crate::error::Error;
use crate::limit::Permit;
use crate::router::{
    CooldownRules, Deployment, GroupRuntime, InFlight, LastError, Picked, RetryCost, Sample,
};
use crate::state::Snapshot;

/// An attempt under way.
#[derive(Debug)]
pub(super) struct Attempt {
    deployment: Arc<Deployment>,
    group: Arc<GroupRuntime>,
    snapshot: Arc<Snapshot>,
    clock: SharedClock,
    in_flight: InFlight,
    permit: Permit,
    alone: bool,
    timeout_by_caller: bool,
    /// What the retry took from the group's budget.
    retry_cost: Option<RetryCost>,
    sent: Instant,
    first_content: Option<Instant>,
    is_over: bool,
}

/// What an attempt begins with.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) picked: &'a Picked,
    pub(super) group: &'a Arc<GroupRuntime>,
    pub(super) snapshot: &'a Arc<Snapshot>,
    pub(super) clock: &'a SharedClock,
    pub(super) permit: Permit,
    /// Whether the group has no other deployment.
    pub(super) alone: bool,
    pub(super) retry_cost: Option<RetryCost>,
}

impl Attempt {
    /// Begins.
    pub(super) fn begin(start: Start<'_>) -> Self {
        let deployment = Arc::clone(&start.picked.deployment);
        start.group.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            in_flight: deployment.runtime.begin(start.picked.pass),
            deployment,
            group: Arc::clone(start.group),
            snapshot: Arc::clone(start.snapshot),
            sent: start.clock.now(),
            clock: Arc::clone(start.clock),
            permit: start.permit,
            alone: start.alone,
            timeout_by_caller: false,
            retry_cost: start.retry_cost,
            first_content: None,
            is_over: false,
        }
    }

    /// Returns the deployment.
    pub(super) fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
    }

    /// Notes that the caller chose the timeout that will end it.
    pub(super) fn bound_by_caller(&mut self) {
        self.timeout_by_caller = true;
    }

    /// Notes that content has come: a probe has succeeded, although its stream goes on.
    pub(super) fn content_came(&mut self) {
        let now = self.clock.now();
        self.first_content = Some(now);
        self.deployment
            .runtime
            .breaker
            .succeeded(self.in_flight.pass, now);
        self.in_flight.pass.probe = false;
    }

    /// Ends it well.
    pub(super) fn succeeded(&mut self, usage: Usage) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let now = self.clock.now();
        let runtime = &self.deployment.runtime;
        if self.first_content.is_none() {
            runtime.breaker.succeeded(self.in_flight.pass, now);
        }
        let since = |at: Instant| at.saturating_duration_since(self.sent);
        runtime.learn(
            Sample {
                elapsed: since(now),
                first_content: self.first_content.map(since),
                input_tokens: usage.prompt_tokens(),
                output_tokens: usage.output_tokens,
            },
            now,
        );
        self.permit
            .settle(usage.prompt_tokens(), usage.output_tokens);
        if let (Some(budget), Some(config)) = (
            &self.group.retry_budget,
            self.snapshot.config.router.retry_budget,
        ) {
            budget.succeeded(self.retry_cost, config);
        }
    }

    /// Ends it badly; the deployment may cool down before this returns.
    pub(super) fn failed(&mut self, error: &Error) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let now = self.clock.now();
        let runtime = &self.deployment.runtime;
        runtime.note_error(LastError {
            kind: error.kind(),
            status: error.status().as_u16(),
            at: self.clock.wall(),
        });
        let rules = CooldownRules {
            settings: &self.snapshot.config.router.cooldown,
            limits: &self.deployment.entry.limits,
            alone: self.alone,
            timeout_by_caller: self.timeout_by_caller,
        };
        let _cooled = runtime
            .breaker
            .failed(error, self.in_flight.pass, rules, now);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.group.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.is_over {
            self.deployment
                .runtime
                .breaker
                .abandoned(self.in_flight.pass, self.clock.now());
        }
    }
}
