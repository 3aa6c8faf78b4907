//! Names of headers, span targets and metrics that others rely on.
//!
//! LiteLLM's metrics keep LiteLLM's names, so that its dashboards work; ours begin with `switchyard_`. No label has text
//! that came from a caller: a model name that is not configured is [`OTHER`].

/// Target of spans that are exported as traces.
pub const TRACE_TARGET: &str = "switchyard::trace";
/// Target of the one line per call.
pub const CALL_TARGET: &str = "switchyard::call";

/// `x-litellm-call-id`.
pub const CALL_ID: &str = "x-litellm-call-id";
/// `x-litellm-model-id`: the deployment's id.
pub const MODEL_ID: &str = "x-litellm-model-id";
/// `x-litellm-model-name`: the deployment's `litellm_params.model`.
pub const MODEL_NAME: &str = "x-litellm-model-name";
/// `x-litellm-model-group`.
pub const MODEL_GROUP: &str = "x-litellm-model-group";
/// `x-litellm-model-api-base`.
pub const MODEL_API_BASE: &str = "x-litellm-model-api-base";
/// `x-litellm-model-region`.
pub const MODEL_REGION: &str = "x-litellm-model-region";
/// `x-litellm-version`.
pub const VERSION: &str = "x-litellm-version";
/// `x-litellm-response-duration-ms`.
pub const RESPONSE_DURATION: &str = "x-litellm-response-duration-ms";
/// `x-litellm-overhead-duration-ms`: what the gateway itself added.
pub const OVERHEAD_DURATION: &str = "x-litellm-overhead-duration-ms";
/// `x-litellm-timeout`: the bound that a timed-out attempt had, in seconds.
pub const TIMEOUT: &str = "x-litellm-timeout";
/// `x-litellm-attempted-retries`.
pub const ATTEMPTED_RETRIES: &str = "x-litellm-attempted-retries";
/// `x-litellm-attempted-fallbacks`.
pub const ATTEMPTED_FALLBACKS: &str = "x-litellm-attempted-fallbacks";
/// `x-litellm-max-retries`: how many retries the group may make, if one was made.
pub const MAX_RETRIES: &str = "x-litellm-max-retries";
/// `x-litellm-fallback-errors`: the errors that fallbacks followed, for callers that asked for them.
pub const FALLBACK_ERRORS: &str = "x-litellm-fallback-errors";
/// `x-litellm-fastest_response_batch_completion`: the answer is the first of several models'.
pub const FASTEST_RESPONSE: &str = "x-litellm-fastest_response_batch_completion";
/// `x-litellm-request-prioritization-used`: the request named a priority.
pub const PRIORITIZED: &str = "x-litellm-request-prioritization-used";
/// `x-switchyard-hedged`: `1` where a second attempt was made beside a slow one.
pub const HEDGED: &str = "x-switchyard-hedged";
/// `x-switchyard-stream-recovery`: `resume` on a stream that may continue on another deployment.
pub const STREAM_RECOVERY: &str = "x-switchyard-stream-recovery";
/// `x-litellm-cache-hit`: whether the answer came out of the response cache.
pub const CACHE_HIT: &str = "x-litellm-cache-hit";
/// `x-litellm-cache-key`: what the answer is kept under.
pub const CACHE_KEY: &str = "x-litellm-cache-key";
/// `x-switchyard-total-attempts`: sends upstream in the whole call.
pub const TOTAL_ATTEMPTS: &str = "x-switchyard-total-attempts";
/// `x-switchyard-invocation-arn`: the job that writes the vectors, or several with commas between them.
pub const INVOCATION_ARN: &str = "x-switchyard-invocation-arn";
/// `x-switchyard-warnings`: what was left out or changed in the request.
pub const WARNINGS: &str = "x-switchyard-warnings";
/// `x-switchyard-deadline`: the caller's bound for the whole call, in seconds.
pub const DEADLINE: &str = "x-switchyard-deadline";
/// Put before the name of every header of AWS's answer.
pub const PROVIDER_PREFIX: &str = "llm_provider-";

/// What stands for every model name that is not configured.
pub const OTHER: &str = "other";
/// The provider, as LiteLLM's metrics name it.
pub const API_PROVIDER: &str = "bedrock";

/// A metric: what it is called and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What kind it is.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// What kind a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts durations, in seconds, by size.
    Histogram,
}

impl MetricKind {
    /// Returns the name that the exposition format has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Writes the table of metrics down once: each becomes a constant whose documentation is what it says, and all of them,
/// in this order, become [`METRICS`].
macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = concat!($help, ".")]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: MetricKind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// Every metric, in the order in which the documentation has them.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    INFLIGHT = Gauge "switchyard_inflight" ["model_group"],
        "Calls of models that run now";
    QUEUED = Gauge "switchyard_queued" ["model_group"],
        "Calls that wait for a free slot";
    QUEUE_WAIT = Histogram "switchyard_queue_wait_seconds" [],
        "How long calls waited for a free slot";
    ATTEMPTS = Counter "switchyard_attempts_total" ["model_group", "model_id", "outcome"],
        "Sends to a deployment, by `ok` or the kind of error";
    RETRIES = Counter "switchyard_retries_total" ["model_group", "reason"],
        "Retries within a model group, by the kind of error before";
    FALLBACKS = Counter "switchyard_fallbacks_total" ["model_group", "target", "reason"],
        "Fallbacks to another model group, by the kind of error before";
    RETRY_BUDGET_TOKENS = Gauge "switchyard_retry_budget_tokens" ["model_group"],
        "What is left of the retry budget";
    RETRY_BUDGET_REFUSED = Counter "switchyard_retry_budget_refused_total" ["model_group"],
        "Retries that the retry budget refused";
    HEDGES = Counter "switchyard_hedges_total" ["model_group", "outcome"],
        "Hedges: `won` answered first, `lost` did not";
    STREAM_RESUMES = Counter "switchyard_stream_resumes_total" ["model_group", "outcome"],
        "Broken streams that were continued elsewhere, by `ok` or the kind of error";
    LIMIT_REJECTIONS = Counter "switchyard_limit_rejections_total" ["scope", "limit"],
        "Calls that a limit had no room for, by whose limit and which";
    CACHE_LOOKUPS = Counter "switchyard_cache_lookups_total" ["model_group", "outcome"],
        "Calls that the response cache looked at: a `hit` was answered out of it, a `miss` was not";
    SHED = Counter "switchyard_shed_total" [],
        "Calls that were turned away because the process serves as many as it may";
    COOLDOWNS = Counter "switchyard_cooldowns_total" ["model_group", "model_id", "reason"],
        "Cooldowns of a deployment, by the kind of error that began it";
    HEALTH_CHECKS = Counter "switchyard_health_checks_total" ["model_group", "model_id", "outcome"],
        "Health checks of a deployment: `ok` or the kind of error";
    CONFIG_RELOAD = Counter "switchyard_config_reload_total" ["result"],
        "Reloads: `applied`, `unchanged`, `rejected`";
    CONFIG_LAST_RELOAD_SUCCESSFUL = Gauge "switchyard_config_last_reload_successful" [],
        "1 if the file, as it is now, is in force; 0 if it was rejected";
    CONFIG_INFO = Gauge "switchyard_config_info" ["hash"],
        "Always 1; the hash is that of the files in force";
    STORE_UP = Gauge "switchyard_store_up" [],
        "1 while the shared store answers; not there without one";
    STORE_ERRORS = Counter "switchyard_store_errors_total" ["operation"],
        "Operations of the shared store that failed";
    PROXY_REQUESTS = Counter "litellm_proxy_total_requests_metric_total" ["requested_model", "status_code"],
        "Calls of models, by the status that the client got";
    PROXY_FAILURES = Counter "litellm_proxy_failed_requests_metric_total" ["requested_model", "exception_status", "exception_class"],
        "Calls that failed, by status and kind of error";
    REQUESTS = Counter "litellm_requests_metric_total" ["requested_model", "model", "model_id", "api_provider"],
        "Calls that a deployment answered";
    TOTAL_TOKENS = Counter "litellm_total_tokens_metric_total" ["requested_model", "model", "model_id", "api_provider"],
        "Tokens: input and generated ones";
    INPUT_TOKENS = Counter "litellm_input_tokens_metric_total" ["requested_model", "model", "model_id", "api_provider"],
        "Input tokens, those of the prompt cache included";
    OUTPUT_TOKENS = Counter "litellm_output_tokens_metric_total" ["requested_model", "model", "model_id", "api_provider"],
        "Generated tokens";
    INPUT_CACHED_TOKENS = Counter "litellm_input_cached_tokens_metric_total" ["requested_model", "model", "model_id", "api_provider"],
        "Input tokens that were read from the prompt cache";
    CACHE_CREATION_TOKENS = Counter "litellm_input_cache_creation_tokens_metric_total" ["requested_model", "model", "model_id", "api_provider"],
        "Input tokens that were written to the prompt cache";
    REASONING_TOKENS = Counter "litellm_output_reasoning_tokens_metric_total" ["requested_model", "model", "model_id", "api_provider"],
        "Generated tokens of reasoning, where the model says how many";
    REQUEST_LATENCY = Histogram "litellm_request_total_latency_metric" ["requested_model", "model", "model_id", "api_provider"],
        "From a call's head to the end of its answer";
    API_LATENCY = Histogram "litellm_llm_api_latency_metric" ["requested_model", "model", "model_id", "api_provider"],
        "From sending to AWS to the end of its answer, for attempts that succeeded";
    FIRST_TOKEN = Histogram "litellm_llm_api_time_to_first_token_metric" ["requested_model", "model", "model_id", "api_provider"],
        "From a call's head to the first content, for streams";
    OVERHEAD = Histogram "litellm_overhead_latency_metric" ["requested_model", "model", "model_id", "api_provider"],
        "What the gateway added to a call that was answered whole";
    REQUEST_QUEUE_TIME = Histogram "litellm_request_queue_time_seconds" [],
        "The same as `switchyard_queue_wait_seconds`, under LiteLLM's name";
    LATENCY_PER_TOKEN = Histogram "litellm_deployment_latency_per_output_token" ["litellm_model_name", "model_id", "api_provider"],
        "Time of an answer per generated token";
    DEPLOYMENT_STATE = Gauge "litellm_deployment_state" ["litellm_model_name", "model_id", "api_provider"],
        "0 healthy, 1 on probation after a cooldown (of a wildcard: some of its models cool), 2 cooling down";
    DEPLOYMENT_COOLED_DOWN = Counter "litellm_deployment_cooled_down_total" ["litellm_model_name", "model_id", "api_provider", "exception_status"],
        "Cooldowns of a deployment, by the status that began it";
    DEPLOYMENT_SUCCESSES = Counter "litellm_deployment_success_responses_total" ["requested_model", "litellm_model_name", "model_id", "api_provider"],
        "Attempts that a deployment answered";
    DEPLOYMENT_FAILURES = Counter "litellm_deployment_failure_responses_total" ["requested_model", "litellm_model_name", "model_id", "api_provider", "exception_status", "exception_class"],
        "Attempts that failed";
    DEPLOYMENT_REQUESTS = Counter "litellm_deployment_total_requests_total" ["requested_model", "litellm_model_name", "model_id", "api_provider"],
        "Attempts";
    FALLBACK_SUCCESSES = Counter "litellm_deployment_successful_fallbacks_total" ["requested_model", "fallback_model"],
        "Fallbacks that answered";
    FALLBACK_FAILURES = Counter "litellm_deployment_failed_fallbacks_total" ["requested_model", "fallback_model"],
        "Fallbacks that failed as well";
    DEPLOYMENT_RPM_LIMIT = Gauge "litellm_deployment_rpm_limit" ["litellm_model_name", "model_id", "api_provider"],
        "`rpm` of a deployment, where it is set";
    DEPLOYMENT_TPM_LIMIT = Gauge "litellm_deployment_tpm_limit" ["litellm_model_name", "model_id", "api_provider"],
        "`tpm` of a deployment, where it is set";
}
