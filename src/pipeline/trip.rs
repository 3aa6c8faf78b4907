//! A call on its way through model groups: what it may still do, and one group's part of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use super::{Call, Journal};
use crate::canonical::ChatRequest;
use crate::config::{ByClass, RouterSettings};
use crate::router::{Asked, Attempted, Fallbacks, ModelGroup};
use crate::state::Parts;

/// One call with what it has left.
#[derive(Debug)]
pub(super) struct Trip<'a> {
    /// The call.
    pub call: &'a Arc<Call>,
    /// What lives longer than a snapshot.
    pub parts: &'a Parts,
    /// Where what is learned stands.
    pub journal: &'a Arc<Journal>,
    /// Fallback targets that were tried, by identity.
    pub attempted: Attempted,
    /// Whether it continues a stream whose beginning the client has.
    pub resuming: bool,
    /// Further sends that `num_retries_per_request` leaves; `None`: no bound of that kind.
    pub further: Option<u32>,
}

/// One model group's part of a trip.
#[derive(Debug, Clone)]
pub(super) struct Hop<'a> {
    /// The group.
    pub group: Arc<ModelGroup>,
    /// Its name as the client knows it: an alias under its own name.
    pub shown: String,
    /// The request for it.
    pub request: Cow<'a, ChatRequest>,
    /// What selection looks at.
    pub asked: Asked,
    /// The `order` tier that it is about.
    pub tier: Option<i64>,
    /// Deployments that are left out, by id.
    pub excluded: Vec<String>,
    /// How often a gateway configuration wants this group tried again; `None`: as everywhere.
    pub retry: Option<RetryWish>,
    /// How many fallback lists led here.
    pub depth: u32,
}

/// What a gateway configuration says of retries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryWish {
    /// Retries after the first attempt.
    pub attempts: u32,
    /// Status codes that are tried again; empty: as everywhere.
    pub on_status: Vec<u16>,
    /// Whether `Retry-After` is waited for.
    pub honours_retry_after: bool,
}

impl Hop<'_> {
    /// Says whether AWS's `retry-after` is waited for.
    pub(super) fn honours_retry_after(&self) -> bool {
        (self.retry.as_ref()).is_none_or(|wish| wish.honours_retry_after)
    }
}

impl<'a> Trip<'a> {
    /// Begins a call's trip.
    pub(super) fn new(call: &'a Arc<Call>, parts: &'a Parts, journal: &'a Arc<Journal>) -> Self {
        let further = call.snapshot.config.router.num_retries_per_request;
        Self {
            call,
            parts,
            journal,
            attempted: Attempted::default(),
            resuming: false,
            further,
        }
    }

    /// Returns when the caller stops waiting; a caller's timeout ends with a stream's first content.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadline = self.call.deadline()?;
        if self.resuming {
            deadline.end
        } else {
            Some(deadline.first_content)
        }
    }

    /// Says whether the caller has stopped waiting.
    pub(super) fn is_too_late(&self) -> bool {
        self.deadline()
            .is_some_and(|deadline| self.parts.clock.now() >= deadline)
    }

    /// Returns the router's settings.
    pub(super) fn settings(&self) -> &'a RouterSettings {
        &self.call.snapshot.config.router
    }

    /// Returns the fallback lists that hold for the call: its own, else its key's, else the router's.
    pub(super) fn fallbacks(&self) -> Fallbacks<'a> {
        let settings = self.settings();
        let mut lists = Fallbacks::of_router(&settings.fallbacks, settings.fallback_on_4xx);
        if let Some(key) = self.call.identity.key() {
            let of_key = &key.config.router;
            lists.general = of_key.fallbacks.as_deref().unwrap_or(lists.general);
            let context_window = of_key.context_window_fallbacks.as_deref();
            lists.context_window = context_window.unwrap_or(lists.context_window);
            let content_policy = of_key.content_policy_fallbacks.as_deref();
            lists.content_policy = content_policy.unwrap_or(lists.content_policy);
        }
        let own = &self.call.options.fallbacks;
        if let Some(general) = &own.general {
            lists.general = general;
        }
        if let Some(context_window) = &own.context_window {
            lists.context_window = context_window;
        }
        if let Some(content_policy) = &own.content_policy {
            lists.content_policy = content_policy;
        }
        lists.direct = &own.direct;
        lists
    }

    /// Returns the retry policy of a group: the key's, else the router's for it, else the router's.
    pub(super) fn retry_policy(&self, group: &str) -> Option<&'a ByClass> {
        let settings = self.settings();
        let of_key = self.call.identity.key();
        of_key
            .and_then(|key| key.config.router.group_retry_policies.get(group))
            .or_else(|| settings.group_retry_policies.get(group))
            .or(settings.retry_policy.as_ref())
    }

    /// Takes one of the sends that `num_retries_per_request` leaves; says whether there was one.
    pub(super) fn may_go_on(&mut self) -> bool {
        match &mut self.further {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}
