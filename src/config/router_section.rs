//! `router_settings` → [`RouterSettings`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::environment::Environment;
use super::node::{At, Node, Value};
use super::params::{flag, small, text};
use super::policy::{budget, by_class, group_policies, millis, strategy, strategy_args};
use super::read::child_path;
use super::report::Report;
use super::resolve::{duration, seconds, texts};
use super::routing_groups;
use super::{
    Affinity, AffinitySettings, Alias, Budget, CooldownSettings, RetryBudgetConfig, RouterSettings,
    StrategyConfig, StreamRecovery, TagSettings,
};
use super::{fallback, health};

/// The sections that say how calls are routed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sections<'a> {
    pub(super) router: &'a Node,
    pub(super) litellm: &'a Node,
    pub(super) general: &'a Node,
}

impl<'a> Sections<'a> {
    /// Returns what `router_settings` says of a key, else what `litellm_settings` says.
    fn twin(self, key: &str) -> Option<&'a Node> {
        self.router
            .written(key)
            .or_else(|| self.litellm.written(key))
    }

    /// Likewise, a small number.
    fn small_twin(self, key: &str) -> Option<u32> {
        let count = self.twin(key)?.count()?;
        Some(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// Resolves the section; Redis is not a part of it.
pub(super) fn read(
    sections: Sections<'_>,
    environment: &Environment,
    report: &mut Report,
) -> RouterSettings {
    let Sections {
        router,
        litellm,
        general,
    } = sections;
    let path = "router_settings";
    let checks = Checks::read(router, report);
    RouterSettings {
        strategy: StrategyConfig {
            name: strategy(
                router.get("routing_strategy"),
                "router_settings.routing_strategy",
                report,
            )
            .unwrap_or_default(),
            args: strategy_args(
                router.get("routing_strategy_args"),
                "router_settings.routing_strategy_args",
                report,
            ),
        },
        routing_groups: routing_groups::read(router.get("routing_groups"), report),
        aliases: aliases(router.get("model_group_alias"), report),
        pre_call_checks: is_on(router, "enable_pre_call_checks"),
        enforce_model_rate_limits: checks.rate_limits,
        affinity: affinity(router, checks.sticky, report),
        tags: tags(router),
        default_parallel: small(router, "default_max_parallel_requests")
            .or_else(|| small(general, "max_parallel_requests")),
        parallel_limit_from_rpm: is_on(router, "parallel_limit_from_rpm"),
        default_priority: small(router, "default_priority"),
        provider_budget: provider_budget(router.get("provider_budget_config"), path, report),
        health: health::read(sections, environment, report),
        tag_budgets: tag_budgets(litellm.get("tag_budget_config"), report),
        caching_groups: router
            .get("caching_groups")
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .map(|group| texts(Some(group)))
            .collect(),
        ..failures(sections, environment)
    }
}

/// Resolves what is said of waiting and failing: timeouts, retries, fallbacks, cooldowns.
fn failures(sections: Sections<'_>, environment: &Environment) -> RouterSettings {
    let Sections {
        router, litellm, ..
    } = sections;
    let base = RouterSettings::default();
    RouterSettings {
        num_retries: sections
            .small_twin("num_retries")
            .unwrap_or(base.num_retries),
        num_retries_per_request: small(litellm, "num_retries_per_request"),
        retry_after: duration(router.get("retry_after")).unwrap_or(base.retry_after),
        retry_policy: by_class(router.get("retry_policy"), "Retries"),
        group_retry_policies: group_policies(router.get("model_group_retry_policy")),
        retry_budget: retry_budget(router.get("retry_budget")),
        timeout: timeout(sections, environment).unwrap_or(base.timeout),
        stream_timeout: seconds(router, "stream_timeout"),
        stream_idle_timeout: router
            .written("stream_idle_timeout")
            .and_then(|_| seconds(router, "stream_idle_timeout")),
        connect_timeout: seconds(router, "connect_timeout").unwrap_or(base.connect_timeout),
        deadline: seconds(router, "deadline"),
        fallbacks: fallback::lists(router, litellm),
        max_fallbacks: sections
            .small_twin("max_fallbacks")
            .or_else(|| environment.get("ROUTER_MAX_FALLBACKS")?.parse().ok())
            .unwrap_or(base.max_fallbacks),
        fallback_on_4xx: is_on(router, "fallback_on_4xx"),
        weighted_failover: is_on(router, "enable_weighted_failover"),
        cooldown: cooldown(sections, environment),
        max_queue: millis(router, "max_queue_ms").unwrap_or(base.max_queue),
        stream_recovery: match router.get("stream_recovery").and_then(Node::text) {
            Some("resume") => StreamRecovery::Resume,
            _ => StreamRecovery::None,
        },
        hedge_after: seconds(router, "hedge_after"),
        default_params: match router.get("default_litellm_params").map(Node::to_json) {
            Some(serde_json::Value::Object(params)) => params,
            _ => base.default_params,
        },
        ..base
    }
}

fn is_on(node: &Node, key: &str) -> bool {
    flag(node, key).unwrap_or(false)
}

/// Finds the timeout of an attempt. Defaults come last: those of the tables are not `written`.
fn timeout(sections: Sections<'_>, environment: &Environment) -> Option<Duration> {
    let written = |section: &Node, key: &str| {
        section.written(key)?;
        seconds(section, key)
    };
    written(sections.router, "timeout")
        .or_else(|| written(sections.litellm, "request_timeout"))
        .or_else(|| {
            let seconds = environment.get("REQUEST_TIMEOUT")?.parse().ok()?;
            Duration::try_from_secs_f64(seconds).ok()
        })
        .or_else(|| seconds(sections.router, "timeout"))
}

/// Reads the retry budget; `false` turns it off.
fn retry_budget(node: Option<&Node>) -> Option<RetryBudgetConfig> {
    let base = RetryBudgetConfig::default();
    let Some(node) = node else { return Some(base) };
    if node.flag() == Some(false) {
        return None;
    }
    let read = |key: &str| node.get(key).and_then(Node::number);
    Some(RetryBudgetConfig {
        capacity: read("capacity").unwrap_or(base.capacity),
        cost: read("cost").unwrap_or(base.cost),
        throttle_cost: read("throttle_cost").unwrap_or(base.throttle_cost),
        refill_per_second: read("refill_per_second").unwrap_or(base.refill_per_second),
    })
}

fn cooldown(sections: Sections<'_>, environment: &Environment) -> CooldownSettings {
    let router = sections.router;
    let base = CooldownSettings::default();
    let time = router
        .written("cooldown_time")
        .and_then(|_| seconds(router, "cooldown_time"))
        .or_else(|| {
            let seconds = environment.get("DEFAULT_COOLDOWN_TIME_SECONDS")?;
            Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
        })
        .filter(|time| !time.is_zero())
        .unwrap_or(base.time);
    let window = seconds(router, "allowed_fails_window").unwrap_or(base.window);
    let max_time = seconds(router, "max_cooldown_time").unwrap_or(base.max_time);
    CooldownSettings {
        disabled: is_on(router, "disable_cooldowns"),
        time,
        // What an operator sets is not cut by a bound that is meant for growth.
        max_time: max_time.max(time),
        // Presence counts: the default in the table is LiteLLM's, and stands for the rate of failures.
        allowed_fails: sections.small_twin("allowed_fails"),
        allowed_fails_policy: by_class(router.get("allowed_fails_policy"), "AllowedFails"),
        window: window.max(time),
    }
}

fn tags(router: &Node) -> TagSettings {
    let base = TagSettings::default();
    TagSettings {
        enabled: is_on(router, "enable_tag_filtering"),
        match_any: flag(router, "tag_filtering_match_any").unwrap_or(base.match_any),
        prefix: text(router, "tag_routing_prefix").unwrap_or(base.prefix),
    }
}

/// What `optional_pre_call_checks` turns on.
#[derive(Debug, Clone, Copy, Default)]
struct Checks {
    rate_limits: bool,
    sticky: Affinity,
}

impl Checks {
    fn read(router: &Node, report: &mut Report) -> Self {
        let mut checks = Self::default();
        let items = router
            .get("optional_pre_call_checks")
            .map(Node::items)
            .unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            let path = format!("router_settings.optional_pre_call_checks[{index}]");
            let Some(name) = item.text() else { continue };
            match name {
                "enforce_model_rate_limits" => checks.rate_limits = true,
                // Budgets are checked wherever there is one.
                "router_budget_limiting" => {}
                _ => stick(&mut checks.sticky, name, item.at, &path, report),
            }
        }
        checks
    }
}

/// Adds what sticks.
fn stick(sticky: &mut Affinity, name: &str, at: At, path: &str, report: &mut Report) {
    match name {
        "deployment_affinity" => sticky.deployment = true,
        "session_affinity" => sticky.session = true,
        "prompt_caching" => sticky.prompt_caching = true,
        _ => {
            report.warn(at, path, format!("`{name}`: accepted, not supported yet"));
        }
    }
}

fn affinity(router: &Node, all: Affinity, report: &mut Report) -> AffinitySettings {
    let base = AffinitySettings::default();
    let mut groups = BTreeMap::new();
    let entries = router.get("model_group_affinity_config").map(Node::entries);
    for entry in entries.unwrap_or_default() {
        let path = format!("router_settings.model_group_affinity_config.{}", entry.key);
        let mut sticky = Affinity::default();
        for item in entry.node.items() {
            stick(
                &mut sticky,
                item.text().unwrap_or_default(),
                item.at,
                &path,
                report,
            );
        }
        for switch in entry.node.entries() {
            if switch.node.flag() == Some(true) {
                stick(&mut sticky, &switch.key, switch.at, &path, report);
            }
        }
        groups.insert(entry.key.clone(), sticky);
    }
    AffinitySettings {
        all,
        groups,
        ttl: seconds(router, "deployment_affinity_ttl_seconds").unwrap_or(base.ttl),
    }
}

/// Reads the budget of Bedrock, which is the only provider.
fn provider_budget(node: Option<&Node>, path: &str, report: &mut Report) -> Option<Budget> {
    let mut found = None;
    for entry in node.map(Node::entries).unwrap_or_default() {
        let path = format!("{path}.provider_budget_config.{}", entry.key);
        if entry.key != "bedrock" {
            report
                .warn(
                    entry.at,
                    &path,
                    "not a provider here; its budget is ignored",
                )
                .hint("the only provider is `bedrock`");
            continue;
        }
        let limit = ["budget_limit", "max_budget"];
        let period = ["time_period", "budget_duration"];
        found = has_limit(&entry.node, entry.at, &limit, &path, report)
            .then(|| budget(&entry.node, &limit, &period, &path, report))
            .flatten();
    }
    found
}

/// Reads the budgets of tags.
fn tag_budgets(node: Option<&Node>, report: &mut Report) -> BTreeMap<String, Budget> {
    let mut found = BTreeMap::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
        let path = child_path("litellm_settings.tag_budget_config", &entry.key);
        let limit = ["max_budget", "budget_limit"];
        let period = ["budget_duration", "time_period"];
        if !has_limit(&entry.node, entry.at, &limit, &path, report) {
            continue;
        }
        if let Some(budget) = budget(&entry.node, &limit, &period, &path, report) {
            found.insert(entry.key.clone(), budget);
        }
    }
    found
}

/// Says whether a budget has an amount, by one of its names; one without is a mistake.
fn has_limit(node: &Node, at: At, limit: &[&str], path: &str, report: &mut Report) -> bool {
    let name = limit.first().copied().unwrap_or_default();
    let is_there = limit.iter().any(|key| node.get(key).is_some());
    if !is_there {
        report
            .error(at, &child_path(path, name), format!("`{name}` is missing"))
            .hint(format!("add `{name}:`, in USD"));
    }
    is_there
}

/// Reads aliases; one that is neither a name nor `{model, hidden}` is left out.
fn aliases(node: Option<&Node>, report: &mut Report) -> Vec<Alias> {
    let mut aliases = Vec::new();
    for entry in node.map(Node::entries).unwrap_or_default() {
        let target = match &entry.node.value {
            Value::Text(target) => Some(target.clone()),
            Value::Map(_) => text(&entry.node, "model").filter(|model| !model.is_empty()),
            _ => None,
        };
        let Some(target) = target else {
            let path = format!("router_settings.model_group_alias.{}", entry.key);
            report
                .warn(entry.node.at, &path, "not an alias; it is ignored")
                .hint("write `alias: group` or `alias: {model: group, hidden: true}`");
            continue;
        };
        aliases.push(Alias {
            name: entry.key.clone(),
            target,
            hidden: is_on(&entry.node, "hidden"),
        });
    }
    aliases
}
