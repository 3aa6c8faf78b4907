//! The canonical request of `SigV4`: what of a request is signed, in one form for all who write it.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::borrow::Cow;

use http::header::HOST;
use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::sign::SignError;
use crate::hex;
use crate::provider::WireRequest;

/// Writes the request in the form that is signed.
pub(super) fn canonical_request(
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
pub(super) struct Address<'a> {
    /// What the `host` header says: the default port is left out.
    pub(super) host: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Address<'a> {
    /// Takes a URL apart.
    pub(super) fn of(url: &'a str) -> Result<Self, SignError> {
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
pub(super) struct SignedHeaders {
    /// `name:value` lines, sorted by name, each with its line end.
    lines: String,
    /// The names, joined by semicolons.
    pub(super) names: String,
}

impl SignedHeaders {
    /// Collects the headers of a request and those that signing adds.
    pub(super) fn of(
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
