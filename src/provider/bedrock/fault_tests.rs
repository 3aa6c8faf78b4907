use std::time::UNIX_EPOCH;

use super::*;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_323_045)
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}

fn error(status: u16, name: &str, message: &str) -> Error {
    let headers = if name.is_empty() {
        HeaderMap::new()
    } else {
        headers(&[(
            "x-amzn-errortype",
            &format!("{name}:http://internal.amazon.com/"),
        )])
    };
    let body = serde_json::json!({ "message": message }).to_string();
    let status = StatusCode::from_u16(status).unwrap();
    classify(status, &headers, body.as_bytes(), now())
}

#[test]
fn names_decide_kind_and_status() {
    use ErrorKind::*;
    for (upstream, name, kind, status) in [
        (403, "AccessDeniedException", UpstreamDenied, 403),
        (403, "UnrecognizedClientException", UpstreamDenied, 401),
        (403, "InvalidSignatureException", UpstreamDenied, 401),
        (403, "ExpiredTokenException", UpstreamDenied, 401),
        (403, "ExpiredToken", UpstreamDenied, 401),
        (403, "IncompleteSignature", UpstreamDenied, 401),
        (403, "MissingAuthenticationToken", UpstreamDenied, 401),
        (400, "ConflictException", BadRequest, 400),
        (500, "InternalServerException", Unavailable, 503),
        (424, "ModelErrorException", ModelFault, 424),
        (429, "ModelNotReadyException", Throttled, 429),
        (424, "ModelStreamErrorException", ModelFault, 424),
        (408, "ModelTimeoutException", Timeout, 408),
        (404, "ResourceNotFoundException", UpstreamMissing, 404),
        (400, "ServiceQuotaExceededException", Throttled, 429),
        (503, "ServiceUnavailableException", Unavailable, 503),
        (429, "ThrottlingException", Throttled, 429),
        (400, "ThrottlingException", Throttled, 429),
        (400, "ValidationException", BadRequest, 400),
    ] {
        let error = error(upstream, name, "words");
        assert_eq!(
            (error.kind(), error.status().as_u16()),
            (kind, status),
            "{name}"
        );
        assert_eq!(error.message(), "words", "{name}");
    }
}

#[test]
fn statuses_decide_where_no_name_is_known() {
    use ErrorKind::*;
    for (upstream, kind, status) in [
        (400, BadRequest, 400),
        (401, UpstreamDenied, 401),
        (403, UpstreamDenied, 403),
        (404, UpstreamMissing, 404),
        (408, Timeout, 408),
        (409, BadRequest, 409),
        (413, BadRequest, 413),
        (422, BadRequest, 422),
        (424, ModelFault, 424),
        (429, Throttled, 429),
        (500, Unavailable, 503),
        (502, Unavailable, 502),
        (503, Unavailable, 503),
        (504, Timeout, 504),
        (529, Unavailable, 529),
        (302, Garbled, 502),
    ] {
        for name in ["", "BrandNewException"] {
            let error = error(upstream, name, "words");
            assert_eq!(
                (error.kind(), error.status().as_u16()),
                (kind, status),
                "{upstream}"
            );
        }
    }
}

#[test]
fn text_splits_validation_errors_only() {
    use ErrorKind::*;
    for (message, kind) in [
        (
            "The model returned the following errors: prompt is too long: 250000 tokens > 200000 maximum",
            ContextWindow,
        ),
        ("Input is too long for requested model.", ContextWindow),
        (
            "input length and `max_tokens` exceed context limit: 1 + 2 > 3",
            ContextWindow,
        ),
        (
            "This model's maximum context length is 8192 tokens",
            ContextWindow,
        ),
        (
            "Malformed input request: #: extraneous key, please reformat",
            BadRequest,
        ),
        (
            "The content of your request was blocked by our content filters.",
            ContentPolicy,
        ),
        ("This request has been blocked", ContentPolicy),
        ("max_tokens must be positive", BadRequest),
    ] {
        assert_eq!(
            error(400, "ValidationException", message).kind(),
            kind,
            "{message}"
        );
        assert_eq!(error(400, "", message).kind(), kind, "{message}");
    }
    let throttle = "Too many tokens, please wait before trying again.";
    assert_eq!(
        error(429, "ThrottlingException", throttle).kind(),
        Throttled
    );
    assert_eq!(error(429, "", throttle).kind(), Throttled);
    assert_eq!(
        error(500, "InternalServerException", "context window").kind(),
        Unavailable
    );
    assert_eq!(
        error(
            403,
            "AccessDeniedException",
            "blocked by our content filters"
        )
        .kind(),
        UpstreamDenied
    );
}

#[test]
fn hints_follow_the_words_of_aws() {
    let message = "Invocation of model ID x with on-demand throughput isn\u{2019}t supported.";
    let error = error(400, "ValidationException", message);
    assert!(error.message().starts_with(message));
    assert!(error.message().contains("inference profile"));
}

#[test]
fn spent_quotas_are_tried_elsewhere_only() {
    let daily = "Too many tokens per day, please wait before trying again.";
    assert_eq!(
        error(429, "ThrottlingException", daily).retry(),
        Retry::Elsewhere
    );
    assert_eq!(
        error(400, "ServiceQuotaExceededException", "q").retry(),
        Retry::Elsewhere
    );
    assert_eq!(
        error(429, "ThrottlingException", "slow").retry(),
        Retry::UntriedFirst
    );
}

#[test]
fn models_own_status_decides_about_retries() {
    let of = |status: u16| {
        let body = format!(r#"{{"message":"m","originalStatusCode":{status}}}"#);
        let headers = headers(&[("x-amzn-errortype", "ModelErrorException")]);
        classify(
            StatusCode::FAILED_DEPENDENCY,
            &headers,
            body.as_bytes(),
            now(),
        )
    };
    assert_eq!(of(500).retry(), Retry::UntriedFirst);
    assert_eq!(of(400).retry(), Retry::Never);
}

#[test]
fn answer_without_a_reason_is_told_by_the_status_that_aws_sent() {
    for (sent, status) in [(302, 502), (500, 503), (599, 599)] {
        let sent = StatusCode::from_u16(sent).unwrap();
        let error = classify(sent, &HeaderMap::new(), b"", now());
        assert_eq!(error.status().as_u16(), status);
        assert_eq!(
            error.message(),
            format!("AWS answered {sent} without saying why")
        );
    }
}

#[test]
fn name_and_message_are_found_in_other_bodies() {
    for (body, kind, message) in [
        (
            r#"{"__type":"com.amazon.coral#ThrottlingException","Message":"slow"}"#,
            ErrorKind::Throttled,
            "slow",
        ),
        (
            "upstream connect error",
            ErrorKind::Unavailable,
            "upstream connect error",
        ),
        (
            "<html>502</html>",
            ErrorKind::Unavailable,
            "AWS answered 502 Bad Gateway without saying why",
        ),
        (
            "",
            ErrorKind::Unavailable,
            "AWS answered 502 Bad Gateway without saying why",
        ),
        (
            "null",
            ErrorKind::Unavailable,
            "AWS answered 502 Bad Gateway without saying why",
        ),
        (
            r#"{"message":null}"#,
            ErrorKind::Unavailable,
            "AWS answered 502 Bad Gateway without saying why",
        ),
    ] {
        let error = classify(
            StatusCode::BAD_GATEWAY,
            &HeaderMap::new(),
            body.as_bytes(),
            now(),
        );
        assert_eq!((error.kind(), error.message()), (kind, message), "{body}");
    }
}

#[test]
fn stream_exceptions_are_the_same_errors() {
    use ErrorKind::*;
    for (name, kind, status) in [
        ("throttlingException", Throttled, 429),
        ("modelStreamErrorException", ModelFault, 424),
        ("validationException", BadRequest, 400),
        ("internalServerException", Unavailable, 503),
        ("serviceUnavailableException", Unavailable, 503),
        ("modelTimeoutException", Timeout, 408),
        ("neverSeenException", Unavailable, 503),
    ] {
        let error = classify_stream_exception(name, br#"{"message":"slow"}"#);
        assert_eq!(
            (error.kind(), error.status().as_u16()),
            (kind, status),
            "{name}"
        );
        assert_eq!(error.message(), "slow");
    }
    let long = classify_stream_exception(
        "validationException",
        br#"{"message":"prompt is too long"}"#,
    );
    assert_eq!(long.kind(), ContextWindow);
}

#[test]
fn retry_after_is_read_in_every_form() {
    let of = |pairs: &[(&'static str, &str)]| retry_after(&headers(pairs), now());
    assert_eq!(of(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
    assert_eq!(
        of(&[("retry-after-ms", "250"), ("retry-after", "7")]),
        Some(Duration::from_millis(250))
    );
    let date = [("retry-after", "Fri, 02 Jan 2026 03:04:35 GMT")];
    assert_eq!(of(&date), Some(Duration::from_secs(30)));
    let dates = [date[0], ("date", "Fri, 02 Jan 2026 03:04:25 GMT")];
    assert_eq!(of(&dates), Some(Duration::from_secs(10)));
    assert_eq!(
        of(&[("retry-after", "Fri, 02 Jan 2026 03:00:00 GMT")]),
        Some(Duration::ZERO)
    );
    for bad in ["soon", "-1", "NaN", ""] {
        assert_eq!(of(&[("retry-after", bad)]), None, "{bad}");
    }
}

#[test]
fn headers_of_aws_are_kept() {
    let headers = headers(&[("x-amzn-requestid", "r1"), ("retry-after", "2")]);
    let error = classify(StatusCode::TOO_MANY_REQUESTS, &headers, b"{}", now());
    assert_eq!(error.upstream_headers()["x-amzn-requestid"], "r1");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
}

#[test]
fn expired_credentials_and_wrong_clocks_have_a_remedy() {
    let of = |name: &str, date: &str| {
        let headers = headers(&[("x-amzn-errortype", name), ("date", date)]);
        remedy(&headers, b"{}", now())
    };
    let same = "Fri, 02 Jan 2026 03:04:05 GMT";
    let later = "Fri, 02 Jan 2026 04:04:05 GMT";
    assert_eq!(
        of("ExpiredTokenException", same),
        Some(Remedy::RefreshCredentials)
    );
    assert_eq!(of("InvalidSignatureException", same), None);
    let corrected = Remedy::CorrectClock(now() + Duration::from_secs(3600));
    assert_eq!(of("InvalidSignatureException", later), Some(corrected));
    assert_eq!(of("RequestTimeTooSkewed", later), Some(corrected));
    assert_eq!(of("AccessDeniedException", later), None);
}

#[test]
fn refused_import_names_the_family_tokens() {
    let model = ModelId::parse(
        "bedrock/arn:aws:bedrock:us-east-1:1:imported-model/x",
        None,
        None,
    )
    .unwrap();
    let mended = with_model_hint(error(400, "ValidationException", "no"), &model);
    assert!(mended.message().contains("llama/"));
    let throttled = with_model_hint(error(429, "ThrottlingException", "no"), &model);
    assert_eq!(throttled.message(), "no");
}

#[test]
fn words_of_what_stands_before_aws_reach_the_client() {
    let long = "x".repeat(5000);
    for (body, message) in [
        (
            r#"{"error":{"message":"no route","code":"502"}}"#,
            "no route",
        ),
        (r#"{"error":"upstream gone"}"#, "upstream gone"),
        (long.as_str(), long.get(..1024).unwrap()),
    ] {
        let error = classify(
            StatusCode::BAD_GATEWAY,
            &HeaderMap::new(),
            body.as_bytes(),
            now(),
        );
        assert_eq!(
            (error.message(), error.status().as_u16()),
            (message, 502),
            "{body}"
        );
    }
}
