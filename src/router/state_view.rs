//! What `/router/state` and the metrics show of a deployment: a copy of what was learned, taken at one moment.

use std::time::{Duration, Instant};

use super::{CooldownInForce, Deployment, LastError, LatencyMs};

/// What was learned of one deployment; what is not known is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeView {
    /// Calls under way in this process.
    pub in_flight: u64,
    /// How long its answers take.
    pub latency: LatencyMs,
    /// Attempts of the failure window.
    pub window: WindowView,
    /// The last error.
    pub last_error: Option<LastError>,
    /// Its cooldown, while it cools or is being probed.
    pub cooldown: Option<CooldownInForce>,
    /// Its budget, where it has one.
    pub budget: Option<BudgetView>,
    /// For a wildcard deployment, the concrete models that cool down.
    pub models: Option<Vec<(String, CooldownInForce)>>,
}

/// Attempts of the failure window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowView {
    /// Its length.
    pub length: Duration,
    /// Attempts that were answered.
    pub succeeded: u32,
    /// Attempts that failed.
    pub failed: u32,
}

/// What may be spent, and what was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetView {
    /// US dollars for each period.
    pub limit_usd: f64,
    /// US dollars spent in this one.
    pub spent_usd: f64,
    /// How long this one still runs; `None`: for ever, or nothing was spent yet.
    pub resets_in: Option<Duration>,
}

impl Deployment {
    /// Returns what is known now.
    pub fn view(&self, now: Instant) -> RuntimeView {
        let runtime = &self.runtime;
        let breaker = runtime.breaker.view(now);
        RuntimeView {
            in_flight: runtime.in_flight(),
            latency: runtime.latency_ms(),
            window: WindowView {
                length: breaker.window,
                succeeded: breaker.succeeded,
                failed: breaker.failed,
            },
            last_error: runtime.last_error(),
            cooldown: breaker.cooldown,
            budget: self.entry.limits.budget.map(|budget| BudgetView {
                limit_usd: budget.limit_usd,
                spent_usd: runtime.spend.spent(budget, now),
                resets_in: runtime.spend.resets_in(budget, now),
            }),
            models: None,
        }
    }
}
