//! What `explain` says of the rules that hold for a group: strategy, retries, filters, cache.

use std::collections::BTreeMap;

use serde::Serialize;

use super::deployment::BudgetView;
use crate::config::{
    ByClass, CacheBackend, CacheConfig, CacheScope, Config, RetryBudgetConfig, StrategyArgs,
    StreamRecovery,
};
use crate::limit::Rates;
use crate::router::ModelGroup;

/// Numbers by class of error, under the names that the file has for them.
pub(super) type PolicyView = BTreeMap<String, u32>;

/// Returns what a policy says; nothing where there is none.
pub(super) fn policy(policy: Option<&ByClass>, suffix: &str) -> PolicyView {
    let Some(policy) = policy else {
        return PolicyView::new();
    };
    let classes = [
        ("BadRequestError", policy.bad_request),
        ("AuthenticationError", policy.authentication),
        ("TimeoutError", policy.timeout),
        ("RateLimitError", policy.rate_limit),
        ("ContentPolicyViolationError", policy.content_policy),
        ("InternalServerError", policy.internal),
        ("ServiceUnavailableError", policy.unavailable),
        ("BadGatewayError", policy.bad_gateway),
        ("NotFoundError", policy.not_found),
        ("Default", policy.default),
    ];
    (classes.into_iter())
        .filter_map(|(class, number)| Some((format!("{class}{suffix}"), number?)))
        .collect()
}

/// `routing_strategy_args`; they matter to `latency-based-routing` only.
#[derive(Debug, Serialize)]
pub(super) struct ArgsView {
    pub(super) ttl_seconds: f64,
    pub(super) lowest_latency_buffer: f64,
    pub(super) max_latency_list_size: usize,
    pub(super) ttft_percentile: Option<f64>,
}

impl ArgsView {
    pub(super) fn of(args: &StrategyArgs) -> Self {
        Self {
            ttl_seconds: args.ttl.as_secs_f64(),
            lowest_latency_buffer: args.lowest_latency_buffer,
            max_latency_list_size: args.max_latency_list_size,
            ttft_percentile: args.ttft_percentile,
        }
    }
}

/// How a group tries again.
#[derive(Debug, Serialize)]
pub(super) struct RetriesView {
    /// Where no policy names the class of the error.
    pub(super) num_retries: u32,
    pub(super) policy: PolicyView,
    /// `retry_policy` or `model_group_retry_policy`.
    pub(super) policy_from: Option<&'static str>,
    pub(super) retry_after_seconds: f64,
    /// `null`: it is turned off.
    pub(super) budget: Option<RetryBudgetView>,
    /// Most retries and fallbacks of one call.
    pub(super) num_retries_per_request: Option<u32>,
}

/// `retry_budget`.
#[derive(Debug, Serialize)]
pub(super) struct RetryBudgetView {
    pub(super) capacity: f64,
    pub(super) cost: f64,
    pub(super) throttle_cost: f64,
    pub(super) refill_per_second: f64,
}

impl RetriesView {
    pub(super) fn of(config: &Config, group: &str) -> Self {
        let router = &config.router;
        let of_group = router.group_retry_policies.get(group);
        let found = of_group.or(router.retry_policy.as_ref());
        Self {
            num_retries: router.num_retries,
            policy: policy(found, "Retries"),
            policy_from: found.map(|_| match of_group {
                Some(_) => "model_group_retry_policy",
                None => "retry_policy",
            }),
            retry_after_seconds: router.retry_after.as_secs_f64(),
            budget: router.retry_budget.map(RetryBudgetView::of),
            num_retries_per_request: router.num_retries_per_request,
        }
    }
}

impl RetryBudgetView {
    fn of(config: RetryBudgetConfig) -> Self {
        Self {
            capacity: config.capacity,
            cost: config.cost,
            throttle_cost: config.throttle_cost,
            refill_per_second: config.refill_per_second,
        }
    }
}

/// What bounds a whole call.
#[derive(Debug, Serialize)]
pub(super) struct CallView {
    pub(super) deadline_seconds: Option<f64>,
    pub(super) hedge_after_seconds: Option<f64>,
    /// `none` or `resume`.
    pub(super) stream_recovery: &'static str,
    pub(super) max_queue_ms: u128,
    pub(super) default_priority: Option<u32>,
    pub(super) max_fallbacks: u32,
    pub(super) fallback_on_4xx: bool,
    pub(super) enable_weighted_failover: bool,
}

impl CallView {
    pub(super) fn of(config: &Config, group: &ModelGroup) -> Self {
        let router = &config.router;
        let hedge_after = router.hedge_after.filter(|_| !group.has_agents());
        Self {
            deadline_seconds: router.deadline.map(|time| time.as_secs_f64()),
            hedge_after_seconds: hedge_after.map(|time| time.as_secs_f64()),
            stream_recovery: match router.stream_recovery {
                StreamRecovery::None => "none",
                StreamRecovery::Resume => "resume",
            },
            max_queue_ms: router.max_queue.as_millis(),
            default_priority: router.default_priority,
            max_fallbacks: router.max_fallbacks,
            fallback_on_4xx: router.fallback_on_4xx,
            enable_weighted_failover: router.weighted_failover,
        }
    }
}

/// Which filters do something in a group.
#[derive(Debug, Serialize)]
pub(super) struct FiltersView {
    pub(super) tags: bool,
    pub(super) tag_filtering_match_any: bool,
    pub(super) tag_routing_prefix: String,
    pub(super) pre_call_checks: bool,
    /// `deployment_affinity`, `session_affinity`, `prompt_caching`.
    pub(super) affinity: Vec<&'static str>,
    pub(super) affinity_seconds: f64,
    /// `enforced`: all; `requests`: `rpm` alone; `counted`: none. `max_parallel_requests` always refuses.
    pub(super) rate_limits: &'static str,
    pub(super) cooldowns: bool,
    /// Whether it goes by health checks.
    pub(super) health_checks: bool,
    /// `provider_budget_config.bedrock`.
    pub(super) provider_budget: Option<BudgetView>,
    /// `litellm_settings.max_budget`.
    pub(super) gateway_budget: Option<BudgetView>,
    /// `litellm_settings.tag_budget_config`.
    pub(super) tag_budgets: BTreeMap<String, BudgetView>,
}

impl FiltersView {
    pub(super) fn of(config: &Config, group: &ModelGroup) -> Self {
        let router = &config.router;
        let affinity = group.affinity(router);
        let by_group = |deployment: &crate::router::Deployment| {
            deployment.entry.info.tag_filtering == Some(true)
        };
        Self {
            tags: router.tags.enabled || group.deployments.iter().any(|one| by_group(one)),
            tag_filtering_match_any: router.tags.match_any,
            tag_routing_prefix: router.tags.prefix.clone(),
            pre_call_checks: router.pre_call_checks,
            affinity: [
                ("session_affinity", affinity.session),
                ("deployment_affinity", affinity.deployment),
                ("prompt_caching", affinity.prompt_caching),
            ]
            .into_iter()
            .filter_map(|(name, is_on)| is_on.then_some(name))
            .collect(),
            affinity_seconds: router.affinity.ttl.as_secs_f64(),
            rate_limits: match Rates::under(router, group.strategy.name) {
                Rates::Enforced => "enforced",
                Rates::Requests => "requests",
                Rates::Counted => "counted",
            },
            cooldowns: !router.cooldown.disabled,
            health_checks: router.health.background
                && router.health.routes(group.configured_name()),
            provider_budget: router.provider_budget.map(BudgetView::of),
            gateway_budget: config.litellm.budget.map(BudgetView::of),
            tag_budgets: (router.tag_budgets.iter())
                .map(|(tag, budget)| (tag.clone(), BudgetView::of(*budget)))
                .collect(),
        }
    }
}

/// The response cache.
#[derive(Debug, Serialize)]
pub(super) struct CacheView {
    /// `local` or `redis`.
    pub(super) r#type: &'static str,
    /// `null`: the type's own default.
    pub(super) ttl_seconds: Option<f64>,
    /// Whether only requests are cached that ask for it.
    pub(super) default_off: bool,
    pub(super) max_messages: Option<usize>,
    /// `global`, `team` or `key`.
    pub(super) scope: &'static str,
    /// Whether `supported_call_types` has chat.
    pub(super) covers_chat: bool,
}

impl CacheView {
    pub(super) fn of(cache: &CacheConfig) -> Self {
        let types = cache.call_types.as_ref();
        Self {
            r#type: match cache.backend {
                CacheBackend::Local => "local",
                CacheBackend::Redis => "redis",
            },
            ttl_seconds: cache.ttl.map(|ttl| ttl.as_secs_f64()),
            default_off: cache.opt_in,
            max_messages: cache.max_messages,
            scope: match cache.scope {
                CacheScope::Global => "global",
                CacheScope::Team => "team",
                CacheScope::Key => "key",
            },
            covers_chat: types.is_none_or(|types| types.iter().any(|name| name == "completion")),
        }
    }
}
