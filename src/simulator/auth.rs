//! Who sends this request: SigV4 or a Bedrock API key, refused with AWS's own errors.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use subtle::ConstantTimeEq;

use super::clock;
use super::error::AwsError;
use super::keys::{KeyRing, KnownKey};
use super::sigv4::{self, Authorization, Signed};

/// How far the client's clock may be off.
const MAX_SKEW_SECONDS: i64 = 5 * 60;
/// Derived signing keys kept; there is one per key, day, region and service, so this is never reached in earnest.
const MAX_SIGNING_KEYS: usize = 1024;

/// Checks requests against the keys that AWS knows.
pub(super) struct Authenticator {
    pub(super) keys: KeyRing,
    bearer_keys: Vec<String>,
    accept_any_bearer: bool,
    signing_keys: Mutex<HashMap<String, [u8; 32]>>,
}

impl Authenticator {
    pub(super) fn new(keys: KeyRing, bearer_keys: Vec<String>, accept_any_bearer: bool) -> Self {
        Self {
            keys,
            bearer_keys,
            accept_any_bearer,
            signing_keys: Mutex::default(),
        }
    }

    /// Whether this bearer key is one of the simulator's own, and so not a secret.
    pub(super) fn knows_bearer(&self, token: &str) -> bool {
        self.bearer_keys.iter().any(|known| known == token)
    }

    /// Accepts a signature for `service` or a Bedrock API key.
    pub(super) fn check(&self, request: &Signed<'_>, service: &str) -> Result<(), AwsError> {
        let Some(value) = request.headers.get(http::header::AUTHORIZATION) else {
            return Err(denied(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ));
        };
        let value = value.to_str().unwrap_or_default();
        if let Some(token) = bearer_token(value) {
            return self.check_bearer(token);
        }
        if !value.starts_with("AWS4-HMAC-SHA256") {
            return Err(denied(
                "IncompleteSignatureException",
                format!("Unsupported authorization: '{value}'"),
            ));
        }
        self.check_signature(value, request, service)
    }

    /// Accepts a Bedrock API key.
    pub(super) fn check_bearer(&self, token: &str) -> Result<(), AwsError> {
        if !token.is_empty() && (self.accept_any_bearer || self.knows_bearer(token)) {
            return Ok(());
        }
        let message = "Authentication failed: Please make sure your API Key is valid.";
        Err(denied("AccessDeniedException", message))
    }

    fn check_signature(
        &self,
        header: &str,
        request: &Signed<'_>,
        service: &str,
    ) -> Result<(), AwsError> {
        let authorization = Authorization::parse(header)
            .map_err(|message| denied("IncompleteSignatureException", message))?;
        let Some(known) = self.keys.find(authorization.access_key_id) else {
            let message = "The security token included in the request is invalid.";
            let name = if service == "sts" {
                "InvalidClientTokenId"
            } else {
                "UnrecognizedClientException"
            };
            return Err(denied(name, message));
        };
        check_session_token(&known, request.headers)?;
        let amz_date = check_date(&authorization, request.headers)?;
        check_scope(&authorization, service)?;
        check_coverage(&authorization, request.headers)?;
        let canonical = request.canonical_request(&authorization.signed_headers);
        let to_sign = sigv4::string_to_sign(&authorization, amz_date, &canonical);
        let expected = sigv4::sign(&self.signing_key(&known, &authorization), &to_sign);
        if bool::from(
            expected
                .as_bytes()
                .ct_eq(authorization.signature.as_bytes()),
        ) {
            return Ok(());
        }
        Err(denied(
            "InvalidSignatureException",
            format!(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String \
                 for this request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n"
            ),
        ))
    }

    fn signing_key(&self, known: &KnownKey, authorization: &Authorization<'_>) -> [u8; 32] {
        let Authorization {
            date,
            region,
            service,
            ..
        } = authorization;
        let secret = known.key.secret.as_str();
        let scope = format!("{}\n{secret}\n{date}\n{region}\n{service}", known.key.id);
        let mut keys = self
            .signing_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if keys.len() > MAX_SIGNING_KEYS {
            keys.clear();
        }
        *keys
            .entry(scope)
            .or_insert_with(|| sigv4::signing_key(secret, date, region, service))
    }
}

/// Returns the token of `Bearer …`, with the scheme in any case.
pub(super) fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn check_session_token(known: &KnownKey, headers: &HeaderMap) -> Result<(), AwsError> {
    let sent = headers
        .get("x-amz-security-token")
        .map(http::HeaderValue::as_bytes);
    if sent != known.key.session_token.as_ref().map(String::as_bytes) {
        let message = "The security token included in the request is invalid.";
        return Err(denied("UnrecognizedClientException", message));
    }
    if known.is_expired(clock::now()) {
        return Err(denied(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ));
    }
    Ok(())
}

fn check_date<'a>(
    authorization: &Authorization<'_>,
    headers: &'a HeaderMap,
) -> Result<&'a str, AwsError> {
    let invalid = |message: String| denied("InvalidSignatureException", message);
    let sent = headers
        .get("x-amz-date")
        .and_then(|value| value.to_str().ok());
    let Some((text, seconds)) = sent.and_then(|text| Some((text, clock::parse_amz_date(text)?)))
    else {
        return Err(denied(
            "IncompleteSignatureException",
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        ));
    };
    if text.split('T').next() != Some(authorization.date) {
        return Err(invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{text}'",
            authorization.date
        )));
    }
    let now = clock::unix_seconds(clock::now());
    if seconds < now - MAX_SKEW_SECONDS {
        let (limit, current) = (
            clock::amz_date(now - MAX_SKEW_SECONDS),
            clock::amz_date(now),
        );
        return Err(invalid(format!(
            "Signature expired: {text} is now earlier than {limit} ({current} - 5 min.)"
        )));
    }
    if seconds > now + MAX_SKEW_SECONDS {
        let (limit, current) = (
            clock::amz_date(now + MAX_SKEW_SECONDS),
            clock::amz_date(now),
        );
        return Err(invalid(format!(
            "Signature not yet current: {text} is still later than {limit} ({current} + 5 min.)"
        )));
    }
    Ok(text)
}

fn check_scope(authorization: &Authorization<'_>, service: &str) -> Result<(), AwsError> {
    if authorization.service != service {
        let message = format!("Credential should be scoped to correct service: '{service}'. ");
        return Err(denied("InvalidSignatureException", message));
    }
    if authorization.region.is_empty() {
        return Err(denied(
            "InvalidSignatureException",
            "Credential should be scoped to a valid region. ",
        ));
    }
    Ok(())
}

/// Refuses a request whose signature leaves out a header that must be signed.
fn check_coverage(authorization: &Authorization<'_>, headers: &HeaderMap) -> Result<(), AwsError> {
    let must_be_signed = |name: &str| {
        // Load balancers on the way add the trace id, so no signer covers it.
        let own = name.starts_with("x-amz-") || name.starts_with("x-amzn-");
        name == "host" || (own && name != "x-amzn-trace-id")
    };
    let unsigned: Vec<&str> = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| must_be_signed(name) && !authorization.signs(name))
        .collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    let message = format!(
        "There were headers present in the request which were not signed: {}",
        unsigned.join(", ")
    );
    Err(denied("InvalidSignatureException", message))
}

fn denied(name: &'static str, message: impl Into<String>) -> AwsError {
    AwsError::new(name, 403, message)
}
