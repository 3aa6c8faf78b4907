//! A call on its way through model groups: what it may still do, and one group's part of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Call, Journal};
use crate::canonical::Request;
use crate::config::{ByClass, RouterSettings};
use crate::error::{Error, ErrorKind};
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
    pub request: Cow<'a, Request>,
    /// What selection looks at.
    pub asked: Asked,
    /// The `order` tier that it is about.
    pub tier: Option<i64>,
    /// Deployments that are left out, by id.
    pub excluded: Vec<String>,
    /// What a gateway configuration says of attempts; `None`: as everywhere.
    pub retry: Option<RetryWish>,
    /// How many fallback lists led here.
    pub depth: u32,
}

/// What a gateway configuration says of attempts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryWish {
    /// Retries after the first attempt.
    pub attempts: u32,
    /// Status codes that are tried again.
    pub on_status: Vec<u16>,
    /// Whether `Retry-After` is waited for.
    pub honours_retry_after: bool,
    /// The bound on one attempt, instead of the deployment's.
    pub timeout: Option<Duration>,
}

/// The longest that a call waits for providers that ask for it, in all. Source: Portkey.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// The first wait that no provider asked for; every further one is twice as long. Source: Portkey.
const FIRST_WAIT: Duration = Duration::from_secs(1);

impl RetryWish {
    /// Returns how long to wait after `made` retries, and whether the provider asked for it; `None` where it asks for more
    /// than is waited for, when `waited` was for it already.
    pub(super) fn wait(
        &self,
        made: u32,
        waited: Duration,
        error: &Error,
    ) -> Option<(Duration, bool)> {
        let asked = if self.honours_retry_after && error.status().as_u16() == 429 {
            asked_for(error)
        } else {
            None
        };
        match asked {
            Some(asked) if asked >= LONGEST_ASKED || asked + waited > LONGEST_ASKED => None,
            Some(asked) => Some((asked, true)),
            None => Some((FIRST_WAIT.saturating_mul(1 << made.min(6)), false)),
        }
    }
}

/// What the provider asks to wait.
fn asked_for(error: &Error) -> Option<Duration> {
    let headers = error.upstream_headers();
    let ms = (headers.get("x-ms-retry-after-ms"))
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    error
        .retry_after()
        .or(ms.map(Duration::from_millis))
        .filter(|asked| !asked.is_zero())
}

/// Says whether a list of status codes has this error. An AWS that failed is 503 here, whatever it said, so that 500 is
/// meant by it too.
pub(super) fn lists(codes: &[u16], error: &Error) -> bool {
    let status = error.status().as_u16();
    codes.contains(&status)
        || (status == 503 && error.kind() == ErrorKind::Unavailable && codes.contains(&500))
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

    /// Takes one of the sends that `num_retries_per_request` leaves; says whether there was one. There is none behind something
    /// that may have acted.
    pub(super) fn may_go_on(&mut self) -> bool {
        if self.journal.entries().may_have_acted {
            return false;
        }
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

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn throttled(after: Option<Duration>) -> Error {
        Error::new(ErrorKind::Throttled, "slow down").with_retry_after(after)
    }

    #[test]
    fn waits_double_from_one_second() {
        let wish = RetryWish::default();
        let error = throttled(Some(Duration::from_secs(9)));
        let waits: Vec<_> = (0..5)
            .filter_map(|made| wish.wait(made, Duration::ZERO, &error))
            .map(|(wait, asked)| (wait.as_secs(), asked))
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16].map(|wait| (wait, false)));
    }

    #[test]
    fn provider_is_waited_for_within_a_minute_in_all() {
        let wish = RetryWish {
            honours_retry_after: true,
            ..RetryWish::default()
        };
        let wait = |asked, waited| {
            let error = throttled(Some(Duration::from_millis(asked)));
            wish.wait(0, Duration::from_secs(waited), &error)
        };
        assert_eq!(wait(2_500, 0), Some((Duration::from_millis(2_500), true)));
        assert_eq!(wait(60_000, 0), None);
        assert_eq!(wait(20_000, 40), Some((Duration::from_secs(20), true)));
        assert_eq!(wait(20_001, 40), None);
        let none = wish.wait(1, Duration::ZERO, &throttled(None));
        assert_eq!(none, Some((Duration::from_secs(2), false)));
        let mut headers = http::HeaderMap::new();
        headers.insert("x-ms-retry-after-ms", "700".parse().unwrap());
        let azure = throttled(None).with_upstream_headers(headers);
        let asked = wish.wait(0, Duration::ZERO, &azure);
        assert_eq!(asked, Some((Duration::from_millis(700), true)));
        let unavailable = Error::new(ErrorKind::Unavailable, "down")
            .with_retry_after(Some(Duration::from_secs(9)));
        let own = wish.wait(0, Duration::ZERO, &unavailable);
        assert_eq!(own, Some((Duration::from_secs(1), false)));
    }

    #[test]
    fn a_failing_aws_is_meant_by_500_and_503() {
        let unavailable = Error::new(ErrorKind::Unavailable, "down");
        assert!(lists(&[500], &unavailable) && lists(&[503], &unavailable));
        assert!(!lists(&[502], &unavailable));
        let gateway = unavailable.with_status(StatusCode::BAD_GATEWAY);
        assert!(lists(&[502], &gateway) && !lists(&[500], &gateway));
    }
}
