//! `switchyard explain`: how a request for a name would be served, without sending anything.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::check::offline_router;
use super::{complain, say};
use crate::config::{self, Config, Environment};
use crate::provider::bedrock::model_id::Route;
use crate::provider::bedrock::url;
use crate::router::{Deployment, Match, ModelGroup, Router};

/// What stands behind a value that the file may have but that does nothing yet.
const LATER: &str = " (not supported yet)";

#[derive(Serialize)]
struct Explanation {
    requested: String,
    matched: &'static str,
    group: String,
    strategy: String,
    num_retries: u32,
    deployments: Vec<DeploymentView>,
    fallbacks: Vec<FallbackView>,
    /// The members of this document whose values do nothing yet.
    not_supported_yet: Vec<&'static str>,
}

#[derive(Serialize)]
struct FallbackView {
    group: String,
    /// Whether there is such a group.
    exists: bool,
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
    /// Why it cannot answer, if it cannot.
    gap: Option<String>,
}

/// Members of the document, and the keys of the file that they come from.
const KEYS: [(&str, &str, &str); 6] = [
    ("num_retries", "router_settings", "num_retries"),
    ("fallbacks", "router_settings", "fallbacks"),
    ("rpm", "litellm_params", "rpm"),
    ("tpm", "litellm_params", "tpm"),
    (
        "max_parallel_requests",
        "litellm_params",
        "max_parallel_requests",
    ),
    ("order", "litellm_params", "order"),
];

/// The members of the document whose values do nothing yet.
fn not_supported_yet() -> Vec<&'static str> {
    KEYS.into_iter()
        .filter(|(_, section, key)| !config::has_effect(section, key))
        .map(|(member, ..)| member)
        .collect()
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
    explanation(&config, model)
}

fn explanation(config: &Config, model: &str) -> Result<Explanation, String> {
    let router = offline_router(config)
        .map_err(|findings| format!("the configuration cannot be used\n{findings}"))?;
    let resolved = router
        .resolve(model)
        .ok_or_else(|| unknown(&router, model))?;
    let views = |group: &ModelGroup| -> Vec<DeploymentView> {
        group
            .deployments
            .iter()
            .map(|deployment| DeploymentView::of(deployment, config))
            .collect()
    };
    let fallbacks = fallback_names(config, &resolved.group.name)
        .into_iter()
        .map(|name| {
            let target = router.resolve(&name);
            FallbackView {
                exists: target.is_some(),
                deployments: target.map_or_else(Vec::new, |target| views(&target.group)),
                group: name,
            }
        })
        .collect();
    Ok(Explanation {
        requested: model.to_owned(),
        matched: match resolved.matched {
            Match::Group => "exact",
            Match::Alias => "alias",
            Match::DeploymentId => "deployment id",
            Match::RoutingGroup => "routing group",
            Match::Wildcard => "wildcard",
            Match::ModelText => "model text",
        },
        group: resolved.group.name.clone(),
        strategy: resolved.group.strategy.name.name().to_owned(),
        num_retries: config.router.num_retries,
        deployments: views(&resolved.group),
        fallbacks,
        not_supported_yet: not_supported_yet(),
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
fn fallback_names(config: &Config, group: &str) -> Vec<String> {
    let lists = &config.router.fallbacks;
    let find = |name: &str| lists.general.iter().find(|rule| rule.group == name);
    let mut names: Vec<String> = find(group)
        .or_else(|| find("*"))
        .map(|rule| rule.targets.iter().map(|target| target.model.clone()))
        .map(Iterator::collect)
        .unwrap_or_default();
    for name in &lists.default {
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
    fn of(deployment: &Deployment, config: &Config) -> Self {
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
            gap: deployment.gap.map(|gap| gap.to_string()),
        }
    }

    fn lines(&self, later: &[&str], out: &mut Vec<String>) {
        let given = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
        // A value that does nothing is marked as such; that there is none needs no mark.
        let marked = |member: &str, value: Option<String>| match value {
            Some(value) if later.contains(&member) => format!("{value}{LATER}"),
            value => given(value),
        };
        out.push(format!("  deployment {}", self.id));
        out.push(format!(
            "    model        {}{}",
            self.model,
            if self.blocked { " (blocked)" } else { "" }
        ));
        if let Some(gap) = &self.gap {
            out.push(format!("    answers      no: {gap}"));
        }
        out.push(format!("    model id     {}", self.model_id));
        out.push(format!("    route        {}", self.route));
        out.push(format!("    url          {}", self.url));
        out.push(format!("    region       {}", self.region));
        out.push(format!("    credentials  {}", self.credentials));
        let parallel = self.max_parallel_requests.map(|value| value.to_string());
        out.push(format!(
            "    limits       rpm {}, tpm {}, parallel {}",
            marked("rpm", self.rpm.map(|value| value.to_string())),
            marked("tpm", self.tpm.map(|value| value.to_string())),
            marked("max_parallel_requests", parallel),
        ));
        out.push(format!(
            "    timeouts     {} s, stream {}",
            self.timeout_seconds,
            given(
                self.stream_timeout_seconds
                    .map(|value| format!("{value} s"))
            ),
        ));
        out.push(format!(
            "    preference   weight {}, order {}",
            given(self.weight.map(|value| value.to_string())),
            marked("order", self.order.map(|value| value.to_string())),
        ));
    }
}

impl Explanation {
    fn text(&self) -> String {
        let later = &self.not_supported_yet;
        let mark = |member: &str| if later.contains(&member) { LATER } else { "" };
        let strategy = &self.strategy;
        let mut out = vec![
            format!("requested      {}", self.requested),
            format!("resolved       {} (group {})", self.matched, self.group),
            format!("strategy       {strategy}"),
            format!("retries        {}{}", self.num_retries, mark("num_retries")),
        ];
        for deployment in &self.deployments {
            deployment.lines(later, &mut out);
        }
        if self.fallbacks.is_empty() {
            out.push("fallbacks      none".to_owned());
        }
        for fallback in &self.fallbacks {
            let unknown = if fallback.exists {
                ""
            } else {
                ": there is no such group"
            };
            out.push(format!(
                "then group {}{}{unknown}",
                fallback.group,
                mark("fallbacks")
            ));
            for deployment in &fallback.deployments {
                deployment.lines(later, &mut out);
            }
        }
        out.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load_bytes};

    fn explained(model: &str) -> Explanation {
        let text = "
model_list:
  - model_name: a
    litellm_params: {model: bedrock/us.amazon.nova-pro-v1:0, rpm: 5}
  - model_name: old
    litellm_params: {model: bedrock/agent/AGENT/ALIAS}
router_settings:
  fallbacks: [{a: [old, gone]}]
";
        let environment = Environment::default();
        let file = Path::new("c.yaml");
        let config = load_bytes(file, text.as_bytes(), environment, &Overrides::default());
        explanation(&config.unwrap(), model).unwrap()
    }

    #[test]
    fn what_does_nothing_yet_is_marked() {
        let explanation = explained("a");
        let text = explanation.text();
        for (member, line) in [
            ("num_retries", "retries        2"),
            ("fallbacks", "then group old"),
            ("rpm", "limits       rpm 5"),
        ] {
            let is_later = explanation.not_supported_yet.contains(&member);
            assert!(text.contains(line), "{text}");
            assert_eq!(text.contains(&format!("{line}{LATER}")), is_later, "{text}");
        }
        assert!(!text.contains("tpm none ("), "{text}");
    }

    #[test]
    fn unknown_fallback_is_named_and_so_is_what_cannot_answer() {
        let explanation = explained("a");
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!(json["fallbacks"][0]["exists"], true);
        assert_eq!(json["fallbacks"][1]["group"], "gone");
        assert_eq!(json["fallbacks"][1]["exists"], false);
        assert!(explanation.text().contains(": there is no such group"));
        let old = explained("old").text();
        assert!(old.contains("answers      no: accepted, not supported yet: `agent/`"));
    }
}
