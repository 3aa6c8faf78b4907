//! What this instance shares with others: the handle that a call tells news by, and what the exchange reads and writes.
//!
//! Without Redis there is nobody to tell, and the handle does nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::share::{Sharer, Shares};
use super::{Live, Snapshot};
use crate::clock::SharedClock;
use crate::config::Budget;
use crate::error::ErrorKind;
use crate::limit::Limiter;
use crate::router::{CooldownInForce, Deployment, DeploymentRuntime, Usage};
use crate::store::{Cooling, Spent, Store};

/// How long the last exchange may take.
const LAST_WITHIN: Duration = Duration::from_secs(1);

/// What stands between the parts of a key: it is in no id and no model.
const BETWEEN: char = '\u{1f}';

/// Tells other instances news at once, where there are others.
#[derive(Debug, Default)]
pub struct Sharing(Option<Shared>);

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    nudge: Arc<Notify>,
    tracker: TaskTracker,
}

impl Sharing {
    /// Shares through `store`.
    pub fn through(store: Arc<dyn Store>, tracker: &TaskTracker) -> Self {
        Self(Some(Shared {
            store,
            nudge: Arc::default(),
            tracker: tracker.clone(),
        }))
    }

    /// Has the next exchange happen now: a deployment was cooled down.
    pub fn nudge(&self) {
        if let Some(shared) = &self.0 {
            shared.nudge.notify_one();
        }
    }

    /// Tells others that a deployment is well again, after its probe.
    pub fn warm(&self, deployment: &Deployment) {
        let Some(shared) = &self.0 else { return };
        let (store, key) = (Arc::clone(&shared.store), key_of(deployment));
        shared.tracker.spawn(async move {
            // Where the store is away nobody else knows of the cooldown for long.
            let _told = store.warm(&key).await;
        });
    }

    /// Exchanges with other instances until that is ended, on behalf of what is in force in `live`. Calls that finish
    /// during a drain are told too, and hold their slots until then.
    pub fn start(&self, live: &Arc<Live>, limiter: &Arc<Limiter>, clock: &SharedClock) -> Exchange {
        let Some(shared) = &self.0 else {
            return Exchange(None);
        };
        let everything = Everything {
            live: Arc::clone(live),
            limiter: Arc::clone(limiter),
            clock: Arc::clone(clock),
        };
        let exchange = Sharer::new(
            Arc::clone(&shared.store),
            Arc::new(everything),
            Arc::clone(clock),
        );
        let (stop, nudge) = (CancellationToken::new(), Arc::clone(&shared.nudge));
        let task = exchange.start(&shared.tracker, stop.clone(), nudge);
        Exchange(Some((stop, task)))
    }
}

/// The exchange with other instances; without Redis there is none.
#[derive(Debug)]
#[must_use = "what happened last is told when it is ended"]
pub struct Exchange(Option<(CancellationToken, JoinHandle<()>)>);

impl Exchange {
    /// Tells the others once more, and ends; it takes a second at most.
    pub async fn end(self) {
        let Some((stop, task)) = self.0 else { return };
        stop.cancel();
        // Where the store is away nobody can be told.
        let _told = tokio::time::timeout(LAST_WITHIN, task).await;
    }
}

/// A deployment's name on the board; a concrete model of a wildcard has its own.
fn key_of(deployment: &Deployment) -> String {
    match &deployment.pattern {
        None => deployment.id.clone(),
        Some(_) => format!("{}{BETWEEN}{}", deployment.id, deployment.model),
    }
}

/// What the requests of a deployment's last minute are told under; no deployment's own name begins so.
fn requests_of(key: &str) -> String {
    format!("{BETWEEN}requests{BETWEEN}{key}")
}

/// The same of its tokens.
fn tokens_of(key: &str) -> String {
    format!("{BETWEEN}tokens{BETWEEN}{key}")
}

/// What is in force, as the exchange sees it.
struct Everything {
    live: Arc<Live>,
    limiter: Arc<Limiter>,
    clock: SharedClock,
}

impl Everything {
    fn now(&self) -> (Instant, SystemTime) {
        (self.clock.now(), self.clock.wall())
    }
}

/// Every deployment: those of the file, and the concrete models of its wildcards.
fn deployments(snapshot: &Snapshot) -> Vec<Arc<Deployment>> {
    let groups = snapshot.router.groups().iter();
    let of_file = groups.flat_map(|group| &group.deployments);
    let mut all = Vec::new();
    for deployment in of_file {
        all.push(Arc::clone(deployment));
        if deployment.model.contains('*') || deployment.group.contains('*') {
            all.extend(snapshot.router.concrete_of(&deployment.id));
        }
    }
    all
}

fn runtime_of(snapshot: &Snapshot, key: &str) -> Option<Arc<DeploymentRuntime>> {
    let Some((id, model)) = key.split_once(BETWEEN) else {
        return (snapshot.router.deployment(key)).map(|known| Arc::clone(&known.runtime));
    };
    let concrete = snapshot.router.concrete_of(id);
    let found = concrete.iter().find(|known| known.model == model);
    found.map(|known| Arc::clone(&known.runtime))
}

fn cooling(key: String, cooldown: CooldownInForce, wall: SystemTime) -> Cooling {
    Cooling {
        key,
        until: wall + cooldown.remaining,
        reason: cooldown.reason.name().to_owned(),
        step: cooldown.step,
    }
}

impl Shares for Everything {
    fn in_flight(&self) -> Vec<(String, u64)> {
        let snapshot = self.live.load();
        let now = self.clock.now();
        let mut told = Vec::new();
        for known in deployments(&snapshot) {
            let (key, used) = (key_of(&known), known.runtime.usage_here(now));
            told.push((requests_of(&key), used.requests));
            told.push((tokens_of(&key), used.tokens));
            told.push((key, known.runtime.in_flight()));
        }
        told.retain(|(_, amount)| *amount > 0);
        told
    }

    fn cooldowns(&self) -> Vec<Cooling> {
        let (now, wall) = self.now();
        let snapshot = self.live.load();
        deployments(&snapshot)
            .iter()
            .filter_map(|known| {
                let cooldown = known.runtime.breaker.cooldown(now)?;
                (!cooldown.remaining.is_zero()).then(|| cooling(key_of(known), cooldown, wall))
            })
            .collect()
    }

    fn take_spent(&self) -> Vec<Spent> {
        let snapshot = self.live.load();
        let mut spent = Vec::new();
        let mut push = |key: String, budget: Option<Budget>, usd: f64| {
            if usd > 0.0 {
                let period = budget.and_then(|budget| budget.period);
                spent.push(Spent { key, period, usd });
            }
        };
        for group in snapshot.router.groups() {
            for known in &group.deployments {
                let budget = known.entry.limits.budget;
                let key = format!("deployment:{}", known.id);
                push(key, budget, known.runtime.spend.drain_unreported());
            }
        }
        let provider = snapshot.router.provider();
        push(
            "provider:bedrock".to_owned(),
            snapshot.config.router.provider_budget,
            provider.spend.drain_unreported(),
        );
        let all = snapshot.keys.spend();
        let usd = all.runtime.take_unreported();
        push("gateway:all".to_owned(), all.budget, usd);
        for tagged in snapshot.router.tag_budgets() {
            let usd = tagged.spend.drain_unreported();
            push(format!("tag:{}", tagged.tag), Some(tagged.budget), usd);
        }
        for key in snapshot.keys.virtual_keys() {
            let usd = key.runtime.take_unreported();
            push(format!("key:{}", key.id), key.config.budget, usd);
        }
        spent
    }

    fn set_instances(&self, instances: u32) {
        self.limiter.set_instances(instances);
    }

    fn set_in_flight_elsewhere(&self, in_flight: &[(String, u64)]) {
        let snapshot = self.live.load();
        let now = self.clock.now();
        let told: HashMap<&str, u64> = (in_flight.iter())
            .map(|(key, amount)| (key.as_str(), *amount))
            .collect();
        let total = |key: &str| told.get(key).copied().unwrap_or(0);
        for known in deployments(&snapshot) {
            let key = key_of(&known);
            known.runtime.set_elsewhere(total(&key));
            let used = Usage {
                requests: total(&requests_of(&key)),
                tokens: total(&tokens_of(&key)),
            };
            known.runtime.set_usage_elsewhere(used, now);
        }
    }

    fn cool(&self, cooling: &Cooling) {
        let (now, wall) = self.now();
        let Ok(left) = cooling.until.duration_since(wall) else {
            return;
        };
        let Some(until) = now.checked_add(left) else {
            return;
        };
        if let Some(runtime) = runtime_of(&self.live.load(), &cooling.key) {
            let reason = ErrorKind::named(&cooling.reason).unwrap_or(ErrorKind::Unavailable);
            let breaker = &runtime.breaker;
            breaker.cool_from_elsewhere(until, reason, cooling.step, now);
        }
    }

    fn warm(&self, key: &str) {
        if let Some(runtime) = runtime_of(&self.live.load(), key) {
            runtime.breaker.warm();
        }
    }

    fn set_spent(&self, spent: &[(String, f64, Option<Duration>)]) {
        let (now, _) = self.now();
        let snapshot = self.live.load();
        for (key, usd, left) in spent {
            let Some((kind, name)) = key.split_once(':') else {
                continue;
            };
            match kind {
                "deployment" => {
                    if let Some(known) = snapshot.router.deployment(name)
                        && let Some(budget) = known.entry.limits.budget
                    {
                        let booked = &known.runtime.spend;
                        booked.set_total_from_elsewhere(*usd, *left, budget, now);
                    }
                }
                "provider" => {
                    if let Some(budget) = snapshot.config.router.provider_budget {
                        let booked = &snapshot.router.provider().spend;
                        booked.set_total_from_elsewhere(*usd, *left, budget, now);
                    }
                }
                "gateway" => snapshot.keys.spend().runtime.hear(*usd, *left, now),
                "tag" => {
                    let mut budgets = snapshot.router.tag_budgets();
                    if let Some(known) = budgets.find(|known| known.tag == name) {
                        let booked = &known.spend;
                        booked.set_total_from_elsewhere(*usd, *left, known.budget, now);
                    }
                }
                "key" => {
                    let mut keys = snapshot.keys.virtual_keys();
                    if let Some(known) = keys.find(|known| known.id == name) {
                        known.runtime.hear(*usd, *left, now);
                    }
                }
                _ => {}
            }
        }
    }
}
