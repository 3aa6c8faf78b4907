//! Limits: what may be used each minute and at one time, by whom.
//!
//! A [`Meters`] holds the limits of one holder (a deployment, a key, a user, …). A call takes from all that apply to it, at
//! once or not at all, and holds a [`Permit`]: dropping it gives back what was not used. Windows are exact: N at once when
//! idle, and never more than N in any 60 s.
//!
//! `window.rs` counts, `ledger.rs` keeps the counts of a holder under one lock, `permit.rs` takes from several holders at
//! once, `limiter.rs` asks the shared store. A call that may wait for room stands in a [`Queue`].

mod gate;
mod ledger;
mod limiter;
mod meters;
mod outbox;
mod permit;
mod queue;
mod window;

use std::time::Duration;

pub use limiter::Limiter;
pub use meters::{Meters, Rates, parallel_limit};
pub use permit::Permit;
pub use queue::{Queue, Turn, Waiting};

use crate::error::{Error, ErrorKind};

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitName {
    /// Requests per minute.
    Rpm,
    /// Tokens per minute.
    Tpm,
    /// Input tokens per minute.
    Itpm,
    /// Output tokens per minute.
    Otpm,
    /// Calls at one time.
    Parallel,
}

impl LimitName {
    /// Returns the name as state, metrics and logs spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Tpm => "tpm",
            Self::Itpm => "itpm",
            Self::Otpm => "otpm",
            Self::Parallel => "max_parallel_requests",
        }
    }

    /// Returns what it counts, as LiteLLM spells it in headers and errors.
    pub fn counts(self) -> &'static str {
        match self {
            Self::Rpm => "requests",
            Self::Tpm => "tokens",
            Self::Itpm => "input-tokens",
            Self::Otpm => "output-tokens",
            Self::Parallel => "max_parallel_requests",
        }
    }

    /// Says whether it counts tokens.
    pub fn counts_tokens(self) -> bool {
        matches!(self, Self::Tpm | Self::Itpm | Self::Otpm)
    }
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A deployment.
    Deployment,
    /// A virtual key.
    Key,
    /// A user: all keys with one `user_id`.
    User,
    /// A team: all keys with one `team_id`.
    Team,
    /// A key on one model group.
    Model,
    /// A key on one tag.
    Tag,
    /// The whole gateway.
    Global,
}

impl Scope {
    /// Returns the name as metrics and the shared store spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Key => "key",
            Self::User => "user",
            Self::Team => "team",
            Self::Model => "model",
            Self::Tag => "tag",
            Self::Global => "global",
        }
    }

    /// Returns the name as LiteLLM spells it in headers and errors.
    pub fn descriptor(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Key => "api_key",
            Self::User => "user",
            Self::Team => "team",
            Self::Model => "model_per_key",
            Self::Tag => "tag_per_key",
            Self::Global => "global",
        }
    }
}

/// What a call takes: its requests, and tokens by estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Requests.
    pub requests: u64,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens: `max_tokens`, 256 where it is absent.
    pub output_tokens: u64,
}

/// A limit that has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Whose.
    pub scope: Scope,
    /// Which.
    pub limit: LimitName,
    /// How much it is.
    pub value: u64,
    /// When there will be room; `None` where that is when another call ends.
    pub retry_after: Option<Duration>,
}

impl Full {
    /// Of several, the one with the most weight is told: one that ends the call before one of a model, which may fall
    /// back, then the longest wait.
    fn weight(&self) -> (bool, Option<Duration>) {
        (self.scope != Scope::Model, self.retry_after)
    }
}

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A limit has no room.
    Full(Full),
    /// The shared store could not be asked, and `fail_closed_rate_limit_enforcement` is set.
    StoreAway,
}

impl Refused {
    /// Returns what the client is told when the shared store could not be asked.
    pub fn store_away() -> Error {
        let message = "rate limits cannot be checked at the moment";
        Error::new(ErrorKind::Overloaded, message).with_retry_after(Some(Duration::from_secs(1)))
    }
}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

/// Tokens by the limits that count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tokens {
    total: u64,
    input: u64,
    output: u64,
}

impl Tokens {
    /// A caller chooses `max_tokens`; beyond this it is all the same, and sums stay far from overflow.
    const MOST: u64 = 1 << 40;

    fn new(total: u64, input: u64, output: u64) -> Self {
        Self {
            total: total.min(Self::MOST),
            input: input.min(Self::MOST),
            output: output.min(Self::MOST),
        }
    }

    fn estimated(cost: Cost) -> Self {
        let total = cost.input_tokens.saturating_add(cost.output_tokens);
        Self::new(total, cost.input_tokens, cost.output_tokens)
    }

    /// What counts for a limit on tokens; 0 for the others.
    fn of(self, name: LimitName) -> u64 {
        match name {
            LimitName::Tpm => self.total,
            LimitName::Itpm => self.input,
            LimitName::Otpm => self.output,
            LimitName::Rpm | LimitName::Parallel => 0,
        }
    }
}

/// How far a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Which.
    pub limit: LimitName,
    /// How much it is.
    pub value: u64,
    /// What is used of it, by all instances as far as is known; may be more than `value`.
    pub used: u64,
    /// What is left.
    pub remaining: u64,
    /// How long until it is whole again.
    pub resets_in: Duration,
}
