//! Headers that are passed through, in each direction.
//!
//! Only what is named here goes: what is ours (keys, routing), what belongs to a connection, cookies, and a signature that
//! was made for another host stay behind.

use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers of AWS's and Anthropic's that a caller may choose, beside `x-amzn-bedrock-…`.
const CHOSEN: [&str; 2] = ["anthropic-beta", "x-amz-client-token"];

/// Returns the headers of a request that go on to AWS.
pub fn onward(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    headers
        .iter()
        .filter(|(name, _)| goes_on(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn goes_on(name: &HeaderName) -> bool {
    name == CONTENT_TYPE
        || name == ACCEPT
        || name.as_str().starts_with("x-amzn-bedrock-")
        || CHOSEN.contains(&name.as_str())
}

/// Returns the headers of AWS's answer that the client gets as they are.
pub fn back(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| comes_back(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .fold(HeaderMap::new(), |mut kept, (name, value)| {
            kept.append(name, value);
            kept
        })
}

fn comes_back(name: &HeaderName) -> bool {
    let text = name.as_str();
    name == CONTENT_TYPE
        || name == RETRY_AFTER
        || text.starts_with("x-amzn-")
        || text.starts_with("x-amz-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn only_headers_of_the_call_go_on() {
        let sent = map(&[
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("x-amzn-bedrock-guardrailidentifier", "gr1"),
            ("anthropic-beta", "a"),
            ("x-amz-client-token", "t"),
            ("authorization", "AWS4-HMAC-SHA256 Credential=sk-1"),
            ("litellm_user_api_key", "sk-1"),
            ("x-litellm-api-key", "sk-1"),
            ("x-api-key", "sk-1"),
            ("x-amz-date", "20260101T000000Z"),
            ("x-amz-security-token", "t"),
            ("x-amz-content-sha256", "h"),
            ("x-amz-source-arn", "arn:aws:lambda:x"),
            ("x-amzn-trace-id", "r"),
            ("host", "elsewhere"),
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("accept-encoding", "gzip"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("user-agent", "Boto3"),
        ]);
        let names: Vec<String> = onward(&sent)
            .into_iter()
            .map(|(name, _)| name.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "content-type",
                "accept",
                "x-amzn-bedrock-guardrailidentifier",
                "anthropic-beta",
                "x-amz-client-token"
            ]
        );
    }

    #[test]
    fn answers_keep_what_aws_says_of_them() {
        let answered = map(&[
            ("content-type", "application/vnd.amazon.eventstream"),
            ("x-amzn-requestid", "1"),
            ("x-amzn-errortype", "ThrottlingException"),
            ("x-amz-bedrock-agent-session-id", "s"),
            ("retry-after", "3"),
            ("set-cookie", "a=b"),
            ("content-encoding", "gzip"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("x-litellm-model-id", "spoof"),
            ("server", "Server"),
        ]);
        let kept = back(&answered);
        assert_eq!(kept.len(), 5);
        assert!(kept.get("x-litellm-model-id").is_none());
    }
}
