//! The errors of getting credentials, as the pipeline understands them.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::Credentials;
use crate::error::{Error, ErrorKind};
use crate::upstream::failure::causes;

/// Nothing to authorize with: 401.
pub(super) fn denied(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::UpstreamDenied, message)
}

/// No place has any. It says whose they are, since a client reads a 401 as one of its own key.
pub(super) fn nothing_found() -> Error {
    denied(
        "Unable to locate credentials: the gateway has no AWS credentials for this model, whatever the key of the request. \
         Its operator has to give it some: in the configuration, the environment, a profile or a role.",
    )
}

/// Whoever gives out credentials is away: 503.
pub(super) fn unavailable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}

/// Reads an error of aws-config's; `None` if it only says that there is nothing to be had from `place`.
pub(super) fn from_sdk(place: &str, error: CredentialsError) -> Result<Option<Credentials>, Error> {
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        tracing::debug!(place, error = %innermost(&error), "no AWS credentials here");
        return Ok(None);
    }
    let is_away = matches!(error, CredentialsError::ProviderTimedOut(_))
        || causes(&error).any(<dyn StdError>::is::<ConnectorError>);
    let message = format!(
        "Unable to locate credentials: {place}: {}",
        innermost(&error)
    );
    let failure = if is_away {
        unavailable(message)
    } else {
        denied(message)
    };
    Err(failure.with_source(error))
}

/// The innermost cause is the one that says what happened.
fn innermost(error: &CredentialsError) -> String {
    causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
