//! One attempt, from the pick of its deployment to the end of its answer.
//!
//! The guard travels with the answer, into the stream if it is one. Whatever ends it, the books are right: a success or a
//! failure is told to the deployment before the next pick, a probe that came to nothing is due again, and the permit and the
//! count of calls under way go with the guard. AWS bills what it generated although nobody read it to the end, so the part
//! that came is booked too ([`Partial`]).

use std::sync::Arc;
use std::time::Instant;

use super::{Call, Journal};
use crate::canonical::{ChatChunk, OperationKind, Pieces, Usage, part};
use crate::catalog::{Size, Tokenizer};
use crate::clock::SharedClock;
use crate::error::Error;
use crate::limit::Permit;
use crate::router::{
    Asked, CooldownRules, Counted, Deployment, InFlight, ModelGroup, Picked, RetryCost, Sample,
    Sticky, TagBudget,
};
use crate::state::{Parts, Sharing};
use crate::telemetry::events::{attempt_finished, cooled_down};

/// An attempt under way.
#[derive(Debug)]
pub(super) struct Attempt {
    deployment: Arc<Deployment>,
    group: Arc<ModelGroup>,
    /// What is asked, by whose configuration, and who pays.
    call: Arc<Call>,
    clock: SharedClock,
    sharing: Arc<Sharing>,
    /// The budgets of the request's tags.
    tag_budgets: Vec<Arc<TagBudget>>,
    /// Of whom and of what the deployment is remembered.
    sticky: Sticky,
    /// How large the request is, where somebody needed to know.
    size: Option<Size>,
    /// Where it stands what a part of an answer took.
    journal: Arc<Journal>,
    in_flight: InFlight,
    permit: Permit,
    timeout_by_caller: bool,
    /// What the retry took from the group's budget.
    retry_cost: Option<RetryCost>,
    sent: Instant,
    first_content: Option<Instant>,
    /// Of several requests, how many were answered, and of how many.
    came: Option<(u64, u64)>,
    is_over: bool,
    _counted: Counted,
}

/// What an attempt begins with.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) picked: &'a Picked,
    pub(super) group: &'a Arc<ModelGroup>,
    pub(super) call: &'a Arc<Call>,
    pub(super) parts: &'a Parts,
    pub(super) asked: &'a Asked,
    pub(super) journal: &'a Arc<Journal>,
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
            call: Arc::clone(start.call),
            sent: start.parts.clock.now(),
            clock: Arc::clone(&start.parts.clock),
            sharing: Arc::clone(&start.parts.sharing),
            tag_budgets: start.asked.tag_budgets.clone(),
            sticky: start.asked.sticky.clone(),
            size: start.asked.size,
            journal: Arc::clone(start.journal),
            permit: start.permit,
            timeout_by_caller: false,
            retry_cost: start.retry_cost,
            first_content: None,
            came: None,
            is_over: false,
        }
    }

    /// Returns the deployment.
    pub(super) fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
    }

    /// Notes that something is sent, and what strategies that go by usage have to know of it: not that tokens are counted.
    pub(super) fn sending(&mut self) {
        if self.call.request.operation() == OperationKind::Count {
            return;
        }
        self.deployment.runtime.note_sent(self.clock.now());
    }

    /// Notes that the caller chose the timeout that has ended it.
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

    /// Notes that `came` of `total` requests were answered: they are billed, whatever becomes of the others.
    pub(super) fn came(&mut self, came: u64, total: u64) {
        // Counting is free, and an image that the model refused afterwards is, too.
        let operation = self.call.request.operation();
        if !matches!(operation, OperationKind::Count | OperationKind::Image) {
            self.came = Some((came, total));
        }
    }

    /// Ends it well.
    pub(super) fn succeeded(&mut self, usage: Usage) {
        self.answered(usage, Pieces::default());
    }

    /// Ends it well, with an answer of which something is charged by the piece.
    pub(super) fn answered(&mut self, usage: Usage, pieces: Pieces) {
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
        if self.call.request.operation().tells_tokens() {
            self.permit.settle_usage(&usage);
        } else {
            self.permit.settle_at_estimate();
        }
        self.book_cost(&usage, pieces, now);
        let settings = &self.call.snapshot.config.router;
        self.group
            .remember(&self.sticky, &self.deployment.id, settings, now);
        let config = self.call.snapshot.config.router.retry_budget;
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
            settings: &self.call.snapshot.config.router.cooldown,
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
        self.bill_what_came();
    }

    /// Ends it badly after content: what came is billed all the same.
    pub(super) fn broke(mut self, error: &Error, partial: &Partial) {
        self.failed(error);
        self.bill(partial);
    }

    /// Ends it because nobody reads on: it was neither good nor bad, but what came is billed.
    pub(super) fn given_up(mut self, partial: &Partial) {
        self.bill(partial);
    }

    /// Ends it well, although its usage may never have come.
    pub(super) fn finished(&mut self, partial: &Partial) {
        let usage = self.usage_of(partial);
        self.journal.took(&usage);
        self.succeeded(usage);
    }

    /// Returns what a part of an answer took: what was reported, else an estimate.
    fn usage_of(&self, partial: &Partial) -> Usage {
        let asked = || (self.size).unwrap_or_else(|| Size::of_request(&self.call.request));
        partial.usage(asked, self.deployment.tokenizer)
    }

    /// Settles and books a part of an answer, where any content came.
    fn bill(&mut self, partial: &Partial) {
        if self.first_content.is_some() {
            let usage = self.usage_of(partial);
            self.permit.settle_usage(&usage);
            self.book_cost(&usage, Pieces::default(), self.clock.now());
            self.journal.took(&usage);
        }
    }

    /// Settles and books, by estimate, those of several requests that were answered.
    fn bill_what_came(&mut self) {
        let Some((came, total)) = self.came.take() else {
            return;
        };
        let request = &self.call.request;
        let size = self.size.unwrap_or_else(|| Size::of_request(request));
        let usage = Usage {
            input_tokens: part(size.tokens(self.deployment.tokenizer), came, total),
            ..Usage::default()
        };
        let pieces = Pieces::expected(request).part(came, total);
        self.permit.settle_usage(&usage);
        self.book_cost(&usage, pieces, self.clock.now());
        self.journal.took(&usage);
    }

    /// Books what the answer cost on every budget that it counts against.
    fn book_cost(&self, usage: &Usage, pieces: Pieces, now: Instant) {
        let cost = self.deployment.cost(usage, pieces);
        if cost <= 0.0 {
            return;
        }
        if let Some(budget) = self.deployment.entry.limits.budget {
            self.deployment.spender().spend.add(cost, budget, now);
        }
        if let Some(budget) = self.call.snapshot.config.router.provider_budget {
            self.deployment.provider.spend.add(cost, budget, now);
        }
        for tagged in &self.tag_budgets {
            tagged.spend.add(cost, tagged.budget, now);
        }
        if let Some(key) = self.call.identity.key() {
            key.runtime.charge(cost, key.config.budget, now);
        }
        self.call.snapshot.keys.spend().charge(cost, now);
    }

    /// Tells other instances that the deployment is well again.
    fn tell_warm(&self) {
        self.sharing.warm(&self.deployment);
    }
}

impl Drop for Attempt {
    /// Whoever gave it up, what was answered is billed.
    fn drop(&mut self) {
        if !self.is_over {
            self.bill_what_came();
        }
    }
}

/// What has come of an answer, for the case that its end does not come. Models report tokens at the end only.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Tokens that were reported.
    reported: Option<Usage>,
    /// What was generated.
    written: Size,
    /// Bytes of encrypted reasoning.
    redacted: u64,
    /// Input tokens beside the request: what others had written of the answer before.
    continued: u64,
}

impl Partial {
    /// Makes what was read of an answer that is not decoded.
    pub(super) fn read(reported: Option<Usage>, written: Size) -> Self {
        Self {
            reported,
            written,
            ..Self::default()
        }
    }

    /// Looks at a chunk. Pictures, signatures and citations are left out: nobody knows their tokens.
    pub(super) fn saw(&mut self, chunk: &ChatChunk) {
        match chunk {
            ChatChunk::Text { text, .. }
            | ChatChunk::Thinking { text, .. }
            | ChatChunk::ToolStart { name: text, .. }
            | ChatChunk::ToolInput { fragment: text, .. } => self.written.add_json(text.escaped()),
            ChatChunk::Redacted { data, .. } => {
                let bytes = u64::try_from(data.escaped().len()).unwrap_or(u64::MAX);
                self.redacted = self.redacted.saturating_add(bytes);
            }
            ChatChunk::Usage { usage, .. } => self.reported = Some(*usage),
            _ => {}
        }
    }

    /// Notes that the request had so many tokens of the answer's beginning after it.
    pub(super) fn continues(&mut self, tokens: u64) {
        self.continued = tokens;
    }

    /// Returns the tokens that were reported.
    pub(super) fn reported(&self) -> Option<Usage> {
        self.reported
    }

    /// Returns what it took: what was reported, else an estimate; `asked` is how large the request is.
    pub(super) fn usage(&self, asked: impl FnOnce() -> Size, tokenizer: Tokenizer) -> Usage {
        self.reported
            .unwrap_or_else(|| self.estimate(asked(), tokenizer))
    }

    fn estimate(&self, asked: Size, tokenizer: Tokenizer) -> Usage {
        let written = self.written.tokens(tokenizer);
        Usage {
            input_tokens: asked.tokens(tokenizer).saturating_add(self.continued),
            output_tokens: written.saturating_add(self.redacted / 4),
            ..Usage::default()
        }
    }
}
