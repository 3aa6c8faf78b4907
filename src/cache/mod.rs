//! The response cache: what may be cached, and for how long.
//!
//! [`ResponseCache::look_up`] takes a question before any deployment is chosen. It answers with a kept answer, with the
//! [`Slot`] that this call's own answer may fill, or with the reason why the cache is left alone. An answer has one key
//! (`key`), one written form (`stored`), and up to two places: this process (`memory`), and the store that instances share
//! (`remote`) with a small copy in this process before it. Equal calls under way share one upstream call ([`Flights`]);
//! a kept stream is played again ([`replay`]). Beside answers it keeps the responses that clients may go on from
//! (`conversations`).

mod admin;
mod assemble;
mod canon;
mod chat;
mod controls;
mod conversations;
mod flight;
mod key;
mod memory;
mod ranked;
mod remote;
mod replay;
mod slot;
mod stored;
mod vectors;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use tokio_util::task::TaskTracker;

pub use admin::{AdminError, Health};
pub use assemble::Assembler;
pub use controls::CacheControls;
pub use conversations::Room;
pub use flight::{Flights, Joined, Lead, Waiter};
pub use key::{KeyWriter, Keyed, Question, RoutedBy, Tenant};
pub use ranked::FoundRanks;
pub use replay::replay;
pub use slot::Slot;
pub use stored::Stored;
pub use vectors::{FoundVectors, Inputs, Took};

use self::key::KeySettings;
use self::memory::Memory;
use self::remote::Remote;
use self::stored::Kept;
use crate::clock::SharedClock;
use crate::config::{CacheBackend, CacheConfig, Config};
use crate::store::Store;

/// How long an answer is kept in this process where nothing else is said. Source: LiteLLM's in-memory cache.
const LOCAL_TTL: Duration = Duration::from_secs(600);

/// How long this process keeps a copy of what the shared store has: so long a deletion takes to reach every instance.
const COPY_TTL: Duration = Duration::from_secs(60);

/// Keeps answers.
#[derive(Debug)]
pub struct ResponseCache {
    config: CacheConfig,
    /// `caching_groups`.
    groups: Vec<Vec<String>>,
    memory: Memory,
    remote: Option<Remote>,
    clock: SharedClock,
}

/// What a cache needs of the program around it.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where instances share answers, if `type` is `redis`.
    pub store: Option<&'a Arc<dyn Store>>,
    /// Time.
    pub clock: &'a SharedClock,
    /// Tasks that shutdown waits for.
    pub tracker: &'a TaskTracker,
}

/// Why the cache is left alone by a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// No cache is configured.
    NotConfigured,
    /// `supported_call_types` does not have the operation.
    CallType,
    /// `mode: default_off`, and the request does not ask for it.
    NotAskedFor,
    /// The request asks for that: `caching: false`, or `no-cache` and `no-store` together.
    ByCaller,
    /// More messages than `max_messages`.
    TooManyMessages,
}

impl Skip {
    /// Returns the reason, for the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::CallType => "call_type",
            Self::NotAskedFor => "not_asked_for",
            Self::ByCaller => "by_caller",
            Self::TooManyMessages => "too_many_messages",
        }
    }
}

/// What came of a question.
#[derive(Debug)]
pub enum Found {
    /// The cache is left alone.
    Off(Skip),
    /// An answer, and the key it was kept under.
    Hit(String, Box<Stored>),
    /// Nothing, or nothing that was looked for: the call's own answer may go here.
    Miss(Slot),
}

/// When an answer that comes now was kept, and until when it holds.
#[derive(Debug)]
struct Times {
    now_ms: u64,
    expires_ms: Option<u64>,
    ttl: Option<Duration>,
}

impl ResponseCache {
    /// Makes the cache that the configuration asks for. What `previous` keeps is taken over unless `type`, `namespace` or
    /// the place of the shared store changed.
    pub fn build(
        config: &Config,
        with: Surroundings<'_>,
        previous: Option<&Arc<Self>>,
    ) -> Option<Arc<Self>> {
        let settings = config.cache.as_ref()?;
        let shared = match settings.backend {
            CacheBackend::Local => None,
            CacheBackend::Redis => with.store,
        };
        let kept = previous.filter(|previous| previous.is_in_place(settings, shared));
        let memory = match kept {
            Some(kept) => kept.memory.resized(settings.max_bytes),
            None => Memory::new(settings.max_bytes),
        };
        let remote = match kept {
            Some(kept) => kept.remote.clone(),
            None => shared.map(|store| Remote::new(store, with.tracker)),
        };
        Some(Arc::new(Self {
            config: settings.clone(),
            groups: config.router.caching_groups.clone(),
            memory,
            remote,
            clock: Arc::clone(with.clock),
        }))
    }

    fn is_in_place(&self, settings: &CacheConfig, shared: Option<&Arc<dyn Store>>) -> bool {
        let is_same_store = match (&self.remote, shared) {
            (Some(remote), Some(store)) => remote.is_in(store),
            (None, None) => true,
            _ => false,
        };
        is_same_store
            && self.config.backend == settings.backend
            && self.config.namespace == settings.namespace
            && self.config.redis == settings.redis
    }

    /// Looks for the answer to a question, in this process and then in the shared store.
    pub async fn look_up<R: Keyed>(self: &Arc<Self>, question: &Question<'_, R>) -> Found {
        let slot = match self.slot(question) {
            Ok(slot) => slot,
            Err(skip) => return Found::Off(skip),
        };
        if slot.reads
            && let Some(stored) = self.find_one(&slot.key, question.controls.max_age).await
        {
            return Found::Hit(slot.key, Box::new(stored));
        }
        Found::Miss(slot)
    }

    /// Returns the place of the answer to a question.
    fn slot<R: Keyed>(self: &Arc<Self>, question: &Question<'_, R>) -> Result<Slot, Skip> {
        if let Some(skip) = self.skip(question) {
            return Err(skip);
        }
        let key = key::key(question, &self.key_settings());
        Ok(self.slot_of(question.controls, key))
    }

    fn slot_of(self: &Arc<Self>, controls: &CacheControls, key: String) -> Slot {
        Slot {
            cache: Arc::clone(self),
            key,
            ttl: controls.ttl,
            reads: !controls.no_cache,
            writes: !controls.no_store,
        }
    }

    fn key_settings(&self) -> KeySettings<'_> {
        KeySettings {
            scope: self.config.scope,
            namespace: self.config.namespace.as_deref(),
            groups: &self.groups,
        }
    }

    /// Says why the cache is to be left alone, if it is.
    fn skip<R: Keyed>(&self, question: &Question<'_, R>) -> Option<Skip> {
        let (config, controls) = (&self.config, question.controls);
        let types = config.call_types.as_ref();
        // The configuration has the names without the `a` of LiteLLM's asynchronous ones.
        if types.is_some_and(|types| !types.iter().any(|name| name == question.call_type)) {
            return Some(Skip::CallType);
        }
        if controls.off || (controls.no_cache && controls.no_store) {
            return Some(Skip::ByCaller);
        }
        if config.opt_in && !controls.opted_in {
            return Some(Skip::NotAskedFor);
        }
        let most = config.max_messages?;
        (question.request.messages() > most).then_some(Skip::TooManyMessages)
    }

    async fn find_one<K: Kept>(&self, key: &str, max_age: Option<Duration>) -> Option<K> {
        self.find(&[key], max_age).await.pop().flatten()
    }

    /// Reads what is kept under keys: those that this process has not, from the shared store in one round trip.
    async fn find<K: Kept>(&self, keys: &[&str], max_age: Option<Duration>) -> Vec<Option<K>> {
        let now_ms = self.now_ms();
        let here = |key: &&str| {
            let kept = K::decode(&self.memory.read(key)?)?;
            kept.is_fresh(now_ms, max_age).then_some(kept)
        };
        let mut found: Vec<Option<K>> = keys.iter().map(here).collect();
        let Some(remote) = &self.remote else {
            return found;
        };
        let missing = keys.iter().zip(&mut found);
        let missing: Vec<_> = missing.filter(|(_, found)| found.is_none()).collect();
        if missing.is_empty() {
            return found;
        }
        let asked: Vec<&str> = missing.iter().map(|(key, _)| **key).collect();
        let values = remote.read(&asked).await;
        for ((key, place), value) in missing.into_iter().zip(values) {
            *place = value.and_then(|value| self.copied(key, value, now_ms, max_age));
        }
        found
    }

    /// Reads a value of the shared store, and keeps a copy of it here.
    fn copied<K: Kept>(
        &self,
        key: &str,
        value: Bytes,
        now_ms: u64,
        max_age: Option<Duration>,
    ) -> Option<K> {
        let kept = K::decode(&value)?;
        if !kept.is_fresh(now_ms, None) {
            return None;
        }
        let left = kept
            .expires_ms()
            .map(|expires| Duration::from_millis(expires.saturating_sub(now_ms)));
        self.memory
            .write(key, value, left.unwrap_or(COPY_TTL).min(COPY_TTL));
        kept.is_fresh(now_ms, max_age).then_some(kept)
    }

    /// Says when an answer that comes now expires; `ttl` is the caller's wish.
    fn times(&self, ttl: Option<Duration>) -> Times {
        let ttl = ttl.or(self.config.ttl).or(match self.config.backend {
            CacheBackend::Local => Some(LOCAL_TTL),
            CacheBackend::Redis => None,
        });
        let now_ms = self.now_ms();
        let until = |ttl: Duration| {
            now_ms.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
        };
        Times {
            now_ms,
            expires_ms: ttl.map(until),
            ttl,
        }
    }

    /// Keeps a value under `key`, and says whether it is kept as long as it should be.
    fn keep(&self, key: &str, value: Bytes, times: &Times) -> bool {
        self.keep_all(vec![(key.to_owned(), value)], times)
    }

    /// Keeps several values of one request; likewise.
    fn keep_all(&self, values: Vec<(String, Bytes)>, times: &Times) -> bool {
        self.keep_in(values, times, self.room())
    }

    /// Keeps values where there is room; without any this process has copies for a while.
    fn keep_in(&self, values: Vec<(String, Bytes)>, times: &Times, room: Option<Room>) -> bool {
        if times.ttl.is_some_and(|ttl| ttl.is_zero()) || values.is_empty() {
            return false;
        }
        let ttl = match self.remote {
            Some(_) => times.ttl.unwrap_or(COPY_TTL).min(COPY_TTL),
            None => times.ttl.unwrap_or(LOCAL_TTL),
        };
        for (key, value) in &values {
            self.memory.write(key, value.clone(), ttl);
        }
        let Some(remote) = &self.remote else {
            let mut values = values.iter();
            return values.all(|(_, value)| value.len() <= memory::MOST_BYTES);
        };
        let Some(Room(Some(permit))) = room else {
            return false;
        };
        remote.write_in(permit, values, times.ttl);
        true
    }

    fn now_ms(&self) -> u64 {
        let since = self
            .clock
            .wall()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
