//! Errors in Anthropic's shape, from whose type its clients choose what to do next.

use http::StatusCode;

use crate::canonical::write_escaped;
use crate::error::Error;

/// Appends `{"type":"error","error":{"type","message"}}`, with the call's id where it is known.
pub(super) fn write_error(error: &Error, call_id: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"error","error":{"type":""#);
    out.extend_from_slice(error_type(error.status()).as_bytes());
    out.extend_from_slice(br#"","message":"#);
    write_escaped(error.message(), out);
    out.push(b'}');
    if let Some(call_id) = call_id {
        out.extend_from_slice(br#","request_id":"#);
        write_escaped(call_id, out);
    }
    out.push(b'}');
}

/// Returns Anthropic's word for a status. <https://docs.anthropic.com/en/api/errors>.
fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 422 | 424 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::ErrorKind;

    fn written(error: &Error, call_id: Option<&str>) -> Value {
        let mut out = Vec::new();
        write_error(error, call_id, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn an_error_has_anthropics_shape() {
        let error = Error::bad_request("tools[0]", "line \"1\"\n");
        let expected = json!({"type": "error", "request_id": "id-1",
            "error": {"type": "invalid_request_error", "message": "line \"1\"\n"}});
        assert_eq!(written(&error, Some("id-1")), expected);
    }

    #[test]
    fn the_status_decides_the_type() {
        for (kind, word) in [
            (ErrorKind::Unauthenticated, "authentication_error"),
            (ErrorKind::Forbidden, "permission_error"),
            (ErrorKind::Throttled, "rate_limit_error"),
            (ErrorKind::NoDeployment, "rate_limit_error"),
            (ErrorKind::ContextWindow, "invalid_request_error"),
            (ErrorKind::UpstreamMissing, "not_found_error"),
            (ErrorKind::Timeout, "timeout_error"),
            (ErrorKind::Unavailable, "overloaded_error"),
            (ErrorKind::ModelFault, "invalid_request_error"),
            (ErrorKind::Garbled, "api_error"),
            (ErrorKind::Internal, "api_error"),
        ] {
            let error = written(&Error::new(kind, "no"), None);
            assert_eq!(error["error"]["type"], word, "{kind:?}");
        }
        let large =
            Error::new(ErrorKind::BadRequest, "no").with_status(StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(written(&large, None)["error"]["type"], "request_too_large");
    }
}
