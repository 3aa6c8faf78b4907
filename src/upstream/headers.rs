//! The headers of a request: what its encoder wrote, and what authorizes it.

use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::credentials::Credentials;
use super::failure::{SendError, SendFailure};
use crate::provider::WireRequest;
use crate::provider::bedrock::sign;

/// Headers that describe the connection; a caller's would contradict ours.
fn is_connections(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "host" | "content-length" | "transfer-encoding" | "connection"
    )
}

/// A signature that a caller brings was made for another request.
fn is_signature(name: &HeaderName, value: &HeaderValue) -> bool {
    *name == header::AUTHORIZATION && value.as_bytes().starts_with(b"AWS4-HMAC-SHA256")
}

/// Returns all headers of a request, authorized at `time`.
///
/// An `authorization` among the request's own replaces the computed one, unless it is a signature.
pub(super) fn complete(
    request: &WireRequest,
    credentials: &Credentials,
    region: &str,
    time: SystemTime,
) -> Result<HeaderMap, SendError> {
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 8);
    for (name, value) in &request.headers {
        // Appended, because a header that comes twice is signed twice.
        if !is_connections(name) && !is_signature(name, value) {
            headers.append(name, value.clone());
        }
    }
    let sign = |credentials| {
        sign::sign(request, credentials, region, time)
            .map_err(|error| SendError::because(SendFailure::Request, error))
    };
    let added = match credentials {
        Credentials::Keys(keys) => sign(&sign::Credentials::Keys(keys.clone()))?,
        Credentials::Bearer(key) => sign(&sign::Credentials::Bearer(key.clone()))?,
        Credentials::None => Vec::new(),
    };
    for (name, value) in added {
        headers.insert(name, value);
    }
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    Ok(headers)
}

/// Writes `Bearer …`, marked so that nothing prints it.
pub(super) fn bearer(key: &str) -> Result<HeaderValue, SendError> {
    let mut value = HeaderValue::try_from(format!("Bearer {key}"))
        .map_err(|error| SendError::because(SendFailure::Request, error))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use bytes::Bytes;

    use super::*;
    use crate::config::Secret;

    fn headers(extra: &[(&'static str, &'static str)], credentials: &Credentials) -> HeaderMap {
        let request = WireRequest {
            method: http::Method::POST,
            url: "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse".to_owned(),
            headers: extra
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect(),
            body: Bytes::from_static(b"{}"),
            service: "bedrock",
        };
        let time = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        complete(&request, credentials, "us-east-1", time).unwrap()
    }

    fn keys() -> Credentials {
        Credentials::keys("AKID", "secret", Some("token"))
    }

    #[test]
    fn only_aws_headers_are_signed_and_all_are_sent() {
        let extra = [
            ("x-amzn-bedrock-guardrailidentifier", "gr1"),
            ("anthropic-beta", "b"),
            ("x-amz-date", "20200101T000000Z"),
            ("host", "elsewhere"),
        ];
        let headers = headers(&extra, &keys());
        let authorization = headers.get("authorization").unwrap().to_str().unwrap();
        let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-guardrailidentifier,";
        assert!(authorization.contains(signed), "{authorization}");
        assert_eq!(headers.get("anthropic-beta").unwrap(), "b");
        assert_eq!(
            headers.get_all("x-amz-date").iter().collect::<Vec<_>>(),
            ["20260102T030405Z"]
        );
        assert!(!headers.contains_key("host"));
    }

    #[test]
    fn callers_authorization_replaces_ours_unless_it_is_a_signature() {
        let bearer = Credentials::Bearer(Secret::new("key"));
        for credentials in [&bearer, &keys(), &Credentials::None] {
            let headers = headers(&[("authorization", "Basic abc")], credentials);
            assert_eq!(
                headers.get_all("authorization").iter().collect::<Vec<_>>(),
                ["Basic abc"]
            );
            assert!(!headers.contains_key("x-amz-date"));
        }
        let signature = [("authorization", "AWS4-HMAC-SHA256 Credential=x")];
        let ours = headers(&signature, &bearer);
        assert_eq!(
            ours.get_all("authorization").iter().collect::<Vec<_>>(),
            ["Bearer key"]
        );
        assert!(ours.get("authorization").unwrap().is_sensitive());
        assert!(!headers(&signature, &Credentials::None).contains_key("authorization"));
    }

    #[test]
    fn no_credentials_no_authorization() {
        let headers = headers(&[], &Credentials::None);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers.get("content-type").unwrap(), "application/json");
    }
}
