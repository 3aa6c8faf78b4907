//! Signs requests: `SigV4` with a key pair, or a bearer key.
//!
//! The cryptography is aws-sigv4's; the canonical request is built here, because this runs once per attempt and the
//! general builder copies every header and parses the URL again. The key derived from a secret is kept beside the
//! secret it comes from, for each day, region and service, so that it can neither outlive nor be mistaken for another.
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::timestamp::Timestamp;
use crate::config::Secret;
use crate::hex;
use crate::provider::WireRequest;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Most derived keys that are kept beside one secret: a few regions and services, over midnight.
const MAX_DERIVED: usize = 16;

/// Headers to add to a request.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// Why a request cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The address is no absolute URL.
    #[error("the address to sign is no absolute URL")]
    BadUrl,
    /// A credential has characters that no header can carry.
    #[error("a credential has characters that cannot be sent")]
    BadCredential,
    /// A header to sign is not ASCII text.
    #[error("the header `{0}` cannot be signed: it is not plain text")]
    BadHeader(HeaderName),
}

/// What a request is authorized by.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A Bedrock API key.
    Bearer(Secret),
    /// An access key.
    Keys(Arc<Keys>),
}

/// An access key, and what was derived from it.
pub struct Keys {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Option<Secret>,
    expires_at: Option<SystemTime>,
    derived: Mutex<Vec<Derived>>,
}

/// A key derived for one day, region and service.
struct Derived {
    day: [u8; 8],
    region: String,
    service: &'static str,
    key: Arc<[u8]>,
}

impl Drop for Derived {
    fn drop(&mut self) {
        if let Some(key) = Arc::get_mut(&mut self.key) {
            zeroize::Zeroize::zeroize(key);
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("access_key_id", &self.access_key_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Takes an access key; an empty session token is none.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: Secret,
        session_token: Option<Secret>,
        expires_at: Option<SystemTime>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key,
            session_token: session_token.filter(|token| !token.is_empty()),
            expires_at,
            derived: Mutex::new(Vec::new()),
        }
    }

    /// Returns the access key's id, which is no secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Returns the secret, for the sources that ask another service for more.
    pub fn secret_access_key(&self) -> &Secret {
        &self.secret_access_key
    }

    /// Returns the session token.
    pub fn session_token(&self) -> Option<&Secret> {
        self.session_token.as_ref()
    }

    /// Returns when the key stops being valid; `None` if it never does.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// Returns the key derived for a scope, deriving it if this is the first request of its day.
    fn derive(&self, at: &Timestamp, region: &str, service: &'static str) -> Arc<[u8]> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = |known: &&Derived| {
            known.day == at.day() && known.service == service && known.region == region
        };
        if let Some(known) = derived.iter().find(is_wanted) {
            return Arc::clone(&known.key);
        }
        let secret = self.secret_access_key.expose();
        let key: Arc<[u8]> = generate_signing_key(secret, at.time(), region, service)
            .as_ref()
            .into();
        if derived.len() >= MAX_DERIVED {
            derived.remove(0);
        }
        derived.push(Derived {
            day: at.day(),
            region: region.to_owned(),
            service,
            key: Arc::clone(&key),
        });
        key
    }
}

/// Returns the headers that authorize `request`, with its content type if it names none.
///
/// With keys, `content-type`, `host`, and every header named `x-amz-…` or `x-amzn-…` are signed; nothing else is. A
/// request that brings an `authorization` of its own keeps it, unless that is a signature, and is not signed.
///
/// # Errors
///
/// If the address or a header cannot be signed.
pub fn sign(
    request: &WireRequest,
    credentials: &Credentials,
    region: &str,
    time: SystemTime,
) -> Result<Headers, SignError> {
    let content_type = request
        .headers
        .iter()
        .find(|(name, _)| *name == CONTENT_TYPE)
        .map(|(_, value)| value);
    let mut added = Vec::with_capacity(4);
    if content_type.is_none() {
        added.push((CONTENT_TYPE, JSON));
    }
    if brings_authorization(request) {
        return Ok(added);
    }
    match credentials {
        Credentials::Bearer(key) => {
            let value = sensitive(&format!("Bearer {}", key.expose()))?;
            added.push((AUTHORIZATION, value));
        }
        Credentials::Keys(keys) => {
            let at = Timestamp::new(time);
            let date = HeaderValue::from_str(at.text()).map_err(|_| SignError::BadCredential)?;
            added.push((DATE, date));
            if let Some(token) = keys.session_token() {
                added.push((TOKEN, sensitive(token.expose())?));
            }
            let authorization = authorization(request, &added, keys, &at, region)?;
            added.push((AUTHORIZATION, sensitive(&authorization)?));
        }
    }
    Ok(added)
}

/// Says whether the operator's or caller's headers carry an authorization that replaces ours.
fn brings_authorization(request: &WireRequest) -> bool {
    request
        .headers
        .iter()
        .any(|(name, value)| *name == AUTHORIZATION && !is_signature(value))
}

fn is_signature(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"AWS4-HMAC-SHA256")
}

fn sensitive(text: &str) -> Result<HeaderValue, SignError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SignError::BadCredential)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Builds the `authorization` header.
fn authorization(
    request: &WireRequest,
    added: &[(HeaderName, HeaderValue)],
    keys: &Keys,
    at: &Timestamp,
    region: &str,
) -> Result<String, SignError> {
    let address = Address::of(&request.url)?;
    let headers = SignedHeaders::of(request, added, &address)?;
    let canonical = canonical_request(request, &address, &headers);
    let mut to_sign = String::with_capacity(160);
    // Writing to a string cannot fail.
    let _written = write!(
        to_sign,
        "AWS4-HMAC-SHA256\n{}\n{}/{region}/{}/aws4_request\n",
        at.text(),
        at.day_text(),
        request.service,
    );
    hex::push_hex(&mut to_sign, &Sha256::digest(canonical.as_bytes()));
    let key = keys.derive(at, region, request.service);
    let signature = calculate_signature(&key, to_sign.as_bytes());
    Ok(format!(
        "AWS4-HMAC-SHA256 Credential={}/{}/{region}/{}/aws4_request, SignedHeaders={}, Signature={signature}",
        keys.access_key_id,
        at.day_text(),
        request.service,
        headers.names,
    ))
}

fn canonical_request(
    request: &WireRequest,
    address: &Address<'_>,
    headers: &SignedHeaders,
) -> String {
    let mut text = String::with_capacity(headers.lines.len() + request.url.len() * 2 + 160);
    text.push_str(request.method.as_str());
    text.push('\n');
    push_path(&mut text, address.path);
    text.push('\n');
    push_query(&mut text, address.query);
    text.push('\n');
    text.push_str(&headers.lines);
    text.push('\n');
    text.push_str(&headers.names);
    text.push('\n');
    hex::push_hex(&mut text, &Sha256::digest(&request.body));
    text
}

/// A URL's parts, as they go over the wire.
#[derive(Debug, Clone, Copy)]
struct Address<'a> {
    /// What the `host` header says: the default port is left out.
    host: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Address<'a> {
    fn of(url: &'a str) -> Result<Self, SignError> {
        let (scheme, rest) = url.split_once("://").ok_or(SignError::BadUrl)?;
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let host = host.strip_suffix(default_port).unwrap_or(host);
        if host.is_empty() {
            return Err(SignError::BadUrl);
        }
        Ok(Self { host, path, query })
    }
}

/// The headers that are signed, in the two forms that are needed.
struct SignedHeaders {
    /// `name:value` lines, sorted by name, each with its line end.
    lines: String,
    /// The names, joined by semicolons.
    names: String,
}

impl SignedHeaders {
    fn of(
        request: &WireRequest,
        added: &[(HeaderName, HeaderValue)],
        address: &Address<'_>,
    ) -> Result<Self, SignError> {
        let is_replaced = |name: &HeaderName| added.iter().any(|(known, _)| known == name);
        let own = request
            .headers
            .iter()
            .filter(|(name, _)| !is_replaced(name));
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(request.headers.len() + 4);
        headers.push((HOST.as_str(), address.host));
        for (name, value) in own.chain(added) {
            if is_signed(name) {
                let value = value
                    .to_str()
                    .map_err(|_| SignError::BadHeader(name.clone()))?;
                headers.push((name.as_str(), value));
            }
        }
        // Stable, so that equal names keep the order in which they are sent.
        headers.sort_by_key(|(name, _)| *name);
        let mut signed = Self {
            lines: String::with_capacity(256),
            names: String::with_capacity(96),
        };
        let mut last = "";
        for (name, value) in headers {
            if name == last {
                signed.lines.pop();
                signed.lines.push(',');
            } else {
                if !last.is_empty() {
                    signed.names.push(';');
                }
                signed.names.push_str(name);
                signed.lines.push_str(name);
                signed.lines.push(':');
                last = name;
            }
            push_trimmed(&mut signed.lines, value);
            signed.lines.push('\n');
        }
        Ok(signed)
    }
}

/// Says whether a header is part of the signature.
fn is_signed(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "content-type" || name.starts_with("x-amz-") || name.starts_with("x-amzn-")
}

/// Appends a header's value without white space at its ends, and with single spaces inside.
fn push_trimmed(text: &mut String, value: &str) {
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        text.push_str(first);
    }
    for word in words {
        text.push(' ');
        text.push_str(word);
    }
}

/// Appends the path, encoded once more than it is on the wire.
fn push_path(text: &mut String, path: &str) {
    let path = normalized(path);
    for byte in path.bytes() {
        if is_unreserved(byte) || byte == b'/' {
            text.push(char::from(byte));
        } else {
            push_percent(text, byte);
        }
    }
}

/// Removes empty and dot segments, as AWS does before it verifies.
fn normalized(path: &str) -> Cow<'_, str> {
    if path.is_empty() {
        return Cow::Borrowed("/");
    }
    let inner = path.strip_prefix('/').unwrap_or(path);
    let is_odd = |segment: &str| matches!(segment, "" | "." | "..");
    if inner.is_empty()
        || !inner.trim_end_matches('/').split('/').any(is_odd) && !inner.ends_with("//")
    {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut result = String::with_capacity(path.len());
    for segment in &kept {
        result.push('/');
        result.push_str(segment);
    }
    if result.is_empty() || path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..") {
        result.push('/');
    }
    Cow::Owned(result)
}

/// Appends the query with its pairs decoded, encoded strictly, and sorted.
fn push_query(text: &mut String, query: &str) {
    if query.is_empty() {
        return;
    }
    let mut pairs: Vec<(String, String)> = ::url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (encoded(&name), encoded(&value)))
        .collect();
    pairs.sort();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
}

fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if is_unreserved(byte) {
            text.push(char::from(byte));
        } else {
            push_percent(&mut text, byte);
        }
    }
    text
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

fn push_percent(text: &mut String, byte: u8) {
    text.push('%');
    text.push(hex::digit(byte >> 4).to_ascii_uppercase());
    text.push(hex::digit(byte & 15).to_ascii_uppercase());
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
