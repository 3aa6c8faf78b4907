use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;
use crate::canonical::Usage;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{DeploymentLimits, RateLimits};
use crate::limit::{LimitName, Queue, Rates, Scope};
use crate::store::{Answer, Board, Charge, ChargeKind, Report, Stamp};

/// What instances share, in memory: no window moves, so a test sees every token.
#[derive(Debug, Default)]
struct FakeStore {
    used: Mutex<HashMap<String, i64>>,
    is_down: AtomicBool,
    /// Holds reservations back until it is told.
    hold: Option<Notify>,
    corrected: Notify,
}

impl FakeStore {
    fn used(&self, key: &str) -> i64 {
        self.used.lock().unwrap().get(key).copied().unwrap_or(0)
    }

    fn decide(&self, charges: &[Charge]) -> Result<Verdict, StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Away("down".to_owned()));
        }
        let mut used = self.used.lock().unwrap();
        for (index, charge) in charges.iter().enumerate() {
            let now = used.get(&charge.key).copied().unwrap_or(0);
            let after = now + i64::try_from(charge.amount).unwrap();
            let one = matches!(
                charge.kind,
                ChargeKind::Window {
                    one_always: true,
                    ..
                }
            );
            if after > i64::try_from(charge.limit).unwrap() && !(one && now == 0) {
                return Ok(Verdict::Refused {
                    index,
                    retry_after: Some(Duration::from_secs(7)),
                    used: u64::try_from(now).unwrap(),
                });
            }
        }
        let mut totals = Vec::new();
        for charge in charges {
            let total = used.entry(charge.key.clone()).or_default();
            *total += i64::try_from(charge.amount).unwrap();
            totals.push(u64::try_from(*total).unwrap());
        }
        Ok(Verdict::Granted {
            at: Stamp(1),
            used: totals,
        })
    }
}

impl Store for FakeStore {
    fn took_alone(&self, _charges: &[Charge]) -> Stamp {
        Stamp::default()
    }

    fn reserve<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Verdict> {
        Box::pin(async move {
            let verdict = self.decide(charges);
            if let Some(hold) = &self.hold {
                hold.notified().await;
            }
            verdict
        })
    }
    fn correct<'a>(&'a self, corrections: &'a [Correction]) -> Answer<'a, ()> {
        for correction in corrections {
            assert_eq!(correction.at, Stamp(1));
            *self
                .used
                .lock()
                .unwrap()
                .entry(correction.key.clone())
                .or_default() += correction.change;
        }
        self.corrected.notify_one();
        Box::pin(async { Ok(()) })
    }
    fn exchange<'a>(&'a self, _: &'a Report) -> Answer<'a, Board> {
        Box::pin(async { Ok(Board::default()) })
    }
    fn warm<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn read<'a>(&'a self, _: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn write<'a>(&'a self, _: &'a str, _: Bytes, _: Option<Duration>) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn delete<'a>(&'a self, _: &'a [String]) -> Answer<'a, u64> {
        Box::pin(async { Ok(0) })
    }
    fn flush<'a>(&'a self, _: &'a str) -> Answer<'a, u64> {
        Box::pin(async { Ok(0) })
    }
    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn info(&self) -> Answer<'_, String> {
        Box::pin(async { Ok(String::new()) })
    }
    fn is_up(&self) -> bool {
        !self.is_down.load(Ordering::SeqCst)
    }
}

fn limiter(store: &Arc<FakeStore>, fail_closed: bool) -> Limiter {
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    Limiter::new(Some(store), "a", fail_closed, &TaskTracker::new())
}

fn key(rpm: Option<u64>, tpm: Option<u64>, parallel: Option<u32>) -> Arc<Meters> {
    let limits = RateLimits { rpm, tpm, parallel };
    Arc::new(Meters::of_holder(Scope::Key, "k", limits, None))
}

fn cost(input: u64, output: u64) -> Cost {
    Cost {
        requests: 1,
        input_tokens: input,
        output_tokens: output,
    }
}

fn used(meters: &Meters, limit: LimitName, now: Instant) -> u64 {
    let levels = meters.levels(now);
    levels
        .iter()
        .find(|level| level.limit == limit)
        .unwrap()
        .used
}

fn full(refused: Refused) -> Full {
    match refused {
        Refused::Full(full) => full,
        Refused::StoreAway => panic!("the store is away"),
    }
}

#[tokio::test]
async fn permit_gives_back_tokens_and_slot_but_not_the_request() {
    let now = SystemClock.now();
    let meters = [key(Some(2), Some(100), Some(1))];
    let limiter = Limiter::default();
    let permit = limiter.take(&meters, cost(10, 20), now).await.unwrap();
    assert_eq!(used(&meters[0], LimitName::Tpm, now), 30);
    let refused = limiter.take(&meters, cost(1, 1), now).await.unwrap_err();
    assert_eq!(full(refused).limit, LimitName::Parallel);
    assert_eq!(full(refused).retry_after, None);
    drop(permit);
    assert_eq!(used(&meters[0], LimitName::Tpm, now), 0);
    assert_eq!(used(&meters[0], LimitName::Parallel, now), 0);
    assert_eq!(used(&meters[0], LimitName::Rpm, now), 1);
    assert!(limiter.take(&meters, cost(1, 1), now).await.is_ok());
    let refused = limiter.take(&meters, cost(1, 1), now).await.unwrap_err();
    assert_eq!(full(refused).limit, LimitName::Rpm);
    assert_eq!(full(refused).retry_after, Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn settled_tokens_stay_when_the_permit_goes() {
    let now = SystemClock.now();
    let limits = DeploymentLimits {
        tpm: Some(100),
        itpm: Some(100),
        otpm: Some(100),
        ..DeploymentLimits::default()
    };
    let meters = [Arc::new(Meters::of_deployment(
        "d",
        &limits,
        Rates::Enforced,
        None,
    ))];
    let mut permit = Limiter::default()
        .take(&meters, cost(10, 20), now)
        .await
        .unwrap();
    permit.settle(5, 5);
    permit.settle_usage(&Usage {
        input_tokens: 40,
        cache_read_tokens: 1000,
        cache_write_tokens: 2,
        output_tokens: 7,
        ..Usage::default()
    });
    drop(permit);
    assert_eq!(used(&meters[0], LimitName::Tpm, now), 1049);
    assert_eq!(used(&meters[0], LimitName::Itpm, now), 42);
    assert_eq!(used(&meters[0], LimitName::Otpm, now), 7);
    let refused = Limiter::default().take(&meters, cost(1, 1), now).await;
    assert_eq!(full(refused.unwrap_err()).limit, LimitName::Tpm);
}

#[tokio::test]
async fn nothing_is_taken_where_one_holder_is_full() {
    let now = SystemClock.now();
    let limiter = Limiter::default();
    let open = key(Some(10), None, None);
    let limits = RateLimits {
        rpm: Some(1),
        ..RateLimits::default()
    };
    let model = Arc::new(Meters::of_holder(Scope::Model, "k:m", limits, None));
    let both = [Arc::clone(&open), Arc::clone(&model), Arc::clone(&open)];
    assert!(limiter.take(&both, cost(1, 1), now).await.is_ok());
    assert_eq!(
        used(&open, LimitName::Rpm, now),
        1,
        "named twice, charged once"
    );
    let refused = limiter.take(&both, cost(1, 1), now).await.unwrap_err();
    assert_eq!(full(refused).scope, Scope::Model);
    assert_eq!(used(&open, LimitName::Rpm, now), 1);
    let closed = Arc::new(Meters::of_holder(Scope::User, "u", limits, None));
    limiter
        .take(&[Arc::clone(&closed)], cost(1, 1), now)
        .await
        .unwrap();
    let both = [model, closed];
    let refused = limiter.take(&both, cost(1, 1), now).await.unwrap_err();
    assert_eq!(full(refused).scope, Scope::User, "what is final is told");
}

#[test]
fn changed_limit_goes_on_with_the_running_window() {
    let now = SystemClock.now();
    let limits = |rpm| DeploymentLimits {
        rpm: Some(rpm),
        ..DeploymentLimits::default()
    };
    let first = Arc::new(Meters::of_deployment(
        "d",
        &limits(3),
        Rates::Enforced,
        None,
    ));
    for _ in 0..3 {
        drop(Permit::take(&[Arc::clone(&first)], cost(0, 0), now).unwrap());
    }
    assert!(first.room(cost(0, 0), now).is_err());
    let more = Arc::new(Meters::of_deployment(
        "d",
        &limits(4),
        Rates::Enforced,
        Some(&first),
    ));
    assert!(Permit::take(&[Arc::clone(&more)], cost(0, 0), now).is_ok());
    assert!(Permit::take(&[Arc::clone(&more)], cost(0, 0), now).is_err());
    let less = Meters::of_deployment("d", &limits(2), Rates::Enforced, Some(&more));
    assert!(less.room(cost(0, 0), now).is_err());
    assert_eq!(used(&less, LimitName::Rpm, now), 4);
}

#[test]
fn counted_limits_refuse_nothing() {
    let now = SystemClock.now();
    let limits = DeploymentLimits {
        rpm: Some(1),
        parallel: Some(4),
        ..DeploymentLimits::default()
    };
    let meters = Meters::of_deployment("d", &limits, Rates::Counted, None);
    let meters = [Arc::new(meters)];
    let permits: Vec<Permit> = (0..4)
        .map(|_| Permit::take(&meters, cost(0, 0), now).unwrap())
        .collect();
    assert_eq!(used(&meters[0], LimitName::Rpm, now), 4);
    let full = Permit::take(&meters, cost(0, 0), now).unwrap_err();
    assert_eq!(full.limit, LimitName::Parallel);
    drop(permits);
}

#[test]
fn threads_at_a_limit_admit_exactly_it() {
    let now = SystemClock.now();
    let small = key(Some(37), None, None);
    let wide = Arc::new(Meters::of_holder(
        Scope::Team,
        "t",
        RateLimits {
            rpm: Some(1000),
            tpm: Some(10_000),
            parallel: Some(1000),
        },
        None,
    ));
    // Half of the threads name the holders in the other order.
    let orders = [
        [Arc::clone(&small), Arc::clone(&wide)],
        [Arc::clone(&wide), Arc::clone(&small)],
    ];
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|index| {
                let meters = &orders[index % 2];
                scope.spawn(move || {
                    let takes = (0..50).map(|_| Permit::take(meters, cost(3, 4), now));
                    takes.flatten().count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(admitted, 37);
    assert_eq!(used(&wide, LimitName::Rpm, now), 37);
    assert_eq!(used(&wide, LimitName::Tpm, now), 0);
    assert_eq!(used(&wide, LimitName::Parallel, now), 0);
}

#[tokio::test]
async fn dropped_permit_wakes_the_queue() {
    let queue = Arc::new(Queue::default());
    let waiting = queue.enter(0, 1).unwrap();
    let until = SystemClock.now() + Duration::from_secs(3600);
    waiting.turn(None, until, &SystemClock).await;
    let permit = Permit::default().waking(Some(Arc::clone(&queue)));
    drop(permit);
    let turn = waiting.turn(None, until, &SystemClock).await;
    assert_eq!(turn, crate::limit::Turn::Try);
}

#[tokio::test]
async fn instances_share_limits_by_the_store() {
    let now = SystemClock.now();
    let store = Arc::new(FakeStore::default());
    let (here, there) = (limiter(&store, false), limiter(&store, false));
    for one in [&here, &there] {
        one.set_instances(2);
    }
    let (mine, theirs) = ([key(Some(3), None, None)], [key(Some(3), None, None)]);
    here.take(&mine, cost(0, 0), now).await.unwrap();
    there.take(&theirs, cost(0, 0), now).await.unwrap();
    there.take(&theirs, cost(0, 0), now).await.unwrap();
    assert_eq!(store.used("rpm:key:k"), 3);
    assert_eq!(
        used(&mine[0], LimitName::Rpm, now),
        1,
        "as it was last told"
    );
    let refused = here.take(&mine, cost(0, 0), now).await.unwrap_err();
    assert_eq!(full(refused).retry_after, Some(Duration::from_secs(7)));
    let own = mine[0].ledger().open().used(LimitName::Rpm, now);
    assert_eq!(own, 1, "a refused call leaves nothing here");
    assert_eq!(used(&mine[0], LimitName::Rpm, now), 3);
    // Without the store neither has more: what was refused was never taken.
    store.is_down.store(true, Ordering::SeqCst);
    assert!(here.take(&mine, cost(0, 0), now).await.is_err());
    assert!(there.take(&theirs, cost(0, 0), now).await.is_err());
}

#[tokio::test]
async fn settling_and_release_reach_the_store() {
    let now = SystemClock.now();
    let store = Arc::new(FakeStore::default());
    let limiter = limiter(&store, false);
    let meters = [key(Some(10), Some(100), Some(1))];
    let mut permit = limiter.take(&meters, cost(10, 20), now).await.unwrap();
    assert_eq!(store.used("tpm:key:k"), 30);
    assert_eq!(store.used("max_parallel_requests:key:k"), 1);
    permit.settle(4, 4);
    drop(permit);
    while store.used("max_parallel_requests:key:k") > 0 {
        store.corrected.notified().await;
    }
    assert_eq!(store.used("tpm:key:k"), 8);
    assert_eq!(store.used("rpm:key:k"), 1);
}

#[tokio::test]
async fn caller_that_hangs_up_while_the_store_is_asked_leaves_nothing() {
    let now = SystemClock.now();
    let store = Arc::new(FakeStore {
        hold: Some(Notify::new()),
        ..FakeStore::default()
    });
    let limiter = limiter(&store, false);
    let meters = [key(Some(1), Some(100), Some(1))];
    {
        let taking = limiter.take(&meters, cost(5, 5), now);
        tokio::pin!(taking);
        tokio::select! {
            biased;
            _ = &mut taking => panic!("the store has not answered"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(meters[0].ledger().open().used(LimitName::Rpm, now), 0);
    store.hold.as_ref().unwrap().notify_one();
    store.corrected.notified().await;
    assert_eq!(store.used("rpm:key:k"), 0);
    assert_eq!(store.used("tpm:key:k"), 0);
    assert_eq!(store.used("max_parallel_requests:key:k"), 0);
}

#[tokio::test]
async fn store_that_is_away_leaves_each_instance_its_share() {
    let start = SystemClock.now();
    let store = Arc::new(FakeStore::default());
    let limiter = limiter(&store, false);
    limiter.set_instances(2);
    let meters = [key(Some(10), None, None)];
    // Others had three; of ten, six are left after this call: three each.
    store.used.lock().unwrap().insert("rpm:key:k".to_owned(), 3);
    limiter.take(&meters, cost(0, 0), start).await.unwrap();
    store.is_down.store(true, Ordering::SeqCst);
    let take = async |now| limiter.take(&meters, cost(0, 0), now).await;
    for _ in 0..3 {
        take(start).await.unwrap();
    }
    let refused = take(start).await.unwrap_err();
    assert_eq!(full(refused).retry_after, Some(Duration::from_secs(60)));
    // For one more minute the smaller of the two shares, then an equal part.
    let mut admitted = Vec::new();
    for minutes in 1..4_u32 {
        let now = start + minutes * Duration::from_secs(60);
        let mut total = 0;
        while take(now).await.is_ok() {
            total += 1;
        }
        admitted.push(total);
    }
    assert_eq!(admitted, [4, 5, 5]);
}

#[tokio::test]
async fn store_never_heard_of_leaves_the_whole_limit_unless_it_fails_closed() {
    let now = SystemClock.now();
    let store = Arc::new(FakeStore::default());
    store.is_down.store(true, Ordering::SeqCst);
    let meters = [key(Some(2), None, None)];
    let closed = limiter(&store, true);
    let refused = closed.take(&meters, cost(0, 0), now).await.unwrap_err();
    assert_eq!(refused, Refused::StoreAway);
    let open = limiter(&store, false);
    open.take(&meters, cost(0, 0), now).await.unwrap();
    open.take(&meters, cost(0, 0), now).await.unwrap();
    assert!(open.take(&meters, cost(0, 0), now).await.is_err());
    let unlimited = [key(None, None, None)];
    assert!(closed.take(&unlimited, cost(0, 0), now).await.is_ok());
}

#[tokio::test]
async fn store_that_never_spoke_of_the_limit_leaves_each_instance_an_equal_part() {
    let now = SystemClock.now();
    let store = Arc::new(FakeStore::default());
    let limiter = limiter(&store, false);
    limiter.set_instances(2);
    store.is_down.store(true, Ordering::SeqCst);
    let meters = [key(Some(6), None, None)];
    for _ in 0..3 {
        limiter.take(&meters, cost(0, 0), now).await.unwrap();
    }
    let refused = limiter.take(&meters, cost(0, 0), now).await.unwrap_err();
    assert_eq!(full(refused).retry_after, Some(Duration::from_secs(60)));
}

#[derive(Debug, Clone)]
enum Step {
    Take(u64, u64),
    Settle(usize, u64, u64),
    Drop(usize),
    Panic(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u64..40, 0_u64..40).prop_map(|(input, output)| Step::Take(input, output)),
        2 => (0_usize..8, 0_u64..60, 0_u64..60).prop_map(|(at, input, output)| Step::Settle(at, input, output)),
        2 => (0_usize..8).prop_map(Step::Drop),
        1 => (0_usize..8).prop_map(Step::Panic),
        1 => (0_u64..30_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn what_is_reserved_is_used_or_given_back(steps in steps()) {
        let mut now = SystemClock.now();
        let meters = [key(Some(20), Some(200), Some(5))];
        let mut permits: Vec<Permit> = Vec::new();
        for step in steps {
            match step {
                Step::Take(input, output) => {
                    permits.extend(Permit::take(&meters, cost(input, output), now));
                }
                Step::Settle(at, input, output) => {
                    if let Some(permit) = permits.get_mut(at) {
                        permit.settle(input, output);
                    }
                }
                Step::Drop(at) if at < permits.len() => drop(permits.swap_remove(at)),
                Step::Panic(at) if at < permits.len() => {
                    let permit = permits.swap_remove(at);
                    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                        let _held = permit;
                        std::panic::resume_unwind(Box::new(()));
                    }));
                    prop_assert!(died.is_err());
                }
                Step::Drop(_) | Step::Panic(_) => {}
                Step::Wait(ms) => now += Duration::from_millis(ms),
            }
            let parallel = used(&meters[0], LimitName::Parallel, now);
            prop_assert_eq!(parallel, permits.len() as u64);
            prop_assert!(used(&meters[0], LimitName::Rpm, now) <= 20);
            let held: u64 = permits.iter().map(|permit| permit.tokens().total).sum();
            if permits.iter().all(|permit| permit.held().len() == 1) && held == 0 {
                prop_assert!(parallel <= 5);
            }
        }
        drop(permits);
        let later = now + Duration::from_secs(61);
        for level in meters[0].levels(later) {
            prop_assert_eq!(level.used, 0);
            prop_assert_eq!(level.resets_in, Duration::ZERO);
        }
    }

    #[test]
    fn unsettled_calls_leave_no_tokens(costs in prop::collection::vec((0_u64..1000, 0_u64..1000), 1..50)) {
        let now = SystemClock.now();
        let meters = [key(None, Some(5000), None)];
        let (mut kept, mut spent) = (Vec::new(), 0);
        for (index, (input, output)) in costs.into_iter().enumerate() {
            let Ok(mut permit) = Permit::take(&meters, cost(input, output), now) else { continue };
            if index % 2 == 0 {
                permit.settle(input / 2, output / 2);
                spent += input / 2 + output / 2;
            }
            kept.push(permit);
        }
        drop(kept);
        prop_assert_eq!(used(&meters[0], LimitName::Tpm, now), spent);
    }
}
