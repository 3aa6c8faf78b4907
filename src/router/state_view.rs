//! What `/router/state` and the metrics show of a deployment: a copy of what was learned, taken at one moment.

use std::time::{Duration, Instant, SystemTime};

use super::{DeploymentRuntime, LastError, Standing};
use crate::error::ErrorKind;

/// What was learned of one deployment; what is not known is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuntimeView {
    /// Calls under way in this process.
    pub in_flight: u64,
    /// How long whole answers take.
    pub latency: Option<Duration>,
    /// How long the first content of streams takes.
    pub first_content: Option<Duration>,
    /// Attempts of the failure window.
    pub window: Option<WindowView>,
    /// The last error.
    pub last_error: Option<LastError>,
    /// Its cooldown, while it cools or is being probed.
    pub cooldown: Option<CooldownView>,
    /// Its budget, where it has one.
    pub budget: Option<BudgetView>,
    /// For a wildcard deployment, the concrete models that cool down.
    pub models: Option<Vec<(String, CooldownView)>>,
}

/// Attempts of the failure window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowView {
    /// Its length.
    pub length: Duration,
    /// Attempts that were answered.
    pub succeeded: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// A cooldown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CooldownView {
    /// Its end.
    pub until: Option<Instant>,
    /// The error that began it.
    pub reason: Option<ErrorKind>,
    /// How often in a row.
    pub step: u32,
    /// Whether a call probes the deployment, or the next one will.
    pub probing: bool,
}

/// What may be spent, and what was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetView {
    /// US dollars for each period.
    pub limit_usd: f64,
    /// US dollars spent in this one.
    pub spent_usd: f64,
    /// When the next one begins; `None`: never.
    pub resets_at: Option<SystemTime>,
}

impl DeploymentRuntime {
    /// Returns what is known now.
    pub fn view(&self, now: Instant) -> RuntimeView {
        let cooldown = match self.breaker.standing(now) {
            Standing::Open => None,
            Standing::Cooling { until } => Some((Some(until), false)),
            Standing::ProbeDue | Standing::Probing => Some((None, true)),
        };
        RuntimeView {
            in_flight: self.in_flight(),
            last_error: self.last_error(),
            cooldown: cooldown.map(|(until, probing)| CooldownView {
                until,
                reason: self.last_error().map(|error| error.kind),
                step: 1,
                probing,
            }),
            ..RuntimeView::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Pass;
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[test]
    fn what_is_not_known_is_not_there() {
        let runtime = Arc::new(DeploymentRuntime::default());
        let _call = runtime.begin(Pass { probe: false });
        let view = runtime.view(SystemClock.now());
        assert_eq!(view.in_flight, 1);
        assert_eq!(view.cooldown, None);
        assert_eq!(view.latency, None);
    }
}
