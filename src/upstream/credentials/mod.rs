//! AWS credentials: found as the operator said, kept fresh, shared by all deployments with the same identity.

mod ambient;
mod failures;
mod identity;
mod machine;
mod provide;
mod refresh;
mod shared_files;
mod source;
mod store;
mod sts;
mod sts_place;
mod token;

use std::sync::Arc;
use std::time::SystemTime;

pub use source::Source;
pub use store::CredentialStore;

use crate::config::Secret;
use crate::provider::bedrock::sign::Keys;

/// What a request is authorized with. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// An AWS key pair: the request is signed (SigV4).
    Keys(Arc<Keys>),
    /// A Bedrock API key, sent as it is.
    Bearer(Secret),
    /// Nothing: the upstream asks for nothing, or `extra_headers` have it.
    None,
}

impl Credentials {
    /// Makes a key pair that does not expire.
    pub fn keys(
        access_key_id: impl Into<String>,
        secret: impl Into<String>,
        session_token: Option<&str>,
    ) -> Self {
        let keys = Keys::new(
            access_key_id,
            Secret::new(secret),
            session_token.map(Secret::new),
            None,
        );
        Self::Keys(Arc::new(keys))
    }

    /// Makes a key pair that AWS handed out for a while.
    fn temporary(
        access_key_id: impl Into<String>,
        secret: impl Into<String>,
        session_token: Option<String>,
        expires_at: Option<SystemTime>,
    ) -> Self {
        let token = session_token.map(Secret::new);
        Self::Keys(Arc::new(Keys::new(
            access_key_id,
            Secret::new(secret),
            token,
            expires_at,
        )))
    }

    /// Returns when they stop working, if they do.
    pub fn expires_at(&self) -> Option<SystemTime> {
        match self {
            Self::Keys(keys) => keys.expires_at(),
            Self::Bearer(_) | Self::None => None,
        }
    }

    /// Says whether they are the same; AWS never gives the same id and token to two secrets.
    fn are(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keys(one), Self::Keys(other)) => {
                one.access_key_id() == other.access_key_id()
                    && one.session_token() == other.session_token()
            }
            (Self::Bearer(one), Self::Bearer(other)) => one == other,
            (Self::None, Self::None) => true,
            _ => false,
        }
    }
}

impl From<aws_credential_types::Credentials> for Credentials {
    fn from(credentials: aws_credential_types::Credentials) -> Self {
        Self::temporary(
            credentials.access_key_id(),
            credentials.secret_access_key(),
            credentials.session_token().map(str::to_owned),
            credentials.expiry(),
        )
    }
}
