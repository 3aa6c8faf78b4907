//! A bounded map that forgets what was used longest ago.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Keeps at most a fixed number of entries.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    entries: HashMap<K, (V, u64)>,
    capacity: usize,
    /// Counts up with every use, to tell which was longest ago.
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            capacity,
            used: 0,
        }
    }

    /// Returns what is kept under `key`, and counts that as a use.
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.used += 1;
        let (value, used) = self.entries.get_mut(key)?;
        *used = self.used;
        Some(value)
    }

    /// Keeps `value`; where there is no room, what was used longest ago makes some.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.used += 1;
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            // Few entries and few new names: looking through all of them is cheaper than a second index.
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
        self.entries.insert(key, (value, self.used));
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|(value, _)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_is_forgotten() {
        let mut recent = Recent::new(2);
        recent.insert("a".to_owned(), 1);
        recent.insert("b".to_owned(), 2);
        assert_eq!(recent.get("a"), Some(&1));
        recent.insert("c".to_owned(), 3);
        assert_eq!(recent.get("b"), None);
        assert_eq!(recent.get("a"), Some(&1));
        recent.insert("a".to_owned(), 4);
        assert_eq!(recent.get("c"), Some(&3));
        assert_eq!(recent.values().count(), 2);
    }
}
