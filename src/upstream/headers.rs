//! The headers of a request: which are signed, which only ride along, and whose `authorization` it is.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::credentials::Credentials;
use super::failure::{SendError, SendFailure};

/// Headers that describe the connection or the signature; a caller's would contradict ours.
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "host"
            | "content-length"
            | "transfer-encoding"
            | "connection"
            | "x-amz-date"
            | "x-amz-security-token"
            | "x-amz-content-sha256"
    )
}

/// AWS refuses a request with an unsigned header of its own.
fn is_signed(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-amz-") || name.starts_with("x-amzn-") || name == "content-type"
}

/// The headers of one request, on their way to being complete.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What is signed.
    pub(super) signed: HeaderMap,
    unsigned: Vec<(HeaderName, HeaderValue)>,
    authorization: Option<HeaderValue>,
}

impl Prepared {
    /// Sorts `extra` into what is signed and what is not.
    ///
    /// An `authorization` among them replaces the computed one, unless it is itself a SigV4 signature: that of another request
    /// is never right for this one.
    pub(super) fn new(extra: &[(HeaderName, HeaderValue)], credentials: &Credentials) -> Self {
        let mut prepared = Self {
            signed: HeaderMap::with_capacity(extra.len() + 8),
            unsigned: Vec::new(),
            authorization: None,
        };
        let json = HeaderValue::from_static("application/json");
        prepared.signed.insert(header::CONTENT_TYPE, json);
        for (name, value) in extra {
            if name == header::AUTHORIZATION {
                if !value.as_bytes().starts_with(b"AWS4-HMAC-SHA256") {
                    prepared.authorization = Some(value.clone());
                }
            } else if is_ours(name) {
            } else if is_signed(name) || !matches!(credentials, Credentials::Keys { .. }) {
                prepared.signed.insert(name, value.clone());
            } else {
                prepared.unsigned.push((name.clone(), value.clone()));
            }
        }
        prepared
    }

    /// Says whether the caller brought an `authorization` that replaces ours.
    pub(super) fn has_own_authorization(&self) -> bool {
        self.authorization.is_some()
    }

    /// Puts everything together.
    pub(super) fn finish(self, credentials: &Credentials) -> Result<HeaderMap, SendError> {
        let mut headers = self.signed;
        for (name, value) in self.unsigned {
            headers.insert(name, value);
        }
        if let Some(own) = self.authorization {
            headers.insert(header::AUTHORIZATION, own);
        } else if let Credentials::Bearer(key) = credentials {
            headers.insert(header::AUTHORIZATION, bearer(key.expose())?);
        }
        Ok(headers)
    }
}

/// Writes `authorization: Bearer …`, marked so that nothing prints it.
pub(super) fn bearer(key: &str) -> Result<HeaderValue, SendError> {
    let mut value = HeaderValue::try_from(format!("Bearer {key}"))
        .map_err(|error| SendError::because(SendFailure::Request, error))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn extra(headers: &[(&'static str, &'static str)]) -> Vec<(HeaderName, HeaderValue)> {
        headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn keys() -> Credentials {
        Credentials::keys("AKID", "secret", None)
    }

    #[test]
    fn only_aws_headers_are_signed() {
        let extra = extra(&[
            ("x-amzn-bedrock-guardrailidentifier", "gr1"),
            ("anthropic-beta", "b"),
            ("x-amz-date", "20200101T000000Z"),
        ]);
        let prepared = Prepared::new(&extra, &keys());
        let signed: Vec<&str> = prepared.signed.keys().map(HeaderName::as_str).collect();
        assert_eq!(
            signed,
            ["content-type", "x-amzn-bedrock-guardrailidentifier"]
        );
        let all = prepared.finish(&keys()).unwrap();
        assert_eq!(all.get("anthropic-beta").unwrap(), "b");
        assert!(!all.contains_key("x-amz-date"));
    }

    #[test]
    fn callers_authorization_replaces_ours_unless_it_is_a_signature() {
        let own = extra(&[("authorization", "Basic abc")]);
        let bearer = Credentials::Bearer(Secret::new("key"));
        let all = Prepared::new(&own, &bearer).finish(&bearer).unwrap();
        assert_eq!(all.get("authorization").unwrap(), "Basic abc");

        let signature = extra(&[("authorization", "AWS4-HMAC-SHA256 Credential=x")]);
        let prepared = Prepared::new(&signature, &bearer);
        assert!(!prepared.has_own_authorization());
        let all = prepared.finish(&bearer).unwrap();
        assert_eq!(all.get("authorization").unwrap(), "Bearer key");
        assert!(all.get("authorization").unwrap().is_sensitive());
    }

    #[test]
    fn no_credentials_no_authorization() {
        let all = Prepared::new(&[], &Credentials::None)
            .finish(&Credentials::None)
            .unwrap();
        assert!(!all.contains_key("authorization"));
        assert_eq!(all.get("content-type").unwrap(), "application/json");
    }
}
