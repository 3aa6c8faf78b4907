//! The `error` of a response that failed while it was streamed.

use http::StatusCode;

use crate::canonical::{ObjectWriter, write_escaped};
use crate::error::{Error, ErrorKind};

/// Appends `{"code","message"}`.
pub(super) fn write_failure(error: &Error, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::open(out);
    write_escaped(code(error), object.member("code"));
    write_escaped(error.message(), object.member("message"));
    object.close();
}

/// Returns OpenAI's word for an error; agents decide by it whether to try again, and how to go on.
///
/// Source: `ResponseError.code` of <https://platform.openai.com/docs/api-reference/responses/object>, and the codes that
/// Codex tells apart (`context_length_exceeded`, `insufficient_quota`).
fn code(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ContextWindow => "context_length_exceeded",
        ErrorKind::BudgetReached => "insufficient_quota",
        _ if error.status() == StatusCode::TOO_MANY_REQUESTS => "rate_limit_exceeded",
        ErrorKind::BadRequest | ErrorKind::ContentPolicy => "invalid_prompt",
        _ => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_openais_codes() {
        for (kind, word) in [
            (ErrorKind::ContextWindow, "context_length_exceeded"),
            (ErrorKind::BudgetReached, "insufficient_quota"),
            (ErrorKind::Throttled, "rate_limit_exceeded"),
            (ErrorKind::LimitReached, "rate_limit_exceeded"),
            (ErrorKind::BadRequest, "invalid_prompt"),
            (ErrorKind::Unavailable, "server_error"),
            (ErrorKind::Internal, "server_error"),
        ] {
            assert_eq!(code(&Error::new(kind, "no")), word, "{kind:?}");
        }
    }
}
