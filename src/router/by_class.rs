//! Numbers by class of error, as `retry_policy` and `allowed_fails_policy` give them.

use crate::config::ByClass;
use crate::error::ErrorClass;

/// Returns the number for `class`; a class that is a kind of bad request goes by `BadRequestError…` where it has no number
/// of its own. `PermissionDeniedError` has no key.
pub(super) fn named(table: &ByClass, class: ErrorClass) -> Option<u32> {
    match class {
        ErrorClass::BadRequest | ErrorClass::ContextWindow => table.bad_request,
        ErrorClass::ContentPolicy => table.content_policy.or(table.bad_request),
        ErrorClass::Authentication => table.authentication,
        ErrorClass::PermissionDenied => None,
        ErrorClass::NotFound => table.not_found,
        ErrorClass::Timeout => table.timeout,
        ErrorClass::RateLimit => table.rate_limit,
        ErrorClass::Internal => table.internal,
        ErrorClass::BadGateway => table.bad_gateway,
        ErrorClass::Unavailable => table.unavailable,
    }
}
