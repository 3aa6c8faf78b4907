use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::config::AwsParams;
use crate::error::Error;

/// Reads a request with these headers, which names this model.
fn read_asking(model: Option<&str>, pairs: &[(&'static str, &str)]) -> Result<Portkey> {
    let headers: HeaderMap = pairs
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
    let mut config = Config::default();
    let named = crate::config::parse_gateway_config(r#"{"retry":{"attempts":2}}"#).unwrap();
    let named = Arc::new(named);
    config.gateway_configs.insert("pc-1".to_owned(), named);
    let credentials = AwsParams::default();
    config.credentials.insert("prod".to_owned(), credentials);
    read(&Received {
        headers: &headers,
        path: "/v1/chat/completions",
        model,
        body: br#"{"model":"m","user":"u","metadata":{"tier":"free","x":1}}"#,
        controls: &Controls {
            other: vec![(
                "metadata".to_owned(),
                RawJson::from_value(&json!({"tier": "free", "x": 1})),
            )],
            ..Controls::default()
        },
        config: &config,
    })
}

fn read_pairs(pairs: &[(&'static str, &str)]) -> Result<Portkey> {
    read_asking(Some("m"), pairs)
}

fn credential<'a>(portkey: &'a Portkey, name: &str) -> Option<&'a str> {
    portkey.headers.credential(name)
}

fn refused(pairs: &[(&'static str, &str)]) -> Error {
    read_pairs(pairs).unwrap_err()
}

#[test]
fn plain_requests_are_not_in_this_style() {
    for headers in [
        &[("authorization", "Bearer sk-1")][..],
        &[("x-portkey-api-key", "sk-1"), ("x-portkey-trace-id", "t")],
    ] {
        let portkey = read_pairs(headers).unwrap();
        assert!(!portkey.active && portkey.gateway.is_none());
    }
}

#[test]
fn provider_config_virtual_key_and_model_are_the_style() {
    for (model, headers, routes) in [
        ("m", Some(("x-portkey-provider", "bedrock")), false),
        ("m", Some(("x-obiguard-provider", "@prod")), true),
        ("m", Some(("x-portkey-virtual-key", "prod")), true),
        ("m", Some(("x-portkey-config", "pc-1")), true),
        ("@prod/m", None, true),
    ] {
        let headers: Vec<_> = headers.into_iter().collect();
        let portkey = read_asking(Some(model), &headers).unwrap();
        assert!(portkey.active, "{headers:?}");
        let gateway = portkey.gateway.unwrap();
        assert_eq!(gateway.routes(), routes, "{headers:?}");
    }
}

#[test]
fn provider_and_aws_headers_bring_credentials() {
    let portkey = read_pairs(&[
        ("x-portkey-provider", "bedrock"),
        ("x-portkey-aws-access-key-id", "AKIA"),
        ("x-portkey-aws-secret-access-key", "secret"),
        ("x-portkey-aws-region", "eu-west-1"),
        ("x-portkey-aws-auth-type", "assumedRole"),
        ("x-portkey-aws-role-arn", "arn:aws:iam::1:role/r"),
    ])
    .unwrap();
    assert!(portkey.active);
    assert_eq!(credential(&portkey, "aws_region_name"), Some("eu-west-1"));
    assert_eq!(credential(&portkey, "aws_access_key_id"), Some("AKIA"));
    assert_eq!(
        credential(&portkey, "aws_role_name"),
        Some("arn:aws:iam::1:role/r")
    );
}

#[test]
fn half_of_a_pair_of_keys_is_no_credential() {
    for half in [
        "x-portkey-aws-access-key-id",
        "x-portkey-aws-secret-access-key",
    ] {
        let portkey = read_pairs(&[
            (half, "half"),
            ("x-portkey-aws-session-token", "token"),
            ("x-portkey-aws-region", "eu-west-1"),
        ])
        .unwrap();
        let credentials = &portkey.headers.credentials;
        let names: Vec<_> = credentials.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["aws_region_name"], "{half}");
    }
}

#[test]
fn session_token_alone_is_for_the_keys_that_are_named() {
    let portkey = read_pairs(&[
        ("x-portkey-provider", "@prod"),
        ("x-portkey-aws-session-token", "token"),
    ])
    .unwrap();
    assert_eq!(credential(&portkey, "aws_session_token"), None);
    let token = portkey.gateway.unwrap().session_token.unwrap();
    assert_eq!(token.expose(), "token");
}

#[test]
fn authorization_is_the_bedrock_key_beside_a_gateway_key() {
    let portkey = read_pairs(&[
        ("x-obiguard-provider", "bedrock"),
        ("x-obiguard-api-key", "sk-gateway"),
        ("authorization", "Bearer ABSK"),
        ("x-obiguard-strict-openai-compliance", "false"),
    ])
    .unwrap();
    assert_eq!(credential(&portkey, "api_key"), Some("ABSK"));
    assert_eq!(portkey.headers.strict, Some(false));
    let alone = read_pairs(&[
        ("x-obiguard-provider", "bedrock"),
        ("authorization", "Bearer sk-gateway"),
    ])
    .unwrap();
    assert_eq!(credential(&alone, "api_key"), None);
    // A client that must have some key has a dummy.
    let named = read_pairs(&[
        ("x-portkey-provider", "@prod"),
        ("x-portkey-api-key", "sk-gateway"),
        ("x-api-key", "dummy"),
    ])
    .unwrap();
    assert_eq!(credential(&named, "api_key"), None);
}

#[test]
fn config_brings_credentials_in_either_case() {
    for config in [
        r#"{"provider":"bedrock","aws_access_key_id":"A","aws_secret_access_key":"S","aws_region":"us-west-2"}"#,
        r#"{"provider":"bedrock","awsAccessKeyId":"A","awsSecretAccessKey":"S","awsRegion":"us-west-2"}"#,
    ] {
        let portkey = read_pairs(&[("x-portkey-config", config)]).unwrap();
        assert!(portkey.active);
        let aws = &portkey.root().unwrap().aws;
        assert_eq!(aws.access_key_id.as_deref(), Some("A"));
        assert_eq!(aws.region.as_deref(), Some("us-west-2"));
        assert!(!portkey.gateway.unwrap().is_operators);
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    for (header, value) in [
        ("x-portkey-provider", "openai"),
        ("x-portkey-config", "pc-123"),
        ("x-portkey-config", "{"),
        ("x-obiguard-config", "{\"strategy\":{\"mode\":\"single\"}}"),
        ("x-portkey-retry-count", "many"),
        ("x-portkey-request-timeout", "1.5"),
        ("x-portkey-metadata", "[1]"),
    ] {
        let error = refused(&[(header, value)]);
        assert_eq!(
            (error.status().as_u16(), error.param()),
            (400, Some(header))
        );
        assert!(!error.message().is_empty());
        let is_config = header.ends_with("-config");
        let body = failure(&error, Bytes::from_static(b"{}"));
        assert_eq!(body != "{}", is_config, "{header}");
    }
    let error = refused(&[("x-portkey-config", r#"{"retries":1}"#)]);
    let written = Bytes::from_static(br#"{"error":{"code":"400"}}"#);
    let body: Value = serde_json::from_slice(&failure(&error, written)).unwrap();
    assert_eq!(body["status"], "failure");
    assert_eq!(body["error"]["code"], "400");
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("nothing is said")
    );
}

#[test]
fn larger_configurations_than_are_walked_are_refused() {
    let mut deep = json!({"provider": "bedrock"});
    for _ in 0..17 {
        deep = json!({"strategy": {"mode": "single"}, "targets": [deep]});
    }
    let wide =
        json!({"strategy": {"mode": "fallback"}, "targets": vec![json!({"virtual_key": "p"}); 65]});
    for (config, problem) in [(deep, "nested deeper"), (wide, "more than 64 targets")] {
        let error = refused(&[("x-portkey-config", &config.to_string())]);
        assert!(error.message().contains(problem), "{error}");
    }
}

#[test]
fn headers_steer_the_call() {
    let portkey = read_pairs(&[
        ("x-portkey-config", r#"{"cache":{"mode":"simple","maxAge":60},"strictOpenAiCompliance":false,"anthropic_beta":"b"}"#),
        ("x-portkey-retry-count", "3"),
        ("x-portkey-request-timeout", "1500"),
        ("x-portkey-trace-id", "trace-1"),
        ("x-portkey-metadata", r#"{"_user":"alice","tier":"paid","tags":["t"]}"#),
        ("x-portkey-anthropic-beta", "a, b"),
        ("x-portkey-mode", "single"),
    ])
    .unwrap();
    let mut controls = Controls::default();
    let body = json!({"tier": "free", "x": 1, "tags": ["own"]});
    let member = ("metadata".to_owned(), RawJson::from_value(&body));
    controls.other.push(member);
    portkey.steer(&mut controls);
    assert_eq!(controls.num_retries, Some(3));
    assert_eq!(portkey.timeout_ms(), Some(1500));
    let metadata = controls.other[0].1.to_value();
    assert_eq!(metadata["tier"], "paid");
    assert_eq!(
        (&metadata["x"], &metadata["tags"]),
        (&json!(1), &json!(["own", "t"]))
    );
    let mut request = ChatRequest::default();
    portkey.ask(&mut request);
    assert!(request.portkey && request.content_blocks);
    assert_eq!(request.betas, ["a", "b"]);
    let mut options = CallOptions::default();
    portkey.decide(&mut options, |_, _, _| ());
    assert_eq!(options.user.as_deref(), Some("alice"));
    assert_eq!(options.session.as_deref(), Some("trace-1"));
    assert!(options.cache.opted_in && !options.direct);
    assert_eq!(options.cache.ttl.unwrap().as_secs(), 60);
}

#[test]
fn different_configurations_are_different_questions_to_the_cache() {
    let key = |config: &str| {
        let portkey = read_pairs(&[("x-portkey-config", config)]).unwrap();
        let mut options = CallOptions::default();
        portkey.decide(&mut options, |_, _, _| ());
        options.cache.members[0].1.get().to_owned()
    };
    let one = key(r#"{"virtual_key":"prod"}"#);
    assert_eq!(one, key(r#"{ "virtual_key": "prod" }"#));
    assert_ne!(one, key(r#"{"virtual_key":"other"}"#));
}

#[test]
fn conditions_see_what_they_ask_for_and_no_more() {
    let config = json!({
        "strategy": {"mode": "conditional", "conditions": [
            {"query": {"metadata.tier": "paid", "params.user": "u"}, "then": "a"},
        ]},
        "targets": [{"name": "a", "virtual_key": "prod"}],
    });
    let portkey = read_pairs(&[
        ("x-portkey-config", &config.to_string()),
        ("x-portkey-metadata", r#"{"tier":"paid"}"#),
    ])
    .unwrap();
    let facts = portkey.gateway.unwrap().facts;
    assert_eq!(facts.metadata["tier"], "paid");
    let mut names: Vec<_> = facts.params.keys().collect();
    names.sort_unstable();
    assert_eq!(names, ["model", "user"]);
    assert_eq!(facts.url, "/v1/chat/completions");
}

#[test]
fn keys_are_never_forwarded() {
    let portkey = read_pairs(&[
        ("x-portkey-provider", "@prod"),
        (
            "x-portkey-forward-headers",
            "X-Team, authorization,x-portkey-api-key, x-none",
        ),
        ("x-team", "red"),
        ("authorization", "Bearer sk-1"),
        ("x-portkey-api-key", "sk-1"),
    ])
    .unwrap();
    let forwardable = portkey.gateway.unwrap().forwardable;
    assert_eq!(forwardable, [("x-team".to_owned(), "red".to_owned())]);
}
