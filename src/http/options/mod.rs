//! What a request says about the way it is served: timeouts, deadline, retries, fallbacks, credentials of its own.

mod routing;

use std::time::Duration;

use http::header::HeaderMap;

use crate::config::{AwsParams, Secret, WebIdentityToken};
use crate::dialect::Controls;
use crate::error::{Error, Result};
use crate::pipeline::{Brought, CallOptions};
use crate::telemetry::names;

/// The longest wait that a caller can ask for. Anything longer means "as long as it takes" and counts as this: sums of
/// time stay far from where they overflow.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What the caller decided about the way the call is served: headers win over the body.
pub(super) fn call_options(
    headers: &HeaderMap,
    controls: Controls,
    portkey_ms: Option<u64>,
) -> Result<CallOptions> {
    let mut options = CallOptions {
        num_retries: retries(headers)?.or(controls.num_retries),
        timeout: seconds(headers, "x-litellm-timeout")?
            .or(portkey_ms.map(|ms| Duration::from_millis(ms).min(LONGEST)))
            .or(positive(controls.timeout_seconds, "timeout")?),
        stream_timeout: seconds(headers, "x-litellm-stream-timeout")?
            .or(positive(controls.stream_timeout_seconds, "stream_timeout")?),
        deadline: deadline(headers)?,
        keepalive: seconds(headers, "x-litellm-keepalive-seconds")?,
        ..CallOptions::default()
    };
    routing::read(headers, &controls.other, &mut options)?;
    for (name, value) in controls.credentials {
        bring(&mut options, &name, value);
    }
    Ok(options)
}

/// Reads `x-litellm-num-retries`, which wins over the body's member.
fn retries(headers: &HeaderMap) -> Result<Option<u32>> {
    const NAME: &str = "x-litellm-num-retries";
    let Some(value) = headers.get(NAME) else {
        return Ok(None);
    };
    let value = value.to_str().unwrap_or_default().trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Some(value.parse().unwrap_or(u32::MAX)));
    }
    Err(Error::bad_request(
        NAME,
        format!("{NAME}: expected a whole number, 0 or more"),
    ))
}

/// Reads `x-switchyard-deadline`.
///
/// # Errors
///
/// [`ErrorKind::BadRequest`](crate::error::ErrorKind::BadRequest) for what is no number of seconds.
pub(super) fn deadline(headers: &HeaderMap) -> Result<Option<Duration>> {
    seconds(headers, names::DEADLINE)
}

fn seconds(headers: &HeaderMap, name: &str) -> Result<Option<Duration>> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    match value
        .to_str()
        .ok()
        .and_then(|value| value.trim().parse::<f64>().ok())
    {
        Some(value) => positive(Some(value), name),
        None => Err(bad_seconds(name)),
    }
}

/// 0 counts as unset, as in LiteLLM.
fn positive(value: Option<f64>, name: &str) -> Result<Option<Duration>> {
    match value {
        None | Some(0.0) => Ok(None),
        Some(value) if value.is_finite() => {
            Duration::try_from_secs_f64(value.min(LONGEST.as_secs_f64()))
                .map(Some)
                .map_err(|_| bad_seconds(name))
        }
        Some(_) => Err(bad_seconds(name)),
    }
}

fn bad_seconds(name: &str) -> Error {
    Error::bad_request(
        name,
        format!("{name}: expected a number of seconds, 0 or more"),
    )
}

/// Takes a credential member of the request; an empty one is none.
pub(super) fn bring(options: &mut CallOptions, name: &str, value: String) {
    if value.is_empty() {
        return;
    }
    options.brought.push(Brought {
        name: name.to_owned(),
        value: Secret::new(value.clone()),
    });
    let aws: &mut AwsParams = &mut options.aws;
    match name {
        "aws_access_key_id" => aws.access_key_id = Some(value),
        "aws_secret_access_key" => aws.secret_access_key = Some(Secret::new(value)),
        "aws_session_token" => aws.session_token = Some(Secret::new(value)),
        "aws_region_name" | "region_name" => aws.region = Some(value),
        "aws_session_name" => aws.session_name = Some(value),
        "aws_profile_name" => aws.profile = Some(value),
        "aws_role_name" => aws.role = Some(value),
        "aws_web_identity_token" => {
            aws.web_identity_token = Some(WebIdentityToken::Literal(Secret::new(value)));
        }
        "aws_sts_endpoint" => aws.sts_endpoint = Some(value),
        "aws_external_id" => aws.external_id = Some(value),
        "api_key" => aws.api_key = Some(Secret::new(value)),
        "api_base" | "base_url" | "aws_bedrock_runtime_endpoint" => {
            aws.runtime_endpoint = Some(value);
        }
        "model_id" => options.model_id = Some(value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(written: &str) -> Result<Option<Duration>> {
        let mut headers = HeaderMap::new();
        headers.insert("x-litellm-timeout", written.parse().unwrap());
        call_options(&headers, Controls::default(), None).map(|options| options.timeout)
    }

    #[test]
    fn retries_are_a_whole_number() {
        let check = |written: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-litellm-num-retries", written.parse().unwrap());
            call_options(&headers, Controls::default(), None).map(|options| options.num_retries)
        };
        for (right, retries) in [("0", 0), (" 3 ", 3), ("99999999999", u32::MAX)] {
            assert_eq!(check(right).unwrap(), Some(retries), "{right}");
        }
        for wrong in ["1.5", "-1", "nan", "many", ""] {
            let error = check(wrong).unwrap_err();
            assert_eq!(error.status(), 400);
            assert_eq!(error.param(), Some("x-litellm-num-retries"), "{wrong}");
        }
    }

    #[test]
    fn waits_are_numbers_of_seconds_within_a_week() {
        assert_eq!(timeout("0").unwrap(), None);
        assert_eq!(timeout(" 1.5 ").unwrap(), Some(Duration::from_millis(1500)));
        for long in ["1e7", "1e19", "1e20", "1e300"] {
            assert_eq!(timeout(long).unwrap(), Some(LONGEST), "{long}");
        }
        for wrong in ["-1", "nan", "inf", "-inf", "soon", ""] {
            let error = timeout(wrong).unwrap_err();
            assert_eq!(error.param(), Some("x-litellm-timeout"), "{wrong}");
        }
        let options = call_options(&HeaderMap::new(), Controls::default(), Some(u64::MAX));
        assert_eq!(options.unwrap().timeout, Some(LONGEST));
    }
}
