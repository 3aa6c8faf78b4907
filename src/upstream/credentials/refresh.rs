//! Keeps one identity's credentials fresh.
//!
//! Whoever needs them takes what is held. Near the end of their life the first caller starts a fetch and goes on with the
//! old ones; only when none are usable does a caller wait, and all who wait share one fetch. The fetch is a task of its own:
//! a client that hangs up does not stop it. While fetches fail, the old credentials are used until they really expire.
//! Nothing sleeps in the background, so an identity that nobody uses costs nothing.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio_util::task::TaskTracker;

use super::Credentials;
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind};

/// How long before they expire credentials are fetched anew, at least; half as much again at most, by chance, so that
/// replicas do not ask at the same time. Short-lived ones: in the last quarter of their life.
const AHEAD: Duration = Duration::from_secs(300);

/// How long credentials without an end are used before their source is read again.
const ENDLESS: Duration = Duration::from_secs(600);

/// Bound on one fetch, whatever it takes.
const FETCH_TIME: Duration = Duration::from_secs(20);

/// How long a failure is repeated without asking again, while there is nothing to use.
const REPEAT_FAILURE: Duration = Duration::from_secs(1);

/// How long a failed refresh is not tried again while the old credentials are still good; doubles up to the last.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
const LAST_BACKOFF: Duration = Duration::from_secs(60);

/// Fetches the credentials of one identity.
pub(super) trait Provider: Debug + Send + Sync {
    fn fetch(self: Arc<Self>) -> BoxFuture<'static, Result<Credentials, Error>>;
}

/// What refreshing needs from outside.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// Our own clock; what gives out credentials says in its terms when they expire.
    pub(super) clock: SharedClock,
    pub(super) tracker: TaskTracker,
    /// A random number from 0 (inclusive) to 1.
    pub(super) draw: fn() -> f64,
}

type Flight = Shared<BoxFuture<'static, Result<Arc<Credentials>, Error>>>;

/// Holds the credentials of one identity.
#[derive(Debug)]
pub(super) struct Refresher {
    provider: Arc<dyn Provider>,
    around: Surroundings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    /// The fetch under way.
    flight: Option<Flight>,
    failure: Option<Failure>,
    /// Until when forcing a refresh is pointless, because the last one brought the same credentials again.
    same_again_until: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    credentials: Arc<Credentials>,
    refresh_at: SystemTime,
}

#[derive(Debug)]
struct Failure {
    error: Error,
    at: Instant,
    /// How long a refresh is not tried again.
    backoff: Duration,
}

impl Held {
    fn is_usable(&self, now: SystemTime) -> bool {
        self.credentials.expires_at().is_none_or(|end| now < end)
    }
}

impl Refresher {
    pub(super) fn new(provider: Arc<dyn Provider>, around: Surroundings) -> Arc<Self> {
        Arc::new(Self {
            provider,
            around,
            state: Mutex::default(),
        })
    }

    /// Returns what is held if it is still good, else what a fetch brings.
    pub(super) async fn credentials(self: &Arc<Self>) -> Result<Arc<Credentials>, Error> {
        let flight = {
            let mut state = self.state();
            let wall = self.around.clock.wall();
            if let Some(held) = state.held.as_ref().filter(|held| held.is_usable(wall)) {
                let credentials = Arc::clone(&held.credentials);
                if wall >= held.refresh_at {
                    self.refresh_in_background(&mut state);
                }
                return Ok(credentials);
            }
            if state.flight.is_none()
                && let Some(failure) = &state.failure
                && self.since(failure.at) < REPEAT_FAILURE
            {
                return Err(failure.error.clone());
            }
            self.join(&mut state)
        };
        flight.await
    }

    /// Returns what is held if it is not `expired`, else what a fetch brings.
    pub(super) async fn force(
        self: &Arc<Self>,
        expired: &Credentials,
    ) -> Result<Arc<Credentials>, Error> {
        let flight = {
            let mut state = self.state();
            let pointless = state
                .same_again_until
                .is_some_and(|until| self.around.clock.now() < until);
            if let Some(held) = &state.held
                && (pointless || !held.credentials.are(expired))
            {
                return Ok(Arc::clone(&held.credentials));
            }
            self.join(&mut state)
        };
        flight.await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since(&self, at: Instant) -> Duration {
        self.around.clock.now().saturating_duration_since(at)
    }

    fn refresh_in_background(self: &Arc<Self>, state: &mut State) {
        let too_soon = state
            .failure
            .as_ref()
            .is_some_and(|failure| self.since(failure.at) < failure.backoff);
        if !too_soon {
            // The task runs whether anybody waits for it or not.
            drop(self.join(state));
        }
    }

    /// Joins the fetch under way, or starts one.
    fn join(self: &Arc<Self>, state: &mut State) -> Flight {
        if let Some(flight) = &state.flight {
            return flight.clone();
        }
        let task = self.around.tracker.spawn(Arc::clone(self).fly());
        let flight = task
            .map(|ended| {
                ended.unwrap_or_else(|error| {
                    let message = "fetching the AWS credentials was interrupted";
                    Err(Error::new(ErrorKind::Internal, message).with_source(error))
                })
            })
            .boxed()
            .shared();
        state.flight = Some(flight.clone());
        flight
    }

    async fn fly(self: Arc<Self>) -> Result<Arc<Credentials>, Error> {
        let landing = Landing(&self);
        let fetched = tokio::time::timeout(FETCH_TIME, Arc::clone(&self.provider).fetch()).await;
        let fetched = fetched.unwrap_or_else(|_| {
            let message = format!("no AWS credentials within {} s", FETCH_TIME.as_secs());
            Err(Error::new(ErrorKind::Unavailable, message))
        });
        let result = match fetched {
            Ok(credentials) => Ok(self.keep(credentials)),
            Err(error) => Err(self.note(error)),
        };
        drop(landing);
        result
    }

    fn keep(&self, credentials: Credentials) -> Arc<Credentials> {
        let wall = self.around.clock.wall();
        let mut state = self.state();
        let same_again = state
            .held
            .as_ref()
            .is_some_and(|held| held.credentials.are(&credentials));
        state.same_again_until = same_again.then(|| self.around.clock.now() + FIRST_BACKOFF);
        state.failure = None;
        let refresh_at = refresh_at(wall, credentials.expires_at(), (self.around.draw)());
        let credentials = Arc::new(credentials);
        state.held = Some(Held {
            credentials: Arc::clone(&credentials),
            refresh_at,
        });
        credentials
    }

    fn note(&self, error: Error) -> Error {
        let mut state = self.state();
        let backoff = state.failure.as_ref().map_or(FIRST_BACKOFF, |failure| {
            (failure.backoff * 2).min(LAST_BACKOFF)
        });
        tracing::warn!(
            error = %error,
            still_usable = state.held.as_ref().is_some_and(|held| held.is_usable(self.around.clock.wall())),
            "fetching AWS credentials failed"
        );
        state.failure = Some(Failure {
            error: error.clone(),
            at: self.around.clock.now(),
            backoff,
        });
        error
    }
}

/// Ends the flight however the task ends, also when it panics.
struct Landing<'a>(&'a Refresher);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.state().flight = None;
    }
}

fn refresh_at(now: SystemTime, expires_at: Option<SystemTime>, draw: f64) -> SystemTime {
    let Some(end) = expires_at else {
        return now + ENDLESS;
    };
    let life = end.duration_since(now).unwrap_or_default();
    let ahead = AHEAD
        .min(life / 4)
        .mul_f64(1.0 + draw.clamp(0.0, 1.0) / 2.0);
    end.checked_sub(ahead).unwrap_or(now)
}

#[cfg(test)]
#[path = "refresh_tests.rs"]
mod tests;
