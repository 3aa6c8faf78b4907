//! `GET /metrics`: what was counted, and what is in force, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use http::header::{self, HeaderMap, HeaderValue};

use super::App;
use super::admin::{refused, require_admin};
use crate::router::{GroupRuntime, Standing};
use crate::state::Snapshot;
use crate::telemetry::levels::{DeploymentLevels, DeploymentState, GroupLevels, Levels};
use crate::telemetry::metrics::CONTENT_TYPE;

/// Writes all metrics; the administrator's, unless `require_auth_for_metrics_endpoint: false`.
pub(super) async fn scrape(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    let snapshot = app.live.load();
    if !snapshot.config.litellm.metrics_are_public
        && let Err(error) = require_admin(&app, &uri, &headers)
    {
        return refused(&error, &headers);
    }
    let text = snapshot.metrics.text(&levels(&app, &snapshot));
    let mut response = Response::new(Body::from(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

fn levels(app: &App, snapshot: &Snapshot) -> Levels {
    let now = app.clock.now();
    let router = &snapshot.router;
    Levels {
        groups: router
            .all_groups()
            .map(|group| {
                let config = snapshot.config.router.retry_budget;
                let budget = group.runtime.retry_budget(config);
                GroupLevels {
                    name: group.name.clone(),
                    in_flight: group.runtime.in_flight.load(Ordering::Relaxed),
                    queued: queued(&group.runtime),
                    retry_tokens: budget
                        .zip(config)
                        .map(|(budget, config)| budget.level(config, now).0),
                }
            })
            .collect(),
        // A routing group's deployments are among those of the model groups.
        deployments: router
            .groups()
            .iter()
            .flat_map(|group| &group.deployments)
            .map(|deployment| DeploymentLevels {
                id: deployment.id.clone(),
                model: deployment.model.clone(),
                state: state(&router.standings(deployment, now)),
                rpm: deployment.entry.limits.rpm,
                tpm: deployment.entry.limits.tpm,
            })
            .collect(),
        config_hash: snapshot.config.hash.clone(),
        last_reload_successful: app.live.rejected().is_none(),
        store_up: app
            .pipeline
            .parts()
            .store
            .as_ref()
            .map(|store| store.is_up()),
    }
}

fn queued(runtime: &GroupRuntime) -> u64 {
    u64::try_from(runtime.queue.len()).unwrap_or(u64::MAX)
}

/// How a deployment does by its breaker, or by those of the concrete models of a wildcard deployment: it is out when all
/// of them are, and on probation when some are.
fn state(standings: &[Standing]) -> DeploymentState {
    let is_open = |standing: &Standing| *standing == Standing::Open;
    let is_out = |standing: &Standing| matches!(standing, Standing::Cooling { .. });
    if standings.iter().all(is_open) {
        DeploymentState::Healthy
    } else if standings.iter().all(is_out) {
        DeploymentState::Outage
    } else {
        DeploymentState::Partial
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::clock::{Clock as _, ManualClock};

    #[test]
    fn wildcard_is_out_when_all_of_its_models_are() {
        let until = ManualClock::at(UNIX_EPOCH).now() + Duration::from_secs(5);
        let cooling = Standing::Cooling { until };
        for (standings, expected) in [
            (vec![], DeploymentState::Healthy),
            (vec![Standing::Open; 2], DeploymentState::Healthy),
            (vec![Standing::Open, cooling], DeploymentState::Partial),
            (vec![Standing::ProbeDue], DeploymentState::Partial),
            (vec![Standing::Probing, cooling], DeploymentState::Partial),
            (vec![cooling; 2], DeploymentState::Outage),
        ] {
            assert_eq!(state(&standings), expected, "{standings:?}");
        }
    }
}
