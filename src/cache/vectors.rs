//! Embeddings: kept one input at a time, so that a list finds what other lists brought.
//!
//! The key of an input is what it and the request's options say; its vectors are kept in the form in which the client got
//! them, with the tokens that it took.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::canon::{Canon, Canonical};
use super::chat::ByName;
use super::key::{KeyWriter, Keyed};
use super::stored::{Kept, is_fresh};
use super::{Question, ResponseCache, Skip, Slot, Times};
use crate::canonical::{EmbedInput, Options, RawJson, Vector, VectorValues};

/// The form that this version writes and reads.
const VERSION: u32 = 1;

/// One input of an embeddings request, as far as the cache is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// The input.
    pub input: &'a EmbedInput,
    /// The members of its request.
    pub options: &'a Options,
}

/// What is known of one input.
#[derive(Debug)]
pub enum FoundVectors {
    /// Its vectors, and the tokens that it took.
    Hit(Vec<Vector>, u64),
    /// Nothing: they go here.
    Miss(Slot),
}

/// What came of looking inputs up.
#[derive(Debug)]
pub struct Inputs {
    /// One for each input, in order.
    pub found: Vec<FoundVectors>,
    /// The key, where there is one input.
    key: String,
}

impl Inputs {
    /// Returns the key of the input, where there is one only.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns what lists have alike that miss the same.
    pub fn missing_key(&self) -> String {
        let mut canon = Canon::new("switchyard-inputs/1");
        for found in &self.found {
            if let FoundVectors::Miss(slot) = found {
                canon.string(slot.key());
            }
        }
        canon.hex()
    }
}

impl Keyed for Element<'_> {
    const OPERATION: &'static str = "aembedding";

    fn messages(&self) -> usize {
        1
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        self.write(key.0);
    }
}

impl Canonical for Element<'_> {
    fn write(&self, out: &mut Canon) {
        let EmbedInput { text, media } = self.input;
        out.object(|out| {
            out.member("text", text);
            out.member("media", media);
            out.member("options", self.options);
        });
    }
}

impl Canonical for Options {
    fn write(&self, out: &mut Canon) {
        let Self {
            members,
            guardrail,
            drop_params,
            additional_drop_params,
            allowed_openai_params,
            extra_headers,
        } = self;
        out.object(|out| {
            out.member("members", &ByName(members));
            out.member("guardrail", guardrail);
            out.member("drop_params", drop_params);
            out.member("additional_drop_params", additional_drop_params);
            out.member("allowed_openai_params", allowed_openai_params);
            out.member("extra_headers", &ByName(extra_headers));
        });
    }
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    v: u32,
    stored_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    tokens: u64,
    #[serde(borrow)]
    vectors: Vec<WrittenVector<'a>>,
}

#[derive(Serialize, Deserialize)]
struct WrittenVector<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    numbers: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    base64: Option<Cow<'a, str>>,
}

/// The vectors of one input, out of the cache; their index says nothing.
struct StoredVectors {
    vectors: Vec<Vector>,
    tokens: u64,
    stored_ms: u64,
    expires_ms: Option<u64>,
}

impl Kept for StoredVectors {
    fn decode(bytes: &Bytes) -> Option<Self> {
        let written: Written<'_> = serde_json::from_slice(bytes).ok()?;
        if written.v != VERSION {
            return None;
        }
        let vectors = (written.vectors.into_iter()).map(|vector| {
            let values = match (vector.numbers, vector.base64) {
                (Some(numbers), _) => VectorValues::Numbers(RawJson::from_raw(bytes, numbers)),
                (None, Some(base64)) => VectorValues::Base64(base64.into_owned()),
                (None, None) => return None,
            };
            Some(Vector {
                index: 0,
                values,
                kind: vector.kind.map(Cow::into_owned),
                provider_fields: Vec::new(),
            })
        });
        Some(Self {
            vectors: vectors.collect::<Option<_>>()?,
            tokens: written.tokens,
            stored_ms: written.stored_ms,
            expires_ms: written.expires_ms,
        })
    }

    fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }

    fn is_fresh(&self, now_ms: u64, max_age: Option<Duration>) -> bool {
        is_fresh(self.stored_ms, self.expires_ms, now_ms, max_age)
    }
}

/// Writes the vectors of one input; `None` for what must be asked for again: vectors that come later and elsewhere.
fn encode(vectors: &[&Vector], tokens: u64, times: &Times) -> Option<Bytes> {
    if vectors.is_empty() {
        return None;
    }
    let written = vectors.iter().map(|vector| {
        let Vector {
            index: _,
            values,
            kind,
            provider_fields,
        } = vector;
        if !provider_fields.is_empty() {
            return None;
        }
        let (numbers, base64) = match values {
            VectorValues::Numbers(json) => (Some(json.parse().ok()?), None),
            VectorValues::Base64(text) => (None, Some(Cow::Borrowed(text.as_str()))),
        };
        Some(WrittenVector {
            kind: kind.as_deref().map(Cow::Borrowed),
            numbers,
            base64,
        })
    });
    let written = Written {
        v: VERSION,
        stored_ms: times.now_ms,
        expires_ms: times.expires_ms,
        tokens,
        vectors: written.collect::<Option<_>>()?,
    };
    serde_json::to_vec(&written).ok().map(Bytes::from)
}

impl ResponseCache {
    /// Looks for the vectors of several inputs, in this process and then, all at once, in the shared store. The questions
    /// are of one request: they differ in their inputs only.
    ///
    /// # Errors
    ///
    /// Why the cache is left alone.
    pub async fn look_up_inputs(
        self: &Arc<Self>,
        questions: &[Question<'_, Element<'_>>],
    ) -> Result<Inputs, Skip> {
        let mut slots = Vec::with_capacity(questions.len());
        for question in questions {
            slots.push(self.slot(question)?);
        }
        let max_age = questions.first().and_then(|one| one.controls.max_age);
        let keys: Vec<&str> = slots.iter().map(Slot::key).collect();
        let kept: Vec<Option<StoredVectors>> = if slots.first().is_some_and(Slot::may_follow) {
            self.find(&keys, max_age).await
        } else {
            keys.iter().map(|_| None).collect()
        };
        let key = match slots.as_slice() {
            [slot] => slot.key.clone(),
            _ => String::new(),
        };
        let found = slots.into_iter().zip(kept).map(|(slot, kept)| match kept {
            Some(kept) => FoundVectors::Hit(kept.vectors, kept.tokens),
            None => FoundVectors::Miss(slot),
        });
        Ok(Inputs {
            found: found.collect(),
            key,
        })
    }
}

impl Slot {
    /// Keeps the vectors of inputs of one request, this one among them, each with the tokens that it took.
    pub fn fill_inputs(&self, filled: &[(&Self, Vec<&Vector>, u64)]) {
        let times = self.cache.times(self.ttl);
        let values = (filled.iter()).filter(|(slot, ..)| slot.writes).filter_map(
            |(slot, vectors, tokens)| Some((slot.key.clone(), encode(vectors, *tokens, &times)?)),
        );
        self.cache.keep_all(values.collect(), &times);
    }
}
