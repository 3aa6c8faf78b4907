//! The tier in this process: answers by key, within a number of bytes.
//!
//! What is asked for again and again stays; what was not asked for longest goes first. An entry also goes when its time
//! has passed, whatever the clock of the library beneath says: [`super::ResponseCache`] looks at the answer's own times.

use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// The largest answer that is kept here, in bytes. Source: LiteLLM, items over 1 MB.
pub(super) const MOST_BYTES: usize = 1024 * 1024;

/// What an entry takes beside its key and value, roughly.
const OVERHEAD_BYTES: usize = 256;

/// Answers in this process.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    entries: Cache<String, Entry>,
    most: u64,
}

/// An answer in its written form.
#[derive(Debug, Clone)]
struct Entry {
    value: Bytes,
    ttl: Duration,
}

#[derive(Debug)]
struct ByEntry;

impl Expiry<String, Entry> for ByEntry {
    fn expire_after_create(&self, _: &String, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}

impl Memory {
    /// Makes room for `most` bytes.
    pub(super) fn new(most: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(most)
            .weigher(|key: &String, entry: &Entry| {
                u32::try_from(key.len() + entry.value.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(ByEntry)
            .build();
        Self { entries, most }
    }

    /// Makes the same with room for `most` bytes; what fits goes along.
    pub(super) fn resized(&self, most: u64) -> Self {
        if most == self.most {
            return self.clone();
        }
        let resized = Self::new(most);
        for (key, entry) in &self.entries {
            resized.entries.insert((*key).clone(), entry);
        }
        resized
    }

    /// Returns what is kept under `key`.
    pub(super) fn read(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key).map(|entry| entry.value)
    }

    /// Keeps a value for `ttl`, unless it is too large; then an older one goes, too.
    pub(super) fn write(&self, key: &str, value: Bytes, ttl: Duration) {
        if value.len() > MOST_BYTES || ttl.is_zero() {
            self.entries.invalidate(key);
        } else {
            self.entries.insert(key.to_owned(), Entry { value, ttl });
        }
    }

    /// Forgets what is kept under `key`.
    pub(super) fn delete(&self, key: &str) {
        self.entries.invalidate(key);
    }

    /// Forgets everything.
    pub(super) fn flush(&self) {
        self.entries.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn values_are_kept_within_the_bytes() {
        let memory = Memory::new(10_000);
        for n in 0..100 {
            memory.write(&format!("k{n}"), Bytes::from(vec![0; 700]), LONG);
        }
        memory.entries.run_pending_tasks();
        assert!(memory.entries.weighted_size() <= 10_000);
        assert!(memory.read("k99").is_some() && memory.read("k0").is_none());
    }

    #[test]
    fn too_large_a_value_is_not_kept_and_replaces_the_older_one() {
        let memory = Memory::new(64 * 1024 * 1024);
        memory.write("k", Bytes::from_static(b"old"), LONG);
        memory.write("k", Bytes::from(vec![0; MOST_BYTES + 1]), LONG);
        assert_eq!(memory.read("k"), None);
        memory.write("k", Bytes::from(vec![0; MOST_BYTES]), LONG);
        assert!(memory.read("k").is_some());
    }

    #[test]
    fn resizing_keeps_what_fits() {
        let memory = Memory::new(100_000);
        memory.write("k", Bytes::from_static(b"v"), LONG);
        assert!(memory.resized(50_000).read("k").is_some());
        let tiny = memory.resized(10);
        tiny.entries.run_pending_tasks();
        assert!(tiny.read("k").is_none());
    }

    #[test]
    fn deleting_and_flushing_forget() {
        let memory = Memory::new(100_000);
        for key in ["a", "b", "c"] {
            memory.write(key, Bytes::from_static(b"v"), LONG);
        }
        memory.delete("a");
        assert!(memory.read("a").is_none() && memory.read("b").is_some());
        memory.flush();
        assert!(memory.read("b").is_none() && memory.read("c").is_none());
        memory.write("b", Bytes::from_static(b"v"), LONG);
        assert!(memory.read("b").is_some());
    }
}
