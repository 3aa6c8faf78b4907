use super::*;
use crate::config::WebIdentityToken;

const ROLE: &str = "arn:aws:iam::111122223333:role/team/bedrock";

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn method(aws: &AwsParams, variables: &[(&str, &str)]) -> Method {
    Identity::of(aws, &environment(variables)).method
}

fn described(aws: &AwsParams, variables: &[(&str, &str)]) -> String {
    method(aws, variables).describe()
}

fn some(text: &str) -> Option<String> {
    text.to_owned().into()
}

fn secret(text: &str) -> Option<Secret> {
    Secret::new(text).into()
}

fn pair() -> AwsParams {
    AwsParams {
        access_key_id: some("AKID"),
        secret_access_key: secret("s"),
        ..AwsParams::default()
    }
}

fn role() -> AwsParams {
    AwsParams {
        role: some(ROLE),
        ..AwsParams::default()
    }
}

const ENV_PAIR: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "ENVID"),
    ("AWS_SECRET_ACCESS_KEY", "es"),
    ("AWS_SESSION_TOKEN", "et"),
];
const IRSA: [(&str, &str); 2] = [
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
    ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod"),
];

#[test]
fn bearer_wins_and_an_empty_one_turns_the_environments_off() {
    let env = [("AWS_BEARER_TOKEN_BEDROCK", "env-key")];
    let own = AwsParams {
        api_key: secret("own"),
        ..pair()
    };
    assert_eq!(
        method(&own, &env),
        Method::Bearer {
            key: Secret::new("own"),
            from: "api_key"
        }
    );
    assert_eq!(described(&pair(), &env), "AWS_BEARER_TOKEN_BEDROCK");
    let off = AwsParams {
        api_key: secret(""),
        ..pair()
    };
    assert_eq!(described(&off, &env), "aws_access_key_id");
}

#[test]
fn pair_and_token_come_from_one_place() {
    let Method::Pair { pair: found, .. } = method(&pair(), &ENV_PAIR) else {
        panic!()
    };
    assert_eq!(
        (found.access_key_id.as_str(), found.session_token),
        ("AKID", None)
    );
    let Method::Pair { pair: found, from } = method(&AwsParams::default(), &ENV_PAIR) else {
        panic!()
    };
    assert_eq!(
        (found.access_key_id.as_str(), found.session_token),
        ("ENVID", secret("et"))
    );
    assert_eq!(from, "AWS_ACCESS_KEY_ID");
    for half in [
        AwsParams {
            secret_access_key: None,
            ..pair()
        },
        AwsParams {
            access_key_id: None,
            ..pair()
        },
        AwsParams {
            session_token: secret("t"),
            ..AwsParams::default()
        },
    ] {
        assert!(matches!(method(&half, &ENV_PAIR), Method::Unusable(_)));
    }
}

#[test]
fn role_and_profile_of_the_environment_need_silence_in_the_deployment() {
    let env = [("AWS_ROLE_NAME", ROLE), ("AWS_PROFILE_NAME", "dev")];
    assert_eq!(described(&pair(), &env), "aws_access_key_id");
    let profile = AwsParams {
        profile: some("prod"),
        ..AwsParams::default()
    };
    assert_eq!(described(&profile, &env), "profile prod");
    assert_eq!(
        described(&AwsParams::default(), &env),
        format!("role {ROLE} with profile dev")
    );
    assert_eq!(described(&AwsParams::default(), &env[1..]), "profile dev");
}

#[test]
fn web_identity_takes_token_role_and_session() {
    let own = AwsParams {
        web_identity_token: secret("jwt").map(WebIdentityToken::Reference),
        session_name: some("s"),
        ..role()
    };
    let Method::WebIdentity(web) = method(&own, &IRSA) else {
        panic!()
    };
    assert_eq!(
        (web.role.as_str(), web.session_name.as_deref()),
        (ROLE, Some("s"))
    );
    assert_eq!(web.token, TokenPlace::Literal(Secret::new("jwt")));

    let env = [("AWS_WEB_IDENTITY_TOKEN", "jwt"), ("AWS_SESSION_NAME", "s")];
    assert_eq!(described(&role(), &env), format!("web identity as {ROLE}"));
    assert_eq!(
        described(&role(), &env[..1]),
        format!("role {ROLE} with default chain")
    );
    let keys = AwsParams {
        role: some(ROLE),
        ..pair()
    };
    assert_eq!(
        described(&keys, &env),
        format!("role {ROLE} with aws_access_key_id")
    );
}

#[test]
fn role_is_assumed_with_the_nearest_credentials() {
    let keys = AwsParams {
        role: some(ROLE),
        ..pair()
    };
    assert_eq!(
        described(&keys, &IRSA),
        format!("role {ROLE} with aws_access_key_id")
    );
    assert_eq!(
        described(&role(), &ENV_PAIR),
        format!("role {ROLE} with AWS_ACCESS_KEY_ID")
    );
    assert_eq!(
        described(&role(), &IRSA),
        format!("role {ROLE} with web identity as arn:aws:iam::111122223333:role/pod")
    );
    let same = AwsParams {
        role: some("arn:aws:iam::111122223333:role/pod"),
        ..AwsParams::default()
    };
    assert_eq!(described(&same, &IRSA), "default chain");
}

#[test]
fn pair_needs_no_region_and_empty_values_are_absent() {
    let empty = AwsParams {
        access_key_id: some(""),
        secret_access_key: secret(""),
        role: some(""),
        profile: some(""),
        ..AwsParams::default()
    };
    assert_eq!(described(&empty, &[]), "default chain");
    assert_eq!(described(&pair(), &[]), "aws_access_key_id");
}

#[test]
fn empty_external_id_turns_the_environments_off() {
    let of = |external_id| {
        let aws = AwsParams {
            external_id,
            ..role()
        };
        match method(&aws, &[("AWS_EXTERNAL_ID", "of-environment")]) {
            Method::Role(role) => role.external_id,
            other => panic!("no role: {other:?}"),
        }
    };
    assert_eq!(of(None), some("of-environment"));
    assert_eq!(of(some("own")), some("own"));
    assert_eq!(of(some("")), None);
}

#[test]
fn equal_parameters_are_one_identity_and_nothing_printed_is_secret() {
    let make = || {
        Identity::of(
            &AwsParams {
                external_id: some("x"),
                ..role()
            },
            &environment(&IRSA),
        )
    };
    assert_eq!(make(), make());
    let other = Identity::of(
        &AwsParams {
            ssl_verify: some("false"),
            ..role()
        },
        &environment(&IRSA),
    );
    assert_ne!(make(), other);
    let identity = Identity::of(
        &AwsParams {
            secret_access_key: secret("canary"),
            session_token: secret("canary"),
            role: some(ROLE),
            ..pair()
        },
        &environment(&[("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary")]),
    );
    assert!(!format!("{identity:?}{}", identity.method.describe()).contains("canary"));
}
