//! Embeddings: kept one input at a time, so that a list finds what other lists brought.
//!
//! The key of an input is what it and the request's options say; its vectors are kept in the form in which the client got
//! them, with the tokens that it took.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::canon::{Canon, Canonical};
use super::chat::ByName;
use super::key::{Begun, KeyWriter, Keyed};
use super::stored::Kept;
use super::{Question, ResponseCache, Skip, Slot, Times};
use crate::canonical::{EmbedInput, EmbedRequest, Options, RawJson, Vector, VectorValues};

/// The form that this version writes and reads.
const VERSION: u32 = 1;

/// What one input took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Took {
    /// Input tokens.
    pub tokens: u64,
    /// Whether it was an image, as 1 or 0, where the model counts these.
    pub images: Option<u64>,
    /// Whether it was a query, where the model counts these.
    pub queries: Option<u64>,
}

/// What is known of one input.
#[derive(Debug)]
pub enum FoundVectors {
    /// Its vectors, and what it took.
    Hit(Vec<Vector>, Took),
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

/// What the inputs of a request have alike; each of them is appended to it (`Begun::with`).
impl Keyed for EmbedRequest {
    const OPERATION: &'static str = "aembedding";

    fn messages(&self) -> usize {
        1
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        let Self { input: _, options } = self;
        options.write(key.0);
    }
}

impl Canonical for EmbedInput {
    fn write(&self, out: &mut Canon) {
        let Self { text, media } = self;
        out.object(|out| {
            out.member("text", text);
            out.member("media", media);
        });
    }
}

impl Canonical for Options {
    fn write(&self, out: &mut Canon) {
        #[cfg(test)]
        tests::WRITTEN.with(|written| written.set(written.get() + 1));
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    images: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queries: Option<u64>,
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
    took: Took,
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
            took: Took {
                tokens: written.tokens,
                images: written.images,
                queries: written.queries,
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

/// Writes the vectors of one input; `None` for what must be asked for again: vectors that come later and elsewhere.
fn encode(vectors: &[&Vector], took: Took, times: &Times) -> Option<Bytes> {
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
        tokens: took.tokens,
        images: took.images,
        queries: took.queries,
        vectors: written.collect::<Option<_>>()?,
    };
    serde_json::to_vec(&written).ok().map(Bytes::from)
}

impl ResponseCache {
    /// Looks for the vectors of `inputs`, in this process and then, all at once, in the shared store. The question is about
    /// the rest of their request: that is hashed once, however many inputs there are.
    ///
    /// # Errors
    ///
    /// Why the cache is left alone.
    pub async fn look_up_inputs(
        self: &Arc<Self>,
        question: &Question<'_, EmbedRequest>,
        inputs: &[EmbedInput],
    ) -> Result<Inputs, Skip> {
        if let Some(skip) = self.skip(question) {
            return Err(skip);
        }
        let begun = Begun::of(question, &self.key_settings());
        let slots = inputs.iter().map(|input| {
            let key = begun.with(input).key();
            self.slot_of(question.controls, key)
        });
        let slots: Vec<Slot> = slots.collect();
        let max_age = question.controls.max_age;
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
            Some(kept) => FoundVectors::Hit(kept.vectors, kept.took),
            None => FoundVectors::Miss(slot),
        });
        Ok(Inputs {
            found: found.collect(),
            key,
        })
    }
}

impl Slot {
    /// Keeps the vectors of inputs of one request, this one among them, each with what it took.
    pub fn fill_inputs(&self, filled: &[(&Self, Vec<&Vector>, Took)]) {
        let times = self.cache.times(self.ttl);
        let values =
            (filled.iter())
                .filter(|(slot, ..)| slot.writes)
                .filter_map(|(slot, vectors, took)| {
                    Some((slot.key.clone(), encode(vectors, *took, &times)?))
                });
        self.cache.keep_all(values.collect(), &times);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::cache::tests::local_cache;
    use crate::cache::{CacheControls, RoutedBy, Tenant};
    use crate::canonical::Text;
    use crate::config::AwsParams;

    thread_local! {
        /// How often options were written into a key.
        pub(super) static WRITTEN: Cell<usize> = const { Cell::new(0) };
    }

    /// The keys of inputs whose request has these options, and how often those were hashed.
    async fn keys(inputs: &[&str], options: &Options) -> (Vec<String>, usize) {
        let cache = local_cache();
        let request = EmbedRequest {
            input: None,
            options: options.clone(),
        };
        let (aws, tenant, controls) = <(AwsParams, Tenant, CacheControls)>::default();
        let question = Question {
            model: "m",
            group: "m",
            routed_by: &RoutedBy::default(),
            call_type: "embedding",
            request: &request,
            aws: &aws,
            model_id: None,
            direct: false,
            tenant: &tenant,
            controls: &controls,
        };
        let inputs: Vec<EmbedInput> = inputs.iter().map(|input| Text::new(input).into()).collect();
        WRITTEN.set(0);
        let found = cache.look_up_inputs(&question, &inputs).await.unwrap();
        let keys = found.found.iter().map(|found| match found {
            FoundVectors::Miss(slot) => slot.key().to_owned(),
            FoundVectors::Hit(..) => panic!("nothing is kept"),
        });
        (keys.collect(), WRITTEN.get())
    }

    #[tokio::test]
    async fn what_inputs_share_is_hashed_once_and_is_in_every_key() {
        let options = |dimensions: u64| Options {
            members: vec![("dimensions".to_owned(), RawJson::from_value(&dimensions))],
            ..Options::default()
        };
        let (one, written) = keys(&["a", "b", "a", "c"], &options(256)).await;
        assert_eq!(written, 1);
        assert_eq!(one[0], one[2]);
        assert!(one[0] != one[1] && one[1] != one[3]);
        // Where an input stands in its list says nothing, its options do.
        let (alone, _) = keys(&["b"], &options(256)).await;
        assert_eq!(alone[0], one[1]);
        let (other, _) = keys(&["b"], &options(512)).await;
        assert_ne!(other[0], one[1]);
    }
}
