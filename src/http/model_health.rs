//! `GET /health`: which deployments answer, for the administrator. With `background_health_checks` it is what the last round
//! found; without, each request asks the deployments, which costs a few tokens each.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;

use super::App;
use super::admin::{refused, require_admin, written};
use crate::clock::rfc3339;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::health;
use crate::router::{Asker, Checked, Deployment};
use crate::state::Snapshot;

/// The whole answer; the first four members are LiteLLM's.
#[derive(Debug, Default, Serialize)]
struct Health {
    healthy_endpoints: Vec<Endpoint>,
    unhealthy_endpoints: Vec<Endpoint>,
    healthy_count: usize,
    unhealthy_count: usize,
    /// Not checked yet.
    unknown_count: usize,
}

/// One deployment; never its credentials or its address.
#[derive(Debug, Serialize)]
struct Endpoint {
    model: String,
    model_id: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// What `health_check_details: false` leaves out.
#[derive(Debug, Serialize)]
struct Details {
    model_group: String,
    region: String,
    checked_at: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

#[derive(Debug, Serialize)]
struct Failure {
    error: String,
    error_kind: &'static str,
    status: u16,
}

/// Finds the deployments that a monitor means, by id: `?model=` is whatever a call may name, `?model_id=` a deployment. `None`:
/// all. A slip of the pen must not look like health.
///
/// # Errors
///
/// Nobody is called so.
fn wanted(snapshot: &Snapshot, uri: &Uri) -> Result<Option<Vec<String>>> {
    let router = &snapshot.router;
    let mut wanted: Option<Vec<String>> = None;
    let query = uri.query().unwrap_or_default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let found: Option<Vec<String>> = match &*name {
            "model" => {
                let group = router.group(&value).cloned();
                let group = group.or_else(|| {
                    let resolved = router.resolve(&value, Asker::Administrator);
                    resolved.map(|resolved| resolved.group)
                });
                group.map(|group| group.deployments.iter().map(|one| one.id.clone()).collect())
            }
            "model_id" => router.deployment(&value).map(|one| vec![one.id.clone()]),
            _ => continue,
        };
        let mut found = found.ok_or_else(|| unknown(&name, &value))?;
        if let Some(before) = &wanted {
            found.retain(|id| before.contains(id));
        }
        wanted = Some(found);
    }
    Ok(wanted)
}

fn unknown(name: &str, value: &str) -> Error {
    let shown: String = value.chars().take(128).collect();
    let message = format!("nothing is called {shown} here: see `/v1/models` and `/router/state`");
    Error::new(ErrorKind::UnknownModel, message)
        .with_param(name)
        .with_status(StatusCode::NOT_FOUND)
}

/// Answers by the last round, or asks.
pub(super) async fn models(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(error) = require_admin(&app, &uri, &headers) {
        return refused(&error, &headers);
    }
    let snapshot = app.live.load();
    let wanted = match wanted(&snapshot, &uri) {
        Ok(wanted) => wanted,
        Err(error) => return refused(&error, &headers),
    };
    let mut deployments = health::deployments(&snapshot);
    if let Some(wanted) = wanted {
        deployments.retain(|deployment| wanted.contains(&deployment.id));
    }
    let settings = &snapshot.config.router.health;
    if !settings.background {
        health::check(&snapshot, app.pipeline.parts(), deployments.clone()).await;
    }
    let mut answer = Health::default();
    for deployment in &deployments {
        let Some(checked) = deployment.runtime.health.last() else {
            answer.unknown_count += 1;
            continue;
        };
        let list = match checked.failure {
            None => &mut answer.healthy_endpoints,
            Some(_) => &mut answer.unhealthy_endpoints,
        };
        list.push(Endpoint {
            model: deployment.model.clone(),
            model_id: deployment.id.clone(),
            details: settings.details.then(|| Details::of(deployment, checked)),
        });
    }
    answer.healthy_count = answer.healthy_endpoints.len();
    answer.unhealthy_count = answer.unhealthy_endpoints.len();
    written(StatusCode::OK, &answer)
}

impl Details {
    fn of(deployment: &Deployment, checked: Checked) -> Self {
        Self {
            model_group: deployment.group.clone(),
            region: deployment.region.clone(),
            checked_at: rfc3339(checked.at),
            failure: checked.failure.map(|failure| Failure {
                error: failure.message,
                error_kind: failure.kind.name(),
                status: failure.status,
            }),
        }
    }
}
