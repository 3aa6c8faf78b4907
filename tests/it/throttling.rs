//! An AWS that throttles everything while calls go on coming: the retry budget keeps the gateway from adding to it, and when
//! it is over every call is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::join_all;
use serde_json::json;
use switchyard::clock::{ManualClock, SharedClock};

use crate::support::scenes::Waits;
use crate::support::upstream::Upstream;
use crate::support::{Gateway, entry_at};

/// Calls in a second, and how many of them come at once.
const RATE: usize = 50;
const AT_ONCE: usize = 10;

/// A group of four at an upstream that throttles until it is healed.
struct Outage {
    gateway: Gateway,
    clock: Arc<ManualClock>,
    upstream: Upstream,
    is_healed: Arc<AtomicBool>,
}

impl Outage {
    async fn begin(settings: &str) -> Self {
        let is_healed = Arc::<AtomicBool>::default();
        let healed = Arc::clone(&is_healed);
        let upstream = Upstream::answering(move |_| {
            if healed.load(Ordering::SeqCst) {
                let message = json!({"role": "assistant", "content": [{"text": "hello"}]});
                let answer = json!({"output": {"message": message}, "stopReason": "end_turn"});
                (200, answer.to_string())
            } else {
                (429, r#"{"message":"Too many requests"}"#.to_owned())
            }
        })
        .await;
        let mut yaml = String::from("model_list:\n");
        for id in ["one", "two", "three", "four"] {
            yaml.push_str(&entry_at("m", id, &upstream.url, ""));
        }
        let settings = format!("router_settings: {{{settings}}}\n");
        yaml.push_str(&settings);
        let clock = Arc::new(ManualClock::at(
            UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        ));
        let shared = Arc::clone(&clock) as SharedClock;
        Self {
            gateway: Gateway::with(&yaml, shared).await,
            clock,
            upstream,
            is_healed,
        }
    }

    /// Offers calls for so long, and returns how many there were, how many were sent, and how many were served.
    async fn offer(&self, seconds: usize) -> [usize; 3] {
        let before = self.upstream.calls();
        let (mut offered, mut served) = (0, 0);
        for _ in 0..seconds * RATE / AT_ONCE {
            let calls = (0..AT_ONCE).map(|_| self.gateway.chat("m", json!({})));
            for answer in join_all(calls).await {
                offered += 1;
                assert!(matches!(answer.status, 200 | 429), "{}", answer.body);
                served += usize::from(answer.status == 200);
            }
            let pause = Duration::from_secs(1) / u32::try_from(RATE / AT_ONCE).unwrap();
            self.clock.advance(pause);
        }
        [offered, self.upstream.calls() - before, served]
    }
}

#[tokio::test]
async fn retry_budget_bounds_what_is_sent_into_an_outage() {
    let outage = Outage::begin("num_retries: 2, disable_cooldowns: true").await;
    let [offered, sent, served] = outage.offer(4).await;
    // A full bucket of 500 pays for 100 retries after a 429, and two more come with each second.
    assert!(sent <= offered + 100 + 8, "{sent} of {offered}");
    assert!(sent >= offered + 100, "{sent} of {offered}");
    assert_eq!(served, 0);
    let [offered, sent, served] = outage.offer(20).await;
    println!("throttled: {offered} offered, {sent} sent, without cooldowns");
    assert!(5 * sent <= 6 * offered, "{sent} of {offered}");
    assert!(sent >= offered);
    assert_eq!(served, 0);
    outage.is_healed.store(true, Ordering::SeqCst);
    let [offered, sent, served] = outage.offer(4).await;
    assert_eq!((sent, served), (offered, offered));
    outage.gateway.comes_to_rest().await;
}

#[tokio::test]
async fn cooldowns_spare_an_upstream_that_throttles_and_end_with_it() {
    let outage = Outage::begin("num_retries: 2, max_cooldown_time: 10").await;
    outage.offer(4).await;
    let [offered, sent, served] = outage.offer(20).await;
    println!("throttled: {offered} offered, {sent} sent, with cooldowns");
    assert!(5 * sent <= offered, "{sent} of {offered}");
    assert!(sent > 0);
    assert_eq!(served, 0);
    outage.is_healed.store(true, Ordering::SeqCst);
    outage.clock.advance(Duration::from_secs(10));
    let [offered, sent, served] = outage.offer(4).await;
    // While one call probes a deployment, others that come with it are not let through; four probe at once.
    assert!(served >= offered - (AT_ONCE - 4), "{served} of {offered}");
    assert_eq!(sent, served);
    let [offered, sent, served] = outage.offer(4).await;
    assert_eq!((sent, served), (offered, offered));
    outage.gateway.comes_to_rest().await;
}

#[tokio::test]
async fn retry_that_finds_no_room_costs_the_budget_nothing() {
    let two = [
        ("m", "one", "error500", ", rpm: 1"),
        ("m", "two", "error500", ", rpm: 1"),
    ];
    let rest = "router_settings: {num_retries: 2, disable_cooldowns: true, optional_pre_call_checks: [enforce_model_rate_limits]}";
    let gateway = Gateway::at(&two, rest, Waits::new()).await;
    let began = gateway.app.clock.now();
    let answer = gateway.chat("m", json!({})).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    let snapshot = gateway.app.live.load();
    let config = snapshot.config.router.retry_budget;
    let group = snapshot.router.group("m").unwrap();
    let budget = group.runtime.retry_budget(config).unwrap();
    // One retry was sent and failed; the other met two full deployments.
    let (tokens, _) = budget.level(config.unwrap(), began);
    assert!((tokens - 486.0).abs() < 1e-6, "{tokens}");
}
