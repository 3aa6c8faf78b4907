use std::sync::Mutex;

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::store::MemoryStore;

/// What an instance knows, as a router would.
#[derive(Default)]
struct Known {
    in_flight: Mutex<Vec<(String, u64)>>,
    cooldowns: Mutex<Vec<Cooling>>,
    unspent: Mutex<Vec<Spent>>,
    instances: Mutex<u32>,
    elsewhere: Mutex<Vec<(String, u64)>>,
    learned: Mutex<Vec<String>>,
    warmed: Mutex<Vec<String>>,
    spent: Mutex<Vec<(String, f64, Option<Duration>)>>,
}

impl Shares for Known {
    fn in_flight(&self) -> Vec<(String, u64)> {
        self.in_flight.lock().unwrap().clone()
    }

    fn cooldowns(&self) -> Vec<Cooling> {
        self.cooldowns.lock().unwrap().clone()
    }

    fn take_spent(&self) -> Vec<Spent> {
        std::mem::take(&mut *self.unspent.lock().unwrap())
    }

    fn set_instances(&self, instances: u32) {
        *self.instances.lock().unwrap() = instances;
    }

    fn set_in_flight_elsewhere(&self, in_flight: &[(String, u64)]) {
        *self.elsewhere.lock().unwrap() = in_flight.to_vec();
    }

    fn cool(&self, cooling: &Cooling) {
        self.learned.lock().unwrap().push(cooling.key.clone());
        self.cooldowns.lock().unwrap().push(cooling.clone());
    }

    fn warm(&self, key: &str) {
        self.warmed.lock().unwrap().push(key.to_owned());
        self.cooldowns
            .lock()
            .unwrap()
            .retain(|cooling| cooling.key != key);
    }

    fn set_spent(&self, spent: &[(String, f64, Option<Duration>)]) {
        *self.spent.lock().unwrap() = spent.to_vec();
    }
}

struct Two {
    clock: Arc<ManualClock>,
    store: MemoryStore,
    known: [Arc<Known>; 2],
    sharers: [Sharer; 2],
}

impl Two {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1000),
        ));
        let store = MemoryStore::new(Arc::clone(&clock) as SharedClock);
        let known = [Arc::new(Known::default()), Arc::new(Known::default())];
        let sharers = [0, 1].map(|index: usize| {
            Sharer::new(
                Arc::new(store.another_instance()),
                Arc::clone(&known[index]) as Arc<dyn Shares>,
                Arc::clone(&clock) as SharedClock,
            )
        });
        Self {
            clock,
            store,
            known,
            sharers,
        }
    }

    async fn exchange(&mut self) {
        for sharer in &mut self.sharers {
            sharer.exchange().await;
        }
    }

    fn cool(&self, index: usize, for_secs: u64) {
        self.known[index].cooldowns.lock().unwrap().push(Cooling {
            key: "a".to_owned(),
            until: self.clock.wall() + Duration::from_secs(for_secs),
            reason: "throttled".to_owned(),
            step: 1,
        });
    }
}

#[tokio::test]
async fn instances_learn_of_each_other() {
    let mut two = Two::new();
    two.known[0]
        .in_flight
        .lock()
        .unwrap()
        .push(("a".to_owned(), 3));
    two.known[0].unspent.lock().unwrap().push(Spent {
        key: "deployment:a".to_owned(),
        period: None,
        usd: 1.5,
    });
    two.exchange().await;
    let known = &two.known[1];
    assert_eq!(*known.instances.lock().unwrap(), 2);
    assert_eq!(*known.elsewhere.lock().unwrap(), [("a".to_owned(), 3)]);
    assert_eq!(
        *known.spent.lock().unwrap(),
        [("deployment:a".to_owned(), 1.5, None)]
    );
    two.exchange().await;
    assert_eq!(
        *two.known[1].spent.lock().unwrap(),
        [("deployment:a".to_owned(), 1.5, None)]
    );
}

#[tokio::test]
async fn a_cooldown_is_learned_once_and_does_not_echo() {
    let mut two = Two::new();
    two.cool(0, 60);
    for _ in 0..3 {
        two.exchange().await;
    }
    assert_eq!(*two.known[1].learned.lock().unwrap(), ["a"]);
    assert!(two.known[0].learned.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_probe_warmed_is_warmed_once_and_stays_warm() {
    let mut two = Two::new();
    two.cool(0, 60);
    two.exchange().await;
    two.known[0].cooldowns.lock().unwrap().clear();
    two.store.warm("a").await.unwrap();
    for _ in 0..3 {
        two.exchange().await;
    }
    assert_eq!(*two.known[1].warmed.lock().unwrap(), ["a"]);
    assert!(two.known[1].cooldowns.lock().unwrap().is_empty());
    two.cool(0, 30);
    two.exchange().await;
    assert_eq!(
        two.known[1].learned.lock().unwrap().len(),
        2,
        "a later failure cools it again"
    );
}

#[tokio::test]
async fn a_store_that_forgot_is_told_again() {
    let mut two = Two::new();
    two.cool(0, 60);
    two.sharers[0].exchange().await;
    let empty = MemoryStore::new(Arc::clone(&two.clock) as SharedClock);
    for sharer in &mut two.sharers {
        sharer.store = Arc::new(empty.another_instance());
    }
    for _ in 0..3 {
        two.exchange().await;
    }
    assert_eq!(*two.known[1].learned.lock().unwrap(), ["a"]);
}

#[tokio::test]
async fn a_nudge_exchanges_at_once_and_the_end_exchanges_once_more() {
    let two = Two::new();
    let [sharer, _] = two.sharers;
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let nudge = Arc::new(Notify::new());
    sharer.start(&tracker, stop.clone(), Arc::clone(&nudge));
    two.known[0].unspent.lock().unwrap().push(Spent {
        key: "deployment:a".to_owned(),
        period: None,
        usd: 1.0,
    });
    nudge.notify_one();
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    assert!(two.known[0].unspent.lock().unwrap().is_empty());
}
