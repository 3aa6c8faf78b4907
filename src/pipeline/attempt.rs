//! One attempt, from the pick of its deployment to the end of its answer.
//!
//! The guard travels with the answer, into the stream if it is one. Whatever ends it, the books are right: a success or a
//! failure is told to the deployment before the next pick, a probe that came to nothing is due again, and the permit and the
//! count of calls under way go with the guard.

use std::sync::Arc;
use std::time::Instant;

use super::Call;
use crate::canonical::Usage;
use crate::clock::SharedClock;
use crate::error::Error;
use crate::keys::VirtualKey;
use crate::limit::Permit;
use crate::router::{
    Asked, CooldownRules, Counted, Deployment, InFlight, ModelGroup, Picked, RetryCost, Sample,
};
use crate::state::{Parts, Sharing, Snapshot};
use crate::telemetry::events::{attempt_finished, cooled_down};

/// An attempt under way.
#[derive(Debug)]
pub(super) struct Attempt {
    deployment: Arc<Deployment>,
    group: Arc<ModelGroup>,
    snapshot: Arc<Snapshot>,
    /// Who pays.
    key: Option<Arc<VirtualKey>>,
    clock: SharedClock,
    sharing: Arc<Sharing>,
    asked: Asked,
    in_flight: InFlight,
    permit: Permit,
    timeout_by_caller: bool,
    /// What the retry took from the group's budget.
    retry_cost: Option<RetryCost>,
    sent: Instant,
    first_content: Option<Instant>,
    is_over: bool,
    _counted: Counted,
}

/// What an attempt begins with.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) picked: &'a Picked,
    pub(super) group: &'a Arc<ModelGroup>,
    pub(super) call: &'a Call,
    pub(super) parts: &'a Parts,
    pub(super) asked: &'a Asked,
    pub(super) permit: Permit,
    pub(super) retry_cost: Option<RetryCost>,
}

impl Attempt {
    /// Begins.
    pub(super) fn begin(start: Start<'_>) -> Self {
        let deployment = Arc::clone(&start.picked.deployment);
        Self {
            in_flight: deployment.runtime.begin(start.picked.pass),
            _counted: start.group.runtime.begin(),
            deployment,
            group: Arc::clone(start.group),
            snapshot: Arc::clone(&start.call.snapshot),
            key: start.call.identity.key().cloned(),
            sent: start.parts.clock.now(),
            clock: Arc::clone(&start.parts.clock),
            sharing: Arc::clone(&start.parts.sharing),
            asked: start.asked.clone(),
            permit: start.permit,
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

    /// Notes that something is sent.
    pub(super) fn sending(&mut self) {
        self.deployment.runtime.note_sent(self.clock.now());
    }

    /// Notes that the caller chose the timeout that will end it.
    pub(super) fn bound_by_caller(&mut self) {
        self.timeout_by_caller = true;
    }

    /// Notes that content has come: a probe has succeeded, although its stream goes on.
    pub(super) fn content_came(&mut self) {
        let now = self.clock.now();
        self.first_content = Some(now);
        if self.in_flight.first_content(now) {
            self.tell_warm();
        }
    }

    /// Ends it well.
    pub(super) fn succeeded(&mut self, usage: Usage) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let now = self.clock.now();
        let since = |at: Instant| at.saturating_duration_since(self.sent);
        let sample = Sample {
            elapsed: since(now),
            first_content: self.first_content.map(since),
            input_tokens: usage.prompt_tokens(),
            output_tokens: usage.output_tokens,
        };
        if self.in_flight.succeeded(sample, now) {
            self.tell_warm();
        }
        attempt_finished(&self.deployment.metrics, Ok(()), sample.elapsed);
        self.permit.settle_usage(&usage);
        self.book_cost(&usage, now);
        let settings = &self.snapshot.config.router;
        self.group
            .remember(&self.asked, &self.deployment.id, settings, now);
        let config = self.snapshot.config.router.retry_budget;
        if let (Some(budget), Some(config)) = (self.group.runtime.retry_budget(config), config) {
            budget.succeeded(self.retry_cost, config);
        }
    }

    /// Ends it badly; the deployment may cool down before this returns.
    pub(super) fn failed(&mut self, error: &Error) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let rules = CooldownRules {
            settings: &self.snapshot.config.router.cooldown,
            limits: &self.deployment.entry.limits,
            alone: self.group.deployments.len() < 2,
            timeout_by_caller: self.timeout_by_caller,
        };
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let elapsed = now.saturating_duration_since(self.sent);
        attempt_finished(&self.deployment.metrics, Err(error), elapsed);
        if let Some(cooled) = self.in_flight.failed(error, rules, now, wall) {
            cooled_down(
                &self.deployment.metrics,
                error,
                cooled.duration,
                cooled.step,
            );
            self.sharing.nudge();
        }
    }

    /// Books what the answer cost on every budget that it counts against.
    fn book_cost(&self, usage: &Usage, now: Instant) {
        let cost = self.deployment.cost(usage);
        if cost <= 0.0 {
            return;
        }
        if let Some(budget) = self.deployment.entry.limits.budget {
            self.deployment.spender().spend.add(cost, budget, now);
        }
        if let Some(budget) = self.snapshot.config.router.provider_budget {
            self.deployment.provider.spend.add(cost, budget, now);
        }
        if let Some(key) = &self.key {
            key.runtime.charge(cost, key.config.budget, now);
        }
    }

    /// Tells other instances that the deployment is well again.
    fn tell_warm(&self) {
        self.sharing.warm(&self.deployment);
    }
}
