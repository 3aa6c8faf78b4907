//! Our signer against vectors that botocore computed (`tests/clients/support/vectors.py`).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use switchyard::config::Secret;
use switchyard::provider::WireRequest;
use switchyard::provider::bedrock::sign::{Credentials, Keys, sign};

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    service: String,
    region: String,
    unix_seconds: u64,
    access_key: String,
    secret: String,
    token: Option<String>,
    canonical_request: String,
    authorization: String,
}

#[test]
fn signatures_are_those_of_botocore() {
    let text = include_str!("vectors/sigv4.json");
    let vectors: Vec<Vector> = serde_json::from_str(text).expect("readable vectors");
    assert!(vectors.len() >= 20);
    for vector in vectors {
        let request = WireRequest {
            method: Method::from_bytes(vector.method.as_bytes()).expect("a method"),
            url: vector.url,
            headers: vector
                .headers
                .iter()
                .map(|(name, value)| {
                    let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
                    (name, HeaderValue::from_str(value).expect("a header value"))
                })
                .collect(),
            body: Bytes::from(vector.body),
            service: if vector.service == "sts" {
                "sts"
            } else {
                "bedrock"
            },
        };
        let keys = Keys::new(
            vector.access_key,
            Secret::new(vector.secret),
            vector.token.map(Secret::new),
            None,
        );
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(vector.unix_seconds);
        let credentials = Credentials::Keys(Arc::new(keys));
        let headers = sign(&request, &credentials, &vector.region, time).expect("a signature");
        let authorization = headers
            .iter()
            .find(|(name, _)| *name == http::header::AUTHORIZATION)
            .map(|(_, value)| value.to_str().expect("text"));
        assert_eq!(
            authorization,
            Some(vector.authorization.as_str()),
            "{}; botocore's canonical request:\n{}",
            vector.name,
            vector.canonical_request
        );
    }
}
