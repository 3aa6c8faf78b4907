use std::collections::HashMap;
use std::time::UNIX_EPOCH;

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{DeploymentLimits, RateLimits};
use crate::error::Result;
use crate::limit::Rates;
use crate::limit::{Cost, Limiter, Permit};

const COST: Cost = Cost {
    requests: 1,
    input_tokens: 10,
    output_tokens: 5,
};

fn deployment(rpm: u64, tpm: u64) -> Arc<Meters> {
    let limits = DeploymentLimits {
        rpm: Some(rpm),
        tpm: Some(tpm),
        parallel: Some(5),
        ..DeploymentLimits::default()
    };
    let id = format!("{rpm}-{tpm}");
    Arc::new(Meters::of_deployment(&id, &limits, Rates::Counted, None))
}

fn holder(scope: Scope, rpm: u64) -> Arc<Meters> {
    let limits = RateLimits {
        rpm: Some(rpm),
        tpm: Some(1000),
        parallel: None,
    };
    Arc::new(Meters::of_holder(scope, "secret-id", limits, None))
}

fn by_name(headers: Vec<Header>) -> HashMap<String, String> {
    headers
        .into_iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

async fn taken(meters: &[Arc<Meters>], now: Instant) -> Result<Permit> {
    let wall = UNIX_EPOCH + Duration::from_millis(1_709_210_096_500);
    let taken = Limiter::default().take(meters, COST, now).await;
    taken.map_err(|full| refused(full, wall))
}

#[tokio::test]
async fn group_headers_have_this_call_deducted() {
    let now = SystemClock.now();
    let group = [deployment(100, 1000)];
    let _permit = taken(&group, now).await.unwrap();
    let headers = by_name(group_headers(group.iter(), now));
    for (name, value) in [
        ("x-ratelimit-limit-requests", "100"),
        ("x-ratelimit-remaining-requests", "99"),
        ("x-ratelimit-limit-tokens", "1000"),
        ("x-ratelimit-remaining-tokens", "985"),
        ("x-ratelimit-reset-requests", "1m0s"),
        ("x-ratelimit-reset-tokens", "1m0s"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(headers.len(), 6);
}

#[tokio::test]
async fn group_headers_are_sums_and_may_be_negative() {
    let now = SystemClock.now();
    let group = [deployment(1, 4), deployment(2, 5)];
    for _ in 0..4 {
        taken(&group[..1], now).await.unwrap();
    }
    let mut permit = taken(&group[..1], now).await.unwrap();
    permit.settle(10, 5);
    let headers = by_name(group_headers(group.iter(), now));
    assert_eq!(headers["x-ratelimit-limit-requests"], "3");
    assert_eq!(headers["x-ratelimit-remaining-requests"], "-2");
    assert_eq!(headers["x-ratelimit-remaining-tokens"], "-6");
}

#[tokio::test]
async fn caller_headers_name_each_scope() {
    let now = SystemClock.now();
    let meters = [
        holder(Scope::Key, 10),
        holder(Scope::Model, 7),
        holder(Scope::Tag, 6),
        holder(Scope::Tag, 3),
        holder(Scope::Tag, 8),
    ];
    let _permit = taken(&meters, now).await.unwrap();
    let headers = by_name(caller_headers(&meters, "bedrock/a:b", now));
    for (name, value) in [
        ("x-ratelimit-api_key-limit-requests", "10"),
        ("x-ratelimit-api_key-remaining-requests", "9"),
        ("x-ratelimit-api_key-remaining-tokens", "985"),
        ("x-litellm-key-rpm-limit", "10"),
        ("x-litellm-key-tpm-limit", "1000"),
        ("x-ratelimit-model_per_key-remaining-requests", "6"),
        ("x-litellm-key-remaining-requests-bedrock-a-b", "6"),
        ("x-litellm-key-remaining-tokens-bedrock-a-b", "985"),
        ("x-ratelimit-tag_per_key-remaining-requests", "2"),
        ("x-ratelimit-tag_per_key-limit-requests", "3"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
}

#[tokio::test]
async fn reached_limit_names_the_scope_and_the_true_wait() {
    let now = SystemClock.now();
    let key = [holder(Scope::Key, 1)];
    taken(&key, now).await.unwrap();
    let later = now + Duration::from_millis(20_200);
    let error = taken(&key, later).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert_eq!(error.status(), 429);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(39_800)));
    assert_eq!(
        error.message(),
        "Rate limit exceeded for api_key. Limit type: requests. Current limit: 1, Remaining: 0. Limit resets at: \
         2024-02-29 12:35:37 UTC"
    );
    assert_eq!(error.headers()["rate_limit_type"], "requests");
    assert_eq!(error.headers()["reset_at"], "2024-02-29 12:35:37 UTC");
    assert_eq!(error.fallback(false), Fallback::None);
}

#[tokio::test]
async fn only_a_limit_on_a_model_falls_back() {
    let now = SystemClock.now();
    let model = [holder(Scope::Model, 1)];
    taken(&model, now).await.unwrap();
    let error = taken(&model, now).await.unwrap_err();
    assert_eq!(error.fallback(false), Fallback::General);
    let slot = limit_reached(
        Full {
            scope: Scope::Global,
            limit: LimitName::Parallel,
            value: 3,
            retry_after: None,
        },
        UNIX_EPOCH,
    );
    assert_eq!(slot.retry_after(), Some(SLOT_WAIT));
    assert_eq!(slot.headers()["rate_limit_type"], "max_parallel_requests");
    assert!(!slot.headers().contains_key("reset_at"));
}

#[test]
fn tokens_are_needed_only_where_a_limit_counts_them() {
    let rpm_only = Meters::of_holder(
        Scope::Key,
        "k",
        RateLimits {
            rpm: Some(1),
            ..RateLimits::default()
        },
        None,
    );
    assert!(!needs_tokens(&[Arc::new(rpm_only)]));
    assert!(needs_tokens(&[holder(Scope::User, 1)]));
}

#[test]
fn times_are_spelled_as_openai_does() {
    for (ms, expected) in [
        (0, "0s"),
        (17, "17ms"),
        (1000, "1s"),
        (1001, "2s"),
        (360_000, "6m0s"),
        (3_600_000, "1h0m0s"),
    ] {
        assert_eq!(spelled(Duration::from_millis(ms)), expected);
    }
    assert_eq!(spelled(Duration::from_micros(1)), "1ms");
}
