use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::config::{AwsParams, Environment, Secret, WebIdentityToken};
use crate::error::ErrorKind;
use crate::upstream::UpstreamOptions;
use crate::upstream::test_server::{Asked, TestServer, answer};

const ROLE: &str = "arn:aws:iam::111122223333:role/team/bedrock";

/// A machine that has nothing, with what is added.
fn environment(home: &Path, variables: &[(&str, &str)]) -> Environment {
    let nothing = [
        ("HOME", home.to_str().unwrap()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    nothing
        .iter()
        .chain(variables)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

async fn fetch(aws: AwsParams, environment: &Environment) -> Result<Credentials, Error> {
    let clock = Arc::new(ManualClock::at(
        UNIX_EPOCH + Duration::from_secs(1_767_323_045),
    ));
    let upstream = Arc::new(Upstream::new(UpstreamOptions::default(), clock).unwrap());
    Arc::new(Fetch::new(upstream, Identity::of(&aws, environment)))
        .fetch()
        .await
}

fn id(credentials: &Credentials) -> &str {
    match credentials {
        Credentials::Keys(keys) => keys.access_key_id(),
        other => panic!("no keys: {other:?}"),
    }
}

fn pair() -> AwsParams {
    AwsParams {
        access_key_id: Some("AKID".to_owned()),
        secret_access_key: Some(Secret::new("secret")),
        ..AwsParams::default()
    }
}

fn assuming(sts: &TestServer, base: AwsParams) -> AwsParams {
    AwsParams {
        role: Some(ROLE.to_owned()),
        sts_endpoint: Some(sts.url("")),
        ..base
    }
}

fn handed_out(operation: &str, id: &str) -> Vec<u8> {
    let xml = format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2026-01-02T04:04:05Z</Expiration></Credentials></{operation}Result></{operation}Response>"
    );
    answer(200, &[("content-type", "text/xml")], &xml)
}

fn refused(status: u16, code: &str, message: &str) -> Vec<u8> {
    let xml = format!(
        "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    answer(status, &[("date", "Fri, 02 Jan 2026 03:04:05 GMT")], &xml)
}

fn operation(asked: &Asked) -> String {
    asked.field("Action").unwrap_or_default()
}

#[tokio::test]
async fn role_is_assumed_with_the_pair() {
    let home = TempDir::new().unwrap();
    let sts = TestServer::start(|_| handed_out("AssumeRole", "ASIA")).await;
    let base = AwsParams {
        external_id: Some("ext".to_owned()),
        session_tags: vec![
            ("a".to_owned(), "1 &".to_owned()),
            ("b".to_owned(), "2".to_owned()),
        ],
        ..pair()
    };
    let environment = environment(home.path(), &[("AWS_REGION", "eu-west-1")]);
    let found = fetch(assuming(&sts, base), &environment).await.unwrap();
    assert_eq!(id(&found), "ASIA");
    assert_eq!(
        found.expires_at(),
        Some(UNIX_EPOCH + Duration::from_secs(1_767_326_645))
    );
    let [asked] = sts.asked().try_into().unwrap();
    assert_eq!(asked.line, "POST / HTTP/1.1");
    let authorization = asked.header("authorization");
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/sts/"),
        "{authorization}"
    );
    for (field, value) in [
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", ROLE),
        ("RoleSessionName", "litellm-session-1767323045"),
        ("ExternalId", "ext"),
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "1 &"),
        ("Tags.member.2.Key", "b"),
    ] {
        assert_eq!(asked.field(field).as_deref(), Some(value), "{field}");
    }
}

#[tokio::test]
async fn web_identity_is_not_signed_and_its_file_is_read_each_time() {
    let home = TempDir::new().unwrap();
    let token = home.path().join("token");
    let sts = TestServer::start(|_| handed_out("AssumeRoleWithWebIdentity", "WEB")).await;
    let aws = AwsParams {
        web_identity_token: Some(WebIdentityToken::Reference(Secret::new(format!(
            "oidc/file/{}",
            token.display()
        )))),
        session_name: Some("me".to_owned()),
        ..assuming(&sts, AwsParams::default())
    };
    for content in ["one\n", "two"] {
        std::fs::write(&token, content).unwrap();
        let found = fetch(aws.clone(), &environment(home.path(), &[]))
            .await
            .unwrap();
        assert_eq!(id(&found), "WEB");
    }
    let asked = sts.asked();
    let tokens: Vec<_> = asked
        .iter()
        .map(|asked| asked.field("WebIdentityToken").unwrap())
        .collect();
    assert_eq!(tokens, ["one", "two"]);
    assert_eq!(asked[0].field("RoleSessionName").as_deref(), Some("me"));
    assert_eq!(asked[0].field("Policy"), None);
    assert_eq!(asked[0].header("authorization"), "");
}

#[tokio::test]
async fn pod_assumes_another_role_with_its_own() {
    let home = TempDir::new().unwrap();
    let token = home.path().join("token");
    std::fs::write(&token, "jwt").unwrap();
    let sts = TestServer::start(|asked| handed_out(&operation(asked), &operation(asked))).await;
    let environment = environment(
        home.path(),
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
        ],
    );
    let found = fetch(assuming(&sts, AwsParams::default()), &environment)
        .await
        .unwrap();
    assert_eq!(id(&found), "AssumeRole");
    let asked = sts.asked();
    assert_eq!(
        asked[0].field("RoleArn").as_deref(),
        Some("arn:aws:iam::1:role/pod")
    );
    assert!(
        asked[1]
            .header("authorization")
            .contains("Credential=AssumeRoleWithWebIdentity/")
    );
    assert_eq!(asked[1].header("x-amz-security-token"), "t");
}

#[tokio::test]
async fn denial_keeps_the_words_of_sts_unless_the_role_is_our_own() {
    let home = TempDir::new().unwrap();
    let denial = "User: arn:aws:iam::111122223333:user/u is not authorized to perform: sts:AssumeRole on resource: x";
    for (caller, ours) in [
        ("assumed-role/bedrock/session", true),
        ("user/u", false),
        ("assumed-role/other/s", false),
    ] {
        let sts = TestServer::start(move |asked| {
            if operation(asked) == "GetCallerIdentity" {
                let xml = format!("<R><Arn>arn:aws:sts::111122223333:{caller}</Arn></R>");
                return answer(200, &[], &xml);
            }
            refused(403, "AccessDenied", denial)
        })
        .await;
        let result = fetch(assuming(&sts, pair()), &environment(home.path(), &[])).await;
        if ours {
            assert_eq!(id(&result.unwrap()), "AKID");
            continue;
        }
        let error = result.unwrap_err();
        assert_eq!(
            (error.kind(), error.status().as_u16()),
            (ErrorKind::UpstreamDenied, 403)
        );
        assert_eq!(
            error.message(),
            format!(
                "An error occurred (AccessDenied) when calling the AssumeRole operation: {denial}"
            )
        );
    }
}

#[tokio::test]
async fn failures_of_sts_have_their_status() {
    let home = TempDir::new().unwrap();
    for (status, code, expected, attempts) in [
        (400, "InvalidIdentityToken", 401, 1),
        (403, "InvalidClientTokenId", 401, 1),
        (403, "ExpiredToken", 401, 1),
        (400, "ValidationError", 401, 1),
        (400, "Throttling", 503, 2),
        (400, "IDPCommunicationError", 503, 2),
        (500, "InternalFailure", 503, 2),
    ] {
        let sts = TestServer::start(move |_| refused(status, code, "words of AWS")).await;
        let error = fetch(assuming(&sts, pair()), &environment(home.path(), &[]))
            .await
            .unwrap_err();
        assert_eq!(error.status().as_u16(), expected, "{code}");
        assert!(error.message().ends_with("words of AWS"), "{error}");
        assert_eq!(sts.asked().len(), attempts, "{code}");
    }
}

#[tokio::test]
async fn clock_is_corrected_by_sts_and_the_call_signed_again() {
    let home = TempDir::new().unwrap();
    let first = Mutex::new(true);
    let sts = TestServer::start(move |_| {
        if std::mem::take(&mut *first.lock().unwrap()) {
            let xml =
                "<E><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></E>";
            return answer(403, &[("date", "Fri, 02 Jan 2026 09:04:05 GMT")], xml);
        }
        handed_out("AssumeRole", "ASIA")
    })
    .await;
    let found = fetch(assuming(&sts, pair()), &environment(home.path(), &[]))
        .await
        .unwrap();
    assert_eq!(id(&found), "ASIA");
    assert_eq!(sts.asked()[1].header("x-amz-date"), "20260102T090405Z");
    // STS is six hours ahead of us, and so is its 04:04:05.
    assert_eq!(
        found.expires_at(),
        Some(UNIX_EPOCH + Duration::from_secs(1_767_326_645 - 6 * 3600))
    );
}

#[tokio::test]
async fn profiles_are_read_from_the_files_of_our_environment() {
    let home = TempDir::new().unwrap();
    let config = home.path().join("elsewhere");
    let script = home.path().join("process.sh");
    std::fs::write(
        &script,
        "echo '{\"Version\":1,\"AccessKeyId\":\"PROC\",\"SecretAccessKey\":\"s\",\"Expiration\":\"2026-01-02T04:04:05Z\"}'",
    )
    .unwrap();
    let text = format!(
        "[profile static]\naws_access_key_id = FILE\naws_secret_access_key = s\n\
         [profile process]\ncredential_process = sh {}\n[profile empty]\nregion = x\n\
         [profile broken]\ncredential_process = false\n",
        script.display()
    );
    std::fs::write(&config, text).unwrap();
    let environment = environment(
        home.path(),
        &[("AWS_CONFIG_FILE", config.to_str().unwrap())],
    );
    let by_profile = |name: &str| AwsParams {
        profile: Some(name.to_owned()),
        ..AwsParams::default()
    };
    assert_eq!(
        id(&fetch(by_profile("static"), &environment).await.unwrap()),
        "FILE"
    );
    let process = fetch(by_profile("process"), &environment).await.unwrap();
    assert_eq!(id(&process), "PROC");
    assert_eq!(
        process.expires_at(),
        Some(UNIX_EPOCH + Duration::from_secs(1_767_326_645))
    );
    for name in ["missing", "empty", "broken"] {
        let error = fetch(by_profile(name), &environment).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UpstreamDenied, "{name}: {error:?}");
        assert!(error.message().contains(name), "{error}");
    }
}

#[tokio::test]
async fn default_chain_asks_the_container() {
    let home = TempDir::new().unwrap();
    let token = home.path().join("token");
    let body = "{\"AccessKeyId\":\"POD\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2026-01-02T04:04:05Z\"}";
    let endpoint = TestServer::start(move |_| answer(200, &[], body)).await;
    let environment = environment(
        home.path(),
        &[
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                &endpoint.url("/v1/credentials"),
            ),
            (
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                token.to_str().unwrap(),
            ),
        ],
    );
    for content in ["one", "two\n"] {
        std::fs::write(&token, content).unwrap();
        assert_eq!(
            id(&fetch(AwsParams::default(), &environment).await.unwrap()),
            "POD"
        );
    }
    let tokens: Vec<_> = endpoint
        .asked()
        .iter()
        .map(|asked| asked.header("authorization").to_owned())
        .collect();
    assert_eq!(tokens, ["one", "two"]);
}

#[tokio::test]
async fn default_chain_asks_the_instance() {
    let home = TempDir::new().unwrap();
    let imds = TestServer::start(|asked| {
        let path = asked.line.split(' ').nth(1).unwrap_or_default();
        match path {
            "/latest/api/token" => answer(200, &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")], "imds-token"),
            "/latest/meta-data/iam/security-credentials/" => answer(200, &[], "my-role"),
            "/latest/meta-data/iam/security-credentials/my-role" => answer(
                200,
                &[],
                "{\"Code\":\"Success\",\"LastUpdated\":\"2026-01-02T03:04:05Z\",\"Type\":\"AWS-HMAC\",\
                 \"AccessKeyId\":\"EC2\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2099-01-02T03:04:05Z\"}",
            ),
            _ => answer(404, &[], ""),
        }
    })
    .await;
    let environment = environment(
        home.path(),
        &[
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.url("")),
        ],
    );
    assert_eq!(
        id(&fetch(AwsParams::default(), &environment).await.unwrap()),
        "EC2"
    );
    assert!(imds.asked()[0].line.starts_with("PUT "));
    assert_eq!(
        imds.asked()[1].header("x-aws-ec2-metadata-token"),
        "imds-token"
    );
}

#[tokio::test]
async fn machine_without_metadata_service_has_no_credentials() {
    let home = TempDir::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let environment = environment(
        home.path(),
        &[
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &nobody),
        ],
    );
    let error = fetch(AwsParams::default(), &environment).await.unwrap_err();
    let said = "Unable to locate credentials: the gateway has no AWS credentials";
    assert!(error.message().starts_with(said), "{error}");
}

#[tokio::test]
async fn nothing_anywhere_is_a_401() {
    let home = TempDir::new().unwrap();
    let error = fetch(AwsParams::default(), &environment(home.path(), &[]))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.status().as_u16()),
        (ErrorKind::UpstreamDenied, 401)
    );
    let said = "Unable to locate credentials: the gateway has no AWS credentials";
    assert!(error.message().starts_with(said), "{error}");
}

#[test]
fn session_is_told_from_other_roles() {
    let session = "arn:aws:sts::111122223333:assumed-role/bedrock/s";
    assert!(is_session_of(session, ROLE));
    for other in [
        "arn:aws:iam::111122223333:role/team/other",
        "arn:aws:iam::999922223333:role/team/bedrock",
        "arn:aws-cn:iam::111122223333:role/team/bedrock",
        "nonsense",
    ] {
        assert!(!is_session_of(session, other), "{other}");
    }
}
