use std::collections::VecDeque;
use std::time::UNIX_EPOCH;

use tokio::sync::Notify;

use super::*;
use crate::clock::ManualClock;

/// Answers from a list; waits for a sign before each answer if told to.
#[derive(Debug, Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Credentials, Error>>>,
    asked: Mutex<usize>,
    gate: Option<Notify>,
}

impl Provider for Script {
    fn fetch(self: Arc<Self>) -> BoxFuture<'static, Result<Credentials, Error>> {
        async move {
            *self.asked.lock().unwrap() += 1;
            if let Some(gate) = &self.gate {
                gate.notified().await;
            }
            let next = self.answers.lock().unwrap().pop_front();
            next.unwrap_or_else(|| Err(Error::new(ErrorKind::Unavailable, "down")))
        }
        .boxed()
    }
}

struct Scene {
    clock: Arc<ManualClock>,
    script: Arc<Script>,
    refresher: Arc<Refresher>,
    tracker: TaskTracker,
}

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_323_045)
}

fn temporary(id: &str, seconds: u64) -> Credentials {
    Credentials::temporary(
        id,
        "secret",
        None,
        Some(start() + Duration::from_secs(seconds)),
    )
}

fn scene(answers: Vec<Result<Credentials, Error>>, gate: Option<Notify>) -> Scene {
    let clock = Arc::new(ManualClock::at(start()));
    let script = Arc::new(Script {
        answers: Mutex::new(answers.into()),
        asked: Mutex::default(),
        gate,
    });
    let tracker = TaskTracker::new();
    let around = Surroundings {
        clock: clock.clone(),
        tracker: tracker.clone(),
        draw: || 0.0,
    };
    let refresher = Refresher::new(script.clone(), around);
    Scene {
        clock,
        script,
        refresher,
        tracker,
    }
}

impl Scene {
    async fn id(&self) -> String {
        id(&self.refresher.credentials().await.unwrap())
    }

    fn asked(&self) -> usize {
        *self.script.asked.lock().unwrap()
    }

    /// Lets the fetch in the background end.
    async fn settle(&self) {
        self.tracker.close();
        self.tracker.wait().await;
        self.tracker.reopen();
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn id(credentials: &Credentials) -> String {
    let Credentials::Keys(keys) = credentials else {
        panic!("no keys");
    };
    keys.access_key_id().to_owned()
}

#[tokio::test]
async fn concurrent_callers_share_one_fetch() {
    let scene = scene(vec![Ok(temporary("a", 3600))], Some(Notify::new()));
    let callers = futures_util::future::join_all((0..50).map(|_| scene.id()));
    let open = async { scene.script.gate.as_ref().unwrap().notify_one() };
    let (ids, ()) = tokio::join!(callers, open);
    assert!(ids.iter().all(|id| id == "a"));
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn fetch_goes_on_when_its_first_caller_hangs_up() {
    let scene = scene(vec![Ok(temporary("a", 3600))], Some(Notify::new()));
    let mut first = Box::pin(scene.id());
    assert!(futures_util::poll!(&mut first).is_pending());
    drop(first);
    scene.script.gate.as_ref().unwrap().notify_one();
    scene.settle().await;
    assert_eq!(scene.id().await, "a");
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn refreshed_before_expiry_while_the_old_ones_serve() {
    let scene = scene(
        vec![Ok(temporary("a", 3600)), Ok(temporary("b", 7200))],
        None,
    );
    assert_eq!(scene.id().await, "a");
    scene.advance(3299);
    assert_eq!(scene.id().await, "a");
    assert_eq!(scene.asked(), 1);
    scene.advance(1);
    assert_eq!(scene.id().await, "a", "nobody waits for a refresh");
    scene.settle().await;
    assert_eq!(scene.id().await, "b");
    assert_eq!(scene.asked(), 2);
}

#[tokio::test]
async fn failing_refresh_keeps_the_old_ones_until_they_expire() {
    let scene = scene(vec![Ok(temporary("a", 3600))], None);
    assert_eq!(scene.id().await, "a");
    scene.advance(3400);
    for _ in 0..10 {
        assert_eq!(scene.id().await, "a");
        scene.settle().await;
    }
    assert_eq!(scene.asked(), 2, "a failed refresh is not repeated at once");
    scene.advance(5);
    assert_eq!(scene.id().await, "a");
    scene.settle().await;
    assert_eq!(scene.asked(), 3);
    scene.advance(194);
    assert_eq!(scene.id().await, "a");
    scene.settle().await;
    scene.advance(1);
    assert!(scene.refresher.credentials().await.is_err());
}

#[tokio::test]
async fn failure_without_old_ones_is_repeated_only_briefly() {
    let scene = scene(
        vec![
            Err(Error::new(ErrorKind::UpstreamDenied, "no")),
            Ok(temporary("a", 3600)),
        ],
        None,
    );
    for _ in 0..3 {
        assert_eq!(
            scene.refresher.credentials().await.unwrap_err().message(),
            "no"
        );
    }
    assert_eq!(scene.asked(), 1);
    scene.advance(1);
    assert_eq!(scene.id().await, "a");
}

#[tokio::test]
async fn forced_refresh_happens_once_for_all_who_saw_the_old_ones_expire() {
    let scene = scene(
        vec![Ok(temporary("a", 3600)), Ok(temporary("b", 3600))],
        None,
    );
    let old = scene.refresher.credentials().await.unwrap();
    for _ in 0..3 {
        let fresh = scene.refresher.force(&old).await.unwrap();
        assert_eq!(id(&fresh), "b");
    }
    assert_eq!(scene.asked(), 2);
}

#[tokio::test]
async fn forcing_is_not_repeated_when_it_brings_the_same() {
    let scene = scene(
        vec![
            Ok(temporary("a", 3600)),
            Ok(temporary("a", 3600)),
            Ok(temporary("b", 3600)),
        ],
        None,
    );
    let old = scene.refresher.credentials().await.unwrap();
    for _ in 0..3 {
        assert_eq!(id(&scene.refresher.force(&old).await.unwrap()), "a");
    }
    assert_eq!(scene.asked(), 2);
    scene.advance(5);
    assert_eq!(id(&scene.refresher.force(&old).await.unwrap()), "b");
}

#[test]
fn refresh_comes_ahead_of_the_end() {
    let now = start();
    let ahead = |life: u64, draw: f64| {
        let end = now + Duration::from_secs(life);
        end.duration_since(refresh_at(now, Some(end), draw))
            .unwrap()
            .as_secs()
    };
    assert_eq!(ahead(3600, 0.0), 300);
    assert_eq!(ahead(3600, 1.0), 450);
    assert_eq!(ahead(60, 0.0), 15);
    assert_eq!(ahead(0, 1.0), 0);
    assert_eq!(refresh_at(now, None, 0.0), now + ENDLESS);
}
