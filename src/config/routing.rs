//! `router_settings`, typed: strategies, retries, fallbacks, cooldowns, sticky routing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Alias, Budget, HealthSettings, RedisConfig};

/// How a deployment is picked among those that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StrategyName {
    /// `simple-shuffle`: at random, by weight.
    #[default]
    SimpleShuffle,
    /// `least-busy`: the fewest calls under way.
    LeastBusy,
    /// `latency-based-routing`: the fastest answers.
    LatencyBased,
    /// `usage-based-routing` and `-v2`: the fewest tokens in the last minute.
    UsageBased,
    /// `cost-based-routing`: the lowest price.
    CostBased,
    /// `p2c`: of two at random, the one with the lower peak-EWMA latency times load.
    P2c,
}

impl StrategyName {
    /// Returns the strategy that config.yaml calls `name`; both `usage-based-routing` spellings are one, and names of
    /// LiteLLM's that are no strategy (`provider-budget-routing`, `lar1`) are `simple-shuffle`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "simple-shuffle" | "provider-budget-routing" | "lar1" => Self::SimpleShuffle,
            "least-busy" => Self::LeastBusy,
            "latency-based-routing" => Self::LatencyBased,
            "usage-based-routing" | "usage-based-routing-v2" => Self::UsageBased,
            "cost-based-routing" => Self::CostBased,
            "p2c" => Self::P2c,
            _ => return None,
        })
    }

    /// Returns the name as config.yaml spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SimpleShuffle => "simple-shuffle",
            Self::LeastBusy => "least-busy",
            Self::LatencyBased => "latency-based-routing",
            Self::UsageBased => "usage-based-routing-v2",
            Self::CostBased => "cost-based-routing",
            Self::P2c => "p2c",
        }
    }
}

/// A strategy and its `routing_strategy_args`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StrategyConfig {
    /// Which one.
    pub name: StrategyName,
    /// Its options.
    pub args: StrategyArgs,
}

/// `routing_strategy_args`.
#[derive(Debug, Clone, PartialEq)]
pub struct StrategyArgs {
    /// `ttl`: how long a sample of latency counts.
    pub ttl: Duration,
    /// `lowest_latency_buffer`: deployments within this share of the best are as good.
    pub lowest_latency_buffer: f64,
    /// `max_latency_list_size`: samples that are kept.
    pub max_latency_list_size: usize,
    /// `ttft_percentile`: for streams, this percentile instead of the mean; above 0, at most 1.
    pub ttft_percentile: Option<f64>,
}

impl Default for StrategyArgs {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3600),
            lowest_latency_buffer: 0.0,
            max_latency_list_size: 10,
            ttft_percentile: None,
        }
    }
}

/// One entry of `routing_groups`: model groups that are called by one name, and share a strategy.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoutingGroup {
    /// `group_name`.
    pub name: String,
    /// `models`: the model groups.
    pub models: Vec<String>,
    /// How a deployment is picked.
    pub strategy: StrategyConfig,
    /// `routing_strategy: priority`: `model_priorities` are tiers, lower first; `None` otherwise.
    pub priorities: Option<BTreeMap<String, i64>>,
}

/// A number for each class of errors, as in `retry_policy` and `allowed_fails_policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByClass {
    /// `BadRequestError…`.
    pub bad_request: Option<u32>,
    /// `AuthenticationError…`.
    pub authentication: Option<u32>,
    /// `TimeoutError…`.
    pub timeout: Option<u32>,
    /// `RateLimitError…`.
    pub rate_limit: Option<u32>,
    /// `ContentPolicyViolationError…`.
    pub content_policy: Option<u32>,
    /// `InternalServerError…`.
    pub internal: Option<u32>,
    /// `ServiceUnavailableError…`.
    pub unavailable: Option<u32>,
    /// `BadGatewayError…` (`allowed_fails_policy` only).
    pub bad_gateway: Option<u32>,
    /// `NotFoundError…`.
    pub not_found: Option<u32>,
    /// `DefaultRetries` (`retry_policy` only).
    pub default: Option<u32>,
}

/// One target of a fallback list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FallbackTarget {
    /// The model group (or alias, or any name that can be called).
    pub model: String,
    /// Members that are laid over the request for this target; empty where the target is only a name.
    pub overrides: serde_json::Map<String, serde_json::Value>,
}

/// A model group's fallbacks; `*` stands for every group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FallbackRule {
    /// The group that failed.
    pub group: String,
    /// What is tried then, in order.
    pub targets: Vec<FallbackTarget>,
}

/// The three fallback lists and the default one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FallbackLists {
    /// `fallbacks`.
    pub general: Vec<FallbackRule>,
    /// `context_window_fallbacks`.
    pub context_window: Vec<FallbackRule>,
    /// `content_policy_fallbacks`.
    pub content_policy: Vec<FallbackRule>,
    /// `default_fallbacks`.
    pub default: Vec<String>,
}

/// `retry_budget`: a token bucket per model group, so that a brown-out is not multiplied by retries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudgetConfig {
    /// Tokens when full.
    pub capacity: f64,
    /// Tokens that a retry takes.
    pub cost: f64,
    /// Tokens that a retry after a 429 takes.
    pub throttle_cost: f64,
    /// Tokens that come back each second.
    pub refill_per_second: f64,
}

impl Default for RetryBudgetConfig {
    fn default() -> Self {
        Self {
            capacity: 500.0,
            cost: 14.0,
            throttle_cost: 5.0,
            refill_per_second: 10.0,
        }
    }
}

/// Cooldowns.
#[derive(Debug, Clone, PartialEq)]
pub struct CooldownSettings {
    /// `disable_cooldowns`.
    pub disabled: bool,
    /// `cooldown_time`.
    pub time: Duration,
    /// `max_cooldown_time`: bounds growth and `Retry-After`.
    pub max_time: Duration,
    /// `allowed_fails`, in `router_settings` or else in `litellm_settings`; `None` where neither says it.
    pub allowed_fails: Option<u32>,
    /// `allowed_fails_policy`.
    pub allowed_fails_policy: Option<ByClass>,
    /// `allowed_fails_window`, never shorter than `time`.
    pub window: Duration,
}

impl Default for CooldownSettings {
    fn default() -> Self {
        Self {
            disabled: false,
            time: Duration::from_secs(5),
            max_time: Duration::from_secs(300),
            allowed_fails: None,
            allowed_fails_policy: None,
            window: Duration::from_secs(60),
        }
    }
}

/// Sticky routing (`optional_pre_call_checks`).
#[derive(Debug, Clone, PartialEq)]
pub struct AffinitySettings {
    /// What sticks in every group.
    pub all: Affinity,
    /// `model_group_affinity_config`: what sticks in a group, instead.
    pub groups: BTreeMap<String, Affinity>,
    /// `deployment_affinity_ttl_seconds`.
    pub ttl: Duration,
}

impl Default for AffinitySettings {
    fn default() -> Self {
        Self {
            all: Affinity::default(),
            groups: BTreeMap::new(),
            ttl: Duration::from_secs(3600),
        }
    }
}

/// What sticks to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Affinity {
    /// `deployment_affinity`: a caller.
    pub deployment: bool,
    /// `session_affinity`: a session of a caller.
    pub session: bool,
    /// `prompt_caching`: a prompt that Bedrock keeps in its prompt cache.
    pub prompt_caching: bool,
}

/// Tag routing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagSettings {
    /// `enable_tag_filtering`.
    pub enabled: bool,
    /// `tag_filtering_match_any`.
    pub match_any: bool,
    /// `tag_routing_prefix`.
    pub prefix: String,
}

impl Default for TagSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            match_any: true,
            prefix: String::new(),
        }
    }
}

/// Whether a stream that breaks after content continues on another deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamRecovery {
    /// It ends with an error event.
    #[default]
    None,
    /// `resume`: another deployment continues the text.
    Resume,
}

/// `router_settings`, and what `litellm_settings` says of the same.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterSettings {
    /// `routing_strategy` and `routing_strategy_args`.
    pub strategy: StrategyConfig,
    /// `routing_groups`.
    pub routing_groups: Vec<RoutingGroup>,
    /// `num_retries`.
    pub num_retries: u32,
    /// `num_retries_per_request`: most retries and fallbacks of one call.
    pub num_retries_per_request: Option<u32>,
    /// `retry_after`: shortest wait before a retry.
    pub retry_after: Duration,
    /// `retry_policy`.
    pub retry_policy: Option<ByClass>,
    /// `model_group_retry_policy`: replaces `retry_policy` for a group.
    pub group_retry_policies: BTreeMap<String, ByClass>,
    /// `retry_budget`; `None` where it is turned off.
    pub retry_budget: Option<RetryBudgetConfig>,
    /// `timeout`, else `litellm_settings.request_timeout`: per attempt.
    pub timeout: Duration,
    /// `stream_timeout`: until the first event of a stream.
    pub stream_timeout: Option<Duration>,
    /// `stream_idle_timeout` where the file has it: longest silence between two events.
    pub stream_idle_timeout: Option<Duration>,
    /// `connect_timeout`: TCP and TLS, per attempt.
    pub connect_timeout: Duration,
    /// `deadline`: for the whole call.
    pub deadline: Option<Duration>,
    /// `model_group_alias`, in the order of the file.
    pub aliases: Vec<Alias>,
    /// `fallbacks` and the like.
    pub fallbacks: FallbackLists,
    /// `max_fallbacks`: how deep a chain of fallbacks goes.
    pub max_fallbacks: u32,
    /// `fallback_on_4xx`.
    pub fallback_on_4xx: bool,
    /// `enable_weighted_failover`.
    pub weighted_failover: bool,
    /// Cooldowns.
    pub cooldown: CooldownSettings,
    /// `enable_pre_call_checks`.
    pub pre_call_checks: bool,
    /// `optional_pre_call_checks: [enforce_model_rate_limits]`.
    pub enforce_model_rate_limits: bool,
    /// Sticky routing.
    pub affinity: AffinitySettings,
    /// Tag routing.
    pub tags: TagSettings,
    /// `default_max_parallel_requests`, else `general_settings.max_parallel_requests`.
    pub default_parallel: Option<u32>,
    /// `parallel_limit_from_rpm`.
    pub parallel_limit_from_rpm: bool,
    /// `max_queue_ms`: longest wait for a free slot before 429.
    pub max_queue: Duration,
    /// `default_priority`; lower goes first.
    pub default_priority: Option<u32>,
    /// `provider_budget_config.bedrock`.
    pub provider_budget: Option<Budget>,
    /// Health checks, and whether routing goes by them.
    pub health: HealthSettings,
    /// `litellm_settings.tag_budget_config`, by tag: what all requests with it may cost.
    pub tag_budgets: BTreeMap<String, Budget>,
    /// `redis_*`, else the response cache's Redis.
    pub redis: Option<RedisConfig>,
    /// `caching_groups`: model groups that share answers.
    pub caching_groups: Vec<Vec<String>>,
    /// `stream_recovery`.
    pub stream_recovery: StreamRecovery,
    /// `hedge_after`.
    pub hedge_after: Option<Duration>,
    /// `default_litellm_params`, as written: request defaults of every deployment, and `timeout`.
    pub default_params: serde_json::Map<String, serde_json::Value>,
}

impl Default for RouterSettings {
    fn default() -> Self {
        Self {
            strategy: StrategyConfig::default(),
            routing_groups: Vec::new(),
            num_retries: 2,
            num_retries_per_request: None,
            retry_after: Duration::ZERO,
            retry_policy: None,
            group_retry_policies: BTreeMap::new(),
            retry_budget: Some(RetryBudgetConfig::default()),
            timeout: Duration::from_secs(6000),
            stream_timeout: None,
            stream_idle_timeout: None,
            connect_timeout: Duration::from_secs(5),
            deadline: None,
            aliases: Vec::new(),
            fallbacks: FallbackLists::default(),
            max_fallbacks: 5,
            fallback_on_4xx: false,
            weighted_failover: false,
            cooldown: CooldownSettings::default(),
            pre_call_checks: false,
            enforce_model_rate_limits: false,
            affinity: AffinitySettings::default(),
            tags: TagSettings::default(),
            default_parallel: None,
            parallel_limit_from_rpm: false,
            max_queue: Duration::ZERO,
            default_priority: None,
            provider_budget: None,
            health: HealthSettings::default(),
            tag_budgets: BTreeMap::new(),
            redis: None,
            caching_groups: Vec::new(),
            stream_recovery: StreamRecovery::None,
            hedge_after: None,
            default_params: serde_json::Map::new(),
        }
    }
}
