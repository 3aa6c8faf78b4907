//! What an error of Redis means: the connection is of no use, or the server does not want to. No text has a credential.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::StoreError;

/// What an error of one command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server has not seen the script yet.
    NoScript,
    /// Nothing more can be expected of this connection.
    Lost(String),
    /// The server answered, and refused.
    Refused(String),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoScript => Self::Refused("scripts cannot be run".to_owned()),
            Failure::Lost(why) => Self::Away(why),
            Failure::Refused(why) => Self::Refused(why),
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::NoScript,
            // A master that became a replica, or a node that is not ready: another connection leads to another place.
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly,
            ) => Self::Lost(words(&error)),
            ErrorKind::Server(_)
            | ErrorKind::Extension
            | ErrorKind::UnexpectedReturnType
            | ErrorKind::AuthenticationFailed
            | ErrorKind::InvalidClientConfig
            | ErrorKind::RESP3NotSupported => Self::Refused(words(&error)),
            _ => Self::Lost(words(&error)),
        }
    }
}

/// The error in words that may be shown. A server repeats the arguments of a command that it does not know: those are cut.
fn words(error: &RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    let detail = detail
        .split(", with args")
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect::<String>();
    match (error.code(), detail.is_empty()) {
        (Some(code), true) => code.to_owned(),
        (Some(code), false) => format!("{code} {detail}"),
        (None, false) => format!("{}: {detail}", error.category()),
        (None, true) if error.is_io_error() => error.to_string(),
        (None, true) => error.category().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_server(code: &str, detail: &str) -> Failure {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned())).into()
    }

    #[test]
    fn wrong_types_and_full_servers_are_refusals() {
        for code in ["WRONGTYPE", "OOM", "NOPERM", "ERR"] {
            assert!(
                matches!(of_server(code, "no"), Failure::Refused(_)),
                "{code}"
            );
        }
    }

    #[test]
    fn lost_connections_are_lost() {
        let error = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(Failure::from(error), Failure::Lost(_)));
    }

    #[test]
    fn arguments_of_unknown_commands_are_not_repeated() {
        let Failure::Refused(words) = of_server(
            "ERR",
            "unknown command 'EVALSHA', with args beginning with: 'hunter2'",
        ) else {
            panic!("a refusal");
        };
        assert!(
            words.contains("EVALSHA") && !words.contains("hunter2"),
            "{words}"
        );
    }
}
