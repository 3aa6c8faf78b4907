//! The response cache, asked once per call: after the caller's own limits, before any deployment is chosen.
//!
//! So a hit needs no deployment that is ready, and counts against none. What the cache is and when it is left alone is
//! [`crate::cache`]'s; here a [`Call`] becomes its question, or, for embeddings, a question for each input.

use std::sync::Arc;

use super::Call;
use super::filling::{Filling, merged};
use crate::cache::{
    CacheControls, Found, FoundRanks, FoundVectors, Question, ResponseCache, RoutedBy, Skip,
};
use crate::canonical::{Answer, ChatRequest, EmbedAnswer, EmbedRequest, Request, RerankRequest};

/// What came of looking an answer up.
#[derive(Debug)]
pub enum Lookup {
    /// The cache was left alone.
    Off(Skip),
    /// The answer.
    Hit(Box<Known>),
    /// No answer, or not all of it; this call's own goes here.
    Miss(Filling),
}

/// An answer that was kept.
#[derive(Debug)]
pub struct Known {
    /// The key that it was kept under; empty for several.
    pub key: String,
    /// The answer.
    pub answer: Answer,
    /// `id` and `created` of its first rendering, of a chat's.
    pub first: Option<(String, u64)>,
}

/// What the client is told of the cache, where it looked at the call (`x-litellm-cache-hit`, `x-litellm-cache-key`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheFacts {
    /// Whether the answer was kept before.
    pub hit: bool,
    /// The key.
    pub key: String,
}

/// Looks for an answer to `call`, which is about to be routed to the model group `group`, `routed_by` what decides beside it.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn look_up(call: &Call, group: &str, routed_by: &RoutedBy) -> Lookup {
    let Some(cache) = &call.snapshot.cache else {
        return Lookup::Off(Skip::NotConfigured);
    };
    let found = match &call.request {
        Request::Chat(request) => chat(cache, question(call, group, routed_by, request)).await,
        Request::Embed(request) => inputs(cache, call, group, routed_by, request).await,
        Request::Rerank(request) => ranks(cache, question(call, group, routed_by, request)).await,
        Request::Count(_) | Request::Image(_) => Err(Skip::CallType),
    };
    found.unwrap_or_else(|skip| {
        tracing::debug!(call_id = %call.id, reason = skip.name(), "response cache was left alone");
        Lookup::Off(skip)
    })
}

/// The question that a call puts to the cache.
fn question<'a, R>(
    call: &'a Call,
    group: &'a str,
    routed_by: &'a RoutedBy,
    request: &'a R,
) -> Question<'a, R> {
    Question {
        model: &call.model,
        group,
        routed_by,
        call_type: call.front.call_type(),
        request,
        aws: &call.options.aws,
        model_id: call.options.model_id.as_deref(),
        direct: call.options.direct,
        tenant: &call.options.tenant,
        controls: &call.options.cache,
    }
}

async fn chat(
    cache: &Arc<ResponseCache>,
    question: Question<'_, ChatRequest>,
) -> Result<Lookup, Skip> {
    match cache.look_up(&question).await {
        Found::Off(skip) => Err(skip),
        Found::Hit(key, stored) => Ok(Lookup::Hit(Box::new(Known {
            key,
            answer: Answer::Chat(stored.answer),
            first: Some((stored.id, stored.created)),
        }))),
        Found::Miss(slot) => Ok(Lookup::Miss(Filling::Chat(slot))),
    }
}

async fn ranks(
    cache: &Arc<ResponseCache>,
    question: Question<'_, RerankRequest>,
) -> Result<Lookup, Skip> {
    Ok(match cache.look_up_ranks(&question).await? {
        FoundRanks::Hit(key, answer) => Lookup::Hit(Box::new(Known {
            key,
            answer: Answer::Rerank(answer),
            first: None,
        })),
        FoundRanks::Miss(slot) => Lookup::Miss(Filling::Ranks(slot)),
    })
}

async fn inputs(
    cache: &Arc<ResponseCache>,
    call: &Call,
    group: &str,
    routed_by: &RoutedBy,
    request: &EmbedRequest,
) -> Result<Lookup, Skip> {
    // A deployment's defaults may bring the input; what that is nobody knows here.
    let Some(asked) = &request.input else {
        return Err(Skip::CallType);
    };
    // A key that the caller chose is for one answer, not for each input.
    let controls = CacheControls {
        preset: None,
        ..call.options.cache.clone()
    };
    let question = Question {
        controls: &controls,
        ..question(call, group, routed_by, request)
    };
    let inputs = Arc::new(cache.look_up_inputs(&question, asked).await?);
    let is_known = |found: &FoundVectors| matches!(found, FoundVectors::Hit(..));
    if !inputs.found.iter().all(is_known) {
        return Ok(Lookup::Miss(Filling::Inputs(inputs)));
    }
    Ok(Lookup::Hit(Box::new(Known {
        key: inputs.key().to_owned(),
        answer: Answer::Embed(merged(&inputs, EmbedAnswer::default())),
        first: None,
    })))
}

impl Lookup {
    /// Returns what the client is told; `None` where the cache was left alone.
    pub fn facts(&self) -> Option<CacheFacts> {
        let (hit, key) = match self {
            Self::Off(_) => return None,
            Self::Hit(known) => (true, known.key.as_str()),
            Self::Miss(filling) => (false, filling.key()),
        };
        Some(CacheFacts {
            hit,
            key: key.to_owned(),
        })
    }

    /// Returns the word of Portkey's `-cache-status`.
    pub fn portkey_status(&self) -> &'static str {
        match self {
            Self::Off(_) => "DISABLED",
            Self::Hit(_) => "HIT",
            Self::Miss(filling) if filling.may_follow() => "MISS",
            Self::Miss(_) => "REFRESH",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::cache::CacheControls;
    use crate::canonical::{AnswerBlock, ChatAnswer, ChatRequest, Text};
    use crate::clock::{ManualClock, SharedClock};
    use crate::config::{CacheConfig, Config, Environment};
    use crate::dialect::Front;
    use crate::keys::Identity;
    use crate::pipeline::CallOptions;
    use crate::state::{Parts, Snapshot};
    use crate::upstream::{CredentialStore, Upstream, UpstreamOptions};

    fn call(cache: Option<CacheConfig>) -> Call {
        let clock: SharedClock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(9)));
        let options =
            UpstreamOptions::from_environment(Duration::from_secs(1), &Environment::default());
        let upstream = Arc::new(Upstream::new(options, Arc::clone(&clock)).unwrap());
        let credentials = CredentialStore::new(Arc::clone(&upstream), TaskTracker::new());
        let received = clock.now();
        let parts = Parts::new(upstream, Arc::new(credentials), clock);
        let config = Config {
            cache,
            ..Config::default()
        };
        Call {
            id: "id".to_owned(),
            snapshot: Arc::new(Snapshot::build(config, None, None, &parts).unwrap()),
            received,
            model: "m".to_owned(),
            shown_model: "m".to_owned(),
            request: Request::Chat(ChatRequest::default()),
            front: Front::CHAT,
            raw: None,
            options: CallOptions::default(),
            traceparent: None,
            version: http::Version::HTTP_11,
            identity: Identity::Anyone,
            answer_id: "chatcmpl-1".to_owned(),
            asked: crate::dialect::Asked::Nothing,
            created: 9,
            span: tracing::Span::none(),
        }
    }

    #[tokio::test]
    async fn call_misses_then_hits_and_says_so() {
        let mut call = call(Some(CacheConfig::default()));
        let missed = look_up(&call, "m", &RoutedBy::default()).await;
        let facts = missed.facts().unwrap();
        assert_eq!(
            (facts.hit, facts.key.len(), missed.portkey_status()),
            (false, 64, "MISS")
        );
        let Lookup::Miss(Filling::Chat(slot)) = missed else {
            panic!("nothing was kept yet");
        };
        let answer = ChatAnswer {
            blocks: vec![AnswerBlock::Text(Text::new("yes"))],
            ..ChatAnswer::default()
        };
        assert!(slot.fill_whole(&answer, "chatcmpl-1", 9));
        let found = look_up(&call, "m", &RoutedBy::default()).await;
        assert_eq!(
            (found.facts(), found.portkey_status()),
            (Some(CacheFacts { hit: true, ..facts }), "HIT")
        );
        // Another group behind the same name, and a stream, are other questions.
        assert!(
            !look_up(&call, "n", &RoutedBy::default())
                .await
                .facts()
                .unwrap()
                .hit
        );
        call.options.cache = CacheControls {
            no_cache: true,
            ..CacheControls::default()
        };
        assert_eq!(
            look_up(&call, "m", &RoutedBy::default())
                .await
                .portkey_status(),
            "REFRESH"
        );
        call.options.cache = CacheControls::default();
        call.request.chat_mut().unwrap().stream = true;
        assert!(
            !look_up(&call, "m", &RoutedBy::default())
                .await
                .facts()
                .unwrap()
                .hit
        );
    }

    #[tokio::test]
    async fn cache_that_is_off_says_nothing() {
        let off = look_up(&call(None), "m", &RoutedBy::default()).await;
        assert!(matches!(off, Lookup::Off(Skip::NotConfigured)));
        assert_eq!((off.facts(), off.portkey_status()), (None, "DISABLED"));
    }
}
