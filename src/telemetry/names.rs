//! Names of headers and span targets that others rely on.

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
/// `x-switchyard-deadline`: the caller's bound for the whole call, in seconds.
pub const DEADLINE: &str = "x-switchyard-deadline";
/// Put before the name of every header of AWS's answer.
pub const PROVIDER_PREFIX: &str = "llm_provider-";
