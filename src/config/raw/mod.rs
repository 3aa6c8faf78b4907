//! `config.yaml` as written, in LiteLLM's words: which keys there are, and what may stand there.
//!
//! One table per section, one file per table. The tables are all that is known of a key: the check, the JSON Schema,
//! `docs/config.md` and the suggestions for misspelt keys are made from them, so they cannot disagree.

mod cache_params;
mod credential_list;
mod general_settings;
mod litellm_settings;
mod model_list;
mod policies;
mod redis_keys;
mod router_settings;
mod top_level;
mod virtual_keys;

pub(super) use cache_params::CACHE_PARAMS;
use credential_list::CREDENTIAL;
pub(super) use general_settings::GENERAL_SETTINGS;
pub(super) use litellm_settings::LITELLM_SETTINGS;
pub(super) use model_list::{CREDENTIAL_KEYS, ENTRY, LITELLM_PARAMS, MODEL_INFO};
pub(super) use policies::STRATEGY_ARGS;
use policies::{ALLOWED_FAILS_POLICY, RETRY_POLICY};
use redis_keys::REDIS;
pub(super) use router_settings::ROUTER_SETTINGS;
pub(super) use top_level::TOP_LEVEL;
pub(super) use virtual_keys::VIRTUAL_KEY;

/// The keys of a mapping.
#[derive(Debug)]
pub(super) struct Table {
    /// The section's name, as [`super::defaults`] and the documentation spell it; empty for the top level.
    pub(super) name: &'static str,
    pub(super) keys: &'static [Key],
    /// Keys that it shares with another table.
    pub(super) also: &'static [Key],
    pub(super) unknown: Unknown,
}

/// What happens to a key that is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// A warning.
    Warn,
    /// It is kept, silently.
    Keep,
    /// It goes on to the provider; a near miss of a known key warns.
    Provider,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) support: Support,
    /// What it means, in a sentence without a full stop.
    pub(super) about: &'static str,
    pub(super) required: bool,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// It does what LiteLLM's documentation says.
    Honoured,
    /// It is a default of the request: it goes into the call unless the client says otherwise.
    Default,
    /// It is read and checked, but has no effect yet: a warning says so.
    Later,
    /// It has no effect here, and need not have: nothing is said.
    Inert,
    /// A part of LiteLLM that Switchyard does not have: a warning says so.
    OutOfScope,
    /// It would keep somebody out or bound what is spent, and does not here: an error says what to do instead.
    Refused(&'static str),
}

/// What may stand at a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// Text that must not be printed.
    Secret,
    /// A switch.
    Flag,
    /// A whole number, 0 or more.
    Count,
    /// A whole number, 1 or more: with 0 nothing would go.
    Positive,
    /// A whole number.
    Integer,
    /// A number, 0 or more.
    Amount,
    /// A number.
    Number,
    /// Seconds, 0 or more.
    Seconds,
    /// Milliseconds, 0 or more.
    Millis,
    /// A time span as text: `30s`, `12h`, `7d`, `1mo`, `daily`.
    Period,
    /// A point in time (RFC 3339), or a day.
    Time,
    /// A TCP port.
    Port,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An HTTP status: one of these.
    Status(&'static [u16]),
    /// A list.
    List(&'static Kind),
    /// A list, or one element that stands for a list of one.
    OneOrMore(&'static Kind),
    /// A mapping of any keys to values of one kind.
    MapOf(&'static Kind),
    /// A mapping with keys of its own.
    Keys(&'static Table),
    /// A list of mappings with one key each.
    OneKeyMaps,
    /// The first of these kinds that the value's type fits.
    Either(&'static [Kind]),
    /// A mapping.
    Map,
    /// Anything.
    Any,
    /// Nothing: the key belongs to the section named here.
    Misplaced(&'static str),
    /// `model_list`: its entries are checked one by one, later.
    Entries,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, support: Support, about: &'static str) -> Self {
        Self {
            name,
            kind,
            support,
            about,
            required: false,
        }
    }

    /// A key that does what it says.
    const fn used(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self::new(name, kind, Support::Honoured, about)
    }

    /// A key that is read but does nothing yet.
    const fn later(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self::new(name, kind, Support::Later, about)
    }

    /// A key that guards something which nothing guards here; `cure` says what to do instead.
    const fn refused(
        name: &'static str,
        kind: Kind,
        about: &'static str,
        cure: &'static str,
    ) -> Self {
        Self::new(name, kind, Support::Refused(cure), about)
    }

    /// A key that needs to do nothing.
    const fn inert(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self::new(name, kind, Support::Inert, about)
    }

    /// A default of the request.
    const fn request(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self::new(name, kind, Support::Default, about)
    }

    /// A key of a part that Switchyard does not have.
    const fn out(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Any, Support::OutOfScope, about)
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl Table {
    /// Returns the key called `name`.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.all().find(|key| key.name == name)
    }

    /// Returns all keys.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().chain(self.also)
    }
}
