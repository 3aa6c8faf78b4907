//! Errors in OpenAI's shape, from which its SDKs choose the exception that they raise.

use crate::canonical::write_escaped;
use crate::error::Error;

/// Appends `{"error":{"message","type","param","code"}}`; `code` is the status, as a string.
pub(super) fn write_error(error: &Error, call_id: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"error":{"message":"#);
    write_escaped(error.message(), out);
    out.extend_from_slice(br#","type":"#);
    write_escaped(error.error_type(), out);
    out.extend_from_slice(br#","param":"#);
    match error.param() {
        Some(param) => write_escaped(param, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","code":""#);
    out.extend_from_slice(error.status().as_str().as_bytes());
    out.push(b'"');
    if let Some(call_id) = call_id {
        out.extend_from_slice(br#","litellm_call_id":"#);
        write_escaped(call_id, out);
    }
    out.extend_from_slice(b"}}");
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::*;
    use crate::error::ErrorKind;

    fn written(error: &Error, call_id: Option<&str>) -> Value {
        let mut out = Vec::new();
        write_error(error, call_id, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn an_error_has_all_members_and_its_status_as_a_string() {
        let error = Error::bad_request("tools[0].\"x\"", "line 1\nline \"2\"");
        let expected = json!({"error": {
            "message": "line 1\nline \"2\"", "type": "invalid_request_error", "param": "tools[0].\"x\"", "code": "400",
        }});
        assert_eq!(written(&error, None), expected);
    }

    #[test]
    fn param_is_null_where_there_is_none() {
        let error = Error::new(ErrorKind::Throttled, "slow down");
        let expected = json!({"error": {
            "message": "slow down", "type": "throttling_error", "param": null, "code": "429",
            "litellm_call_id": "id-1",
        }});
        assert_eq!(written(&error, Some("id-1")), expected);
    }

    #[test]
    fn a_status_of_its_own_is_the_code() {
        let error = Error::new(ErrorKind::UpstreamDenied, "no").with_status(StatusCode::FORBIDDEN);
        let error = &written(&error, None)["error"];
        assert_eq!(
            (&error["code"], &error["type"]),
            (&json!("403"), &json!("permission_error"))
        );
    }
}
