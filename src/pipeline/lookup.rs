//! The response cache, asked once per call: after the caller's own limits, before any deployment is chosen.
//!
//! So a hit needs no deployment that is ready, and counts against none. What the cache is and when it is left alone is
//! [`crate::cache`]'s; here a [`Call`] becomes its question.

use super::Call;
use crate::cache::{Found, Question, Skip, Slot, Stored};

/// What came of looking an answer up.
#[derive(Debug)]
pub enum Lookup {
    /// The cache was left alone.
    Off(Skip),
    /// The answer, and the key that it was kept under.
    Hit(String, Box<Stored>),
    /// No answer; this call's own goes here.
    Miss(Slot),
}

/// What the client is told of the cache, where it looked at the call (`x-litellm-cache-hit`, `x-litellm-cache-key`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheFacts {
    /// Whether the answer was kept before.
    pub hit: bool,
    /// The key.
    pub key: String,
}

/// Looks for an answer to `call`, which is about to be routed to the model group `group`, by `tags` where they decide.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn look_up(call: &Call, group: &str, tags: &[String]) -> Lookup {
    let Some(cache) = &call.snapshot.cache else {
        return Lookup::Off(Skip::NotConfigured);
    };
    let question = Question {
        model: &call.model,
        group,
        tags,
        request: &call.request,
        aws: &call.options.aws,
        model_id: call.options.model_id.as_deref(),
        direct: call.options.direct,
        tenant: &call.options.tenant,
        controls: &call.options.cache,
    };
    match cache.look_up(&question).await {
        Found::Off(skip) => {
            tracing::debug!(call_id = %call.id, reason = skip.name(), "response cache was left alone");
            Lookup::Off(skip)
        }
        Found::Hit(key, stored) => Lookup::Hit(key, stored),
        Found::Miss(slot) => Lookup::Miss(slot),
    }
}

impl Lookup {
    /// Returns what the client is told; `None` where the cache was left alone.
    pub fn facts(&self) -> Option<CacheFacts> {
        let (hit, key) = match self {
            Self::Off(_) => return None,
            Self::Hit(key, _) => (true, key.as_str()),
            Self::Miss(slot) => (false, slot.key()),
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
            Self::Hit(..) => "HIT",
            Self::Miss(slot) if slot.may_follow() => "MISS",
            Self::Miss(_) => "REFRESH",
        }
    }
}
