use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use super::*;
use crate::canonical::{
    AnswerBlock, ChatAnswer, ChatChunk, ChatRequest, Content, Message, StopReason, Text,
};
use crate::clock::ManualClock;
use crate::config::{AwsParams, CacheScope, RedisConfig, RouterSettings};
use crate::store::{Answer, Board, Charge, Correction, Report, Stamp, StoreError, Verdict};

/// A store in this process that can be away.
#[derive(Debug, Default)]
struct Fake {
    values: Mutex<HashMap<String, (Bytes, Option<Duration>)>>,
    is_away: AtomicBool,
    reads: AtomicUsize,
}

impl Fake {
    fn answer<T: Send + 'static>(&self, of: impl FnOnce() -> T) -> Answer<'_, T> {
        let answer = if self.is_away.load(Ordering::SeqCst) {
            Err(StoreError::Away("gone".to_owned()))
        } else {
            Ok(of())
        };
        Box::pin(std::future::ready(answer))
    }

    fn keys(&self) -> Vec<String> {
        self.values.lock().unwrap().keys().cloned().collect()
    }
}

impl Store for Fake {
    fn took_alone(&self, _charges: &[Charge]) -> Stamp {
        Stamp::default()
    }

    fn reserve<'a>(&'a self, _: &'a [Charge]) -> Answer<'a, Verdict> {
        Box::pin(std::future::ready(Err(StoreError::Refused(
            "not for this".to_owned(),
        ))))
    }
    fn correct<'a>(&'a self, _: &'a [Correction]) -> Answer<'a, ()> {
        self.answer(|| ())
    }
    fn exchange<'a>(&'a self, _: &'a Report) -> Answer<'a, Board> {
        self.answer(Board::default)
    }
    fn warm<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        self.answer(|| ())
    }
    fn read<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let values = self.values.lock().unwrap();
        let found = keys
            .iter()
            .map(|key| values.get(key).map(|value| value.0.clone()))
            .collect();
        self.answer(|| found)
    }
    fn write<'a>(&'a self, key: &'a str, value: Bytes, ttl: Option<Duration>) -> Answer<'a, ()> {
        self.answer(|| {
            self.values
                .lock()
                .unwrap()
                .insert(key.to_owned(), (value, ttl));
        })
    }
    fn delete<'a>(&'a self, keys: &'a [String]) -> Answer<'a, u64> {
        self.answer(|| {
            let mut values = self.values.lock().unwrap();
            keys.iter()
                .filter(|key| values.remove(*key).is_some())
                .count() as u64
        })
    }
    fn flush<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        self.answer(|| {
            let mut values = self.values.lock().unwrap();
            let before = values.len();
            values.retain(|key, _| !key.starts_with(prefix));
            (before - values.len()) as u64
        })
    }
    fn ping(&self) -> Answer<'_, ()> {
        self.answer(|| ())
    }
    fn info(&self) -> Answer<'_, String> {
        self.answer(|| "redis_version:7\r\n".to_owned())
    }
    fn is_up(&self) -> bool {
        !self.is_away.load(Ordering::SeqCst)
    }
}

/// A cache of this process alone, with the settings of an empty section.
pub(super) fn local_cache() -> Arc<ResponseCache> {
    Instance::local().cache.unwrap()
}

/// One instance with its cache.
struct Instance {
    clock: Arc<ManualClock>,
    shared: SharedClock,
    tracker: TaskTracker,
    store: Option<Arc<dyn Store>>,
    cache: Option<Arc<ResponseCache>>,
}

impl Instance {
    fn new(settings: CacheConfig, store: Option<&Arc<Fake>>) -> Self {
        let clock = Arc::new(ManualClock::at(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        ));
        let mut instance = Self {
            shared: Arc::clone(&clock) as SharedClock,
            clock,
            tracker: TaskTracker::new(),
            store: store.map(|store| Arc::clone(store) as Arc<dyn Store>),
            cache: None,
        };
        instance.reload(Some(settings));
        instance
    }

    fn local() -> Self {
        Self::new(CacheConfig::default(), None)
    }

    fn redis(store: &Arc<Fake>) -> Self {
        let settings = CacheConfig {
            backend: CacheBackend::Redis,
            ..CacheConfig::default()
        };
        Self::new(settings, Some(store))
    }

    fn reload(&mut self, settings: Option<CacheConfig>) {
        let config = Config {
            cache: settings,
            ..Config::default()
        };
        let with = Surroundings {
            store: self.store.as_ref(),
            clock: &self.shared,
            tracker: &self.tracker,
        };
        self.cache = ResponseCache::build(&config, with, self.cache.as_ref());
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn ask(&self, text: &str, controls: &CacheControls) -> Found {
        self.ask_as(text, controls, &Tenant::default()).await
    }

    async fn ask_as(&self, text: &str, controls: &CacheControls, tenant: &Tenant) -> Found {
        let (request, aws) = (request(&[text]), AwsParams::default());
        let question = Question {
            model: "m",
            group: "m",
            routed_by: &RoutedBy::default(),
            call_type: "completion",
            request: &request,
            aws: &aws,
            model_id: None,
            direct: false,
            tenant,
            controls,
        };
        self.cache.as_ref().unwrap().look_up(&question).await
    }

    async fn slot(&self, text: &str, controls: &CacheControls) -> Slot {
        match self.ask(text, controls).await {
            Found::Miss(slot) => slot,
            other => panic!("{other:?}"),
        }
    }

    /// Asks, and keeps an answer.
    async fn keep(&self, text: &str, controls: &CacheControls) {
        let slot = self.slot(text, controls).await;
        slot.fill_whole(&answer("yes"), "chatcmpl-1", 17);
        // Writing to the store goes on behind the call.
        self.tracker.close();
        self.tracker.wait().await;
        self.tracker.reopen();
    }

    async fn hits(&self, text: &str, controls: &CacheControls) -> bool {
        match self.ask(text, controls).await {
            Found::Hit(_, stored) => {
                assert_eq!((stored.id.as_str(), stored.created), ("chatcmpl-1", 17));
                true
            }
            Found::Miss(_) => false,
            Found::Off(skip) => panic!("{skip:?}"),
        }
    }
}

fn request(texts: &[&str]) -> ChatRequest {
    let messages = texts.iter().map(|text| Message {
        content: Content::Text(Text::new(text)),
        ..Message::default()
    });
    ChatRequest {
        messages: messages.collect(),
        ..ChatRequest::default()
    }
}

fn answer(text: &str) -> ChatAnswer {
    ChatAnswer {
        blocks: vec![AnswerBlock::Text(Text::new(text))],
        ..ChatAnswer::default()
    }
}

fn plain() -> CacheControls {
    CacheControls::default()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn answer_is_found_until_its_time_is_over() {
    let instance = Instance::local();
    instance.keep("a", &plain()).await;
    assert!(instance.hits("a", &plain()).await && !instance.hits("b", &plain()).await);
    instance.pass(599);
    assert!(instance.hits("a", &plain()).await);
    instance.pass(1);
    assert!(!instance.hits("a", &plain()).await);
}

#[tokio::test]
async fn time_to_live_is_the_requests_else_the_configurations() {
    let instance = Instance::new(
        CacheConfig {
            ttl: Some(seconds(100)),
            ..CacheConfig::default()
        },
        None,
    );
    instance.keep("a", &plain()).await;
    instance
        .keep(
            "b",
            &CacheControls {
                ttl: Some(seconds(5)),
                ..plain()
            },
        )
        .await;
    instance
        .keep(
            "c",
            &CacheControls {
                ttl: Some(seconds(0)),
                ..plain()
            },
        )
        .await;
    assert!(!instance.hits("c", &plain()).await);
    instance.pass(5);
    assert!(instance.hits("a", &plain()).await && !instance.hits("b", &plain()).await);
    instance.pass(95);
    assert!(!instance.hits("a", &plain()).await);
}

#[tokio::test]
async fn no_cache_looks_nothing_up_and_keeps_all_the_same() {
    let instance = Instance::local();
    let fresh = CacheControls {
        no_cache: true,
        ..plain()
    };
    instance.keep("a", &fresh).await;
    assert!(instance.hits("a", &plain()).await && !instance.hits("a", &fresh).await);
    let slot = instance.slot("a", &fresh).await;
    assert!(!slot.may_follow() && !slot.may_lead());
}

#[tokio::test]
async fn no_store_looks_up_and_keeps_nothing() {
    let instance = Instance::local();
    let unkept = CacheControls {
        no_store: true,
        ..plain()
    };
    instance.keep("a", &unkept).await;
    assert!(!instance.hits("a", &plain()).await);
    let slot = instance.slot("a", &unkept).await;
    assert!(slot.may_follow() && !slot.may_lead() && slot.assembler().is_none());
    instance.keep("a", &plain()).await;
    assert!(instance.hits("a", &unkept).await);
}

#[tokio::test]
async fn only_a_younger_answer_will_do() {
    let instance = Instance::local();
    instance.keep("a", &plain()).await;
    instance.pass(10);
    assert!(
        instance
            .hits(
                "a",
                &CacheControls {
                    max_age: Some(seconds(11)),
                    ..plain()
                }
            )
            .await
    );
    assert!(
        !instance
            .hits(
                "a",
                &CacheControls {
                    max_age: Some(seconds(10)),
                    ..plain()
                }
            )
            .await
    );
    assert!(instance.hits("a", &plain()).await);
}

#[tokio::test]
async fn reasons_to_leave_the_cache_alone() {
    let skip =
        async |settings: CacheConfig, controls: CacheControls| match Instance::new(settings, None)
            .ask("a", &controls)
            .await
        {
            Found::Off(skip) => Some(skip),
            _ => None,
        };
    let config = CacheConfig::default;
    let types = |name: &str| CacheConfig {
        call_types: Some(vec![name.to_owned()]),
        ..config()
    };
    assert_eq!(
        skip(types("embedding"), plain()).await,
        Some(Skip::CallType)
    );
    assert_eq!(skip(types("completion"), plain()).await, None);
    let opt_in = CacheConfig {
        opt_in: true,
        ..config()
    };
    assert_eq!(skip(opt_in.clone(), plain()).await, Some(Skip::NotAskedFor));
    assert_eq!(
        skip(
            opt_in,
            CacheControls {
                opted_in: true,
                ..plain()
            }
        )
        .await,
        None
    );
    assert_eq!(
        skip(
            config(),
            CacheControls {
                off: true,
                ..plain()
            }
        )
        .await,
        Some(Skip::ByCaller)
    );
    let neither = CacheControls {
        no_cache: true,
        no_store: true,
        ..plain()
    };
    assert_eq!(skip(config(), neither).await, Some(Skip::ByCaller));
    let most = |most| CacheConfig {
        max_messages: Some(most),
        ..config()
    };
    assert_eq!(skip(most(0), plain()).await, Some(Skip::TooManyMessages));
    assert_eq!(skip(most(1), plain()).await, None);
}

#[tokio::test]
async fn empty_and_too_large_answers_are_not_kept() {
    let instance = Instance::local();
    let slot = instance.slot("a", &plain()).await;
    assert!(!slot.fill_whole(&ChatAnswer::default(), "i", 1));
    assert!(!slot.fill_whole(&answer(""), "i", 1));
    assert!(!slot.fill_whole(&answer(&"x".repeat(1024 * 1024)), "i", 1));
    assert!(!instance.hits("a", &plain()).await);
    assert!(slot.fill_whole(&answer(" "), "chatcmpl-1", 17));
    assert!(instance.hits("a", &plain()).await);
}

#[tokio::test]
async fn stream_is_kept_when_it_has_ended() {
    let instance = Instance::local();
    let slot = instance.slot("a", &plain()).await;
    let text = ChatChunk::Text {
        block: 0,
        text: Text::new("yes"),
    };
    let mut cut = slot.assembler().unwrap();
    cut.saw(&text);
    assert!(!slot.fill_stream(cut, "i", 1));
    let mut whole = slot.assembler().unwrap();
    whole.saw(&text);
    whole.saw(&ChatChunk::Finish {
        stop: StopReason::default(),
        provider_fields: Vec::new(),
    });
    assert!(slot.fill_stream(whole, "chatcmpl-1", 17));
    assert!(instance.hits("a", &plain()).await);
}

#[tokio::test]
async fn instances_share_by_the_store_and_keep_a_copy() {
    let store = Arc::default();
    let (one, other) = (Instance::redis(&store), Instance::redis(&store));
    one.keep("a", &plain()).await;
    assert_eq!(
        store.values.lock().unwrap().values().next().unwrap().1,
        None
    );
    assert!(store.keys()[0].starts_with("cache:"));
    assert!(other.hits("a", &plain()).await && other.hits("a", &plain()).await);
    assert_eq!(store.reads.load(Ordering::SeqCst), 2);
    other.pass(3600);
    assert!(other.hits("a", &plain()).await);
}

#[tokio::test]
async fn copy_never_outlives_the_answer() {
    let store = Arc::default();
    let (one, other) = (Instance::redis(&store), Instance::redis(&store));
    one.keep(
        "a",
        &CacheControls {
            ttl: Some(seconds(5)),
            ..plain()
        },
    )
    .await;
    assert_eq!(
        store.values.lock().unwrap().values().next().unwrap().1,
        Some(seconds(5))
    );
    assert!(other.hits("a", &plain()).await);
    other.pass(5);
    assert!(!other.hits("a", &plain()).await);
}

#[tokio::test]
async fn store_that_is_away_is_a_miss_and_the_copy_serves_on() {
    let store = Arc::default();
    let (one, other) = (Instance::redis(&store), Instance::redis(&store));
    store.is_away.store(true, Ordering::SeqCst);
    one.keep("a", &plain()).await;
    assert!(one.hits("a", &plain()).await && !other.hits("a", &plain()).await);
    assert!(matches!(
        one.cache.as_ref().unwrap().ping().await,
        Err(AdminError::Store(_))
    ));
    assert!(one.cache.as_ref().unwrap().flush().await.is_err());
    assert!(!one.hits("a", &plain()).await);
}

#[tokio::test]
async fn strangers_bytes_are_a_miss() {
    let store = Arc::<Fake>::default();
    let instance = Instance::redis(&store);
    instance.keep("a", &plain()).await;
    for value in store.values.lock().unwrap().values_mut() {
        value.0 = Bytes::from_static(b"{\"v\":99}");
    }
    assert!(!Instance::redis(&store).hits("a", &plain()).await);
}

#[tokio::test]
async fn administrator_can_forget_one_or_all() {
    let store = Arc::default();
    for instance in [Instance::local(), Instance::redis(&store)] {
        let cache = Arc::clone(instance.cache.as_ref().unwrap());
        for text in ["a", "b", "c"] {
            instance.keep(text, &plain()).await;
        }
        let Found::Hit(key, _) = instance.ask("a", &plain()).await else {
            panic!("not kept");
        };
        cache.delete(&[key]).await.unwrap();
        assert!(!instance.hits("a", &plain()).await && instance.hits("b", &plain()).await);
        cache.flush().await.unwrap();
        assert!(!instance.hits("b", &plain()).await && store.keys().is_empty());
    }
}

#[tokio::test]
async fn reload_keeps_answers_unless_their_place_changed() {
    let mut instance = Instance::local();
    instance.keep("a", &plain()).await;
    let settings = CacheConfig {
        ttl: Some(seconds(5)),
        max_bytes: 1_000_000,
        scope: CacheScope::Global,
        ..CacheConfig::default()
    };
    instance.reload(Some(settings.clone()));
    assert!(instance.hits("a", &plain()).await);
    instance.reload(Some(CacheConfig {
        namespace: Some("n".to_owned()),
        ..settings.clone()
    }));
    instance.reload(Some(settings.clone()));
    assert!(!instance.hits("a", &plain()).await);
    instance.keep("a", &plain()).await;
    let elsewhere = RedisConfig {
        host: Some("other".to_owned()),
        ..RedisConfig::default()
    };
    instance.reload(Some(CacheConfig {
        redis: Some(elsewhere),
        ..settings
    }));
    assert!(!instance.hits("a", &plain()).await);
    instance.reload(None);
    assert!(instance.cache.is_none());
}

#[tokio::test]
async fn caching_groups_and_scope_come_from_the_configuration() {
    let mut instance = Instance::new(
        CacheConfig {
            scope: CacheScope::Key,
            ..CacheConfig::default()
        },
        None,
    );
    instance.keep("a", &plain()).await;
    let stranger = Tenant {
        key: Some("k".to_owned()),
        team: None,
    };
    assert!(matches!(
        instance.ask_as("a", &plain(), &stranger).await,
        Found::Miss(_)
    ));
    let config = Config {
        cache: Some(CacheConfig::default()),
        router: RouterSettings {
            caching_groups: vec![vec!["m".to_owned(), "n".to_owned()]],
            ..RouterSettings::default()
        },
        ..Config::default()
    };
    let with = Surroundings {
        store: None,
        clock: &instance.shared,
        tracker: &instance.tracker,
    };
    instance.cache = ResponseCache::build(&config, with, None);
    assert_eq!(instance.cache.as_ref().unwrap().groups.len(), 1);
}

#[tokio::test]
async fn a_store_that_is_away_does_not_say_that_a_response_is_not_there() {
    let store = Arc::new(Fake::default());
    let instance = Instance::redis(&store);
    let cache = instance.cache.as_ref().unwrap();
    let owner = Tenant::default();
    let ask = |id: &'static str| cache.recall(&owner, vec![id.to_owned()]);
    let room = cache.room().unwrap();
    assert!(cache.remember(&owner, vec![("resp_1", Bytes::from_static(b"{}"))], room));
    assert!(ask("resp_2").await.unwrap().is_empty());
    store.is_away.store(true, Ordering::SeqCst);
    assert!(ask("resp_2").await.is_err());
    // What this process has itself it still has.
    assert_eq!(ask("resp_1").await.unwrap().len(), 1);
}

#[tokio::test]
async fn where_too_many_are_being_written_there_is_no_room() {
    let store = Arc::new(Fake::default());
    let instance = Instance::redis(&store);
    let cache = instance.cache.as_ref().unwrap();
    let rooms: Vec<Room> = std::iter::from_fn(|| cache.room()).take(1000).collect();
    assert_eq!(rooms.len(), 64);
    let times = cache.times(None);
    assert!(!cache.keep("k", Bytes::from_static(b"{}"), &times));
    drop(rooms);
    assert!(cache.keep("k", Bytes::from_static(b"{}"), &times));
}
