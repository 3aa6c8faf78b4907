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

use std::time::SystemTime;

pub use source::Source;
pub use store::CredentialStore;

use crate::config::Secret;

/// What a request is authorized with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// An AWS key pair: the request is signed (SigV4).
    Keys {
        /// The public half.
        access_key_id: String,
        /// The secret half.
        secret: Secret,
        /// Proof that the pair is temporary and still good.
        session_token: Option<Secret>,
        /// When the pair stops working; `None` if it does not, or nobody said.
        expires_at: Option<SystemTime>,
    },
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
        Self::Keys {
            access_key_id: access_key_id.into(),
            secret: Secret::new(secret),
            session_token: session_token.map(Secret::new),
            expires_at: None,
        }
    }

    /// Returns when they stop working, if they do.
    pub fn expires_at(&self) -> Option<SystemTime> {
        match self {
            Self::Keys { expires_at, .. } => *expires_at,
            Self::Bearer(_) | Self::None => None,
        }
    }
}

impl From<aws_credential_types::Credentials> for Credentials {
    fn from(credentials: aws_credential_types::Credentials) -> Self {
        Self::Keys {
            access_key_id: credentials.access_key_id().to_owned(),
            secret: Secret::new(credentials.secret_access_key()),
            session_token: credentials.session_token().map(Secret::new),
            expires_at: credentials.expiry(),
        }
    }
}
