//! `GET /metrics`: what was counted, and what is in force, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use http::header::{self, HeaderMap, HeaderValue};

use super::App;
use super::admin::{refused, require_admin};
use crate::router::{GroupRuntime, RuntimeView};
use crate::state::Snapshot;
use crate::telemetry::metrics::{
    CONTENT_TYPE, DeploymentLevels, DeploymentState, GroupLevels, Levels,
};

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
    let groups = snapshot.router.groups();
    Levels {
        groups: groups
            .iter()
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
        deployments: groups
            .iter()
            .flat_map(|group| &group.deployments)
            .map(|deployment| DeploymentLevels {
                id: deployment.id.clone(),
                model: deployment.model.clone(),
                state: state(&deployment.view(now), now),
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

fn state(view: &RuntimeView, now: Instant) -> DeploymentState {
    match view.cooldown {
        None => DeploymentState::Healthy,
        Some(cooldown) if now < cooldown.until => DeploymentState::Outage,
        Some(_) => DeploymentState::Partial,
    }
}
