//! Signature Version 4, from the server's side.
//!
//! Written from AWS's description of the algorithm and not from the router's signer, so that a mistake there is not
//! repeated here: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
//! Only the `Authorization` header is understood, not signatures in the query.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The parts of an `Authorization: AWS4-HMAC-SHA256 …` header.
#[derive(Debug, PartialEq)]
pub(super) struct Authorization<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Lower-case names in the order in which the client listed them.
    pub(super) signed_headers: Vec<&'a str>,
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads the header; the error lists what is missing, in AWS's words.
    pub(super) fn parse(value: &'a str) -> Result<Self, String> {
        let fields = value.strip_prefix(ALGORITHM).unwrap_or_default();
        let field = |name: &str| {
            fields
                .split(',')
                .filter_map(|part| part.trim().split_once('='))
                .find_map(|(key, value)| (key == name).then_some(value))
                .filter(|value| !value.is_empty())
        };
        let (credential, signed, signature) = (
            field("Credential"),
            field("SignedHeaders"),
            field("Signature"),
        );
        let (Some(credential), Some(signed), Some(signature)) = (credential, signed, signature)
        else {
            let found = [
                ("Credential", credential),
                ("Signature", signature),
                ("SignedHeaders", signed),
            ];
            return Err(describe_missing(&found));
        };
        // The id is on the left and may itself contain slashes, so the scope is taken from the right.
        let mut scope = credential.rsplitn(5, '/');
        match (
            scope.next(),
            scope.next(),
            scope.next(),
            scope.next(),
            scope.next(),
        ) {
            (
                Some("aws4_request"),
                Some(service),
                Some(region),
                Some(date),
                Some(access_key_id),
            ) => Ok(Self {
                access_key_id,
                date,
                region,
                service,
                signed_headers: signed.split(';').collect(),
                signature,
            }),
            _ => Err(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{credential}'"
            )),
        }
    }

    pub(super) fn signs(&self, header: &str) -> bool {
        self.signed_headers.contains(&header)
    }

    fn scope(&self) -> String {
        format!(
            "{}/{}/{}/aws4_request",
            self.date, self.region, self.service
        )
    }
}

fn describe_missing(fields: &[(&str, Option<&str>)]) -> String {
    let missing = fields.iter().filter(|(_, value)| value.is_none());
    missing
        .map(|(name, _)| format!("Authorization header requires '{name}' parameter."))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What was signed: the request as it came over the wire.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Signed<'_> {
    /// Builds the canonical request for the headers that the client says it signed.
    pub(super) fn canonical_request(&self, signed_headers: &[&str]) -> String {
        let mut text = String::with_capacity(512);
        text.push_str(self.method);
        text.push('\n');
        // The path is already encoded once; every service but S3 signs it encoded a second time.
        encode(self.path.as_bytes(), b"/", &mut text);
        text.push('\n');
        push_canonical_query(self.query, &mut text);
        text.push('\n');
        for name in signed_headers {
            text.push_str(name);
            text.push(':');
            push_header(self.headers, name, &mut text);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&signed_headers.join(";"));
        text.push('\n');
        push_hex(&Sha256::digest(self.body), &mut text);
        text
    }
}

/// Builds the string to sign from a canonical request.
pub(super) fn string_to_sign(
    authorization: &Authorization<'_>,
    amz_date: &str,
    canonical: &str,
) -> String {
    let mut text = format!("{ALGORITHM}\n{amz_date}\n{}\n", authorization.scope());
    push_hex(&Sha256::digest(canonical), &mut text);
    text
}

/// Derives the key that signs for one day, region and service.
pub(super) fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let start = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    [region, service, "aws4_request"]
        .iter()
        .fold(start, |key, part| hmac(&key, part.as_bytes()))
}

/// Signs a string and writes the signature in hexadecimal digits.
pub(super) fn sign(key: &[u8; 32], text: &str) -> String {
    let mut signature = String::with_capacity(64);
    push_hex(&hmac(key, text.as_bytes()), &mut signature);
    signature
}

/// HMAC-SHA256.
pub(super) fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// Appends bytes as lower-case hexadecimal digits.
pub(super) fn push_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

fn encode(bytes: &[u8], kept: &[u8], out: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(
                    char::from_digit(u32::from(digit), 16)
                        .unwrap_or('0')
                        .to_ascii_uppercase(),
                );
            }
        }
    }
}

fn push_canonical_query(query: &str, out: &mut String) {
    let normal = |text: &str| {
        let mut encoded = String::new();
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
        encode(&decoded, b"", &mut encoded);
        encoded
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (normal(name), normal(value)))
        .collect();
    pairs.sort();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

/// Appends a header's values, trimmed, inner spaces made single, several joined by commas.
fn push_header(headers: &HeaderMap, name: &str, out: &mut String) {
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let text = String::from_utf8_lossy(value.as_bytes());
        for (word_index, word) in text.split(' ').filter(|word| !word.is_empty()).enumerate() {
            if word_index > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
    }
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;
