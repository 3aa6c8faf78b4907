//! The limits of one holder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::Gate;
use super::ledger::{Book, Ledger};
use super::window::{Ask, LENGTH};
use super::{Cost, Full, Level, LimitName, Scope, Tokens};
use crate::config::{DeploymentLimits, RateLimits, RouterSettings, StrategyName};
use crate::store::{Charge, ChargeKind};

/// The limits of one holder, and what is used of them.
#[derive(Debug)]
pub struct Meters {
    scope: Scope,
    limits: Vec<Limit>,
    ledger: Arc<Ledger>,
    /// Before the limit on requests, where that is enforced.
    gate: Option<Arc<Gate>>,
}

/// One limit.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    pub(super) name: LimitName,
    pub(super) value: u64,
    /// Whether it refuses; one that does not is counted only.
    pub(super) is_enforced: bool,
    /// Its name in the shared store.
    pub(super) key: String,
}

impl Limit {
    /// What a call asks of it.
    pub(super) fn ask(&self, requests: u64, tokens: Tokens) -> Ask {
        Ask {
            amount: match self.name {
                LimitName::Parallel => 1,
                LimitName::Rpm => requests,
                LimitName::Tpm | LimitName::Itpm | LimitName::Otpm => tokens.of(self.name),
            },
            limit: self.value,
            one_always: self.name.counts_tokens(),
        }
    }

    /// How the shared store counts it.
    pub(super) fn kind(&self) -> ChargeKind {
        match self.name {
            LimitName::Parallel => ChargeKind::Gauge,
            _ => ChargeKind::Window {
                length: LENGTH,
                one_always: self.name.counts_tokens(),
            },
        }
    }

    /// What a call takes of it in the shared store.
    pub(super) fn charge(&self, requests: u64, tokens: Tokens) -> Charge {
        Charge {
            key: self.key.clone(),
            limit: self.value,
            amount: self.ask(requests, tokens).amount,
            kind: self.kind(),
        }
    }
}

/// Which of a deployment's limits per minute refuse calls. LiteLLM only weighs and reports by them unless it is told more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rates {
    /// None: they are counted, for headers and strategies.
    Counted,
    /// `rpm` alone: `enable_pre_call_checks`.
    Requests,
    /// All: `enforce_model_rate_limits`, or a strategy that goes by usage, latency or cost.
    #[default]
    Enforced,
}

impl Rates {
    /// Returns what `router_settings` ask for, in a group with this strategy.
    pub fn under(settings: &RouterSettings, strategy: StrategyName) -> Self {
        let by_strategy = match strategy {
            StrategyName::UsageBased | StrategyName::LatencyBased | StrategyName::CostBased => true,
            StrategyName::SimpleShuffle | StrategyName::LeastBusy | StrategyName::P2c => false,
        };
        if settings.enforce_model_rate_limits || by_strategy {
            Self::Enforced
        } else if settings.pre_call_checks {
            Self::Requests
        } else {
            Self::Counted
        }
    }

    fn enforce(self, name: LimitName) -> bool {
        match self {
            Self::Enforced => true,
            Self::Requests => matches!(name, LimitName::Rpm | LimitName::Parallel),
            Self::Counted => name == LimitName::Parallel,
        }
    }
}

/// Returns how many calls a deployment takes at one time: its own `max_parallel_requests`; with
/// `parallel_limit_from_rpm` what LiteLLM derives from `rpm` or `tpm`; else the default of all deployments.
pub fn parallel_limit(limits: &DeploymentLimits, settings: &RouterSettings) -> Option<u32> {
    let derived = || {
        let of_tokens = limits.tpm.map(|tpm| (tpm.saturating_mul(6) / 1000).max(1));
        let derived = limits.rpm.or(of_tokens);
        let derived = derived.filter(|_| settings.parallel_limit_from_rpm);
        derived.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX))
    };
    limits
        .parallel
        .or_else(derived)
        .or(settings.default_parallel)
}

impl Meters {
    /// Makes the limits of a deployment, of which those per minute refuse calls as `rates` says; `previous` are its meters in
    /// the snapshot before, whose running windows go on where a limit changed.
    pub fn of_deployment(
        id: &str,
        limits: &DeploymentLimits,
        rates: Rates,
        previous: Option<&Self>,
    ) -> Self {
        let values = [
            (LimitName::Rpm, limits.rpm),
            (LimitName::Tpm, limits.tpm),
            (LimitName::Itpm, limits.itpm),
            (LimitName::Otpm, limits.otpm),
            (LimitName::Parallel, limits.parallel.map(u64::from)),
        ];
        Self::build(Scope::Deployment, id, values, rates, previous)
    }

    /// Makes the limits of another holder, whose name must be unique in its scope and no secret.
    pub fn of_holder(
        scope: Scope,
        holder: &str,
        limits: RateLimits,
        previous: Option<&Self>,
    ) -> Self {
        let values = [
            (LimitName::Rpm, limits.rpm),
            (LimitName::Tpm, limits.tpm),
            (LimitName::Itpm, None),
            (LimitName::Otpm, None),
            (LimitName::Parallel, limits.parallel.map(u64::from)),
        ];
        Self::build(scope, holder, values, Rates::Enforced, previous)
    }

    /// Returns the same limits for another holder, or for the same one in the next snapshot: then the running windows of
    /// `previous` go on.
    #[must_use]
    pub fn for_holder(&self, holder: &str, previous: Option<&Self>) -> Self {
        let limits = self.limits.iter().map(|limit| Limit {
            key: format!("{}:{}:{holder}", limit.name.name(), self.scope.name()),
            ..limit.clone()
        });
        Self::with(self.scope, limits.collect(), previous)
    }

    fn build(
        scope: Scope,
        holder: &str,
        values: [(LimitName, Option<u64>); 5],
        rates: Rates,
        previous: Option<&Self>,
    ) -> Self {
        let limits: Vec<Limit> = values
            .into_iter()
            .filter_map(|(name, value)| {
                Some(Limit {
                    name,
                    value: value?,
                    is_enforced: rates.enforce(name),
                    key: format!("{}:{}:{holder}", name.name(), scope.name()),
                })
            })
            .collect();
        Self::with(scope, limits, previous)
    }

    fn with(scope: Scope, limits: Vec<Limit>, previous: Option<&Self>) -> Self {
        // A governor limiter cannot change its quota: the same limit keeps its gate, another one gets a new gate, which
        // stays silent until the window, whose count goes on, is full under the new limit.
        let requests = limits
            .iter()
            .find(|limit| limit.name == LimitName::Rpm && limit.is_enforced)
            .map(|limit| limit.value);
        let kept = previous
            .and_then(|previous| previous.gate.as_ref())
            .filter(|gate| requests == Some(gate.limit()));
        Self {
            scope,
            gate: match kept {
                Some(gate) => Some(Arc::clone(gate)),
                None => requests.and_then(Gate::new).map(Arc::new),
            },
            ledger: previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.ledger)),
            limits,
        }
    }

    /// Says whether there is any limit at all.
    pub fn is_limited(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Says whether any limit refuses calls by their tokens, so that they must be estimated.
    pub fn counts_tokens(&self) -> bool {
        (self.limits.iter()).any(|limit| limit.is_enforced && limit.name.counts_tokens())
    }

    /// Returns each limit: its value, and whether it refuses calls or is only counted.
    pub fn values(&self) -> impl Iterator<Item = (LimitName, u64, bool)> {
        let limits = self.limits.iter();
        limits.map(|limit| (limit.name, limit.value, limit.is_enforced))
    }

    /// Returns whose limits they are.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Looks whether there is room, without taking it.
    ///
    /// # Errors
    ///
    /// The limit that has none; of several, the one that is longest without.
    pub fn room(&self, cost: Cost, now: Instant) -> Result<(), Full> {
        if !self.is_limited() {
            return Ok(());
        }
        if let Some(full) = self.gate_says_no(cost, now) {
            return Err(full);
        }
        let mut book = self.ledger.open();
        self.room_in(&mut book, cost, now)
    }

    /// Returns how far each limit is used.
    pub fn levels(&self, now: Instant) -> Vec<Level> {
        if !self.is_limited() {
            return Vec::new();
        }
        let mut book = self.ledger.open();
        self.limits
            .iter()
            .map(|limit| {
                let used = book.used_everywhere(limit.name, now);
                Level {
                    limit: limit.name,
                    value: limit.value,
                    used,
                    remaining: limit.value.saturating_sub(used),
                    resets_in: book.whole_in(limit.name, now),
                }
            })
            .collect()
    }

    /// Finds a limit without room in its open book.
    pub(super) fn room_in(&self, book: &mut Book, cost: Cost, now: Instant) -> Result<(), Full> {
        let tokens = Tokens::estimated(cost);
        let full = self
            .limits
            .iter()
            .filter(|limit| limit.is_enforced)
            .filter_map(|limit| {
                let room = book.room(limit.name, limit.ask(cost.requests, tokens), now);
                room.err().map(|wait| self.full(limit, wait))
            })
            .max_by_key(Full::weight);
        full.map_or(Ok(()), Err)
    }

    /// Refuses early, where that is certain.
    pub(super) fn gate_says_no(&self, cost: Cost, now: Instant) -> Option<Full> {
        let gate = self.gate.as_ref().filter(|_| cost.requests == 1)?;
        let wait = gate.closed_for(now)?;
        let limit = self
            .limits
            .iter()
            .find(|limit| limit.name == LimitName::Rpm)?;
        Some(self.full(limit, Some(wait)))
    }

    pub(super) fn full(&self, limit: &Limit, retry_after: Option<Duration>) -> Full {
        Full {
            scope: self.scope,
            limit: limit.name,
            value: limit.value,
            retry_after,
        }
    }

    pub(super) fn limits(&self) -> &[Limit] {
        &self.limits
    }

    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(super) fn gate(&self) -> Option<&Gate> {
        self.gate.as_deref()
    }
}
