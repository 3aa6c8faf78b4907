//! Signs one outgoing request.

use std::time::SystemTime;

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    self, PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use super::failure::{SendError, SendFailure};
use crate::config::Secret;

#[derive(Debug, Default)]
pub(super) struct SigningKeys;

/// What it is signed with.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret: &'a Secret,
    pub(super) session_token: Option<&'a Secret>,
}

/// What is signed.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    pub(super) headers: &'a mut HeaderMap,
    pub(super) body: &'a Bytes,
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) time: SystemTime,
}

/// Adds `authorization`, `x-amz-date` and `x-amz-security-token` to the request's headers.
pub(super) fn sign(
    request: Request<'_>,
    keys: &Keys<'_>,
    _cache: &SigningKeys,
) -> Result<(), SendError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        SendError::because(SendFailure::Request, error)
    };
    let identity = AwsCredentials::new(
        keys.access_key_id,
        keys.secret.expose(),
        keys.session_token.map(|token| token.expose().to_owned()),
        None,
        "switchyard",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(request.region)
        .name(request.service)
        .time(request.time)
        .settings(settings)
        .build()
        .map_err(|error| failed(error.into()))?
        .into();
    let headers = request
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(
        request.method.as_str(),
        request.url.as_str(),
        headers,
        SignableBody::Bytes(request.body),
    )
    .map_err(|error| failed(error.into()))?;
    let (instructions, _) = http_request::sign(signable, &params)
        .map_err(|error| failed(error.into()))?
        .into_parts();
    let (added, _) = instructions.into_parts();
    for header in added {
        let mut value =
            HeaderValue::from_str(header.value()).map_err(|error| failed(error.into()))?;
        value.set_sensitive(header.sensitive());
        request
            .headers
            .insert(HeaderName::from_static(header.name()), value);
    }
    Ok(())
}
