//! What several sections have in common: a number for each class of errors, and options of a strategy.

use super::{Key, Kind, Table, Unknown};
use Kind::{Amount, Count, Number, Positive, Seconds};

/// `retry_policy`.
#[rustfmt::skip]
pub(in crate::config) const RETRY_POLICY: Table = Table {
    name: "retry_policy",
    keys: &[
        Key::used("BadRequestErrorRetries", Count, "retries after a 400"),
        Key::used("AuthenticationErrorRetries", Count, "retries after a 401 or 403"),
        Key::used("TimeoutErrorRetries", Count, "retries after a timeout"),
        Key::used("RateLimitErrorRetries", Count, "retries after a 429"),
        Key::used("ContentPolicyViolationErrorRetries", Count, "retries after a refusal of the content"),
        Key::used("InternalServerErrorRetries", Count, "retries after a 500"),
        Key::used("ServiceUnavailableErrorRetries", Count, "retries after a 503"),
        Key::used("NotFoundErrorRetries", Count, "retries after a 404"),
        Key::used("DefaultRetries", Count, "retries after any other error"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

/// `allowed_fails_policy`.
#[rustfmt::skip]
pub(in crate::config) const ALLOWED_FAILS_POLICY: Table = Table {
    name: "allowed_fails_policy",
    keys: &[
        Key::used("BadRequestErrorAllowedFails", Count, "400s that cause no cooldown"),
        Key::used("AuthenticationErrorAllowedFails", Count, "401s and 403s that cause no cooldown"),
        Key::used("TimeoutErrorAllowedFails", Count, "timeouts that cause no cooldown"),
        Key::used("RateLimitErrorAllowedFails", Count, "429s that cause no cooldown"),
        Key::used("ContentPolicyViolationErrorAllowedFails", Count, "refusals of the content that cause no cooldown"),
        Key::used("InternalServerErrorAllowedFails", Count, "500s that cause no cooldown"),
        Key::used("ServiceUnavailableErrorAllowedFails", Count, "503s that cause no cooldown"),
        Key::used("BadGatewayErrorAllowedFails", Count, "502s that cause no cooldown"),
        Key::used("NotFoundErrorAllowedFails", Count, "404s that cause no cooldown"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};

/// `routing_strategy_args`.
#[rustfmt::skip]
pub(in crate::config) const STRATEGY_ARGS: Table = Table {
    name: "routing_strategy_args",
    keys: &[
        Key::used("ttl", Seconds, "how long a sample of latency counts"),
        Key::used("lowest_latency_buffer", Amount, "deployments within this share of the best are as good: 0.1 is 10 %"),
        Key::used("max_latency_list_size", Positive, "samples that are kept"),
        Key::used("ttft_percentile", Number, "for streams, this percentile instead of the mean: above 0, at most 1"),
    ],
    also: &[],
    unknown: Unknown::Warn,
};
