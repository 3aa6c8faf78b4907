//! What several sections have in common: policies by class of error, budgets, limits, options of a strategy.

use std::collections::BTreeMap;
use std::time::Duration;

use super::node::Node;
use super::params::{count, small};
use super::period;
use super::read::child_path;
use super::report::Report;
use super::resolve::seconds;
use super::{Budget, ByClass, RateLimits, StrategyArgs, StrategyName};

/// Reads `retry_policy` (`Retries`) or `allowed_fails_policy` (`AllowedFails`).
pub(super) fn by_class(node: Option<&Node>, suffix: &str) -> Option<ByClass> {
    let node = node.filter(|node| !node.is_empty())?;
    let read = |class: &str| small(node, &format!("{class}{suffix}"));
    Some(ByClass {
        bad_request: read("BadRequestError"),
        authentication: read("AuthenticationError"),
        timeout: read("TimeoutError"),
        rate_limit: read("RateLimitError"),
        content_policy: read("ContentPolicyViolationError"),
        internal: read("InternalServerError"),
        unavailable: read("ServiceUnavailableError"),
        bad_gateway: read("BadGatewayError"),
        not_found: read("NotFoundError"),
        default: read("Default"),
    })
}

/// Reads `model_group_retry_policy`.
pub(super) fn group_policies(node: Option<&Node>) -> BTreeMap<String, ByClass> {
    node.map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), by_class(Some(&entry.node), "Retries")?)))
        .collect()
}

/// Reads an amount and its period, each by the first of its names that is written.
pub(super) fn budget(
    node: &Node,
    limit: &[&str],
    period: &[&str],
    path: &str,
    report: &mut Report,
) -> Option<Budget> {
    let first = |keys: &[&str]| keys.iter().find_map(|key| node.get(key));
    let name = limit.first().copied().unwrap_or_default();
    let written = first(period);
    let Some(limit) = first(limit) else {
        if let Some(period) = written {
            let path = child_path(path, name);
            report.warn(period.at, &path, "missing: a period alone is no budget");
        }
        return None;
    };
    let limit_usd = limit.number()?;
    if limit_usd <= 0.0 {
        report
            .warn(
                limit.at,
                &child_path(path, name),
                "0 is no limit, as in LiteLLM",
            )
            .hint("remove it, or write an amount above 0");
        return None;
    }
    Some(Budget {
        limit_usd,
        period: written.and_then(Node::text).and_then(period::parse),
    })
}

/// Reads `rpm_limit`, `tpm_limit` and `max_parallel_requests`, each with `prefix` before it.
pub(super) fn rate_limits(node: &Node, prefix: &str) -> RateLimits {
    RateLimits {
        rpm: count(node, &format!("{prefix}rpm_limit")),
        tpm: count(node, &format!("{prefix}tpm_limit")),
        parallel: small(node, &format!("{prefix}max_parallel_requests")),
    }
}

/// Reads a strategy's name, and says what it stands for where that is not itself.
pub(super) fn strategy(
    node: Option<&Node>,
    path: &str,
    report: &mut Report,
) -> Option<StrategyName> {
    let node = node?;
    let name = node.text()?;
    let meaning = match name {
        "usage-based-routing" => "is deprecated; it is `usage-based-routing-v2` here",
        "provider-budget-routing" => {
            "is no strategy: `simple-shuffle` is used; budgets hold with any strategy"
        }
        "lar1" => "is a strategy of LiteLLM's own; `simple-shuffle` is used",
        _ => return StrategyName::parse(name),
    };
    report.warn(node.at, path, format!("`{name}` {meaning}"));
    StrategyName::parse(name)
}

/// Reads `routing_strategy_args`.
pub(super) fn strategy_args(node: Option<&Node>, path: &str, report: &mut Report) -> StrategyArgs {
    let base = StrategyArgs::default();
    let Some(node) = node else { return base };
    let percentile = node.get("ttft_percentile").and_then(|percentile| {
        let number = percentile.number()?;
        if number > 0.0 && number <= 1.0 {
            return Some(number);
        }
        let path = child_path(path, "ttft_percentile");
        let message = "expected a number above 0 and at most 1";
        report
            .error(percentile.at, &path, message)
            .hint("0.95 is the 95th percentile");
        None
    });
    StrategyArgs {
        ttl: seconds(node, "ttl").unwrap_or(base.ttl),
        lowest_latency_buffer: node
            .get("lowest_latency_buffer")
            .and_then(Node::number)
            .unwrap_or(base.lowest_latency_buffer),
        max_latency_list_size: count(node, "max_latency_list_size")
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(base.max_latency_list_size),
        ttft_percentile: percentile.or(base.ttft_percentile),
    }
}

/// Reads milliseconds.
pub(super) fn millis(node: &Node, key: &str) -> Option<Duration> {
    let seconds = node.get(key)?.number()? / 1000.0;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}
