use super::*;
use crate::config::{ClientsideParam, Secret};

fn options(members: &[(&str, &str)]) -> CallOptions {
    let mut options = CallOptions::default();
    for (name, value) in members {
        let text = Some((*value).to_owned());
        let aws = &mut options.aws;
        match *name {
            "aws_access_key_id" => aws.access_key_id = text,
            "aws_secret_access_key" => aws.secret_access_key = text.map(Secret::new),
            "aws_session_token" => aws.session_token = text.map(Secret::new),
            "api_key" => aws.api_key = text.map(Secret::new),
            "aws_region_name" => aws.region = text,
            "api_base" => aws.runtime_endpoint = text,
            "model_id" => options.model_id = text,
            _ => {}
        }
        options.brought.push(Brought {
            name: (*name).to_owned(),
            value: Secret::new(*value),
        });
    }
    options
}

fn entry(listed: Vec<ClientsideParam>) -> DeploymentConfig {
    DeploymentConfig {
        clientside_params: listed,
        ..DeploymentConfig::default()
    }
}

fn keyed() -> DeploymentConfig {
    DeploymentConfig {
        aws: AwsParams {
            access_key_id: Some("AKID".to_owned()),
            secret_access_key: Some(Secret::new("secret")),
            region: Some("us-west-2".to_owned()),
            ..AwsParams::default()
        },
        ..DeploymentConfig::default()
    }
}

/// The member that is refused, if one is.
fn refused(members: &[(&str, &str)], entry: &DeploymentConfig) -> Option<String> {
    let options = options(members);
    let caller = Caller::new(&options, false).unwrap();
    let error = caller.may_bring_to(entry).err()?;
    assert_eq!(error.status(), 400);
    Some(error.param().unwrap().to_owned())
}

const PAIR: [(&str, &str); 2] = [
    ("aws_access_key_id", "AKIA"),
    ("aws_secret_access_key", "s"),
];

#[test]
fn own_credentials_need_no_permission() {
    assert_eq!(refused(&PAIR, &entry(vec![])), None);
    assert_eq!(refused(&[("api_key", "ABSK")], &entry(vec![])), None);
    assert_eq!(refused(&PAIR, &keyed()), None);
}

#[test]
fn model_id_and_region_go_with_own_credentials_or_are_listed() {
    let id = (
        "model_id",
        "arn:aws:bedrock:us-east-1:1:provisioned-model/p",
    );
    let region = ("aws_region_name", "eu-west-1");
    for member in [id, region] {
        let name = member.0;
        assert_eq!(refused(&[member], &entry(vec![])).as_deref(), Some(name));
        let listed = entry(vec![ClientsideParam::any(name)]);
        assert_eq!(refused(&[member], &listed), None);
        let with_pair = [PAIR[0], PAIR[1], member];
        assert_eq!(refused(&with_pair, &entry(vec![])), None);
    }
    // The caller's identity is left aside here, and the operator's would pay for the id.
    let with_pair = [PAIR[0], PAIR[1], id];
    assert_eq!(refused(&with_pair, &keyed()).as_deref(), Some("model_id"));
    assert_eq!(refused(&[region], &keyed()), None);
}

#[test]
fn everything_else_must_be_listed_with_a_value_that_matches() {
    let base = ("api_base", "https://mine.example.com");
    for name in [
        "aws_role_name",
        "aws_bedrock_project_id",
        "bedrock_tags",
        "aws_sts_endpoint",
    ] {
        assert_eq!(
            refused(&[(name, "x")], &entry(vec![])).as_deref(),
            Some(name)
        );
        assert_eq!(refused(&[(name, "x")], &keyed()).as_deref(), Some(name));
    }
    let pattern = r"https://[a-z]+\.example\.com";
    let listed = entry(vec![
        ClientsideParam::matching("api_base", pattern).unwrap(),
    ]);
    assert_eq!(refused(&[base], &listed), None);
    let other = ("api_base", "https://mine.example.com@evil.test");
    assert_eq!(refused(&[other], &listed).as_deref(), Some("api_base"));
    let options = options(&[other]);
    let allowed = Caller::new(&options, true).unwrap();
    assert!(allowed.may_bring_to(&entry(vec![])).is_ok());
}

#[test]
fn values_that_no_deployment_could_use_are_refused() {
    for (members, param) in [
        (vec![("aws_region_name", "evil.test/#")], "aws_region_name"),
        (
            vec![("aws_region_name", "us-west-2@evil")],
            "aws_region_name",
        ),
        (vec![("aws_region_name", "EU-WEST-1")], "aws_region_name"),
        (vec![PAIR[0]], "aws_access_key_id"),
        (vec![PAIR[1]], "aws_secret_access_key"),
        (vec![("aws_session_token", "t")], "aws_session_token"),
        (
            vec![("aws_web_identity_token", "oidc/env/TOKEN")],
            "aws_web_identity_token",
        ),
        (
            vec![("aws_web_identity_token", "os.environ/TOKEN")],
            "aws_web_identity_token",
        ),
        (
            vec![("aws_web_identity_token", "/run/token")],
            "aws_web_identity_token",
        ),
        (
            vec![("aws_web_identity_token", "TOKEN")],
            "aws_web_identity_token",
        ),
    ] {
        let options = options(&members);
        let error = Caller::new(&options, true).unwrap_err();
        assert_eq!(
            (error.status().as_u16(), error.param()),
            (400, Some(param)),
            "{members:?}"
        );
    }
    let options = options(&[("aws_web_identity_token", "eyJh.eyJz.c2ln")]);
    assert!(Caller::new(&options, false).is_ok());
}
