//! What `GET /router/state` shows: typed, so that a member cannot be lost by a slip of the pen.
//!
//! Times are RFC 3339, what is not known is `null`; no secret and no address with one is in it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::clock::{Clock, rfc3339_micros};
use crate::config::RetryBudgetConfig;
use crate::keys::GatewaySpend;
use crate::router::{BudgetView, CooldownInForce, Deployment, ModelGroup, Router};
use crate::state::Snapshot;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(super) struct RouterState {
    generation: u64,
    config_hash: String,
    groups: Vec<Group>,
    tag_budgets: Vec<TagBudgetState>,
    /// Of all calls together; `null` where there is none.
    budget: Option<Budget>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    strategy: &'static str,
    in_flight: u64,
    queued: usize,
    retry_budget: Option<RetryBudget>,
    deployments: Vec<DeploymentState>,
}

#[derive(Debug, Serialize)]
struct RetryBudget {
    tokens: f64,
    capacity: f64,
    refused_total: u64,
}

#[derive(Debug, Serialize)]
struct DeploymentState {
    id: String,
    model: String,
    route: &'static str,
    region: String,
    in_flight: u64,
    latency_ms: Latency,
    window: Window,
    last_error: Option<LastError>,
    cooldown: Option<Cooldown>,
    health: Option<HealthState>,
    limits: Vec<Limit>,
    budget: Option<Budget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Vec<ModelState>>,
}

#[derive(Debug, Serialize)]
struct Latency {
    ewma: Option<f64>,
    ttft_ewma: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Window {
    seconds: f64,
    succeeded: u32,
    failed: u32,
}

#[derive(Debug, Serialize)]
struct LastError {
    kind: &'static str,
    status: u16,
    at: String,
}

#[derive(Debug, Serialize)]
struct Cooldown {
    until: String,
    remaining_ms: u64,
    reason: &'static str,
    step: u32,
    probing: bool,
}

/// What the last health check found.
#[derive(Debug, Serialize)]
struct HealthState {
    healthy: bool,
    checked_at: String,
    error: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Limit {
    name: &'static str,
    #[serde(rename = "limit")]
    value: u64,
    remaining: u64,
    resets_in_ms: u64,
}

#[derive(Debug, Serialize)]
struct Budget {
    limit_usd: f64,
    spent_usd: f64,
    resets_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct TagBudgetState {
    tag: String,
    #[serde(flatten)]
    budget: Budget,
}

#[derive(Debug, Serialize)]
struct ModelState {
    model: String,
    cooldown: Cooldown,
}

/// The moment of which everything is said.
#[derive(Debug, Clone, Copy)]
struct Moment {
    now: Instant,
    wall: SystemTime,
    /// How far back the failure window of a deployment reaches.
    window: Duration,
}

impl RouterState {
    /// Takes down what is known now.
    pub(super) fn of(snapshot: &Snapshot, clock: &dyn Clock) -> Self {
        let moment = Moment {
            now: clock.now(),
            wall: clock.wall(),
            window: snapshot.config.router.cooldown.window,
        };
        let config = snapshot.config.router.retry_budget;
        let router = &snapshot.router;
        Self {
            generation: snapshot.generation,
            config_hash: snapshot.config.hash.clone(),
            groups: router
                .all_groups()
                .map(|group| Group::of(group, router, config, moment))
                .collect(),
            tag_budgets: router
                .tag_budgets()
                .map(|known| TagBudgetState {
                    tag: known.tag.clone(),
                    budget: Budget::of(known.view(moment.now), moment),
                })
                .collect(),
            budget: Budget::of_gateway(snapshot.keys.spend(), moment),
        }
    }
}

impl Group {
    fn of(
        group: &ModelGroup,
        router: &Router,
        config: Option<RetryBudgetConfig>,
        moment: Moment,
    ) -> Self {
        let runtime = &group.runtime;
        let budget = runtime.retry_budget(config).zip(config);
        Self {
            name: group.name.clone(),
            strategy: group.strategy.name.name(),
            in_flight: runtime.in_flight.load(Ordering::Relaxed),
            queued: runtime.queue.len(),
            retry_budget: budget.map(|(budget, config)| {
                let (tokens, refused_total) = budget.level(config, moment.now);
                RetryBudget {
                    tokens,
                    capacity: config.capacity,
                    refused_total,
                }
            }),
            deployments: group
                .deployments
                .iter()
                .map(|deployment| DeploymentState::of(deployment, router, moment))
                .collect(),
        }
    }
}

impl DeploymentState {
    fn of(deployment: &Deployment, router: &Router, moment: Moment) -> Self {
        let view = router.view(deployment, moment.now, moment.window);
        let levels = deployment.meters.levels(moment.now);
        Self {
            id: deployment.id.clone(),
            model: deployment.model.clone(),
            route: deployment.target.model.route.name(),
            region: deployment.region.clone(),
            in_flight: view.in_flight,
            latency_ms: Latency {
                ewma: view.latency.ewma.map(tenth),
                ttft_ewma: view.latency.ttft_ewma.map(tenth),
            },
            window: Window {
                seconds: view.window.length.as_secs_f64(),
                succeeded: view.window.succeeded,
                failed: view.window.failed,
            },
            last_error: view.last_error.map(|error| LastError {
                kind: error.kind.name(),
                status: error.status,
                at: rfc3339_micros(error.at),
            }),
            cooldown: view.cooldown.map(|view| Cooldown::of(&view, moment)),
            health: deployment.runtime.health.last().map(|checked| HealthState {
                healthy: checked.failure.is_none(),
                checked_at: rfc3339_micros(checked.at),
                error: checked.failure.map(|failure| failure.kind.name()),
            }),
            limits: levels
                .into_iter()
                .map(|level| Limit {
                    name: level.limit.name(),
                    value: level.value,
                    remaining: level.remaining,
                    resets_in_ms: whole_millis(level.resets_in),
                })
                .collect(),
            budget: view.budget.map(|budget| Budget::of(budget, moment)),
            models: view.models.map(|models| {
                let state = |(model, view)| ModelState {
                    model,
                    cooldown: Cooldown::of(&view, moment),
                };
                models.into_iter().map(state).collect()
            }),
        }
    }
}

impl Budget {
    fn of_gateway(spend: &GatewaySpend, moment: Moment) -> Option<Self> {
        let view = BudgetView {
            limit_usd: spend.budget?.limit_usd,
            spent_usd: spend.runtime.spent(moment.now),
            resets_in: spend.runtime.resets_in(moment.now),
        };
        Some(Self::of(view, moment))
    }

    fn of(view: BudgetView, moment: Moment) -> Self {
        Self {
            limit_usd: view.limit_usd,
            spent_usd: view.spent_usd,
            resets_at: (view.resets_in).map(|left| rfc3339_micros(moment.wall + left)),
        }
    }
}

impl Cooldown {
    fn of(view: &CooldownInForce, moment: Moment) -> Self {
        Self {
            until: rfc3339_micros(moment.wall + view.remaining),
            remaining_ms: whole_millis(view.remaining),
            reason: view.reason.name(),
            step: view.step,
            probing: view.probing,
        }
    }
}

/// Milliseconds, to a tenth.
fn tenth(ms: f64) -> f64 {
    (ms * 10.0).round() / 10.0
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::error::ErrorKind;

    fn moment() -> Moment {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        Moment {
            now: clock.now(),
            wall: clock.wall(),
            window: Duration::from_secs(60),
        }
    }

    fn cooldown(moment: Moment) -> Cooldown {
        let view = CooldownInForce {
            until: moment.now + Duration::from_millis(4200),
            remaining: Duration::from_millis(4200),
            reason: ErrorKind::Throttled,
            step: 1,
            probing: false,
        };
        Cooldown::of(&view, moment)
    }

    #[test]
    fn shape_is_the_documented_one() {
        let moment = moment();
        let deployment = DeploymentState {
            id: "one".to_owned(),
            model: "bedrock/converse/amazon.nova-lite-v1:0".to_owned(),
            route: "converse",
            region: "us-west-2".to_owned(),
            in_flight: 0,
            latency_ms: Latency {
                ewma: Some(412.0),
                ttft_ewma: Some(180.0),
            },
            window: Window {
                seconds: 60.0,
                succeeded: 9,
                failed: 1,
            },
            last_error: Some(LastError {
                kind: "throttled",
                status: 429,
                at: rfc3339_micros(moment.wall),
            }),
            cooldown: Some(cooldown(moment)),
            health: Some(HealthState {
                healthy: false,
                checked_at: rfc3339_micros(moment.wall),
                error: Some("throttled"),
            }),
            limits: vec![Limit {
                name: "rpm",
                value: 100,
                remaining: 99,
                resets_in_ms: 600,
            }],
            budget: Some(Budget {
                limit_usd: 5.0,
                spent_usd: 1.2,
                resets_at: Some(rfc3339_micros(moment.wall)),
            }),
            models: Some(vec![ModelState {
                model: "amazon.nova-lite-v1:0".to_owned(),
                cooldown: cooldown(moment),
            }]),
        };
        let state = RouterState {
            generation: 3,
            config_hash: "abc".to_owned(),
            groups: vec![Group {
                name: "m".to_owned(),
                strategy: "simple-shuffle",
                in_flight: 0,
                queued: 0,
                retry_budget: Some(RetryBudget {
                    tokens: 500.0,
                    capacity: 500.0,
                    refused_total: 0,
                }),
                deployments: vec![deployment],
            }],
            tag_budgets: vec![TagBudgetState {
                tag: "team:a".to_owned(),
                budget: Budget {
                    limit_usd: 10.0,
                    spent_usd: 0.0,
                    resets_at: None,
                },
            }],
            budget: None,
        };
        insta::assert_json_snapshot!(state);
    }
}
