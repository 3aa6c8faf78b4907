use super::*;
use crate::config::WebIdentityToken;
use crate::pipeline::CallOptions;

#[expect(
    clippy::unnecessary_wraps,
    reason = "every parameter it is for is optional"
)]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A deployment with everything an operator can have, but keys.
fn operators() -> DeploymentConfig {
    let canary = || Some(Secret::new("canary"));
    DeploymentConfig {
        aws: AwsParams {
            region: some("us-west-2"),
            session_name: some("canary"),
            profile: some("canary"),
            role: some("canary"),
            web_identity_token: canary().map(WebIdentityToken::Reference),
            external_id: some("canary"),
            session_tags: vec![("canary".to_owned(), String::new())],
            api_key: canary(),
            session_token: canary(),
            ..AwsParams::default()
        },
        api_base: some("https://operators.test"),
        extra_headers: vec![("authorization".to_owned(), "canary".to_owned())],
        ..DeploymentConfig::default()
    }
}

fn pair() -> AwsParams {
    AwsParams {
        access_key_id: some("AKIA"),
        secret_access_key: Some(Secret::new("own")),
        ..AwsParams::default()
    }
}

fn overlaid(entry: &DeploymentConfig, aws: AwsParams) -> Result<DeploymentConfig> {
    let options = CallOptions {
        aws,
        ..CallOptions::default()
    };
    overlay(entry, &Caller::new(&options, true).unwrap())
}

#[test]
fn place_of_the_callers_choice_needs_its_own_credentials() {
    let endpoint = AwsParams {
        runtime_endpoint: some("https://callers.test"),
        ..AwsParams::default()
    };
    let sts = AwsParams {
        sts_endpoint: some("https://callers.test"),
        role: some("arn:aws:iam::1:role/r"),
        profile: some("default"),
        ..AwsParams::default()
    };
    for aws in [endpoint, sts] {
        let error = overlaid(&operators(), aws).unwrap_err();
        assert_eq!(error.status(), 401);
    }
}

#[test]
fn nothing_of_the_operators_goes_to_a_place_of_the_callers_choice() {
    for place in ["runtime", "sts"] {
        let url = some("https://callers.test");
        let aws = AwsParams {
            runtime_endpoint: url.clone().filter(|_| place == "runtime"),
            sts_endpoint: url.filter(|_| place == "sts"),
            profile: some("default"),
            role: some("callers"),
            ..pair()
        };
        let entry = overlaid(&operators(), aws).unwrap();
        assert_eq!(
            entry.aws,
            AwsParams {
                region: some("us-west-2"),
                runtime_endpoint: entry.aws.runtime_endpoint.clone(),
                sts_endpoint: entry.aws.sts_endpoint.clone(),
                role: some("callers"),
                // Empty: not the environment's either.
                api_key: Some(Secret::new("")),
                external_id: some(""),
                ..pair()
            }
        );
        let is_sent_there = place == "runtime";
        assert_eq!(entry.extra_headers.is_empty(), is_sent_there);
        assert_eq!(entry.api_base.is_none(), is_sent_there);
    }
}

#[test]
fn own_credentials_replace_the_operators_identity_at_its_place() {
    let key = AwsParams {
        api_key: Some(Secret::new("own")),
        ..AwsParams::default()
    };
    for aws in [pair(), key] {
        let entry = overlaid(&operators(), aws).unwrap();
        assert_eq!(entry.api_base.as_deref(), Some("https://operators.test"));
        assert_eq!(entry.extra_headers.len(), 1);
        assert!(entry.aws.role.is_none() && entry.aws.profile.is_none());
        assert!(entry.aws.web_identity_token.is_none() && entry.aws.session_tags.is_empty());
        assert_ne!(entry.aws.api_key, Some(Secret::new("canary")));
    }
}

#[test]
fn allowed_choices_are_laid_over_the_operators_credentials() {
    let aws = AwsParams {
        role: some("arn:aws:iam::1:role/r"),
        region: some("eu-west-1"),
        ..AwsParams::default()
    };
    let entry = overlaid(&operators(), aws).unwrap();
    assert_eq!(entry.aws.role.as_deref(), Some("arn:aws:iam::1:role/r"));
    assert_eq!(entry.aws.region.as_deref(), Some("eu-west-1"));
    assert_eq!(entry.aws.external_id.as_deref(), Some("canary"));
}

#[test]
fn keyed_deployment_keeps_its_identity_and_takes_a_model_id() {
    let keyed = DeploymentConfig {
        aws: AwsParams {
            region: some("us-west-2"),
            ..pair()
        },
        ..DeploymentConfig::default()
    };
    let options = CallOptions {
        aws: AwsParams {
            access_key_id: some("OTHER"),
            secret_access_key: Some(Secret::new("other")),
            runtime_endpoint: some("https://callers.test"),
            ..AwsParams::default()
        },
        model_id: some("p1"),
        ..CallOptions::default()
    };
    let caller = Caller::new(&options, true).unwrap();
    assert!(changes(&keyed, &caller));
    let entry = overlay(&keyed, &caller).unwrap();
    assert_eq!(entry.aws, keyed.aws);
    assert_eq!(entry.model_id.as_deref(), Some("p1"));
    let nothing = CallOptions::default();
    assert!(!changes(&keyed, &Caller::new(&nothing, true).unwrap()));
}
