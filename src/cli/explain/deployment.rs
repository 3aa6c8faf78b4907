//! What `explain` says of one deployment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::rules::{PolicyView, policy};
use crate::config::{Budget, Config, HealthSettings};
use crate::limit::LimitName;
use crate::pipeline::health;
use crate::provider::bedrock::model_id::Route;
use crate::provider::bedrock::rerank::RerankApi;
use crate::provider::bedrock::url;
use crate::router::{CHECK_WITHIN, Deployment, ModelGroup};

/// The longest silence of a stream where nothing is set: what `pipeline/send.rs` takes.
const STREAM_IDLE: Duration = Duration::from_mins(5);

/// One deployment.
#[derive(Debug, Serialize)]
pub(super) struct DeploymentView {
    pub(super) id: String,
    /// The `model_name` of its entry.
    pub(super) model_name: String,
    pub(super) model: String,
    pub(super) model_id: String,
    pub(super) route: String,
    pub(super) url: String,
    pub(super) region: String,
    /// The name of their source.
    pub(super) credentials: String,
    pub(super) rpm: Option<u64>,
    pub(super) tpm: Option<u64>,
    pub(super) itpm: Option<u64>,
    pub(super) otpm: Option<u64>,
    pub(super) max_parallel_requests: Option<u32>,
    /// The limits that are counted, and whether each refuses calls.
    pub(super) limits: Vec<LimitView>,
    pub(super) timeout_seconds: f64,
    pub(super) stream_timeout_seconds: Option<f64>,
    /// What holds after all defaults.
    pub(super) timeouts: TimeoutsView,
    pub(super) num_retries: Option<u32>,
    pub(super) max_queue_ms: u128,
    pub(super) weight: Option<f64>,
    /// The part of its tier's calls by `simple-shuffle`, from 0 to 1, of those with the tags that were asked about.
    pub(super) share: Option<f64>,
    /// Whether tag routing lets calls with those tags come here.
    pub(super) takes_tags: bool,
    pub(super) order: Option<i64>,
    /// US dollars for an input and an output token together, which `cost-based-routing` goes by.
    pub(super) cost_per_token: Option<f64>,
    pub(super) tags: Vec<String>,
    pub(super) tag_regex: Vec<String>,
    pub(super) team_id: Option<String>,
    pub(super) access_groups: Vec<String>,
    pub(super) budget: Option<BudgetView>,
    pub(super) cooldown: Option<CooldownView>,
    /// `null`: it is not checked.
    pub(super) health_check: Option<HealthCheckView>,
    pub(super) blocked: bool,
    /// Whether `mock_response` answers in its place.
    pub(super) mocked: bool,
    /// Why it cannot answer, if it cannot.
    pub(super) gap: Option<String>,
}

/// How often it is asked whether it answers.
#[derive(Debug, Serialize)]
pub(super) struct HealthCheckView {
    pub(super) interval_seconds: f64,
    pub(super) timeout_seconds: f64,
    /// What is asked in its place.
    pub(super) model: Option<String>,
}

/// One limit.
#[derive(Debug, Serialize)]
pub(super) struct LimitView {
    pub(super) name: &'static str,
    pub(super) limit: u64,
    pub(super) enforced: bool,
}

/// Bounds on one attempt.
#[derive(Debug, Serialize)]
pub(super) struct TimeoutsView {
    pub(super) attempt_seconds: f64,
    pub(super) first_event_seconds: f64,
    pub(super) stream_idle_seconds: f64,
    pub(super) connect_seconds: f64,
    pub(super) by_service_tier: BTreeMap<String, f64>,
    pub(super) stream_by_service_tier: BTreeMap<String, f64>,
}

/// An amount and its period.
#[derive(Debug, Serialize)]
pub(super) struct BudgetView {
    pub(super) limit_usd: f64,
    /// `null`: for ever.
    pub(super) period_seconds: Option<f64>,
}

/// When it cools down, and for how long; none where cooldowns are off.
#[derive(Debug, Serialize)]
pub(super) struct CooldownView {
    pub(super) seconds: f64,
    pub(super) max_seconds: f64,
    pub(super) window_seconds: f64,
    /// `null`: the share of failures decides.
    pub(super) allowed_fails: Option<u32>,
    pub(super) allowed_fails_policy: PolicyView,
    /// Whether it is the only one of its group, which cools for little.
    pub(super) alone: bool,
}

impl DeploymentView {
    /// Says what is known of a deployment of `group`.
    pub(super) fn of(
        deployment: &Deployment,
        group: &ModelGroup,
        config: &Config,
        tags: &[String],
        now: Instant,
    ) -> Self {
        let entry = &deployment.entry;
        let limits = &entry.limits;
        let stream = deployment.timeouts.stream.or(config.router.stream_timeout);
        let timeouts = TimeoutsView::of(deployment, config);
        let max_queue = limits.max_queue.unwrap_or(config.router.max_queue);
        Self {
            id: deployment.id.clone(),
            model_name: deployment.group.clone(),
            model: deployment.model.clone(),
            model_id: deployment.target.model.wire.clone(),
            route: deployment.target.model.route.name().to_owned(),
            url: url_of(deployment),
            region: deployment.region.clone(),
            credentials: deployment.credentials.describe(),
            rpm: limits.rpm,
            tpm: limits.tpm,
            itpm: limits.itpm,
            otpm: limits.otpm,
            max_parallel_requests: limits.parallel,
            limits: (deployment.meters.values())
                .map(|(name, limit, enforced)| LimitView {
                    name: name.name(),
                    limit,
                    enforced,
                })
                .collect(),
            timeout_seconds: timeouts.attempt_seconds,
            stream_timeout_seconds: stream.map(|timeout| timeout.as_secs_f64()),
            timeouts,
            num_retries: entry.num_retries,
            max_queue_ms: max_queue.as_millis(),
            weight: limits.weight,
            share: group.share_of(deployment, tags, &config.router, now),
            takes_tags: (group.serving_tags(tags, &config.router, now).iter())
                .any(|one| one.id == deployment.id),
            order: group.order_of(deployment),
            cost_per_token: deployment.cost_per_token,
            tags: entry.tags.clone(),
            tag_regex: entry.tag_regex.clone(),
            team_id: entry.info.team_id.clone(),
            access_groups: entry.info.access_groups.clone(),
            budget: limits.budget.map(BudgetView::of),
            cooldown: CooldownView::of(deployment, group, config),
            health_check: HealthCheckView::of(deployment, &config.router.health),
            blocked: entry.blocked,
            mocked: entry.mock_response.is_some(),
            gap: deployment.gap.map(|gap| gap.to_string()),
        }
    }

    /// A limit of the file that nobody counts, because nothing asks for it.
    pub(super) fn uncounted(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let written = [(LimitName::Itpm, self.itpm), (LimitName::Otpm, self.otpm)];
        written.into_iter().filter_map(|(name, limit)| {
            let is_counted = self.limits.iter().any(|known| known.name == name.name());
            Some((name.name(), limit.filter(|_| !is_counted)?))
        })
    }
}

/// Where a request of this deployment goes: a whole chat, or what its model does instead.
fn url_of(deployment: &Deployment) -> String {
    let target = &deployment.target;
    let does = &deployment.transformers;
    if does.chat.is_none() && does.any() {
        let api = RerankApi::of(&target.model, deployment.credentials.is_api_key());
        return match (does.rerank, api) {
            (Some(_), RerankApi::AgentRuntime) => format!("{}/rerank", target.endpoint),
            _ => url::invoke_url(&target.endpoint, &target.model.wire, false),
        };
    }
    match target.model.route {
        Route::Converse => url::converse_url(&target.endpoint, &target.model.wire, false),
        Route::Invoke => url::invoke_url(&target.endpoint, &target.model.wire, false),
        _ => target.endpoint.clone(),
    }
}

impl TimeoutsView {
    fn of(deployment: &Deployment, config: &Config) -> Self {
        let router = &config.router;
        let seconds = |tiers: &BTreeMap<String, Duration>| {
            let tiers = tiers.iter();
            tiers
                .map(|(tier, timeout)| (tier.clone(), timeout.as_secs_f64()))
                .collect()
        };
        let attempt = deployment.timeouts.whole.unwrap_or(router.timeout);
        let stream = deployment.timeouts.stream.or(router.stream_timeout);
        let idle = router.stream_idle_timeout.or(stream);
        Self {
            attempt_seconds: attempt.as_secs_f64(),
            first_event_seconds: stream.unwrap_or(attempt).as_secs_f64(),
            stream_idle_seconds: idle.unwrap_or(STREAM_IDLE).as_secs_f64(),
            connect_seconds: router.connect_timeout.as_secs_f64(),
            by_service_tier: seconds(&deployment.entry.tier_timeouts),
            stream_by_service_tier: seconds(&deployment.entry.tier_stream_timeouts),
        }
    }
}

impl HealthCheckView {
    fn of(deployment: &Deployment, settings: &HealthSettings) -> Option<Self> {
        let own = &deployment.entry.info.health;
        let is_checked = settings.background && health::is_checked(deployment);
        is_checked.then(|| Self {
            interval_seconds: settings.interval.as_secs_f64(),
            timeout_seconds: own.timeout.unwrap_or(CHECK_WITHIN).as_secs_f64(),
            model: own.model.clone(),
        })
    }
}

impl BudgetView {
    pub(super) fn of(budget: Budget) -> Self {
        Self {
            limit_usd: budget.limit_usd,
            period_seconds: budget.period.map(|period| period.as_secs_f64()),
        }
    }
}

impl CooldownView {
    fn of(deployment: &Deployment, group: &ModelGroup, config: &Config) -> Option<Self> {
        let settings = &config.router.cooldown;
        let own = &deployment.entry.limits;
        if settings.disabled || own.cooldown.is_some_and(|time| time.is_zero()) {
            return None;
        }
        let time = own.cooldown.unwrap_or(settings.time);
        Some(Self {
            seconds: time.as_secs_f64(),
            max_seconds: settings.max_time.max(time).as_secs_f64(),
            window_seconds: settings.window.as_secs_f64(),
            allowed_fails: own.allowed_fails.or(settings.allowed_fails),
            allowed_fails_policy: policy(
                own.allowed_fails_policy
                    .as_ref()
                    .or(settings.allowed_fails_policy.as_ref()),
                "AllowedFails",
            ),
            alone: group.deployments.len() < 2,
        })
    }
}
