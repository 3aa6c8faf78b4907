//! The headers of a request: what its encoder wrote, and what authorizes it.

use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderName, HeaderValue, MaxSizeReached};

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
///
/// # Errors
///
/// The request cannot be signed, or has more headers than a request can have.
pub(super) fn complete(
    request: &WireRequest,
    credentials: &Credentials,
    region: &str,
    time: SystemTime,
) -> Result<HeaderMap, SendError> {
    // The map's plain methods panic where it is full, and how many headers there are is not ours to say.
    let mut headers = HeaderMap::try_with_capacity(request.headers.len() + 8).map_err(too_many)?;
    for (name, value) in &request.headers {
        // Appended, because a header that comes twice is signed twice.
        if !is_connections(name) && !is_signature(name, value) {
            headers.try_append(name, value.clone()).map_err(too_many)?;
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
        headers.try_insert(name, value).map_err(too_many)?;
    }
    if !headers.contains_key(header::CONTENT_TYPE) {
        let json = HeaderValue::from_static("application/json");
        headers
            .try_insert(header::CONTENT_TYPE, json)
            .map_err(too_many)?;
    }
    Ok(headers)
}

fn too_many(error: MaxSizeReached) -> SendError {
    SendError::because(SendFailure::Request, error)
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

    fn try_headers(
        headers: Vec<(HeaderName, HeaderValue)>,
        credentials: &Credentials,
    ) -> Result<HeaderMap, SendError> {
        let request = WireRequest {
            method: http::Method::POST,
            url: "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse".to_owned(),
            headers,
            body: Bytes::from_static(b"{}"),
            service: "bedrock",
        };
        let time = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        complete(&request, credentials, "us-east-1", time)
    }

    fn headers(extra: &[(&'static str, &'static str)], credentials: &Credentials) -> HeaderMap {
        let headers = extra.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        try_headers(headers.collect(), credentials).unwrap()
    }

    #[test]
    fn more_headers_than_fit_are_an_error() {
        for count in [24_570_u32, 24_576, 40_000] {
            let header = |index: u32| {
                let name = HeaderName::try_from(format!("x-{index}")).unwrap();
                (name, HeaderValue::from_static("v"))
            };
            let headers = (0..count).map(header).collect();
            let result = try_headers(headers, &Credentials::None);
            let failure = result.map(|headers| headers.len()).map_err(|e| e.failure());
            // What a map can hold is its own affair; that it says so is ours.
            assert!(
                matches!(failure, Ok(held) if held == count as usize + 1)
                    || matches!(failure, Err(SendFailure::Request)),
                "{count}: {failure:?}"
            );
            assert!(count < 40_000 || failure.is_err());
        }
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
