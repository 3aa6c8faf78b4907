//! What `/router/state` and the metrics show of a deployment: a copy of what was learned, taken at one moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    CooldownInForce, Deployment, LastError, LatencyMs, Router, Spend, Standing, TagBudget,
};
use crate::config::Budget;

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

impl BudgetView {
    fn of(spend: &Spend, budget: Budget, now: Instant) -> Self {
        Self {
            limit_usd: budget.limit_usd,
            spent_usd: spend.spent(budget, now),
            resets_in: spend.resets_in(budget, now),
        }
    }
}

impl TagBudget {
    /// Returns what was spent of it until now.
    pub fn view(&self, now: Instant) -> BudgetView {
        BudgetView::of(&self.spend, self.budget, now)
    }
}

impl Router {
    /// Returns what is known now of a deployment of the file. One whose name is a pattern is called by way of concrete
    /// models: their calls, attempts and errors are counted as its own. Latency is not: a mean of several models says
    /// nothing of any.
    ///
    /// `window` is the configured length of the failure window.
    pub fn view(&self, deployment: &Deployment, now: Instant, window: Duration) -> RuntimeView {
        let own = deployment.view(now, window);
        match self.models_of(deployment) {
            Some(models) => own.with_models(&models, now),
            None => own,
        }
    }

    /// Returns whether a deployment of the file may be picked now; for one whose name is a pattern, whether each of its
    /// concrete models may.
    pub fn standings(&self, deployment: &Deployment, now: Instant) -> Vec<Standing> {
        let own = deployment.runtime.breaker.standing(now);
        let models = self.models_of(deployment).unwrap_or_default();
        // Where concrete models are called in its place, that nothing is wrong with itself says nothing.
        let own = (models.is_empty() || own != Standing::Open).then_some(own);
        models
            .iter()
            .map(|model| model.runtime.breaker.standing(now))
            .chain(own)
            .collect()
    }

    /// The concrete models of a deployment whose name or model is a pattern; `None` for any other.
    fn models_of(&self, deployment: &Deployment) -> Option<Vec<Arc<Deployment>>> {
        let is_pattern = deployment.model.contains('*') || deployment.group.contains('*');
        is_pattern.then(|| self.concrete_of(&deployment.id))
    }
}

impl RuntimeView {
    /// Adds what is known of the concrete models of a wildcard deployment, and lists those that cool down.
    fn with_models(mut self, models: &[Arc<Deployment>], now: Instant) -> Self {
        let mut cooling = Vec::new();
        for model in models {
            let view = model.view(now, self.window.length);
            self.in_flight = self.in_flight.saturating_add(view.in_flight);
            self.window = self.window.with(view.window);
            let errors = [self.last_error, view.last_error];
            self.last_error = errors.into_iter().flatten().max_by_key(|error| error.at);
            cooling.extend(
                view.cooldown
                    .map(|cooldown| (model.model.clone(), cooldown)),
            );
        }
        self.models = Some(cooling);
        self
    }
}

impl WindowView {
    /// Adds the attempts of another window.
    fn with(self, other: Self) -> Self {
        Self {
            length: self.length,
            succeeded: self.succeeded.saturating_add(other.succeeded),
            failed: self.failed.saturating_add(other.failed),
        }
    }
}

impl Deployment {
    /// Returns what is known now of this deployment alone; [`Router::view`] adds the concrete models of a wildcard.
    pub fn view(&self, now: Instant, window: Duration) -> RuntimeView {
        let runtime = &self.runtime;
        let breaker = runtime.breaker.view(now, window);
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
            budget: (self.entry.limits.budget)
                .map(|budget| BudgetView::of(&runtime.spend, budget, now)),
            models: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::super::test_group::{config, entry, router};
    use super::*;
    use crate::clock::{Clock as _, ManualClock};
    use crate::config::{RouterSettings, RoutingGroup};
    use crate::error::ErrorKind;
    use crate::router::{Asker, Pass};

    const WINDOW: Duration = Duration::from_secs(7);

    fn wildcard() -> Router {
        let entries = vec![entry("bedrock/*", "bedrock/*")];
        router(&config(entries, RouterSettings::default()), None)
    }

    fn concrete(router: &Router, name: &str) -> Arc<Deployment> {
        Arc::clone(
            &router
                .resolve(name, Asker::Administrator)
                .unwrap()
                .group
                .deployments[0],
        )
    }

    fn error_at(at: SystemTime, status: u16) -> LastError {
        LastError {
            kind: ErrorKind::Throttled,
            status,
            at,
        }
    }

    #[test]
    fn wildcard_shows_what_is_known_of_its_concrete_models() {
        let router = wildcard();
        let clock = ManualClock::at(UNIX_EPOCH);
        let now = clock.now();
        let one = concrete(&router, "bedrock/acme.a");
        let other = concrete(&router, "bedrock/acme.b");
        let _calls = [
            one.runtime.begin(Pass::default()),
            other.runtime.begin(Pass::default()),
        ];
        one.runtime.breaker.succeeded(Pass::default(), now);
        other.runtime.breaker.succeeded(Pass::default(), now);
        let latest = error_at(UNIX_EPOCH + Duration::from_secs(2), 429);
        one.runtime.note_error(latest);
        other.runtime.note_error(error_at(UNIX_EPOCH, 503));
        let until = now + Duration::from_secs(5);
        let breaker = &other.runtime.breaker;
        breaker.cool_from_elsewhere(until, ErrorKind::Throttled, 1, now);

        let deployment = &router.groups()[0].deployments[0];
        let view = router.view(deployment, now, WINDOW);
        assert_eq!((view.in_flight, view.window.succeeded), (2, 2));
        assert_eq!(view.window.length, WINDOW);
        assert_eq!(view.last_error, Some(latest));
        assert_eq!(view.cooldown, None);
        let models = view.models.unwrap();
        assert_eq!(models.len(), 1);
        assert_eq!(models[0].0, "bedrock/acme.b");
        assert_eq!(models[0].1.until, until);
        let standings = router.standings(deployment, now);
        assert_eq!(standings, [Standing::Open, Standing::Cooling { until }]);
    }

    #[test]
    fn only_wildcards_have_models() {
        let settings = RouterSettings::default();
        let patterned = wildcard();
        let now = ManualClock::at(UNIX_EPOCH).now();
        let deployment = &patterned.groups()[0].deployments[0];
        assert_eq!(
            patterned.view(deployment, now, WINDOW).models,
            Some(Vec::new())
        );
        assert_eq!(patterned.standings(deployment, now), [Standing::Open]);
        let entries = vec![entry("m", "bedrock/us.amazon.nova-pro-v1:0")];
        let plain = router(&config(entries, settings), None);
        let deployment = &plain.groups()[0].deployments[0];
        assert_eq!(plain.view(deployment, now, WINDOW).models, None);
        assert_eq!(plain.standings(deployment, now), [Standing::Open]);
    }

    #[test]
    fn routing_groups_follow_the_model_groups() {
        let settings = RouterSettings {
            routing_groups: vec![RoutingGroup {
                name: "pool".to_owned(),
                models: vec!["m".to_owned()],
                strategy: RouterSettings::default().strategy,
                priorities: None,
            }],
            ..RouterSettings::default()
        };
        let entries = vec![entry("m", "bedrock/us.amazon.nova-pro-v1:0")];
        let router = router(&config(entries, settings), None);
        let names: Vec<&str> = (router.all_groups())
            .map(|group| group.name.as_str())
            .collect();
        assert_eq!(names, ["m", "pool"]);
    }
}
