//! The place that a missed answer goes to once it has come.

use std::sync::Arc;
use std::time::Duration;

use super::stored::{Stored, encode, is_empty};
use super::{Assembler, ResponseCache};
use crate::canonical::ChatAnswer;

/// The place of one answer that was not there.
///
/// It is filled when the whole answer has come, and only then: dropping it, because the call failed or its client hung
/// up, keeps nothing.
#[derive(Debug, Clone)]
pub struct Slot {
    pub(super) cache: Arc<ResponseCache>,
    pub(super) key: String,
    pub(super) ttl: Option<Duration>,
    pub(super) reads: bool,
    pub(super) writes: bool,
}

impl Slot {
    /// Returns the key, for `x-litellm-cache-key` and [`super::Flights`].
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Says whether an answer was looked up: such a call may follow an equal one that is under way.
    pub fn may_follow(&self) -> bool {
        self.reads
    }

    /// Says whether others may share the call: its answer was looked up and will be kept.
    pub fn may_lead(&self) -> bool {
        self.reads && self.writes
    }

    /// Keeps a whole answer, and says whether it did: `no-store`, an empty answer and one that is too large are not kept.
    pub fn fill_whole(&self, answer: &ChatAnswer, id: &str, created: u64) -> bool {
        if !self.writes || is_empty(answer) {
            return false;
        }
        let times = self.cache.times(self.ttl);
        let stored = Stored {
            answer: answer.clone(),
            id: id.to_owned(),
            created,
            stored_ms: times.now_ms,
            expires_ms: times.expires_ms,
        };
        let Some(value) = encode(&stored) else {
            return false;
        };
        self.cache.keep(&self.key, value, &times)
    }

    /// Returns what puts a stream together; `None` where the answer is not to be kept.
    pub fn assembler(&self) -> Option<Assembler> {
        self.writes.then(Assembler::default)
    }

    /// Keeps a stream that has come to its end, and says whether it did, see [`Slot::fill_whole`].
    pub fn fill_stream(&self, assembler: Assembler, id: &str, created: u64) -> bool {
        assembler
            .finish()
            .is_some_and(|answer| self.fill_whole(&answer, id, created))
    }
}
