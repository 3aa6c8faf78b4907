//! The headers of a request: the operator's `extra_headers`, the caller's, and the betas.
//!
//! The operator's win. A caller may add headers for the model or for logs, but none that say who asks, that describe the
//! connection, or that the signature relies on.

use http::header::{self, HeaderName, HeaderValue};

use crate::canonical::ChatParams;
use crate::error::{Error, Result};
use crate::provider::Target;

/// The name of the parameter.
const PARAM: &str = "extra_headers";
/// How many headers a caller may add.
const MOST: usize = 64;
/// How many bytes their names and values may have together.
const MOST_BYTES: usize = 32 * 1024;

/// Headers that only the connection itself sets; `anthropic-beta` is written from the betas that are taken.
const NOT_FORWARDED: [&str; 7] = [
    "anthropic-beta",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];

/// Headers that a caller may not set beside these: who asks, by which way, and in which encoding.
const NOT_FROM_CALLERS: [&str; 13] = [
    "accept",
    "accept-encoding",
    "content-encoding",
    "cookie",
    "expect",
    "forwarded",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "upgrade",
    "via",
    "x-real-ip",
];

/// Beginnings of headers that a caller may not set.
const NOT_FROM_CALLERS_PREFIXES: [&str; 4] = ["amz-sdk-", "sec-", "x-amz", "x-forwarded-"];

/// What a caller may set although it begins like one of those: Bedrock's own switches.
const FROM_CALLERS_PREFIX: &str = "x-amzn-bedrock-";

/// What names a guardrail; AWS takes a blank one for none, and an operator may have given the deployment one.
const GUARDRAIL: &str = "x-amzn-bedrock-guardrailidentifier";

/// Collects the headers that the operator and the caller chose, and the betas.
pub(crate) fn collect(
    params: &ChatParams,
    target: &Target,
    betas: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let mut out: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let mut add = |name: HeaderName, value| {
        if !out.iter().any(|(known, _)| *known == name) {
            out.push((name, value));
        }
    };
    let of_operator = target.extra_headers.iter();
    for (name, value) in of_operator.chain(&target.defaults.extra_headers) {
        let (name, value) = read(name, value)?;
        if !NOT_FORWARDED.contains(&name.as_str()) {
            add(name, value);
        }
    }
    check_size(&params.extra_headers)?;
    let mut left_out = 0_usize;
    for (name, value) in &params.extra_headers {
        let (name, value) = read(name, value)?;
        if NOT_FORWARDED.contains(&name.as_str()) {
            left_out += usize::from(name.as_str() != "anthropic-beta");
        } else if is_callers(&name, &value, target.allow_caller_authorization) {
            add(name, value);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        warnings.push(format!(
            "{PARAM}: {left_out} that a caller may not set were left out"
        ));
    }
    if let (false, Ok(value)) = (betas.is_empty(), HeaderValue::try_from(betas.join(","))) {
        out.push((HeaderName::from_static("anthropic-beta"), value));
    }
    Ok(out)
}

/// Says whether a caller may set a header. An authorization is a credential like any other that a caller brings.
fn is_callers(name: &HeaderName, value: &HeaderValue, allow_authorization: bool) -> bool {
    if *name == header::AUTHORIZATION {
        return allow_authorization;
    }
    if name == GUARDRAIL && value.as_bytes().trim_ascii().is_empty() {
        return false;
    }
    let name = name.as_str();
    name.starts_with(FROM_CALLERS_PREFIX)
        || !(NOT_FROM_CALLERS.contains(&name)
            || NOT_FROM_CALLERS_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix)))
}

fn check_size(headers: &[(String, String)]) -> Result<()> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if headers.len() <= MOST && bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(invalid(&format!(
        "at most {MOST} headers of {MOST_BYTES} bytes together can be added"
    )))
}

fn read(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        (Ok(name), Err(_)) => Err(invalid(&format!("the value of '{name}' cannot be sent"))),
        (Err(_), _) => {
            let name: String = name.chars().take(64).collect();
            Err(invalid(&format!(
                "'{}' is no name of a header",
                name.escape_debug()
            )))
        }
    }
}

fn invalid(problem: &str) -> Error {
    Error::bad_request(PARAM, format!("Invalid value for '{PARAM}': {problem}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_set_no_header_that_says_who_asks() {
        let value = HeaderValue::from_static("x");
        let may = |name: &'static str| is_callers(&HeaderName::from_static(name), &value, false);
        for name in ["x-team", "test", "x-amzn-bedrock-trace", "traceparent"] {
            assert!(may(name), "{name}");
        }
        for name in [
            "authorization",
            "cookie",
            "x-amz-security-token",
            "x-amzn-trace-id",
            "x-forwarded-for",
            "proxy-authorization",
            "amz-sdk-request",
        ] {
            assert!(!may(name), "{name}");
        }
        assert!(is_callers(&header::AUTHORIZATION, &value, true));
        let guardrail = HeaderName::from_static(GUARDRAIL);
        for (value, is_callers_own) in [("gr1", true), ("", false), (" ", false)] {
            let value = HeaderValue::from_static(value);
            assert_eq!(is_callers(&guardrail, &value, false), is_callers_own);
        }
    }
}
