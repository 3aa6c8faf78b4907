//! `switchyard explain`: how a request for a name would be served, without sending anything.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use tokio_util::task::TaskTracker;

use super::{complain, say};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Environment};
use crate::provider::bedrock::model_id::Route;
use crate::provider::bedrock::url;
use crate::router::{Deployment, Match, ModelGroup, Router};
use crate::upstream::{CredentialStore, Upstream, UpstreamOptions};

#[derive(Serialize)]
struct Explanation {
    requested: String,
    matched: &'static str,
    group: String,
    strategy: String,
    num_retries: u32,
    deployments: Vec<DeploymentView>,
    fallbacks: Vec<FallbackView>,
}

#[derive(Serialize)]
struct FallbackView {
    group: String,
    deployments: Vec<DeploymentView>,
}

#[derive(Serialize)]
struct DeploymentView {
    id: String,
    model: String,
    model_id: String,
    route: String,
    url: String,
    region: String,
    credentials: String,
    rpm: Option<u64>,
    tpm: Option<u64>,
    max_parallel_requests: Option<u32>,
    timeout_seconds: f64,
    stream_timeout_seconds: Option<f64>,
    num_retries: Option<u32>,
    weight: Option<f64>,
    order: Option<i64>,
    blocked: bool,
}

/// Prints how a request for `model` would be served. Exit status 1 for an unknown name or an unusable file.
pub(super) fn explain(file: &Path, model: &str, as_json: bool) -> ExitCode {
    match explained(file, model) {
        Ok(explanation) if as_json => {
            say(&serde_json::to_string_pretty(&explanation).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Ok(explanation) => {
            say(&explanation.text());
            ExitCode::SUCCESS
        }
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn explained(file: &Path, model: &str) -> Result<Explanation, String> {
    let config = config::load(file, Environment::of_process())
        .map_err(|findings| format!("the configuration cannot be used\n{findings}"))?;
    let clock: SharedClock = Arc::new(SystemClock);
    let upstream = Arc::new(Upstream::new(
        UpstreamOptions::default(),
        Arc::clone(&clock),
    )?);
    let credentials = CredentialStore::new(upstream, TaskTracker::new());
    let router = Router::build(&config, &credentials).map_err(|error| error.to_string())?;
    let name = config
        .litellm
        .model_alias_map
        .get(model)
        .map_or(model, String::as_str);
    let resolved = router
        .resolve(name)
        .ok_or_else(|| unknown(&router, model))?;
    let views = |group: &ModelGroup| -> Vec<DeploymentView> {
        group
            .deployments
            .iter()
            .map(|deployment| DeploymentView::of(deployment, &config))
            .collect()
    };
    let fallbacks = fallback_names(&config, &resolved.group.name)
        .into_iter()
        .map(|name| FallbackView {
            deployments: router
                .resolve(&name)
                .map(|resolved| views(&resolved.group))
                .unwrap_or_default(),
            group: name,
        })
        .collect();
    Ok(Explanation {
        requested: model.to_owned(),
        matched: match resolved.matched {
            Match::Group => "exact",
            Match::Alias => "alias",
            Match::DeploymentId => "deployment id",
            Match::ModelText => "model text",
        },
        group: resolved.group.name.clone(),
        strategy: config.router.strategy.clone(),
        num_retries: config.router.num_retries,
        deployments: views(&resolved.group),
        fallbacks,
    })
}

fn unknown(router: &Router, model: &str) -> String {
    let nearest = router.nearest(model);
    if nearest.is_empty() {
        return format!("no model is called `{model}`; the file has none");
    }
    format!(
        "no model is called `{model}`; the nearest names are: {}",
        nearest.join(", ")
    )
}

/// The groups that follow when a group fails: its own list, else that of `*`, then the default fallbacks.
fn fallback_names(config: &config::Config, group: &str) -> Vec<String> {
    let lists = &config.router.fallbacks;
    let find = |name: &str| {
        lists
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, targets)| targets)
    };
    let mut names: Vec<String> = find(group)
        .or_else(|| find("*"))
        .cloned()
        .unwrap_or_default();
    for name in &config.router.default_fallbacks {
        if !names.contains(name) && name != group {
            names.push(name.clone());
        }
    }
    names
}

/// Where a chat request of this deployment goes.
fn chat_url(deployment: &Deployment) -> String {
    let target = &deployment.target;
    match target.model.route {
        Route::Converse => url::converse_url(&target.endpoint, &target.model.wire, false),
        _ => target.endpoint.clone(),
    }
}

impl DeploymentView {
    fn of(deployment: &Deployment, config: &config::Config) -> Self {
        let limits = &deployment.entry.limits;
        let stream = deployment.timeouts.stream.or(config.router.stream_timeout);
        Self {
            id: deployment.id.clone(),
            model: deployment.model.clone(),
            model_id: deployment.target.model.wire.clone(),
            route: deployment.target.model.route.name().to_owned(),
            url: chat_url(deployment),
            region: deployment.region.clone(),
            credentials: deployment.credentials.describe(),
            rpm: limits.rpm,
            tpm: limits.tpm,
            max_parallel_requests: limits.parallel,
            timeout_seconds: deployment
                .timeouts
                .whole
                .unwrap_or(config.router.timeout)
                .as_secs_f64(),
            stream_timeout_seconds: stream.map(|timeout| timeout.as_secs_f64()),
            num_retries: deployment.entry.num_retries,
            weight: limits.weight,
            order: limits.order,
            blocked: deployment.entry.blocked,
        }
    }

    fn lines(&self, out: &mut Vec<String>) {
        let some = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
        out.push(format!("  deployment {}", self.id));
        out.push(format!(
            "    model        {}{}",
            self.model,
            if self.blocked { " (blocked)" } else { "" }
        ));
        out.push(format!("    model id     {}", self.model_id));
        out.push(format!("    route        {}", self.route));
        out.push(format!("    url          {}", self.url));
        out.push(format!("    region       {}", self.region));
        out.push(format!("    credentials  {}", self.credentials));
        out.push(format!(
            "    limits       rpm {}, tpm {}, parallel {}",
            some(self.rpm.map(|value| value.to_string())),
            some(self.tpm.map(|value| value.to_string())),
            some(self.max_parallel_requests.map(|value| value.to_string())),
        ));
        out.push(format!(
            "    timeouts     {} s, stream {}",
            self.timeout_seconds,
            some(
                self.stream_timeout_seconds
                    .map(|value| format!("{value} s"))
            ),
        ));
        out.push(format!(
            "    preference   weight {}, order {}",
            some(self.weight.map(|value| value.to_string())),
            some(self.order.map(|value| value.to_string())),
        ));
    }
}

impl Explanation {
    fn text(&self) -> String {
        let mut out = vec![
            format!("requested      {}", self.requested),
            format!("resolved       {} (group {})", self.matched, self.group),
            format!("strategy       {}", self.strategy),
            format!("retries        {}", self.num_retries),
        ];
        for deployment in &self.deployments {
            deployment.lines(&mut out);
        }
        if self.fallbacks.is_empty() {
            out.push("fallbacks      none".to_owned());
        }
        for fallback in &self.fallbacks {
            out.push(format!("then group {}", fallback.group));
            for deployment in &fallback.deployments {
                deployment.lines(&mut out);
            }
        }
        out.join("\n")
    }
}
