//! Rerank: kept whole, by its question and documents.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::canon::{Canon, Canonical};
use super::key::{KeyWriter, Keyed};
use super::stored::Kept;
use super::{Question, ResponseCache, Skip, Slot};
use crate::canonical::{Document, Ranked, RawJson, RerankAnswer, RerankRequest, Text};

/// The form that this version writes and reads.
const VERSION: u32 = 1;

/// What came of looking a rerank answer up.
#[derive(Debug)]
pub enum FoundRanks {
    /// The answer, and the key that it was kept under.
    Hit(String, RerankAnswer),
    /// No answer; it goes here.
    Miss(Slot),
}

impl Keyed for RerankRequest {
    const OPERATION: &'static str = "arerank";

    fn messages(&self) -> usize {
        1
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        let Self {
            query,
            documents,
            options,
        } = self;
        key.0.object(|out| {
            out.member("query", query);
            out.member("documents", documents);
            out.member("options", options);
        });
    }
}

impl Canonical for Document {
    fn write(&self, out: &mut Canon) {
        out.object(|out| match self {
            Self::Text(text) => out.member("text", text),
            Self::Json(json) => out.member("json", json),
        });
    }
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    v: u32,
    stored_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    search_units: u64,
    #[serde(borrow)]
    results: Vec<WrittenRank<'a>>,
}

#[derive(Serialize, Deserialize)]
struct WrittenRank<'a> {
    index: u64,
    #[serde(borrow)]
    score: &'a RawValue,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    text: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    json: Option<&'a RawValue>,
}

struct StoredRanks {
    answer: RerankAnswer,
    stored_ms: u64,
    expires_ms: Option<u64>,
}

impl Kept for StoredRanks {
    fn decode(bytes: &Bytes) -> Option<Self> {
        let written: Written<'_> = serde_json::from_slice(bytes).ok()?;
        if written.v != VERSION {
            return None;
        }
        let results = (written.results.into_iter()).map(|rank| {
            let document = match (rank.text, rank.json) {
                (Some(text), _) => Some(Document::Text(Text::from_raw(bytes, text)?)),
                (None, Some(json)) => Some(Document::Json(RawJson::from_raw(bytes, json))),
                (None, None) => None,
            };
            Some(Ranked {
                index: rank.index,
                score: RawJson::from_raw(bytes, rank.score),
                document,
            })
        });
        Some(Self {
            answer: RerankAnswer {
                results: results.collect::<Option<_>>()?,
                search_units: written.search_units,
            },
            stored_ms: written.stored_ms,
            expires_ms: written.expires_ms,
        })
    }

    fn stored_ms(&self) -> u64 {
        self.stored_ms
    }

    fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }
}

impl ResponseCache {
    /// Looks for the answer to a rerank question.
    ///
    /// # Errors
    ///
    /// Why the cache is left alone.
    pub async fn look_up_ranks(
        self: &std::sync::Arc<Self>,
        question: &Question<'_, RerankRequest>,
    ) -> Result<FoundRanks, Skip> {
        let slot = self.slot(question)?;
        if slot.reads
            && let Some(kept) = self
                .find_one::<StoredRanks>(&slot.key, question.controls.max_age)
                .await
        {
            return Ok(FoundRanks::Hit(slot.key, kept.answer));
        }
        Ok(FoundRanks::Miss(slot))
    }
}

impl Slot {
    /// Keeps a rerank answer, and says whether it did: `no-store` and an empty answer are not kept.
    pub fn fill_ranks(&self, answer: &RerankAnswer) -> bool {
        if !self.writes || answer.results.is_empty() {
            return false;
        }
        let times = self.cache.times(self.ttl);
        let results = answer.results.iter().map(|ranked| {
            let Ranked {
                index,
                score,
                document,
            } = ranked;
            let (text, json) = match document {
                Some(Document::Text(text)) => (Some(serde_json::from_str(text.raw()).ok()?), None),
                Some(Document::Json(json)) => (None, Some(json.parse().ok()?)),
                None => (None, None),
            };
            Some(WrittenRank {
                index: *index,
                score: score.parse().ok()?,
                text,
                json,
            })
        });
        let Some(results) = results.collect::<Option<Vec<_>>>() else {
            return false;
        };
        let written = Written {
            v: VERSION,
            stored_ms: times.now_ms,
            expires_ms: times.expires_ms,
            search_units: answer.search_units,
            results,
        };
        serde_json::to_vec(&written)
            .is_ok_and(|value| self.cache.keep(&self.key, Bytes::from(value), &times))
    }
}
