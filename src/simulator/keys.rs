//! The access keys and bearer keys the simulated AWS knows.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

/// The simulator's own access key, known to every simulator.
pub const ACCESS_KEY_ID: &str = "AKIASIMMAIN0000000001";
/// The secret of [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "sim/Main+Secret/0000000000000000000001";

/// A pair of keys that may sign requests to the simulator.
#[derive(Clone, Default)]
pub struct AccessKey {
    /// The access key id, such as `AKIA…` or `ASIA…`.
    pub id: String,
    /// The secret that signs.
    pub secret: String,
    /// The session token that must come with every request; `None` for long-lived keys.
    pub session_token: Option<String>,
    /// Whether AWS answers `ExpiredTokenException` to every use of this key.
    pub expired: bool,
}

impl AccessKey {
    /// Makes a long-lived key.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            session_token: None,
            expired: false,
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessKey")
            .field("id", &self.id)
            .field("temporary", &self.session_token.is_some())
            .field("expired", &self.expired)
            .finish_non_exhaustive()
    }
}

/// Returns the keys that every simulator knows unless its options say otherwise.
pub(super) fn built_in() -> Vec<AccessKey> {
    let temporary = |id: &str, secret: &str, expired: bool| AccessKey {
        session_token: Some(format!("{id}-session-token")),
        expired,
        ..AccessKey::new(id, secret)
    };
    vec![
        AccessKey::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY),
        AccessKey::new(
            "AKIASIMALT00000000002",
            "sim/Alt+Secret/00000000000000000000002",
        ),
        temporary(
            "ASIASIMTEMP0000000004",
            "sim/Temp+Secret/0000000000000000000004",
            false,
        ),
        temporary(
            "ASIASIMEXPIRED0000005",
            "sim/Expired+Secret/0000000000000000005",
            true,
        ),
    ]
}

/// Returns the Bedrock API keys that every simulator knows unless its options say otherwise.
pub(super) fn built_in_bearer() -> Vec<String> {
    ["0001", "0002"]
        .map(|number| format!("ABSKsim-bedrock-api-key-{number}"))
        .to_vec()
}

/// A key with the time at which it stops working.
#[derive(Clone)]
pub(super) struct KnownKey {
    pub(super) key: AccessKey,
    pub(super) expires_at: Option<SystemTime>,
}

impl KnownKey {
    pub(super) fn is_expired(&self, now: SystemTime) -> bool {
        self.key.expired || self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Every key that may be used now, by id.
#[derive(Default)]
pub(super) struct KeyRing {
    keys: RwLock<HashMap<String, KnownKey>>,
}

impl KeyRing {
    pub(super) fn new(keys: Vec<AccessKey>) -> Self {
        let ring = Self::default();
        for key in keys {
            ring.add(key, None);
        }
        ring
    }

    pub(super) fn add(&self, key: AccessKey, expires_at: Option<SystemTime>) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.id.clone(), KnownKey { key, expires_at });
    }

    pub(super) fn find(&self, id: &str) -> Option<KnownKey> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Returns the ids in alphabetical order, without any secret.
    pub(super) fn ids(&self) -> Vec<String> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut ids: Vec<String> = keys.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }
}
