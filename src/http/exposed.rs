//! What a page of another origin may read of an answer: every header of ours.

use http::HeaderName;

use super::portkey;
use crate::pipeline::admit;
use crate::telemetry::names;

/// The headers that answers have whose names are fixed and that nobody below lists.
const FIXED: [&str; 29] = [
    names::CALL_ID,
    names::MODEL_ID,
    names::MODEL_NAME,
    names::MODEL_GROUP,
    names::MODEL_API_BASE,
    names::MODEL_REGION,
    names::VERSION,
    names::RESPONSE_DURATION,
    names::OVERHEAD_DURATION,
    names::TIMEOUT,
    names::ATTEMPTED_RETRIES,
    names::ATTEMPTED_FALLBACKS,
    names::MAX_RETRIES,
    names::FALLBACK_ERRORS,
    names::FASTEST_RESPONSE,
    names::PRIORITIZED,
    names::HEDGED,
    names::STREAM_RECOVERY,
    names::CACHE_HIT,
    names::CACHE_KEY,
    names::TOTAL_ATTEMPTS,
    names::INVOCATION_ARN,
    names::WARNINGS,
    "llm_provider-x-amzn-requestid",
    "rate_limit_type",
    "reset_at",
    "retry-after",
    "x-litellm-key-rpm-limit",
    "x-litellm-key-tpm-limit",
];

/// Those that a page asks for most, for whoever does not know the star.
const MOST_WANTED: [&str; 9] = [
    names::CALL_ID,
    names::MODEL_ID,
    names::MODEL_GROUP,
    names::RESPONSE_DURATION,
    names::OVERHEAD_DURATION,
    names::ATTEMPTED_RETRIES,
    names::ATTEMPTED_FALLBACKS,
    names::TOTAL_ATTEMPTS,
    "retry-after",
];

/// Returns what is exposed to requests without credentials: all, in few bytes, since every answer carries them.
/// Source: <https://fetch.spec.whatwg.org/#http-access-control-expose-headers>.
pub(super) fn to_anyone() -> Vec<HeaderName> {
    let most_wanted = MOST_WANTED.map(HeaderName::from_static).into_iter();
    most_wanted.chain([HeaderName::from_static("*")]).collect()
}

/// Returns what is exposed to requests with credentials, for which a star is no wildcard. Headers with a model group of the
/// file or a header of AWS's in their names are left out.
pub(super) fn by_name() -> Vec<HeaderName> {
    let made = admit::header_names()
        .into_iter()
        .chain(portkey::reply_names());
    let made = made.filter_map(|name| HeaderName::try_from(name).ok());
    FIXED
        .map(HeaderName::from_static)
        .into_iter()
        .chain(made)
        .collect()
}
