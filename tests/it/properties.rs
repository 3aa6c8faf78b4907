//! What holds of calls under any configuration: how often they are sent at most, and that nothing is held when they are over.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::join_all;
use proptest::prelude::*;
use serde_json::json;
use switchyard::clock::{ManualClock, SharedClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::upstream::Upstream;
use crate::support::{Answer, Gateway, entry_at};

/// A model group whose deployments fail.
#[derive(Debug, Clone)]
struct Failing {
    /// `order` of each deployment, where it has one, and the status that it answers with.
    deployments: Vec<(Option<i64>, u16)>,
    /// The groups that it falls back to.
    fallbacks: Vec<usize>,
}

/// A configuration in which every attempt fails.
#[derive(Debug, Clone)]
struct Doomed {
    groups: Vec<Failing>,
    default_fallbacks: Vec<usize>,
    retries: u32,
    asked: Option<u32>,
    /// The number that a policy gives for every class.
    policy: Option<u32>,
    max_fallbacks: u32,
    further: Option<u32>,
    by_weight: bool,
    budget: bool,
    cooldowns: bool,
}

impl Doomed {
    /// How many retries a group may make. No policy names a 403: that goes by what everything else does.
    fn allowed(&self, group: &Failing) -> u32 {
        let plain = self.asked.unwrap_or(self.retries);
        let mut statuses = group.deployments.iter().map(|(_, status)| *status);
        match (self.asked, self.policy) {
            (Some(0), _) => 0,
            (_, Some(policy)) if statuses.any(|status| status == 403) => policy.max(plain),
            (_, Some(policy)) => policy,
            (_, None) => plain,
        }
    }

    /// How often a group is sent to at most, its fallbacks not counted: by itself, in each higher tier, and once more for
    /// each deployment that is left out by weight.
    fn of_group(&self, group: &Failing, depth: u32) -> u32 {
        let mut tiers: Vec<_> = (group.deployments.iter())
            .filter_map(|(order, _)| *order)
            .collect();
        tiers.sort_unstable();
        tiers.dedup();
        let higher = count(tiers.len().saturating_sub(1));
        let rest = count(group.deployments.len() - 1);
        let by_weight = rest.min(self.max_fallbacks.saturating_sub(depth));
        let runs = 1 + higher + if self.by_weight { by_weight } else { 0 };
        runs * (1 + self.allowed(group))
    }

    /// Walks as a call does that nobody answers, and says how often it is sent at most.
    fn walk(&self, group: usize, depth: u32, seen: &mut Vec<usize>) -> u32 {
        let own = &self.groups[group];
        let mut total = self.of_group(own, depth);
        if depth < self.max_fallbacks {
            for next in own.fallbacks.iter().chain(&self.default_fallbacks) {
                if !seen.contains(next) {
                    seen.push(*next);
                    total += self.walk(*next, depth + 1, seen);
                }
            }
        }
        total
    }

    fn bound(&self) -> u32 {
        let by_walk = self.walk(0, 0, &mut vec![0]);
        self.further
            .map_or(by_walk, |further| by_walk.min(1 + further))
    }

    /// Whether nothing keeps a call from being sent as often as the bound says.
    fn is_exact(&self) -> bool {
        let is_plain = |group: &Failing| {
            let mut deployments = group.deployments.iter();
            deployments.all(|(order, status)| order.is_none() && *status == 500)
        };
        let unbounded = !self.by_weight && !self.budget && !self.cooldowns;
        unbounded && self.groups.iter().all(is_plain)
    }

    fn yaml(&self, url: &str) -> String {
        let mut yaml = String::from("model_list:\n");
        for (place, group) in self.groups.iter().enumerate() {
            for (number, (order, status)) in group.deployments.iter().enumerate() {
                let order = order.map_or_else(String::new, |order| format!(", order: {order}"));
                let (name, id) = (format!("g{place}"), format!("g{place}d{number}"));
                let url = format!("{url}/{status}");
                yaml.push_str(&entry_at(&name, &id, &url, &order));
            }
        }
        let names = |groups: &[usize]| {
            let names: Vec<_> = groups.iter().map(|group| format!("g{group}")).collect();
            names.join(", ")
        };
        let lists: Vec<_> = (self.groups.iter().enumerate())
            .filter(|(_, group)| !group.fallbacks.is_empty())
            .map(|(place, group)| format!("{{g{place}: [{}]}}", names(&group.fallbacks)))
            .collect();
        write!(
            yaml,
            "router_settings:\n  num_retries: {}\n  max_fallbacks: {}\n  enable_weighted_failover: {}\n  disable_cooldowns: {}\n  \
             fallbacks: [{}]\n  default_fallbacks: [{}]\n",
            self.retries,
            self.max_fallbacks,
            self.by_weight,
            !self.cooldowns,
            lists.join(", "),
            names(&self.default_fallbacks),
        )
        .unwrap();
        if !self.budget {
            yaml.push_str("  retry_budget: false\n");
        }
        if let Some(policy) = self.policy {
            yaml.push_str("  retry_policy:\n");
            for class in [
                "BadRequest",
                "Authentication",
                "Timeout",
                "RateLimit",
                "InternalServer",
                "ServiceUnavailable",
                "NotFound",
            ] {
                writeln!(yaml, "    {class}ErrorRetries: {policy}").unwrap();
            }
        }
        if let Some(further) = self.further {
            let settings = format!("litellm_settings: {{num_retries_per_request: {further}}}");
            writeln!(yaml, "{settings}").unwrap();
        }
        yaml
    }
}

fn count(total: usize) -> u32 {
    u32::try_from(total).unwrap()
}

fn doomed() -> impl Strategy<Value = Doomed> {
    let status = prop_oneof![
        4 => Just(500_u16),
        1 => prop::sample::select(vec![0, 401, 403, 404, 408, 424, 429, 503]),
    ];
    let order = prop_oneof![2 => Just(None), 1 => (1_i64..4).prop_map(Some)];
    let deployments = prop::collection::vec((order, status), 1..4);
    let targets = || prop::collection::vec(0_usize..4, 0..4);
    let group = (deployments, targets()).prop_map(|(deployments, fallbacks)| Failing {
        deployments,
        fallbacks,
    });
    let numbers = (
        0_u32..4,
        prop::option::weighted(0.3, 0_u32..4),
        prop::option::weighted(0.3, 0_u32..4),
        0_u32..5,
        prop::option::weighted(0.3, 0_u32..8),
    );
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    let groups = prop::collection::vec(group, 4);
    (groups, targets(), numbers, switches).prop_map(
        |(groups, default_fallbacks, numbers, switches)| Doomed {
            groups,
            default_fallbacks,
            retries: numbers.0,
            asked: numbers.1,
            policy: numbers.2,
            max_fallbacks: numbers.3,
            further: numbers.4,
            by_weight: switches.0,
            budget: switches.1,
            cooldowns: switches.2,
        },
    )
}

/// Asks, and lets the time pass that the call waits.
async fn ask_without_waiting(
    gateway: &Gateway,
    clock: &ManualClock,
    more: serde_json::Value,
) -> Answer {
    let mut asking = Box::pin(gateway.chat("g0", more));
    loop {
        tokio::select! {
            answer = &mut asking => return answer,
            () = clock.until_asleep(1) => clock.advance(Duration::from_secs(70)),
        }
        tokio::task::yield_now().await;
    }
}

async fn sends_no_more_than_allowed(doomed: &Doomed) {
    let upstream = Upstream::answering(|path| {
        let status = path.split('/').nth(1).unwrap().parse().unwrap();
        (status, r#"{"message":"no"}"#.to_owned())
    })
    .await;
    let clock = Arc::new(ManualClock::at(
        UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    ));
    let shared = Arc::clone(&clock) as SharedClock;
    let gateway = Gateway::with(&doomed.yaml(&upstream.url), shared).await;
    let more = doomed
        .asked
        .map_or(json!({}), |asked| json!({"num_retries": asked}));
    let answer = ask_without_waiting(&gateway, &clock, more).await;
    assert!(answer.json()["error"].is_object(), "{}", answer.body);
    let (sent, bound) = (count(upstream.calls()), doomed.bound());
    assert!(sent >= 1 && sent <= bound, "{sent} of {bound}");
    if doomed.is_exact() {
        assert_eq!(sent, bound);
    }
    assert_eq!(
        answer.header("x-switchyard-total-attempts"),
        sent.to_string()
    );
    gateway.comes_to_rest().await;
}

/// A client: what it asks for, and after how many bytes of the answer it hangs up.
#[derive(Debug, Clone)]
struct Client {
    stream: bool,
    marker: &'static str,
    leaves_after: Option<usize>,
}

fn clients() -> impl Strategy<Value = Vec<Client>> {
    let markers = vec![
        "",
        "",
        "[[sim:throttle=1]]",
        "[[sim:error500]]",
        "[[sim:stall]]",
        "[[sim:stall-mid]]",
        "[[sim:cut]]",
        "[[sim:reset=1]]",
        "[[sim:corrupt-first=1]]",
        "[[sim:exception-mid]]",
        "[[sim:slow=5]]",
        "[[sim:not-json]]",
        "[[sim:validation]]",
        "[[sim:long=300]]",
    ];
    let leaves = prop::option::of(prop_oneof![Just(0_usize), 1..6000_usize]);
    let client = (any::<bool>(), prop::sample::select(markers), leaves);
    let client = client.prop_map(|(stream, marker, leaves_after)| Client {
        stream,
        marker,
        leaves_after,
    });
    prop::collection::vec(client, 1..16)
}

/// Asks over a connection of its own, and hangs up when it is time.
async fn visit(gateway: &Gateway, client: &Client, number: usize) {
    let content = format!("{number} {}", client.marker);
    let body = json!({"model": "m", "stream": client.stream, "messages": [{"role": "user", "content": content}]});
    let body = body.to_string();
    let address = gateway.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut left = client.leaves_after.unwrap_or(usize::MAX);
    let mut piece = [0; 512];
    while left > 0 {
        let room = left.min(piece.len());
        match connection.read(&mut piece[..room]).await {
            Ok(count @ 1..) => left -= count,
            _ => break,
        }
    }
}

async fn nothing_is_held(clients: &[Client], limits: &str, router: &str) {
    let limits = format!(", timeout: 0.3, stream_timeout: 0.3{limits}");
    let two = [
        ("m", "one", "", limits.as_str()),
        ("m", "two", "", &limits),
        ("n", "three", "", &limits),
    ];
    let rest = format!(
        "router_settings: {{num_retries: 1, cooldown_time: 0.01, fallbacks: [{{m: [n]}}]{router}}}\n\
         general_settings: {{max_in_flight_requests_per_worker: 9, max_queued_requests_per_worker: 3}}\n"
    );
    let gateway = Gateway::of(&two, &rest).await;
    let visits = clients.iter().enumerate();
    join_all(visits.map(|(number, client)| visit(&gateway, client, number))).await;
    gateway.comes_to_rest().await;
}

fn block_on(future: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn call_is_sent_no_more_often_than_its_configuration_allows(doomed in doomed()) {
        block_on(sends_no_more_than_allowed(&doomed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_held_when_calls_are_over_however_they_ended(
        clients in clients(),
        limits in prop::sample::select(vec!["", ", max_parallel_requests: 1", ", max_parallel_requests: 3, rpm: 1000, tpm: 100000"]),
        router in prop::sample::select(vec!["", ", max_queue_ms: 200", ", hedge_after: 0.02", ", stream_recovery: resume",
            ", max_queue_ms: 200, hedge_after: 0.02, stream_recovery: resume, deadline: 0.5"]),
    ) {
        block_on(nothing_is_held(&clients, limits, router));
    }
}
