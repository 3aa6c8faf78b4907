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
/// `x-switchyard-warnings`: what was left out or changed in the request.
pub const WARNINGS: &str = "x-switchyard-warnings";
/// `x-switchyard-invocation-arns`: the jobs that write the vectors of an embeddings request later, in the order of its inputs.
pub const INVOCATION_ARNS: &str = "x-switchyard-invocation-arns";
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

/// Calls of models that run now.
pub const INFLIGHT: Metric = Metric {
    name: "switchyard_inflight",
    kind: MetricKind::Gauge,
    labels: &["model_group"],
    help: "Calls of models that run now",
};
/// Calls that wait for a free slot.
pub const QUEUED: Metric = Metric {
    name: "switchyard_queued",
    kind: MetricKind::Gauge,
    labels: &["model_group"],
    help: "Calls that wait for a free slot",
};
/// How long calls waited for a free slot.
pub const QUEUE_WAIT: Metric = Metric {
    name: "switchyard_queue_wait_seconds",
    kind: MetricKind::Histogram,
    labels: &[],
    help: "How long calls waited for a free slot",
};
/// Sends to a deployment, by `ok` or the kind of error.
pub const ATTEMPTS: Metric = Metric {
    name: "switchyard_attempts_total",
    kind: MetricKind::Counter,
    labels: &["model_group", "model_id", "outcome"],
    help: "Sends to a deployment, by `ok` or the kind of error",
};
/// Retries within a model group, by the kind of error before.
pub const RETRIES: Metric = Metric {
    name: "switchyard_retries_total",
    kind: MetricKind::Counter,
    labels: &["model_group", "reason"],
    help: "Retries within a model group, by the kind of error before",
};
/// Fallbacks to another model group, by the kind of error before.
pub const FALLBACKS: Metric = Metric {
    name: "switchyard_fallbacks_total",
    kind: MetricKind::Counter,
    labels: &["model_group", "target", "reason"],
    help: "Fallbacks to another model group, by the kind of error before",
};
/// What is left of the retry budget.
pub const RETRY_BUDGET_TOKENS: Metric = Metric {
    name: "switchyard_retry_budget_tokens",
    kind: MetricKind::Gauge,
    labels: &["model_group"],
    help: "What is left of the retry budget",
};
/// Retries that the retry budget refused.
pub const RETRY_BUDGET_REFUSED: Metric = Metric {
    name: "switchyard_retry_budget_refused_total",
    kind: MetricKind::Counter,
    labels: &["model_group"],
    help: "Retries that the retry budget refused",
};
/// Hedges: `won` answered first, `lost` did not.
pub const HEDGES: Metric = Metric {
    name: "switchyard_hedges_total",
    kind: MetricKind::Counter,
    labels: &["model_group", "outcome"],
    help: "Hedges: `won` answered first, `lost` did not",
};
/// Broken streams that were continued elsewhere, by `ok` or the kind of error.
pub const STREAM_RESUMES: Metric = Metric {
    name: "switchyard_stream_resumes_total",
    kind: MetricKind::Counter,
    labels: &["model_group", "outcome"],
    help: "Broken streams that were continued elsewhere, by `ok` or the kind of error",
};
/// Calls that a limit had no room for, by whose limit and which.
pub const LIMIT_REJECTIONS: Metric = Metric {
    name: "switchyard_limit_rejections_total",
    kind: MetricKind::Counter,
    labels: &["scope", "limit"],
    help: "Calls that a limit had no room for, by whose limit and which",
};
/// Calls that the response cache looked at: a `hit` was answered out of it, a `miss` was not.
pub const CACHE_LOOKUPS: Metric = Metric {
    name: "switchyard_cache_lookups_total",
    kind: MetricKind::Counter,
    labels: &["model_group", "outcome"],
    help: "Calls that the response cache looked at: a `hit` was answered out of it, a `miss` was not",
};
/// Calls that were turned away because the process serves as many as it may.
pub const SHED: Metric = Metric {
    name: "switchyard_shed_total",
    kind: MetricKind::Counter,
    labels: &[],
    help: "Calls that were turned away because the process serves as many as it may",
};
/// Cooldowns of a deployment, by the kind of error that began it.
pub const COOLDOWNS: Metric = Metric {
    name: "switchyard_cooldowns_total",
    kind: MetricKind::Counter,
    labels: &["model_group", "model_id", "reason"],
    help: "Cooldowns of a deployment, by the kind of error that began it",
};
/// Reloads: `applied`, `unchanged`, `rejected`.
pub const CONFIG_RELOAD: Metric = Metric {
    name: "switchyard_config_reload_total",
    kind: MetricKind::Counter,
    labels: &["result"],
    help: "Reloads: `applied`, `unchanged`, `rejected`",
};
/// 1 if the file, as it is now, is in force; 0 if it was rejected.
pub const CONFIG_LAST_RELOAD_SUCCESSFUL: Metric = Metric {
    name: "switchyard_config_last_reload_successful",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "1 if the file, as it is now, is in force; 0 if it was rejected",
};
/// Always 1; the hash is that of the files in force.
pub const CONFIG_INFO: Metric = Metric {
    name: "switchyard_config_info",
    kind: MetricKind::Gauge,
    labels: &["hash"],
    help: "Always 1; the hash is that of the files in force",
};
/// 1 while the shared store answers; not there without one.
pub const STORE_UP: Metric = Metric {
    name: "switchyard_store_up",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "1 while the shared store answers; not there without one",
};
/// Operations of the shared store that failed.
pub const STORE_ERRORS: Metric = Metric {
    name: "switchyard_store_errors_total",
    kind: MetricKind::Counter,
    labels: &["operation"],
    help: "Operations of the shared store that failed",
};
/// Calls of models, by the status that the client got.
pub const PROXY_REQUESTS: Metric = Metric {
    name: "litellm_proxy_total_requests_metric_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "status_code"],
    help: "Calls of models, by the status that the client got",
};
/// Calls that failed, by status and kind of error.
pub const PROXY_FAILURES: Metric = Metric {
    name: "litellm_proxy_failed_requests_metric_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "exception_status", "exception_class"],
    help: "Calls that failed, by status and kind of error",
};
/// Calls that a deployment answered.
pub const REQUESTS: Metric = Metric {
    name: "litellm_requests_metric_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "Calls that a deployment answered",
};
/// Tokens: input and generated ones.
pub const TOTAL_TOKENS: Metric = Metric {
    name: "litellm_total_tokens_metric_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "Tokens: input and generated ones",
};
/// Input tokens, those of the prompt cache included.
pub const INPUT_TOKENS: Metric = Metric {
    name: "litellm_input_tokens_metric_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "Input tokens, those of the prompt cache included",
};
/// Generated tokens.
pub const OUTPUT_TOKENS: Metric = Metric {
    name: "litellm_output_tokens_metric_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "Generated tokens",
};
/// Input tokens that were read from the prompt cache.
pub const INPUT_CACHED_TOKENS: Metric = Metric {
    name: "litellm_input_cached_tokens_metric_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "Input tokens that were read from the prompt cache",
};
/// Input tokens that were written to the prompt cache.
pub const CACHE_CREATION_TOKENS: Metric = Metric {
    name: "litellm_input_cache_creation_tokens_metric_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "Input tokens that were written to the prompt cache",
};
/// Generated tokens of reasoning, where the model says how many.
pub const REASONING_TOKENS: Metric = Metric {
    name: "litellm_output_reasoning_tokens_metric_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "Generated tokens of reasoning, where the model says how many",
};
/// From a call's head to the end of its answer.
pub const REQUEST_LATENCY: Metric = Metric {
    name: "litellm_request_total_latency_metric",
    kind: MetricKind::Histogram,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "From a call's head to the end of its answer",
};
/// From sending to AWS to the end of its answer, for attempts that succeeded.
pub const API_LATENCY: Metric = Metric {
    name: "litellm_llm_api_latency_metric",
    kind: MetricKind::Histogram,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "From sending to AWS to the end of its answer, for attempts that succeeded",
};
/// From a call's head to the first content, for streams.
pub const FIRST_TOKEN: Metric = Metric {
    name: "litellm_llm_api_time_to_first_token_metric",
    kind: MetricKind::Histogram,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "From a call's head to the first content, for streams",
};
/// What the gateway added to a call that was answered whole.
pub const OVERHEAD: Metric = Metric {
    name: "litellm_overhead_latency_metric",
    kind: MetricKind::Histogram,
    labels: &["requested_model", "model", "model_id", "api_provider"],
    help: "What the gateway added to a call that was answered whole",
};
/// The same as `switchyard_queue_wait_seconds`, under LiteLLM's name.
pub const REQUEST_QUEUE_TIME: Metric = Metric {
    name: "litellm_request_queue_time_seconds",
    kind: MetricKind::Histogram,
    labels: &[],
    help: "The same as `switchyard_queue_wait_seconds`, under LiteLLM's name",
};
/// Time of an answer per generated token.
pub const LATENCY_PER_TOKEN: Metric = Metric {
    name: "litellm_deployment_latency_per_output_token",
    kind: MetricKind::Histogram,
    labels: &["litellm_model_name", "model_id", "api_provider"],
    help: "Time of an answer per generated token",
};
/// 0 healthy, 1 on probation after a cooldown (of a wildcard: some of its models cool), 2 cooling down.
pub const DEPLOYMENT_STATE: Metric = Metric {
    name: "litellm_deployment_state",
    kind: MetricKind::Gauge,
    labels: &["litellm_model_name", "model_id", "api_provider"],
    help: "0 healthy, 1 on probation after a cooldown (of a wildcard: some of its models cool), 2 cooling down",
};
/// Cooldowns of a deployment, by the status that began it.
pub const DEPLOYMENT_COOLED_DOWN: Metric = Metric {
    name: "litellm_deployment_cooled_down_total",
    kind: MetricKind::Counter,
    labels: &[
        "litellm_model_name",
        "model_id",
        "api_provider",
        "exception_status",
    ],
    help: "Cooldowns of a deployment, by the status that began it",
};
/// Attempts that a deployment answered.
pub const DEPLOYMENT_SUCCESSES: Metric = Metric {
    name: "litellm_deployment_success_responses_total",
    kind: MetricKind::Counter,
    labels: &[
        "requested_model",
        "litellm_model_name",
        "model_id",
        "api_provider",
    ],
    help: "Attempts that a deployment answered",
};
/// Attempts that failed.
pub const DEPLOYMENT_FAILURES: Metric = Metric {
    name: "litellm_deployment_failure_responses_total",
    kind: MetricKind::Counter,
    labels: &[
        "requested_model",
        "litellm_model_name",
        "model_id",
        "api_provider",
        "exception_status",
        "exception_class",
    ],
    help: "Attempts that failed",
};
/// Attempts.
pub const DEPLOYMENT_REQUESTS: Metric = Metric {
    name: "litellm_deployment_total_requests_total",
    kind: MetricKind::Counter,
    labels: &[
        "requested_model",
        "litellm_model_name",
        "model_id",
        "api_provider",
    ],
    help: "Attempts",
};
/// Fallbacks that answered.
pub const FALLBACK_SUCCESSES: Metric = Metric {
    name: "litellm_deployment_successful_fallbacks_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "fallback_model"],
    help: "Fallbacks that answered",
};
/// Fallbacks that failed as well.
pub const FALLBACK_FAILURES: Metric = Metric {
    name: "litellm_deployment_failed_fallbacks_total",
    kind: MetricKind::Counter,
    labels: &["requested_model", "fallback_model"],
    help: "Fallbacks that failed as well",
};
/// `rpm` of a deployment, where it is set.
pub const DEPLOYMENT_RPM_LIMIT: Metric = Metric {
    name: "litellm_deployment_rpm_limit",
    kind: MetricKind::Gauge,
    labels: &["litellm_model_name", "model_id", "api_provider"],
    help: "`rpm` of a deployment, where it is set",
};
/// `tpm` of a deployment, where it is set.
pub const DEPLOYMENT_TPM_LIMIT: Metric = Metric {
    name: "litellm_deployment_tpm_limit",
    kind: MetricKind::Gauge,
    labels: &["litellm_model_name", "model_id", "api_provider"],
    help: "`tpm` of a deployment, where it is set",
};

/// Every metric, in the order in which the documentation has them.
pub const METRICS: [Metric; 43] = [
    INFLIGHT,
    QUEUED,
    QUEUE_WAIT,
    ATTEMPTS,
    RETRIES,
    FALLBACKS,
    RETRY_BUDGET_TOKENS,
    RETRY_BUDGET_REFUSED,
    HEDGES,
    STREAM_RESUMES,
    LIMIT_REJECTIONS,
    CACHE_LOOKUPS,
    SHED,
    COOLDOWNS,
    CONFIG_RELOAD,
    CONFIG_LAST_RELOAD_SUCCESSFUL,
    CONFIG_INFO,
    STORE_UP,
    STORE_ERRORS,
    PROXY_REQUESTS,
    PROXY_FAILURES,
    REQUESTS,
    TOTAL_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    INPUT_CACHED_TOKENS,
    CACHE_CREATION_TOKENS,
    REASONING_TOKENS,
    REQUEST_LATENCY,
    API_LATENCY,
    FIRST_TOKEN,
    OVERHEAD,
    REQUEST_QUEUE_TIME,
    LATENCY_PER_TOKEN,
    DEPLOYMENT_STATE,
    DEPLOYMENT_COOLED_DOWN,
    DEPLOYMENT_SUCCESSES,
    DEPLOYMENT_FAILURES,
    DEPLOYMENT_REQUESTS,
    FALLBACK_SUCCESSES,
    FALLBACK_FAILURES,
    DEPLOYMENT_RPM_LIMIT,
    DEPLOYMENT_TPM_LIMIT,
];
