use std::time::UNIX_EPOCH;

use super::*;
use crate::clock::ManualClock;
use crate::config::Secret;
use crate::error::ErrorKind;
use crate::upstream::UpstreamOptions;

fn upstream() -> Arc<Upstream> {
    let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
    Arc::new(Upstream::new(UpstreamOptions::default(), clock).unwrap())
}

fn role(name: &str) -> AwsParams {
    AwsParams {
        role: Some(format!("arn:aws:iam::111122223333:role/{name}")),
        ..AwsParams::default()
    }
}

#[tokio::test]
async fn written_credentials_are_used_as_they_are() {
    let store = CredentialStore::new(upstream(), TaskTracker::new());
    let aws = AwsParams {
        access_key_id: Some("AKID".to_owned()),
        secret_access_key: Some(Secret::new("secret")),
        ..AwsParams::default()
    };
    let source = store.resolve(&aws, &Environment::default());
    let first = source.credentials().await.unwrap();
    assert!(matches!(&*first, Credentials::Keys(keys) if keys.access_key_id() == "AKID"));
    let forced = source.force_refresh(&first).await.unwrap();
    assert!(Arc::ptr_eq(&first, &forced), "there is nothing newer");
    assert_eq!(source.describe(), "aws_access_key_id");
}

#[tokio::test]
async fn half_a_pair_is_refused_with_a_reason() {
    let store = CredentialStore::new(upstream(), TaskTracker::new());
    let aws = AwsParams {
        access_key_id: Some("AKID".to_owned()),
        ..AwsParams::default()
    };
    let error = store
        .resolve(&aws, &Environment::default())
        .credentials()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UpstreamDenied);
    assert!(
        error.message().contains("aws_secret_access_key is not"),
        "{error}"
    );
}

#[tokio::test]
async fn key_only_never_looks_for_aws_credentials() {
    let store = CredentialStore::new(upstream(), TaskTracker::new());
    let none = store
        .resolve_key_only(&role("r"))
        .credentials()
        .await
        .unwrap();
    assert!(matches!(&*none, Credentials::None));
    let aws = AwsParams {
        api_key: Some(Secret::new("key")),
        ..AwsParams::default()
    };
    let key = store.resolve_key_only(&aws).credentials().await.unwrap();
    assert!(matches!(&*key, Credentials::Bearer(key) if key.expose() == "key"));
}

#[test]
fn equal_identities_share_one_source() {
    let store = CredentialStore::new(upstream(), TaskTracker::new());
    let environment = Environment::default();
    let one = store.resolve(&role("a"), &environment);
    assert!(Arc::ptr_eq(&one, &store.resolve(&role("a"), &environment)));
    assert!(!Arc::ptr_eq(&one, &store.resolve(&role("b"), &environment)));
}

#[test]
fn identities_are_bounded_and_the_longest_unused_goes_first() {
    let store = CredentialStore::new(upstream(), TaskTracker::new());
    let environment = Environment::default();
    let first = store.resolve(&role("0"), &environment);
    let second = store.resolve(&role("1"), &environment);
    for number in 2..MAX_IDENTITIES {
        store.resolve(&role(&number.to_string()), &environment);
    }
    assert!(Arc::ptr_eq(
        &first,
        &store.resolve(&role("0"), &environment)
    ));
    store.resolve(&role("one more"), &environment);
    assert_eq!(store.known().sources.len(), MAX_IDENTITIES);
    assert!(Arc::ptr_eq(
        &first,
        &store.resolve(&role("0"), &environment)
    ));
    assert!(!Arc::ptr_eq(
        &second,
        &store.resolve(&role("1"), &environment)
    ));
}

#[tokio::test]
async fn mantle_has_an_api_key_of_its_own_and_agents_have_none() {
    let store = CredentialStore::new(upstream(), TaskTracker::new());
    let environment: Environment = [
        ("BEDROCK_MANTLE_API_KEY", "mantle"),
        ("AWS_BEARER_TOKEN_BEDROCK", "bedrock"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let bearer = |key: &str| Credentials::Bearer(Secret::new(key));
    let own = |key: &str| AwsParams {
        api_key: Some(Secret::new(key)),
        access_key_id: Some("AKID".to_owned()),
        secret_access_key: Some(Secret::new("secret")),
        ..AwsParams::default()
    };
    for (aws, expected) in [
        (AwsParams::default(), bearer("mantle")),
        (own("own"), bearer("own")),
        (own(""), Credentials::keys("AKID", "secret", None)),
    ] {
        let source = store.resolve_mantle(&aws, &environment);
        assert!(source.credentials().await.unwrap().are(&expected));
    }
    let source = store.resolve_to_sign(&own("own"), &environment);
    let keys = Credentials::keys("AKID", "secret", None);
    assert!(source.credentials().await.unwrap().are(&keys));
}
