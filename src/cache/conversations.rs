//! Responses that clients may go on from: kept where answers are, each for the caller that it was made for.
//!
//! The key is a hash of whose the response is and what it is called, so that nobody finds another's, however an id was come
//! by. What is too large, or was thrown out to make room, is not there; who asks says so to its client.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::{AdminError, ResponseCache, Tenant};
use crate::hex::hex;

/// How long a response is kept, whatever `ttl` says of answers.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The largest conversation that is kept for several instances, in bytes; one that stays in this process has a smaller bound.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Room to keep values in, see [`ResponseCache::room`].
#[derive(Debug)]
pub struct Room(pub(super) Option<OwnedSemaphorePermit>);

impl ResponseCache {
    /// Returns how many bytes of a response and the conversation that led to it can be kept.
    pub fn most_remembered(&self) -> usize {
        if self.remote.is_some() {
            return MOST_BYTES;
        }
        let all = usize::try_from(self.config.max_bytes).unwrap_or(usize::MAX);
        super::memory::MOST_BYTES.min(all)
    }

    /// Returns room to keep values in; `None` where too many are being written.
    pub fn room(&self) -> Option<Room> {
        match &self.remote {
            None => Some(Room(None)),
            Some(remote) => remote.room().map(|permit| Room(Some(permit))),
        }
    }

    /// Keeps what a response left behind, under several names, in `room`; says whether it did.
    pub fn remember(&self, owner: &Tenant, records: Vec<(&str, Bytes)>, room: Room) -> bool {
        let most = self.most_remembered();
        if records.iter().any(|(_, record)| record.len() > most) {
            return false;
        }
        let records = records.into_iter();
        let values = records.map(|(id, record)| (key(owner, id), record));
        let times = self.times(Some(KEPT));
        self.keep_in(values.collect(), &times, Some(room))
    }

    /// Returns what the responses called `ids` left behind, as far as it is kept.
    ///
    /// # Errors
    ///
    /// The shared store failed: nobody knows what it keeps.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn recall(
        &self,
        owner: &Tenant,
        ids: Vec<String>,
    ) -> Result<BTreeMap<String, Bytes>, AdminError> {
        let mut found = BTreeMap::new();
        let mut elsewhere = Vec::new();
        for id in ids {
            let key = key(owner, &id);
            match self.memory.read(&key) {
                Some(record) => {
                    found.insert(id, record);
                }
                None => elsewhere.push((id, key)),
            }
        }
        if let Some(remote) = &self.remote
            && !elsewhere.is_empty()
        {
            let keys: Vec<&str> = elsewhere.iter().map(|(_, key)| key.as_str()).collect();
            let records = remote.read_large(&keys).await?;
            let records = elsewhere.into_iter().zip(records);
            found.extend(records.filter_map(|((id, _), record)| Some((id, record?))));
        }
        Ok(found)
    }

    /// Forgets a response. Other instances may have a copy for a minute.
    ///
    /// # Errors
    ///
    /// The shared store failed; this process has forgotten it.
    pub async fn forget(&self, owner: &Tenant, id: &str) -> Result<(), AdminError> {
        self.delete(&[key(owner, id)]).await
    }
}

fn key(owner: &Tenant, id: &str) -> String {
    let mut hasher = Sha256::new();
    // A key belongs to one team at a time, and keeps its responses when that changes.
    for part in [owner.key.as_deref().unwrap_or_default(), id] {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    format!("response:{}", hex(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cache::tests::local_cache;

    fn owner(key: &str) -> Tenant {
        Tenant {
            key: Some(key.to_owned()),
            team: None,
        }
    }

    #[tokio::test]
    async fn a_response_is_found_by_its_owner_until_it_is_forgotten() {
        let cache = local_cache();
        let record = Bytes::from_static(b"{}");
        let room = cache.room().unwrap();
        assert!(cache.remember(&owner("a"), vec![("resp_1", record.clone())], room));
        let ask = |key: &'static str| {
            let cache = Arc::clone(&cache);
            async move {
                let ids = vec!["resp_1".to_owned(), "resp_2".to_owned()];
                cache.recall(&owner(key), ids).await.unwrap()
            }
        };
        assert_eq!(
            ask("a").await,
            BTreeMap::from([("resp_1".to_owned(), record)])
        );
        assert!(ask("b").await.is_empty());
        cache.forget(&owner("a"), "resp_1").await.unwrap();
        assert!(ask("a").await.is_empty());
    }

    #[test]
    fn too_large_a_conversation_is_not_kept() {
        let cache = local_cache();
        let most = cache.most_remembered();
        assert_eq!(most, super::super::memory::MOST_BYTES);
        for (length, is_kept) in [(most, true), (most + 1, false), (MOST_BYTES + 1, false)] {
            let record = Bytes::from(vec![b' '; length]);
            let room = cache.room().unwrap();
            let kept = cache.remember(&owner("a"), vec![("resp_1", record)], room);
            assert_eq!(kept, is_kept);
        }
    }

    #[test]
    fn names_that_run_into_each_other_stay_apart() {
        assert_ne!(key(&owner("ab"), "c"), key(&owner("a"), "bc"));
    }
}
