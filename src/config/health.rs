//! Health checks: `general_settings` says when they are made, and whether routing goes by them; `model_info` has what is
//! different for one deployment.

use std::time::Duration;

use super::environment::Environment;
use super::node::Node;
use super::params::{count, flag, small, text};
use super::report::Report;
use super::resolve::{seconds, texts};
use super::router_section::Sections;

/// Health checks in the background, and routing by them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSettings {
    /// `background_health_checks`.
    pub background: bool,
    /// `health_check_interval`: from the beginning of one round to the next; a second at least.
    pub interval: Duration,
    /// `health_check_concurrency`: how many deployments are asked at a time.
    pub concurrency: u32,
    /// `health_check_details`: whether `/health` says more than names.
    pub details: bool,
    /// `enable_health_check_routing`.
    pub routing: bool,
    /// `health_check_staleness_threshold`: what is known longer than this is not known any more.
    pub staleness: Duration,
    /// `health_check_ignore_transient_errors`: 408 and 429 say nothing of a deployment's health.
    pub ignore_transient: bool,
    /// `background_health_check_model_groups`: the only groups whose routing goes by it; empty: all.
    pub groups: Vec<String>,
    /// The question: `DEFAULT_HEALTH_CHECK_PROMPT` of the environment.
    pub prompt: String,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            background: false,
            interval: INTERVAL,
            concurrency: CONCURRENCY,
            details: true,
            routing: false,
            staleness: INTERVAL * 2,
            ignore_transient: false,
            groups: Vec::new(),
            prompt: "Hi".to_owned(),
        }
    }
}

/// Source: LiteLLM.
const INTERVAL: Duration = Duration::from_secs(300);

/// LiteLLM has no bound; a file of hundreds of deployments would ask all of them in one moment.
const CONCURRENCY: u32 = 10;

impl HealthSettings {
    /// Says whether the routing of a model group goes by what the checks found.
    pub fn routes(&self, group: &str) -> bool {
        self.routing && (self.groups.is_empty() || self.groups.iter().any(|name| name == group))
    }
}

/// What is different for the checks of one deployment (`model_info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthParams {
    /// `disable_background_health_check`.
    pub disabled: bool,
    /// `health_check_model`: what is asked instead, with the deployment's credentials.
    pub model: Option<String>,
    /// `health_check_timeout`.
    pub timeout: Option<Duration>,
    /// `health_check_max_tokens`.
    pub max_tokens: Option<u64>,
}

/// Reads what `model_info` says.
pub(super) fn params(info: &Node) -> HealthParams {
    HealthParams {
        disabled: flag(info, "disable_background_health_check").unwrap_or(false),
        model: text(info, "health_check_model").filter(|model| !model.is_empty()),
        timeout: seconds(info, "health_check_timeout"),
        max_tokens: count(info, "health_check_max_tokens").filter(|total| *total > 0),
    }
}

/// Reads the settings; what is said of routing may stand in `router_settings` too.
pub(super) fn read(
    sections: Sections<'_>,
    environment: &Environment,
    report: &mut Report,
) -> HealthSettings {
    let Sections {
        router, general, ..
    } = sections;
    let base = HealthSettings::default();
    let twin = |key: &str| general.written(key).or_else(|| router.written(key));
    let is_on = |key: &str| twin(key).and_then(Node::flag).unwrap_or(false);
    let background = flag(general, "background_health_checks").unwrap_or(base.background);
    let routing = is_on("enable_health_check_routing");
    if routing && !background {
        nothing_to_go_by(sections, report);
    }
    let interval = seconds(general, "health_check_interval").unwrap_or(base.interval);
    let interval = interval.max(Duration::from_secs(1));
    let staleness = [general, router].into_iter();
    let mut staleness = staleness.filter_map(|node| {
        node.written("health_check_staleness_threshold")
            .and_then(|_| seconds(node, "health_check_staleness_threshold"))
    });
    HealthSettings {
        background,
        interval,
        concurrency: small(general, "health_check_concurrency")
            .filter(|total| *total > 0)
            .unwrap_or(base.concurrency),
        details: flag(general, "health_check_details").unwrap_or(base.details),
        routing,
        staleness: staleness
            .next()
            .unwrap_or_else(|| interval.saturating_mul(2)),
        ignore_transient: is_on("health_check_ignore_transient_errors"),
        groups: texts(router.get("background_health_check_model_groups")),
        prompt: environment
            .get("DEFAULT_HEALTH_CHECK_PROMPT")
            .filter(|prompt| !prompt.is_empty())
            .map_or(base.prompt, str::to_owned),
    }
}

/// Warns that routing goes by checks that nobody makes.
fn nothing_to_go_by(sections: Sections<'_>, report: &mut Report) {
    let places = [
        ("general_settings", sections.general),
        ("router_settings", sections.router),
    ];
    for (section, node) in places {
        let Some(flag) = node.written("enable_health_check_routing") else {
            continue;
        };
        let key = format!("{section}.enable_health_check_routing");
        let message = "nothing is checked, so nothing is known to be unhealthy";
        report
            .warn(flag.at, &key, message)
            .hint("add `background_health_checks: true` to `general_settings`");
        return;
    }
}
