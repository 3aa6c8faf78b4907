use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Budget, Config, GeneralSettings, RateLimits, Secret, VirtualKeyConfig};
use crate::limit::{LimitName, Scope};

const NOW: Duration = Duration::from_secs(1_000_000);

fn entry(key: &str) -> VirtualKeyConfig {
    VirtualKeyConfig {
        hash: Sha256::digest(key).into(),
        ..VirtualKeyConfig::default()
    }
}

fn policy(keys: Vec<VirtualKeyConfig>, previous: Option<&KeyPolicy>) -> KeyPolicy {
    let config = Config {
        general: GeneralSettings {
            master_key: Some(Secret::new("sk-master")),
            ..GeneralSettings::default()
        },
        virtual_keys: keys,
        ..Config::default()
    };
    KeyPolicy::build(&config, previous)
}

fn headers(key: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", key.parse().unwrap());
    headers
}

fn checked(config: VirtualKeyConfig, fallbacks: &[&str]) -> Result<Access> {
    let key = VirtualKey::alone(config);
    key.runtime
        .charge(2.0, key.config.budget, SystemClock.now());
    let named = |asked| ModelName {
        asked,
        group: Some(asked),
        access_groups: Vec::new(),
    };
    let fallbacks: Vec<_> = fallbacks.iter().copied().map(named).collect();
    key.check_call(&Wanted {
        model: &named("m"),
        fallbacks: &fallbacks,
        is_free: false,
        now: SystemClock.now(),
        wall: UNIX_EPOCH + NOW,
        budget_status: None,
    })
}

#[test]
fn virtual_key_is_known_by_its_hash_and_named_without_it() {
    let policy = policy(vec![entry("sk-one")], None);
    let identity = policy.check(&headers("sk-one")).unwrap();
    let key = identity.key().unwrap();
    assert_eq!(key.id.len(), 16);
    assert!(policy.check(&headers("sk-two")).is_err());
    assert!(
        policy
            .check(&headers("sk-master"))
            .unwrap()
            .is_administrator()
    );
}

#[test]
fn without_a_master_key_virtual_keys_still_count() {
    let config = Config {
        virtual_keys: vec![entry("sk-one")],
        ..Config::default()
    };
    let policy = KeyPolicy::build(&config, None);
    assert!(!policy.is_open());
    assert!(policy.check(&HeaderMap::new()).is_err());
    assert!(policy.check(&headers("sk-one")).is_ok());
}

#[test]
fn blocked_key_is_refused_before_anything_else() {
    let blocked = VirtualKeyConfig {
        blocked: true,
        ..entry("sk-one")
    };
    let error = policy(vec![blocked], None)
        .check(&headers("sk-one"))
        .unwrap_err();
    assert_eq!(error.status(), 401);
    assert_eq!(error.error_type(), "auth_error");
    assert!(error.message().contains("Key is blocked"));
}

#[test]
fn checks_come_in_order_model_expiry_budget() {
    let everything = VirtualKeyConfig {
        models: vec!["other".to_owned()],
        expires: Some(UNIX_EPOCH + NOW),
        budget: Some(Budget {
            limit_usd: 1.0,
            period: None,
        }),
        ..entry("sk-one")
    };
    let error = checked(everything.clone(), &[]).unwrap_err();
    assert_eq!(
        (error.status().as_u16(), error.param()),
        (403, Some("model"))
    );
    assert_eq!(error.error_type(), "key_model_access_denied");
    assert!(!error.message().contains("other"));

    let expired = VirtualKeyConfig {
        models: vec!["m".to_owned()],
        ..everything
    };
    let error = checked(expired.clone(), &["foreign"]).unwrap_err();
    assert_eq!(error.error_type(), "key_model_access_denied");
    let error = checked(expired.clone(), &["m"]).unwrap_err();
    assert_eq!(
        (error.status().as_u16(), error.error_type()),
        (401, "expired_key")
    );

    let spent = VirtualKeyConfig {
        expires: None,
        ..expired
    };
    let error = checked(spent.clone(), &[]).unwrap_err();
    assert_eq!(
        (error.status().as_u16(), error.error_type()),
        (422, "budget_exceeded")
    );
    let open = VirtualKeyConfig {
        budget: None,
        ..spent
    };
    assert_eq!(checked(open, &[]).unwrap(), Access::ByName);
}

#[test]
fn administrators_are_the_master_key_and_keys_whose_routes_name_the_path() {
    let named = VirtualKeyConfig {
        allowed_routes: vec!["/config/reload".to_owned()],
        ..entry("sk-ops")
    };
    let policy = policy(vec![named, entry("sk-client")], None);
    let status = |key: &str, path: &str| {
        admin(&policy, &headers(key), path, UNIX_EPOCH + NOW)
            .map_or_else(|error| error.status().as_u16(), |()| 200)
    };
    assert_eq!(status("sk-master", "/router/state"), 200);
    assert_eq!(status("sk-ops", "/config/reload"), 200);
    assert_eq!(status("sk-ops", "/router/state"), 403);
    assert_eq!(status("sk-client", "/config/reload"), 403);
    assert_eq!(status("sk-nobody", "/config/reload"), 401);
    let none = admin(&policy, &HeaderMap::new(), "/health", UNIX_EPOCH + NOW);
    assert_eq!(none.unwrap_err().status(), 401);
}

#[test]
fn limits_of_users_and_teams_are_shared_and_outlive_a_reload() {
    let member = |key: &str, rpm| VirtualKeyConfig {
        user_id: Some("u".to_owned()),
        team_id: Some("t".to_owned()),
        user_limits: RateLimits {
            rpm: Some(rpm),
            ..RateLimits::default()
        },
        tag_rpm: [("gold".to_owned(), 5)].into(),
        model_limits: [(
            "m".to_owned(),
            RateLimits {
                tpm: Some(9),
                ..RateLimits::default()
            },
        )]
        .into(),
        ..entry(key)
    };
    let first = policy(vec![member("sk-a", 3), member("sk-b", 2)], None);
    let key = |policy: &KeyPolicy, key: &str| {
        let identity = policy.check(&headers(key)).unwrap();
        std::sync::Arc::clone(identity.key().unwrap())
    };
    let now = SystemClock.now();
    let (a, b) = (key(&first, "sk-a"), key(&first, "sk-b"));
    let user = a.meters("other", &[]);
    assert_eq!(user.len(), 1);
    assert_eq!(user[0].levels(now)[0].value, 2, "the smallest counts");
    assert!(std::sync::Arc::ptr_eq(&user[0], &b.meters("other", &[])[0]));
    let tags = ["gold".to_owned(), "blue".to_owned()];
    let all: Vec<_> = a.meters("m", &tags).iter().map(|one| one.scope()).collect();
    assert_eq!(all, [Scope::User, Scope::Model, Scope::Tag]);

    a.runtime.charge(1.5, None, now);
    let limiter = crate::limit::Limiter::default();
    let cost = crate::limit::Cost {
        requests: 1,
        input_tokens: 4,
        output_tokens: 4,
    };
    let meters = a.meters("m", &tags);
    let mut permit = futures_util::FutureExt::now_or_never(limiter.take(&meters, cost, now))
        .unwrap()
        .unwrap();
    permit.settle(4, 4);
    let second = policy(vec![member("sk-a", 3)], Some(&first));
    let again = key(&second, "sk-a");
    assert!((again.runtime.spent(now) - 1.5).abs() < f64::EPSILON);
    for meters in again.meters("m", &tags) {
        let level = meters.levels(now)[0];
        let expected = if level.limit == LimitName::Tpm { 8 } else { 1 };
        assert_eq!(level.used, expected, "{:?}", meters.scope());
    }
}

#[test]
fn aliases_are_the_keys_own() {
    let key = VirtualKey::alone(VirtualKeyConfig {
        aliases: [("fast".to_owned(), "m".to_owned())].into(),
        ..entry("sk-one")
    });
    assert_eq!(key.rename("fast"), "m");
    assert_eq!(key.rename("slow"), "slow");
}

#[test]
fn id_that_no_group_stands_for_is_checked_by_its_names_alone() {
    let key = |models: &[&str]| {
        VirtualKey::alone(VirtualKeyConfig {
            models: models.iter().map(|model| (*model).to_owned()).collect(),
            aliases: [("big".to_owned(), "small".to_owned())].into(),
            ..VirtualKeyConfig::default()
        })
    };
    for (models, names, may) in [
        (&[][..], &["big"][..], true),
        (&["*"], &["big"], true),
        (&["small"], &["small"], true),
        (&["bedrock/*"], &["big", "bedrock/big"], true),
        (&["small"], &["arn", "small"], true),
        (&["small"], &["big"], false),
        (&["no-default-models"], &["big"], false),
    ] {
        let checked = key(models).check_id("big", names);
        assert_eq!(checked.is_ok(), may, "{models:?} {names:?}");
        if let Err(error) = checked {
            assert_eq!(error.error_type(), "key_model_access_denied");
        }
    }
}
